"""What the times of a recording say: gaps, rate, drift; and where in the signal a time is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.recordings.clock import MAX_BRIDGED, Clock
from myotype.recordings.quality.findings import MOST_SPANS, Finding, counted
from myotype.recordings.recording import SFREQ

if TYPE_CHECKING:
    import numpy.typing as npt

DRIFT: Final = 500.0  # ppm: a cheap crystal is ten times better
UNEVEN: Final = 0.02  # seconds
_SHORT: Final = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing samples.

    Attributes
    ----------
    sample
        The first sample after them.
    time
        When that sample is, in seconds since the first sample by the clock.
    seconds
        How much is missing; negative where time runs backwards.
    """

    sample: int
    time: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """What was measured of a recording's clock.

    Attributes
    ----------
    n_samples, sfreq
        Of the recording.
    start
        The time of the first sample, in the recording's clock: unix seconds for most.
    gaps
        Every break, in order.
    repeated, unreadable
        Samples that carry the time of the one before, or a time that is no number.
    rate
        Samples a second by the clock, gaps left out; not a number where there are less than two times.
    anchors
        Seconds since the first sample by the clock, at every `anchor_step`-th sample, shape (m,).
    anchor_step
        Samples between anchors.
    end
        Seconds since the first sample by the clock, at the last one.
    """

    n_samples: int
    sfreq: float
    start: float
    gaps: tuple[Gap, ...]
    repeated: int
    unreadable: int
    rate: float
    anchors: npt.NDArray[np.float64]
    anchor_step: int
    end: float

    @property
    def drift(self) -> float:
        """By how many parts in a million the clock's rate is above the nominal one."""
        return round(1e6 * (self.rate / self.sfreq - 1), 3) + 0.0  # no -0

    @property
    def deviation(self) -> npt.NDArray[np.float64]:
        """Seconds by which the clock is ahead of the count of samples, at every anchor, shape (m,)."""
        ahead: npt.NDArray[np.float64] = self.anchors - self._anchor_samples / self.sfreq
        return ahead

    @property
    def unevenness(self) -> npt.NDArray[np.float64]:
        """Seconds by which the clock is off a straight line when gaps are closed, at every anchor, shape (m,)."""
        if len(self.anchors) < 3:
            return np.zeros(len(self.anchors))
        missing = np.zeros(len(self.anchors) + 1)
        for gap in self.gaps:
            missing[-(-gap.sample // self.anchor_step)] += gap.seconds
        closed = self.deviation - np.cumsum(missing)[:-1]
        at = self._anchor_samples / self.n_samples
        line: npt.NDArray[np.float64] = closed - np.polyval(np.polyfit(at, closed, 1), at)
        return line

    @property
    def _anchor_samples(self) -> npt.NDArray[np.int64]:
        return self.anchor_step * np.arange(len(self.anchors))

    def place(self, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Give where times of the recording's clock are, in seconds of signal; not a number outside of it."""
        since = times - self.start
        samples = np.append(self._anchor_samples, self.n_samples - 1)
        clock = np.maximum.accumulate(np.append(self.anchors, self.end))
        inside = (since >= clock[0]) & (since <= clock[-1])
        return np.where(inside, np.interp(since, clock, samples) / self.sfreq, np.nan)

    def in_gap(self, times: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Tell which times of the recording's clock lie in a gap too long to be bridged, shape of `times`."""
        long = [gap for gap in self.gaps if gap.seconds > MAX_BRIDGED]
        ends = np.maximum.accumulate([-np.inf, *(gap.time for gap in long)])
        starts = np.array([gap.time - gap.seconds for gap in long])
        since = times - self.start
        inside: npt.NDArray[np.bool_] = since < ends[np.searchsorted(starts, since)]
        return inside

    def findings(self) -> Iterator[Finding]:
        """Say what is wrong with the clock."""
        if self.n_samples < _SHORT * self.sfreq:
            yield Finding(
                "short", f"there are only {self.n_samples / self.sfreq:.3g} s of signal: little can be judged"
            )
        if self.sfreq != SFREQ:
            yield Finding(
                "sampling-rate",
                f"there are {self.sfreq:g} samples a second; models are made for {SFREQ:g}: resample the recording",
                figures={"sfreq": self.sfreq},
            )
        yield from self._about_breaks()
        if self.unreadable:
            yield Finding(
                "unreadable-times",
                f"{counted(self.unreadable, 'time is', 'times are')} not finite: counted from the last that is",
                figures={"count": self.unreadable},
            )
        if self.repeated:
            yield Finding(
                "repeated-times",
                f"{counted(self.repeated, 'sample carries', 'samples carry')} the same time as the one before, as in "
                f"streams stamped by blocks: nothing to do",
                figures={"count": self.repeated},
            )
        enough = self.n_samples > _SHORT * self.sfreq
        if enough and abs(self.drift) > DRIFT:
            per_hour = abs(self.drift) * 1e-6 * 3600
            yield Finding(
                "clock-drift",
                f"the clock counts {self.rate:.7g} samples a second, {self.drift:+.0f} ppm of {self.sfreq:g}: keys and "
                f"signal part by {per_hour:.2g} s an hour wherever times are counted from samples; use the times",
                figures={"rate": self.rate, "ppm": self.drift},
            )
        uneven = self.unevenness
        off = float(np.abs(uneven).max(initial=0.0))
        if enough and off > UNEVEN:
            at = float(np.abs(uneven).argmax()) * self.anchor_step / self.sfreq
            yield Finding(
                "clock-uneven",
                f"apart from gaps, times lie up to {1000 * off:.0f} ms off the straight line ({at:.1f} s into the "
                f"signal): these may be times of arrival; smooth them before they are compared with keys",
                spans=((at, at),),
                figures={"seconds": off},
            )

    def _about_breaks(self) -> Iterator[Finding]:
        gaps = [gap for gap in self.gaps if gap.seconds > 0]
        if gaps:
            missing, longest = sum(gap.seconds for gap in gaps), max(gaps, key=lambda gap: gap.seconds)
            long = sum(gap.seconds > MAX_BRIDGED + 0.5 / self.sfreq for gap in gaps)
            what = (
                f"{long} too long to be bridged: decoding starts anew there, and keys typed meanwhile are lost"
                if long
                else "short enough to be bridged"
            )
            yield Finding(
                "gap",
                f"{missing:.4g} s of samples are missing in {counted(len(gaps), 'gap')}, the longest of "
                f"{longest.seconds:.4g} s before sample {longest.sample}; {what}",
                spans=self._spans(gaps),
                figures={"count": len(gaps), "seconds": missing, "longest": longest.seconds},
            )
        backwards = [gap for gap in self.gaps if gap.seconds < 0]
        if backwards:
            worst = min(backwards, key=lambda gap: gap.seconds)
            yield Finding(
                "clock-backwards",
                f"time runs backwards {counted(len(backwards), 'time')}, by up to {-worst.seconds:.4g} s before sample "
                f"{worst.sample}: keys cannot be placed there; cut the recording in two",
                spans=self._spans(backwards),
                figures={"count": len(backwards), "seconds": -worst.seconds},
            )

    def _spans(self, gaps: list[Gap]) -> tuple[tuple[float, float], ...]:
        return tuple((gap.sample / self.sfreq, gap.sample / self.sfreq) for gap in gaps[:MOST_SPANS])


class ClockMeter:
    """Follows the times of a recording, block by block.

    Parameters
    ----------
    sfreq
        Samples a second.
    anchor_step
        Samples between two times that are kept; every block but the last has a multiple of it.
    """

    def __init__(self, sfreq: float, anchor_step: int) -> None:
        self._clock = Clock(sfreq)
        self._sfreq = sfreq
        self._anchor_step = anchor_step
        self._n_samples = 0
        self._gaps: list[Gap] = []
        self._repeated = self._unreadable = 0
        self._anchors: list[npt.NDArray[np.float64]] = []
        self._end = 0.0

    def add(self, times: npt.NDArray[np.float64]) -> None:
        """Take the times of the next samples, seconds, shape (n,)."""
        timing = self._clock.advance(len(times), times)
        self._gaps += [
            Gap(self._n_samples + found.row, float(timing.elapsed[found.row]), found.step) for found in timing.breaks
        ]
        self._repeated += len(timing.repeated)
        self._unreadable += len(timing.unreadable)
        self._anchors.append(timing.elapsed[:: self._anchor_step].copy())
        self._n_samples += len(times)
        self._end = float(timing.elapsed[-1])

    def result(self) -> Timeline:
        """Give what was measured."""
        passed = self._end - sum(gap.seconds for gap in self._gaps)
        return Timeline(
            n_samples=self._n_samples,
            sfreq=self._sfreq,
            start=self._clock.start,
            gaps=tuple(self._gaps),
            repeated=self._repeated,
            unreadable=self._unreadable,
            rate=(self._n_samples - 1) / passed if passed > 0 else np.nan,
            anchors=np.concatenate(self._anchors) if self._anchors else np.empty(0),
            anchor_step=self._anchor_step,
            end=self._end,
        )
