"""One frame of the beam search: from the readings before it to those after it.

Scores are added in a fixed order and ties have a defined one, so that a frame's result does not depend on how the
emissions came. The order of readings with equal totals is that in which they are first thought of: parents from best to
worst; for each parent, staying first, and then its continuations in the order of the frame's labels, which is by
emission and, where emissions are equal, by label.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from myotype.decoding.automaton import IMPOSSIBLE
from myotype.decoding.beam_compiling import compiled
from myotype.decoding.beam_hotwords import BEGIN
from myotype.decoding.beam_layout import NONE, State, Work
from myotype.decoding.beam_model import END_COLUMN, Language, Model
from myotype.decoding.beam_nodes import child_of, new_key, new_onset, release_key, release_onset
from myotype.keyboard import BLANK

_LOWEST_LOG10 = -1000.0
_PLACES = 128  # more than there are labels: an order is parent * _PLACES + place


@compiled
def log_sum(a: float, b: float) -> float:
    """Give log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    if b == -np.inf:
        return a
    total: float = a + np.log1p(np.exp(b - a))
    return total


@compiled
def weighted(language: Language, log10: float) -> float:
    """Weigh a log10 probability; whatever a file says, it is no more than certain and never quite impossible."""
    return language.weight * min(max(log10, _LOWEST_LOG10), 0.0)


@compiled
def _row(work: Work, language: Language, context: int) -> int:
    """Give the row with the scores of all keys in a context: neighbours ask about the same contexts again and again."""
    row = context & (len(work.row_context) - 1)
    if work.row_context[row] == context:
        return row
    work.row_context[row] = context
    automaton, columns = language.automaton, language.word_column
    scores, after = work.row_score[row], work.row_after[row]
    after[:] = NONE
    backoff, state = 0.0, context
    while state != NONE:
        # As in `step`, but for all words at once; what a longer context says comes first.
        for child in range(automaton.child_start[state], automaton.child_start[state + 1]):
            word = automaton.child_word[child]
            column = columns[word] if word < len(columns) else NONE
            if column != NONE and after[column] == NONE:
                scores[column] = weighted(language, backoff + automaton.child_log10[child]) + language.bonus
                after[column] = automaton.child_state[child]
        backoff += automaton.backoff[state]
        state = int(automaton.shorter[state])
    for column in range(len(after)):
        if after[column] == NONE:
            scores[column] = weighted(language, IMPOSSIBLE) + language.bonus
            after[column] = 0
    return row


@compiled
def _undone(state: State, node: int) -> tuple[float, int, int, int]:
    """Give what a backspace does after a key sequence: its score, and context, match and last visible key after it.

    The score of the key that it deletes is taken back, and context and match are those before that key. Where nothing
    is to be seen it costs nothing.
    """
    keys, history, floor = state.keys, state.history, state.counts[0].floor
    top = keys[node].top
    if top >= 0:
        before = keys[top].parent
        return -keys[top].score, keys[before].context, keys[before].match, keys[before].top
    depth = ~top
    if depth <= floor:
        return 0.0, NONE, BEGIN, top
    score = -history[(depth - 1) % len(history)].score
    if depth - 1 == floor:
        return score, NONE, BEGIN, ~(depth - 1)
    past = history[(depth - 2) % len(history)]
    return score, past.context, past.match, ~(depth - 1)


@compiled
def _expected(state: State, work: Work, language: Language, node: int, label: int) -> tuple[float, int]:
    """Give what the language model says of a key after a key sequence: its score, and the context after it."""
    if not language.has_lm:
        return 0.0, NONE
    context, column = state.keys[node].context, language.key_column[label]
    if column != NONE:
        row = _row(work, language, language.begin if context == NONE else context)
        return work.row_score[row, column], work.row_after[row, column]
    # A key outside the vocabulary closes the word, or stands alone where none is open.
    if context == NONE:
        return weighted(language, language.unk_log10) + language.bonus, NONE
    return work.row_score[_row(work, language, context), END_COLUMN], NONE


@compiled
def _choose_labels(work: Work, row: Any, n: int) -> None:
    """Put the best `n` labels of a frame in order, equal ones by label."""
    order, rank = work.order, work.rank
    held = 0
    for label in range(len(row)):
        rank[label] = NONE
        if held == n:
            if row[label] <= row[order[n - 1]]:
                continue
            held -= 1
        place = held
        while place > 0 and row[label] > row[order[place - 1]]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = label
        held += 1
    for place in range(n):
        rank[order[place]] = place


@compiled
def _offer(work: Work, n: int, total: float, order: int) -> int:
    """Give the place of a candidate if it is among the best so far, and put it in their order."""
    candidates, ranked, totals = work.candidates, work.ranked, work.totals
    slot, place = n, n
    if n == len(ranked):
        place = n - 1
        slot = ranked[place]
        if total < totals[place] or (total == totals[place] and order > candidates[slot].order):
            return NONE
    while place > 0 and total >= totals[place - 1]:
        if total == totals[place - 1] and order > candidates[ranked[place - 1]].order:
            break
        ranked[place] = ranked[place - 1]
        totals[place] = totals[place - 1]
        place -= 1
    ranked[place] = slot
    totals[place] = total
    candidates[slot].order = order
    return slot


@compiled
def _stay(state: State, work: Work, row: Any) -> int:
    """Let every reading stay as it is, together with what its own beginning contributes; give how many are held."""
    keys, beam, rank, taken = state.keys, state.beam, work.rank, work.taken
    n_readings, root = state.counts[0].readings, state.counts[0].root_key
    n = 0
    taken[:n_readings] = 0
    for i in range(n_readings):
        reading, key = beam[i], keys[beam[i].key]
        last = key.label
        blank = reading.total + row[BLANK] if rank[BLANK] != NONE else -np.inf
        stay = reading.stay + row[last] if last != NONE and rank[last] != NONE else -np.inf
        source, order = i, i * _PLACES
        # The one other way to this key sequence is from the reading without its last key.
        parent = keys[key.parent].reading if reading.key != root else NONE
        if parent != NONE and rank[last] != NONE:
            taken[parent, last >> 6] |= np.uint64(1) << np.uint64(last & 63)
            shorter = beam[parent]
            mass = shorter.blank if keys[shorter.key].label == last else shorter.total
            stay = log_sum(stay, mass + row[last] + key.score)
            if parent < i:
                # Where it comes first it says when the last key began, be it of probability zero.
                source, order = parent, parent * _PLACES + 1 + rank[last]
        total = log_sum(blank, stay)
        if total == -np.inf:
            continue
        slot = _offer(work, n, total, order)
        n += 1
        candidate = work.candidates[slot]
        candidate.blank = blank
        candidate.stay = stay
        candidate.source = source
        candidate.origin = i
        candidate.label = NONE
    return n


@compiled
def _go_on(state: State, work: Work, model: Model, row: Any, n_labels: int, n: int) -> int:
    """Let every reading go on by a key; give how many are held then."""
    keys, beam, order, rank, taken = state.keys, state.beam, work.order, work.rank, work.taken
    size = len(work.ranked)
    deleting = rank[model.backspace] if model.backspace != NONE else NONE
    language, hotwords = model.language, model.hotwords
    bonus = language.bonus if language.has_lm else 0.0
    for i in range(state.counts[0].readings):
        reading = beam[i]
        last = keys[reading.key].label
        match = keys[reading.key].match
        best_score = bonus + hotwords.most[match]
        place = 0
        while place < n_labels:
            label = order[place]
            if label == BLANK:
                place += 1
                continue
            best_total = reading.total + row[label] + best_score
            if n == size and best_total < work.totals[n - 1] and label != model.backspace:
                # No key but backspace scores more than the bonus and the most that hot words may add, and labels come
                # from best to worst: where this one has no chance, none of the others has. (Rounding keeps the order,
                # so that this loses nothing.)
                if place < deleting:
                    place = deleting
                    continue
                break
            place += 1
            if (taken[i, label >> 6] >> np.uint64(label & 63)) & np.uint64(1):
                continue
            mass = reading.blank if label == last else reading.total
            if label == model.backspace:
                score, context, _, _ = _undone(state, reading.key)
            else:
                score, context = _expected(state, work, language, reading.key, label)
                score += hotwords.gain[match, hotwords.column[label]]
            total = mass + row[label] + score
            if total == -np.inf:
                continue
            slot = _offer(work, n, total, i * _PLACES + place)
            if slot == NONE:
                continue
            n = min(n + 1, size)
            candidate = work.candidates[slot]
            candidate.blank = -np.inf
            candidate.stay = total
            candidate.score = score
            candidate.context = context
            candidate.source = i
            candidate.origin = i
            candidate.label = label
    return n


@compiled
def _continued(state: State, model: Model, parent: int, candidate: Any) -> int:
    """Give the node of a key sequence and one key more; it may be there still, though no reading has it."""
    keys, label = state.keys, candidate.label
    node: int = child_of(keys, parent, label)
    if node == NONE:
        node = new_key(state, parent, label)
        key = keys[node]
        key.score = candidate.score
        key.context = candidate.context
        if label == model.backspace:
            _, _, key.match, key.top = _undone(state, parent)
        else:
            key.match = model.hotwords.after[keys[parent].match, model.hotwords.column[label]]
            key.top = node
    return node


@compiled
def _survive(state: State, work: Work, model: Model, n: int) -> None:
    """Make the best candidates the readings."""
    keys, onsets, beam, survivors, counts = state.keys, state.onsets, state.beam, work.survivors, state.counts[0]
    for i in range(n):
        candidate = work.candidates[work.ranked[i]]
        reading = survivors[i]
        reading.total = work.totals[i]
        reading.blank = candidate.blank
        reading.stay = candidate.stay
        source, origin = beam[candidate.source], beam[candidate.origin]
        reading.key = origin.key
        reading.onset = origin.onset
        reading.first = origin.first
        if candidate.label != NONE:
            reading.key = _continued(state, model, origin.key, candidate)
        if candidate.label != NONE or candidate.source != candidate.origin:
            reading.onset = new_onset(state, source.onset, counts.frames)
            reading.first = min(source.first, counts.frames)
        keys[reading.key].references += 1
        onsets[reading.onset].references += 1
    for i in range(counts.readings):
        keys[beam[i].key].reading = NONE
        release_key(state, beam[i].key)
        release_onset(state, beam[i].onset)
    for i in range(n):
        beam[i] = survivors[i]
        keys[beam[i].key].reading = i
    counts.readings = n


@compiled
def search_frame(state: State, work: Work, model: Model, row: Any, n_labels: int) -> None:
    """Take one frame of emissions, of which the best `n_labels` labels count."""
    _choose_labels(work, row, n_labels)
    n = _stay(state, work, row)
    n = _go_on(state, work, model, row, n_labels, n)
    _survive(state, work, model, n)
    state.counts[0].frames += 1
