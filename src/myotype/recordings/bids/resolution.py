"""The step that the values of a recording are whole multiples of, and a header of BDF that holds them exactly.

A header has eight characters for each end of a range, so a range is sought in which a digital step is the step of the
values, or a whole fraction of it, exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

LARGEST_DIGITAL: Final = 2**23 - 1
LARGEST_PHYSICAL: Final = 9_999_999
"""Microvolts: the largest number that fits into eight characters with a minus sign."""

_MANTISSA: Final = 24  # bits of a float32
_LARGEST_DENOMINATORS: Final = (1, 10, 100, 1000, 10_000, 100_000)


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


def find_step(values: npt.NDArray[np.float32]) -> Fraction | None:
    """Find the largest step that values are whole multiples of, exactly in float32; None if there is none of use.

    Parameters
    ----------
    values
        Finite microvolts, any shape.
    """
    sizes = np.unique(np.abs(values))
    sizes = sizes[sizes > 0].astype(np.float64)
    if len(sizes) == 0:
        return Fraction(1)
    step = common_divisor(sizes)
    if step is not None and sizes[-1] / step <= LARGEST_DIGITAL:
        return step
    return _decimal_step(sizes)


def common_divisor(sizes: npt.NDArray[np.float64]) -> Fraction | None:
    """Give the greatest common divisor of positive float32 values; None if they are too far apart to tell."""
    mantissa, exponent = np.frexp(sizes)
    whole = np.ldexp(mantissa, _MANTISSA).astype(np.int64)
    lowest_bit = np.log2((whole & -whole).astype(np.float64)).astype(np.int64) + exponent - _MANTISSA
    lowest = int(lowest_bit.min())
    if int(exponent.max()) - lowest > 62:
        return None
    divisor = int(np.gcd.reduce(np.ldexp(sizes, -lowest).astype(np.int64)))
    return Fraction(divisor) * Fraction(2) ** lowest


def is_multiple(values: npt.NDArray[np.float32], step: Fraction) -> npt.NDArray[np.bool_]:
    """Tell which values are whole multiples of a step, as float32 has them."""
    width = float(step)
    multiple: npt.NDArray[np.bool_] = (np.rint(values.astype(np.float64) / width) * width).astype(np.float32) == values
    return multiple


def _decimal_step(sizes: npt.NDArray[np.float64]) -> Fraction | None:
    """Find a step such as 0.195, which float32 has not exactly, so that its multiples have no common divisor."""
    distances = np.diff(sizes, prepend=0.0)
    step = float(distances.min())
    if step <= 0 or sizes[-1] / step > LARGEST_DIGITAL:
        return None
    # The farther from zero, the better a value tells the step, once its multiple is certain.
    for size in sizes:
        multiple = round(size / step)
        if multiple and abs(size / step - multiple) < 0.1:
            step = size / multiple
    for denominator in _LARGEST_DENOMINATORS:
        candidate = Fraction(step).limit_denominator(denominator)
        if candidate > 0 and is_multiple(sizes.astype(np.float32), candidate).all():
            return candidate
    return None


def choose_range(step: Fraction | None, largest: float) -> Range:
    """Choose what the header says.

    Parameters
    ----------
    step
        What the values are whole multiples of; None if of nothing.
    largest
        The largest absolute value, at most 9,999,999.
    """
    if step is not None:
        times = min(LARGEST_DIGITAL // step.denominator, LARGEST_PHYSICAL // step.numerator)
        digital = times * step.denominator
        if times and digital * step >= Fraction(largest):
            return Range(Fraction(times * step.numerator), digital, lossless=True)
    # Rounded up to what fits: seven characters, six after the point at most.
    digits = 0 if largest >= 1e5 else 5 - max(0, math.floor(math.log10(max(largest, 1e-3))))
    physical = Fraction(math.ceil(max(Fraction(largest), Fraction(1, 1000)) * 10**digits), 10**digits)
    return Range(physical, LARGEST_DIGITAL, lossless=False)
