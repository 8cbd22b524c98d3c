"""What stands between a source of samples and the network: it makes them continuous, or says where they are not.

It is the same for files, read in large pieces, and for live sources, which come in small ones, and does the same for
every way of cutting the input.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from myotype.errors import InputError
from myotype.recordings.clock import Clock
from myotype.recordings.episodes import RESTARTS, Episodes
from myotype.recordings.recording import N_CHANNELS, SFREQ
from myotype.transcript import Note

if TYPE_CHECKING:
    import numpy.typing as npt

    from myotype.recordings.clock import Break, Timing

LARGEST: Final = 1e9
"""Microvolts, a kilovolt: a value beyond is no measurement, and the power of much larger ones overflows."""

_PIECE: Final = 2**15  # samples: bounds what is held besides the input and the output


@dataclass(frozen=True, slots=True)
class Segment:
    """Samples that follow each other without a break.

    Attributes
    ----------
    samples
        Finite float32, shape (n, channels); the caller's own array.
    times
        Seconds of the clock of the input, shape (n,); of samples that had none, counted from the last that had.
    restart
        Whether there is a break before the first sample: what was kept of the samples before has to be forgotten.
    notes
        What was found in the input by the end of the segment.
    """

    samples: npt.NDArray[np.float32]
    times: npt.NDArray[np.float64]
    restart: bool = False
    notes: tuple[Note, ...] = ()


@dataclass(slots=True)
class Counts:
    """How much was wrong with a stream up to now.

    Attributes
    ----------
    bad_values
        Values that are not finite numbers or absurdly large, over all channels.
    unreadable_times
        Times that are not finite numbers.
    repeated_times
        Samples that carry the same time as the sample before.
    bridged
        Samples that were put in to bridge gaps.
    restarts
        Breaks that could not be bridged.
    """

    bad_values: int = 0
    unreadable_times: int = 0
    repeated_times: int = 0
    bridged: int = 0
    restarts: int = 0


class Continuity:
    """Turns samples as they come into segments of continuous, finite samples.

    A value that is not finite, or absurdly large, becomes its channel's last good one (0 before the first). Up to 50 ms
    of missing samples are put in, on straight lines between their neighbours; after longer gaps, and where time runs
    backwards by more than half a sample period, a segment begins that has to be decoded from the beginning. Samples
    that carry the same time as the one before are samples like any other. All of it is counted and noted: a restart at
    once, the rest when it has ended, which is a second without more of the kind.

    Whether samples are missing is judged by the times and the count of samples together (see
    :mod:`myotype.recordings.clock`), so neither blocks of samples that carry one time nor jitter of up to a quarter of
    a sample period are taken for gaps. Times that jitter more, such as times of arrival, are for the source to smooth.

    A copy made by :func:`copy.deepcopy` goes on independently.

    Parameters
    ----------
    sfreq
        Samples a second.
    n_channels
        How many channels a sample has.
    """

    def __init__(self, sfreq: float = SFREQ, n_channels: int = N_CHANNELS) -> None:
        self.counts = Counts()
        self._n_channels = n_channels
        self._clock = Clock(sfreq)
        self._episodes = Episodes(sfreq)
        self._n_samples = 0
        self._last_row = np.zeros(n_channels, dtype=np.float32)  # good in every channel
        self._last_time = self._last_elapsed = 0.0

    @property
    def start(self) -> float:
        """The time of the first sample in the clock of the input; 0 as long as no sample had a time."""
        return self._clock.start

    def push(self, samples: npt.ArrayLike, times: npt.ArrayLike | None = None) -> list[Segment]:
        """Take the next samples.

        Parameters
        ----------
        samples
            Microvolts, shape (n, channels), any n.
        times
            Seconds of any clock: of every sample, shape (n,), or of the first one; None where the samples simply
            follow those before.

        Returns
        -------
        list of Segment
            What the samples have become, in order; a segment that is no restart continues the one before it.

        Raises
        ------
        InputError
            If shapes or types are wrong.
        """
        given, clock = self._checked(samples, times)
        segments: list[Segment] = []
        for start in range(0, len(given), _PIECE):
            piece = slice(start, start + _PIECE)
            if isinstance(clock, np.ndarray):
                segments += self._push_piece(given[piece], clock[piece])
            else:
                segments += self._push_piece(given[piece], clock if start == 0 else None)
        return _joined(segments)

    def finish(self) -> tuple[Note, ...]:
        """Give the notes on what had not ended when the samples did."""
        return tuple(note for _, note in self._episodes.ended())

    def _checked(
        self, samples: npt.ArrayLike, times: npt.ArrayLike | None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64] | float | None]:
        given = np.asarray(samples)
        if given.ndim != 2 or given.shape[1] != self._n_channels:
            raise InputError(f"samples have shape {given.shape}; (n, {self._n_channels}) is needed")
        if given.dtype.kind not in "fiu":
            raise InputError(f"samples have to be numbers, not {given.dtype}")
        if times is None:
            return given, None
        clock = np.asarray(times)
        if clock.dtype.kind not in "fiu" or clock.shape not in ((), (len(given),)):
            raise InputError(
                f"times are an array of {clock.dtype} of shape {clock.shape}; give the time of the first sample, "
                f"or of every sample ({len(given)},), in seconds"
            )
        return given, clock.astype(np.float64) if clock.ndim else float(clock)

    def _push_piece(self, raw: npt.NDArray[Any], times: npt.NDArray[np.float64] | float | None) -> list[Segment]:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is then replaced
            samples = raw.astype(np.float32)
        timing = self._clock.advance(len(samples), times)
        self._replace_bad(samples, timing)
        self._episodes.add_rows("repeated times", timing.repeated + self._n_samples, timing.elapsed[timing.repeated])
        self._episodes.add_rows(
            "unreadable times", timing.unreadable + self._n_samples, timing.elapsed[timing.unreadable]
        )
        self.counts.repeated_times += len(timing.repeated)
        self.counts.unreadable_times += len(timing.unreadable)

        clock = self._clock_of(timing, times)
        segments = self._cut(samples, clock, timing)
        self._n_samples += len(samples)
        self._last_row = samples[-1].copy()
        self._last_time = float(clock[-1])
        self._last_elapsed = float(timing.elapsed[-1])
        return segments

    def _clock_of(self, timing: Timing, times: npt.NDArray[np.float64] | float | None) -> npt.NDArray[np.float64]:
        clock = self._clock.start + timing.elapsed
        # Times that were given stand exactly as given, not after a difference and a sum.
        if isinstance(times, float) and len(timing.unreadable) == 0:
            clock[0] = times
        elif isinstance(times, np.ndarray):
            given = np.ones(len(times), dtype=bool)
            given[timing.unreadable] = False
            np.copyto(clock, times, where=given)
        return clock

    def _replace_bad(self, samples: npt.NDArray[np.float32], timing: Timing) -> None:
        good = np.abs(samples) <= LARGEST  # what is no number fails this too
        if good.all():
            return
        rows = np.flatnonzero(~good.all(axis=1))
        bad = ~good[rows]
        self._episodes.add_rows("bad values", rows + self._n_samples, timing.elapsed[rows], bad)
        self.counts.bad_values += int(bad.sum())
        carry_last_good(samples, good, self._last_row)

    def _cut(self, samples: npt.NDArray[np.float32], clock: npt.NDArray[np.float64], timing: Timing) -> list[Segment]:
        """Cut at the breaks: put in what bridges the short ones, begin a segment after the others."""
        run = _Run(begin=self._n_samples)
        runs = [run]
        notes: list[tuple[int, Note]] = []
        row = 0
        for found in timing.breaks:
            run.add(samples[row : found.row], clock[row : found.row])
            row = found.row
            sample = self._n_samples + row
            elapsed = float(timing.elapsed[row - 1]) if row else self._last_elapsed
            if found.missing:
                share = np.arange(1, found.missing + 1) / (found.missing + 1)
                # In double precision: the difference of two float32 may not fit into one.
                first = (samples[row - 1] if row else self._last_row).astype(np.float64)
                first_time = clock[row - 1] if row else self._last_time
                run.add(
                    (first + share[:, np.newaxis] * (samples[row] - first)).astype(np.float32),
                    first_time + share * (clock[row] - first_time),
                )
                self._episodes.add("bridged", sample, elapsed, count=found.missing)
                self.counts.bridged += found.missing
            else:
                run = _Run(begin=sample, restart=True)
                runs.append(run)
                self.counts.restarts += 1
                if self._episodes.add(RESTARTS, sample, elapsed):
                    notes.append((sample, Note(elapsed, _restart_message(found, sample))))
        run.add(samples[row:], clock[row:])
        notes += self._episodes.ended(self._n_samples + len(samples))
        notes.sort(key=lambda entry: entry[0])
        return [
            run.segment(tuple(note for sample, note in notes if run.begin <= sample < end))
            for run, end in zip(runs, [*(run.begin for run in runs[1:]), self._n_samples + len(samples)], strict=True)
            if run.samples
        ]


def carry_last_good(
    samples: npt.NDArray[np.float32], good: npt.NDArray[np.bool_], before: npt.NDArray[np.float32]
) -> None:
    """Replace, in place, what is not good by its channel's last good value, or where there is none by that before."""
    for channel in np.flatnonzero(~good.all(axis=0)):
        last_good = np.maximum.accumulate(np.where(good[:, channel], np.arange(len(samples)), -1))
        column = samples[:, channel]
        samples[:, channel] = np.where(last_good < 0, before[channel], column[last_good])


@dataclass(slots=True)
class _Run:
    """A segment in the making: its parts, and the sample of the input that it begins with."""

    begin: int
    restart: bool = False
    samples: list[npt.NDArray[np.float32]] = field(default_factory=list)
    times: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def add(self, samples: npt.NDArray[np.float32], times: npt.NDArray[np.float64]) -> None:
        if len(samples):
            self.samples.append(samples)
            self.times.append(times)

    def segment(self, notes: tuple[Note, ...]) -> Segment:
        if len(self.samples) == 1:
            return Segment(self.samples[0], self.times[0], self.restart, notes)
        return Segment(np.concatenate(self.samples), np.concatenate(self.times), self.restart, notes)


def _restart_message(found: Break, sample: int) -> str:
    if found.step < 0:
        return f"time runs back by {-found.step:.4g} s at sample {sample}: decoding starts anew there"
    return f"{found.step:.4g} s of samples are missing before sample {sample}: decoding starts anew after them"


def _joined(segments: list[Segment]) -> list[Segment]:
    """Join what the pieces of one push have cut without a break."""
    joined: list[list[Segment]] = []
    for segment in segments:
        if segment.restart or not joined:
            joined.append([segment])
        else:
            joined[-1].append(segment)
    return [
        parts[0]
        if len(parts) == 1
        else Segment(
            np.concatenate([part.samples for part in parts]),
            np.concatenate([part.times for part in parts]),
            parts[0].restart,
            tuple(note for part in parts for note in part.notes),
        )
        for parts in joined
    ]
