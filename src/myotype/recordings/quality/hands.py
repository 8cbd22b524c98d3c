"""How the key presses of each hand and the activity of each band belong together in time.

A band's envelope is taken for a sum of responses, one to each key press of the left hand, of the right hand and of keys
that either may type. The responses are found by least squares. Each hand should move its own band, shortly before the
key goes down, and both bands alike. On 32 simulated recordings of 29 people, responses of the own band stand out by
a clarity of 27 and more, those of the other band by 6 at most, and the bands are alike within 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.recordings.quality.findings import Finding
from myotype.recordings.quality.signal import BINS

if TYPE_CHECKING:
    import numpy.typing as npt

_LEFT: Final = frozenset("12345qwertasdfgzxcvQWERTASDFGZXCV")
_RIGHT: Final = frozenset("7890-=uiop[]jkl;'nm,./UIOPJKLNM") | {"Key.enter", "Key.backspace"}
"""Keys that nearly everybody who touch-types strikes with this hand; not b, y, 6 and space."""

_REACH: Final = BINS  # bins before and after a key press that a response may have: a second
_RIDGE: Final = 0.01
_FEWEST: Final = 50  # keys of each hand
_CLEAR: Final = 8.0  # a response's peak over its own scatter
_ALIKE: Final = 0.04  # seconds
_USUAL: Final = (-0.2, 0.1)  # seconds after key-down at which a response may peak
_SMOOTHING: Final = np.hanning(11)[1:-1] / np.hanning(11).sum()


@dataclass(frozen=True, slots=True)
class Hands:
    """How bands respond to keys.

    Attributes
    ----------
    lags
        Seconds after key-down, shape (l,).
    responses
        Of the logarithm of the bands' envelopes, shape (2 hands, 2 bands, l), left first.
    peaks
        When the responses are strongest, seconds after key-down, shape (2 hands, 2 bands).
    clarity
        Their peaks over their scatter far from it, shape (2 hands, 2 bands).
    delay
        Seconds by which the left band is behind the right one.
    """

    lags: npt.NDArray[np.float64]
    responses: npt.NDArray[np.float64]
    peaks: npt.NDArray[np.float64]
    clarity: npt.NDArray[np.float64]
    delay: float

    @property
    def swapped(self) -> bool:
        """Whether each hand moves the other one's band."""
        own, other = self.clarity.diagonal(), self.clarity[::-1].diagonal()
        return bool(other.min() > _CLEAR and other.min() > 2 * own.max())

    def findings(self) -> Iterator[Finding]:
        """Say what does not belong together."""
        if self.swapped:
            yield Finding(
                "bands-swapped",
                "keys of the left hand drive channels 16-31, those of the right hand channels 0-15: exchange the bands "
                "(channels 0-15 are the left one)",
            )
        hands = (1, 0) if self.swapped else (0, 1)
        silent = [
            band
            for band, hand in zip(("left", "right"), hands, strict=True)
            if self.clarity[hand, hands.index(hand)] < _CLEAR
        ]
        if silent:
            yield Finding(
                "keys-unrelated",
                f"nothing in the {' and the '.join(silent)} band goes with the keys, up to a second before and after "
                f"them: the clocks of keys and signal may differ, or the person does not touch-type",
            )
            return
        if abs(self.delay) > _ALIKE:
            late = "left" if self.delay > 0 else "right"
            yield Finding(
                "bands-misaligned",
                f"the {late} band runs {1000 * abs(self.delay):.0f} ms behind the other: shift its channels "
                f"{abs(self.delay):.2f} s to earlier samples",
                figures={"seconds": self.delay},
            )
        own = [self.peaks[hands[band], band] for band in (0, 1)]
        # Where one band is late, only the other one can tell of the keys.
        best = min(own, key=lambda peak: abs(peak - sum(_USUAL) / 2)) if abs(self.delay) > _ALIKE else sum(own) / 2
        if not _USUAL[0] <= best <= _USUAL[1]:
            side = f"{1000 * best:.0f} ms after" if best > 0 else f"{-1000 * best:.0f} ms before"
            yield Finding(
                "keys-misaligned",
                f"muscles are most active {side} the keys go down, where 30 to 120 ms before are usual: shift the "
                f"times of the keys by {best + 0.05:+.2f} s",
                figures={"seconds": float(best)},
            )


def relate(envelope: npt.NDArray[np.float32], keys: Sequence[str], bins: npt.NDArray[np.int64]) -> Hands | None:
    """Relate key presses to the bands.

    Parameters
    ----------
    envelope
        Of each band, in bins of 10 ms, shape (n, 2).
    keys
        Names of the keys pressed.
    bins
        The bin in which each goes down, shape (keys,).

    Returns
    -------
    Hands or None
        None where there are not enough keys of each hand, or no signal, to tell.
    """
    trains = np.zeros((3, len(envelope)))
    hand = np.array([0 if key in _LEFT else 1 if key in _RIGHT else 2 for key in keys], dtype=np.int64)
    inside = (bins >= 0) & (bins < len(envelope))
    np.add.at(trains, (hand[inside], bins[inside]), 1.0)
    if (
        len(envelope) < 4 * _REACH
        or trains.sum(axis=1)[:2].min() < _FEWEST
        or not (np.median(envelope, axis=0) > 0).all()
    ):
        return None
    activity = np.log(envelope / np.median(envelope, axis=0) + 0.1).T
    responses = _responses(trains, activity)[:2]
    lags = np.arange(-_REACH, _REACH + 1) / BINS
    smooth = np.apply_along_axis(np.convolve, 2, responses, _SMOOTHING, mode="same")
    at = smooth.argmax(axis=2)
    far = np.abs(np.arange(len(lags)) - at[..., np.newaxis]) > BINS // 2
    scatter = np.array([[1.4826 * np.median(np.abs(smooth[h, b][far[h, b]])) for b in (0, 1)] for h in (0, 1)])
    clarity = smooth.max(axis=2) / np.maximum(scatter, 1e-12)
    crossed = clarity[::-1].diagonal().sum() > clarity.diagonal().sum()
    left, right = (responses[1, 0], responses[0, 1]) if crossed else (responses[0, 0], responses[1, 1])
    together = np.convolve(np.correlate(left, right, "full"), _SMOOTHING, mode="same")
    delay = (int(together.argmax()) - (len(lags) - 1)) / BINS
    return Hands(lags, responses, lags[at], clarity, delay)


def _responses(trains: npt.NDArray[np.float64], activity: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give the responses of each activity (2, n) to each train (3, n) by least squares: (3, 2, lags)."""
    trains = trains - trains.mean(axis=1, keepdims=True)
    activity = activity - activity.mean(axis=1, keepdims=True)
    n_points = 1 << (2 * trains.shape[1] - 1).bit_length()
    of_trains, of_activity = np.fft.rfft(trains, n_points), np.fft.rfft(activity, n_points)
    lags = np.arange(-_REACH, _REACH + 1)
    n_trains, n_lags = len(trains), len(lags)
    normal = np.empty((n_trains, n_lags, n_trains, n_lags))
    target = np.empty((n_trains, n_lags, len(activity)))
    for one in range(n_trains):
        for other in range(n_trains):
            together = np.fft.irfft(np.conj(of_trains[one]) * of_trains[other], n_points)
            normal[one, :, other] = together[lags[:, np.newaxis] - lags]
        for band in range(len(activity)):
            target[one, :, band] = np.fft.irfft(np.conj(of_trains[one]) * of_activity[band], n_points)[lags]
    matrix = normal.reshape(n_trains * n_lags, -1)
    matrix[np.diag_indices_from(matrix)] += _RIDGE * matrix.trace() / len(matrix)
    solved = np.linalg.solve(matrix, target.reshape(n_trains * n_lags, -1)).astype(np.float64)
    return solved.reshape(n_trains, n_lags, -1).transpose(0, 2, 1)
