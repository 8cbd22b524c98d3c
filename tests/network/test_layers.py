"""Every streaming layer: causal, and the same in pieces as whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.network.layers import (
    LogSpectrogram,
    MultiBandMLP,
    RotationInvariantMLP,
    SpectrogramNorm,
    TDSConv2dBlock,
    TDSConvEncoder,
)

FRAMES = 60


def spectrogram():
    return LogSpectrogram(64, 16), (32, FRAMES * 16), 2


def convolution():
    return TDSConv2dBlock(4, 6, 7), (FRAMES, 24), 1


def one_frame_convolution():
    return TDSConv2dBlock(4, 6, 1), (FRAMES, 24), 1


def encoder():
    return TDSConvEncoder(24, [4, 6, 2], 5), (FRAMES, 24), 1


LAYERS = [spectrogram, convolution, one_frame_convolution, encoder]


@pytest.mark.parametrize("make", LAYERS)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
@torch.inference_mode()
def test_in_pieces_equals_the_whole_for_every_cut_and_batch(make, data):
    torch.manual_seed(1)
    layer, shape, time_axis = make()
    layer.eval()
    x = torch.randn(data.draw(st.integers(1, 3)), *shape)
    length = x.shape[time_axis]
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=10)))
    whole, whole_state = layer(x)
    state, pieces = None, []
    for start, end in zip([0, *cuts], [*cuts, length], strict=True):
        piece, state = layer(x.narrow(time_axis, start, end - start), state)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(state, whole_state, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", LAYERS)
@torch.inference_mode()
def test_what_comes_later_never_changes_what_came_out(make):
    layer, shape, time_axis = make()
    layer.eval()
    x = torch.randn(1, *shape)
    whole, _ = layer(x)
    short, _ = layer(x.narrow(time_axis, 0, x.shape[time_axis] * 2 // 3))
    assert short.shape[1] > 0
    torch.testing.assert_close(whole[:, : short.shape[1]], short, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("make", LAYERS)
@torch.inference_mode()
def test_states_of_several_streams_can_be_stacked_into_a_batch(make):
    layer, shape, time_axis = make()
    layer.eval()
    x = torch.randn(2, *shape)
    half = x.shape[time_axis] // 2
    first, second = x.narrow(time_axis, 0, half), x.narrow(time_axis, half, half)
    states = [layer(first[i : i + 1])[1] for i in range(2)]
    stacked = (
        torch.cat(states) if isinstance(states[0], torch.Tensor) else [torch.cat(s) for s in zip(*states, strict=True)]
    )
    together, _ = layer(second, stacked)
    for i in range(2):
        alone, _ = layer(second[i : i + 1], states[i])
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-6, rtol=1e-6)


@torch.inference_mode()
def test_log_spectrogram_is_the_fourier_transform_of_windowed_samples():
    layer = LogSpectrogram(64, 16, 1e-6)
    x = np.random.default_rng(3).standard_normal((1, 2, 400)) * 20
    frames, left = layer(torch.from_numpy(x).float())
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    cut = np.lib.stride_tricks.sliding_window_view(x, 64, axis=-1)[..., ::16, :]
    power = np.abs(np.fft.rfft(cut * window)) ** 2 / 24
    expected = np.log10(power + 1e-6).transpose(0, 2, 1, 3)
    assert frames.shape == (1, 22, 2, 33)
    np.testing.assert_allclose(frames.numpy(), expected, atol=1e-4)
    assert left.shape[-1] == 400 - 22 * 16


@torch.inference_mode()
def test_log_spectrogram_in_double_precision_is_the_fourier_transform_to_rounding():
    layer = LogSpectrogram(64, 16, 1e-6).double()
    x = np.random.default_rng(3).standard_normal((1, 2, 400)) * 20
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    cut = np.lib.stride_tricks.sliding_window_view(x, 64, axis=-1)[..., ::16, :]
    expected = np.log10(np.abs(np.fft.rfft(cut * window)) ** 2 / 24 + 1e-6).transpose(0, 2, 1, 3)
    np.testing.assert_allclose(layer(torch.from_numpy(x))[0].numpy(), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("change", [torch.nn.Module.half, torch.nn.Module.bfloat16])
@torch.inference_mode()
def test_log_spectrogram_and_its_state_stay_in_single_precision_at_least(change):
    layer, x = change(LogSpectrogram(64, 16)), torch.randn(1, 2, 100).half()
    for samples in (x, x.bfloat16(), x.float(), x.double(), x[..., :10]):
        assert [tensor.dtype for tensor in layer(samples)] == [torch.float32, torch.float32]
    _, state = layer(x[..., :70])
    frames, _ = layer(x[..., 70:], state.half())
    torch.testing.assert_close(frames, layer(x)[0][:, 1:])
    assert [tensor.dtype for tensor in layer.double()(x)] == [torch.float64, torch.float64]


def test_basis_is_computed_anew_only_when_something_changes():
    layer = LogSpectrogram(64, 16)
    basis = layer.basis
    assert layer.float().cpu().share_memory().basis is basis
    assert layer.basis.is_shared()
    fresh = layer.to_empty(device="cpu").basis
    assert fresh is not basis
    assert torch.equal(fresh, basis)
    assert torch.equal(layer.double().half().float().basis, basis)
    assert list(layer.state_dict()) == []


@torch.inference_mode()
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_mlp_with_all_rotations_does_not_see_how_the_band_is_turned(pooling):
    mlp = RotationInvariantMLP(16 * 5, [7], offsets=range(16), pooling=pooling)
    x = torch.randn(2, 3, 16, 5)
    torch.testing.assert_close(mlp(x.roll(5, dims=2)), mlp(x), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_mlp_averages_over_neighbouring_rotations():
    mlp = RotationInvariantMLP(16 * 5, [7])
    x = torch.randn(2, 3, 16, 5)
    rolled = [mlp.mlp(x.roll(offset, dims=2).flatten(2)) for offset in (-1, 0, 1)]
    torch.testing.assert_close(mlp(x), torch.stack(rolled).mean(0), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_scale_and_shift_are_learned_within_the_next_layer_as_they_are_by_themselves(training):
    torch.manual_seed(2)
    norm, mlp = SpectrogramNorm(8).double().train(training), MultiBandMLP(2, 4 * 5, [7, 3]).double()
    apart = torch.nn.BatchNorm2d(8).double().train(training)
    for weight in norm.parameters():
        torch.nn.init.normal_(weight)
    apart.load_state_dict(norm.batch_norm.state_dict())
    x = 2 + 3 * torch.randn(2, 6, 8, 5, dtype=torch.float64)
    found, expected = mlp(*norm.standardised(x)), mlp(apart(x.transpose(1, 2)).transpose(1, 2))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for buffer, other in zip(norm.buffers(), apart.buffers(), strict=True):
        assert torch.equal(buffer, other)
    sources = [torch.autograd.grad(y.square().sum(), [*of.parameters(), *mlp.parameters()])
               for y, of in ((found, norm), (expected, apart))]  # fmt: skip
    for ours, theirs in zip(*sources, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(mlp(norm.eval()(x)), mlp(*norm.standardised(x)), rtol=1e-12, atol=1e-12)


def test_convolution_over_time_and_its_gradients_are_those_of_its_own_layer():
    torch.manual_seed(3)
    block = TDSConv2dBlock(4, 6, 8).double()
    x = torch.randn(3, 20, 24, dtype=torch.float64, requires_grad=True)
    image = x.view(3, 20, 4, 6).permute(0, 2, 3, 1)  # (batch, channels, width, frames)
    convolved = block.conv2d(image).relu().permute(0, 3, 1, 2).flatten(2)
    expected, found = block.layer_norm(convolved + x[:, 7:]), block(x)[0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(y.pow(3).sum(), [x, *block.parameters()]) for y in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
