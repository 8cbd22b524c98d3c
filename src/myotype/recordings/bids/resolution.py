"""A header of BDF that holds the values of a recording exactly, where that is possible.

A header has eight characters for each end of a range, and a digital step is the one by the other. Values that were
rounded to float32 leave some room for their step, so the simplest fraction within its bounds is taken that can be
written in this way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from myotype.recordings.multiples import bounds_of_step

LARGEST_DIGITAL: Final = 2**23 - 1
LARGEST_PHYSICAL: Final = 9_999_999
"""Microvolts: the largest number that fits into eight characters with a minus sign."""

_LARGEST_WITH_POINT: Final = 999_999  # of the digits of a number that has a point among its seven characters
_MOST_DECIMALS: Final = 5
_PARTS: Final = (0.998, 0.5, 0.1)  # of the bounds of a step: on the bounds themselves some values round the wrong way


@dataclass(frozen=True, slots=True)
class Range:
    """What a header says of the values: `digital` steps make `physical` microvolts.

    Attributes
    ----------
    physical, digital
        The upper ends; the lower ones are their negatives.
    lossless
        Whether the values come back exactly.
    """

    physical: Fraction
    digital: int
    lossless: bool

    @property
    def step(self) -> float:
        """Microvolts of one digital step."""
        return float(self.physical / self.digital)

    @property
    def physical_text(self) -> str:
        """The upper end as a header has it, at most seven characters."""
        if self.physical.denominator == 1:
            return str(self.physical.numerator)
        return f"{float(self.physical):.6f}"[:7].rstrip("0")


def is_multiple(values: npt.NDArray[np.float32], step: float) -> npt.NDArray[np.bool_]:
    """Tell which values are whole multiples of a step, as float32 has them."""
    multiple: npt.NDArray[np.bool_] = (np.rint(values.astype(np.float64) / step) * step).astype(np.float32) == values
    return multiple


def choose_range(magnitudes: npt.NDArray[np.float32], largest: float) -> Range:
    """Choose what the header says.

    Parameters
    ----------
    magnitudes
        Values that occur, as :func:`~myotype.recordings.multiples.distinct` gives them.
    largest
        The largest magnitude of all, at most 9,999,999.
    """
    bounds = bounds_of_step(magnitudes, LARGEST_DIGITAL)
    if bounds is None:
        return rounding_range(largest)
    middle, half = (bounds[0] + bounds[1]) / 2, (bounds[1] - bounds[0]) / 2
    for part in _PARTS:
        low, high = (Fraction(middle + sign * part * half) for sign in (-1, 1))
        for decimals in range(_MOST_DECIMALS + 1):
            chosen = _exact_range(low, high, decimals, Fraction(largest))
            if chosen is not None and is_multiple(magnitudes, chosen.step).all():
                return chosen
    return rounding_range(largest)


def rounding_range(largest: float) -> Range:
    """Choose the range that 24 bits are best used in, for values that are multiples of nothing."""
    # Rounded up to what fits: seven characters, six after the point at most.
    digits = 0 if largest >= 1e5 else 5 - max(0, math.floor(math.log10(max(largest, 1e-3))))
    physical = Fraction(math.ceil(max(Fraction(largest), Fraction(1, 1000)) * 10**digits), 10**digits)
    return Range(physical, LARGEST_DIGITAL, lossless=False)


def _exact_range(low: Fraction, high: Fraction, decimals: int, largest: Fraction) -> Range | None:
    """Give the widest range whose upper end has so many decimals and whose step is the simplest within bounds."""
    step = _simplest(low * 10**decimals, high * 10**decimals)
    longest = _LARGEST_WITH_POINT if decimals else LARGEST_PHYSICAL
    times = min(LARGEST_DIGITAL // step.denominator, longest // step.numerator)
    physical = Fraction(times * step.numerator, 10**decimals)
    return Range(physical, times * step.denominator, lossless=True) if times and physical >= largest else None


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """Give the fraction with the smallest denominator between two positive numbers (Stern, Brocot)."""
    whole = math.ceil(low)
    if whole <= high:
        return Fraction(whole)
    below = whole - 1
    return below + 1 / _simplest(1 / (high - below), 1 / (low - below))
