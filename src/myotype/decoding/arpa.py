"""Reading language models from ARPA files, the text form that every n-gram tool reads and writes.

A header says how many n-grams of each order there are; then each order has a section with a line for each n-gram: log10
of its probability, its words and, below the highest order, log10 of its back-off weight.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from myotype.decoding import arpa_kernels as kernels
from myotype.decoding.automaton import Automaton
from myotype.decoding.building import build_automaton
from myotype.decoding.packed import MOST_ENTRIES, MOST_WORDS, is_word
from myotype.errors import LanguageModelError

_HIGHEST_ORDER: Final = 64
_CHUNK: Final = 1 << 23
_LONGEST_LINE: Final = 1 << 20
_COUNT: Final = re.compile(rb"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})")
_NUMBER: Final = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,5})?")
_LARGEST: Final = float(np.finfo(np.float32).max)
_KENLM: Final = b"mmap lm http://kheafield.com/code"


def read_arpa(path: Path) -> tuple[Automaton, tuple[int, ...], tuple[str, ...]]:
    """Read a model from an ARPA file, compressed by gzip or not.

    Returns
    -------
    tuple
        The automaton, the number of n-grams of each order, and the words.

    Raises
    ------
    LanguageModelError
        If the file is not ARPA, ends early, or contradicts itself: where there are more or fewer n-grams than the
        header says, an n-gram stands twice or has a word that is no unigram, its first words are no n-gram or have no
        back-off weight, or a number is none or a probability above 1.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
            return _Reader(_Source(path, stream)).read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LanguageModelError(f"{path}: the compressed file is damaged or cut short: {error}") from error
    except OSError as error:
        raise LanguageModelError(f"{path} cannot be read: {error.strerror or error}") from error


class _Source:
    """A file as lines, one at a time or as many as are in memory."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path = path
        self.line = 1
        """Number of the next line."""
        self.data = b""
        self.at = 0
        self._stream = stream
        self._ended = False

    def fail(self, message: str, line: int | None = None) -> NoReturn:
        """Raise an error that says where."""
        raise LanguageModelError(f"{self.path}, line {self.line if line is None else line}: {message}")

    def fill(self) -> bool:
        """Have at least one whole line in memory, or say that there is none."""
        while self.data.find(b"\n", self.at) < 0:
            if self._ended:
                return False
            self.data = self.data[self.at :]
            self.at = 0
            if len(self.data) > _LONGEST_LINE:
                self.fail("a line of more than a million bytes: this is not an ARPA file")
            chunk = self._stream.read(_CHUNK)
            self._ended = not chunk
            self.data += chunk or (b"\n" if self.data else b"")
        return True

    def peek(self) -> bytes | None:
        """Give the next line without its ends, or None after the last."""
        return self.data[self.at : self.data.index(b"\n", self.at)].strip() if self.fill() else None

    def skip(self) -> None:
        """Go past the line that was looked at."""
        self.at = self.data.index(b"\n", self.at) + 1
        self.line += 1

    def skip_blank(self) -> bytes | None:
        """Go past empty lines and look at the next."""
        while (line := self.peek()) == b"":
            self.skip()
        return line


@dataclass
class _Level:
    """The n-grams of one order, sorted by their words.

    Attributes
    ----------
    start
        How many n-grams of lower orders there are.
    lines
        (n,) the line of each.
    begin
        (n,) where those that continue each begin, in the list of all.
    """

    start: int
    words: npt.NDArray[np.uint16]
    log10: npt.NDArray[np.float32]
    backoff: npt.NDArray[np.float32]
    lines: npt.NDArray[np.int64]
    begin: npt.NDArray[np.int64]


class _Reader:
    def __init__(self, source: _Source) -> None:
        self._source = source
        self._levels: list[_Level] = []

    def read(self) -> tuple[Automaton, tuple[int, ...], tuple[str, ...]]:
        counts = self._read_header()
        words = self._read_words(counts[0], highest=len(counts) == 1)
        vocabulary = _vocabulary(words)
        for order in range(2, len(counts) + 1):
            self._read_section(order, counts[order - 1], vocabulary, highest=order == len(counts))
        self._expect(b"\\end\\", f"after the {len(counts)}-grams")
        lower = self._levels[:-1] if len(self._levels) > 1 else []
        child_word = np.concatenate([level.words for level in self._levels])
        begin = np.concatenate([*(level.begin for level in lower), [len(child_word)]]).astype(np.int32)
        backoff = np.concatenate([*(level.backoff for level in lower), np.zeros(0, np.float32)])
        log10 = np.concatenate([level.log10 for level in self._levels])
        self._levels.clear()
        automaton = build_automaton(child_word, log10, begin, np.nan_to_num(backoff, copy=False))
        return automaton, counts, tuple(word.decode("utf-8") for word in words)

    def _expect(self, line: bytes, where: str) -> None:
        found = self._source.skip_blank()
        if found is None:
            self._source.fail(f"the file ends {where}, before {line.decode()}")
        if found != line:
            self._source.fail(f"expected {line.decode()} {where}, found {_shown(found)}")
        self._source.skip()

    def _read_header(self) -> tuple[int, ...]:
        source = self._source
        _read_first_line(source)
        counts: list[int] = []
        while (line := source.skip_blank()) is not None and not line.startswith(b"\\"):
            match = _COUNT.fullmatch(line)
            if match is None:
                source.fail(f"expected 'ngram {len(counts) + 1}=' and a count, found {_shown(line)}")
            if int(match[1]) != len(counts) + 1:
                source.fail(f"the count of {int(match[1])}-grams stands where that of {len(counts) + 1}-grams belongs")
            counts.append(int(match[2]))
            if counts[0] > MOST_WORDS:
                source.fail(f"{counts[0]} different words; {MOST_WORDS} can be read: this is no model of characters")
            if sum(counts) > MOST_ENTRIES:
                source.fail(f"{sum(counts)} n-grams up to here; {MOST_ENTRIES} can be read")
            if len(counts) > _HIGHEST_ORDER:
                source.fail(f"n-grams of more than {_HIGHEST_ORDER} words cannot be read")
            source.skip()
        if line is None:
            source.fail("the file ends within its header")
        if not counts:
            source.fail("the header counts no n-grams")
        return tuple(counts)

    def _read_words(self, promised: int, *, highest: bool) -> list[bytes]:
        """Read the unigrams."""
        source = self._source
        self._expect(b"\\1-grams:", "after the header")
        first_line = source.line
        words: dict[bytes, None] = {}
        numbers: list[tuple[float, float]] = []
        while (line := source.peek()) and not line.startswith(b"\\"):
            word, log10, backoff = self._word(line, highest=highest)
            if word in words:
                source.fail(f"the word {_shown(word)} stands twice")
            words[word] = None
            numbers.append((log10, backoff))
            if len(words) > promised:
                source.fail(f"the header promises {promised} 1-grams, but there are more")
            source.skip()
        if line is None:
            source.fail("the file ends within the 1-grams")
        if len(words) != promised:
            source.fail(f"the header promises {promised} 1-grams, but there are {len(words)}")
        for needed in (b"<s>", b"</s>"):
            if needed not in words:
                source.fail(f"there is no 1-gram {needed.decode()}")
        n = len(words)
        log10s, backoffs = np.array(numbers, np.float32).T.copy()
        lines = first_line + np.arange(n)
        self._levels.append(_Level(0, np.arange(n, dtype=np.uint16), log10s, backoffs, lines, np.full(n, n, np.int64)))
        return list(words)

    def _word(self, line: bytes, *, highest: bool) -> tuple[bytes, float, float]:
        """Give a unigram, log10 of its probability, and log10 of its back-off weight or NaN."""
        fields = line.split()
        if not 2 <= len(fields) <= 3 - highest:
            wanted = "a number and a word" if highest else "a number, a word and a number"
            self._source.fail(f"expected {wanted}, found {_shown(line)}")
        log10 = self._number(fields[0], "log-probability")
        if log10 > 0:
            self._source.fail(f"a log-probability above 0: {_shown(fields[0])}")
        if not is_word(fields[1].decode("utf-8", "surrogateescape")):
            self._source.fail(f"a word that is not UTF-8: {_shown(fields[1])}")
        backoff = self._number(fields[2], "back-off weight") if len(fields) == 3 else np.nan
        return fields[1], log10, backoff

    def _number(self, text: bytes, what: str) -> float:
        if _NUMBER.fullmatch(text) is None or not abs(value := float(text)) < _LARGEST:
            self._source.fail(f"not a number where a {what} belongs: {_shown(text)}")
        return value

    def _read_section(self, order: int, promised: int, vocabulary: kernels.Vocabulary, *, highest: bool) -> None:
        source = self._source
        self._expect(f"\\{order}-grams:".encode(), f"after the {order - 1}-grams")
        first_line = source.line
        child_word = np.concatenate([level.words for level in self._levels])
        begin = np.concatenate([*(level.begin for level in self._levels[:-1]), [len(child_word)]]).astype(np.int32)
        # What the header promises is believed only as far as the lines go.
        places = np.empty(1 << 16, np.uint64)
        log10, backoff = np.empty(1 << 16, np.float32), np.empty(1 << 16, np.float32)
        n = 0
        while True:
            if not source.fill():
                source.fail(f"the file ends within the {order}-grams")
            whole = source.data.rindex(b"\n") + 1
            data = np.frombuffer(source.data, np.uint8)[:whole]
            before = n
            reason, source.at, n, low, high = kernels.parse_ngrams(
                data, source.at, order, highest, vocabulary, child_word, begin, places, log10, backoff, n
            )
            source.line += n - before
            if n > promised:
                source.fail(f"the header promises {promised} {order}-grams, but there are more", first_line + promised)
            if reason == kernels.SECTION_ENDS:
                break
            if reason == kernels.FULL:
                for array in (places, log10, backoff):
                    array.resize(2 * n, refcheck=False)
            elif reason != kernels.MORE:
                self._refuse(reason, source.data[low:high], order)
        if n != promised:
            source.fail(f"the header promises {promised} {order}-grams, but there are {n}")
        self._add_level(order, places[:n], log10[:n], backoff[:n], first_line)

    def _refuse(self, reason: int, text: bytes, order: int) -> NoReturn:
        match reason:
            case kernels.NO_NUMBER:
                message = f"not a number where a log-probability belongs: {_shown(text)}"
            case kernels.POSITIVE:
                message = f"a log-probability above 0: {_shown(text)}"
            case kernels.FEW_WORDS:
                message = f"fewer than {order} words"
            case kernels.UNKNOWN_WORD:
                message = f"the word {_shown(text)} is no 1-gram"
            case kernels.UNKNOWN_CONTEXT:
                message = f"the words up to {_shown(text)} are no n-gram of their own, as every context must be"
            case kernels.BAD_BACKOFF:
                message = f"not a number where a back-off weight belongs: {_shown(text)}"
            case _:
                message = f"more columns than a {order}-gram has: {_shown(text)}"
        self._source.fail(message)

    def _add_level(self, order: int, places: Any, log10: Any, backoff: Any, first_line: int) -> None:
        source, below = self._source, self._levels[-1]
        lines = first_line + np.arange(len(places))
        if not (places[1:] > places[:-1]).all():
            by_words = np.argsort(places, kind="stable")
            places, log10, backoff, lines = (array[by_words] for array in (places, log10, backoff, lines))
            twice = np.flatnonzero(places[1:] == places[:-1])
            if len(twice):
                source.fail(f"a {order}-gram that stood in line {lines[twice[0]]} already", lines[twice[0] + 1])
        continued = np.bincount(
            (places >> kernels.WORD_BITS).astype(np.int64) - below.start, minlength=len(below.words)
        )
        lacking = np.flatnonzero((continued > 0) & np.isnan(below.backoff))
        if len(lacking):
            source.fail(
                f"a {order - 1}-gram without a back-off weight, although {order}-grams continue it",
                below.lines[lacking[0]],
            )
        start = below.start + len(below.words)
        below.begin = start + np.cumsum(continued) - continued
        words = (places & np.uint64((1 << kernels.WORD_BITS) - 1)).astype(np.uint16)
        self._levels.append(_Level(start, words, log10, backoff, lines, np.full(len(places), start + len(places))))


def _read_first_line(source: _Source) -> None:
    while (line := source.skip_blank()) is not None and line.startswith(b"#"):
        source.skip()
    if line is None:
        source.fail("the file is empty")
    if line.startswith(_KENLM):
        raise LanguageModelError(f"{source.path} is a binary file of KenLM: give the ARPA file that it was made from")
    if line.lower().startswith((b"iarpa", b"qarpa", b"blmt", b"qblmt")):
        raise LanguageModelError(f"{source.path} is in a form of its own of IRSTLM: export it as ARPA")
    if line != b"\\data\\":
        source.fail(f"this is not an ARPA file: it begins with {_shown(line)}, not with \\data\\")
    source.skip()


def _vocabulary(words: list[bytes]) -> kernels.Vocabulary:
    order = sorted(range(len(words)), key=words.__getitem__)
    single = np.full(256, -1, np.int32)
    for i, word in enumerate(words):
        if len(word) == 1:
            single[word[0]] = i
    return kernels.Vocabulary(
        np.frombuffer(b"".join(words[i] for i in order), np.uint8),
        np.cumsum([0, *(len(words[i]) for i in order)], dtype=np.int64),
        np.array(order, np.int32),
        single,
    )


def _shown(text: bytes) -> str:
    """Show what stands in a file, shortened and without what a terminal would obey."""
    return ascii(text[:40].decode("utf-8", "replace")) + ("..." if len(text) > 40 else "")
