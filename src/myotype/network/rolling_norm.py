"""Normalisation by what a signal has been so far."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

_WITHOUT_DOUBLE: Final = frozenset({"mps"})
"""Kinds of devices that have no double precision: statistics are then kept on the CPU."""


class RollingNorm(nn.Module):
    """Normalise every electrode and frequency band of every input by its own frames from the first to the current one.

    The running mean is subtracted, and the result divided by sqrt(running variance + eps), the variance being the
    biased one. There are no parameters. The first `settling_frames` frames all have the statistics of that many, as
    those of a few frames say little; so the beginning looks ahead, and from then on the layer is causal.

    In pieces the layer holds frames back until there are that many. In whole inputs that are shorter, all frames have
    the statistics of all (see `whole`); a stream that ends before gives nothing.

    Statistics are sums in double precision: single precision would lose the newest frames in an hour's sum.

    Parameters
    ----------
    settling_frames
        Frames that share their statistics.
    eps
        Added to the variance.
    """

    def __init__(self, settling_frames: int = 125, eps: float = 0.1) -> None:
        super().__init__()
        self.settling_frames = settling_frames
        self.eps = eps

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Normalise the frames of a piece.

        Parameters
        ----------
        x
            (batch, frames, channels, bands)
        state
            What the piece before returned; None at the beginning.

        Returns
        -------
        y
            (batch, frames, channels, bands): none before there are `settling_frames` of them, then all of those.
        state
            For the next call: (batch, frames, channels, bands) held back; and (batch, 3, channels, bands) in double
            precision, which are the number of frames so far, their sum, and the sum of their squares. One of the two is
            empty.
        """
        if state is not None:
            held, statistics = state
            if statistics.shape[1]:
                y, statistics = _normalised(x, statistics, 1, self.eps)
                return y, (held, statistics)
            x = torch.cat([held, x], dim=1)
        if x.shape[1] < self.settling_frames:
            return x[:, :0], (x, _in_double(x[:, :0]))
        y, statistics = _normalised(x, None, self.settling_frames, self.eps)
        return y, (torch.empty_like(x[:, :0]), statistics)  # no view, which would keep all of the frames

    def whole(self, x: Tensor) -> Tensor:
        """Normalise all frames of whole inputs, however few; shape unchanged."""
        return _normalised(x, None, self.settling_frames, self.eps)[0]


def _normalised(x: Tensor, before: Tensor | None, settling_frames: int, eps: float) -> tuple[Tensor, Tensor]:
    """Normalise the frames after those of the statistics `before`; give them and the statistics after them."""
    n_frames = x.shape[1]
    if n_frames == 0:
        return x, _in_double(x) if before is None else before
    exact = _in_double(x)
    count = torch.arange(1, n_frames + 1, dtype=exact.dtype, device=exact.device).view(1, -1, 1, 1)
    total, squares = exact.cumsum(1), exact.square().cumsum(1)
    if before is not None:
        count = count + before[:, :1, :1, :1]
        total += before[:, 1:2]
        squares += before[:, 2:]
    after = torch.stack([count[:, -1].expand_as(total[:, -1]), total[:, -1], squares[:, -1]], dim=1)
    if before is None:
        for running in (count, total, squares):
            first = running[:, :settling_frames]
            first.copy_(first[:, -1:].clone())
    mean = total.div_(count)
    variance = squares.div_(count).sub_(mean.square()).clamp_(min=0)  # rounding may leave it just below 0
    y = (exact - mean).mul_(variance.add_(eps).rsqrt_())
    return y.to(x.device, x.dtype), after


def _in_double(x: Tensor) -> Tensor:
    """Give a tensor in double precision, on its device if that has it."""
    return x.to("cpu", torch.float64) if x.device.type in _WITHOUT_DOUBLE else x.double()
