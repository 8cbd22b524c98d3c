"""The inner loops of the simulation as compiled functions on arrays.

All state is in arrays that the caller owns, and every loop runs in the order of time: cutting the time differently
gives the same bits. So there is no fastmath here, which would let the compiler reorder sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

_LOWEST_RATE = 8.0
_HIGHEST_RATE = 70.0
_TICK = 0.002


@njit(cache=True)
def add_phase(
    activation: npt.NDArray[np.float64],
    column: int,
    middle: float,
    width: float,
    reach: float,
    weights: npt.NDArray[np.float64],
) -> None:
    """Add a Gaussian in time, cut off at +-`reach`, to the activation of a forearm's muscles.

    Parameters
    ----------
    activation
        (ticks, muscles of both forearms), changed in place.
    column
        The forearm's first muscle.
    middle, width, reach
        In ticks from the first row.
    weights
        (19,).
    """
    first = max(int(np.ceil(middle - reach)), 0)
    last = min(int(np.floor(middle + reach)), activation.shape[0] - 1)
    for tick in range(first, last + 1):
        away = (tick - middle) / width
        bell = np.exp(-0.5 * away * away)
        for muscle in range(weights.shape[0]):
            activation[tick, column + muscle] += bell * weights[muscle]


@njit(cache=True)
def _uniform(state: Any, i: int) -> float:
    """Draw from [0, 1) with unit i's own generator (splitmix64, public domain)."""
    state[i] += np.uint64(0x9E3779B97F4A7C15)
    z = state[i]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return float(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True)
def _interval(state: Any, i: int) -> float:
    """Draw an interval between firings, mean 1 and standard deviation 0.18."""
    return 1.0 + 0.36 * (_uniform(state, i) + _uniform(state, i) + _uniform(state, i) - 1.5)


@njit(cache=True)
def _add(
    out: npt.NDArray[np.float32], first: int, column: int, potential: npt.NDArray[np.float32], length: int
) -> None:
    """Add an action potential (samples, 16) to a band's columns of the signal."""
    for n in range(length):
        for electrode in range(16):
            out[first + n, column + electrode] += potential[n, electrode]


@njit(cache=True)
def _silence(due: npt.NDArray[np.float64], muscle: int) -> None:
    """Mark all units of a muscle as not firing."""
    for unit in range(due.shape[1]):
        due[muscle, unit] = -1.0


@njit(cache=True)
def fire(
    activation: npt.NDArray[np.float64],
    lowest: npt.NDArray[np.float64],
    threshold: npt.NDArray[np.float64],
    due: npt.NDArray[np.float64],
    random: npt.NDArray[np.uint64],
    potentials: npt.NDArray[np.float32],
    lengths: npt.NDArray[np.int64],
    out: npt.NDArray[np.float32],
) -> None:
    """Let motor units fire as a renewal process whose rate follows the activation, and add their action potentials.

    Parameters
    ----------
    activation
        (ticks, muscles), one row for each 2 ms.
    lowest
        (muscles,): the lowest threshold of each muscle's units.
    threshold
        (muscles, units): activation from which a unit fires.
    due
        (muscles, units + 1): how much of the interval to the next firing is left, negative while a unit is silent; the
        last column tells whether any unit of the muscle may not be; changed.
    random
        (muscles * units,): the units' generators; changed.
    potentials, lengths
        (muscles * units, samples, 16), and how many of the samples count.
    out
        (4 * ticks + samples, 32); added to.
    """
    ticks, muscles = activation.shape
    units = threshold.shape[1]
    half = muscles // 2
    for tick in range(ticks):
        for muscle in range(muscles):
            level = activation[tick, muscle]
            if level <= lowest[muscle]:
                if due[muscle, units] > 0.0:
                    _silence(due, muscle)
                continue
            due[muscle, units] = 1.0
            for unit in range(units):
                over = level - threshold[muscle, unit]
                if over <= 0.0:
                    due[muscle, unit] = -1.0
                    continue
                i = muscle * units + unit
                if due[muscle, unit] < 0.0:
                    due[muscle, unit] = _uniform(random, i)
                rate = min(_LOWEST_RATE + (_HIGHEST_RATE - _LOWEST_RATE) * over, _HIGHEST_RATE)
                step = rate * _TICK
                left = due[muscle, unit] - step
                if left < 0.0:
                    sample = 4 * tick + min(int(4.0 * due[muscle, unit] / step), 3)
                    _add(out, sample, 0 if muscle < half else 16, potentials[i], lengths[i])
                    left += _interval(random, i)
                due[muscle, unit] = left


@njit(cache=True)
def finish(
    signal: npt.NDArray[np.float32],
    noise: npt.NDArray[np.float32],
    noise_rms: float,
    mains: npt.NDArray[np.float32],
    first: int,
    sections: npt.NDArray[np.float64],
    state: npt.NDArray[np.float64],
    step: float,
    out: npt.NDArray[np.float32],
) -> None:
    """Add noise and mains to the muscles' signal, high-pass it and turn it into the converter's levels.

    Parameters
    ----------
    signal, noise
        (samples, 32) microvolts, and standard normal.
    mains
        (100, 32) microvolts.
    first
        Number of the first sample.
    sections
        (sections, 5): b0, b1, b2, a1, a2 of the filter's second-order sections.
    state
        (sections, 2, 32), changed.
    step
        Microvolts between two of the 4096 levels.
    out
        (samples, 32) microvolts.
    """
    samples, channels = out.shape
    value = np.empty(channels)
    for n in range(samples):
        row = (first + n) % mains.shape[0]
        for c in range(channels):
            value[c] = signal[n, c] + noise_rms * noise[n, c] + mains[row, c]
        for s in range(sections.shape[0]):
            b0, b1, b2, a1, a2 = sections[s, 0], sections[s, 1], sections[s, 2], sections[s, 3], sections[s, 4]
            for c in range(channels):
                x = value[c]
                y = b0 * x + state[s, 0, c]
                state[s, 0, c] = b1 * x - a1 * y + state[s, 1, c]
                state[s, 1, c] = b2 * x - a2 * y
                value[c] = y
        for c in range(channels):
            level = min(max(np.rint(value[c] / step), -2048.0), 2047.0)
            out[n, c] = np.float32(level * step)
