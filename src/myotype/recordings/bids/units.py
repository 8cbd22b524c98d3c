"""What the numbers of a file are in: the declared unit, and whether the numbers can be in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from myotype.errors import InputError, RecordingError

MICROVOLTS: Final = {"V": 1e6, "mV": 1e3, "uV": 1.0, "nV": 1e-3}
"""How many microvolts a unit has."""

UNDECLARED: Final = "V"
"""What the unit is where none is declared: BIDS wants volts, and so does the text of NEMAR nm000104."""

_MICRO: Final = str.maketrans("µμ", "uu")  # the micro sign and the Greek letter
_LARGEST_RMS: Final = 1e4  # microvolts: no muscle gives more at the skin
_SMALLEST_RMS: Final = 1e-3  # microvolts: converters are coarser
_USUAL_RMS: Final = (0.5, 2000.0)
_SAY: Final = "say the unit with units= (`myotype data convert --units`); in BrainVision, correct the header"
_WINDOWS: Final = 5
_TO_SIGMA: Final = 1.4826  # of the median distance from the median, if the distribution is normal


def unit_of(text: str) -> str | None:
    """Read a unit as files write it; None for none."""
    text = text.strip().translate(_MICRO)
    return None if text in ("", "n/a", "N/A") else text


def microvolts(text: str, where: str) -> float:
    """Give how many microvolts a unit has.

    Raises
    ------
    RecordingError
        If it is no unit of voltage.
    """
    try:
        return MICROVOLTS[text]
    except KeyError as error:
        raise RecordingError(f"{where}: the unit {text!r} is none of {', '.join(MICROVOLTS)}: {_SAY}") from error


def checked_units(units: str | None) -> str | None:
    """Check the unit that a caller says the numbers are in.

    Raises
    ------
    InputError
        If there is no such unit.
    """
    if units is not None and unit_of(units) not in MICROVOLTS:
        raise InputError(f"units is {units!r}; it can be {', '.join(MICROVOLTS)}")
    return None if units is None else unit_of(units)


def robust_rms(read: Callable[[int, int], npt.NDArray[np.float32]], n_samples: int, window: int) -> float:
    """Estimate the rms of a signal from five windows, spread over it: cheap, and blind to artefacts.

    Parameters
    ----------
    read
        Gives the samples from one to another, shape (n, channels).
    n_samples
        How many there are.
    window
        How many each window has.

    Returns
    -------
    float
        The median over the channels that are not flat; 0 if all are. In a channel the rms is taken from the median
        distance from the median.
    """
    starts = np.unique(np.linspace(0, max(0, n_samples - window), _WINDOWS).astype(np.int64))
    samples = np.concatenate([read(int(start), min(int(start) + window, n_samples)) for start in starts])
    with np.errstate(invalid="ignore"):  # of two infinities, which an absurd header makes
        spread = _TO_SIGMA * np.median(np.abs(samples - np.median(samples, axis=0)), axis=0)
    spread[np.isnan(spread)] = np.inf
    alive = spread[spread > 0]
    return float(np.median(alive)) if len(alive) else 0.0


def correction(rms: float, declared: str, where: str) -> tuple[float, str | None]:
    """Give what microvolts have to be multiplied with, and what is to be said about it.

    Numbers of a sensible size are believed. Microvolts that were declared as volts are a million times too large: that
    is unmistakable, and mended. Numbers that are far too small are left as they are, and that is said.

    Parameters
    ----------
    rms
        Of the numbers converted by the declared unit, microvolts.
    declared
        That unit, for what is said.
    where
        The file, for errors.

    Raises
    ------
    RecordingError
        If the numbers fit neither.
    """
    if 0 < rms < _SMALLEST_RMS:
        return 1.0, (
            f"the unit is declared as {declared}, which makes {rms:.3g} microvolts (rms): less than electrodes give. If"
            f" that is wrong, {_SAY}"
        )
    if rms <= _LARGEST_RMS:
        return 1.0, None
    if _USUAL_RMS[0] <= rms / 1e6 <= _USUAL_RMS[1]:
        return 1e-6, (
            f"the unit is declared as {declared}, which would make {rms:.3g} microvolts (rms); they were divided by a"
            f" million. If that is wrong, {_SAY}"
        )
    raise RecordingError(
        f"{where}: the unit is declared as {declared}, which makes {rms:.3g} microvolts (rms): no muscle gives that,"
        f" nor do microvolts declared as volts; {_SAY}"
    )
