"""The streaming graph: what PyTorch computes, for every network that can be built."""

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

from myotype.errors import InputError
from myotype.network import EMG2QwertyNet
from myotype.network.graph import full_state, streaming_graph

EXPORTABLE = {
    "CELU",
    "ELU",
    "GELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
}
SMALL = {
    "n_chans": 6,
    "num_bands": 2,
    "electrodes_per_band": 3,
    "n_fft": 8,
    "hop_length": 4,
    "mlp_features": [6],
    "block_channels": [4],
    "kernel_width": 3,
    "n_outputs": 5,
}


def randomised(network, seed):
    """Give every weight and statistic a value of its own, none of them one that a graph could leave out."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(generator=generator)
            if tensor.ndim > 1:
                tensor.div_(tensor[0].numel() ** 0.5)
            elif name.endswith(("norm.weight", "running_var")):
                tensor.square_().add_(0.5)
    return network.eval()


def session_of(network):
    model = streaming_graph(network)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def step_of(session, samples, state):
    names = [node.name for node in session.get_inputs()]
    emissions, *state = session.run(None, dict(zip(names, [samples, *state], strict=True)))
    return emissions, state


@torch.inference_mode()
def check_steps(network, lengths, *, batch=2, seed=0):
    """Hold several steps of the graph, each with the state of the one before, against those of the network.

    Where features are nearly equal their normalisation magnifies rounding errors: a few times PyTorch's own are allowed
    on top of 1e-4, as a network in double precision finds them.
    """
    session, exact = session_of(network), copy.deepcopy(network).double()
    random = np.random.default_rng(seed)
    state_here, state_in_double = full_state(network, batch), full_state(exact, batch)
    state = [tensor.numpy() for tensor in state_here]
    for n_hops in lengths:
        shape = (batch, network.n_chans, n_hops * network.hop_length)
        samples = random.standard_normal(shape, dtype=np.float32) * 20
        output, state_here = network.forward_with_state(torch.from_numpy(samples), state_here)
        in_double, state_in_double = exact.forward_with_state(torch.from_numpy(samples).double(), state_in_double)
        emissions, state = step_of(session, samples, state)
        assert emissions.shape == (batch, n_hops, network.n_outputs)
        found = [emissions, *state]
        wanted = [output.log_softmax(-1), *state_here]
        best = [in_double.log_softmax(-1), *state_in_double]
        for ours, theirs, double in zip(found, wanted, best, strict=True):
            assert ours.shape == theirs.shape
            rounding = (theirs - double).abs().max().item() if theirs.numel() else 0
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 + 5 * rounding)


@st.composite
def networks(draw):
    num_bands, electrodes = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    hop_length, hops = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    mlp_features = draw(st.lists(st.sampled_from([4, 6, 8, 16]), min_size=1, max_size=3))
    features = num_bands * mlp_features[-1]
    divisors = st.sampled_from([channels for channels in range(1, features + 1) if features % channels == 0])
    network = EMG2QwertyNet(
        n_outputs=draw(st.integers(1, 7)),
        n_chans=num_bands * electrodes,
        num_bands=num_bands,
        electrodes_per_band=electrodes,
        n_fft=hops * hop_length,
        hop_length=hop_length,
        log_eps=draw(st.sampled_from([1e-6, 1e-3])),
        mlp_features=mlp_features,
        rotation_offsets=draw(st.lists(st.integers(-12, 12), min_size=1, max_size=4)),
        pooling=draw(st.sampled_from(["mean", "max"])),
        block_channels=draw(st.lists(divisors, min_size=1, max_size=3)),
        kernel_width=draw(st.integers(1, 5)),
        log_softmax=draw(st.booleans()),
        activation=draw(st.sampled_from([nn.ReLU, nn.ELU, nn.GELU, nn.Identity])),
        drop_prob=0.5,
        spec_augment=draw(st.booleans()),
    )
    return randomised(network, draw(st.integers(0, 99)))


@given(
    network=networks(),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    batch=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_graph_computes_what_pytorch_does_whatever_the_configuration(network, lengths, batch, seed):
    check_steps(network, lengths, batch=batch, seed=seed)


@pytest.mark.parametrize("channels", [1, 3, 8, 16, 24, 40, 48])
def test_every_number_of_channels_is_convolved_alike(channels):
    config = SMALL | {"mlp_features": [120 if channels != 16 else 16], "block_channels": [channels]}
    check_steps(randomised(EMG2QwertyNet(**config), seed=1), [1, 2, 7, 1])


@torch.inference_mode()
def test_full_size_emissions_are_those_of_the_reference(golden):
    torch.manual_seed(1234)  # of the reference's "recipe A"
    network = EMG2QwertyNet()
    emg = np.random.default_rng(77).standard_normal((1, 32, 8000), dtype=np.float32) * np.float32(12.5)
    emissions, _ = step_of(session_of(network), emg, [tensor.numpy() for tensor in full_state(network, 1)])
    with np.load(golden / "full_size_emissions.npz") as arrays:
        expected = arrays["emissions_A"].swapaxes(0, 1)
    np.testing.assert_allclose(emissions[:, -expected.shape[1] :], expected, atol=1e-4)


@pytest.mark.parametrize("name", sorted(EXPORTABLE | {"Identity"}))
def test_activation_is_that_of_pytorch(name):
    check_steps(randomised(EMG2QwertyNet(**SMALL, activation=getattr(nn, name)), seed=2), [5, 4])


def constructible(name):
    try:
        getattr(nn, name)()
    except TypeError:
        return False
    return True


@pytest.mark.parametrize(
    "name", sorted(name for name in set(nn.modules.activation.__all__) - EXPORTABLE if constructible(name))
)
def test_activation_that_cannot_be_written_is_refused_by_name(name):
    network = EMG2QwertyNet(**SMALL, activation=getattr(nn, name))
    with pytest.raises(InputError, match=rf"activation {name} cannot be .*: CELU, ELU, .*, ReLU, ReLU6, "):
        streaming_graph(network)


def test_activation_of_ones_own_is_refused_even_where_it_descends_from_a_known_one():
    class Own(nn.ReLU):
        pass

    with pytest.raises(InputError, match="activation Own cannot be written"):
        streaming_graph(EMG2QwertyNet(**SMALL, activation=Own))


def test_hop_that_does_not_divide_the_window_is_refused():
    with pytest.raises(InputError, match="hop_length=3 does not divide n_fft=8"):
        streaming_graph(EMG2QwertyNet(**SMALL | {"hop_length": 3}))


def test_mode_of_the_network_makes_no_difference():
    network = randomised(EMG2QwertyNet(**SMALL, drop_prob=0.5, spec_augment=True), seed=3)
    expected = streaming_graph(network)
    assert streaming_graph(network.train()) == expected
    assert network.training


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_graph_is_of_single_precision_whatever_the_network_is(dtype):
    network = randomised(EMG2QwertyNet(**SMALL), seed=4).to(dtype)
    found = session_of(network)
    wanted = session_of(network.float())
    samples = np.random.default_rng(5).standard_normal((1, 6, 40), dtype=np.float32) * 20
    state = [tensor.numpy() for tensor in full_state(network, 1)]
    assert network.spectrogram.basis.dtype == torch.float32
    np.testing.assert_allclose(step_of(found, samples, state)[0], step_of(wanted, samples, state)[0], atol=1e-6)


def test_graph_names_what_it_takes_and_gives_and_nothing_else():
    network = EMG2QwertyNet(**SMALL | {"block_channels": [4, 2]})
    model = streaming_graph(network)
    shapes = {
        end.name: [size.dim_param or size.dim_value for size in end.type.tensor_type.shape.dim]
        for end in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "samples": ["batch", 6, "4*frames"],
        "state_0": ["batch", 6, 4],
        "state_1": ["batch", 2, 12],
        "state_2": ["batch", 2, 12],
        "emissions": ["batch", "frames", 5],
        "next_state_0": ["batch", 6, 4],
        "next_state_1": ["batch", 2, 12],
        "next_state_2": ["batch", 2, 12],
    }
    assert (model.producer_name, model.producer_version, model.doc_string) == ("myotype", "", "")
    assert model.ir_version <= 10, "newer than ONNX Runtime 1.19"
    assert [(opset.domain, opset.version <= 21) for opset in model.opset_import] == [("", True)]
    assert not model.metadata_props
    assert not any(part.doc_string or part.metadata_props for part in [model.graph, *model.graph.node])


def test_weights_keep_their_names_and_stand_there_once():
    network = EMG2QwertyNet()
    initializers = streaming_graph(network).graph.initializer
    names = [tensor.name for tensor in initializers]
    assert len(set(names)) == len(names)
    norm = {"model.0.batch_norm.weight", "model.0.batch_norm.bias"}
    assert {name for name, _ in network.named_parameters()} - norm == {n for n in names if not n.startswith("constant")}
    assert sum(len(tensor.raw_data) for tensor in initializers) < 1.05 * 4 * sum(
        p.numel() for p in network.parameters()
    )
