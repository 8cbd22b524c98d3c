"""Streaming layers: each maps ``(x, state)`` to ``(y, state)``, and an absent state means "from the beginning".

A layer's state is what it still needs of its past input. Feeding a signal in pieces, each with the state that the piece
before returned, gives the same output as feeding it whole, whatever the pieces. States are plain tensors (or lists of
them), so they can be copied, compared, and stacked into batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call

Pooling = Literal["mean", "max"]


class LogSpectrogram(nn.Module):
    """Log power spectrogram of every channel, from samples as they come.

    The short-time Fourier transform is a strided convolution with the windowed cosines and sines, so that it runs
    wherever convolutions run. Power is divided by the window's energy; log10(power + eps) is taken. Nothing is padded
    and frames are not centred: frame i is computed from samples [hop * i, hop * i + n_fft).

    It is computed in single precision at least, whatever the precision of the network, of the samples and of autocast:
    the power of EMG spans more than half precision can hold. The basis is no weight. It is not in the state dict, and
    it is computed anew, in double precision first, whenever the module changes its precision or device.

    Parameters
    ----------
    n_fft
        Window length in samples; the window is a periodic Hann window.
    hop_length
        Samples from one frame to the next.
    log_eps
        Added to the power before the logarithm.
    """

    def __init__(self, n_fft: int = 64, hop_length: int = 16, log_eps: float = 1e-6) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.log_eps = log_eps
        self.n_bins = n_fft // 2 + 1
        self.register_buffer("basis", torch.empty(0), persistent=False)
        self.basis: Tensor  # (2 * n_bins, 1, n_fft): cosines, then sines
        self.follow(torch.empty(0))  # wherever and however torch makes new tensors by default

    def follow(self, weight: Tensor) -> None:
        """Compute the basis anew to go with weights like this one: on its device, in its precision or better."""
        dtype = torch.promote_types(weight.dtype, torch.float32)
        self.basis = _windowed_waves(self.n_fft).to(weight.device, dtype).unsqueeze(1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:  # noqa: FBT001, FBT002  (torch's own)
        # Every change of precision or device passes here. What was rounded once stays so, and to_empty leaves rubbish.
        before = self.basis
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch says nothing of its types
        if self.basis is not before:
            self.follow(self.basis)
        return self

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Transform samples into frames.

        Parameters
        ----------
        x
            (batch, channels, samples), of any floating type.
        state
            (batch, channels, at most n_fft - 1): samples that were not yet used up.

        Returns
        -------
        frames
            (batch, frames, channels, bins), of the basis' type.
        state
            For the next call, of the basis' type.
        """
        if state is not None:
            x = torch.cat([state, x], dim=-1)
        if x.dtype != self.basis.dtype:
            x = x.to(self.basis.dtype)
        batch, channels, n_samples = x.shape
        n_frames = max((n_samples - self.n_fft) // self.hop_length + 1, 0)
        if n_frames == 0:
            return x.new_zeros(batch, 0, channels, self.n_bins), x
        waves = self._transform(x.reshape(batch * channels, 1, n_samples))
        cosines, sines = waves.chunk(2, dim=1)
        log_power = cosines.square().addcmul_(sines, sines).add_(self.log_eps).log10_()
        frames = log_power.reshape(batch, channels, self.n_bins, n_frames).permute(0, 3, 1, 2)
        return frames, x[..., n_frames * self.hop_length :]

    def _transform(self, x: Tensor) -> Tensor:
        """Convolve samples with the basis; autocast would do that in half precision.

        A product of unfolded windows would be as fast, but its sums depend on how many windows there are: a stream
        would then differ from the whole in its last bits, and the logarithm of faint bins makes those large.
        """
        device = x.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                return nn.functional.conv1d(x, self.basis, stride=self.hop_length)
        return nn.functional.conv1d(x, self.basis, stride=self.hop_length)


def _windowed_waves(n_fft: int) -> Tensor:
    """Give the cosines and sines of the transform, in the window of unit energy: (2 * bins, n_fft), double precision.

    Double precision so that the transform's own error is that of its products alone; on the CPU, as not every device
    has it.
    """
    time = torch.arange(n_fft, dtype=torch.float64, device="cpu")
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64, device="cpu")
    window = torch.hann_window(n_fft, periodic=True, dtype=torch.float64, device="cpu")
    angle = 2 * torch.pi / n_fft * torch.outer(bins, time)
    return torch.cat([torch.cos(angle), torch.sin(angle)]) * window / window.square().sum().sqrt()


class SpectrogramNorm(nn.Module):
    """Batch normalisation of every channel, over batch, frequency and time, in the precision of its weights.

    Parameters
    ----------
    n_chans
        Number of channels.
    """

    def __init__(self, n_chans: int) -> None:
        super().__init__()
        self.batch_norm = nn.BatchNorm2d(n_chans)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, frames, channels, bins); shape unchanged."""
        x, (scale, shift) = self.standardised(x)
        return x * scale.unsqueeze(1) + shift.unsqueeze(1)

    def standardised(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Normalise but for the learned scale and shift of the channels, and give those: (channels,) each.

        A linear layer that comes next can take them into its weights. No gradient of a whole spectrogram is then
        needed to learn them.
        """
        scale, shift = self.batch_norm.weight, self.batch_norm.bias
        if x.dtype != scale.dtype:
            x = x.to(scale.dtype)
        neutral = {"weight": torch.ones_like(scale), "bias": torch.zeros_like(shift)}
        image = x.permute(0, 2, 3, 1)  # channels second, as BatchNorm2d wants them and as they lie in memory
        normed: Tensor = functional_call(self.batch_norm, neutral, image)
        return normed.permute(0, 3, 1, 2), (scale, shift)


class RotationInvariantMLP(nn.Module):
    """The same MLP on a band rolled round its ring of electrodes, pooled over the rolls.

    Parameters
    ----------
    in_features
        Electrodes times bins.
    mlp_features
        Width of each layer.
    offsets
        By how many electrodes to roll.
    pooling
        How to pool over the rolls.
    activation
        Class of the activation between layers.
    """

    def __init__(
        self,
        in_features: int,
        mlp_features: Sequence[int],
        offsets: Sequence[int] = (-1, 0, 1),
        pooling: Pooling = "mean",
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        widths = [in_features, *mlp_features]
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(widths):
            layers += [nn.Linear(width_in, width_out), activation()]
        self.mlp = nn.Sequential(*layers)
        self.offsets = tuple(offsets)
        self.pooling = pooling

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) of one frame."""
        return len(self.offsets) * sum(part.weight.numel() for part in self.mlp if isinstance(part, nn.Linear))

    def forward(self, x: Tensor, affine: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Map electrodes to features.

        Parameters
        ----------
        x
            (batch, frames, electrodes, bins)
        affine
            (electrodes,) scale and (electrodes,) shift of the input, if it is still to have them.

        Returns
        -------
        features
            (batch, frames, features)
        """
        first, *others = self.mlp.children()
        assert isinstance(first, nn.Linear)  # noqa: S101  (as it was made)
        # A layer of electrodes that are rolled forth is the layer, rolled back, of the electrodes as they are: so they
        # are read once for all rolls, and as they lie in memory.
        kernels = first.weight.view(-1, *x.shape[2:])  # (features, electrodes, bins)
        kernels = torch.stack([kernels.roll(-offset, dims=1) for offset in self.offsets])
        bias = first.bias.expand(kernels.shape[:2])
        if affine is not None:
            scale, shift = affine
            bias = bias + (kernels.sum(-1) * shift).sum(-1)  # no product of matrices, which autocast would round
            kernels = kernels * scale.unsqueeze(-1)
        features = nn.functional.linear(x.flatten(2), kernels.flatten(2).flatten(0, 1), bias.flatten())
        features = features.view(*features.shape[:2], *bias.shape)  # (batch, frames, offsets, features)
        for layer in others:
            features = layer(features)
        return features.amax(2) if self.pooling == "max" else features.mean(2)


class MultiBandMLP(nn.Module):
    """One rotation-invariant MLP for each band; their features are concatenated, left band first."""

    def __init__(
        self,
        num_bands: int,
        in_features: int,
        mlp_features: Sequence[int],
        offsets: Sequence[int] = (-1, 0, 1),
        pooling: Pooling = "mean",
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.mlps = nn.ModuleList(
            RotationInvariantMLP(in_features, mlp_features, offsets, pooling, activation) for _ in range(num_bands)
        )

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) of one frame."""
        mlps: Any = self.mlps  # torch's containers do not say what they hold
        return sum(mlp.multiply_adds for mlp in mlps)

    def forward(self, x: Tensor, affine: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Map channels to features.

        Parameters
        ----------
        x
            (batch, frames, channels, bins)
        affine
            (channels,) scale and (channels,) shift of the input, if it is still to have them.

        Returns
        -------
        features
            (batch, frames, bands * features)
        """
        n_bands = len(self.mlps)
        bands = x.chunk(n_bands, dim=2)
        if affine is None:
            return torch.cat([mlp(band) for mlp, band in zip(self.mlps, bands, strict=True)], dim=-1)
        affines = zip(*(tensor.chunk(n_bands) for tensor in affine), strict=True)
        return torch.cat([mlp(*both) for mlp, *both in zip(self.mlps, bands, affines, strict=True)], dim=-1)


class TDSConv2dBlock(nn.Module):
    """Time-depth-separable convolution over time with a causal residual (Hannun et al. 2019).

    Features are viewed as `channels` times `width`; the kernel spans all channels and `kernel_width` frames. Nothing is
    padded: an output frame sees that input frame and the kernel_width - 1 before it.

    Parameters
    ----------
    channels, width
        Their product is the number of features.
    kernel_width
        Frames that one output frame sees.
    activation
        Class of the activation.
    """

    def __init__(self, channels: int, width: int, kernel_width: int, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.channels = channels
        self.width = width
        self.kernel_width = kernel_width
        self.conv2d = nn.Conv2d(channels, channels, kernel_size=(1, kernel_width))
        self.activation = activation()
        self.layer_norm = nn.LayerNorm(channels * width)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Convolve over time.

        Parameters
        ----------
        x
            (batch, frames, features)
        state
            (batch, at most kernel_width - 1, features): the input's last frames.

        Returns
        -------
        y
            (batch, frames, features): at the beginning kernel_width - 1 frames fewer than came in.
        state
            For the next call.
        """
        if state is not None:
            x = torch.cat([state, x], dim=1)
        past = self.kernel_width - 1
        n_frames = max(x.shape[1] - past, 0)
        state = x[:, n_frames:] if past else x[:, :0]
        if n_frames == 0:
            return x[:, :0], x
        image = x.reshape(*x.shape[:2], self.channels, self.width).transpose(1, 2)  # (batch, channels, frames, width)
        # With its channels last in memory a CPU convolves it, and computes the gradients, several times as fast.
        image = image.contiguous(memory_format=torch.channels_last)
        y = nn.functional.conv2d(image, self.conv2d.weight.transpose(2, 3), self.conv2d.bias)
        y = self.activation(y).transpose(1, 2).flatten(2)
        normed: Tensor = self.layer_norm(y + x[:, past:])
        return normed, state


class TDSFullyConnectedBlock(nn.Module):
    """Two dense layers on every frame with a residual (Hannun et al. 2019)."""

    def __init__(self, features: int, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.fc_block = nn.Sequential(nn.Linear(features, features), activation(), nn.Linear(features, features))
        self.layer_norm = nn.LayerNorm(features)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, frames, features) to the same shape."""
        normed: Tensor = self.layer_norm(x + self.fc_block(x))
        return normed


class TDSConvEncoder(nn.Module):
    """A convolutional and a fully connected TDS block in turn.

    Parameters
    ----------
    features
        Width of the signal throughout.
    block_channels
        Channels of each pair of blocks; each must divide `features`.
    kernel_width
        Frames that each convolution sees.
    activation
        Class of the activations.
    """

    def __init__(
        self,
        features: int,
        block_channels: Sequence[int],
        kernel_width: int,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for channels in block_channels:
            blocks.append(TDSConv2dBlock(channels, features // channels, kernel_width, activation))
            blocks.append(TDSFullyConnectedBlock(features, activation))
        self.tds_conv_blocks = nn.ModuleList(blocks)

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) of one frame."""
        total = 0
        for module in self.modules():
            if isinstance(module, TDSConv2dBlock):
                total += module.conv2d.weight.numel() * module.width
            elif isinstance(module, nn.Linear):
                total += module.weight.numel()
        return total

    def forward(self, x: Tensor, state: Sequence[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """Encode (batch, frames, features); the state is one tensor for each convolutional block."""
        states = iter(state) if state is not None else None
        new_state = []
        for block in self.tds_conv_blocks:
            if isinstance(block, TDSConv2dBlock):
                x, block_state = block(x, next(states) if states is not None else None)
                new_state.append(block_state)
            else:
                x = block(x)
        return x, new_state
