"""What simulated people are asked to type: prompts from the frequencies of English words and word pairs.

The table in ``assets/text`` holds the counts that symspellpy ships (``scripts/build_text`` makes it). A prompt is a
walk over word pairs that falls back on single words; punctuation, contractions, digits and capitals are put in at the
rates that a :class:`TextStyle` sets.
"""

from __future__ import annotations

import string
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from myotype.errors import InputError

Split = Literal["train", "validation", "test"]
"""Which prompts a stream gives: whatever the seeds, no prompt is in two splits."""

_SPLIT_OF_EIGHT: Final[dict[int, Split]] = {0: "test", 1: "validation"}

_CONTRACTIONS: Final = {
    ("do", "not"): "don't", ("does", "not"): "doesn't", ("did", "not"): "didn't", ("is", "not"): "isn't",
    ("are", "not"): "aren't", ("was", "not"): "wasn't", ("were", "not"): "weren't", ("have", "not"): "haven't",
    ("has", "not"): "hasn't", ("had", "not"): "hadn't", ("can", "not"): "can't", ("could", "not"): "couldn't",
    ("will", "not"): "won't", ("would", "not"): "wouldn't", ("should", "not"): "shouldn't",
    ("it", "is"): "it's", ("that", "is"): "that's", ("there", "is"): "there's", ("what", "is"): "what's",
    ("who", "is"): "who's", ("here", "is"): "here's", ("he", "is"): "he's", ("she", "is"): "she's",
    ("we", "are"): "we're", ("you", "are"): "you're", ("they", "are"): "they're", ("i", "am"): "i'm",
    ("i", "have"): "i've", ("you", "have"): "you've", ("we", "have"): "we've", ("they", "have"): "they've",
    ("i", "will"): "i'll", ("you", "will"): "you'll", ("we", "will"): "we'll", ("they", "will"): "they'll",
    ("it", "will"): "it'll", ("i", "would"): "i'd", ("you", "would"): "you'd", ("he", "would"): "he'd",
    ("she", "would"): "she'd", ("we", "would"): "we'd", ("they", "would"): "they'd",
}  # fmt: skip

_QUESTION_WORDS: Final = frozenset((
    "what", "who", "where", "when", "why", "how", "which", "can", "could", "do", "does", "did", "is", "are",
    "was", "were", "will", "would", "should", "have", "has",
))  # fmt: skip
_DANGLING: Final = frozenset((
    "the", "a", "an", "of", "to", "in", "and", "or", "for", "with", "from", "by", "at", "on", "as", "my",
    "your", "their", "our", "his", "its", "is", "are", "be",
))  # fmt: skip

_WRAPPERS: Final = ("()", '""', "''", "[]", "{}", "<>", "``", "**", "__", "~~")
_BETWEEN: Final = ("-", "&", "+", "=", "/", "\\", "|", "<", ">", "*", "^", "~")
_BEFORE: Final = ("#", "@", "$", "_", "~", "^", "\\", "/")
_AFTER: Final = (":", ";", "!", "%", "*", "+", ":", ";", "!")


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How much of what the prompts contain besides lower-case words.

    The real prompts are lower case with basic punctuation; capitals and digits hardly occur in them, so a network that
    is to learn these keys needs more of them than the real rate.

    Attributes
    ----------
    capitals
        Share of capital letters among all characters, about.
    digits
        Share of digits among all characters, about.
    symbols
        Probability that a prompt has an unusual mark in it; all 32 marks of ASCII occur.
    full_stop, question
        Probability that a prompt ends with it.
    comma
        Probability of a comma after a word inside the prompt.
    contraction
        Probability that a pair such as "do not" is contracted.
    shortest, longest
        Words in a prompt.
    scrambled
        Share of the prompts whose letters are shuffled: what is typed then says nothing about what comes next, so that
        a network learns to read muscles rather than to spell.
    """

    capitals: float = 0.01
    digits: float = 0.01
    symbols: float = 0.06
    full_stop: float = 0.3
    question: float = 0.05
    comma: float = 0.03
    contraction: float = 0.7
    shortest: int = 3
    longest: int = 12
    scrambled: float = 0.0


@dataclass(frozen=True)
class _Table:
    """The words and word pairs, with cumulated frequencies to draw from."""

    words: list[str]
    index: dict[str, int]
    words_cumulated: npt.NDArray[np.float64]
    """(words,), ending in 1."""
    start: npt.NDArray[np.int64]
    """(words + 1,): pairs that begin with word i stand at start[i]:start[i + 1]."""
    second: npt.NDArray[np.int32]
    """(pairs,)."""
    pairs_cumulated: npt.NDArray[np.float64]
    """(pairs,), cumulated within each first word, ending in 1 there."""


@cache
def _table() -> _Table:
    with (
        resources.as_file(resources.files("myotype") / "assets" / "text" / "words.npz") as path,
        np.load(path, allow_pickle=False) as archive,
    ):
        words = archive["words"].tobytes().decode("ascii").split("\n")
        # A power below one flattens the frequencies: "of the" would otherwise fill the prompts, and the letters j, q, x
        # and z of rare words would hardly be typed.
        word_weights = np.exp2((archive["counts"] / 8.0) * 0.75)
        pair_weights = np.exp2(archive["pair_counts"] / 6.0 * 0.75)
        start = np.concatenate([[0], np.cumsum(archive["first"], dtype=np.int64)])
        second = archive["second_hi"].astype(np.int32) * 256 + archive["second_lo"]
    total = np.concatenate([[0.0], np.cumsum(pair_weights)])
    lengths = np.diff(start)
    before = np.repeat(total[start[:-1]], lengths)
    whole = np.repeat(total[start[1:]] - total[start[:-1]], lengths)
    cumulated = (total[1:] - before) / whole
    return _Table(
        words=words,
        index={word: i for i, word in enumerate(words)},
        words_cumulated=np.cumsum(word_weights) / np.sum(word_weights),
        start=start,
        second=second,
        pairs_cumulated=cumulated,
    )


def split_of(prompt: str) -> Split:
    """Tell which split a prompt belongs to: one in eight each for validation and test, by its words alone."""
    words = " ".join("".join(c if c in string.ascii_lowercase else " " for c in prompt.lower()).split())
    return _SPLIT_OF_EIGHT.get(zlib.crc32(words.encode("ascii")) % 8, "train")


class Sentences:
    """An endless stream of prompts, the same for the same seed.

    Parameters
    ----------
    seed
        A number, or several.
    split
        Which prompts to give. Prompts of different splits never share their words in the same order.
    style
        Punctuation, capitals, digits.

    Raises
    ------
    InputError
        If there is no such split.
    """

    def __init__(self, seed: int | tuple[int, ...] = 0, split: Split = "train", style: TextStyle | None = None) -> None:
        if split not in get_args(Split):
            raise InputError(f"there is no split {split!r}: {', '.join(get_args(Split))} are")
        self._rng = np.random.default_rng(np.random.SeedSequence(seed))
        self._split = split
        self._style = style or TextStyle()
        self._table = _table()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while True:
            words = self._words()
            # Decoration leaves the words alone, and with them the split.
            if split_of(" ".join(words)) == self._split:
                scrambled = self._style.scrambled > 0 and self._rng.random() < self._style.scrambled
                return self._decorate(self._scramble(words) if scrambled else words)

    def _words(self) -> list[str]:
        """Walk over word pairs."""
        table, rng = self._table, self._rng
        length = int(rng.integers(self._style.shortest, self._style.longest + 1))
        chosen: list[int] = []
        for chance, pair_or_word in rng.random((length + 6, 2)):
            start, stop = (table.start[chosen[-1]], table.start[chosen[-1] + 1]) if chosen else (0, 0)
            if stop - start >= 3 and pair_or_word < 0.9:
                at = start + np.searchsorted(table.pairs_cumulated[start:stop], chance, side="right")
                word = int(table.second[min(at, stop - 1)])
            else:
                word = min(int(np.searchsorted(table.words_cumulated, chance, side="right")), len(table.words) - 1)
            if chosen and word == chosen[-1]:
                continue
            chosen.append(word)
            if len(chosen) >= length and table.words[word] not in _DANGLING:
                break
        words = [table.words[i] for i in chosen]
        return self._contract(words)

    def _contract(self, words: list[str]) -> list[str]:
        out: list[str] = []
        for word in words:
            short = _CONTRACTIONS.get((out[-1], word)) if out else None
            if short is not None and self._rng.random() < self._style.contraction:
                out[-1] = short
            else:
                out.append(word)
        return out

    def _scramble(self, words: list[str]) -> list[str]:
        """Shuffle the letters of a prompt among its words."""
        letters = iter(self._rng.permutation(list("".join(words))))
        return ["".join(next(letters) for _ in word) for word in words]

    def _decorate(self, words: list[str]) -> str:
        """Put in capitals, digits and punctuation."""
        rng, style = self._rng, self._style
        out = list(words)
        characters = sum(map(len, out)) + len(out)
        if rng.random() < style.digits * characters / 2.5:
            number = "".join(str(rng.integers(10)) for _ in range(rng.integers(1, 5)))
            out.insert(int(rng.integers(1, len(out) + 1)), number)
        if rng.random() < style.symbols:
            self._mark(out)
        # Half of the capitals begin a prompt, the rest any word: else most letters would never be capitals.
        wanted = style.capitals * characters
        if rng.random() < wanted / 2:
            out[0] = out[0][:1].upper() + out[0][1:]
        for i in range(1, len(out)):
            if rng.random() < wanted / 2 / len(out):
                out[i] = out[i].upper() if rng.random() < 0.1 and len(out[i]) < 5 else out[i][:1].upper() + out[i][1:]
        for i in range(len(out) - 1):
            if out[i][-1].isalnum() and rng.random() < style.comma:
                out[i] += ","
        if out[-1][-1].isalnum():
            question = style.question * (4.0 if words[0] in _QUESTION_WORDS else 0.6)
            end = rng.random()
            out[-1] += "?" if end < question else "." if end < question + style.full_stop else ""
        return " ".join(out)

    def _mark(self, words: list[str]) -> None:
        """Put one unusual mark somewhere."""
        rng = self._rng
        i = int(rng.integers(len(words)))
        match int(rng.integers(4)):
            case 0:
                left, right = _WRAPPERS[rng.integers(len(_WRAPPERS))]
                words[i] = left + words[i] + right
            case 1 if i > 0:
                words.insert(i, _BETWEEN[rng.integers(len(_BETWEEN))])
            case 2:
                words[i] = _BEFORE[rng.integers(len(_BEFORE))] + words[i]
            case _:
                words[i] += _AFTER[rng.integers(len(_AFTER))]
