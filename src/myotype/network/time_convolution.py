"""A convolution over time whose gradients are fast on CPUs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class TimeConvolution(torch.autograd.Function):
    """Convolve (batch, channels, width, frames) with (channels, channels, 1, kernel) over frames, unpadded.

    The same as :func:`torch.nn.functional.conv2d`, whose backward pass takes five times as long on a CPU with kernels
    as long as these. The gradient of the input is a convolution too, of the padded gradient with the kernel turned
    round, and that of the weight a matrix product, both of which are fast.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Convolve."""
        ctx.save_for_backward(x, weight)
        return nn.functional.conv2d(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Give the gradients of input, weight and bias."""
        x, weight = ctx.saved_tensors
        of_input, of_weight, of_bias = ctx.needs_input_grad
        past = weight.shape[3] - 1
        return (
            nn.functional.conv2d(nn.functional.pad(gradient, (past, past)), weight.flip(3).transpose(0, 1))
            if of_input
            else None,
            _weight_gradient(x, gradient, weight) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
        )


def _weight_gradient(x: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    """Sum the products of what went in with what came back, at every distance in time."""
    channels_out, channels_in, _, kernel = weight.shape
    n_frames = gradient.shape[3]
    total = weight.new_zeros(channels_out, kernel * channels_in)
    # An input at a time: the frames that each output frame saw, side by side, are `kernel` times as large as the input.
    for signal, back in zip(x.permute(0, 2, 3, 1), gradient.permute(0, 2, 1, 3), strict=True):
        width, length, _ = signal.shape
        seen = signal.contiguous().as_strided(
            (width, n_frames, kernel * channels_in), (length * channels_in, channels_in, 1)
        )
        total += torch.bmm(back.contiguous(), seen).sum(0)
    return total.view(channels_out, kernel, channels_in).permute(0, 2, 1).unsqueeze(2)
