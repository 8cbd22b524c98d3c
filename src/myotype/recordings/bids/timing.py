"""The clock of a BIDS recording: its file has samples only, so what their times were is fitted and stored beside them.

A stretch without a break is a straight line: the time of its first sample, and its rate. A recording of a regular clock
is one such line, on which every time is within a microsecond of what it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from myotype.errors import RecordingError
from myotype.recordings.bids.events import Gap
from myotype.recordings.bids.sidecars import finite_number
from myotype.recordings.clock import MAX_BRIDGED, Clock

REGULAR: Final = 1e-6
"""Seconds: a clock that deviates no more from its nominal rate is regular, and one that deviates more is fitted."""

_FIELDS: Final = ("FirstSample", "Onset", "SamplingFrequency")  # of a stretch in emg.json
MOST_STRETCHES: Final = 20_000
"""A clock that breaks more often is none: it has no lines that its times could be kept by."""

LARGEST_TIME: Final = 1e12
"""Seconds, as for the clock of a stream: what is beyond is no time."""

_RATES: Final = (1e-9, 1e9)  # samples a second that a stretch can have
_MOST_POINTS: Final = 8192  # that a line is fitted to
_THINNING: Final = 7  # shares no factor with the blocks that times are usually stamped by, so every phase of one counts
_NEAR: Final = 5.0  # median distances from a line
_FEWEST_POINTS: Final = 20  # with fewer a stretch is taken to have the nominal rate


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples that follow each other without a break.

    Attributes
    ----------
    first
        The first of them.
    onset
        When that is, in seconds from the start of the recording.
    sfreq
        Samples a second.
    """

    first: int
    onset: float
    sfreq: float


class StretchedTimes:
    """The times of samples that lie on stretches of a clock, computed when asked for, in seconds."""

    def __init__(self, n_samples: int, start: float, stretches: Sequence[Stretch]) -> None:
        self.shape = (n_samples,)
        self._start = start
        self._stretches = stretches
        self._firsts = np.array([stretch.first for stretch in stretches])
        self._onsets = np.array([stretch.onset for stretch in stretches])
        self._rates = np.array([stretch.sfreq for stretch in stretches])

    def __getitem__(self, window: slice) -> npt.NDArray[np.float64]:
        samples = np.arange(window.start, window.stop)
        at = np.searchsorted(self._firsts, samples, side="right") - 1
        times: npt.NDArray[np.float64] = self._start + self._onsets[at] + (samples - self._firsts[at]) / self._rates[at]
        return times

    def sample_at(self, elapsed: float) -> int | None:
        """Give the sample that is nearest to a time from the start of the recording; None outside the signal."""
        n_samples = self.shape[0]
        half = 0.5 / self._rates[0]
        last = self._onsets[-1] + (n_samples - 1 - self._firsts[-1]) / self._rates[-1]
        if not self._onsets[0] - half <= elapsed <= last + half:
            return None
        begun = np.flatnonzero(self._onsets <= elapsed)  # a clock may have run back
        at = int(begun[-1]) if len(begun) else 0
        end = self._stretches[at + 1].first if at + 1 < len(self._stretches) else n_samples
        # Half a sample goes up, as in "the first sample from then on".
        nearest = self._firsts[at] + math.floor((elapsed - self._onsets[at]) * self._rates[at] + 0.5)
        return int(min(max(nearest, self._firsts[at]), end - 1))

    def gaps(self) -> list[Gap]:
        """Give where more is missing between two stretches than can be bridged, seconds from the start."""
        found = []
        for before, after in pairwise(self._stretches):
            end = before.onset + (after.first - before.first) / before.sfreq
            if after.onset - end > MAX_BRIDGED:
                found.append(Gap(end, after.onset, after.first))
        return found


class ClockFit:
    """Takes the times of a recording block by block and finds the stretches of its clock.

    Parameters
    ----------
    sfreq
        Samples a second, nominally.
    """

    def __init__(self, sfreq: float) -> None:
        self._sfreq = sfreq
        self._clock = Clock(sfreq)
        self._runs: list[_Run] = []
        self._n_samples = 0
        self.n_unreadable = 0
        """How many times were no numbers of seconds; theirs is counted from those that are."""

    @property
    def start(self) -> float:
        """The time of the first sample."""
        return self._clock.start

    @property
    def n_stretches(self) -> int:
        """How many stretches there are up to now."""
        return len(self._runs)

    def push(self, times: npt.NDArray[np.float64]) -> None:
        """Take the next times."""
        if len(times) == 0:
            return
        timing = self._clock.advance(len(times), times)
        self.n_unreadable += len(timing.unreadable)
        if not self._runs:
            self._runs.append(_Run(0, float(timing.elapsed[0]), self._sfreq))
        bounds = [0, *(found.row for found in timing.breaks), len(times)]
        for number, (row, stop) in enumerate(pairwise(bounds)):
            if number:
                self._runs.append(_Run(self._n_samples + row, float(timing.elapsed[row]), self._sfreq))
            self._runs[-1].add(np.arange(row, stop) + self._n_samples, timing.elapsed[row:stop])
        self._n_samples += len(times)

    def stretches(self) -> tuple[Stretch, ...]:
        """Give the lines that the times lie on."""
        return tuple(run.stretch() for run in self._runs)


@dataclass(slots=True)
class _Run:
    """A stretch in the making: some of its points, and how far all of them are from the nominal rate."""

    first: int
    onset: float
    sfreq: float
    deviation: float = 0.0
    step: int = 1
    samples: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    elapsed: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def add(self, samples: npt.NDArray[np.int64], elapsed: npt.NDArray[np.float64]) -> None:
        if len(samples) == 0:
            return
        nominal = self.onset + (samples - self.first) / self.sfreq
        self.deviation = max(self.deviation, float(np.abs(elapsed - nominal).max()))
        chosen = (samples - self.first) % self.step == 0
        self.samples = np.concatenate([self.samples, samples[chosen]])
        self.elapsed = np.concatenate([self.elapsed, elapsed[chosen]])
        while len(self.samples) > _MOST_POINTS:
            self.samples, self.elapsed = self.samples[::_THINNING], self.elapsed[::_THINNING]
            self.step *= _THINNING

    def stretch(self) -> Stretch:
        if self.deviation <= REGULAR or len(self.samples) < _FEWEST_POINTS:
            return Stretch(self.first, self.onset, self.sfreq)
        # The slopes between points half the stretch apart, and their median, which no outlier moves (Theil, Sen).
        half = len(self.samples) // 2
        samples = (self.samples - self.first).astype(np.float64)
        slope = float(
            np.median(
                (self.elapsed[half : 2 * half] - self.elapsed[:half]) / (samples[half : 2 * half] - samples[:half])
            )
        )
        if not 0.5 < slope * self.sfreq < 2.0:  # times that are no clock at all
            return Stretch(self.first, self.onset, self.sfreq)
        # Then the least squares of what lies near that line, because the slopes of times stamped by blocks are few.
        rest = self.elapsed - samples * slope
        rest -= np.median(rest)
        near = np.abs(rest) <= _NEAR * np.median(np.abs(rest)) + REGULAR
        middle = samples[near].mean()
        centred = samples[near] - middle
        slope = float(centred @ self.elapsed[near] / (centred @ centred))
        return Stretch(self.first, float(self.elapsed[near].mean() - slope * middle), 1 / slope)


def largest_deviation(times: npt.NDArray[np.float64], fitted: npt.NDArray[np.float64]) -> float:
    """Give how far times are from those that were fitted to them, at most; those that are no numbers do not count."""
    readable = np.abs(times) < LARGEST_TIME
    return float(np.abs(times[readable] - fitted[readable]).max(initial=0.0))


def format_stretches(stretches: Sequence[Stretch]) -> list[dict[str, float]]:
    """Write stretches as a sidecar has them."""
    return [dict(zip(_FIELDS, (stretch.first, stretch.onset, stretch.sfreq), strict=True)) for stretch in stretches]


def parse_stretches(content: Any, n_samples: int, where: str) -> tuple[Stretch, ...]:
    """Read stretches as a sidecar has them.

    Raises
    ------
    RecordingError
        If they are none.
    """
    if not isinstance(content, list) or not 0 < len(content) <= MOST_STRETCHES:
        raise RecordingError(f"{where}: the stretches of its clock are no list of 1 to {MOST_STRETCHES}")
    stretches: list[Stretch] = []
    for at, entry in enumerate(content):
        values: list[Any] = [entry.get(key) for key in _FIELDS] if isinstance(entry, dict) else []
        numbers = [number for value in values if (number := finite_number(value)) is not None]
        if (
            len(numbers) < len(_FIELDS)
            or numbers[0] != int(numbers[0])
            or abs(numbers[1]) > LARGEST_TIME
            or not _RATES[0] < numbers[2] < _RATES[1]
        ):
            raise RecordingError(f"{where}: stretch {at} of its clock is malformed")
        stretches.append(Stretch(int(numbers[0]), numbers[1], numbers[2]))
    firsts = [stretch.first for stretch in stretches]
    if firsts[0] != 0 or firsts != sorted(set(firsts)) or firsts[-1] >= n_samples:
        raise RecordingError(f"{where}: the stretches of its clock do not begin with sample 0 and go on in order")
    return tuple(stretches)
