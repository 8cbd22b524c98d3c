"""The network in other precisions, on other devices, compiled and exported."""

from __future__ import annotations

import copy
import pickle
import shutil

import pytest
import torch

from myotype.network import EMG2QwertyNet

TINY = {"mlp_features": [8], "block_channels": [2, 4], "kernel_width": 5}
HALVES = [torch.float16, torch.bfloat16]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return EMG2QwertyNet(**TINY).eval()


@pytest.fixture
def x():
    return torch.randn(2, 32, 1400, generator=torch.Generator().manual_seed(1)) * 20


def basis_of(network):
    return network.spectrogram.basis


@torch.inference_mode()
def test_double_stream_in_pieces_equals_the_whole(network, x):
    network.double()
    whole, whole_state = network.forward_with_state(x)
    assert {tensor.dtype for tensor in whole_state} == {torch.float64}
    state, pieces = None, []
    for piece in x.split([1, 0, 63, 500, 17, 819], dim=-1):
        output, state = network.forward_with_state(piece, state)
        pieces.append(output)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-12, rtol=0)
    torch.testing.assert_close(state, whole_state, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", HALVES)
@torch.inference_mode()
def test_half_network_keeps_its_spectrogram_in_single_precision(network, x, dtype):
    half = copy.deepcopy(network).to(dtype)
    expected, _ = network.spectrogram(x)
    for samples in (x, x.double()):
        assert torch.equal(half.spectrogram(samples)[0], expected)
    assert half.spectrogram(x.to(dtype))[0].dtype == torch.float32
    for samples in (x, x.to(dtype), x * 1000):
        output = half(samples)
        assert output.dtype == dtype
        assert output.isfinite().all()


@pytest.mark.parametrize("dtype", HALVES)
@torch.inference_mode()
def test_half_stream_in_pieces_is_near_the_whole(network, x, dtype):
    network.to(dtype)
    whole, state = network.forward_with_state(x)
    assert [tensor.dtype for tensor in state] == [torch.float32, dtype, dtype]
    first, state = network.forward_with_state(x[..., :777])
    second, _ = network.forward_with_state(x[..., 777:].to(dtype).float(), state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=0.05, rtol=0)


@torch.inference_mode()
def test_stream_goes_on_when_the_network_becomes_more_precise(network, x):
    whole = network(x)
    first, state = network.forward_with_state(x[..., :777])
    second, state = network.double().forward_with_state(x[..., 777:], state)
    assert {tensor.dtype for tensor in state} == {torch.float64}
    torch.testing.assert_close(torch.cat([first, second.float()], 1), whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", HALVES)
@torch.inference_mode()
def test_autocast_leaves_the_spectrogram_alone(network, x, dtype):
    expected, plain = network.spectrogram(x)[0], network(x)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.is_autocast_enabled("cpu")
        assert torch.equal(network.spectrogram(x)[0], expected)
        output = network(x)
    assert output.dtype == dtype
    assert output.isfinite().all()
    assert (output.argmax(-1) == plain.argmax(-1)).float().mean() > 0.9


def test_basis_is_unspoilt_after_other_precisions_and_no_part_of_the_weights(network):
    single = basis_of(network).clone()
    assert basis_of(network.half()).dtype == torch.float32
    assert torch.equal(basis_of(network.bfloat16().float()), single)
    double = basis_of(network.double()).clone()
    assert double.dtype == torch.float64
    assert 0 < (double - single).abs().max() < 1e-8
    assert torch.equal(basis_of(network.half().double()), double)
    assert torch.equal(basis_of(network.float()), single)
    assert not any("basis" in name for name in network.state_dict())


def test_basis_follows_the_default_precision():
    torch.set_default_dtype(torch.float64)
    try:
        network = EMG2QwertyNet(**TINY)
    finally:
        torch.set_default_dtype(torch.float32)
    assert basis_of(network).dtype == torch.float64
    assert torch.equal(basis_of(network), basis_of(EMG2QwertyNet(**TINY).double()))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
@torch.inference_mode()
def test_copies_and_pickles_compute_the_same(network, x, copied):
    for original in (network, network.double()):
        again = copied(original)
        assert torch.equal(basis_of(again), basis_of(original))
        assert torch.equal(again(x), original(x))
        assert again.get_config() == original.get_config()


@torch.inference_mode()
def test_network_without_memory_gets_its_basis_when_it_gets_memory(network, x):
    expected, weights = network(x), network.state_dict()
    ghost = copy.deepcopy(network).to("meta")
    assert ghost(x.to("meta")).shape == expected.shape
    ghost.to_empty(device="cpu").load_state_dict(weights)
    assert torch.equal(ghost(x), expected)
    with torch.device("meta"):
        born = EMG2QwertyNet(**TINY).eval()
    assert basis_of(born).is_meta
    born.load_state_dict(weights, assign=True)
    assert torch.equal(born(x), expected)


@torch.inference_mode()
def test_weights_that_are_assigned_bring_their_precision(network, x):
    double = copy.deepcopy(network).double()
    network.load_state_dict(double.state_dict(), assign=True)
    assert torch.equal(basis_of(network), basis_of(double))
    assert torch.equal(network(x), double(x))


def test_network_is_trained_under_autocast_and_in_double_precision(x):
    for dtype in (torch.float32, torch.float64):
        network = EMG2QwertyNet(**TINY, spec_augment=True, drop_prob=0.1).train().to(dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.float32):
            network(x).float().square().mean().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.dtype == dtype


@torch.inference_mode()
def test_export_takes_any_batch_and_any_length(network, x):
    dynamic = torch.export.Dim.DYNAMIC
    program = torch.export.export(network, (x,), dynamic_shapes=({0: dynamic, 2: dynamic},)).module()
    for shape in [(2, 32, 1400), (1, 32, 1400), (5, 32, 3001), (1, 32, network.receptive_field + 16)]:
        samples = torch.randn(shape) * 20
        torch.testing.assert_close(program(samples), network(samples), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_export_of_one_length_takes_any_batch_or_one(network, x):
    for dynamic in (None, ({0: torch.export.Dim("batch")},)):
        program = torch.export.export(network, (x,), dynamic_shapes=dynamic).module()
        samples = x if dynamic is None else torch.cat([x, x[:1]])
        torch.testing.assert_close(program(samples), network(samples), atol=1e-5, rtol=1e-5)


def test_precision_that_was_traced_is_that_of_the_program(network, x):
    network.half()
    program = torch.export.export(network, (x,)).module()
    torch.testing.assert_close(program(x), network(x), atol=0.02, rtol=0)


def test_network_compiles_to_one_graph_and_trains(network, x):
    torch.compiler.reset()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), network(x), atol=1e-5, rtol=1e-5)
    compiled(x).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@torch.no_grad()
def test_compiled_network_takes_other_lengths_autocast_and_asks_for_features(network, x):
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    for samples in (x, x[..., :900], x[..., :1111]):
        torch.testing.assert_close(compiled(samples), network(samples), atol=1e-5, rtol=1e-5)
    features = compiled(x, return_features=True)["features"]
    torch.testing.assert_close(features, network(x, return_features=True)["features"], atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(compiled(x), network(x), atol=0.02, rtol=0)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's default compiler needs a C++ compiler")
@pytest.mark.filterwarnings(
    "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"
)  # torch's own use of it
@torch.no_grad()
def test_network_compiles_with_the_default_compiler(network, x, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()
    compiled = torch.compile(network, fullgraph=True)
    torch.testing.assert_close(compiled(x), network(x), atol=1e-5, rtol=1e-5)
