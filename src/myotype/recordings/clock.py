"""The clock of a stream of samples: from the times that come with them to the times that they have.

Times come in many qualities: one a sample, one a block of samples (all of a block carry the same), one a push, or none;
with jitter, with gaps, not numbers, running backwards. What matters is whether samples are missing. A single step says
little: in a stream stamped by blocks of 16 every 16th step is 16 periods long and nothing is missing. So a time is
compared with the latest that the clock can show by the count of samples: the greatest, over the earlier times of the
last 0.5 to 1 s, of that time plus one period for each sample since. What a time lies above that is missing. The window
of 0.5 to 1 s lets the clock run a little faster or slower than the samples, as two crystals do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

MAX_BRIDGED: Final = 0.05
"""Seconds: longer gaps are not bridged."""

_TOLERANCE: Final = 0.5  # sample periods that a time may be off before it means something
_WINDOW: Final = 0.5  # seconds
_LARGEST_TIME: Final = 1e12  # seconds: anything beyond is no time, and differences of what is left are finite


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the samples before and after do not follow each other.

    Attributes
    ----------
    row
        The first sample after it, counted within the push.
    step
        Seconds that are missing; negative where time runs backwards.
    missing
        How many samples are to be put in before the row; 0 where the stream has to start anew.
    """

    row: int
    step: float
    missing: int


@dataclass(frozen=True, slots=True)
class Timing:
    """What the clock says about the samples of one push.

    Attributes
    ----------
    elapsed
        Shape (n,): seconds from the first sample of the stream.
    breaks
        In order of their rows.
    repeated
        Rows that carry the same time as the row before.
    unreadable
        Rows whose time is not a number; theirs is counted from the last that is.
    """

    elapsed: npt.NDArray[np.float64]
    breaks: tuple[Break, ...]
    repeated: npt.NDArray[np.int64]
    unreadable: npt.NDArray[np.int64]


class Clock:
    """The clock of one stream. What it says does not depend on how the stream is cut into pushes.

    Parameters
    ----------
    sfreq
        Samples a second.
    """

    def __init__(self, sfreq: float) -> None:
        self.start = 0.0
        """The time of the first sample, in the clock of the times given; 0 as long as none was."""
        self._period = 1 / sfreq
        self._tolerance = _TOLERANCE / sfreq
        self._block = max(1, round(_WINDOW * sfreq))
        self._started = False  # whether a time was ever given
        self._index = 0  # of the next sample, counted from the last restart
        self._anchor = (0.0, 0)  # the last sample that has a time of its own: seconds elapsed, index
        self._last = -math.inf  # seconds elapsed at the last sample
        self._last_has_time = False
        # Greatest of (time - index * period) in the block of samples before this one, and in this one.
        self._latest_before = self._latest = -math.inf
        self._current_block = 0

    def advance(self, n_samples: int, times: npt.NDArray[np.float64] | float | None) -> Timing:
        """Tell the times of the next samples.

        Parameters
        ----------
        n_samples
            How many samples come.
        times
            Seconds: of every sample, shape (n_samples,), of the first, or None.
        """
        none = np.empty(0, dtype=np.int64)
        if n_samples == 0:
            return Timing(np.empty(0), (), none, none)
        if times is None:
            return Timing(self._count(n_samples), (), none, none)
        if isinstance(times, float):
            first = self._follow(np.array([times]))
            rest = self._count(n_samples - 1)
            return Timing(np.concatenate([first.elapsed, rest]), first.breaks, first.repeated, first.unreadable)
        return self._follow(times)

    def _count(self, n_samples: int) -> npt.NDArray[np.float64]:
        """Give the times of samples that have none of their own."""
        anchor, anchor_index = self._anchor
        first = self._index - anchor_index
        elapsed = anchor + np.arange(first, first + n_samples, dtype=np.float64) * self._period
        if n_samples:
            self._index += n_samples
            self._last = float(elapsed[-1])
            self._last_has_time = False
        return elapsed

    def _follow(self, times: npt.NDArray[np.float64]) -> Timing:
        n_samples = len(times)
        elapsed = np.empty(n_samples)
        repeated = np.zeros(n_samples, dtype=bool)
        readable = np.abs(times) < _LARGEST_TIME
        breaks = []
        row = 0
        excused = False  # a row after a break has been judged: from it on the clock is right by definition
        while row < n_samples:
            self._turn_block()
            stop = min(n_samples, row + self._block - self._index % self._block)
            piece = slice(row, stop)
            done, found = self._follow_piece(times[piece], readable[piece], elapsed[piece], repeated[piece], excused)
            excused = False
            row += done
            if found is not None:
                step, missing = found
                breaks.append(Break(row, step, missing))
                excused = True
                if not missing:
                    self._restart()
        return Timing(elapsed, tuple(breaks), np.flatnonzero(repeated), np.flatnonzero(~readable))

    def _follow_piece(
        self,
        times: npt.NDArray[np.float64],
        readable: npt.NDArray[np.bool_],
        elapsed: npt.NDArray[np.float64],
        repeated: npt.NDArray[np.bool_],
        excused: bool,  # noqa: FBT001
    ) -> tuple[int, tuple[float, int] | None]:
        """Fill in the rows up to the next break; give their number, and the break's step and missing samples."""
        index = self._index + np.arange(len(times))
        self._set_start(times, readable, index)
        own = times - self.start
        all_readable = bool(readable.all())
        elapsed[:] = own if all_readable else self._with_counted(own, readable, index)
        offset = np.where(readable, own - index * self._period, -np.inf)
        before = np.empty(len(times))
        before[0], before[1:] = self._last, elapsed[:-1]
        if all_readable and self._last_has_time:
            # The usual case, and a short cut only: no single step is wrong, so their sum is not either.
            steps = own - before
            if steps.min() > 0 and steps.max() <= self._period + self._tolerance:
                self._move_on(own, readable, elapsed, offset)
                return len(times), None

        before_has_time = np.empty(len(times), dtype=bool)
        before_has_time[0], before_has_time[1:] = self._last_has_time, readable[:-1]
        latest = np.empty(len(times) + 1)
        latest[0], latest[1:] = max(self._latest_before, self._latest), offset
        np.maximum.accumulate(latest, out=latest)

        # Where the sample before has no time of its own, its counted time is a guess: be patient with that.
        patience = np.where(before_has_time, self._tolerance, MAX_BRIDGED)
        backwards = readable & (own < before - patience)
        ahead = (offset > latest[:-1] + self._tolerance) & (latest[:-1] > -np.inf)
        broken = backwards | ahead
        if excused:
            broken[0] = False
        done = int(broken.argmax()) if broken.any() else len(times)
        repeated[:done] = ((elapsed == before) & readable & before_has_time)[:done]
        found = None
        if done < len(times):
            repeated[done:] = False
            step = float(own[done] - before[done] if backwards[done] else offset[done] - latest[done])
            bridgeable = 0 < step <= MAX_BRIDGED + self._tolerance
            found = step, max(1, round(step / self._period)) if bridgeable else 0
        self._move_on(own[:done], readable[:done], elapsed[:done], offset[:done])
        return done, found

    def _set_start(
        self, times: npt.NDArray[np.float64], readable: npt.NDArray[np.bool_], index: npt.NDArray[np.int64]
    ) -> None:
        if not self._started and readable.any():
            first = int(readable.argmax())
            self.start = float(times[first] - index[first] * self._period)
            self._started = True

    def _with_counted(
        self, own: npt.NDArray[np.float64], readable: npt.NDArray[np.bool_], index: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        anchor_row = np.maximum.accumulate(np.where(readable, np.arange(len(own)), -1))
        anchor, anchor_index = self._anchor
        anchors = np.where(anchor_row < 0, anchor, own[anchor_row])
        indices = np.where(anchor_row < 0, anchor_index, index[anchor_row])
        counted: npt.NDArray[np.float64] = anchors + (index - indices) * self._period
        return counted

    def _move_on(
        self,
        own: npt.NDArray[np.float64],
        readable: npt.NDArray[np.bool_],
        elapsed: npt.NDArray[np.float64],
        offset: npt.NDArray[np.float64],
    ) -> None:
        if len(own) == 0:
            return
        if readable.any():
            last = len(own) - 1 - int(readable[::-1].argmax())
            self._anchor = float(own[last]), self._index + last
            self._latest = max(self._latest, float(offset.max()))
        self._index += len(own)
        self._last = float(elapsed[-1])
        self._last_has_time = bool(readable[-1])

    def _turn_block(self) -> None:
        block = self._index // self._block
        if block != self._current_block and self._latest > -math.inf:
            self._latest_before, self._latest = self._latest, -math.inf
        self._current_block = block

    def _restart(self) -> None:
        self._index = 0
        self._last = self._latest_before = self._latest = -math.inf
        self._last_has_time = False
        self._current_block = 0
