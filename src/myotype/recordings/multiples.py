"""The step that the values of a recording are whole multiples of: converters have 12 to 24 bits, and float32 has more.

The step stands nowhere, and a file has the multiples as they were rounded to float32. Each value thus says within which
bounds the step lies, given which multiple it is; and that is found from small multiples to large ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_MOST_TRIES: Final = 64
_FIRST_REACH: Final = 4.5  # steps: values up to this many are placed by the first guess at the step
_NEXT_REACH: Final = 4  # times further, by the step as it is then known
_FAR: Final = 0.25  # of a step: values that lie further from all multiples show that the step is a smaller one
_SHARP: Final = 0.1  # of a step: lengths that rounding made less certain do not tell which multiple they are


def distinct(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give the magnitudes that occur, increasing, without 0 and what is no finite number."""
    magnitudes: npt.NDArray[np.float32] = np.unique(np.abs(values))
    return magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]


def bounds_of_step(magnitudes: npt.NDArray[np.float32], most: int) -> tuple[float, float] | None:
    """Give the bounds between which every step lies that all values are multiples of, each rounded to float32.

    On the bounds themselves some values may round the wrong way.

    Parameters
    ----------
    magnitudes
        As :func:`distinct` gives them.
    most
        How many steps the largest of them may have.

    Returns
    -------
    tuple
        Both 1 where there are no values; None where there is no such step.
    """
    if len(magnitudes) == 0:
        return 1.0, 1.0
    if len(magnitudes) > most:
        return None
    values = magnitudes.astype(np.float64)
    slack = np.spacing(magnitudes).astype(np.float64) / 2
    # Differences are multiples too, and often smaller ones.
    lengths = np.concatenate([values, np.diff(values)])
    slacks = np.concatenate([slack, slack[1:] + slack[:-1]])
    sharp = slacks <= _SHARP * lengths
    lengths, slacks = lengths[sharp], slacks[sharp]
    if len(lengths) == 0:
        return None
    smallest = int(np.argmin(lengths))
    step, doubt = float(lengths[smallest]), float(slacks[smallest])
    for _ in range(_MOST_TRIES):  # as Euclid finds the greatest common divisor
        if not values[-1] <= (most + 0.5) * (step + doubt):
            return None
        bounds, rest = _bounds(lengths, slacks, step, doubt)
        if rest is None:
            return bounds
        step, doubt = rest
    return None


def _bounds(
    lengths: npt.NDArray[np.float64], slacks: npt.NDArray[np.float64], step: float, doubt: float
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Give the bounds of a step that fits; or, where one does not, a smaller one to try, with its doubt."""
    low, high = step - doubt, step + doubt
    sharp = slacks <= _SHARP * step
    lengths, slacks = lengths[sharp], slacks[sharp]
    longest = float(lengths.max(initial=0))
    reach = _FIRST_REACH
    while True:
        within = lengths <= reach * step
        near, slack = lengths[within], slacks[within]
        multiple = np.maximum(np.rint(near / step), 1)
        off = np.abs(near - multiple * step)
        doubts = slack + multiple * (high - low) / 2
        far = (off > _FAR * step) | (off > 2 * doubts) & (off > 1e-3 * step)
        if far.any():
            at = np.flatnonzero(far)[np.argmin(off[far])]
            return None, (float(off[at]), float(doubts[at]))
        low = max(low, float(np.max((near - slack) / multiple, initial=low)))
        high = min(high, float(np.min((near + slack) / multiple, initial=high)))
        if not 0 < low <= high:
            return None, None
        if longest <= reach * step:
            return (low, high), None
        step = (low + high) / 2
        reach *= _NEXT_REACH
