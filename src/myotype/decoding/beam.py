"""Beam search over key sequences, with a language model that understands backspaces, whole and streaming."""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, SupportsIndex

import numpy as np
import numpy.typing as npt

from myotype.decoding import beam_kernels as kernels
from myotype.decoding.automaton import LanguageModel
from myotype.decoding.beam_layout import FAR, NONE, State, Work, checked_state, fitted, new_state, new_work, with_room
from myotype.decoding.beam_model import new_model
from myotype.decoding.decoder import Decoded, Hypothesis, Labels, check_emissions
from myotype.errors import InputError
from myotype.keyboard import N_LABELS

_BLOCK: Final = 4096  # frames at a time in double precision


class BeamDecoder:
    """CTC prefix beam search (Graves et al. 2006; Hannun et al. 2014) with an n-gram language model of keys.

    A hypothesis is a key sequence; all ways of emitting it are added up. A key that is appended scores
    ``lm_weight * log10 P(key | context) + insertion_bonus``: a base-10 logarithm is added to natural ones, as in the
    emg2qwerty baseline. The context begins anew after a key that is not in the language model's vocabulary; such a key
    pays for the end of the word that it closes, or for an unknown word where none is open. A backspace takes the score
    of the key that it deletes back, and the context returns to what it was before that key; the key sequence shows
    both. A key begins where the first way to its sequence has it begin, in the order of ties.

    Ties have one order, which depends neither on the machine nor on the pieces in which emissions come: equal emissions
    go by label, and hypotheses of equal score by their parents' order, staying as they are before going on, and by the
    order of the labels.

    Parameters
    ----------
    beam_size
        How many hypotheses are kept from frame to frame; those of probability zero never are.
    labels_per_frame
        How many of a frame's labels count, the best ones, blank among them; None for all.
    lm
        The language model, or None for none.
    lm_weight, insertion_bonus
        As above; without a language model neither plays a part.
    backspace
        Whether backspace deletes. If not, it is a key like any other.
    end_of_word
        Whether, at the end, a word that is still open pays for ending there. The baseline's own offline decoding leaves
        that out.
    commit_delay
        How many frames after its onset a key of a stream is committed at the latest; None for as late as all hypotheses
        agree on it, or the end. `decode` has all the time there is and takes no notice.
    confidence_delay
        How many frames after a key's onset its confidence is taken.

    Raises
    ------
    InputError
        If an option has an impossible value, or the language model's arrays are not what they should be.
    """

    def __init__(
        self,
        beam_size: int = 50,
        labels_per_frame: int | None = 10,
        lm: LanguageModel | None = None,
        lm_weight: float = 2.0,
        insertion_bonus: float = 2.0,
        *,
        backspace: bool = True,
        end_of_word: bool = True,
        commit_delay: int | None = 125,
        confidence_delay: int = 16,
    ) -> None:
        self.beam_size = _whole("beam_size", beam_size, 1)
        self.labels_per_frame = (
            None if labels_per_frame is None else _whole("labels_per_frame", labels_per_frame, 1, N_LABELS)
        )
        self.lm = lm
        self.lm_weight = _finite("lm_weight", lm_weight)
        self.insertion_bonus = _finite("insertion_bonus", insertion_bonus)
        if self.lm_weight < 0:
            raise InputError(f"lm_weight={lm_weight}: a language model cannot count against itself; expected 0 or more")
        self.backspace = backspace
        self.end_of_word = end_of_word
        self.commit_delay = None if commit_delay is None else _whole("commit_delay", commit_delay, 0)
        self.confidence_delay = _whole("confidence_delay", confidence_delay, 0)
        self._prepare()

    def _prepare(self) -> None:
        self._model = new_model(self.lm, self.lm_weight, self.insertion_bonus, backspace=self.backspace)
        self._works = threading.local()

    def _work_for(self, state: State) -> Work:
        """Give this thread's room to work in, which all its streams use in turn."""
        work: Work | None = getattr(self._works, "work", None)
        work = fitted(new_work(self.beam_size) if work is None else work, state)
        self._works.work = work
        return work

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in {"_model", "_works"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def decode(self, emissions: npt.NDArray[np.floating], n_best: int = 1) -> list[Hypothesis]:
        """Decode whole emissions.

        Parameters
        ----------
        emissions
            (frames, labels) natural-log probabilities.
        n_best
            How many hypotheses to give at most.

        Returns
        -------
        list
            Hypotheses, best first. Their score is the logarithm of the probability of all their alignments, with what
            the language model adds.

        Raises
        ------
        InputError
            If the emissions are not log-probabilities, or `n_best` is less than 1.
        """
        n_best = _whole("n_best", n_best, 1)
        stream = BeamStream(self, commit_delay=None)
        committed = stream._advance(check_emissions(emissions))
        n_readings = stream._close()
        hypotheses = []
        for i in range(min(n_best, n_readings)):
            labels = _joined([committed, stream._read(i)])
            score = float(stream._state.beam["total"][i])
            hypotheses.append(Hypothesis(labels.labels, labels.frames, labels.confidences, score))
        return hypotheses

    def stream(self) -> BeamStream:
        """Begin a new stream."""
        return BeamStream(self, commit_delay=self.commit_delay)

    def resume(self, state: Mapping[str, npt.NDArray[Any]]) -> BeamStream:
        """Go on with a stream from what its `get_state` gave.

        The decoder must have the options and the language model of the one that the stream was begun with.

        Raises
        ------
        InputError
            If it is not the state of a stream of such a decoder.
        """
        stream = self.stream()
        stream._state = checked_state(state, self.beam_size, max(len(self._model.automaton.backoff), 1))
        return stream


class BeamStream:
    """Beam search over emissions as they come; made by `BeamDecoder.stream`.

    A key is committed when all hypotheses have it, beginning in the same frame, or when `commit_delay` frames have
    passed since it began in the best one. In the latter case hypotheses that have something else up to there are
    dropped: those with other keys, or with a key more, unless that key is the best one's next and only begins later
    there. What is committed never changes; it is decided frame by frame, so that pieces of any length give the same.
    Frames never decrease: where another hypothesis takes over, its keys begin no sooner than those that are committed.

    A key's confidence is taken `confidence_delay` frames after its onset (or when it is committed, if that is sooner):
    of the probability of all hypotheses that agree on the keys before it, the share of those that have this key next.
    Until then it is what it would be now.

    Neither the cost of a frame nor memory grows with time, unless there is no `commit_delay` and hypotheses do not come
    to agree. What is committed is kept as far as backspaces may reach back, which is 4096 keys; one that reaches
    further finds nothing to delete, as at the beginning of a stream.
    """

    def __init__(self, decoder: BeamDecoder, *, commit_delay: int | None) -> None:
        self._decoder = decoder
        self._commit_delay = NONE if commit_delay is None else commit_delay
        self._state = new_state(decoder.beam_size)

    def push(self, emissions: npt.NDArray[np.floating]) -> Decoded:
        """Decode the next emissions, (frames, labels) natural-log probabilities; any number of frames.

        Raises
        ------
        InputError
            If the emissions are not log-probabilities, or the stream was finished.
        """
        if self._state.counts["finished"][0]:
            raise InputError("the stream was finished: begin a new one")
        committed = self._advance(check_emissions(emissions))
        return Decoded(committed, self._read(0), self._n_settled())

    def finish(self) -> Decoded:
        """Commit what is pending, of the hypothesis that is best once open words have ended; once and for all."""
        counts = self._state.counts
        if counts["finished"][0]:
            return Decoded(n_settled=int(counts["frames"][0]))
        self._close()
        counts["finished"] = 1
        return Decoded(self._read(0), Labels(), int(counts["frames"][0]))

    def copy(self) -> BeamStream:
        """Give an independent stream that goes on from the same point."""
        twin = BeamStream.__new__(BeamStream)
        twin.__setstate__(self.__getstate__())
        return twin

    def get_state(self) -> dict[str, npt.NDArray[Any]]:
        """Give all that the stream remembers as named arrays, for `BeamDecoder.resume`."""
        return {name: array.copy() for name, array in self._state._asdict().items()}

    def __getstate__(self) -> dict[str, Any]:
        return {"decoder": self._decoder, "commit_delay": self._commit_delay, "state": self.get_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._decoder, self._commit_delay = state["decoder"], state["commit_delay"]
        self._state = State(**state["state"])

    def _advance(self, emissions: npt.NDArray[np.floating]) -> Labels:
        """Take frames; give what is committed by them."""
        decoder = self._decoder
        n_labels = decoder.labels_per_frame or N_LABELS
        delays = (self._commit_delay, decoder.confidence_delay)
        parts = []
        for start in range(0, len(emissions), _BLOCK):
            # always a copy: of another layout, or read-only, it would be compiled for once more
            block = np.array(emissions[start : start + _BLOCK], dtype=np.float64, order="C")
            while len(block):
                work = decoder._work_for(self._state)
                block = block[kernels.advance(self._state, work, decoder._model, block, n_labels, *delays) :]
                parts.append(_taken(work))
                if len(block):
                    self._state = with_room(self._state)
        return _joined(parts)

    def _close(self) -> int:
        """Let open words end, if they are to; give how many readings there are."""
        if not self._decoder.end_of_word:
            return int(self._state.counts["readings"][0])
        return int(kernels.close(self._state, self._decoder._work_for(self._state), self._decoder._model))

    def _read(self, i: int) -> Labels:
        """Give what a reading has beyond the committed keys."""
        work = self._decoder._work_for(self._state)
        kernels.read_out(self._state, work, i)
        return _taken(work)

    def _n_settled(self) -> int:
        counts = self._state.counts
        first = int(self._state.beam["first"][: counts["readings"][0]].min())
        return int(counts["frames"][0]) if first == FAR else max(first, int(counts["last_frame"][0]))


def _whole(name: str, value: SupportsIndex, least: int, most: int | None = None) -> int:
    """Give a whole number in a range, or refuse it."""
    expected = f"expected a whole number from {least} up" if most is None else f"expected {least} to {most}"
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name}={value!r}: {expected}") from None
    if number < least or (most is not None and number > most):
        raise InputError(f"{name}={value!r}: {expected}")
    return number


def _finite(name: str, value: float) -> float:
    """Give a finite number, or refuse it."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name}={value!r}: expected a finite number")
    return number


def _taken(work: Work) -> Labels:
    """Take what was found out of the room to work in."""
    n = int(work.n_found[0])
    work.n_found[0] = 0
    if n == 0:
        return Labels()
    found = work.found[:n]
    return Labels(found["label"].astype(np.int64), found["frame"].copy(), found["confidence"].copy())


def _joined(parts: Sequence[Labels]) -> Labels:
    parts = [part for part in parts if len(part)] or [Labels()]
    if len(parts) == 1:
        return parts[0]
    return Labels(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.confidences for part in parts]),
    )
