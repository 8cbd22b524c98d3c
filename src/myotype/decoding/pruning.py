"""Making language models smaller by entropy pruning.

A. Stolcke, *Entropy-based pruning of backoff language models*, Proc. DARPA Broadcast News Transcription and
Understanding Workshop 1998, arXiv cs/0006025.
"""

from __future__ import annotations

import numpy as np

from myotype.decoding import pruning_kernels as kernels
from myotype.decoding.automaton import Automaton
from myotype.decoding.building import build_automaton
from myotype.decoding.estimation_kernels import keep_entries


def prune(
    automaton: Automaton, counts: tuple[int, ...], words: tuple[str, ...], threshold: float
) -> tuple[Automaton, tuple[int, ...]]:
    """Drop n-grams; :meth:`~myotype.decoding.ngram.NGram.prune` says which.

    Returns
    -------
    tuple
        The smaller model's automaton and its number of n-grams of each order.
    """
    begin_word, end_word, n_words = words.index("<s>"), words.index("</s>"), len(words)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n, n_lower = int(starts[-1]), int(starts[-2])
    begin, backoff = np.empty(n_lower + 1, np.int32), np.empty(n_lower, np.float32)
    own_state = np.empty(n_lower, np.int32)
    kernels.list_entries(automaton, starts, begin, backoff, own_state)
    history = kernels.history_log10(automaton, own_state, begin_word, end_word)
    kept = np.ones(n, np.bool_)
    # The states whose contexts are of one length stand side by side: those that n-grams of this length own.
    bounds = np.searchsorted(automaton.child_start, starts[1:], side="left")
    for level in range(len(counts) - 1, 0, -1):
        first, last = int(bounds[level - 1]), int(bounds[level])
        kernels.drop_entries(automaton, first, last, history, own_state, begin_word, n_words, threshold, kept)
    sums = np.concatenate([[0], np.cumsum(kept)])
    # A context that nothing continues says what the next shorter one says, whatever weight a file has given it.
    backoff[sums[begin[1:]] == sums[begin[:-1]]] = 0.0
    is_state = ((sums[begin[1:]] > sums[begin[:-1]]) | (backoff != 0.0)) & kept[:n_lower]
    original_states = np.concatenate([[0], own_state[is_state]]).astype(np.int32)
    child_word, child_log10 = automaton.child_word.copy(), automaton.child_log10.copy()
    keep_entries(kept, child_word, child_log10, begin, backoff, starts)
    n, n_lower = int(starts[-1]), int(starts[-2])
    begin[n_lower] = n
    smaller = build_automaton(child_word[:n].copy(), child_log10[:n].copy(), begin[: n_lower + 1], backoff[:n_lower])
    weights = smaller.backoff.copy()
    seen = weights.view()
    seen.flags.writeable = False
    smaller = smaller._replace(backoff=seen)
    kernels.weigh_states(smaller, automaton, original_states, begin_word, n_words, weights)
    counts = tuple(np.diff(starts).tolist())
    while counts[-1] == 0:
        counts = counts[:-1]
    return smaller, counts
