"""What a language model is to the search: states, and the step from one to the next."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

IMPOSSIBLE: Final = -99.0
"""The log10 probability of a word that no n-gram has: what ARPA files write for zero."""


class Automaton(NamedTuple):
    """A back-off n-gram model as flat arrays, which may be memory-mapped.

    A state stands for a context, that is for the last words that still matter; state 0 is the empty context.

    Attributes
    ----------
    child_start
        (states + 1,) int64: the n-grams that continue state s are entries ``child_start[s]`` to ``child_start[s + 1]``.
    child_word
        (n-grams,) uint16: the word of each, ascending within a state.
    child_log10
        (n-grams,) float32: log10 probability of the word after the state's context, as the n-gram says.
    child_state
        (n-grams,) int32: the state after it, of the longest suffix of context and word that is a context.
    backoff
        (states,) float32: log10 back-off weight of the state's context, 0 where it has none.
    shorter
        (states,) int32: the state of the longest suffix of the context that is a context and is not the whole; -1 for
        the empty context.
    """

    child_start: npt.NDArray[np.int64]
    child_word: npt.NDArray[np.uint16]
    child_log10: npt.NDArray[np.float32]
    child_state: npt.NDArray[np.int32]
    backoff: npt.NDArray[np.float32]
    shorter: npt.NDArray[np.int32]


class LanguageModel(Protocol):
    """What a decoder asks of a language model."""

    @property
    def automaton(self) -> Automaton:
        """The model's n-grams."""

    @property
    def begin(self) -> int:
        """The state after ``<s>``."""

    @property
    def end_word(self) -> int:
        """The number of the word ``</s>``."""

    @property
    def unk_log10(self) -> float:
        """The log10 probability of ``<unk>`` after nothing."""

    @property
    def key_words(self) -> npt.NDArray[np.int32]:
        """(98,) the number of each key's word, -1 for keys that are not in the vocabulary."""


@njit()
def step(automaton: Automaton, state: int, word: int) -> tuple[float, int]:
    """Give the log10 probability of a word in a state, and the state after it (Katz 1987: back off where unseen).

    Parameters
    ----------
    automaton
        The model.
    state
        The state, not negative.
    word
        The word's number, not negative. One that no n-gram has gets `IMPOSSIBLE` and leads to the empty context.
    """
    log10 = 0.0
    while state >= 0:
        low, end = automaton.child_start[state], automaton.child_start[state + 1]
        high = end
        while low < high:
            middle = (low + high) >> 1
            if automaton.child_word[middle] < word:
                low = middle + 1
            else:
                high = middle
        if low < end and automaton.child_word[low] == word:
            return log10 + automaton.child_log10[low], int(automaton.child_state[low])
        log10 += automaton.backoff[state]
        state = automaton.shorter[state]
    return IMPOSSIBLE, 0


@njit()
def end(automaton: Automaton, state: int, end_word: int) -> float:
    """Give the log10 probability that the word ends in a state."""
    return step(automaton, state, end_word)[0]
