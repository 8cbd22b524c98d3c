"""What the networks have in common on the way from samples to scores: their input, their output, their stream."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from myotype.errors import InputError
from myotype.network import arguments
from myotype.network.layers import LogSpectrogram

State = list[Tensor]
"""What a network still needs of the signal so far, the batch first: see :mod:`myotype.network.layers`."""


class StreamingNetwork(nn.Module):
    """A log spectrogram, layers that make features of it, and a linear head that scores every key at every frame.

    What comes between spectrogram and head is the business of `encode`.

    Parameters
    ----------
    config
        The constructor's arguments as `checked` gives them.

    Attributes
    ----------
    n_times, input_window_seconds
        Each from the other where only one was given; None where neither was.
    n_features
        Features that the head scores.
    """

    dropout: nn.Dropout
    final_layer: nn.Linear

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self._config = dict(config)
        self.n_outputs: int = config["n_outputs"]
        self.n_chans: int = config["n_chans"]
        self.sfreq: float = config["sfreq"]
        self.n_times: int | None = config["n_times"]
        self.input_window_seconds: float | None = config["input_window_seconds"]
        if self.n_times is not None:
            self.input_window_seconds = self.input_window_seconds or self.n_times / self.sfreq
        elif self.input_window_seconds is not None:
            self.n_times = round(self.input_window_seconds * self.sfreq)
        self.chs_info: list[dict[str, Any]] | None = copy.deepcopy(config["chs_info"])
        self.hop_length: int = config["hop_length"]
        self.log_softmax: bool = config["log_softmax"]
        self.return_feature: bool = config["return_feature"]
        self.n_features: int = config["num_bands"] * config["mlp_features"][-1]
        self.spectrogram = LogSpectrogram(config["n_fft"], self.hop_length, config["log_eps"])

    def get_config(self) -> dict[str, Any]:
        """Give the constructor's arguments as JSON values."""
        return copy.deepcopy(self._config)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one input of the length that the network is meant for: (1, n_chans, n_times).

        Raises
        ------
        InputError
            If neither ``n_times`` nor ``input_window_seconds`` was given.
        """
        if self.n_times is None:
            raise InputError("the length of the input is not known: give n_times or input_window_seconds")
        return (1, self.n_chans, self.n_times)

    @property
    def context_frames(self) -> int:
        """Spectrogram frames that the features of a frame are computed from, besides its own."""
        blocks: int = len(self._config["block_channels"])
        return blocks * (int(self._config["kernel_width"]) - 1)

    @property
    def receptive_field(self) -> int:
        """Samples that the features of a frame are computed from."""
        return self.spectrogram.n_fft + self.context_frames * self.hop_length

    @property
    def settling_frames(self) -> int:
        """Spectrogram frames that must be there before a stream gives any output; 0 for those of its context alone."""
        return 0

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) of one output frame, from the normalised spectrogram on."""
        raise NotImplementedError

    def compute_output_lengths(self, n_samples: Tensor | Sequence[int] | int) -> Tensor:
        """Give the number of output frames for inputs of the given numbers of samples, as a tensor of their shape."""
        if not isinstance(n_samples, Tensor):
            n_samples = torch.tensor(n_samples, dtype=torch.int64)
        samples = n_samples.to(torch.int64)  # differences would overflow narrow types; there are fewer frames
        frames = torch.div(samples - self.receptive_field, self.hop_length, rounding_mode="floor") + 1
        return frames.clamp(min=0).to(n_samples.dtype)

    def get_output_shape(self) -> tuple[int, int, int]:
        """Give the shape of the output for an input of `input_shape`: (1, frames, n_outputs). Nothing is run.

        Raises
        ------
        InputError
            If the length of the input is not known, or is less than the receptive field.
        """
        n_samples = self.input_shape[-1]
        self._check_length(n_samples)
        n_frames = self.compute_output_lengths(torch.tensor(n_samples, device="cpu")).item()
        return (1, int(n_frames), self.n_outputs)

    def reset_head(self, n_outputs: int) -> None:
        """Put a new head with random weights in the old one's place, for another number of classes.

        Parameters
        ----------
        n_outputs
            Classes of the new head; the configuration follows.

        Raises
        ------
        InputError
            If that is not a whole number from 1 on.
        """
        n_outputs = arguments.count("n_outputs", n_outputs, 1)
        weight = self.final_layer.weight
        self.final_layer = nn.Linear(self.n_features, n_outputs, device=weight.device, dtype=weight.dtype)
        self.final_layer.train(self.training)
        self.n_outputs = self._config["n_outputs"] = n_outputs

    def forward(
        self,
        x: Tensor,
        return_features: bool = False,  # noqa: FBT001, FBT002  (braindecode's own signature)
    ) -> Tensor | tuple[Tensor, Tensor] | dict[str, Tensor | None]:
        """Score every frame of whole inputs.

        Parameters
        ----------
        x
            (batch, channels, samples), microvolts, of a floating type.
        return_features
            Give the features alone and let the head rest.

        Returns
        -------
        output
            (batch, frames, classes) logits, or log-probabilities with ``log_softmax``. With the constructor's
            ``return_feature`` a pair: the output, and the (batch, frames, features) that the head scores, before any
            dropout. With ``return_features`` a dictionary: those under ``"features"``, and None under ``"cls_token"``,
            which this network has not.

        Raises
        ------
        InputError
            If the channels are not the network's, the samples are no floating-point numbers, or the input is shorter
            than the receptive field.
        """
        self._check_input(x)
        self._check_length(x.shape[-1])
        features = self.encode_whole(x)
        if return_features:
            return {"features": features, "cls_token": None}
        output = self._classify(features)
        return (output, features) if self.return_feature else output

    def forward_with_state(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Score the frames that a piece of a signal completes.

        Parameters
        ----------
        x
            (batch, channels, samples), microvolts, of a floating type; any number of samples, also none.
        state
            What the piece before returned; None at the beginning.

        Returns
        -------
        output
            (batch, frames, classes), as from `forward`; at the beginning there may be no frames.
        state
            For the next piece: samples in the precision of the spectrogram, frames in that of the weights.

        Raises
        ------
        InputError
            If the channels are not the network's, or the samples are no floating-point numbers.
        """
        self._check_input(x)
        features, state = self.encode(x, state)
        return self._classify(features), state

    def encode(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Compute the features that the head scores: (batch, channels, samples) to (batch, frames, features)."""
        raise NotImplementedError

    def encode_whole(self, x: Tensor) -> Tensor:
        """Compute the features of whole inputs, which no piece follows."""
        return self.encode(x)[0]

    def _classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.final_layer(self.dropout(features))
        return logits.log_softmax(-1) if self.log_softmax else logits

    def _check_input(self, x: object) -> None:
        if not isinstance(x, Tensor):
            raise InputError(f"expected samples as a tensor, got {type(x).__name__}: torch.as_tensor makes one")
        if x.ndim != 3 or x.shape[1] != self.n_chans:
            raise InputError(f"expected samples of shape (batch, {self.n_chans}, samples), got {tuple(x.shape)}")
        if not x.is_floating_point():
            raise InputError(f"expected floating-point samples, got {x.dtype}: convert them to float32, in microvolts")

    def _check_length(self, n_samples: int) -> None:
        if n_samples < self.receptive_field:
            raise InputError(f"{n_samples} samples are fewer than the receptive field of {self.receptive_field}")


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments that every network has as JSON values, and its others as they are.

    Raises
    ------
    InputError
        If one of them has an impossible value, or two contradict each other.
    """
    found = dict(config)
    for name in ("n_outputs", "n_chans", "num_bands", "electrodes_per_band", "n_fft", "hop_length", "kernel_width"):
        found[name] = arguments.count(name, config[name], 1)
    for name in ("mlp_features", "block_channels"):
        found[name] = arguments.counts(name, config[name], 1)
    found["rotation_offsets"] = arguments.counts("rotation_offsets", config["rotation_offsets"])
    for name, low, high in (("sfreq", 1, 1e6), ("log_eps", 1e-30, 1), ("drop_prob", 0, 1)):
        found[name] = arguments.number(name, config[name], low, high)
    for name in ("log_softmax", "return_feature"):
        found[name] = arguments.flag(name, config[name])
    if config["pooling"] not in ("mean", "max"):
        raise InputError(f"pooling={config['pooling']!r} must be 'mean' or 'max'")
    activation = arguments.activation_class(config["activation"])
    found["activation"] = f"{activation.__module__}.{activation.__name__}"
    found["n_times"], found["input_window_seconds"] = arguments.window(
        config["n_times"], config["input_window_seconds"], found["sfreq"]
    )
    found["chs_info"] = arguments.channels(config["chs_info"], found["n_chans"])
    bands, electrodes = found["num_bands"], found["electrodes_per_band"]
    if found["n_chans"] != bands * electrodes:
        raise InputError(f"n_chans={found['n_chans']} is not {bands} bands of {electrodes} electrodes")
    if found["hop_length"] > found["n_fft"]:
        raise InputError(f"hop_length={found['hop_length']} is longer than the window, n_fft={found['n_fft']}")
    return found


def check_divided(block_channels: Sequence[int], features: int) -> None:
    """Refuse channels of TDS blocks that do not divide their features.

    Raises
    ------
    InputError
        If one of them does not.
    """
    for channels in block_channels:
        if features % channels:
            raise InputError(f"block_channels: {channels} does not divide the {features} features")
