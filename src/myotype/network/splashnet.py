"""SplashNet: normalisation by the signal so far, and one encoder for both hands."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn

from myotype.errors import InputError
from myotype.network import arguments
from myotype.network.layers import Pooling, RotationInvariantMLP, TDSConvEncoder
from myotype.network.pretrained import PretrainedNetwork
from myotype.network.rolling_norm import RollingNorm
from myotype.network.spec_augment import SpecAugment
from myotype.network.streaming import State, check_divided, checked

_MOST_SETTLING_FRAMES: Final = 10_000
"""A stream keeps so many frames at most before it gives any output."""


class SplashNet(PretrainedNetwork):
    """From wristband samples to a score for every key at every frame (arXiv 2506.12356).

    Log spectrogram, its decimal logarithms summed in a few frequency bands, rolling normalisation over time, then for
    each hand a rotation-invariant MLP and time-depth-separable convolutions, the same for both hands and without
    mirroring; a linear head scores the features of the hands together.

    The normalisation has no parameters: it knows a signal by its own past, all of it, from the first sample on. So the
    network is made for signals that are whole, or windows that stand for such; one that begins anew gives nothing
    before `settling_frames` frames of the spectrogram are there, and the frames before that one see up to it. From then
    on the network is causal.

    Precisions, compilation and export are as for :class:`~myotype.network.EMG2QwertyNet`; the normalisation is computed
    in double precision, whatever the network's.

    Parameters
    ----------
    n_outputs, n_chans, sfreq, num_bands, electrodes_per_band, n_fft, hop_length, log_eps
        See :class:`~myotype.network.EMG2QwertyNet`.
    frequency_edges
        The bins of the spectrogram that the frequency bands begin with, and the one after the last.
    settling_frames, norm_eps
        See :class:`~myotype.network.rolling_norm.RollingNorm`.
    mlp_features, rotation_offsets, pooling
        Of one hand: see :class:`~myotype.network.layers.RotationInvariantMLP`.
    block_channels, kernel_width
        Of one hand: see :class:`~myotype.network.layers.TDSConvEncoder`.
    shared
        Whether one encoder serves all hands; else each has its own (see `unshare`).
    log_softmax, activation, drop_prob, return_feature, n_times, input_window_seconds, chs_info
        See :class:`~myotype.network.EMG2QwertyNet`.
    channel_masking, n_masks, mask_param, channel_masking_prob
        Whether and how to mask frequency bands while training. Each window draws how many masks it gets, from none to
        `n_masks`; every electrode draws its own widths, from 0 to ``mask_param - 1`` frequency bands, so that many an
        electrode is masked whole; that is done in the share `channel_masking_prob` of the windows. The fill is 0,
        before the normalisation.

    Attributes
    ----------
    presets
        Arguments of the published networks, "mini" (the defaults) and "full":
        ``SplashNet(**SplashNet.presets["full"])``.
    n_times, input_window_seconds
        Each from the other where only one was given; None where neither was.
    n_features
        Features that the head scores: those of all hands.

    Raises
    ------
    InputError
        If an argument has an impossible value, or two contradict each other.
    """

    architecture: ClassVar[str] = "SplashNet"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": {"mlp_features": (384,), "block_channels": (24, 24, 24, 24)},
        "full": {"mlp_features": (528,), "block_channels": (24, 24, 48, 48)},
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
        frequency_edges: Sequence[int] = (1, 2, 4, 8, 12, 22, 33),
        settling_frames: int = 125,
        norm_eps: float = 0.1,
        mlp_features: Sequence[int] = (384,),
        rotation_offsets: Sequence[int] = (-1, 0, 1),
        pooling: Pooling = "mean",
        block_channels: Sequence[int] = (24, 24, 24, 24),
        kernel_width: int = 32,
        shared: bool = True,
        log_softmax: bool = False,
        activation: type[nn.Module] | str = nn.ReLU,
        drop_prob: float = 0.0,
        channel_masking: bool = False,
        n_masks: int = 2,
        mask_param: int = 12,
        channel_masking_prob: float = 1.0,
        return_feature: bool = False,
        n_times: int | None = None,
        input_window_seconds: float | None = None,
        chs_info: list[dict[str, Any]] | None = None,
    ) -> None:
        config = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        config = _checked(config)
        super().__init__(config)
        self.frequency_bands = FrequencyBands(config["frequency_edges"])
        self.channel_masking = (
            SpecAugment(0, 0, n_masks, mask_param, channel_masking_prob) if channel_masking else nn.Identity()
        )
        self.norm = RollingNorm(config["settling_frames"], config["norm_eps"])
        in_features = config["electrodes_per_band"] * self.frequency_bands.n_bands
        self.encoders = nn.ModuleList(
            HandEncoder(
                RotationInvariantMLP(
                    in_features,
                    config["mlp_features"],
                    config["rotation_offsets"],
                    pooling,
                    arguments.activation_class(activation),
                ),
                TDSConvEncoder(
                    config["mlp_features"][-1],
                    config["block_channels"],
                    config["kernel_width"],
                    arguments.activation_class(activation),
                ),
            )
            for _ in range(1 if shared else config["num_bands"])
        )
        self.dropout = nn.Dropout(drop_prob)
        self.final_layer = nn.Linear(self.n_features, self.n_outputs)

    @property
    def settling_frames(self) -> int:
        """Spectrogram frames that must be there before a stream gives any output."""
        return self.norm.settling_frames

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) of one output frame, from the normalised spectrogram on."""
        encoders: Any = self.encoders  # torch's containers do not say what they hold
        times = self._config["num_bands"] // len(encoders)
        total: int = times * sum(encoder.mlp.multiply_adds + encoder.tds.multiply_adds for encoder in encoders)
        return total + self.final_layer.weight.numel()

    def unshare(self) -> None:
        """Give each hand an encoder of its own, a copy of the one for all, so that they can be tuned apart.

        The configuration follows. An optimiser that was made before knows only the first hand's weights.
        """
        if self._config["shared"]:
            self.encoders.extend([copy.deepcopy(self.encoders[0]) for _ in range(self._config["num_bands"] - 1)])
            self._config["shared"] = False

    def encode(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Compute the features that the head scores: (batch, channels, samples) to (batch, frames, features).

        The state holds the samples that are not used up; the two tensors of the normalisation's state (see
        :class:`~myotype.network.rolling_norm.RollingNorm`); then each convolution's last frames, (batch, hands, frames,
        features of a hand).
        """
        samples, normed, past = (state[0], (state[1], state[2]), state[3:]) if state is not None else (None, None, None)
        x, samples = self.spectrogram(x, samples)
        x, normed = self.norm(self.channel_masking(self.frequency_bands(x)), normed)
        x, past = self._encode_hands(x, past)
        return x, [samples, *normed, *past]

    def encode_whole(self, x: Tensor) -> Tensor:
        """Compute the features of whole inputs: those shorter than what settles the normalisation have some too."""
        x, _ = self.spectrogram(x)
        x = self.norm.whole(self.channel_masking(self.frequency_bands(x)))
        return self._encode_hands(x, None)[0]

    def _encode_hands(self, x: Tensor, past: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """Map (batch, frames, channels, frequency bands) to the features of all hands, left first."""
        weight = self.final_layer.weight
        n_hands = self._config["num_bands"]
        hands = torch.stack(x.to(weight.dtype).chunk(n_hands, dim=2), dim=1)
        if len(self.encoders) < n_hands:  # one for all: the hands are batched
            (encoder,) = self.encoders
            folded = [tensor.flatten(0, 1) for tensor in past] if past is not None else None
            y, past = encoder(hands.flatten(0, 1), folded)
            y, *past = (tensor.reshape(x.shape[0], n_hands, *tensor.shape[1:]) for tensor in (y, *past))
        else:
            pairs = [
                encoder(hands[:, hand], [tensor[:, hand] for tensor in past] if past is not None else None)
                for hand, encoder in enumerate(self.encoders)
            ]
            y = torch.stack([features for features, _ in pairs], dim=1)
            past = [torch.stack(tensors, dim=1) for tensors in zip(*(state for _, state in pairs), strict=True)]
        return y.transpose(1, 2).flatten(2), past  # (batch, frames, hands * features)


class FrequencyBands(nn.Module):
    """Sum the bins of a spectrogram in bands.

    Parameters
    ----------
    edges
        The bins that the bands begin with, and the one after the last.
    """

    def __init__(self, edges: Sequence[int]) -> None:
        super().__init__()
        self.edges = tuple(edges)

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return len(self.edges) - 1

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frames, channels, bins) to (batch, frames, channels, bands)."""
        return torch.stack([x[..., start:end].sum(-1) for start, end in pairwise(self.edges)], dim=-1)


class HandEncoder(nn.Module):
    """The MLP and the convolutions of one hand."""

    def __init__(self, mlp: RotationInvariantMLP, tds: TDSConvEncoder) -> None:
        super().__init__()
        self.mlp = mlp
        self.tds = tds

    def forward(self, x: Tensor, state: Sequence[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """Map (batch, frames, electrodes, bands) to (batch, frames, features); the state is the convolutions'."""
        encoded: tuple[Tensor, list[Tensor]] = self.tds(self.mlp(x), state)
        return encoded


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the constructor's arguments as JSON values, or say which of them is impossible."""
    found = checked(config)
    found["frequency_edges"] = edges = arguments.counts("frequency_edges", config["frequency_edges"], 0)
    n_bins = found["n_fft"] // 2 + 1
    if len(edges) < 2 or any(end <= start for start, end in pairwise(edges)) or edges[-1] > n_bins:
        raise InputError(f"frequency_edges={edges} must be two or more bins in rising order, from 0 to {n_bins}")
    found["settling_frames"] = arguments.count("settling_frames", config["settling_frames"], 1)
    if found["settling_frames"] > _MOST_SETTLING_FRAMES:
        raise InputError(f"settling_frames={found['settling_frames']}: {_MOST_SETTLING_FRAMES} are the most")
    found["norm_eps"] = arguments.number("norm_eps", config["norm_eps"], 1e-12, 1e12)
    for name in ("shared", "channel_masking"):
        found[name] = arguments.flag(name, config[name])
    for name in ("n_masks", "mask_param"):
        found[name] = arguments.count(name, config[name], 0)
    found["channel_masking_prob"] = arguments.number("channel_masking_prob", config["channel_masking_prob"], 0, 1)
    check_divided(found["block_channels"], found["mlp_features"][-1])
    return found
