"""What a stream of the beam search remembers, as flat arrays: two trees, the readings at their tips, and the past.

The tree of keys has a node for each key sequence that a reading has or begins with; it carries what depends on the
sequence alone, which is what the language model and hot words say. The tree of onsets has a node for each key of a
reading together with the frame in which it begins: the same sequence may be found anew, with another last frame, while
what grew out of it before keeps its frames. Nodes count who needs them, and are used again when nobody does. What all
readings have in common and is committed is folded into the history, a ring with an entry for each key that backspaces
can still delete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from myotype.errors import InputError
from myotype.keyboard import N_LABELS

Records = npt.NDArray[Any]

NONE: Final = -1
FAR: Final = 2**62
"""The frame in which a key begins that is not there."""

UNJUDGED: Final = -1.0
"""The confidence of a key that has none yet."""

HISTORY_LENGTH: Final = 4096
"""Committed keys that backspaces can still delete; where they reach further back there is nothing to delete."""

_N_ROWS: Final = 256  # a power of two


def _record(**fields: str) -> np.dtype[Any]:
    return np.dtype((np.record, list(fields.items())))


KEY: Final = _record(
    score="f8",  # what the language model and hot words gave for the last key
    context="i8",  # the language model's state after that key, or NONE at the beginning of a word
    match="i8",  # the hot words' state after it
    top="i8",  # the last key to be seen: a node, or ~depth for the committed one that deep in the history
    label="i8",
    depth="i8",  # keys from the beginning of the stream
    parent="i8",  # also the next free node
    child="i8",
    sibling="i8",
    references="i8",  # children, readings, and one more for the root
    reading="i8",  # its place in the beam, or NONE
)
ONSET: Final = _record(confidence="f8", frame="i8", parent="i8", references="i8")
READING: Final = _record(
    total="f8",  # natural-log score
    blank="f8",  # of ending in a blank
    stay="f8",  # of ending in the last key, which may go on
    first="i8",  # frame of the first key that is not committed, or FAR
    key="i8",
    onset="i8",
)
PAST: Final = _record(score="f8", context="i8", match="i8")
COUNTS: Final = _record(
    frames="i8",
    readings="i8",
    root_key="i8",
    root_onset="i8",
    free_key="i8",
    free_onset="i8",
    free_keys="i8",
    free_onsets="i8",
    depth="i8",  # of the history
    floor="i8",  # what lies deeper is forgotten
    last_frame="i8",  # of the latest committed key
    finished="i8",
    commit_delay="i8",  # or NONE
)
CANDIDATE: Final = _record(
    blank="f8",
    stay="f8",
    score="f8",
    context="i8",
    order="i8",  # in which it was first thought of: settles ties
    origin="i8",  # the reading that it stays, or that it continues
    label="i8",  # of the key that it is continued by, or NONE
    source="i8",  # the reading whose frames it has; if that is not its own or it is continued, its last key begins now
)
FOUND: Final = _record(frame="i8", confidence="f8", label="i8")


class State(NamedTuple):
    """All that a stream remembers."""

    keys: Records
    onsets: Records
    beam: Records  # the readings, best first
    history: Records
    counts: Records  # (1,)


class Work(NamedTuple):
    """Room to work in, which holds nothing of a stream between two calls."""

    order: npt.NDArray[np.int64]  # the frame's best labels, best first
    rank: npt.NDArray[np.int64]  # of each label among them, or NONE
    taken: npt.NDArray[np.uint64]  # (readings, 2): labels that lead to a sequence which another reading has, as bits
    candidates: Records
    ranked: npt.NDArray[np.int64]  # candidates, best first
    totals: npt.NDArray[np.float64]  # of these
    survivors: Records
    row_context: npt.NDArray[np.int64]  # rows of what the language model says in a context
    row_score: npt.NDArray[np.float64]
    row_after: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]  # of each reading: its probability relative to the best
    masses: npt.NDArray[np.float64]  # of each key: the shares of all readings that go through it
    path: npt.NDArray[np.int64]  # (2, keys): nodes of a reading's keys that are not committed, in both trees
    found: Records
    n_found: npt.NDArray[np.int64]  # (1,)


def new_state(beam_size: int, commit_delay: int) -> State:
    """Give the state before the first frame: one reading, of no keys."""
    state = State(
        keys=np.zeros(0, KEY),
        onsets=np.zeros(0, ONSET),
        beam=np.zeros(beam_size, READING),
        history=np.zeros(HISTORY_LENGTH, PAST),
        counts=np.zeros(1, COUNTS),
    )
    counts = state.counts[0]
    counts.free_key = counts.free_onset = NONE
    state = with_room(state)
    # The first nodes of all are the roots.
    root, root_onset = state.keys[0], state.onsets[0]
    counts.free_key, counts.free_onset = root.parent, root_onset.parent
    counts.free_keys, counts.free_onsets = counts.free_keys - 1, counts.free_onsets - 1
    root.parent = root.child = root.sibling = root.context = root.label = NONE
    root.top = ~0
    root_onset.parent = root_onset.frame = NONE
    root.references = root_onset.references = 2  # the root's own, and the reading's
    state.beam[0].stay = -np.inf
    state.beam[0].first = FAR
    counts.readings = 1
    counts.commit_delay = commit_delay
    return state


def with_room(state: State) -> State:
    """Give the state with free nodes for another frame, in longer arrays if need be."""
    counts, keys, onsets, beam_size = state.counts[0], state.keys, state.onsets, len(state.beam)
    if counts.free_keys < beam_size:
        keys = _longer(keys, beam_size, counts.free_key)
        counts.free_key = len(state.keys)
        counts.free_keys += len(keys) - len(state.keys)
    if counts.free_onsets < beam_size:
        onsets = _longer(onsets, beam_size, counts.free_onset)
        counts.free_onset = len(state.onsets)
        counts.free_onsets += len(onsets) - len(state.onsets)
    return state._replace(keys=keys, onsets=onsets)


def _longer(nodes: Records, beam_size: int, free: int) -> Records:
    """Give a copy of twice the length, whose new nodes are free and come before those that were."""
    longer = np.zeros(max(2 * len(nodes), 4 * beam_size), nodes.dtype)
    longer[: len(nodes)] = nodes
    longer["parent"][len(nodes) :] = [*range(len(nodes) + 1, len(longer)), free]
    return longer


def new_work(beam_size: int) -> Work:
    """Give room to work in, which is still to be `fitted` to a state."""
    return Work(
        order=np.zeros(N_LABELS, np.int64),
        rank=np.zeros(N_LABELS, np.int64),
        taken=np.zeros((beam_size, 2), np.uint64),
        candidates=np.zeros(beam_size, CANDIDATE),
        ranked=np.zeros(beam_size, np.int64),
        totals=np.zeros(beam_size),
        survivors=np.zeros(beam_size, READING),
        row_context=np.full(_N_ROWS, NONE),
        row_score=np.zeros((_N_ROWS, N_LABELS)),
        row_after=np.zeros((_N_ROWS, N_LABELS), np.int64),
        shares=np.zeros(beam_size),
        masses=np.zeros(0),
        path=np.zeros((2, 0), np.int64),
        found=np.zeros(0, FOUND),
        n_found=np.zeros(1, np.int64),
    )


def fitted(work: Work, state: State) -> Work:
    """Give the room to work in a size that fits the state: a frame commits no more keys than there are."""
    n_keys = len(state.keys)
    return work._replace(
        masses=np.zeros(n_keys), path=np.zeros((2, n_keys), np.int64), found=np.zeros(2 * n_keys, FOUND)
    )


def checked_state(arrays: Mapping[str, npt.NDArray[Any]], beam_size: int, n_contexts: int, n_matches: int) -> State:
    """Give a copy of a stream's state that came from outside: compiled code does not look where indices point.

    Raises
    ------
    InputError
        If it is not the state of a stream with such a beam, or points outside itself.
    """
    if set(arrays) != set(State._fields):
        raise InputError(f"a stream's state has the arrays {', '.join(State._fields)}; got {', '.join(arrays)}")
    like = new_state(beam_size, NONE)
    for name, expected in like._asdict().items():
        array = np.asarray(arrays[name])
        grows = name in {"keys", "onsets"} and len(array.shape) == 1 and len(array) > 0
        if array.dtype != expected.dtype or not (grows or array.shape == expected.shape):
            message = f"{name!r} of a stream's state has shape {array.shape} and type {array.dtype}"
            raise InputError(f"{message}; expected {expected.shape} and {expected.dtype}")
    state = State(*(np.empty(len(arrays[name]), array.dtype) for name, array in like._asdict().items()))
    for name, array in state._asdict().items():
        array[:] = arrays[name]
    if not (_points_inside(state, n_contexts, n_matches) and _hangs_together(state)):
        raise InputError("a stream's state points outside itself: it is broken, or of another decoder")
    return state


def _points_inside(state: State, n_contexts: int, n_matches: int) -> bool:
    keys, onsets, counts = state.keys, state.onsets, state.counts
    readings = state.beam[: max(int(counts["readings"][0]), 0)]
    needed = keys[keys["references"] > 0]
    bounds = [
        (counts["readings"], 1, len(state.beam)),
        (counts["floor"], 0, counts["depth"][0]),
        (counts["commit_delay"], NONE, FAR),
        (counts["root_key"], 0, len(keys) - 1),
        (counts["root_onset"], 0, len(onsets) - 1),
        (counts["free_key"], NONE, len(keys) - 1),
        (counts["free_onset"], NONE, len(onsets) - 1),
        *((keys[name], NONE, len(keys) - 1) for name in ("parent", "child", "sibling")),
        (needed["top"], ~counts["depth"][0], len(keys) - 1),
        (needed["label"], NONE, N_LABELS - 2),
        (needed["reading"], NONE, len(state.beam) - 1),
        *((array["context"], NONE, n_contexts - 1) for array in (needed, state.history)),
        *((array["match"], 0, n_matches - 1) for array in (needed, state.history)),
        (onsets["parent"], NONE, len(onsets) - 1),
        (readings["key"], 0, len(keys) - 1),
        (readings["onset"], 0, len(onsets) - 1),
    ]
    return all(bool(((low <= values) & (values <= high)).all()) for values, low, high in bounds)


def _hangs_together(state: State) -> bool:
    """Tell whether both trees are whole, so that no walk through them goes astray or round in circles.

    Both ways back from every reading lead to the roots, in as many steps as it has keys; the nodes on them count who
    needs them and know their children and readings; all others are free.
    """
    counts, keys, onsets = state.counts[0], state.keys, state.onsets
    root, root_onset = int(counts.root_key), int(counts.root_onset)
    key_parent, onset_parent, depth = keys["parent"].tolist(), onsets["parent"].tolist(), keys["depth"].tolist()
    key_needs, onset_needs = [root], [root_onset]  # who is needed, once for each who needs it
    live, live_onsets = {root}, {root_onset}
    tips = state.beam[: counts.readings]
    for tip, tip_onset in zip(tips["key"].tolist(), tips["onset"].tolist(), strict=True):
        key, onset = tip, tip_onset
        key_needs.append(key)
        onset_needs.append(onset)
        while key != root:
            if NONE in (key, onset) or depth[key] <= depth[root] or depth[key_parent[key]] != depth[key] - 1:
                return False
            if key not in live:
                live.add(key)
                key_needs.append(key_parent[key])
            if onset not in live_onsets:
                live_onsets.add(onset)
                onset_needs.append(onset_parent[onset])
            key, onset = key_parent[key], onset_parent[onset]
        if onset != root_onset:
            return False
    places = {key: place for place, key in enumerate(tips["key"].tolist())}
    return (
        min(*key_needs, *onset_needs) >= 0
        and bool((np.bincount(key_needs, minlength=len(keys)) == keys["references"]).all())
        and bool((np.bincount(onset_needs, minlength=len(onsets)) == onsets["references"]).all())
        and len(places) == len(tips)
        and all(int(keys["reading"][key]) == places.get(key, NONE) for key in live)
        and all(top < 0 or top in live - {root} for top in keys["top"][list(live)].tolist())
        and _children_are(keys, live, root)
        and _is_free(key_parent, int(counts.free_key), int(counts.free_keys), live)
        and _is_free(onset_parent, int(counts.free_onset), int(counts.free_onsets), live_onsets)
    )


def _children_are(keys: Records, live: set[int], root: int) -> bool:
    """Tell whether the lists of children have every node once, with its own parent."""
    parent, child, sibling = (keys[name].tolist() for name in ("parent", "child", "sibling"))
    listed: set[int] = {root}
    for node in live:
        one = child[node]
        while one != NONE:
            if one in listed or parent[one] != node:
                return False
            listed.add(one)
            one = sibling[one]
    return listed == live


def _is_free(parent: list[int], first: int, n_free: int, live: set[int]) -> bool:
    """Tell whether all nodes but those that live are in the list of free ones, once each."""
    listed: set[int] = set()
    while first != NONE:
        if first in listed or first in live:
            return False
        listed.add(first)
        first = parent[first]
    return len(listed) == n_free == len(parent) - len(live)
