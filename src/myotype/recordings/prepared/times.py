"""Times in two bytes each, exactly as they were.

Samples come at a fixed rate, nearly. So each block begins with its first time, and the others are expected at
``first + arange(BLOCK) / sfreq``; what is stored is how many float64s a time lies above the one expected. A float64 of
unix seconds moves in steps of a quarter of a microsecond, so 16 bits reach 8 ms either way. A block with a gap, or with
a clock of another kind, does not fit; its times are then stored as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

BLOCK: Final = 1024
"""Samples."""

_INT16: Final = np.iinfo(np.int16)


def encode(
    times: npt.NDArray[np.float64], sfreq: float
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Encode times from the beginning of a block on.

    Parameters
    ----------
    times
        Seconds, shape (n,).
    sfreq
        Samples a second.

    Returns
    -------
    tuple
        The codes, shape (n,); the first time of each block; and which blocks do not fit, whose codes are 0.
    """
    firsts = times[::BLOCK].copy()
    codes = times.view(np.int64) - _expected(firsts, sfreq).ravel()[: len(times)].view(np.int64)
    fits = (codes >= _INT16.min) & (codes <= _INT16.max)
    # What a machine makes of a NaN it computes with is its own affair.
    fits &= np.isfinite(firsts).repeat(BLOCK)[: len(times)]
    irregular = np.unique(np.flatnonzero(~fits) // BLOCK)
    for block in irregular:
        codes[block * BLOCK : (block + 1) * BLOCK] = 0
    return codes.astype(np.int16), firsts, irregular


def decode(codes: npt.NDArray[np.int16], firsts: npt.NDArray[np.float64], sfreq: float) -> npt.NDArray[np.float64]:
    """Give back the times of blocks that fit, from the beginning of a block on: the reverse of :func:`encode`."""
    bits = _expected(firsts, sfreq).ravel()[: len(codes)].view(np.int64)
    bits += codes
    return bits.view(np.float64)


def _expected(firsts: npt.NDArray[np.float64], sfreq: float) -> npt.NDArray[np.float64]:
    expected: npt.NDArray[np.float64] = firsts[:, None] + np.arange(BLOCK) / sfreq
    return expected
