"""Recipes: everything that decides what a training run does, as typed settings with named presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from myotype.errors import InputError
from myotype.keyboard import BLANK
from myotype.network.architectures import class_of
from myotype.network.pretrained import PretrainedNetwork
from myotype.network.streaming import StreamingNetwork
from myotype.recordings.recording import N_CHANNELS
from myotype.simulation import person
from myotype.simulation.simulate import LONGEST
from myotype.training.settings import check_types

_RING: Final = N_CHANNELS // 2  # electrodes of a band
_MOST: Final = 1e6  # no number of seconds, and no rate, is beyond this
_SPEEDS: Final = (0.1, 20.0)  # keys a second that the simulator takes

VALIDATION_SEED: Final = 500
"""How far the seeds of validation recordings lie above those of training recordings."""

MASKS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "EMG2QwertyNet": (
            "spec_augment",
            ("n_time_masks", "time_mask_param", "n_freq_masks", "freq_mask_param", "spec_augment_prob"),
        ),
        "SplashNet": ("channel_masking", ("n_masks", "mask_param", "channel_masking_prob")),
    }
)
"""Which argument of a network switches its masks on, and which say how they are."""


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
        If a setting is impossible, or there are more recordings to train on than seeds before those of validation.
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
        check_types(self)
        if not 1 <= self.recordings <= VALIDATION_SEED or self.validation_recordings < 1:
            raise InputError(
                f"{self.recordings} and {self.validation_recordings} recordings: give 1 to {VALIDATION_SEED} to train "
                "on and at least 1 to validate with"
            )
        for name in ("minutes", "validation_minutes"):
            if not 0 < getattr(self, name) <= LONGEST / 60:
                raise InputError(f"{name}={getattr(self, name)}: give a number above 0 and up to {LONGEST / 60:g}")
        (least, most), (slowest, fastest) = _SPEEDS, self.speeds
        if not least <= slowest <= fastest <= most:
            raise InputError(f"speeds={self.speeds}: give slowest and fastest, {least:g} to {most:g} keys a second")
        if not 0 <= self.scrambled <= 1:
            raise InputError(f"scrambled={self.scrambled}: give a share from 0 to 1")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed={self.seed}: give a whole number from 0 to {2**32 - 1}")
        person(self.typist)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a training run.

    Attributes
    ----------
    architecture
        Which network.
    network
        Arguments of its class, where they are not the default ones; masks of the spectrogram are among them.
    window, past, future
        Seconds of a window's core and of the context before and after it. The context after it is the look-ahead: a key
        is emitted that long after its press. A past of None is what the receptive field needs.
    latest
        Seconds after its press by which a key has to be emitted, and not before the press: alignments that emit it
        elsewhere do not count in the loss. None leaves CTC free to place it, as in the emg2qwerty baseline.
    rotation, largest_shift
        Augmentation: offsets in electrodes by which bands are rolled, and samples by which hands are shifted.
    balanced
        Whether every person is seen equally often, whatever their minutes.
    windows_per_epoch
        Windows in an epoch; None for all that there are.
    batch_size
        Windows in a step, over all processes and pieces.
    accumulate
        In how many pieces each process computes its share of a step, one after the other, to need less memory.
    epochs
        How often that is gone through.
    optimizer, weight_decay
        Adam, or Adam with decoupled weight decay.
    learning_rate, first_learning_rate, final_learning_rate, warmup_epochs
        Linear warm-up from the first rate, then a cosine to the final one.
    schedule
        Whether the learning rate moves every step or every epoch.
    gradient_clip
        Largest norm of the gradient; None for no bound.
    ema
        Decay, a step, of the running average of the weights that is validated and kept; None for the weights as they
        are.
    precision
        Of the network's products: single; or half where that is enough, as bfloat16 or, on GPUs, as float16.
    validate_every
        Epochs from one validation to the next.
    choose_by
        Whether the best epoch is the one with the lowest error rate on whole recordings, or on windows of them.
    patience
        Validations in a row without a better one after which a run ends; None to go on to the last epoch.
    plateau
        Share of the run after which a network that still emits next to nothing ends it; 1 lets it go on.
    simulated
        The recordings to simulate where none are given; they are held in memory, 0.9 GB an hour.
    seed
        Of initial weights, order, shifts and augmentation.

    Raises
    ------
    InputError
        If a setting is impossible, or two contradict each other.
    """

    architecture: Literal["EMG2QwertyNet", "SplashNet"] = "EMG2QwertyNet"
    network: Mapping[str, Any] = field(default_factory=dict)
    window: float = 4.0
    past: float | None = None
    future: float = 0.1
    latest: float | None = None
    rotation: tuple[int, ...] = (-1, 0, 1)
    largest_shift: int = 120
    balanced: bool = False
    windows_per_epoch: int | None = None
    batch_size: int = 32
    accumulate: int = 1
    epochs: int = 150
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    learning_rate: float = 1e-3
    first_learning_rate: float = 1e-8
    final_learning_rate: float = 1e-6
    warmup_epochs: float = 10.0
    schedule: Literal["step", "epoch"] = "epoch"
    gradient_clip: float | None = None
    ema: float | None = None
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    validate_every: int = 1
    choose_by: Literal["recordings", "windows"] = "recordings"
    patience: int | None = None
    plateau: float = 0.4
    simulated: SimulatedCorpus | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        self._check_numbers()
        if self.optimizer == "adam" and self.weight_decay:
            raise InputError(f"weight_decay={self.weight_decay} needs the optimizer 'adamw'")
        if self.warmup_epochs >= self.epochs > 1:
            raise InputError(
                f"warmup_epochs={self.warmup_epochs} leaves nothing of {self.epochs} epochs: take fewer, or more epochs"
            )
        if max(self.first_learning_rate, self.final_learning_rate) > self.learning_rate:
            raise InputError("first_learning_rate and final_learning_rate must not be above learning_rate")
        if self.latest is not None and self.latest < self.future:
            raise InputError(
                f"latest={self.latest} is less than future={self.future}: keys would have to be read before the signal "
                "after them is used"
            )
        switch, strengths = MASKS[self.architecture]
        idle = [name for name in strengths if name in self.network]
        if idle and not self.network.get(switch, False):
            raise InputError(f"{', '.join(idle)} in network has no effect without {switch}=true")

    def _check_numbers(self) -> None:
        whole: tuple[tuple[str, int | None, int], ...] = (
            ("epochs", self.epochs, 1),
            ("batch_size", self.batch_size, 1),
            ("accumulate", self.accumulate, 1),
            ("validate_every", self.validate_every, 1),
            ("windows_per_epoch", self.windows_per_epoch, 1),
            ("patience", self.patience, 1),
            ("largest_shift", self.largest_shift, 0),
            ("seed", self.seed, 0),
        )
        for name, value, least in whole:
            if value is not None and not least <= value < 2**32:
                raise InputError(f"{name}={value}: give a whole number from {least} to {2**32 - 1}")
        positive = ("window", "learning_rate", "gradient_clip", "latest")
        at_least_0 = ("past", "future", "first_learning_rate", "final_learning_rate", "warmup_epochs", "weight_decay")
        for name in (*positive, *at_least_0):
            number: float | None = getattr(self, name)
            if number is not None and not (0 <= number <= _MOST and (number or name in at_least_0)):
                begin = "from" if name in at_least_0 else "above"
                raise InputError(f"{name}={number}: give a number {begin} 0, and up to {_MOST:g}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise InputError(f"ema={self.ema}: give a decay between 0 and 1, such as 0.999, or none")
        if not 0 < self.plateau <= 1:
            raise InputError(f"plateau={self.plateau}: give a share of the run, above 0 and up to 1")
        if not self.rotation:
            raise InputError("rotation is empty: give 0 alone to roll no bands")
        if max(map(abs, self.rotation)) >= _RING:
            raise InputError(f"rotation={self.rotation}: bands have {_RING} electrodes, so give offsets below that")
        if self.batch_size % self.accumulate:
            raise InputError(f"batch_size={self.batch_size} does not part into accumulate={self.accumulate} pieces")

    @property
    def augmentation(self) -> tuple[str, ...]:
        """What is done to windows so that none is seen twice as it is, in order; empty for nothing."""
        switch, _ = MASKS[self.architecture]
        steps = {
            f"bands rolled by {', '.join(map(str, self.rotation))} electrodes": any(self.rotation),
            f"hands shifted by up to {self.largest_shift} samples": self.largest_shift > 0,
            f"masks ({switch})": bool(self.network.get(switch, False)),
        }
        return tuple(step for step, done in steps.items() if done)

    def build(self) -> PretrainedNetwork:
        """Build the network, with random weights.

        Raises
        ------
        InputError
            If `network` has a name that the architecture does not know, or an impossible value, or makes a network
            that is not for two wristbands and the keys.
        """
        kind = class_of(self.architecture, "the recipe")
        try:
            network = kind(**self.network)
        except TypeError as error:
            raise InputError(f"network: {self.architecture} takes no such argument: {error}") from error
        check_layout(network)
        return network


def check_layout(network: StreamingNetwork) -> None:
    """See that a network is for what recordings have: two bands of 16 electrodes, and the 98 keys besides the blank.

    Raises
    ------
    InputError
        If it is not.
    """
    wanted = {"num_bands": 2, "electrodes_per_band": _RING, "n_outputs": BLANK + 1}
    config = network.get_config()
    wrong = [
        f"{name}={config[name]} where {value} is needed" for name, value in wanted.items() if config[name] != value
    ]
    if wrong:
        raise InputError(f"the network is not for the recordings that there are: it has {', '.join(wrong)}")


_SMALL: Final = {"hop_length": 32, "mlp_features": [96], "block_channels": [8, 8, 8, 8], "kernel_width": 8}

RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        # Sivakumar et al. 2024: the generic baseline.
        "baseline": Recipe(network={"spec_augment": True}, past=0.9, plateau=1.0),
        # Our own: see docs/training.md for what each of its parts is worth.
        "best": Recipe(
            architecture="SplashNet",
            network={
                "hop_length": 32,
                "settling_frames": 62,
                "kernel_width": 8,
                "channel_masking": True,
                "mask_param": 4,
            },
            window=8.0,
            latest=0.12,
            balanced=True,
            batch_size=8,
            epochs=60,
            optimizer="adamw",
            weight_decay=0.01,
            learning_rate=2e-3,
            first_learning_rate=1e-5,
            warmup_epochs=1.0,
            schedule="step",
            gradient_clip=2.0,
            ema=0.999,
        ),
        # The bundled model. Half the frame rate and a short kernel leave the all-blank plateau in minutes on a CPU.
        "demo": Recipe(
            network={**_SMALL, "spec_augment": True},
            batch_size=16,
            epochs=22,
            learning_rate=2e-3,
            first_learning_rate=1e-5,
            warmup_epochs=0.5,
            schedule="step",
            gradient_clip=2.0,
            simulated=SimulatedCorpus(),
        ),
        # arXiv 2506.12356: windows of 16 s, masks that blank whole electrodes, one encoder for both hands. What its
        # facts do not say (optimiser, batch, epochs) is the baseline's.
        "splashnet-mini": Recipe(
            architecture="SplashNet", network={"channel_masking": True}, window=16.0, batch_size=8, plateau=1.0
        ),
        "splashnet": Recipe(
            architecture="SplashNet",
            network={"channel_masking": True, "mlp_features": [528], "block_channels": [24, 24, 48, 48]},
            window=16.0,
            batch_size=8,
            plateau=1.0,
        ),
    }
)
