"""What there is to measure of a signal in one pass: amplitudes, spectra, correlations, extremes, flat stretches.

What is kept for pictures and for later comparisons takes 6 kB a second: memory hardly grows with the length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.recordings.continuity import LARGEST
from myotype.recordings.recording import N_CHANNELS

if TYPE_CHECKING:
    import numpy.typing as npt

PER_BAND: Final = N_CHANNELS // 2
BINS: Final = 100
"""Bins a second, in which the bands' envelopes are kept."""

STRETCHES: Final = 20
"""Stretches a second whose extremes are kept: a channel that is flat for twice as long is never missed."""

_STEPS_AT_LEAST: Final = 16
"""Levels of the converter that a clipped value is away from 0: lower ones are repeated by chance."""

_FEW_STEPS: Final = 4
_OFTEN: Final = 0.01
"""Levels that suffice where this share of the samples is clipped: chance does not repeat an extreme so often."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What was measured of a signal; figures of channels with no good second are not numbers.

    Attributes
    ----------
    sfreq
        Samples a second.
    second
        Samples of what is called a second here: 100 bins of a whole number of samples.
    rms
        Median over the seconds of each channel's rms about its mean, microvolts, shape (32,).
    mean
        Median over the seconds of each channel's mean, microvolts, shape (32,).
    low, high
        Smallest and largest value in stretches of 50 ms, microvolts, shape (20 * seconds, 32).
    frequencies
        Of the spectrum, Hz, shape (f,).
    spectrum
        Mean power density of each channel, square microvolts a Hz, shape (f, 32).
    correlation
        Mean over the seconds of the channels' correlation, shape (32, 32).
    envelope
        Of each band: median over its channels of the rms in bins of 10 ms, microvolts, shape (bins, 2).
    bad
        Values that are not finite or absurdly large in each second, shape (seconds, 32); the last may be incomplete.
    clipped
        Values in each second that stay at the channel's largest or smallest value, shape as `bad`.
    level
        Magnitude of the value that each channel is clipped at, microvolts, shape (32,).
    step
        Smallest change from one sample to the next, microvolts, shape (32,); infinite where there is none.
    """

    sfreq: float
    second: int
    rms: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    frequencies: npt.NDArray[np.float64]
    spectrum: npt.NDArray[np.float64]
    correlation: npt.NDArray[np.float64]
    envelope: npt.NDArray[np.float32]
    bad: npt.NDArray[np.int64]
    clipped: npt.NDArray[np.int64]
    level: npt.NDArray[np.float64]
    step: npt.NDArray[np.float64]

    @property
    def flat(self) -> npt.NDArray[np.bool_]:
        """Whether each channel keeps one value, in stretches of 50 ms, shape (20 * seconds, 32)."""
        flat: npt.NDArray[np.bool_] = self.low == self.high
        return flat

    def power(self, low: float, high: float) -> npt.NDArray[np.float64]:
        """Give each channel's power between two frequencies, square microvolts, shape (32,)."""
        inside = (self.frequencies >= low) & (self.frequencies < high)
        width = self.frequencies[1] - self.frequencies[0] if len(self.frequencies) > 1 else 0.0
        power: npt.NDArray[np.float64] = self.spectrum[inside].sum(axis=0) * width
        return power

    def line_power(self, mains: float) -> npt.NDArray[np.float64]:
        """Give each channel's power in the lines of mains hum and its harmonics, square microvolts, shape (32,).

        What lies in 3 Hz around each line, above what its surroundings would have there.
        """
        power = np.zeros(N_CHANNELS)
        for line in np.arange(mains, min(5.5 * mains, self.frequencies[-1] - 10), mains):
            around = np.concatenate(
                [self.spectrum[self._between(line - 8, line - 3)], self.spectrum[self._between(line + 4, line + 9)]]
            )
            peak = self.spectrum[self._between(line - 1.5, line + 1.5)]
            power += np.maximum((peak - np.median(around, axis=0)).sum(axis=0), 0.0)
        return power * float(self.frequencies[1] - self.frequencies[0])

    def _between(self, low: float, high: float) -> npt.NDArray[np.bool_]:
        return (self.frequencies >= low) & (self.frequencies < high)


class SignalMeter:
    """Measures a signal, block by block.

    Parameters
    ----------
    n_samples
        How many samples will come.
    sfreq
        Samples a second.
    """

    def __init__(self, n_samples: int, sfreq: float) -> None:
        self._bin = max(1, round(sfreq / BINS))
        self.second = BINS * self._bin
        self._sfreq, self._n_samples = sfreq, n_samples
        n_seconds = n_samples // self.second
        by_second = (n_seconds, N_CHANNELS)
        self._done = 0
        self._rms, self._mean = np.full(by_second, np.nan), np.full(by_second, np.nan)
        self._low, self._high = np.zeros((2, n_seconds * STRETCHES, N_CHANNELS), dtype=np.float32)
        self._envelope = np.zeros((n_seconds * BINS, 2), dtype=np.float32)
        self._bad = np.zeros((n_seconds + 1, N_CHANNELS), dtype=np.int64)
        # Two sides, largest and smallest: the latter as the largest of the signal with the opposite sign.
        self._clipped = np.zeros((2, n_seconds + 1, N_CHANNELS), dtype=np.int64)
        self._extremes = np.full((2, N_CHANNELS), -np.inf)
        self._step = np.full(N_CHANNELS, np.inf)
        self._window = np.hanning(self.second + 1)[:-1].astype(np.float32)
        self._power = np.zeros((self.second // 2 + 1, N_CHANNELS))
        self._n_power = np.zeros(N_CHANNELS, dtype=np.int64)
        self._correlation = np.zeros((N_CHANNELS, N_CHANNELS))
        self._n_correlation = np.zeros((N_CHANNELS, N_CHANNELS), dtype=np.int64)

    def add(self, samples: npt.NDArray[np.float32]) -> None:
        """Measure the next samples.

        Parameters
        ----------
        samples
            Microvolts, shape (n, 32), changed; n is a whole number of seconds but for the last block.
        """
        at = slice(self._done, self._done + -(-len(samples) // self.second))
        bad = ~(np.abs(samples) <= LARGEST)  # what is no number fails this too
        if bad.any():
            self._bad[at] += self._by_second(bad)
            samples[bad] = 0.0
        self._find_clipped(samples, at)
        n_seconds = len(samples) // self.second
        self._add_seconds(samples[: n_seconds * self.second].reshape(n_seconds, self.second, N_CHANNELS))
        self._done += n_seconds

    def _by_second(self, marks: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        starts = np.arange(0, len(marks), self.second)
        sums: npt.NDArray[np.int64] = np.add.reduceat(marks, starts, axis=0, dtype=np.int64)
        return sums

    def _find_clipped(self, samples: npt.NDArray[np.float32], at: slice) -> None:
        """Count the samples of runs of three and more at the channel's largest and smallest value up to now."""
        if len(samples) < 3:
            return
        steps = np.abs(np.diff(samples, axis=0))
        self._step = np.minimum(self._step, np.where(steps > 0, steps, np.inf).min(axis=0))
        high, low = samples.max(axis=0), samples.min(axis=0)
        for side, (extreme, value) in enumerate(((high, high), (-low, low))):
            # A new extreme: what looked clipped before, on this side, was not.
            self._clipped[side][:, extreme > self._extremes[side]] = 0
            self._extremes[side] = np.maximum(self._extremes[side], extreme)
            top = (samples == value) & (extreme == self._extremes[side])
            for channel in np.flatnonzero((top.sum(axis=0) >= 3) & (high > low)):
                column = top[:, channel]
                thirds = column[2:] & column[1:-1] & column[:-2]
                run = np.zeros(len(column), dtype=bool)
                for shift in range(3):
                    run[shift : len(run) - 2 + shift] |= thirds
                self._clipped[side, at, channel] += self._by_second(run)

    def _add_seconds(self, seconds: npt.NDArray[np.float32]) -> None:
        n_seconds = len(seconds)
        if n_seconds == 0:
            return
        at = slice(self._done, self._done + n_seconds)
        stretches = seconds.reshape(n_seconds * STRETCHES, -1, N_CHANNELS)
        of_stretches = slice(at.start * STRETCHES, at.stop * STRETCHES)
        self._low[of_stretches], self._high[of_stretches] = stretches.min(axis=1), stretches.max(axis=1)

        mean = seconds.mean(axis=1)
        centred = seconds - mean[:, np.newaxis]
        squares = np.square(centred).reshape(n_seconds * BINS, self._bin, N_CHANNELS).mean(axis=1)
        by_band = np.sqrt(squares).reshape(n_seconds * BINS, 2, PER_BAND)
        self._envelope[at.start * BINS : at.stop * BINS] = np.median(by_band, axis=2)
        rms = np.sqrt(squares.reshape(n_seconds, BINS, N_CHANNELS).mean(axis=1))
        good = self._bad[at] == 0
        self._rms[at] = np.where(good, rms, np.nan)
        self._mean[at] = np.where(good, mean, np.nan)
        self._add_spectrum(centred, mean, good)
        self._add_correlation(centred, rms, good)

    def _add_spectrum(
        self, centred: npt.NDArray[np.float32], mean: npt.NDArray[np.float32], good: npt.NDArray[np.bool_]
    ) -> None:
        scale = 2.0 / (self._sfreq * float(np.square(self._window).sum()))
        for second, offset, usable in zip(centred, mean, good, strict=True):
            transform = np.fft.rfft(np.ascontiguousarray(second.T) * self._window)
            power = scale * (np.square(transform.real) + np.square(transform.imag)).T
            power[0] = np.square(offset) * self.second / self._sfreq  # an offset is power too
            self._power += np.where(usable, power, 0.0)
        self._n_power += good.sum(axis=0)

    def _add_correlation(
        self, centred: npt.NDArray[np.float32], rms: npt.NDArray[np.float32], good: npt.NDArray[np.bool_]
    ) -> None:
        usable = good & (rms > 0)
        covariance = centred.transpose(0, 2, 1) @ centred / self.second
        both = usable[:, :, np.newaxis] & usable[:, np.newaxis, :]
        scale = np.where(both, rms[:, :, np.newaxis] * rms[:, np.newaxis, :], 1.0)
        self._correlation += np.where(both, covariance / scale, 0.0).sum(axis=0)
        self._n_correlation += both.sum(axis=0)

    def result(self) -> Signal:
        """Give what was measured."""
        size = np.abs(self._extremes)
        often = self._clipped.sum(axis=1) >= _OFTEN * self._n_samples
        real = (size >= _STEPS_AT_LEAST * self._step) | ((size >= _FEW_STEPS * self._step) & often)
        clipped = np.where(real[:, np.newaxis], self._clipped, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return Signal(
                sfreq=self._sfreq,
                second=self.second,
                rms=_median(self._rms),
                mean=_median(self._mean),
                low=self._low,
                high=self._high,
                frequencies=np.fft.rfftfreq(self.second, 1 / self._sfreq).astype(np.float64),
                spectrum=self._power / self._n_power,
                correlation=self._correlation / self._n_correlation,
                envelope=self._envelope,
                bad=self._bad,
                clipped=clipped.sum(axis=0),
                level=np.where(clipped.any(axis=1), size, 0.0).max(axis=0),
                step=self._step,
            )


def _median(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give the median of each column over what is a number in it."""
    return np.array(
        [np.median(column[finite]) if (finite := np.isfinite(column)).any() else np.nan for column in values.T]
    )
