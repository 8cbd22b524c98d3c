"""Samples in two bytes each, exactly as they were: most converters have 12 bits, so microvolts are multiples of a step.

The step stands nowhere, and a file has the multiples as they were rounded to float32. Each value thus says within which
bounds the step lies, given which multiple it is; and that is found from small multiples to large ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

MISSING: Final = -32768
"""The code of what is no number."""

NEGATIVE_ZERO: Final = -32767
"""The code of 0 with a minus, which rounding makes of what is a little less than 0."""

_LARGEST: Final = 32766
_MOST_TRIES: Final = 64
_FIRST_REACH: Final = 4.5  # steps: values up to this many are placed by the first guess at the step
_NEXT_REACH: Final = 4  # times further, by the step as it is then known
_FAR: Final = 0.25  # of a step: values that lie further from all multiples show that the step is a smaller one


def distinct(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give the magnitudes that occur, increasing, without 0 and what is no finite number."""
    magnitudes: npt.NDArray[np.float32] = np.unique(np.abs(values))
    return magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]


def find_step(magnitudes: npt.NDArray[np.float32]) -> float | None:
    """Find a step that all values are multiples of, each rounded to float32.

    Parameters
    ----------
    magnitudes
        As :func:`distinct` gives them.

    Returns
    -------
    float
        A possible step, with few binary digits if there is one; None if there is none that 16 bits suffice for.
    """
    if len(magnitudes) == 0:
        return 1.0
    if len(magnitudes) > _LARGEST:
        return None
    values = magnitudes.astype(np.float64)
    slack = np.spacing(magnitudes).astype(np.float64) / 2
    # Differences are multiples too, and often smaller ones.
    lengths = np.concatenate([values, np.diff(values)])
    slacks = np.concatenate([slack, slack[1:] + slack[:-1]])
    smallest = int(np.argmin(lengths))
    step, doubt = float(lengths[smallest]), float(slacks[smallest])
    for _ in range(_MOST_TRIES):  # as Euclid finds the greatest common divisor
        if not values[-1] <= (_LARGEST + 0.5) * (step + doubt):
            return None
        bounds, rest = _bounds(lengths, slacks, step, doubt)
        if bounds is not None:
            found = (step for step in _candidates(*bounds) if encode(magnitudes, step) is not None)
            return next(found, None)
        if rest is None:
            return None
        step, doubt = rest
    return None


def _bounds(
    lengths: npt.NDArray[np.float64], slacks: npt.NDArray[np.float64], step: float, doubt: float
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Give the bounds of a step that fits; or, where one does not, a smaller one to try, with its doubt."""
    low, high = step - doubt, step + doubt
    reach = _FIRST_REACH
    while True:
        within = (lengths <= reach * step) & (lengths > slacks)
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
        step = (low + high) / 2
        if within.sum() == (lengths > slacks).sum():
            return (low, high), None
        reach *= _NEXT_REACH


def _candidates(low: float, high: float) -> Iterator[float]:
    """Give steps within bounds, those first that are likely; on the very bounds some values round the wrong way."""
    unit = 2.0 ** math.floor(math.log2(high))
    while math.ceil(low / unit) * unit > high:
        unit /= 2
    yield math.ceil(low / unit) * unit  # the one with the fewest binary digits
    nearest = np.float32((low + high) / 2)
    yield float(nearest)
    yield float(np.nextafter(nearest, np.float32(0)))
    yield float(np.nextafter(nearest, np.float32(np.inf)))
    yield (low + high) / 2


def encode(emg: npt.NDArray[np.float32], step: float) -> npt.NDArray[np.int16] | None:
    """Give the multiples of the step, or None unless :func:`decode` gives every sample back, to the bit."""
    missing = np.isnan(emg)
    has_missing = bool(missing.any())
    known = np.where(missing, np.float32(0), emg) if has_missing else emg
    with np.errstate(over="ignore"):  # then it is too large, too
        multiples = np.rint(known / np.float32(step))
    if not np.abs(multiples).max(initial=0) <= _LARGEST:
        return None
    codes = multiples.astype(np.int16)
    codes[np.signbit(known) & (known == 0)] = NEGATIVE_ZERO
    exact = decode(codes, step).view(np.int32) == known.view(np.int32)
    if not exact.all():
        return None
    codes[missing] = MISSING
    return codes


def decode(
    codes: npt.NDArray[Any], step: float, *, has_negative_zeros: bool = True, has_missing: bool = False
) -> npt.NDArray[np.float32]:
    """Give back microvolts.

    Parameters
    ----------
    codes
        As :func:`encode` gives them, of any shape.
    step
        Microvolts. The product is rounded once, to float32, and so is that of two float32s: a step that is one needs no
        float64.
    has_negative_zeros, has_missing
        Whether there can be such codes: looking for them takes time.
    """
    factor = np.float32(step)
    if float(factor) == step:
        emg: npt.NDArray[np.float32] = np.multiply(codes, factor, dtype=np.float32)
    else:
        emg = (codes * np.float64(step)).astype(np.float32)
    if has_negative_zeros:
        emg *= codes != NEGATIVE_ZERO  # something negative times 0; an assignment by a mask takes ten times as long
    if has_missing:
        emg[codes == MISSING] = np.nan
    return emg
