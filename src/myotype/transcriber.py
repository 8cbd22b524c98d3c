"""The pipeline: samples in, keystrokes out, for files and for live signals alike."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal, Self, Unpack, cast

import numpy as np
import numpy.typing as npt

from myotype import recordings
from myotype.decoding import Decoded, Decoder, DecoderStream, GreedyDecoder, Labels
from myotype.decoding.choosing import ENGLISH, named_decoder
from myotype.decoding.decoder import whole_number
from myotype.errors import InputError, ModelError, RecordingError
from myotype.keyboard import KEY_SYMBOLS, KEYS, N_LABELS
from myotype.models import open_model
from myotype.recordings import Recording
from myotype.recordings.continuity import Continuity, Segment
from myotype.runtime import Engine
from myotype.runtime.hub import HubOptions
from myotype.transcript import MOST_READINGS, Alternative, Keystroke, Note, Transcript, Update

if TYPE_CHECKING:
    from myotype.decoding import NGram
    from myotype.decoding.passages import PassageStream

_BLOCK_SECONDS: Final = 4.0  # of a recording in one push: larger is no faster and needs more memory

_PAUSE: Final = 0.5  # seconds without a key that part passages, of which several readings are given
_PASSAGE_DELAY: Final = 2.0  # seconds from the end of a passage to when its best reading is committed
_LONGEST_PASSAGE: Final = 20.0  # seconds within which readings may differ: where no pause comes, the best is kept

RATE_TOLERANCE: Final = 1e-3
"""How far a recording's rate may be from a model's, as a share of it."""

Progress = Callable[[float, Update], None]
"""Called with the share of the recording that is done and what the latest part of it added."""


@dataclass(frozen=True, slots=True)
class Emissions:
    """What the network says of a recording.

    Attributes
    ----------
    stretches
        (frames, labels) natural-log probabilities of each stretch without gaps, in order.
    notes
        What was found in the signal.
    """

    stretches: tuple[npt.NDArray[np.float32], ...]
    notes: tuple[Note, ...] = ()


class Transcriber:
    """A model and a decoder: shared and read-only, while each stream owns its state.

    Parameters
    ----------
    engine
        Runs the model.
    decoder
        Turns emissions into labels; greedy decoding if not given.

    Raises
    ------
    ModelError
        If the model's labels are not those of the 98 keys and the blank.
    """

    def __init__(self, engine: Engine, decoder: Decoder | None = None) -> None:
        if engine.n_labels != N_LABELS:
            folder = engine.bundle.folder
            raise ModelError(f"{folder}: the model scores {engine.n_labels} labels; there are {N_LABELS}")
        self.engine = engine
        self.decoder = decoder if decoder is not None else GreedyDecoder()

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] = "demo",
        *,
        decoder: Literal["beam", "greedy"] | Decoder = "beam",
        lm: str | os.PathLike[str] | NGram | None = ENGLISH,
        hotwords: Mapping[str, float] | Iterable[str] | str | os.PathLike[str] | None = None,
        lm_weight: float | None = None,
        insertion_bonus: float | None = None,
        beam_size: int | None = None,
        threads: int = 1,
        **hub: Unpack[HubOptions],
    ) -> Self:
        """Load a model.

        Parameters
        ----------
        model
            A bundle's folder, the name of a bundled model, or a repository on the Hugging Face Hub
            ("braindecode/emg2qwerty-generic"). One that holds plain weights is converted when it is first used, which
            needs the `train` extra; the bundle is kept beside the Hub's cache. The licence of weights that must not be
            used commercially is said on stderr.
        decoder
            How to decode: "beam" (search with a language model), "greedy", or a decoder with options of your own.
        lm
            The language model of the beam search: "english" for the bundled one, a file (ARPA, or packed by
            `NGram.save`), a model, or None. Where it is the one that the model was tuned with (`myotype lm tune`), it
            has the weights that were found then.
        hotwords
            Words and phrases that the beam search is to expect, such as names: several words, a mapping to their
            weights, or a file that :func:`~myotype.decoding.hotwords.read_hotwords` reads.
        lm_weight, insertion_bonus, beam_size
            Of the beam search, in the place of those that suit the model and the language model; see
            `myotype.decoding.BeamDecoder`.
        threads
            Threads for the network; 0 for as many as there are cores.
        **hub
            For the Hub: see :class:`~myotype.runtime.hub.HubOptions`.

        Raises
        ------
        ModelError
            If there is no such model, it cannot be downloaded, or it is broken.
        MissingExtraError
            If it has to be converted and PyTorch is not installed.
        LanguageModelError
            If the language model cannot be read.
        InputError
            If there is no such decoder, or an option is impossible or not one of that decoder.

        Examples
        --------
        >>> import myotype
        >>> transcriber = myotype.Transcriber.from_pretrained("demo")
        """
        engine = Engine(open_model(model, **hub), threads=threads)
        if isinstance(decoder, str):
            facts = engine.facts
            decoder = named_decoder(
                decoder,
                lm,
                facts.frame_rate,
                hotwords=hotwords,
                defaults=facts.decoder,
                lm_weight=lm_weight,
                insertion_bonus=insertion_bonus,
                beam_size=beam_size,
            )
        elif lm not in (None, ENGLISH) or (hotwords, lm_weight, insertion_bonus, beam_size) != (None,) * 4:
            what = "its own language model, hot words, weights and beam size"
            raise InputError(f"a decoder with options of its own has {what}: give them to it")
        return cls(engine, decoder)

    def transcribe(
        self,
        recording: str | os.PathLike[str] | Recording,
        *,
        n_best: int = 1,
        progress: Progress | None = None,
    ) -> Transcript:
        """Read what was typed in a whole recording.

        Parameters
        ----------
        recording
            A recording or the path of one.
        n_best
            With more than 1, how many readings to give at most, up to 1000, in `Transcript.alternatives`. What is typed
            between two pauses of half a second is then read for itself, up to 20 s of it. So the best reading may be
            another than without, in about one key of a thousand.
        progress
            Called as the work goes on.

        Raises
        ------
        RecordingError
            If it cannot be read, or its rate or channels are not the model's.
        InputError
            If `n_best` is not from 1 to 1000, or more than 1 and the decoder is no beam search.
        """
        n_best = whole_number("n_best", n_best, 1, MOST_READINGS)
        stream = self.stream() if n_best == 1 else _NBestStream(self, n_best)
        with contextlib.ExitStack() as stack:
            if not isinstance(recording, Recording):
                recording = stack.enter_context(recordings.open(recording))
            return self._transcribe(recording, stream, progress)

    def emissions(
        self, recording: str | os.PathLike[str] | Recording, *, progress: Callable[[float], None] | None = None
    ) -> Emissions:
        """Run the network alone, for several decoders to read what it says: 3 MB a minute at 125 frames a second.

        Parameters
        ----------
        recording
            A recording or the path of one.
        progress
            Called with the share of the recording that is done.

        Raises
        ------
        RecordingError
            If it cannot be read, or its rate or channels are not the model's.
        """
        with contextlib.ExitStack() as stack:
            if not isinstance(recording, Recording):
                recording = stack.enter_context(recordings.open(recording))
            self._check(recording)
            continuity = Continuity(self.engine.facts.sfreq, self.engine.facts.n_chans)
            stream = self.engine.stream()
            stretches: list[list[npt.NDArray[np.float32]]] = [[]]
            notes = [Note(0.0, note) for note in recording.notes]
            for start, end in self._blocks(recording):
                for segment in continuity.push(recording.emg[start:end], recording.times[start:end]):
                    notes += segment.notes
                    if segment.restart:
                        stream = self.engine.stream()
                        stretches.append([])
                    stretches[-1] += self.engine.step([stream], [segment.samples])
                if progress is not None:
                    progress(end / recording.n_samples)
            found = tuple(np.concatenate(pieces) for pieces in stretches if pieces)
            return Emissions(found, (*notes, *continuity.finish()))

    def _blocks(self, recording: Recording) -> Iterator[tuple[int, int]]:
        """Cut a recording into what is pushed at a time."""
        block = int(_BLOCK_SECONDS * self.engine.facts.sfreq)
        for start in range(0, recording.n_samples, block):
            yield start, min(start + block, recording.n_samples)

    def _check(self, recording: Recording) -> None:
        """Refuse a recording that the model does not take."""
        facts = self.engine.facts
        if abs(recording.sfreq / facts.sfreq - 1) > RATE_TOLERANCE:
            message = f"{recording.name}: {recording.sfreq:g} samples a second; the model takes {facts.sfreq:g}"
            raise RecordingError(message)
        n_channels = recording.emg.shape[1]
        if n_channels != facts.n_chans:
            raise RecordingError(f"{recording.name}: {n_channels} channels; the model takes {facts.n_chans}")

    def _transcribe(self, recording: Recording, stream: TranscriberStream, progress: Progress | None) -> Transcript:
        self._check(recording)
        keystrokes: list[Keystroke] = []
        notes = [Note(0.0, note) for note in recording.notes]
        for start, end in self._blocks(recording):
            update = stream.push(recording.emg[start:end], recording.times[start:end])
            keystrokes += update.committed
            notes += update.notes
            if progress is not None:
                progress(end / recording.n_samples, update)
        tail = stream.finish()
        if progress is not None:
            progress(1.0, tail)
        facts = self.engine.facts
        if recording.n_samples < facts.receptive_field:
            seconds = facts.receptive_field / facts.sfreq
            notes.append(Note(0.0, f"the recording is shorter than the {seconds:.2f} s that the model needs to begin"))
        return Transcript(
            (*keystrokes, *tail.committed), stream.start, stream.elapsed, (*notes, *tail.notes), stream.alternatives
        )

    def stream(self) -> TranscriberStream:
        """Begin a new stream of samples."""
        return TranscriberStream(self)


class TranscriberStream:
    """One signal on its way from samples to keystrokes.

    Whatever the pieces in which a signal is pushed, the keystrokes are the same.

    Attributes
    ----------
    elapsed
        Seconds from the first sample to the end of the latest.
    """

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self._facts = transcriber.engine.facts
        self._continuity = Continuity(self._facts.sfreq, self._facts.n_chans)
        self._finished = False
        self.elapsed = 0.0
        self._delay = 0.0  # what the clock of the input has lost by running backwards
        self._begin()

    def _begin(self) -> None:
        self._engine_stream = self._transcriber.engine.stream()
        self._decoder_stream = self._new_decoder_stream()
        self._pending: tuple[Keystroke, ...] = ()
        self._frame_times: npt.NDArray[np.float64] = np.zeros(0)  # of the frames from the first unsettled one on
        self._first_frame = 0  # the frame that this array begins with
        self._late_times: npt.NDArray[np.float64] = np.zeros(0)  # of samples whose frames are still to come out

    def _new_decoder_stream(self) -> DecoderStream:
        return self._transcriber.decoder.stream()

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """Where several readings were asked for: the best of what ended, or of the whole once it is finished."""
        return ()

    @property
    def start(self) -> float:
        """The clock's time of the first sample, in seconds; 0 where no times were given."""
        return self._continuity.start

    def push(self, samples: npt.ArrayLike, times: npt.ArrayLike | float | None = None) -> Update:
        """Take the next samples and give what they add.

        Parameters
        ----------
        samples
            (n, channels) microvolts; any number of samples, also none. Values that are not finite are repaired.
        times
            Seconds of any clock: the time of the first sample, or of every one. With None the samples follow each other
            at the model's rate.

        Raises
        ------
        InputError
            If the shapes do not fit, or the stream was finished.
        """
        if self._finished:
            raise InputError("the stream was finished: begin a new one")
        return self._advance(self._continuity.push(samples, times))

    def finish(self) -> Update:
        """Commit what is pending; further calls give nothing."""
        if self._finished:
            return Update()
        self._finished = True
        return Update(self._end(), (), self._continuity.finish())

    def copy(self) -> TranscriberStream:
        """Give an independent stream that goes on from the same point."""
        twin = copy.copy(self)
        twin._continuity = copy.deepcopy(self._continuity)
        twin._engine_stream = self._engine_stream.copy()
        twin._decoder_stream = self._decoder_stream.copy()
        return twin

    def _advance(self, segments: Sequence[Segment]) -> Update:
        committed: list[Keystroke] = []
        notes: list[Note] = []
        for segment in segments:
            notes += segment.notes
            if segment.restart:
                committed += self._end()
                self._begin()
                # Where the clock has run backwards, time goes on from where it was: keystrokes stay in order.
                back = self.elapsed - (float(segment.times[0]) - self.start + self._delay)
                self._delay += max(back, 0.0)
            decoded = self._decode(segment)
            committed += self._commit(decoded)
            self._pending = self._keystrokes(decoded.pending)
        return Update(tuple(committed), self._pending, tuple(notes))

    def _end(self) -> tuple[Keystroke, ...]:
        """Commit what is pending at the end of a stretch without gaps."""
        return self._commit(self._decoder_stream.finish())

    def _decode(self, segment: Segment) -> Decoded:
        stream, facts = self._engine_stream, self._facts
        if len(segment.times):
            self.elapsed = float(segment.times[-1]) + 1 / facts.sfreq - self.start + self._delay
        first_sample, first_frame = stream.n_samples - len(self._late_times), stream.n_frames
        (emissions,) = self._transcriber.engine.step([stream], [segment.samples])
        # A frame comes out with the push of its last sample, or later where the model needs more to begin with.
        times = np.concatenate([self._late_times, segment.times])
        last_samples = np.arange(first_frame, stream.n_frames + 1) * facts.hop_length + facts.receptive_field - 1
        places = last_samples - first_sample  # in these times; the last is that of the frame that comes next
        self._late_times = times[places[-1] :].copy()
        ends = times[places[:-1]] + 1 / facts.sfreq
        self._frame_times = np.concatenate([self._frame_times, ends - facts.look_ahead - self.start + self._delay])
        return self._decoder_stream.push(emissions)

    def _commit(self, decoded: Decoded) -> tuple[Keystroke, ...]:
        keystrokes = self._keystrokes(decoded.committed)
        settled = decoded.n_settled - self._first_frame
        if settled > 0:
            self._frame_times = self._frame_times[settled:]
            self._first_frame = decoded.n_settled
        return keystrokes

    def _keystrokes(self, found: Labels) -> tuple[Keystroke, ...]:
        times = self._frame_times[found.frames - self._first_frame]
        return tuple(
            Keystroke(KEYS[label], float(time), float(confidence))
            for label, time, confidence in zip(found.labels, times, found.confidences, strict=True)
        )


class _NBestStream(TranscriberStream):
    """A signal of which the best readings are wanted, not the best alone.

    Passages between pauses are read by themselves, as stretches between gaps are, so the best readings of the whole are
    the best sums.
    """

    def __init__(self, transcriber: Transcriber, n_best: int) -> None:
        from myotype.decoding.beam import BeamDecoder  # noqa: PLC0415  (compiled)

        if not isinstance(transcriber.decoder, BeamDecoder):
            raise InputError(f"n_best={n_best}: only the beam search knows more than one reading: use decoder='beam'")
        self._n_best, self._beam = n_best, transcriber.decoder
        self._readings = [_Reading(0.0, hashlib.blake2b(digest_size=16), (), None)]
        super().__init__(transcriber)

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        return tuple(Alternative(reading.keystrokes(), reading.score) for reading in self._readings)

    def _new_decoder_stream(self) -> DecoderStream:
        from myotype.decoding.passages import PassageStream  # noqa: PLC0415  (compiled)

        rate = self._facts.frame_rate
        stream = self._beam.stream(commit_delay=round(_LONGEST_PASSAGE * rate))
        return PassageStream(stream, self._n_best, round(_PAUSE * rate), round(_PASSAGE_DELAY * rate))

    def _commit(self, decoded: Decoded) -> tuple[Keystroke, ...]:
        for passage in cast("PassageStream", self._decoder_stream).take_passages():
            parts = [(one.score, self._keystrokes(Labels(one.labels, one.frames, one.confidences))) for one in passage]
            self._readings = _best_sums(self._readings, parts, self._n_best)
        return super()._commit(decoded)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A reading of all passages so far, as the last of them and the reading of those before it, which others share."""

    score: float
    digest: hashlib.blake2b  # of its keys
    part: tuple[Keystroke, ...]
    before: _Reading | None

    def with_part(self, score: float, part: tuple[Keystroke, ...]) -> _Reading:
        digest = self.digest.copy()
        digest.update("".join(KEY_SYMBOLS[stroke.key] for stroke in part).encode())
        return _Reading(self.score + score, digest, part, self)

    def keystrokes(self) -> tuple[Keystroke, ...]:
        parts, reading = [], self
        while reading.before is not None:
            parts.append(reading.part)
            reading = reading.before
        return tuple(chain.from_iterable(reversed(parts)))


def _best_sums(
    before: Sequence[_Reading], parts: Sequence[tuple[float, tuple[Keystroke, ...]]], n_best: int
) -> list[_Reading]:
    """Put every reading of a passage behind every one of what came before; give the best that differ in their keys.

    Both are in the order of their scores; of equal sums the first come first.
    """
    found: dict[bytes, _Reading] = {}
    waiting = [(-(before[0].score + parts[0][0]), 0, 0)]  # the best pair; then what may come after those
    while waiting and len(found) < n_best:
        _, i, j = heapq.heappop(waiting)
        reading = before[i].with_part(*parts[j])
        found.setdefault(reading.digest.digest(), reading)
        if j + 1 < len(parts):
            heapq.heappush(waiting, (-(before[i].score + parts[j + 1][0]), i, j + 1))
        if j == 0 and i + 1 < len(before):
            heapq.heappush(waiting, (-(before[i + 1].score + parts[0][0]), i + 1, 0))
    return list(found.values())
