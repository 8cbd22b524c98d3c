"""The convolution over time of training: the same as torch's, forwards and backwards."""

from __future__ import annotations

import pytest
import torch

from myotype.network.layers import TDSConv2dBlock
from myotype.network.time_convolution import TimeConvolution


@pytest.mark.parametrize(("channels", "width", "kernel", "n_frames"), [(3, 4, 5, 11), (2, 3, 1, 6), (4, 2, 7, 7)])
def test_gradients_are_those_that_differences_give(channels, width, kernel, n_frames):
    torch.manual_seed(0)
    x = torch.randn(2, channels, width, n_frames, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(channels, channels, 1, kernel, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(channels, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(TimeConvolution.apply, (x, weight, bias))


def test_a_block_learns_the_same_in_training_and_in_evaluation_mode():
    torch.manual_seed(1)
    block = TDSConv2dBlock(4, 6, 8)
    x = torch.randn(3, 40, 24, requires_grad=True)
    found = {}
    for mode in (True, False):
        block.train(mode).zero_grad()
        x.grad = None
        y, _ = block(x)
        y.square().sum().backward()
        found[mode] = [y.detach(), x.grad, block.conv2d.weight.grad, block.conv2d.bias.grad]
    for ours, theirs in zip(found[True], found[False], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_only_the_gradients_that_are_asked_for_are_computed():
    x = torch.randn(1, 2, 3, 9)
    weight = torch.randn(2, 2, 1, 4, requires_grad=True)
    TimeConvolution.apply(x, weight, torch.zeros(2)).sum().backward()
    assert weight.grad is not None
    assert x.grad is None
