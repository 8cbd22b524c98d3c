"""Writing language models as ARPA files."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from myotype.decoding.automaton import Automaton
from myotype.files import replacing_file

_CHUNK: Final = 1 << 16


def write_arpa(path: Path, automaton: Automaton, counts: tuple[int, ...], words: tuple[str, ...]) -> None:
    """Write a model as an ARPA file, compressed if its name ends in ``.gz``; all digits of the numbers are kept.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with _writing(path) as stream:
        header = "".join(f"ngram {order}={count}\n" for order, count in enumerate(counts, start=1))
        stream.write(f"\\data\\\n{header}".encode())
        # The contexts are those of the states from `first` on; the n-grams that are contexts own those from `owned` on.
        contexts, first, owned = [""], 0, 1
        for order in range(1, len(counts) + 1):
            stream.write(f"\n\\{order}-grams:\n".encode())
            longer: list[str] = []
            for at in range(0, len(contexts), _CHUNK):
                lines, found = _lines(automaton, words, contexts[at : at + _CHUNK], first + at, owned)
                stream.write("".join(lines).encode())
                longer += found
                owned += len(found)
            first += len(contexts)
            contexts = longer
        stream.write(b"\n\\end\\\n")


def _lines(
    automaton: Automaton, words: tuple[str, ...], contexts: list[str], first: int, owned: int
) -> tuple[list[str], list[str]]:
    """Give the lines of the n-grams that continue contexts, and those n-grams among them that are contexts too."""
    starts = automaton.child_start[first : first + len(contexts) + 1].tolist()
    low, high = starts[0], starts[-1]
    numbers = automaton.child_word[low:high].tolist()
    log10 = automaton.child_log10[low:high].tolist()
    states = automaton.child_state[low:high].tolist()
    backoff = automaton.backoff[owned : owned + high - low].tolist()
    lines: list[str] = []
    longer: list[str] = []
    for context, start, stop in zip(contexts, starts, starts[1:], strict=False):
        for entry in range(start - low, stop - low):
            ngram = context + words[numbers[entry]]
            # No n-gram leads to a state of its own length but one that owns it, and they own them in turn.
            if states[entry] == owned + len(longer):
                lines.append(f"{log10[entry]:.9g}\t{ngram}\t{backoff[len(longer)]:.9g}\n")
                longer.append(ngram + " ")
            else:
                lines.append(f"{log10[entry]:.9g}\t{ngram}\n")
    return lines, longer


@contextmanager
def _writing(path: Path) -> Iterator[Any]:
    with replacing_file(path) as temporary, temporary.open("wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as stream:
                yield stream
        else:
            yield raw
