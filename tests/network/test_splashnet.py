"""SplashNet: its published size, its own definition, its stream, its configurations."""

from __future__ import annotations

import copy
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.errors import InputError, ModelError
from myotype.network import EMG2QwertyNet, SplashNet

TINY = {"mlp_features": [8], "block_channels": [2, 4], "kernel_width": 5}  # 9 frames of context, 288 - 80 samples
SETTLING_SAMPLES = 64 + 124 * 16


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SplashNet(**TINY).eval()


@pytest.fixture
def x():
    return torch.randn(2, 32, 4000, generator=torch.Generator().manual_seed(1)) * 20


def in_pieces(network, x, cuts):
    state, pieces = None, []
    for start, end in zip([0, *cuts], [*cuts, x.shape[-1]], strict=True):
        piece, state = network.forward_with_state(x[..., start:end], state)
        pieces.append(piece)
    return torch.cat(pieces, 1), state


@pytest.mark.parametrize(
    ("preset", "parameters", "multiply_adds"), [("mini", 1_376_067, 5_015_808), ("full", 2_583_267, 9_735_264)]
)
def test_the_presets_have_the_published_size(preset, parameters, multiply_adds):
    network = SplashNet(**SplashNet.presets[preset])
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert network.multiply_adds == multiply_adds
    assert (network.receptive_field, network.settling_frames) == (2048, 125)
    assert network.compute_output_lengths([2047, 2048, 8000]).tolist() == [0, 1, 373]
    network.unshare()
    head = 99 * network.n_features + 99
    assert sum(parameter.numel() for parameter in network.parameters()) == 2 * (parameters - head) + head
    assert network.multiply_adds == multiply_adds


def test_the_defaults_are_the_mini_preset():
    assert SplashNet(**SplashNet.presets["mini"]).get_config() == SplashNet().get_config()


@torch.inference_mode()
def test_the_layers_before_the_encoder_are_those_of_the_paper(network, x):
    """The spectrogram as NumPy computes it, its decimal logarithms in six sums, and the running statistics of those."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    signal = x[0].double().numpy()
    frames = np.stack([signal[:, start : start + 64] for start in range(0, 4000 - 63, 16)])
    power = np.abs(np.fft.rfft(frames * window)) ** 2 / (window**2).sum()
    logarithms = np.log10(power + 1e-6)
    sums = np.stack([logarithms[..., a:b].sum(-1) for a, b in pairwise([1, 2, 4, 8, 12, 22, 33])], -1)
    expected = np.stack(
        [
            (sums[i] - sums[: max(i + 1, 125)].mean(0)) / np.sqrt(sums[: max(i + 1, 125)].var(0) + 0.1)
            for i in range(len(sums))
        ]
    )
    found = network.norm.whole(network.frequency_bands(network.spectrogram(x[:1])[0]))
    np.testing.assert_allclose(found[0], expected, atol=2e-3)  # single precision of small powers
    exact = copy.deepcopy(network).double()
    found = exact.norm.whole(exact.frequency_bands(exact.spectrogram(x[:1])[0]))
    np.testing.assert_allclose(found[0], expected, atol=1e-8)


@torch.inference_mode()
def test_one_encoder_serves_both_hands_and_mirrors_neither(network, x):
    swapped = network(x.roll(16, dims=1), return_features=True)["features"]
    left, right = network(x, return_features=True)["features"].chunk(2, dim=-1)
    torch.testing.assert_close(swapped, torch.cat([right, left], -1))
    encoded, _ = network.encoders[0](network.norm.whole(network.frequency_bands(network.spectrogram(x)[0]))[:, :, :16])
    torch.testing.assert_close(left, encoded)


@torch.inference_mode()
def test_hands_that_are_unshared_go_on_from_where_they_were_and_part(network, x):
    before, states = in_pieces(network, x, [3000])
    network.unshare()
    assert network.get_config()["shared"] is False
    after, own_states = in_pieces(network, x, [3000])
    torch.testing.assert_close(after, before)
    assert [state.shape for state in own_states] == [state.shape for state in states]
    torch.testing.assert_close(network(x), before)
    network.encoders[1].mlp.mlp[0].bias.add_(1)
    left, right = (network(x, return_features=True)["features"] - network_features(before_of(network), x)).chunk(2, -1)
    assert not left.any()
    assert right.any()


def before_of(network):
    twin = copy.deepcopy(network)
    twin.encoders[1].load_state_dict(twin.encoders[0].state_dict())
    return twin


def network_features(network, x):
    return network(x, return_features=True)["features"]


def test_to_unshare_twice_changes_nothing(network):
    network.unshare()
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.unshare()
    assert network.state_dict().keys() == weights.keys()


@torch.inference_mode()
def test_samples_change_no_frame_that_was_there_before_them_once_the_signal_has_settled(network, x):
    whole = network(x)
    for sample in (SETTLING_SAMPLES, 2600, 3400):
        changed = x.clone()
        changed[..., sample] += 1000
        first = (sample - network.receptive_field) // 16 + 1  # whose last sample this is, or a later one
        found = network(changed)
        torch.testing.assert_close(found[:, :first], whole[:, :first], atol=0, rtol=0)
        assert (found[:, first + 1 :] != whole[:, first + 1 :]).any(-1).all(), "the past is never forgotten"
    early = x.clone()
    early[..., SETTLING_SAMPLES - 1] += 1000
    assert (network(early)[:, 0] != whole[:, 0]).any(), "the first frames share what is known of them all"


@torch.inference_mode()
def test_more_signal_never_changes_earlier_frames(network, x):
    short, long = network(x[..., :2500]), network(x)
    torch.testing.assert_close(long[:, : short.shape[1]], short, atol=1e-6, rtol=1e-5)


@given(
    cuts=st.lists(st.integers(0, 3000), max_size=8),
    batch=st.integers(1, 2),
    shared=st.booleans(),
    arguments=st.sampled_from([{}, {"hop_length": 64}, {"kernel_width": 1}, {"settling_frames": 1}, {"num_bands": 1}]),
)
@settings(max_examples=25, deadline=None)
@torch.inference_mode()
def test_a_stream_in_pieces_equals_the_whole(cuts, batch, shared, arguments):
    torch.manual_seed(0)
    if "num_bands" in arguments:
        arguments = arguments | {"n_chans": 16}
    network = SplashNet(**TINY | {"shared": shared} | arguments).eval()
    x = torch.randn(batch, network.n_chans, 3000, generator=torch.Generator().manual_seed(2)) * 20
    if "hop_length" in arguments:  # or the signal would not settle
        x = torch.cat([x, x, x], -1)
    pieces, _ = in_pieces(network, x, sorted(cuts))
    torch.testing.assert_close(pieces, network(x), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_signal_that_ends_before_it_has_settled_is_scored_whole_but_not_as_a_stream(network, x):
    short = x[..., : SETTLING_SAMPLES - 1]
    whole = network(short)
    assert whole.shape[1] == network.compute_output_lengths(short.shape[-1]) > 0
    pieces, state = in_pieces(network, short, [700])
    assert pieces.shape[1] == 0
    assert state[1].shape[1] == 124
    settled, _ = network.forward_with_state(x[..., SETTLING_SAMPLES - 1 : SETTLING_SAMPLES], state)
    torch.testing.assert_close(settled, network(x[..., :SETTLING_SAMPLES]))


def test_masks_blank_bands_and_whole_electrodes_while_training_and_before_the_normalisation(network):
    torch.manual_seed(5)
    masked = SplashNet(**TINY, channel_masking=True)
    seen = []
    masked.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(300, 32, 128) * 20
    masked.train().encode(x)
    masked.eval().encode(x)
    network.train().encode(x)
    blank = (seen[0] == 0).all(1)  # (windows, electrodes, frequency bands)
    assert blank.any()
    assert ((seen[0] == 0).any(1) == blank).all(), "a band is masked for the whole window or not at all"
    widths = blank.sum(-1)
    assert (blank.any(-1).any(-1)).float().mean() == pytest.approx(2 / 3, abs=0.12), "a third draws no mask"
    # Of one mask widths from 0 to 5 have a chance of 1/12 each, the whole electrode 1/2; of two it is 3/4.
    assert (widths == 6).float().mean() == pytest.approx((1 / 2 + 3 / 4) / 3, abs=0.06)
    assert set(widths.unique().tolist()) == set(range(7))
    assert (seen[1] != 0).all()
    assert torch.equal(seen[1], network.frequency_bands(network.spectrogram(x)[0]))


def test_masks_are_off_unless_asked_for():
    assert isinstance(SplashNet(**TINY).channel_masking, torch.nn.Identity)


@pytest.mark.parametrize("volume", [0.0, 1e-4, 20.0, 5000.0])
def test_gradients_reach_every_parameter_and_are_finite(network, volume):
    network.train()
    x = (torch.randn(2, 32, 2600, generator=torch.Generator().manual_seed(4)) * volume).requires_grad_()
    network(x).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
    assert x.grad.isfinite().all()
    if volume > 1:  # where nearly nothing happens, a few rectifiers may never open
        assert all(parameter.grad.any() for parameter in network.parameters())


def test_configuration_survives_a_round_trip():
    network = SplashNet(
        **TINY, frequency_edges=range(1, 33, 8), shared=False, channel_masking=True, n_times=32000, norm_eps=0.2
    )
    config = json.loads(json.dumps(network.get_config()))
    assert config["frequency_edges"] == [1, 9, 17, 25]
    again = SplashNet.from_config(config)
    assert again.get_config() == config
    assert again.state_dict().keys() == network.state_dict().keys()
    assert again.input_shape == (1, 32, 32000)
    assert again.get_output_shape() == (1, 1989, 99)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_chans": 30}, "n_chans=30 is not 2 bands of 16"),
        ({"block_channels": [16]}, "16 does not divide the 8 features"),  # of one hand, not of both
        ({"frequency_edges": [1]}, "two or more bins in rising order, from 0 to 33"),
        ({"frequency_edges": [1, 4, 4]}, "in rising order"),
        ({"frequency_edges": [1, 34]}, "from 0 to 33"),
        ({"frequency_edges": []}, "frequency_edges is empty"),
        ({"frequency_edges": [-1, 3]}, "frequency_edges=-1"),
        ({"settling_frames": 0}, "settling_frames=0"),
        ({"settling_frames": 10_001}, "10000 are the most"),
        ({"norm_eps": 0}, "norm_eps=0"),
        ({"norm_eps": float("nan")}, "norm_eps=nan"),
        ({"shared": 1}, "shared=1 must be True or False"),
        ({"channel_masking": "yes"}, "channel_masking='yes'"),
        ({"n_masks": -1}, "n_masks=-1"),
        ({"mask_param": 1.5}, "mask_param=1.5"),
        ({"channel_masking_prob": 2}, "channel_masking_prob=2"),
        ({"pooling": "sum"}, "pooling='sum'"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        SplashNet(**TINY | arguments)


def test_arguments_of_another_network_are_refused():
    with pytest.raises(ModelError, match=r"SplashNet knows no .*spec_augment"):
        SplashNet.from_config(EMG2QwertyNet(**TINY).get_config())


@torch.inference_mode()
def test_double_stream_is_exact(network, x):
    network.double()
    whole, whole_state = network.forward_with_state(x)
    pieces, state = in_pieces(network, x, [1, 64, 2000, 2100])
    assert {tensor.dtype for tensor in state} == {torch.float64}
    torch.testing.assert_close(pieces, whole, atol=1e-11, rtol=0)
    torch.testing.assert_close(state, whole_state, atol=1e-9, rtol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@torch.inference_mode()
def test_half_precision_is_that_of_the_encoder_alone(network, x, dtype):
    expected = network(x)
    half = copy.deepcopy(network).to(dtype)
    output, state = half.forward_with_state(x)
    assert output.dtype == dtype
    assert [tensor.dtype for tensor in state] == [torch.float32, torch.float32, torch.float64, dtype, dtype]
    torch.testing.assert_close(output.float(), expected, atol=0.05, rtol=0)
    with torch.autocast("cpu", dtype=dtype):
        torch.testing.assert_close(network(x).float(), expected, atol=0.05, rtol=0)


@torch.inference_mode()
def test_export_takes_any_batch_and_any_length(network, x):
    dynamic = torch.export.Dim.DYNAMIC
    program = torch.export.export(network, (x,), dynamic_shapes=({0: dynamic, 2: dynamic},)).module()
    for shape in [(2, 32, 4000), (1, 32, 3333), (5, 32, 2500)]:
        samples = torch.randn(shape, generator=torch.Generator().manual_seed(8)) * 20
        torch.testing.assert_close(program(samples), network(samples), atol=1e-5, rtol=1e-5)


def test_network_compiles_to_one_graph_and_trains(network, x):
    torch.compiler.reset()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), network(x), atol=1e-5, rtol=1e-5)
    compiled(x).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
