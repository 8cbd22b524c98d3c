"""SplashNet's streaming graph: what PyTorch computes, for every configuration, and after an hour."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from myotype.network import SplashNet
from myotype.network.graph import first_step, full_state, streaming_graph

SMALL = {
    "n_chans": 6,
    "num_bands": 2,
    "electrodes_per_band": 3,
    "n_fft": 8,
    "hop_length": 4,
    "frequency_edges": [0, 2, 5],
    "settling_frames": 7,
    "mlp_features": [6],
    "block_channels": [3, 2],
    "kernel_width": 3,
    "n_outputs": 5,
}
TINY_OF_FULL_SIZE = {"mlp_features": [24], "block_channels": [4, 2], "kernel_width": 4}


def randomised(network, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        tensor.normal_(generator=generator)
        if tensor.ndim > 1:
            tensor.div_(tensor[0].numel() ** 0.5)
        elif name.endswith("norm.weight"):
            tensor.square_().add_(0.5)
    return network.eval()


class Stream:
    """Steps of the graph, each with the state of the one before."""

    def __init__(self, network, batch=1):
        model = streaming_graph(network)
        onnx.checker.check_model(model, full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        self._names = [node.name for node in self._session.get_inputs()]
        self.state = [tensor.numpy() for tensor in full_state(network, batch)]

    def step(self, samples):
        emissions, *state = self._session.run(None, dict(zip(self._names, [samples, *self.state], strict=True)))
        assert [array.shape for array in state] == [array.shape for array in self.state]
        assert [array.dtype for array in state] == [array.dtype for array in self.state]
        self.state = state
        return emissions


@torch.inference_mode()
def check(network, more_hops, *, batch=1, seed=0):
    """Hold the graph against the network; a few times PyTorch's own rounding errors are allowed on top of 1e-4."""
    lengths = [first_step(network) + network.context_frames, *more_hops]
    shape = (batch, network.n_chans, sum(lengths) * network.hop_length)
    samples = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32) * 20
    stream, found, start = Stream(network, batch), [], 0
    for length in lengths:
        end = start + length * network.hop_length
        found.append(stream.step(samples[..., start:end]))
        start = end
    x = torch.from_numpy(samples)
    output, states = network.forward_with_state(x)
    exact, exact_states = copy.deepcopy(network).double().forward_with_state(x)
    emissions = np.concatenate(found, axis=1)[:, -output.shape[1] :]  # the frames before are made of zeros too
    ours = [emissions, stream.state[0], *stream.state[2:]]
    theirs = [output.log_softmax(-1), states[0], *states[3:]]
    best = [exact.log_softmax(-1), exact_states[0], *exact_states[3:]]
    for one, other, double in zip(ours, theirs, best, strict=True):
        rounding = (other - double).abs().max().item() if other.numel() else 0
        np.testing.assert_allclose(one[..., -other.shape[-1] :], other, rtol=0, atol=1e-4 + 5 * rounding)
    empty = network.spectrogram.n_fft // network.hop_length - 1
    statistics, wanted = stream.state[1], states[2].numpy().copy()
    wanted[:, 0] += empty  # which the graph counts too
    np.testing.assert_allclose(statistics, wanted, rtol=1e-4, atol=1e-4 * sum(lengths))


@st.composite
def networks(draw):
    num_bands, electrodes = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    hop_length, hops = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    n_bins = hops * hop_length // 2 + 1
    mlp_features = draw(st.lists(st.sampled_from([4, 6, 8, 16]), min_size=1, max_size=2))
    divisors = [channels for channels in range(1, mlp_features[-1] + 1) if mlp_features[-1] % channels == 0]
    network = SplashNet(
        n_outputs=draw(st.integers(1, 7)),
        n_chans=num_bands * electrodes,
        num_bands=num_bands,
        electrodes_per_band=electrodes,
        n_fft=hops * hop_length,
        hop_length=hop_length,
        frequency_edges=sorted(draw(st.sets(st.integers(0, n_bins), min_size=2, max_size=5))),
        settling_frames=draw(st.integers(1, 20)),
        norm_eps=draw(st.sampled_from([0.1, 1.0])),
        mlp_features=mlp_features,
        rotation_offsets=draw(st.lists(st.integers(-12, 12), min_size=1, max_size=4)),
        pooling=draw(st.sampled_from(["mean", "max"])),
        block_channels=draw(st.lists(st.sampled_from(divisors), min_size=1, max_size=3)),
        kernel_width=draw(st.integers(1, 5)),
        shared=draw(st.booleans()),
        log_softmax=draw(st.booleans()),
        activation=draw(st.sampled_from([nn.ReLU, nn.GELU])),
        drop_prob=0.5,
        channel_masking=draw(st.booleans()),
    )
    return randomised(network, draw(st.integers(0, 99)))


@given(
    network=networks(),
    more_hops=st.lists(st.integers(1, 30), max_size=4),
    batch=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_graph_computes_what_pytorch_does_whatever_the_configuration(network, more_hops, batch, seed):
    check(network, more_hops, batch=batch, seed=seed)


@pytest.mark.parametrize("preset", SplashNet.presets)
def test_the_graph_of_a_preset_computes_what_pytorch_does(preset):
    torch.manual_seed(0)
    check(SplashNet(**SplashNet.presets[preset]).eval(), [1, 100])


@pytest.mark.parametrize("shared", [True, False])
def test_streams_at_different_points_share_a_step(shared):
    network = randomised(SplashNet(**SMALL, shared=shared), seed=2)
    samples = np.random.default_rng(3).standard_normal((2, 6, 400), dtype=np.float32) * 20
    alone = [Stream(network) for _ in range(2)]
    alone[0].step(samples[:1, :, :48])
    alone[1].step(samples[1:, :, :200])
    together = Stream(network, 2)
    together.state = [np.concatenate(arrays) for arrays in zip(alone[0].state, alone[1].state, strict=True)]
    ends = np.stack([samples[0, :, 48:88], samples[1, :, 200:240]])
    expected = np.concatenate([alone[0].step(ends[:1]), alone[1].step(ends[1:])])
    np.testing.assert_allclose(together.step(ends), expected, atol=1e-5)


@torch.inference_mode()
def test_emissions_are_exact_after_an_hour():
    """The statistics of an hour are put into the state: what follows must be as in double precision."""
    network = randomised(SplashNet(**TINY_OF_FULL_SIZE), seed=4)
    exact = copy.deepcopy(network).double()
    random = np.random.default_rng(5)
    x = random.standard_normal((1, 32, 16 * 600), dtype=np.float32) * 20
    stream = Stream(network)
    stream.step(x[..., : 16 * 200])
    _, state = exact.forward_with_state(torch.from_numpy(x[..., : 16 * 200]))
    hour = state[2] * (450_000 / 197)  # as if the first seconds had been repeated
    state[2] = hour
    stream.state[1] = hour.numpy() + np.array([3, 0, 0]).reshape(1, 3, 1, 1)
    expected, state = exact.forward_with_state(torch.from_numpy(x[..., 16 * 200 :]), state)
    found = np.concatenate([stream.step(x[..., 16 * i : 16 * i + 16]) for i in range(200, 600)], axis=1)
    np.testing.assert_allclose(found, expected.log_softmax(-1), atol=1e-4)
    np.testing.assert_allclose(stream.state[1][:, 1:], state[2][:, 1:], rtol=1e-8)
    assert (stream.state[1][:, 0] == 450_000 + 3 + 400).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_graph_is_of_single_precision_but_for_the_statistics_whatever_the_network_is(dtype):
    graph = streaming_graph(SplashNet(**SMALL).to(dtype)).graph
    types = {end.name: end.type.tensor_type.elem_type for end in [*graph.input, *graph.output]}
    double = {name for name, kind in types.items() if kind == onnx.TensorProto.DOUBLE}
    assert double == {"state_1", "next_state_1"}
    assert {kind for name, kind in types.items() if name not in double} == {onnx.TensorProto.FLOAT}


@pytest.mark.parametrize("shared", [True, False])
def test_weights_stand_in_the_graph_once(shared):
    network = SplashNet(shared=shared)
    initializers = streaming_graph(network).graph.initializer
    names = [tensor.name for tensor in initializers if not tensor.name.startswith("constant")]
    assert sorted(names) == sorted(name for name, _ in network.named_parameters())
    size = sum(len(tensor.raw_data) for tensor in initializers)
    # Kernels that give two frames at once (see graph_layers.tds_conv2d) hold 66 rows where the weights hold 32.
    assert size < 1.08 * 4 * sum(parameter.numel() for parameter in network.parameters())
