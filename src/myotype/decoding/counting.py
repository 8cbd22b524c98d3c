"""Counting the n-grams of a text, piece by piece, in as much memory as there are different ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from myotype.decoding import counting_kernels as kernels
from myotype.decoding.building import Workspace
from myotype.errors import InputError
from myotype.keyboard import KEYS, text_to_labels

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and of how much (0 where nobody knows)."""

_BATCH: Final = 1 << 22
_CHUNK: Final = 1 << 23
_MOST_SYMBOLS: Final = 2**32 - 1
_UNMET: Final = 253  # a character that has not been folded yet
_N_CODES: Final = 0x110000


class CountedNGrams:
    """The different n-grams of a text, sorted, each cut short by the end of its line.

    Parameters
    ----------
    order
        Their length.
    chunk
        How many are sorted at a time.

    Attributes
    ----------
    windows
        (n, numbers) what they are, as in :mod:`~myotype.decoding.counting_kernels`.
    counts
        (n,) how often each was met.
    """

    def __init__(self, order: int, workspace: Workspace, chunk: int = _CHUNK) -> None:
        self._order = order
        self._workspace = workspace
        self._chunk = chunk
        self._width = -(-order // kernels.SYMBOLS_A_NUMBER)
        self._runs: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]] = []
        self._held: list[npt.NDArray[np.uint8]] = []
        self._n_held = 0
        self._n_symbols = 0

    def add(self, symbols: npt.NDArray[np.uint8]) -> None:
        """Count the n-grams of the next symbols."""
        self._held.append(symbols)
        self._n_held += len(symbols)
        self._n_symbols += len(symbols)
        if self._n_symbols > _MOST_SYMBOLS:
            raise InputError(f"a text of more than {_MOST_SYMBOLS} keys cannot be counted: give a part of it")
        if self._n_held >= self._chunk + self._order:
            self._count(last=False)

    def finish(self, progress: Progress | None = None) -> None:
        """Count what is left, after the last symbol, and merge all."""
        self._count(last=True)
        n_runs = len(self._runs)
        if not n_runs:
            raise InputError("there is no text to count: no line has a key of the vocabulary")
        while len(self._runs) > 1:
            if progress is not None:
                progress("merging", n_runs - len(self._runs), n_runs)
            self._merge_last()
        self.windows, self.counts = self._runs.pop()

    def _count(self, *, last: bool) -> None:
        symbols = np.concatenate(self._held) if self._held else np.zeros(0, np.uint8)
        # A window must not look past what is held, unless a line ends there.
        n_windows = len(symbols) - (0 if last else self._order - 1)
        for at in range(0, n_windows, self._chunk):
            windows = np.empty((min(self._chunk, n_windows - at), self._width), np.uint64)
            kernels.cut_windows(symbols[at:], self._order, windows)
            if self._width == 1:
                windows.ravel().sort()
            else:
                windows = windows[np.lexsort(windows.T[::-1])]
            counts = np.empty(len(windows), np.uint32)
            n = kernels.collapse(windows, counts)
            self._add_run(windows[:n], counts[:n])
        self._held = [symbols[n_windows:].copy()]
        self._n_held = len(self._held[0])

    def _add_run(self, windows: npt.NDArray[np.uint64], counts: npt.NDArray[np.uint32]) -> None:
        kept = self._workspace.empty(windows.shape, np.uint64), self._workspace.empty(counts.shape, np.uint32)
        kept[0][:], kept[1][:] = windows, counts
        self._runs.append(kept)
        # Runs of about one length are merged, so that each n-gram is merged a few times only.
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            self._merge_last()

    def _merge_last(self) -> None:
        left, right = self._runs.pop(), self._runs.pop()
        n = len(left[0]) + len(right[0])
        windows = self._workspace.empty((n, self._width), np.uint64)
        counts = self._workspace.empty(n, np.uint32)
        n = kernels.merge(*left, *right, windows, counts)
        self._runs.append((windows[:n], counts[:n]))


class SymbolReader:
    """Turns lines of text into symbols.

    Parameters
    ----------
    vocabulary
        The keys that are known; every other key ends a line and begins the next, as in decoding. None for all keys.

    Attributes
    ----------
    seen
        (128,) which symbols have been met; those of a vocabulary all count as met.
    """

    def __init__(self, vocabulary: str | None = None) -> None:
        self._known = np.ones(len(KEYS), np.bool_)
        self.seen = np.zeros(128, np.bool_)
        if vocabulary is not None:
            labels = text_to_labels(vocabulary)
            if not len(labels):
                raise InputError("the vocabulary has none of the 98 keys")
            self._known[:] = False
            self._known[labels] = True
            self.seen[labels + kernels.FIRST_KEY] = True
        self._label_of_code = np.full(_N_CODES, _UNMET, np.uint8)
        self._label_of_code[0] = kernels.SEPARATOR
        self._is_open = False

    def read(self, lines: Iterable[str]) -> Iterator[npt.NDArray[np.uint8]]:
        """Give the symbols of lines, in pieces."""
        for text in _batches(lines):
            # A line of any length is taken a piece at a time: a code takes four bytes.
            for at in range(0, len(text), _BATCH):
                yield self._symbols(text[at : at + _BATCH])
        yield self._symbols("\0")

    def _symbols(self, text: str) -> npt.NDArray[np.uint8]:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        labels = self._label_of_code[codes]
        unmet = labels == _UNMET
        if unmet.any():
            for code in np.unique(codes[unmet]).tolist():
                label = text_to_labels(chr(code))
                self._label_of_code[code] = label[0] if len(label) else kernels.NO_KEY
            labels = self._label_of_code[codes]
        symbols = np.empty(2 * len(labels) + 1, np.uint8)
        n, self._is_open = kernels.labels_to_symbols(labels, self._known, self._is_open, symbols, self.seen)
        return symbols[:n]


def _batches(lines: Iterable[str]) -> Iterator[str]:
    """Join lines, each ended by a zero; the new line that files end their lines with is none of their keys."""
    batch: list[str] = []
    size = 0
    for line in lines:
        text: Any = line.removesuffix("\n").removesuffix("\r")
        batch.append(text.replace("\0", "") if "\0" in text else text)
        size += len(text) + 1
        if size >= _BATCH:
            yield "\0".join(batch) + "\0"
            batch, size = [], 0
    if batch:
        yield "\0".join(batch) + "\0"
