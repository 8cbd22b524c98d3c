"""Normalisation by the signal so far: by its definition, exact after an hour, and the same in pieces as whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.network import rolling_norm
from myotype.network.rolling_norm import RollingNorm

HOUR = 450_000


def by_definition(x, settling_frames, eps):
    """Normalise (frames, ...) frame by frame, each by the mean and the biased variance of its own past."""
    x = np.asarray(x, np.float64)
    found = np.empty_like(x)
    for frame in range(len(x)):
        past = x[: max(frame + 1, settling_frames)]
        found[frame] = (x[frame] - past.mean(0)) / np.sqrt(past.var(0) + eps)
    return found


def in_pieces(layer, x, cuts):
    state, pieces = None, []
    for start, end in zip([0, *cuts], [*cuts, x.shape[1]], strict=True):
        piece, state = layer(x[:, start:end], state)
        pieces.append(piece)
    return torch.cat(pieces, 1), state


@pytest.mark.parametrize("n_frames", [1, 4, 5, 6, 60])
def test_every_frame_has_the_statistics_of_its_past_and_the_first_share_theirs(n_frames):
    x = torch.randn(2, n_frames, 3, 2, generator=torch.Generator().manual_seed(0)) * 5 - 20
    found = RollingNorm(5, 0.1).whole(x)
    assert found.dtype == torch.float32
    for one, expected in zip(found, x, strict=True):
        np.testing.assert_allclose(one, by_definition(expected, 5, 0.1), atol=1e-5)


def test_the_defaults_are_those_of_the_paper():
    layer = RollingNorm()
    assert (layer.settling_frames, layer.eps) == (125, 0.1)
    assert not layer.state_dict()


def test_after_an_hour_in_pieces_nothing_is_lost():
    random = np.random.default_rng(0)
    loudness = np.cumsum(random.standard_normal((HOUR, 1, 1)), 0) / 300  # it drifts, as skin and bands do
    x = (random.standard_normal((HOUR, 1, 3)) * [3, 1, 0.01] + loudness - [40, 5, 70]).astype(np.float32)
    wide = x.astype(np.longdouble)
    count = np.arange(1, HOUR + 1).reshape(-1, 1, 1)
    mean = np.cumsum(wide, 0) / count
    variance = np.cumsum(wide**2, 0) / count - mean**2
    mean[:125], variance[:125] = mean[124], variance[124]
    expected = ((wide - mean) / np.sqrt(variance + 0.1)).astype(np.float64)
    cuts = np.sort(random.integers(0, HOUR, 500)).tolist()
    pieces, state = in_pieces(RollingNorm(), torch.from_numpy(x)[None], cuts)
    np.testing.assert_allclose(pieces[0], expected, atol=2e-6, rtol=2e-7)  # of single precision, which is given
    exact, _ = in_pieces(RollingNorm(), torch.from_numpy(x)[None].double(), cuts)
    np.testing.assert_allclose(exact[0], expected, atol=1e-9, rtol=0)
    assert state[1][0, 0].unique().tolist() == [HOUR]
    # What it would be in single precision, so that the test could fail:
    single = np.cumsum(x, 0)[-1] / HOUR
    assert np.abs(single - mean[-1].astype(np.float64)).max() > 1e-3


@given(data=st.data(), batch=st.integers(1, 3), n_frames=st.integers(1, 60), settling_frames=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_in_pieces_equals_the_whole_for_every_cut(data, batch, n_frames, settling_frames):
    layer = RollingNorm(settling_frames)
    x = torch.randn(batch, n_frames, 2, 3, generator=torch.Generator().manual_seed(n_frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, n_frames), max_size=8)))
    pieces, state = in_pieces(layer, x, cuts)
    if n_frames < settling_frames:
        assert pieces.shape[1] == 0
        assert torch.equal(state[0], x)
    else:
        torch.testing.assert_close(pieces, layer.whole(x), atol=1e-6, rtol=1e-6)
        assert state[0].shape[1] == 0
    assert state[1].dtype == torch.float64


def test_streams_at_different_points_go_on_as_one_batch():
    layer = RollingNorm(5)
    early, late = torch.randn(2, 1, 50, 2, 3, generator=torch.Generator().manual_seed(3)).unbind(0)
    states = [layer(early[:, :7])[1], layer(late[:, :40])[1]]
    together = tuple(torch.cat(parts) for parts in zip(*states, strict=True))
    found, _ = layer(torch.cat([early[:, 7:17], late[:, 40:]]), together)
    torch.testing.assert_close(found[:1], layer.whole(early)[:, 7:17])
    torch.testing.assert_close(found[1:], layer.whole(late)[:, 40:])


def test_a_piece_leaves_the_state_before_it_as_it_was():
    layer = RollingNorm(2)
    x = torch.randn(1, 9, 2, 3, generator=torch.Generator().manual_seed(4)).double()
    given = x.clone()
    _, state = layer(x[:, :5])
    before = [tensor.clone() for tensor in state]
    first, _ = layer(x[:, 5:], state)
    second, _ = layer(x[:, 5:], state)
    assert torch.equal(first, second)
    assert all(map(torch.equal, state, before))
    assert torch.equal(x, given)


def test_a_signal_that_never_changes_becomes_zero():
    assert RollingNorm().whole(torch.full((1, 1000, 1, 1), -72.0)).abs().max() < 1e-5


def test_gradients_are_those_of_the_function():
    torch.manual_seed(5)
    x = torch.randn(2, 7, 1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(RollingNorm(3).whole, (x,))
    assert torch.autograd.gradcheck(RollingNorm(30).whole, (x,))
    assert torch.autograd.gradcheck(lambda x: in_pieces(RollingNorm(3), x, [2, 5])[0], (x,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_that_of_the_result_alone(dtype):
    x = (torch.randn(1, 3000, 1, 2, generator=torch.Generator().manual_seed(6)) - 30).to(dtype)
    found = RollingNorm().whole(x)
    assert found.dtype == dtype
    assert torch.equal(found, RollingNorm().whole(x.double()).to(dtype))


def test_what_is_computed_on_the_cpu_for_a_device_without_double_precision_is_the_same(monkeypatch):
    x = torch.randn(1, 300, 1, 2, generator=torch.Generator().manual_seed(7))
    expected, expected_state = in_pieces(RollingNorm(), x, [130, 200])
    monkeypatch.setattr(rolling_norm, "_WITHOUT_DOUBLE", {"cpu"})  # no such device is at hand
    found, state = in_pieces(RollingNorm(), x, [130, 200])
    assert torch.equal(found, expected)
    assert torch.equal(state[1], expected_state[1])
    assert RollingNorm().whole(x.half()).dtype == torch.float16
