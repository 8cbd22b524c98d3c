"""The inner loops of entropy pruning, as compiled functions."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from myotype.decoding.automaton import Automaton, step

_SMALL: Final = 1e-4
"""Below it, what is left of a probability of 1 is added up word by word: the difference has too few digits."""


@njit(cache=True)
def list_entries(
    automaton: Automaton,
    starts: npt.NDArray[np.int64],
    entry_begin: npt.NDArray[np.int32],
    entry_backoff: npt.NDArray[np.float32],
    own_state: npt.NDArray[np.int32],
) -> None:
    """Write down the n-grams below the highest order as :func:`~myotype.decoding.ngram_kernels.link_states` takes them.

    Parameters
    ----------
    starts
        (order + 1,) where each order begins.
    entry_begin, entry_backoff, own_state
        (n_lower + 1,), (n_lower,), (n_lower,): written; `own_state` is -1 for an n-gram that is no context.
    """
    n_lower = len(own_state)
    known = 1
    for entry in range(n_lower):
        entry_begin[entry] = automaton.child_start[known]
        own_state[entry] = -1
        entry_backoff[entry] = 0.0
        if automaton.child_state[entry] == known:
            own_state[entry] = known
            entry_backoff[entry] = automaton.backoff[known]
            known += 1
    entry_begin[n_lower] = starts[-1]


@njit(cache=True)
def history_log10(
    automaton: Automaton, own_state: npt.NDArray[np.int32], begin_word: int, end_word: int
) -> npt.NDArray[np.float64]:
    """Give log10 of how often each state's context is met; a line begins as often as one ends."""
    history = np.zeros(len(automaton.backoff))
    for state in range(len(automaton.backoff)):
        for entry in range(automaton.child_start[state], automaton.child_start[state + 1]):
            if entry >= len(own_state):
                return history
            if own_state[entry] >= 0:
                source = end_word if state == 0 and automaton.child_word[entry] == begin_word else entry
                history[own_state[entry]] = history[state] + automaton.child_log10[source]
    return history


@njit(cache=True)
def left_over(listing: Automaton, context: int, model: Automaton, state: int, begin_word: int, n_words: int) -> float:
    """Give the probability, by a model in a state, of all words that a context does not list.

    Parameters
    ----------
    listing, context
        The model whose context it is.
    model, state
        The one that is asked.
    """
    low, high = listing.child_start[context], listing.child_start[context + 1]
    left = 1.0
    for entry in range(low, high):
        left -= 10.0 ** step(model, state, listing.child_word[entry])[0]
    if left >= _SMALL:
        return left
    left = 0.0
    entry = low
    for word in range(n_words):
        if entry < high and listing.child_word[entry] == word:
            entry += 1
        elif word != begin_word:
            left += 10.0 ** step(model, state, word)[0]
    return left


@njit(cache=True)
def drop_entries(
    automaton: Automaton,
    first: int,
    last: int,
    history: npt.NDArray[np.float64],
    own_state: npt.NDArray[np.int32],
    begin_word: int,
    n_words: int,
    threshold: float,
    kept: npt.NDArray[np.bool_],
) -> None:
    """Mark the n-grams of one order that can go: those whose absence raises the perplexity by less than the threshold.

    Parameters
    ----------
    first, last
        The states that they continue.
    kept
        (n,), true at first: those of higher orders have been looked at, and these are written.
    """
    for state in range(first, last):
        low, high = automaton.child_start[state], automaton.child_start[state + 1]
        if low == high:
            continue
        shorter = automaton.shorter[state]
        left = left_over(automaton, state, automaton, state, begin_word, n_words)
        left_below = left_over(automaton, state, automaton, shorter, begin_word, n_words)
        log_weight = automaton.backoff[state] * np.log(10.0)
        for entry in range(low, high):
            own = own_state[entry] if entry < len(own_state) else -1
            if own >= 0 and kept[automaton.child_start[own] : automaton.child_start[own + 1]].any():
                continue
            log_p = automaton.child_log10[entry] * np.log(10.0)
            log_below = step(automaton, shorter, automaton.child_word[entry])[0] * np.log(10.0)
            p = np.exp(log_p)
            new_weight = np.log((left + p) / (left_below + np.exp(log_below)))
            change = p * (log_below + new_weight - log_p) + left * (new_weight - log_weight)
            kept[entry] = not np.expm1(-(10.0 ** history[state]) * change) < threshold


@njit(cache=True)
def weigh_states(
    pruned: Automaton,
    original: Automaton,
    original_states: npt.NDArray[np.int32],
    begin_word: int,
    n_words: int,
    backoff: Any,
) -> None:
    """Write the back-off weights that make the probabilities of every context sum to one again.

    Parameters
    ----------
    original_states
        (states of the pruned model,) what each was.
    backoff
        That of the pruned model, which is read through it as it is written: a shorter context comes first.
    """
    for state in range(1, len(backoff)):
        if pruned.child_start[state + 1] > pruned.child_start[state]:
            left = left_over(pruned, state, original, original_states[state], begin_word, n_words)
            below = left_over(pruned, state, pruned, pruned.shorter[state], begin_word, n_words)
            # Where every word is listed nothing is left to weigh.
            backoff[state] = np.log10(left / below) if left > 0.0 and below > 0.0 else 0.0
