"""EMG2QwertyNet put together from PyTorch's own layers, as its paper describes it: what ours is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

_BANDS: Final = 2
_ELECTRODES: Final = 16
_N_FFT: Final = 64
_HOP_LENGTH: Final = 16
_BINS: Final = _N_FFT // 2 + 1


class PlainNetwork(nn.Module):
    """The network of Sivakumar et al. 2024 (arXiv 2410.20081); its weights stand in the order of EMG2QwertyNet's.

    Parameters
    ----------
    n_outputs
        Classes.
    mlp_features
        Width of the MLP of each band, of one layer.
    block_channels
        Channels of each pair of TDS blocks.
    kernel_width
        Frames that each convolution sees.
    """

    def __init__(
        self,
        n_outputs: int = 99,
        mlp_features: Sequence[int] = (384,),
        block_channels: Sequence[int] = (24, 24, 24, 24),
        kernel_width: int = 32,
    ) -> None:
        super().__init__()
        (width,) = mlp_features
        features = _BANDS * width
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(_N_FFT, periodic=True), persistent=False)
        self.batch_norm = nn.BatchNorm2d(_BANDS * _ELECTRODES)
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(_ELECTRODES * _BINS, width), nn.ReLU()) for _ in range(_BANDS)
        )
        blocks: list[nn.Module] = []
        for channels in block_channels:
            blocks += [_Convolution(features, channels, kernel_width), _FullyConnected(features)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(features, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, samples), microvolts, to (batch, frames, classes) logits."""
        batch, channels, _ = x.shape
        spectrum = torch.stft(
            x.flatten(0, 1), _N_FFT, _HOP_LENGTH, window=self.window, center=False, return_complex=True
        )  # (batch * channels, bins, frames)
        power = spectrum.abs().square() / self.window.square().sum()
        x = torch.log10(power + 1e-6).reshape(batch, channels, _BINS, -1)
        x = self.batch_norm(x).permute(0, 3, 1, 2)  # (batch, frames, channels, bins)
        bands = []
        for mlp, band in zip(self.mlps, x.chunk(_BANDS, dim=2), strict=True):
            rolls = torch.stack([band.roll(offset, dims=2) for offset in (-1, 0, 1)], dim=2).flatten(3)
            bands.append(mlp(rolls).mean(2))  # (batch, frames, width)
        logits: Tensor = self.head(self.blocks(torch.cat(bands, dim=2)))
        return logits


class _Convolution(nn.Module):
    """A TDS block over time: (batch, frames, features) to kernel_width - 1 frames fewer."""

    def __init__(self, features: int, channels: int, kernel_width: int) -> None:
        super().__init__()
        self.channels = channels
        self.conv = nn.Conv2d(channels, channels, kernel_size=(1, kernel_width))
        self.layer_norm = nn.LayerNorm(features)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, features = x.shape
        image = x.transpose(1, 2).reshape(batch, self.channels, features // self.channels, frames)
        y = self.conv(image).relu().flatten(1, 2).transpose(1, 2)
        normed: Tensor = self.layer_norm(y + x[:, -y.shape[1] :])
        return normed


class _FullyConnected(nn.Module):
    """A TDS block of every frame by itself."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, features))
        self.layer_norm = nn.LayerNorm(features)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.layer_norm(x + self.layers(x))
        return normed
