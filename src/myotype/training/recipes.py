"""Recipes: everything that decides what a training run does, as typed settings with named presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from myotype.errors import InputError

VALIDATION_SEED: Final = 500
"""How far the seeds of validation recordings lie above those of training recordings."""


@dataclass(frozen=True, kw_only=True)
class SimulatedCorpus:
    """Recordings to train on and to validate with, made by the simulator.

    Attributes
    ----------
    typist
        Who types: see :func:`myotype.simulation.simulate`.
    recordings, minutes
        How many recordings there are to train on, each with a donning of its own, and how long each is.
    validation_recordings, validation_minutes
        The same for those that choose the best epoch.
    speeds
        Slowest and fastest typing, keys a second; the recordings are spread between them.
    scrambled
        Share of the prompts to train on whose letters are shuffled: see :class:`myotype.simulation.TextStyle`.
    seed
        Of text, timing and noise. Training takes seeds from it upwards, validation seeds from `seed` + 500 upwards.

    Raises
    ------
    InputError
        If there are more recordings to train on than seeds before those of validation.
    """

    typist: str = "demo"
    recordings: int = 24
    minutes: float = 10.0
    validation_recordings: int = 4
    validation_minutes: float = 3.0
    speeds: tuple[float, float] = (2.0, 4.2)
    scrambled: float = 0.15
    seed: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.recordings <= VALIDATION_SEED or self.validation_recordings < 1:
            raise InputError(
                f"{self.recordings} and {self.validation_recordings} recordings: give 1 to {VALIDATION_SEED} to train "
                "on and at least 1 to validate with"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a training run.

    Attributes
    ----------
    network
        Arguments of :class:`myotype.network.EMG2QwertyNet`.
    window, past, future
        Seconds of a window's core and of the context before and after it. The context after it is the look-ahead: a key
        is emitted that long after its press. A past of None is what the receptive field needs.
    rotation, largest_shift
        Augmentation: offsets in electrodes by which bands are rolled, and samples by which hands are shifted.
    batch_size, epochs
        Windows in a step, and how often the recordings are gone through.
    learning_rate, first_learning_rate, final_learning_rate, warmup_epochs
        Linear warm-up from the first rate, then a cosine to the final one.
    schedule
        Whether the learning rate moves every step or every epoch.
    gradient_clip
        Largest norm of the gradient; None for no bound.
    validate_every
        Epochs from one validation on whole recordings to the next.
    simulated
        The recordings to simulate where none are given; they are held in memory, 0.9 GB an hour.
    seed
        Of initial weights, order, shifts and augmentation.

    Raises
    ------
    InputError
        If a number is impossible.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    window: float = 4.0
    past: float | None = None
    future: float = 0.1
    rotation: tuple[int, ...] = (-1, 0, 1)
    largest_shift: int = 120
    batch_size: int = 32
    epochs: int = 150
    learning_rate: float = 1e-3
    first_learning_rate: float = 1e-8
    final_learning_rate: float = 1e-6
    warmup_epochs: float = 10.0
    schedule: Literal["step", "epoch"] = "epoch"
    gradient_clip: float | None = None
    validate_every: int = 1
    simulated: SimulatedCorpus | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, least in (
            ("epochs", self.epochs, 1),
            ("batch_size", self.batch_size, 1),
            ("validate_every", self.validate_every, 1),
            ("largest_shift", self.largest_shift, 0),
            ("seed", self.seed, 0),
        ):
            if not least <= value < 2**32:
                raise InputError(f"{name}={value}: give a whole number from {least} on")
        if not (self.window > 0 and self.future >= 0 and self.learning_rate > 0 and self.rotation):
            raise InputError("window and learning_rate must be above 0, future not below it, and rotation not empty")


RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        # Sivakumar et al. 2024: the generic baseline.
        "baseline": Recipe(network={"spec_augment": True}, past=0.9),
        # The bundled model. Half the frame rate and a short kernel leave the all-blank plateau in minutes on a CPU.
        "demo": Recipe(
            network={
                "hop_length": 32,
                "mlp_features": [96],
                "block_channels": [8, 8, 8, 8],
                "kernel_width": 8,
                "spec_augment": True,
            },
            batch_size=16,
            epochs=22,
            learning_rate=2e-3,
            first_learning_rate=1e-5,
            warmup_epochs=0.5,
            schedule="step",
            gradient_clip=2.0,
            simulated=SimulatedCorpus(),
        ),
    }
)
