"""Samples in two bytes each, exactly as they were, because most converters have 12 bits: multiples of a step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from myotype.recordings.multiples import bounds_of_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

MISSING: Final = -32768
"""The code of what is no number."""

NEGATIVE_ZERO: Final = -32767
"""The code of 0 with a minus, which rounding makes of what is a little less than 0."""

_LARGEST: Final = 32766


def find_step(magnitudes: npt.NDArray[np.float32]) -> float | None:
    """Find a step that all values are multiples of, each rounded to float32.

    Parameters
    ----------
    magnitudes
        As :func:`~myotype.recordings.multiples.distinct` gives them.

    Returns
    -------
    float
        A possible step, with few binary digits if there is one; None if there is none that 16 bits suffice for.
    """
    bounds = bounds_of_step(magnitudes, _LARGEST)
    if bounds is None:
        return None
    return next((step for step in _candidates(*bounds) if encode(magnitudes, step) is not None), None)


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
