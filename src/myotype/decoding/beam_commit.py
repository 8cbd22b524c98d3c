"""What is settled after a frame of the beam search: confidences, and keys that no longer change.

The root of both trees is the last committed key: every reading goes through it. Committing keys moves the root to the
last of them and folds what lies behind into the history.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from myotype.decoding.beam_compiling import compiled
from myotype.decoding.beam_layout import FAR, NONE, UNJUDGED, State, Work
from myotype.decoding.beam_model import Model
from myotype.decoding.beam_nodes import cut_off, release_key, release_onset


@compiled
def trace(state: State, work: Work, i: int) -> int:
    """Write down the nodes of a reading's keys that are not committed, first to last; give how many there are."""
    keys, onsets, path = state.keys, state.onsets, work.path
    reading = state.beam[i]
    n: int = keys[reading.key].depth - keys[state.counts[0].root_key].depth
    key, onset = reading.key, reading.onset
    for place in range(n - 1, -1, -1):
        path[0, place] = key
        path[1, place] = onset
        key = keys[key].parent
        onset = onsets[onset].parent
    return n


@compiled
def weigh(state: State, work: Work, temperature: float, depth: int) -> None:
    """Sum up the probabilities of the readings that go through each key, for keys no less deep than `depth`."""
    keys, beam, masses, shares = state.keys, state.beam, work.masses, work.shares
    n = state.counts[0].readings
    for i in range(n):
        node = beam[i].key
        while node != NONE and keys[node].depth >= depth:
            masses[node] = 0.0
            node = keys[node].parent
    for i in range(n):
        shares[i] = np.exp((beam[i].total - beam[0].total) / temperature)
        node = beam[i].key
        while node != NONE and keys[node].depth >= depth:
            masses[node] += shares[i]
            node = keys[node].parent


@compiled
def _share(state: State, work: Work, key: int) -> float:
    """Give what share of the readings that go through a key's parent go through the key, once keys were weighed."""
    mass = work.masses[state.keys[key].parent]
    share: float = work.masses[key] / mass if mass > 0.0 else 0.0  # all of them too improbable to tell
    return share


@compiled
def judge(state: State, work: Work, temperature: float, frame: int) -> None:
    """Give the keys that begin in a frame their confidence.

    Of the readings that agree on all keys before it, by probability, it is the share that has this key next.
    """
    keys, onsets, beam, counts = state.keys, state.onsets, state.beam, state.counts[0]
    depth = FAR
    for again in range(2):
        for i in range(counts.readings):
            if beam[i].first > frame:
                continue
            key, onset = beam[i].key, beam[i].onset
            while onset != counts.root_onset and onsets[onset].frame > frame:
                key = keys[key].parent
                onset = onsets[onset].parent
            if onset == counts.root_onset or onsets[onset].frame < frame:
                continue
            if again == 0:
                depth = min(depth, keys[key].depth - 1)
            else:
                onsets[onset].confidence = _share(state, work, key)
        if depth == FAR:
            return
        if again == 0:
            weigh(state, work, temperature, depth)


@compiled
def _confidence(state: State, work: Work, place: int) -> float:
    """Give the confidence of a key of the path; where it has none yet, as it is now, once keys were weighed."""
    key = work.path[0, place]
    confidence: float = state.onsets[work.path[1, place]].confidence
    if confidence == UNJUDGED:
        confidence = _share(state, work, key)
    return confidence


@compiled
def read(state: State, work: Work, temperature: float, i: int) -> None:
    """Put what a reading has beyond the committed keys into ``work.found``."""
    keys, onsets, counts = state.keys, state.onsets, state.counts[0]
    n = trace(state, work, i)
    weigh(state, work, temperature, keys[counts.root_key].depth)
    frame = counts.last_frame
    for place in range(n):
        frame = max(frame, onsets[work.path[1, place]].frame)
        found = work.found[place]
        found.label = keys[work.path[0, place]].label
        found.frame = frame
        found.confidence = _confidence(state, work, place)
    work.n_found[0] = n


@compiled
def _fold(state: State, model: Model, n_path: int, path: npt.NDArray[np.int64]) -> None:
    """Put the first `n_path` keys of a path into the history, and let no node refer to them any more."""
    keys, history, counts = state.keys, state.history, state.counts[0]
    for place in range(n_path):
        key = keys[path[0, place]]
        if key.label == model.backspace:
            counts.depth = max(counts.depth - 1, counts.floor)
        else:
            past = history[counts.depth % len(history)]
            past.score = key.score
            past.context = key.context
            past.match = key.match
            counts.depth += 1
            counts.floor = max(counts.floor, counts.depth - len(history))
            key.top = ~counts.depth
    root = keys[path[0, n_path - 1]]
    root.top = ~counts.depth
    for node in range(len(keys)):
        key = keys[node]
        if key.references > 0 and key.top >= 0 and keys[key.top].depth <= root.depth:
            key.top = keys[key.top].top


@compiled
def commit(state: State, work: Work, model: Model, n: int) -> None:
    """Commit the first `n` keys of the path, through which all readings go by now."""
    keys, onsets, beam, path, counts = state.keys, state.onsets, state.beam, work.path, state.counts[0]
    for place in range(n):
        onset = onsets[path[1, place]]
        counts.last_frame = max(counts.last_frame, onset.frame)
        found = work.found[work.n_found[0]]
        found.label = keys[path[0, place]].label
        found.frame = counts.last_frame
        found.confidence = 1.0 if onset.confidence == UNJUDGED else onset.confidence
        work.n_found[0] += 1
    _fold(state, model, n, path)

    root, before, behind = path[0, n - 1], counts.root_key, keys[path[0, n - 1]].parent
    keys[root].references += 1
    cut_off(keys, root)
    keys[root].parent = NONE
    counts.root_key = root
    release_key(state, behind)
    release_key(state, before)

    root, before, behind = path[1, n - 1], counts.root_onset, onsets[path[1, n - 1]].parent
    onsets[root].references += 1
    onsets[root].parent = NONE
    counts.root_onset = root
    release_onset(state, behind)
    release_onset(state, before)

    for i in range(counts.readings):
        onset, first = beam[i].onset, FAR
        while onset != root:
            first = onsets[onset].frame
            onset = onsets[onset].parent
        beam[i].first = first


@compiled
def agree(state: State, work: Work, model: Model) -> None:
    """Commit the keys that all readings have, with the same frames."""
    onsets, counts = state.onsets, state.counts[0]
    if onsets[counts.root_onset].references > 2:  # its own, and that of the one node or reading that needs it
        return
    n, n_path = 0, trace(state, work, 0)
    while n < n_path and (n == 0 or onsets[work.path[1, n - 1]].references == 1):
        n += 1
    if n > 0:
        commit(state, work, model, n)


@compiled
def _begins(state: State, i: int, depth: int) -> tuple[int, int, int, int]:
    """Find the nodes of a reading's key so deep, and of the one after it, in both trees; NONE where there is none."""
    keys, onsets, reading = state.keys, state.onsets, state.beam[i]
    key, onset, next_key, next_onset = reading.key, reading.onset, NONE, NONE
    while keys[key].depth > depth:
        next_key, next_onset = key, onset
        key, onset = keys[key].parent, onsets[onset].parent
    return key, onset, next_key, next_onset


@compiled
def _drop(state: State, i: int) -> None:
    """Give back what a reading needs."""
    reading = state.beam[i]
    state.keys[reading.key].reading = NONE
    release_key(state, reading.key)
    release_onset(state, reading.onset)


@compiled
def _adopt(state: State, i: int, onset: int, next_onset: int, root: int) -> None:
    """Let a reading whose keys begin in other frames up to `onset` have those of `root` instead."""
    onsets = state.onsets
    if onset == root:
        return
    onsets[root].references += 1
    if next_onset == NONE:
        state.beam[i].onset = root
    else:
        onsets[next_onset].parent = root
    release_onset(state, onset)


@compiled
def _due(state: State, work: Work, temperature: float, horizon: int) -> int:
    """Count the best reading's keys that are to be committed, and judge them; NONE if no reading has any that old."""
    onsets, beam, counts = state.onsets, state.beam, state.counts[0]
    first = FAR
    for i in range(counts.readings):
        first = min(first, beam[i].first)
    if first > horizon:
        return NONE
    n, n_path = 0, trace(state, work, 0)
    while n < n_path and onsets[work.path[1, n]].frame <= horizon:
        n += 1
    if n > 0:
        weigh(state, work, temperature, state.keys[counts.root_key].depth)
        for place in range(n):
            onsets[work.path[1, place]].confidence = _confidence(state, work, place)
    return n


@compiled
def settle(state: State, work: Work, model: Model, horizon: int) -> None:
    """Commit what the best reading has up to a frame, and drop the readings that have something else there.

    A reading agrees if it has the same keys up to there, whenever they begin in it; its next key may only begin up to
    there if it is also the next key of the best reading, which has it begin later.
    """
    keys, onsets, beam, counts = state.keys, state.onsets, state.beam, state.counts[0]
    n = _due(state, work, model.temperature, horizon)
    if n == NONE:
        return
    root_key, root_onset = counts.root_key, counts.root_onset
    if n > 0:
        root_key, root_onset = work.path[0, n - 1], work.path[1, n - 1]
    depth = keys[root_key].depth
    _, _, best_next, _ = _begins(state, 0, depth)
    kept = 0
    for i in range(counts.readings):
        key, onset, next_key, next_onset = _begins(state, i, depth)
        late = next_key == NONE or onsets[next_onset].frame > horizon
        if key != root_key or not (late or next_key == best_next):
            _drop(state, i)
            continue
        _adopt(state, i, onset, next_onset, root_onset)
        beam[kept] = beam[i]
        keys[beam[i].key].reading = kept
        kept += 1
    counts.readings = kept
    if n > 0:
        commit(state, work, model, n)
