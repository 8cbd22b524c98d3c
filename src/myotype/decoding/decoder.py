"""What every decoder takes and gives."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from myotype.errors import InputError
from myotype.keyboard import N_LABELS, labels_to_text

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_BLOCK: Final = 1024  # frames that are checked at a time: what is computed of them stays in a core's cache


@dataclass(frozen=True, slots=True)
class Labels:
    """Decoded labels in order.

    Attributes
    ----------
    labels
        (n,) labels of keys.
    frames
        (n,) emission frame in which each begins, counted from the stream's first.
    confidences
        (n,) probabilities, 0 to 1.
    """

    labels: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    frames: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    confidences: FloatArray = field(default_factory=lambda: np.zeros(0, np.float64))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one push of emissions added.

    Attributes
    ----------
    committed
        New labels that will never change.
    pending
        All labels after the committed ones, as they look now.
    n_settled
        Every label that is still to be committed begins in this frame or later.
    """

    committed: Labels = field(default_factory=Labels)
    pending: Labels = field(default_factory=Labels)
    n_settled: int = 0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of whole emissions.

    Attributes
    ----------
    labels
        (n,) labels of keys.
    frames
        (n,) emission frame in which each begins.
    confidences
        (n,) probabilities, 0 to 1.
    score
        Natural logarithm; what it sums up is the decoder's to say.
    """

    labels: IntArray
    frames: IntArray
    confidences: FloatArray
    score: float

    @property
    def text(self) -> str:
        """The key sequence, one symbol a key."""
        return labels_to_text(self.labels)


class DecoderStream(Protocol):
    """A decoder at work on one stream of emissions."""

    def push(self, emissions: npt.NDArray[np.floating]) -> Decoded:
        """Decode the next emissions, (frames, labels) natural-log probabilities; any number of frames."""

    def finish(self) -> Decoded:
        """Commit what is pending: the stream has ended."""

    def copy(self) -> Self:
        """Give an independent stream that goes on from the same point."""


class Decoder(Protocol):
    """Turns emissions into labels; shared and read-only, while each stream owns its state."""

    def decode(self, emissions: npt.NDArray[np.floating], n_best: int = 1) -> list[Hypothesis]:
        """Decode whole emissions into at most `n_best` hypotheses, best first."""

    def stream(self) -> DecoderStream:
        """Begin a new stream."""


def joined(parts: Sequence[Labels]) -> Labels:
    """Give labels one after another."""
    parts = [part for part in parts if len(part)] or [Labels()]
    if len(parts) == 1:
        return parts[0]
    return Labels(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.confidences for part in parts]),
    )


def whole_number(name: str, value: SupportsIndex, least: int, most: int | None = None) -> int:
    """Give a whole number in a range.

    Raises
    ------
    InputError
        If it is none, or outside.
    """
    expected = f"expected a whole number from {least} up" if most is None else f"expected {least} to {most}"
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name}={value!r}: {expected}") from None
    if number < least or (most is not None and number > most):
        raise InputError(f"{name}={value!r}: {expected}")
    return number


def check_emissions(emissions: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Refuse what are not natural-log probabilities of all labels.

    Raises
    ------
    InputError
        If the shape is not (frames, labels), a value is NaN or above 0 by more than rounding, or the probabilities of a
        frame are far from summing to 1.
    """
    emissions = np.asarray(emissions)
    if emissions.ndim != 2 or emissions.shape[1] != N_LABELS:
        raise InputError(f"emissions have shape {emissions.shape}; expected (frames, {N_LABELS})")
    if emissions.dtype.kind != "f":
        raise InputError(f"emissions have type {emissions.dtype}; expected floating-point numbers")
    precision = np.result_type(emissions.dtype, np.float32)
    for start in range(0, len(emissions), _BLOCK):
        block = emissions[start : start + _BLOCK]
        if not block.max() <= 1e-3:  # NaN fails this too
            frame = start + int(np.argmin((block <= 1e-3).all(axis=1)))
            raise InputError(f"emissions are not log-probabilities: frame {frame} has a value that is NaN or above 0")
        sums = np.exp(block).sum(axis=1, dtype=precision)
        fine = (sums >= 0.5) & (sums <= 1.01)
        if not fine.all():
            frame = start + int(np.argmin(fine))
            message = f"the probabilities of frame {frame} sum to {sums[frame - start]:.3g}"
            raise InputError(f"emissions are not log-probabilities: {message}")
    return emissions
