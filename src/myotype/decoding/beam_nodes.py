"""The nodes of the beam search's trees: taking them, finding them, and giving them back."""

from __future__ import annotations

from myotype.decoding.beam_compiling import compiled
from myotype.decoding.beam_layout import NONE, UNJUDGED, Records, State


@compiled
def new_key(state: State, parent: int, label: int) -> int:
    """Take a node for the key sequence of `parent` and one key more."""
    keys, counts = state.keys, state.counts[0]
    node: int = counts.free_key
    key = keys[node]
    counts.free_key = key.parent
    counts.free_keys -= 1
    key.parent = parent
    key.label = label
    key.depth = keys[parent].depth + 1
    key.child = NONE
    key.reading = NONE
    key.references = 0
    key.sibling = keys[parent].child
    keys[parent].child = node
    keys[parent].references += 1
    return node


@compiled
def child_of(keys: Records, parent: int, label: int) -> int:
    """Find the node of a key sequence and one key more, or NONE."""
    node: int = keys[parent].child
    while node != NONE and keys[node].label != label:
        node = keys[node].sibling
    return node


@compiled
def cut_off(keys: Records, node: int) -> None:
    """Take a node from among its parent's children."""
    parent = keys[node].parent
    if keys[parent].child == node:
        keys[parent].child = keys[node].sibling
        return
    before = keys[parent].child
    while keys[before].sibling != node:
        before = keys[before].sibling
    keys[before].sibling = keys[node].sibling


@compiled
def release_key(state: State, node: int) -> None:
    """Need a node once less; what nobody needs becomes free, and so needs its parent no more."""
    keys, counts = state.keys, state.counts[0]
    while node != NONE:
        keys[node].references -= 1
        if keys[node].references > 0:
            return
        parent = keys[node].parent
        if parent != NONE:
            cut_off(keys, node)
        keys[node].parent = counts.free_key
        counts.free_key = node
        counts.free_keys += 1
        node = parent


@compiled
def new_onset(state: State, parent: int, frame: int) -> int:
    """Take a node for a key that begins in a frame, after the keys and frames of `parent`."""
    onsets, counts = state.onsets, state.counts[0]
    node: int = counts.free_onset
    onset = onsets[node]
    counts.free_onset = onset.parent
    counts.free_onsets -= 1
    onset.parent = parent
    onset.frame = frame
    onset.confidence = UNJUDGED
    onset.references = 0
    onsets[parent].references += 1
    return node


@compiled
def release_onset(state: State, node: int) -> None:
    """Need a node once less, as in the tree of keys."""
    onsets, counts = state.onsets, state.counts[0]
    while node != NONE:
        onsets[node].references -= 1
        if onsets[node].references > 0:
            return
        parent = onsets[node].parent
        onsets[node].parent = counts.free_onset
        counts.free_onset = node
        counts.free_onsets += 1
        node = parent
