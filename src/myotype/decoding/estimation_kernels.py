"""The inner loops of smoothing, as compiled functions.

N-grams are listed as in :mod:`~myotype.decoding.ngram_kernels`: order after order, each sorted, so that those that
continue the n-gram `i` stand at ``entry_begin[i] : entry_begin[i + 1]``.

A count loses a discount, and what all lose after a context is shared out by the order below. Kneser and Ney's discounts
depend on the count alone; Witten and Bell's are one part of every count after a context, which `novelty` sets. A method
leaves out the other's by giving zeros.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from myotype.decoding.ngram_kernels import find_entry


@njit(cache=True)
def find_suffixes(
    words: npt.NDArray[np.uint16], entry_begin: npt.NDArray[np.int32], suffix: npt.NDArray[np.int32]
) -> None:
    """Find each n-gram without its first word; it is in the list, as whoever wrote the whole wrote it too.

    Parameters
    ----------
    suffix
        (n,) places, -1 for single words: written.
    """
    suffix[: entry_begin[0]] = -1
    for parent in range(len(entry_begin) - 1):
        shorter = suffix[parent]
        low, high = 0, int(entry_begin[0])
        if shorter >= 0:
            low, high = int(entry_begin[shorter]), int(entry_begin[shorter + 1])
        for entry in range(entry_begin[parent], entry_begin[parent + 1]):
            low = find_entry(words, low, high, words[entry])
            suffix[entry] = low


@njit(cache=True)
def adjust_counts(
    counts: npt.NDArray[np.uint32],
    suffix: npt.NDArray[np.int32],
    entry_begin: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    begin_word: int,
) -> None:
    """Replace occurrences below the highest order by numbers of different words before, as Kneser and Ney do.

    What begins a line has nothing before it and keeps its occurrences.
    """
    order = len(starts) - 1
    first, last = begin_word, begin_word + 1  # the n-grams that begin a line stand side by side in each order
    for level in range(order - 1):
        counts[starts[level] : first] = 0
        counts[last : starts[level + 1]] = 0
        first, last = int(entry_begin[first]), int(entry_begin[last])
    for entry in range(starts[1], starts[order]):
        counts[suffix[entry]] += 1


@njit(cache=True)
def counts_of_counts(counts: npt.NDArray[np.uint32], found: npt.NDArray[np.int64]) -> None:
    """Count how many counts are 0, 1, 2, and so on, up to the length of `found`; higher ones are left out."""
    found[:] = 0
    for count in counts:
        if count < len(found):
            found[count] += 1


@njit(cache=True)
def smooth_words(
    counts: npt.NDArray[np.uint32],
    discounts: npt.NDArray[np.float64],
    novelty: float,
    begin_word: int,
    probabilities: npt.NDArray[np.float64],
) -> None:
    """Interpolate the single words with the uniform distribution over all but the begin of a line.

    Parameters
    ----------
    counts
        (words,).
    discounts
        (4,) of counts of 0, 1, 2, and of more.
    novelty
        Occurrences of the unseen for each different word.
    probabilities
        (words,): written.
    """
    total, mass, n_different = 0.0, 0.0, 0
    for count in counts:
        total += count
        n_different += count > 0
    part = _part_taken(total, n_different, novelty)
    for count in counts:
        mass += discounts[min(count, 3)] + part * count
    uniform = mass / total / (len(counts) - 1)
    for word in range(len(counts)):
        count = counts[word]
        discount = discounts[min(count, 3)] + part * count
        probabilities[word] = 0.0 if word == begin_word else (count - discount) / total + uniform


@njit(cache=True)
def _part_taken(total: float, n_different: int, novelty: float) -> float:
    """Give the part of each count that Witten and Bell take: the share of the unseen in all occurrences."""
    unseen = novelty * n_different
    return unseen / (total + unseen)


@njit(cache=True)
def smooth_level(
    counts: npt.NDArray[np.uint32],
    suffix: npt.NDArray[np.int32],
    entry_begin: npt.NDArray[np.int32],
    kept: npt.NDArray[np.bool_],
    first: int,
    last: int,
    below: int,
    discounts: npt.NDArray[np.float64],
    novelty: float,
    lower: npt.NDArray[np.float64],
    probabilities: npt.NDArray[np.float64],
    backoff: npt.NDArray[np.float32],
) -> None:
    """Interpolate the n-grams of one order with those of the order below.

    Parameters
    ----------
    kept
        (n,) whether an n-gram stays, or nothing if all do. What the others lose is shared out like the discounts.
    first, last
        Which n-grams are the contexts.
    below
        Where the order below begins in the list: the order of the contexts.
    discounts
        (4,) of counts of 0, 1, 2, and of more.
    novelty
        Occurrences of the unseen for each different word after a context.
    lower
        Probabilities of the order below.
    probabilities
        Of this order: written.
    backoff
        (n_lower,) log10, written at the contexts.
    """
    start = entry_begin[first]
    for context in range(first, last):
        low, high = entry_begin[context], entry_begin[context + 1]
        total, mass = 0.0, 0.0
        for entry in range(low, high):
            total += counts[entry]
        part = _part_taken(total, high - low, novelty) if high > low else 0.0
        for entry in range(low, high):
            if len(kept) and not kept[entry]:
                mass += counts[entry]
            else:
                mass += discounts[min(counts[entry], 3)] + part * counts[entry]
        weight = mass / total if high > low else 1.0
        backoff[context] = np.log10(weight)
        for entry in range(low, high):
            share = 0.0
            if not len(kept) or kept[entry]:
                share = (counts[entry] - discounts[min(counts[entry], 3)] - part * counts[entry]) / total
            probabilities[entry - start] = share + weight * lower[suffix[entry] - below]


@njit(cache=True)
def keep_entries(
    kept: npt.NDArray[np.bool_],
    words: npt.NDArray[np.uint16],
    log10: npt.NDArray[np.float32],
    entry_begin: npt.NDArray[np.int32],
    backoff: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int64],
) -> None:
    """Move the n-grams that stay to the front, in place; `starts` says where each order then begins.

    An n-gram that stays must have its context stay.
    """
    n, n_lower = 0, len(backoff)
    level = 0
    n_children = int(entry_begin[0])  # of the single words, all of which stay
    for entry in range(len(kept)):
        while level < len(starts) - 1 and entry == starts[level]:
            starts[level] = n
            level += 1
        if not kept[entry]:
            continue
        words[n] = words[entry]
        log10[n] = log10[entry]
        if entry < n_lower:
            low, high = entry_begin[entry], entry_begin[entry + 1]
            backoff[n] = backoff[entry]
            # In place: what is overwritten here stands before what is still to be read.
            entry_begin[n] = n_children
            for child in range(low, high):
                n_children += kept[child]
        n += 1
    starts[level:] = n
