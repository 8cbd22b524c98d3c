"""What n-gram models of every origin share, as compiled functions: states and their links, checks, scores.

The n-grams of a model stand in one list: first the single words, then the pairs, and so on, each order sorted by its
words from the first to the last. So the n-grams that continue a context stand side by side, and the contexts, numbered
in the order of the list, are the states of an :class:`~myotype.decoding.automaton.Automaton`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from myotype.decoding.automaton import Automaton, step

PROBLEMS: Final = (
    "",
    "contexts whose n-grams do not follow one another",
    "n-grams whose words are out of order or unknown",
    "n-grams that lead to contexts that do not exist",
    "contexts whose shorter contexts do not come before them",
    "probabilities that are none",
    "n-grams that are not as many as it says",
)
"""What :func:`check_automaton` can find; at 0 nothing."""

_WELL, _BAD_STARTS, _BAD_WORDS, _BAD_STATES, _BAD_SHORTER, _BAD_NUMBERS, _BAD_COUNTS = range(7)


@njit(cache=True)
def find_entry(child_word: npt.NDArray[np.uint16], low: int, high: int, word: int) -> int:
    """Give the place of a word among the ascending words at [low, high), or -1."""
    end = high
    while low < high:
        middle = (low + high) >> 1
        if child_word[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low if low < end and child_word[low] == word else -1


@njit(cache=True)
def count_states(entry_begin: npt.NDArray[np.int32], entry_backoff: npt.NDArray[np.float32]) -> int:
    """Count the contexts among n-grams, given as for :func:`link_states`, and the empty one."""
    n_states = 1
    for entry in range(len(entry_backoff)):
        if entry_begin[entry + 1] > entry_begin[entry] or entry_backoff[entry] != 0.0:
            n_states += 1
    return n_states


@njit(cache=True)
def link_states(
    child_word: npt.NDArray[np.uint16],
    entry_begin: npt.NDArray[np.int32],
    entry_backoff: npt.NDArray[np.float32],
    child_start: npt.NDArray[np.int64],
    child_state: npt.NDArray[np.int32],
    backoff: npt.NDArray[np.float32],
    shorter: npt.NDArray[np.int32],
) -> None:
    """Make states of the contexts among the n-grams.

    A context is an n-gram that others continue, or whose back-off weight is not 1.

    Parameters
    ----------
    child_word
        (n,) the last word of every n-gram.
    entry_begin
        (n_lower + 1,) where the n-grams that continue one below the highest order begin; the last is n.
    entry_backoff
        (n_lower,) log10.
    child_start, child_state, backoff, shorter
        Those of the automaton: written.
    """
    n, n_lower = len(child_word), len(entry_backoff)
    child_start[0], backoff[0], shorter[0] = 0, 0.0, -1
    child_start[1] = entry_begin[0] if n_lower > 0 else n
    known = 1
    for state in range(len(backoff)):
        for entry in range(child_start[state], child_start[state + 1]):
            # The longest shorter context in which the word is known has been here before: its order is lower.
            suffix = 0
            other = shorter[state]
            while other >= 0:
                found = find_entry(child_word, child_start[other], child_start[other + 1], child_word[entry])
                if found >= 0:
                    suffix = child_state[found]
                    break
                other = shorter[other]
            if entry < n_lower and (entry_begin[entry + 1] > entry_begin[entry] or entry_backoff[entry] != 0.0):
                child_start[known + 1] = entry_begin[entry + 1]
                backoff[known] = entry_backoff[entry]
                shorter[known] = suffix
                child_state[entry] = known
                known += 1
            else:
                child_state[entry] = suffix


@njit(cache=True)
def check_automaton(automaton: Automaton, counts: npt.NDArray[np.int64]) -> int:  # noqa: C901, PLR0911, PLR0912
    """Find what is wrong with arrays from elsewhere: what passes leads no search out of bounds, nor round in circles.

    Parameters
    ----------
    automaton
        Of matching lengths: the caller has compared them.
    counts
        (order,) how many n-grams there are of each order; the first is that of the words.

    Returns
    -------
    int
        Index into `PROBLEMS`.
    """
    n, n_states, n_words = len(automaton.child_word), len(automaton.backoff), counts[0]
    if automaton.child_start[0] != 0 or automaton.child_start[n_states] != n or automaton.child_start[1] != n_words:
        return _BAD_STARTS
    for state in range(n_states):
        if automaton.child_start[state + 1] < automaton.child_start[state]:
            return _BAD_STARTS
        # Anything but a number compares as false.
        if not abs(automaton.backoff[state]) < np.inf:
            return _BAD_NUMBERS
        if state > 0 and not 0 <= automaton.shorter[state] < state:
            return _BAD_SHORTER
    if automaton.shorter[0] != -1:
        return _BAD_SHORTER
    owned = 1  # the next state that an n-gram's words make, rather than their end
    state = 0
    for level in range(len(counts)):
        first_owned = owned
        end = automaton.child_start[state] + counts[level]
        while state < first_owned:
            low, high = automaton.child_start[state], automaton.child_start[state + 1]
            for entry in range(low, high):
                word = automaton.child_word[entry]
                if word >= n_words or (entry > low and word <= automaton.child_word[entry - 1]):
                    return _BAD_WORDS
                if not -np.inf < automaton.child_log10[entry] <= 0.0:
                    return _BAD_NUMBERS
                target = automaton.child_state[entry]
                if target == owned and owned < n_states and level + 1 < len(counts):
                    owned += 1
                elif not 0 <= target < first_owned:
                    return _BAD_STATES
            state += 1
        if automaton.child_start[state] != end:
            return _BAD_COUNTS
    return _WELL if state == n_states == owned else _BAD_COUNTS


@njit(cache=True)
def score_keys(
    automaton: Automaton,
    words: npt.NDArray[np.int32],
    begin: int,
    end_word: int,
    unknown: float,
    delete: int,
    scores: npt.NDArray[np.float64],
) -> int:
    """Score words one after the other, -1 for keys outside the vocabulary and `delete` for backspace.

    Parameters
    ----------
    scores
        (n,) log10 probabilities: written.

    Returns
    -------
    int
        The state after the last.
    """
    states = np.empty(len(words) + 1, np.int32)
    # The state does not tell whether a word is open: in a model of single words there is one state for all.
    is_open = np.empty(len(words) + 1, np.bool_)
    added = np.empty(len(words), np.float64)
    states[0], is_open[0] = begin, False
    depth = 0
    for i in range(len(words)):
        word = words[i]
        if word == delete:
            if depth == 0:
                scores[i] = 0.0
                continue
            depth -= 1
            scores[i] = -added[depth]
            continue
        state = states[depth]
        if word >= 0:
            score, after = step(automaton, state, word)
        else:
            score = step(automaton, state, end_word)[0] if is_open[depth] else unknown
            after = begin
        scores[i] = score
        added[depth] = score
        depth += 1
        states[depth], is_open[depth] = after, word >= 0
    return int(states[depth])
