"""Beam search over key sequences, with a language model that understands backspaces, whole and streaming."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from functools import cached_property
from types import EllipsisType
from typing import Any, Final, SupportsIndex

import numpy as np
import numpy.typing as npt

from myotype.decoding import beam_kernels as kernels
from myotype.decoding.automaton import LanguageModel
from myotype.decoding.beam_hotwords import new_hotwords
from myotype.decoding.beam_layout import FAR, NONE, State, Work, checked_state, fitted, new_state, new_work, with_room
from myotype.decoding.beam_model import Model, fingerprint, new_language
from myotype.decoding.decoder import Decoded, Hypothesis, Labels, check_emissions, joined, whole_number
from myotype.decoding.defaults import LARGEST_BEAM, LARGEST_WEIGHT
from myotype.decoding.hotwords import folded_hotwords, weighted_hotwords
from myotype.errors import InputError
from myotype.keyboard import BACKSPACE, N_LABELS, key_to_label

_BLOCK: Final = 4096  # frames at a time in double precision
_FINGERPRINT: Final = "fingerprint"  # the array of a state that tells whose it is


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
        How many hypotheses are kept from frame to frame, up to 100,000; those of probability zero never are.
    labels_per_frame
        How many of a frame's labels count, the best ones, blank among them; None for all.
    lm
        The language model, or None for none.
    lm_weight, insertion_bonus
        As above, up to 1,000; without a language model neither plays a part.
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
    confidence_temperature
        Above 0. Confidences are shares of the hypotheses' probabilities to the power of 1 / temperature: with 1 they
        are the search's own, with more they are more modest.
    hotwords
        Words and phrases that are likely, with the natural-log score that each of their keys is to add, from 0 to 100,
        or without, for 1.5; spaces are keys too. They are compared regardless of case and of shift, and begin where a
        word begins; a backspace after a shift deletes the shift, as one deletes any key. See
        `myotype.decoding.hotwords.read_hotwords`. A key that goes on in one scores at once; that is taken back when
        what was typed turns out to be something else, when a letter, digit or apostrophe goes on where the hot word
        ends with one, or when the stream ends before it is whole (whatever `end_of_word` says). Of several that begin
        at one place the one that gives most counts. They work with a language model and without.

    Raises
    ------
    InputError
        If an option has an impossible value, a hot word is none, or the language model's arrays are not what they
        should be.
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
        confidence_temperature: float = 1.0,
        hotwords: Mapping[str, float] | Iterable[str] | None = None,
    ) -> None:
        self.beam_size = whole_number("beam_size", beam_size, 1, LARGEST_BEAM)
        self.labels_per_frame = (
            None if labels_per_frame is None else whole_number("labels_per_frame", labels_per_frame, 1, N_LABELS)
        )
        self.lm = lm
        self.lm_weight = _finite("lm_weight", lm_weight)
        self.insertion_bonus = _finite("insertion_bonus", insertion_bonus)
        if not 0 <= self.lm_weight <= LARGEST_WEIGHT:
            raise InputError(f"lm_weight={lm_weight}: expected a number from 0 to {LARGEST_WEIGHT:g}")
        if abs(self.insertion_bonus) > LARGEST_WEIGHT:
            bounds = f"{-LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}"
            raise InputError(f"insertion_bonus={insertion_bonus}: expected a number from {bounds}")
        self.backspace = backspace
        self.end_of_word = end_of_word
        self.commit_delay = _commit_delay(commit_delay)
        self.confidence_delay = whole_number("confidence_delay", confidence_delay, 0)
        self.confidence_temperature = _finite("confidence_temperature", confidence_temperature)
        if self.confidence_temperature <= 0:
            raise InputError(f"confidence_temperature={confidence_temperature}: expected a number above 0")
        self.hotwords = weighted_hotwords(hotwords)
        self._prepare()

    def _prepare(self) -> None:
        self._model = Model(
            language=new_language(self.lm, self.lm_weight, self.insertion_bonus),
            hotwords=new_hotwords(folded_hotwords(self.hotwords)),
            temperature=self.confidence_temperature,
            end_of_word=bool(self.end_of_word),
            backspace=key_to_label(BACKSPACE) if self.backspace else NONE,
        )
        self._works = threading.local()

    @cached_property
    def _fingerprint(self) -> npt.NDArray[np.uint8]:
        """What tells the states of this decoder's streams from those of others; all of the language model is read."""
        options = (self.beam_size, self.labels_per_frame, self.commit_delay, self.confidence_delay)
        return np.frombuffer(fingerprint((*options, self._model)), np.uint8)

    def _work_for(self, state: State) -> Work:
        """Give this thread's room to work in, which all its streams use in turn."""
        work: Work | None = getattr(self._works, "work", None)
        if work is None or len(work.masses) < len(state.keys):
            self._works.work = work = fitted(new_work(self.beam_size) if work is None else work, state)
        return work

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value for name, value in self.__dict__.items() if name not in {"_model", "_works", "_fingerprint"}
        }

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
        n_best = whole_number("n_best", n_best, 1)
        stream = self.stream(commit_delay=None)
        committed = stream._advance(check_emissions(emissions))
        return [_hypothesis(joined([committed, labels]), score) for labels, score in stream._end(n_best)]

    def stream(self, *, commit_delay: int | EllipsisType | None = ...) -> BeamStream:
        """Begin a new stream.

        Parameters
        ----------
        commit_delay
            As for the decoder, whose own it is where none is given. With None, `BeamStream.finish_n_best` gives
            readings of all that hypotheses do not agree on.

        Raises
        ------
        InputError
            If it is impossible.
        """
        return BeamStream(self, self.commit_delay if commit_delay is ... else _commit_delay(commit_delay))

    def resume(self, state: Mapping[str, npt.NDArray[Any]]) -> BeamStream:
        """Go on with a stream from what its `get_state` gave.

        The decoder must have the options, the language model and the hot words of the one that the stream was begun
        with. The stream's own `commit_delay` is in the state.

        Raises
        ------
        InputError
            If it is not the state of a stream of such a decoder.
        """
        arrays = dict(state)
        if not np.array_equal(arrays.pop(_FINGERPRINT, []), self._fingerprint):
            message = "it is of a decoder with other options, another language model or other hot words, or is none"
            raise InputError(f"the state is not that of a stream of this decoder: {message}")
        stream = self.stream()
        model = self._model
        n_contexts, n_matches = max(len(model.language.automaton.backoff), 1), len(model.hotwords.ending)
        stream._state = checked_state(arrays, self.beam_size, n_contexts, n_matches)
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

    def __init__(self, decoder: BeamDecoder, commit_delay: int | None) -> None:
        self._decoder = decoder
        self._state = new_state(decoder.beam_size, NONE if commit_delay is None else commit_delay)

    def push(self, emissions: npt.NDArray[np.floating]) -> Decoded:
        """Decode the next emissions, (frames, labels) natural-log probabilities; any number of frames.

        Raises
        ------
        InputError
            If the emissions are not log-probabilities, or the stream was finished.
        """
        self._check_open()
        committed = self._advance(check_emissions(emissions))
        return Decoded(committed, self._read(0), self._n_settled())

    def finish(self) -> Decoded:
        """Commit what is pending, of the hypothesis that is best once open words have ended; once and for all."""
        best = [labels for labels, _ in self._end(1)]
        return Decoded(joined(best), Labels(), int(self._state.counts["frames"][0]))

    def finish_n_best(self, n_best: int) -> list[Hypothesis]:
        """Finish, and give several readings of what is pending; all of them follow what was committed.

        Parameters
        ----------
        n_best
            How many readings to give at most.

        Returns
        -------
        list
            Hypotheses, best first: the first is what `finish` commits. Their score is that of the whole stream. A
            stream that was finished has none.

        Raises
        ------
        InputError
            If `n_best` is less than 1.
        """
        return [_hypothesis(labels, score) for labels, score in self._end(whole_number("n_best", n_best, 1))]

    def settle_n_best(self, n_best: int, delay: int) -> tuple[Decoded, list[Hypothesis]]:
        """Commit what the best reading has up to some frames ago, and give several readings of what that is.

        Where the best reading has no key within the last `delay` frames, those that agree with it up to there go on.

        Parameters
        ----------
        n_best
            How many readings to give at most.
        delay
            How many of the latest frames are left out.

        Returns
        -------
        decoded
            What is committed by it, and what is pending then.
        readings
            Keys up to there beyond those that were committed before, best first; no two have the same keys, and the
            first has those that are committed now. Their score is that of the best hypothesis that begins with them.

        Raises
        ------
        InputError
            If `n_best` is less than 1, `delay` less than 0, or the stream was finished.
        """
        n_best, delay = whole_number("n_best", n_best, 1), whole_number("delay", delay, 0)
        self._check_open()
        state, work = self._state, self._decoder._work_for(self._state)
        horizon = int(state.counts["frames"][0]) - 1 - delay
        readings: dict[bytes, Hypothesis] = {}
        for i in range(int(state.counts["readings"][0])):
            if len(readings) == n_best:
                break
            labels = _up_to(self._read(i), horizon)
            readings.setdefault(labels.labels.tobytes(), _hypothesis(labels, float(state.beam["total"][i])))
        kernels.settle_now(state, work, self._decoder._model, horizon)
        return Decoded(_taken(work), self._read(0), self._n_settled()), list(readings.values())

    def copy(self) -> BeamStream:
        """Give an independent stream that goes on from the same point."""
        twin = BeamStream.__new__(BeamStream)
        twin.__setstate__(self.__getstate__())
        return twin

    def get_state(self) -> dict[str, npt.NDArray[Any]]:
        """Give all that the stream remembers as named arrays, for `BeamDecoder.resume`."""
        return {**self._arrays(), _FINGERPRINT: self._decoder._fingerprint.copy()}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: array.copy() for name, array in self._state._asdict().items()}

    def __getstate__(self) -> dict[str, Any]:
        return {"decoder": self._decoder, "state": self._arrays()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._decoder, self._state = state["decoder"], State(**state["state"])

    def _advance(self, emissions: npt.NDArray[np.floating]) -> Labels:
        """Take frames; give what is committed by them."""
        decoder = self._decoder
        n_labels = decoder.labels_per_frame or N_LABELS
        parts = []
        for start in range(0, len(emissions), _BLOCK):
            # always a copy: of another layout, or read-only, it would be compiled for once more
            block = np.array(emissions[start : start + _BLOCK], dtype=np.float64, order="C")
            while len(block):
                work = decoder._work_for(self._state)
                taken = kernels.advance(self._state, work, decoder._model, block, n_labels, decoder.confidence_delay)
                block = block[taken:]
                parts.append(_taken(work))
                if len(block):
                    self._state = with_room(self._state)
        return joined(parts)

    def _end(self, n_best: int) -> list[tuple[Labels, float]]:
        """Let open words end, once and for all; give what the best have beyond the committed keys, and their scores."""
        state, decoder = self._state, self._decoder
        if state.counts["finished"][0]:
            return []
        n_readings = int(kernels.close(state, decoder._work_for(state), decoder._model))
        state.counts["finished"] = 1
        return [(self._read(i), float(state.beam["total"][i])) for i in range(min(n_best, n_readings))]

    def _check_open(self) -> None:
        if self._state.counts["finished"][0]:
            raise InputError("the stream was finished: begin a new one")

    def _read(self, i: int) -> Labels:
        """Give what a reading has beyond the committed keys."""
        work = self._decoder._work_for(self._state)
        kernels.read_out(self._state, work, self._decoder.confidence_temperature, i)
        return _taken(work)

    def _n_settled(self) -> int:
        counts = self._state.counts
        first = int(self._state.beam["first"][: counts["readings"][0]].min())
        return int(counts["frames"][0]) if first == FAR else max(first, int(counts["last_frame"][0]))


def _commit_delay(value: SupportsIndex | None) -> int | None:
    return None if value is None else whole_number("commit_delay", value, 0)


def _finite(name: str, value: float) -> float:
    """Give a finite number, or refuse it."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name}={value!r}: expected a finite number")
    return number


def _hypothesis(labels: Labels, score: float) -> Hypothesis:
    return Hypothesis(labels.labels, labels.frames, labels.confidences, score)


def _up_to(labels: Labels, frame: int) -> Labels:
    """Give those of the labels that begin up to a frame."""
    n = int(np.searchsorted(labels.frames, frame, side="right"))
    return Labels(labels.labels[:n], labels.frames[:n], labels.confidences[:n])


def _taken(work: Work) -> Labels:
    """Take what was found out of the room to work in."""
    n = int(work.n_found[0])
    work.n_found[0] = 0
    if n == 0:
        return Labels()
    found = work.found[:n]
    return Labels(found["label"].astype(np.int64), found["frame"].copy(), found["confidence"].copy())
