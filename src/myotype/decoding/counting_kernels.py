"""The inner loops of counting n-grams, as compiled functions.

A symbol is a number below 128: padding, the begin and the end of a line, and from `FIRST_KEY` on the keys. An n-gram of
a fixed number of symbols is `SYMBOLS_A_NUMBER` of them in each 64-bit number, so that numbers sort as the n-grams do.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

PADDING: Final = 0
BEGIN: Final = 1
END: Final = 2
FIRST_KEY: Final = 3

SYMBOLS_A_NUMBER: Final = 9
_BITS: Final = 7
_MASK: Final = np.uint64(127)

SEPARATOR: Final = 255
"""Among labels: between two lines."""

NO_KEY: Final = 254
"""Among labels: a character that stands for no key."""


@njit(cache=True)
def labels_to_symbols(
    labels: npt.NDArray[np.uint8],
    known: npt.NDArray[np.bool_],
    is_open: bool,  # noqa: FBT001
    symbols: npt.NDArray[np.uint8],
    seen: npt.NDArray[np.bool_],
) -> tuple[Any, Any]:
    """Put begins and ends around what lies between separators and keys that are not known.

    Parameters
    ----------
    is_open
        Whether the labels before these left a line open.
    symbols
        (2 n + 1,) at least: written.
    seen
        (128,) which symbols have been met: written.

    Returns
    -------
    tuple
        How many symbols there are, and whether a line is left open.
    """
    n = 0
    for label in labels:
        if label == NO_KEY:
            continue
        if label != SEPARATOR and known[label]:
            if not is_open:
                symbols[n] = BEGIN
                n += 1
                is_open = True
            symbols[n] = label + FIRST_KEY
            seen[label + FIRST_KEY] = True
            n += 1
        elif is_open:
            symbols[n] = END
            n += 1
            is_open = False
    return n, is_open


@njit(cache=True)
def cut_windows(symbols: npt.NDArray[np.uint8], order: int, windows: npt.NDArray[np.uint64]) -> None:
    """Write the n-gram that begins at each symbol, up to the end of its line.

    Parameters
    ----------
    symbols
        At least `order` - 1 more than there are windows, or ending with a line.
    windows
        (n, numbers): written.
    """
    for i in range(len(windows)):
        for number in range(windows.shape[1]):
            windows[i, number] = 0
        for j in range(order):
            shift = np.uint64(_BITS * (SYMBOLS_A_NUMBER - 1 - j % SYMBOLS_A_NUMBER))
            windows[i, j // SYMBOLS_A_NUMBER] |= np.uint64(symbols[i + j]) << shift
            if symbols[i + j] == END:
                break


@njit(cache=True)
def _compare(left: npt.NDArray[np.uint64], i: int, right: npt.NDArray[np.uint64], j: int) -> int:
    for number in range(left.shape[1]):
        if left[i, number] < right[j, number]:
            return -1
        if left[i, number] > right[j, number]:
            return 1
    return 0


@njit(cache=True)
def collapse(windows: npt.NDArray[np.uint64], counts: npt.NDArray[np.uint32]) -> int:
    """Keep one of each of the sorted n-grams, at the front, and write how often it was there."""
    n = 0
    for i in range(len(windows)):
        if n > 0 and _compare(windows, i, windows, n - 1) == 0:
            counts[n - 1] += 1
        else:
            windows[n] = windows[i]
            counts[n] = 1
            n += 1
    return n


@njit(cache=True)
def merge(
    left: npt.NDArray[np.uint64],
    left_counts: npt.NDArray[np.uint32],
    right: npt.NDArray[np.uint64],
    right_counts: npt.NDArray[np.uint32],
    merged: npt.NDArray[np.uint64],
    merged_counts: npt.NDArray[np.uint32],
) -> int:
    """Merge two sorted lists of n-grams and add the counts of those that are in both."""
    i, j, n = 0, 0, 0
    while i < len(left) or j < len(right):
        order = 0
        if i == len(left):
            order = 1
        elif j == len(right):
            order = -1
        else:
            order = _compare(left, i, right, j)
        merged_counts[n] = 0
        if order <= 0:
            merged[n] = left[i]
            merged_counts[n] += left_counts[i]
            i += 1
        if order >= 0:
            merged[n] = right[j]
            merged_counts[n] += right_counts[j]
            j += 1
        n += 1
    return n


@njit(cache=True)
def _symbol(windows: npt.NDArray[np.uint64], i: int, depth: int) -> int:
    shift = np.uint64(_BITS * (SYMBOLS_A_NUMBER - 1 - depth % SYMBOLS_A_NUMBER))
    return int((windows[i, depth // SYMBOLS_A_NUMBER] >> shift) & _MASK)


@njit(cache=True)
def count_levels(windows: npt.NDArray[np.uint64], n_levels: npt.NDArray[np.int64]) -> None:
    """Count the different beginnings of sorted n-grams.

    Parameters
    ----------
    n_levels
        (order,) how many of one symbol, of two, and so on: written.
    """
    order = len(n_levels)
    n_levels[:] = 0
    for i in range(len(windows)):
        new = i == 0
        for depth in range(order):
            symbol = _symbol(windows, i, depth)
            if symbol == PADDING:
                break
            new = new or symbol != _symbol(windows, i - 1, depth)
            n_levels[depth] += new


@njit(cache=True)
def build_levels(
    windows: npt.NDArray[np.uint64],
    counts: npt.NDArray[np.uint32],
    unigrams: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    symbols: npt.NDArray[np.uint8],
    entry_counts: npt.NDArray[np.uint32],
    entry_begin: npt.NDArray[np.int32],
) -> None:
    """List the n-grams of all orders, each order sorted, from those of the highest.

    Parameters
    ----------
    unigrams
        Ascending symbols that are to be there, also those that were never met.
    starts
        (order + 1,) where each order begins in the list; the first has all unigrams.
    symbols, entry_counts
        (n,) the last symbol of each, and how often it was met: written.
    entry_begin
        (n_lower + 1,) where those that continue one below the highest order begin: written.
    """
    order = len(starts) - 1
    n_lower = len(entry_begin) - 1
    next_entry = starts[:-1].copy()
    path = np.full(order, -1, np.int64)
    listed = 0
    for i in range(len(windows) + 1):
        first = _symbol(windows, i, 0) if i < len(windows) else 128
        while listed < len(unigrams) and unigrams[listed] <= first:
            entry = next_entry[0]
            symbols[entry] = unigrams[listed]
            entry_counts[entry] = 0
            if entry < n_lower:
                entry_begin[entry] = next_entry[1]
            path[0] = entry
            path[1:] = -1
            next_entry[0] += 1
            listed += 1
        if i == len(windows):
            break
        known = True
        for depth in range(order):
            symbol = _symbol(windows, i, depth)
            if symbol == PADDING:
                break
            known = known and path[depth] >= 0 and symbols[path[depth]] == symbol
            if not known:
                entry = next_entry[depth]
                next_entry[depth] += 1
                symbols[entry] = symbol
                entry_counts[entry] = 0
                if entry < n_lower:
                    entry_begin[entry] = next_entry[depth + 1]
                path[depth] = entry
                path[depth + 1 :] = -1
            entry_counts[path[depth]] += counts[i]
    entry_begin[n_lower] = starts[order]
