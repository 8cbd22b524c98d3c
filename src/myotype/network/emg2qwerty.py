"""EMG2QwertyNet: the TDS-Conv-CTC network of the emg2qwerty generic baseline."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from myotype.errors import InputError
from myotype.network import arguments
from myotype.network.layers import (
    LogSpectrogram,
    MultiBandMLP,
    Pooling,
    SpectrogramNorm,
    TDSConv2dBlock,
    TDSConvEncoder,
)
from myotype.network.pretrained import PretrainedNetwork
from myotype.network.spec_augment import SpecAugment

State = list[Tensor]
"""Unused samples, then each convolution's last frames: see :mod:`myotype.network.layers`."""


class EMG2QwertyNet(PretrainedNetwork):
    """From wristband samples to a score for every key at every frame (Sivakumar et al. 2024, arXiv 2410.20081).

    Log spectrogram, batch normalisation, one rotation-invariant MLP a band, time-depth-separable convolutions, and a
    linear head. The network is causal: frame i sees samples [hop * i, hop * i + receptive_field). The arguments are
    those of a braindecode ``config.json``, and the network stands in for braindecode's class of this name.

    Samples of any floating type are taken, and the log spectrogram is computed in single precision at least; all else
    has the precision of the weights (``double``, ``half`` and ``bfloat16`` work, and so does autocast).
    ``torch.compile`` takes the network as one graph; for lengths that change while gradients are recorded it wants
    ``dynamic=False`` (torch 2.13's default compiler fails otherwise). ``torch.export`` takes batch and time as dynamic
    dimensions: time as ``torch.export.Dim.DYNAMIC``, from two output frames (`receptive_field` + `hop_length` samples)
    on, as a named dimension has no way of saying that frames are whole hops.

    Parameters
    ----------
    n_outputs
        Classes, the CTC blank last.
    n_chans
        Channels: ``num_bands`` times ``electrodes_per_band``.
    sfreq
        Samples a second.
    num_bands, electrodes_per_band
        Wristbands, and electrodes in the ring of each.
    n_fft, hop_length, log_eps
        See :class:`~myotype.network.layers.LogSpectrogram`.
    mlp_features, rotation_offsets, pooling
        See :class:`~myotype.network.layers.RotationInvariantMLP`.
    block_channels, kernel_width
        See :class:`~myotype.network.layers.TDSConvEncoder`.
    log_softmax
        Give log-probabilities rather than logits.
    activation
        Class of the activations, or its dotted name in torch.
    drop_prob
        Dropout before the head.
    spec_augment, n_time_masks, time_mask_param, n_freq_masks, freq_mask_param, spec_augment_prob
        Whether and how to mask while training: see :class:`~myotype.network.spec_augment.SpecAugment`. As in the
        original release the counts are drawn for each window and the fill is 0; braindecode draws the counts once a
        batch and fills with the batch's mean.
    return_feature
        Make ``forward`` return (output, features).
    n_times, input_window_seconds
        Length of the inputs that the network is meant for, in samples or seconds; where both are given, ``n_times`` is
        ``round(input_window_seconds * sfreq)``. It bounds nothing: any length is taken.
    chs_info
        A description of every channel, such as MNE's ``info["chs"]``: kept, as JSON values, for whoever reads it.

    Attributes
    ----------
    n_times, input_window_seconds
        Each from the other where only one was given; None where neither was.
    n_features
        Features that the head scores.

    Raises
    ------
    InputError
        If an argument has an impossible value, or two contradict each other.
    """

    mapping: ClassVar[Mapping[str, str]] = {
        "model.4.weight": "final_layer.weight",
        "model.4.bias": "final_layer.bias",
    }

    def __init__(
        self,
        *,
        n_outputs: int = 99,
        n_chans: int = 32,
        sfreq: float = 2000,
        num_bands: int = 2,
        electrodes_per_band: int = 16,
        n_fft: int = 64,
        hop_length: int = 16,
        log_eps: float = 1e-6,
        mlp_features: Sequence[int] = (384,),
        rotation_offsets: Sequence[int] = (-1, 0, 1),
        pooling: Pooling = "mean",
        block_channels: Sequence[int] = (24, 24, 24, 24),
        kernel_width: int = 32,
        log_softmax: bool = False,
        activation: type[nn.Module] | str = nn.ReLU,
        drop_prob: float = 0.0,
        spec_augment: bool = False,
        n_time_masks: int = 3,
        time_mask_param: int = 25,
        n_freq_masks: int = 2,
        freq_mask_param: int = 4,
        spec_augment_prob: float = 1.0,
        return_feature: bool = False,
        n_times: int | None = None,
        input_window_seconds: float | None = None,
        chs_info: list[dict[str, Any]] | None = None,
    ) -> None:
        config = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        self._config = config = _checked(config)
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
        self.log_softmax = log_softmax
        self.return_feature = return_feature
        mlp_features = config["mlp_features"]
        self.n_features: int = config["num_bands"] * mlp_features[-1]

        self.spectrogram = LogSpectrogram(config["n_fft"], self.hop_length, config["log_eps"])
        self.spec_augment = (
            SpecAugment(n_time_masks, time_mask_param, n_freq_masks, freq_mask_param, spec_augment_prob)
            if spec_augment
            else nn.Identity()
        )
        activation = arguments.activation_class(activation)
        in_features = config["electrodes_per_band"] * self.spectrogram.n_bins
        offsets, channels = config["rotation_offsets"], config["block_channels"]
        # The numbers are the places in the original release's sequence, 2 being its Flatten; they name the weights.
        self.model = nn.ModuleDict(
            {
                "0": SpectrogramNorm(self.n_chans),
                "1": MultiBandMLP(config["num_bands"], in_features, mlp_features, offsets, pooling, activation),
                "3": TDSConvEncoder(self.n_features, channels, config["kernel_width"], activation),
            }
        )
        self.dropout = nn.Dropout(drop_prob)
        self.final_layer = nn.Linear(self.n_features, self.n_outputs)

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
        """Spectrogram frames that an output frame sees before its own."""
        blocks: int = len(self._config["block_channels"])
        return blocks * (int(self._config["kernel_width"]) - 1)

    @property
    def receptive_field(self) -> int:
        """Samples that an output frame sees."""
        return self.spectrogram.n_fft + self.context_frames * self.hop_length

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) of one output frame, from the normalised spectrogram on."""
        config = self._config
        total = len(config["rotation_offsets"]) * sum(
            module.weight.numel() for module in self.model["1"].modules() if isinstance(module, nn.Linear)
        )
        for module in self.model["3"].modules():
            if isinstance(module, TDSConv2dBlock):
                total += module.conv2d.weight.numel() * module.width
            elif isinstance(module, nn.Linear):
                total += module.weight.numel()
        return total + self.final_layer.weight.numel()

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
        features, _ = self.encode(x)
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
        samples, past = (state[0], state[1:]) if state is not None else (None, None)
        x, samples = self.spectrogram(x, samples)
        x = self.model["0"](self.spec_augment(x))
        x = self.model["1"](x)
        x, past = self.model["3"](x, past)
        return x, [samples, *past]

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


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the constructor's arguments as JSON values, or say which of them is impossible."""
    checked = dict(config)
    for name in ("n_outputs", "n_chans", "num_bands", "electrodes_per_band", "n_fft", "hop_length", "kernel_width"):
        checked[name] = arguments.count(name, config[name], 1)
    for name in ("n_time_masks", "time_mask_param", "n_freq_masks", "freq_mask_param"):
        checked[name] = arguments.count(name, config[name], 0)
    for name in ("mlp_features", "block_channels"):
        checked[name] = arguments.counts(name, config[name], 1)
    checked["rotation_offsets"] = arguments.counts("rotation_offsets", config["rotation_offsets"])
    for name, low, high in (("sfreq", 1, 1e6), ("log_eps", 1e-30, 1), ("drop_prob", 0, 1), ("spec_augment_prob", 0, 1)):
        checked[name] = arguments.number(name, config[name], low, high)
    for name in ("log_softmax", "spec_augment", "return_feature"):
        checked[name] = arguments.flag(name, config[name])
    if config["pooling"] not in ("mean", "max"):
        raise InputError(f"pooling={config['pooling']!r} must be 'mean' or 'max'")
    activation = arguments.activation_class(config["activation"])
    checked["activation"] = f"{activation.__module__}.{activation.__name__}"
    checked["n_times"], checked["input_window_seconds"] = arguments.window(
        config["n_times"], config["input_window_seconds"], checked["sfreq"]
    )
    checked["chs_info"] = arguments.channels(config["chs_info"], checked["n_chans"])
    _check_shapes(checked)
    return checked


def _check_shapes(config: Mapping[str, Any]) -> None:
    bands, electrodes = config["num_bands"], config["electrodes_per_band"]
    if config["n_chans"] != bands * electrodes:
        raise InputError(f"n_chans={config['n_chans']} is not {bands} bands of {electrodes} electrodes")
    features = bands * config["mlp_features"][-1]
    for channels in config["block_channels"]:
        if features % channels:
            raise InputError(f"block_channels: {channels} does not divide the {features} features")
    if config["hop_length"] > config["n_fft"]:
        raise InputError(f"hop_length={config['hop_length']} is longer than the window, n_fft={config['n_fft']}")
