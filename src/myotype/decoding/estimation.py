"""Estimating character language models: interpolated modified Kneser-Ney or Witten-Bell smoothing.

The formulas are those of S. F. Chen and J. Goodman, *An Empirical Study of Smoothing Techniques for Language Modeling*,
TR-10-98, Harvard University 1998. Modified Kneser-Ney: three discounts for each order, from its counts of counts; below
the highest order an n-gram counts by the different words that it follows, unless it begins a line. Witten-Bell: an
n-gram counts by its occurrences, and each different word after a context stands for so many of the unseen. In both,
single words are interpolated with the uniform distribution, and the begin of a line is context only, never predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from myotype.decoding import counting_kernels as counting
from myotype.decoding import estimation_kernels as kernels
from myotype.decoding.automaton import Automaton
from myotype.decoding.building import Workspace, build_automaton
from myotype.decoding.counting import CountedNGrams, Progress, SymbolReader
from myotype.decoding.packed import MOST_ENTRIES
from myotype.errors import InputError
from myotype.keyboard import KEYS

HIGHEST_ORDER: Final = 32

Smoothing = Literal["kneser-ney", "witten-bell"]
"""How a model expects what its text does not have."""

FALLBACK_DISCOUNTS: Final = (0.5, 1.0, 1.5)
"""Of counts of 1, 2 and more, where the counts of counts of an order give none."""

UNKNOWN_WORD: Final = "<unk>"
BEGIN_WORD: Final = "<s>"
END_WORD: Final = "</s>"

_MOST_NOVELTY: Final = 1e6  # beyond it one of the two, the seen or the unseen, would have no digits left
_NEVER: Final = -99.0  # log10 of what is never predicted, by the custom of ARPA files


@dataclass
class _Levels:
    """The n-grams of all orders in one list, as in :mod:`~myotype.decoding.ngram_kernels`.

    Attributes
    ----------
    words
        (n,) the last word of each.
    counts
        (n,).
    begin
        (n_lower + 1,) where those that continue one below the highest order begin.
    starts
        (order + 1,) where each order begins.
    symbols
        (words,) what the words are.
    """

    words: npt.NDArray[np.uint16]
    counts: npt.NDArray[np.uint32]
    begin: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    symbols: npt.NDArray[np.uint8]

    @property
    def order(self) -> int:
        return len(self.starts) - 1

    @property
    def begin_word(self) -> int:
        return int(np.searchsorted(self.symbols, counting.BEGIN))


def estimate(
    lines: Iterable[str],
    order: int,
    *,
    smoothing: Smoothing = "kneser-ney",
    novelty: float = 1.0,
    vocabulary: str | None = None,
    min_counts: Sequence[int] = (),
    memory: float = 4e9,
    progress: Progress | None = None,
    exact: list[npt.NDArray[np.float64]] | None = None,
) -> tuple[Automaton, tuple[int, ...], tuple[str, ...]]:
    """Estimate a model; :meth:`~myotype.decoding.ngram.NGram.estimate` says what the parameters are.

    Parameters
    ----------
    exact
        If given: the probabilities of each order are appended, before any is rounded or dropped.

    Returns
    -------
    tuple
        The automaton, the number of n-grams of each order, and the words.
    """
    tell: Progress = progress or (lambda _what, _done, _whole: None)
    if smoothing not in get_args(Smoothing):
        raise InputError(f"smoothing {smoothing!r} is not known; there are: {', '.join(get_args(Smoothing))}")
    if not 1 / _MOST_NOVELTY <= novelty <= _MOST_NOVELTY:
        raise InputError(
            f"novelty {novelty}: occurrences of the unseen, from {1 / _MOST_NOVELTY:g} to {_MOST_NOVELTY:g}"
        )
    least = _least_counts(order, min_counts)
    workspace = Workspace(memory)
    levels = _count(lines, order, vocabulary, workspace, tell)
    tell("smoothing", 0, levels.order)
    kept = np.zeros(0, np.bool_)
    if max(least[: levels.order]) > 1:
        kept = workspace.empty(len(levels.words), np.bool_)
        for level, (low, high) in enumerate(zip(levels.starts[:-1], levels.starts[1:], strict=True)):
            np.greater_equal(levels.counts[low:high], least[level], out=kept[low:high])
        kept[: levels.starts[1]] = True
    log10, backoff = _smooth(levels, kept, novelty if smoothing == "witten-bell" else None, workspace, tell, exact)
    words, begin, starts = levels.words, levels.begin, levels.starts
    names = [UNKNOWN_WORD, BEGIN_WORD, END_WORD, *KEYS]
    symbols = levels.symbols
    del levels
    if len(kept):
        kernels.keep_entries(kept, words, log10, begin, backoff, starts)
        n_lower = int(starts[-2])
        words, log10, backoff, begin = words[: starts[-1]], log10[: starts[-1]], backoff[:n_lower], begin[: n_lower + 1]
        begin[n_lower] = starts[-1]
    tell("linking", 0, 0)
    automaton = build_automaton(words, log10, begin, backoff, workspace)
    counts = tuple(np.diff(starts).tolist())
    while counts[-1] == 0:
        counts = counts[:-1]
    return automaton, counts, tuple(names[symbol] for symbol in symbols.tolist())


def _least_counts(order: int, min_counts: Sequence[int]) -> list[int]:
    if not 1 <= order <= HIGHEST_ORDER:
        raise InputError(f"order {order}: 1 to {HIGHEST_ORDER} can be estimated")
    least = [int(count) for count in min_counts] or [1]
    if len(least) > order or any(b < a for a, b in pairwise(least)) or least[0] < 0:
        raise InputError(f"min_counts {tuple(min_counts)}: at most {order} numbers, none below the one before")
    return least + [least[-1]] * (order - len(least))


def _count(lines: Iterable[str], order: int, vocabulary: str | None, workspace: Workspace, tell: Progress) -> _Levels:
    if isinstance(lines, str):
        raise InputError("estimating takes lines, not one text: give text.splitlines()")
    reader = SymbolReader(vocabulary)
    counted = CountedNGrams(order, workspace)
    n_symbols = 0
    for symbols in reader.read(lines):
        counted.add(symbols)
        n_symbols += len(symbols)
        tell("reading", n_symbols, 0)
    counted.finish(tell)
    tell("counting", 0, 0)
    unigrams = np.flatnonzero(reader.seen).astype(np.uint8)
    unigrams = np.concatenate([[counting.PADDING, counting.BEGIN, counting.END], unigrams]).astype(np.uint8)
    n_levels = np.empty(order, np.int64)
    counting.count_levels(counted.windows, n_levels)
    n_levels[0] = len(unigrams)
    n_levels = n_levels[: int(np.flatnonzero(n_levels)[-1]) + 1]  # no line may be as long as the order
    starts = np.concatenate([[0], np.cumsum(n_levels)])
    n, n_lower = int(starts[-1]), int(starts[-2])
    if n > MOST_ENTRIES:
        raise InputError(f"the text has {n} n-grams, and {MOST_ENTRIES} can be kept: take a lower order or less text")
    last_symbols = workspace.empty(n, np.uint8)
    counts = workspace.empty(n, np.uint32)
    begin = workspace.empty(n_lower + 1, np.int32)
    counting.build_levels(counted.windows, counted.counts, unigrams, starts, last_symbols, counts, begin)
    del counted
    word_of_symbol = np.zeros(128, np.uint16)
    word_of_symbol[unigrams] = np.arange(len(unigrams))
    words = workspace.empty(n, np.uint16)
    np.take(word_of_symbol, last_symbols, out=words, mode="clip")
    return _Levels(words, counts, begin, starts, unigrams)


def _smooth(
    levels: _Levels,
    kept: npt.NDArray[np.bool_],
    novelty: float | None,
    workspace: Workspace,
    tell: Progress,
    exact: list[npt.NDArray[np.float64]] | None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Give log10 of the probabilities and of the back-off weights; the counts are used up.

    Parameters
    ----------
    novelty
        Of Witten-Bell smoothing; None for Kneser-Ney.
    """
    words, counts, begin, starts = levels.words, levels.counts, levels.begin, levels.starts
    suffix = workspace.empty(len(words), np.int32)
    kernels.find_suffixes(words, begin, suffix)
    if novelty is None:
        kernels.adjust_counts(counts, suffix, begin, starts, levels.begin_word)
    counts[levels.begin_word] = 0
    backoff = workspace.empty(len(begin) - 1, np.float32)
    log10 = workspace.empty(len(words), np.float32)
    probabilities: Any = np.empty(starts[1], np.float64)
    for level in range(levels.order):
        tell("smoothing", level, levels.order)
        low, high = starts[level], starts[level + 1]
        discounts = _discounts(counts[low:high]) if novelty is None else np.zeros(4)
        if level == 0:
            kernels.smooth_words(counts[low:high], discounts, novelty or 0.0, levels.begin_word, probabilities)
        else:
            lower, probabilities = probabilities, workspace.empty(int(high - low), np.float64)
            kernels.smooth_level(
                counts,
                suffix,
                begin,
                kept,
                starts[level - 1],
                low,
                starts[level - 1],
                discounts,
                novelty or 0.0,
                lower,
                probabilities,
                backoff,
            )
        if exact is not None:
            exact.append(probabilities)
        with np.errstate(divide="ignore"):
            np.log10(probabilities, out=log10[low:high], casting="same_kind")
    log10[levels.begin_word] = _NEVER
    return log10, backoff


def _discounts(counts: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Give the discounts of counts of 0, 1, 2, and of more.

    Small texts, and orders in which nearly everything was met often, have no n-grams of some count; then the formulas
    divide by zero or give discounts that are negative or above the count, and the whole order takes
    `FALLBACK_DISCOUNTS`.
    """
    n = np.empty(5, np.int64)
    kernels.counts_of_counts(counts, n)
    found = np.zeros(4)
    if (n[1:4] > 0).all():
        y = n[1] / (n[1] + 2 * n[2])
        found[1:] = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
    if not all(0 < found[k] <= k for k in (1, 2, 3)):
        found[1:] = FALLBACK_DISCOUNTS
    return found
