"""What hot words add to the beam search, as one automaton over keys.

Every beginning of a word (the first key, or one after a key that is no letter, digit or apostrophe) counts by itself:
of the hot words that stand there, or that what was typed since then may still become, the one that gives most, its
weight for each of its keys that are there. So a phrase has its score from the first key on, and what comes of nothing
is taken back. A hot word stands there when no letter, digit or apostrophe goes on where it ends with one. The sum over
all beginnings depends on the keys alone. Letters are compared regardless of case, and shift is passed over.

A state of the automaton (Aho and Corasick 1975) stands for the longest beginning of a hot word that the keys end with;
the shorter ones follow from it. What a key adds to the sum depends on the state and the key, and is in a table.
"""

from __future__ import annotations

import string
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from myotype.keyboard import KEYS, SHIFT, SYMBOLS

BEGIN: Final = 0
"""The state at the beginning of a word, of nothing yet."""

_INSIDE: Final = 1  # a word that is none of them
_WORD_KEYS: Final = frozenset(string.ascii_lowercase + string.digits + "'")
_SHIFT, _APART, _WITHIN = range(3)  # columns: shift, and keys of no hot word that part words, or are within them


class HotWords(NamedTuple):
    """What keys add, in the form that compiled functions take.

    Attributes
    ----------
    column
        (98,) where each key stands in a row.
    gain
        (states, columns) natural-log score that a key adds.
    after
        (states, columns) the state after it.
    most
        (states,) the highest score that any key adds.
    ending
        (states,) what the end of the stream adds: never above 0.
    """

    column: npt.NDArray[np.int64]
    gain: npt.NDArray[np.float64]
    after: npt.NDArray[np.int32]
    most: npt.NDArray[np.float64]
    ending: npt.NDArray[np.float64]


class _Node:
    """The beginning of a hot word: a state."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.next: dict[str, _Node] = {}
        self.heaviest = 0.0  # weight of any hot word that begins with it
        self.whole = 0.0  # what the hot word that it is gives


def new_hotwords(weights: Mapping[str, float]) -> HotWords:
    """Make the automaton of hot words, given with their weights as `folded_hotwords` gives them."""
    root, n_states = _trie(weights)
    keys = sorted(set().union(*weights))
    columns = {key: column for column, key in enumerate(keys, _WITHIN + 1)}
    within = np.array([False, False, True, *(key in _WORD_KEYS for key in keys)])
    after = np.zeros((n_states, len(within)), np.int32)
    gain, ending = np.zeros(after.shape), np.zeros(n_states)
    after[_INSIDE] = np.where(within, _INSIDE, BEGIN)
    # By length: what a state does with a key that leads no further is what the next shorter one does with it.
    waiting = deque([(root, _INSIDE, 0, 0.0, False)])
    while waiting:
        node, shorter, length, kept, in_word = waiting.popleft()
        given = max(kept, length * node.heaviest)
        # A whole hot word is kept, unless it ends within a word that goes on.
        apart = max(kept, node.whole)
        kept_after = np.where(within, kept if in_word else apart, apart)
        after[node.number] = after[shorter]
        gain[node.number] = gain[shorter] + (kept_after - given)
        ending[node.number] = ending[shorter] + (apart - given)
        for key, longer in node.next.items():
            column = columns[key]
            kept_there = float(kept_after[column])
            given_there = max(kept_there, (length + 1) * longer.heaviest)
            after[node.number, column] = longer.number
            gain[node.number, column] = gain[shorter, column] + (given_there - given)
            waiting.append((longer, int(after[shorter, column]), length + 1, kept_there, key in _WORD_KEYS))
    after[:, _SHIFT] = np.arange(n_states)
    gain[:, _SHIFT] = 0
    most = gain.max(axis=1)
    folded = [symbol.lower() for symbol in SYMBOLS]
    of_key = np.array([columns.get(key, _WITHIN if key in _WORD_KEYS else _APART) for key in folded], np.int64)
    of_key[KEYS.index(SHIFT)] = _SHIFT
    for array in (of_key, gain, after, most, ending):
        array.flags.writeable = False
    return HotWords(of_key, gain, after, most, ending)


def _trie(weights: Mapping[str, float]) -> tuple[_Node, int]:
    """Give the node of nothing, from which all others come, and how many states there are."""
    root, n_states = _Node(BEGIN), _INSIDE + 1
    for word, weight in weights.items():
        node = root
        for key in word:
            if key not in node.next:
                node.next[key] = _Node(n_states)
                n_states += 1
            node = node.next[key]
            node.heaviest = max(node.heaviest, weight)
        node.whole = len(word) * weight
    return root, n_states
