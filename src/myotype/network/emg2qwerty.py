"""EMG2QwertyNet: the TDS-Conv-CTC network of the emg2qwerty generic baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from myotype.errors import InputError
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
    those of a braindecode ``config.json``.

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
    n_times, input_window_seconds, chs_info
        Kept for compatibility of the configuration; any length of input is taken.
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
        activation = _activation_class(activation)
        self._config = config | {
            "mlp_features": list(mlp_features),
            "rotation_offsets": list(rotation_offsets),
            "block_channels": list(block_channels),
            "activation": f"{activation.__module__}.{activation.__name__}",
        }
        self._check_config()
        self.n_chans = n_chans
        self.n_outputs = n_outputs
        self.sfreq = sfreq
        self.hop_length = hop_length
        self.log_softmax = log_softmax
        self.return_feature = return_feature
        self.n_features = num_bands * mlp_features[-1]

        self.spectrogram = LogSpectrogram(n_fft, hop_length, log_eps)
        self.spec_augment = (
            SpecAugment(n_time_masks, time_mask_param, n_freq_masks, freq_mask_param, spec_augment_prob)
            if spec_augment
            else nn.Identity()
        )
        in_features = electrodes_per_band * self.spectrogram.n_bins
        # The numbers are the places in the original release's sequence, 2 being its Flatten; they name the weights.
        self.model = nn.ModuleDict(
            {
                "0": SpectrogramNorm(n_chans),
                "1": MultiBandMLP(num_bands, in_features, mlp_features, rotation_offsets, pooling, activation),
                "3": TDSConvEncoder(self.n_features, block_channels, kernel_width, activation),
            }
        )
        self.dropout = nn.Dropout(drop_prob)
        self.final_layer = nn.Linear(self.n_features, n_outputs)

    def _check_config(self) -> None:
        config = self._config
        for name in ("n_outputs", "n_chans", "num_bands", "electrodes_per_band", "n_fft", "hop_length", "kernel_width"):
            _check_count(name, config[name], 1)
        for name in ("n_time_masks", "time_mask_param", "n_freq_masks", "freq_mask_param"):
            _check_count(name, config[name], 0)
        for name in ("mlp_features", "block_channels"):
            if not config[name]:
                raise InputError(f"{name} is empty: at least one number is needed")
            for value in config[name]:
                _check_count(name, value, 1)
        offsets = config["rotation_offsets"]
        if not offsets or not all(isinstance(offset, int) for offset in offsets):
            raise InputError(f"rotation_offsets={offsets} must be whole numbers, at least one")
        for name, low, high in (
            ("sfreq", 1, 1e6),
            ("log_eps", 1e-30, 1),
            ("drop_prob", 0, 1),
            ("spec_augment_prob", 0, 1),
        ):
            value = config[name]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise InputError(f"{name}={value!r} must be a number from {low:g} to {high:g}")
        if config["pooling"] not in ("mean", "max"):
            raise InputError(f"pooling={config['pooling']!r} must be 'mean' or 'max'")
        self._check_shapes()

    def _check_shapes(self) -> None:
        config = self._config
        bands, electrodes = config["num_bands"], config["electrodes_per_band"]
        if config["n_chans"] != bands * electrodes:
            raise InputError(f"n_chans={config['n_chans']} is not {bands} bands of {electrodes} electrodes")
        features = bands * config["mlp_features"][-1]
        for channels in config["block_channels"]:
            if features % channels:
                raise InputError(f"block_channels: {channels} does not divide the {features} features")
        if config["hop_length"] > config["n_fft"]:
            raise InputError(f"hop_length={config['hop_length']} is longer than the window, n_fft={config['n_fft']}")

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

    def compute_output_lengths(self, n_samples: Tensor) -> Tensor:
        """Give the number of output frames for inputs of the given numbers of samples."""
        frames = torch.div(n_samples - self.receptive_field, self.hop_length, rounding_mode="floor") + 1
        return frames.clamp(min=0)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Score every frame of whole inputs.

        Parameters
        ----------
        x
            (batch, channels, samples), microvolts.

        Returns
        -------
        output
            (batch, frames, classes) logits, or log-probabilities with ``log_softmax``.
        features
            (batch, frames, features), only with ``return_feature``.

        Raises
        ------
        InputError
            If the channels are not the network's or the input is shorter than the receptive field.
        """
        self._check_input(x)
        if x.shape[-1] < self.receptive_field:
            raise InputError(f"{x.shape[-1]} samples are fewer than the receptive field of {self.receptive_field}")
        features, _ = self.encode(x)
        output = self._classify(features)
        return (output, features) if self.return_feature else output

    def forward_with_state(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Score the frames that a piece of a signal completes.

        Parameters
        ----------
        x
            (batch, channels, samples), microvolts; any number of samples, also none.
        state
            What the piece before returned; None at the beginning.

        Returns
        -------
        output
            (batch, frames, classes), as from `forward`; at the beginning there may be no frames.
        state
            For the next piece.
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

    def _check_input(self, x: Tensor) -> None:
        if x.ndim != 3 or x.shape[1] != self.n_chans:
            raise InputError(f"expected samples of shape (batch, {self.n_chans}, samples), got {tuple(x.shape)}")


def _check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}={value!r} must be a whole number from {least} on")


def _activation_class(activation: type[nn.Module] | str) -> type[nn.Module]:
    """Resolve an activation by name, among torch's own activations only."""
    if not isinstance(activation, str):
        return activation
    module, _, name = activation.rpartition(".")
    known = getattr(nn.modules.activation, name, None) if name in nn.modules.activation.__all__ else None
    if module != "torch.nn.modules.activation" or known is None or name == "MultiheadAttention":
        raise InputError(f"activation {activation!r} is none of torch.nn.modules.activation")
    return known  # type: ignore[no-any-return]  # all of that list are module classes
