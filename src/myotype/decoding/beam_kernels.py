"""The compiled functions of the beam search that Python calls.

They are compiled when they are first called and then kept on disk, with all that they call. Each is made by a function
that closes over the version of the sources, so that what is kept is not taken for what the sources have become.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from myotype.decoding.automaton import end
from myotype.decoding.beam_commit import agree, judge, read, settle
from myotype.decoding.beam_compiling import entry, version
from myotype.decoding.beam_frame import log_sum, search_frame, weighted
from myotype.decoding.beam_layout import NONE, State, Work
from myotype.decoding.beam_model import Model

_SOURCES: Final = (
    "automaton.py",
    "beam_hotwords.py",
    "beam_layout.py",
    "beam_model.py",
    "beam_nodes.py",
    "beam_frame.py",
    "beam_commit.py",
)
_VERSION: Final = version(*_SOURCES)


def _advance(sources: int) -> Any:
    def advance(
        state: State,
        work: Work,
        model: Model,
        emissions: npt.NDArray[np.float64],
        n_labels: int,
        confidence_delay: int,
    ) -> int:
        """Take frames for as long as there is room for what one may need; give how many were taken.

        Parameters
        ----------
        state, work
            Changed in place; what is committed is in ``work.found`` then.
        model
            What to do.
        emissions
            (frames, labels) natural-log probabilities.
        n_labels
            How many labels of a frame count.
        confidence_delay
            Frames from a key's onset to when it gets its confidence.
        """
        counts, beam_size, n_found = state.counts[0], len(state.beam), work.n_found
        commit_delay = counts.commit_delay
        n_found[0] = 0
        for frame in range(len(emissions)):
            room = min(counts.free_keys, counts.free_onsets) >= beam_size
            if not room or len(work.found) - n_found[0] < len(state.keys):
                return frame
            search_frame(state, work, model, emissions[frame], n_labels)
            judge(state, work, model.temperature, counts.frames - 1 - confidence_delay)
            if commit_delay != NONE:
                settle(state, work, model, counts.frames - 1 - commit_delay)
            agree(state, work, model)
        return len(emissions) if sources >= 0 else NONE

    return entry(advance)


def _close(sources: int) -> Any:
    def close(state: State, work: Work, model: Model) -> int:
        """Let open words end for the language model, if they are to, and for hot words.

        Put the readings in order; equal ones keep theirs. Give how many there are.
        """
        keys, beam, ranked = state.keys, state.beam, work.ranked
        language, hotwords = model.language, model.hotwords
        n = state.counts[0].readings
        for i in range(n):
            reading, score = beam[i], 0.0
            context = keys[reading.key].context
            if model.end_of_word and language.has_lm and context != NONE:
                score = weighted(language, end(language.automaton, context, language.end_word))
            score += hotwords.ending[keys[reading.key].match]
            reading.blank += score
            reading.stay += score
            reading.total = log_sum(reading.blank, reading.stay)
            place = i
            while place > 0 and reading.total > beam[ranked[place - 1]].total:
                ranked[place] = ranked[place - 1]
                place -= 1
            ranked[place] = i
        for i in range(n):
            work.survivors[i] = beam[ranked[i]]
        for i in range(n):
            beam[i] = work.survivors[i]
            keys[beam[i].key].reading = i
        return n if sources >= 0 else NONE

    return entry(close)


def _read_out(sources: int) -> Any:
    def read_out(state: State, work: Work, temperature: float, i: int) -> None:
        """Put what a reading has beyond the committed keys into ``work.found``."""
        if sources >= 0:
            read(state, work, temperature, i)

    return entry(read_out)


def _settle_now(sources: int) -> Any:
    def settle_now(state: State, work: Work, model: Model, horizon: int) -> None:
        """Commit what the best reading has up to a frame; it is in ``work.found`` then."""
        work.n_found[0] = 0
        if sources >= 0:
            settle(state, work, model, horizon)

    return entry(settle_now)


advance: Final = _advance(_VERSION)
close: Final = _close(_VERSION)
read_out: Final = _read_out(_VERSION)
settle_now: Final = _settle_now(_VERSION)


def is_compiled() -> bool:
    """Tell, without compiling, whether the search was compiled: in this process, or before and kept on disk.

    The first call takes seconds otherwise, of which a user may want to be told. What is on disk is judged by its date:
    after an update of Numba it may turn out to be of no use.
    """
    if getattr(advance, "overloads", True):  # nothing is compiled at all where Numba is told not to
        return True
    folder = advance.stats.cache_path
    if folder is None:
        return False
    sources = (Path(__file__).with_name(name) for name in (*_SOURCES, Path(__file__).name))
    changed = max((source.stat().st_mtime for source in sources if source.exists()), default=0.0)
    kept = Path(folder).glob(f"beam_kernels._advance*.py{sys.version_info.major}{sys.version_info.minor}*.nbi")
    return any(index.stat().st_mtime >= changed for index in kept)
