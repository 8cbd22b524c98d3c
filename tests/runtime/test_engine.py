"""The engine: what PyTorch computes, from any pieces, for many streams."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the extra `train` is not installed")

from onnx import helper
from onnx.external_data_helper import set_external_data
from safetensors.torch import load_file

from myotype.errors import InputError, ModelError
from myotype.network import EMG2QwertyNet, export
from myotype.runtime import Bundle, Engine, Provenance

MINE = Provenance(license="BSD-3-Clause", source="random weights of a test")
N_SAMPLES = 3000


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return EMG2QwertyNet(mlp_features=[12], block_channels=[4, 2], kernel_width=6, log_softmax=True).eval()


@pytest.fixture(scope="module")
def bundle(network, tmp_path_factory):
    return export(network, tmp_path_factory.mktemp("bundle") / "model", provenance=MINE)


@pytest.fixture(scope="module")
def engine(bundle):
    return Engine(bundle)


@pytest.fixture(scope="module")
def signal():
    return np.random.default_rng(8).standard_normal((N_SAMPLES, 32)).astype(np.float32) * 20


@pytest.fixture(scope="module")
def expected(network, signal):
    with torch.inference_mode():
        return network(torch.from_numpy(signal).T[None])[0].numpy()


def test_emissions_are_those_of_pytorch(engine, signal, expected):
    (found,) = engine.step([engine.stream()], [signal])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


@given(cuts=st.lists(st.integers(0, N_SAMPLES), max_size=30))
@settings(max_examples=20, deadline=None)
def test_pieces_give_the_same_as_the_whole(engine, signal, expected, cuts):
    stream, pieces = engine.stream(), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), N_SAMPLES], strict=True):
        pieces += engine.step([stream], [signal[start:end]])
    np.testing.assert_allclose(np.concatenate(pieces), expected, atol=1e-4)
    assert stream.n_samples == N_SAMPLES
    assert stream.n_frames == len(expected)


def test_single_samples_give_the_same_as_the_whole(engine, signal, expected):
    stream = engine.stream()
    pieces = [engine.step([stream], [signal[i : i + 1]])[0] for i in range(600)]
    found = np.concatenate(pieces)
    np.testing.assert_allclose(found, expected[: len(found)], atol=1e-4)
    assert len(found) == (600 - engine.facts.receptive_field) // 16 + 1


@given(lengths=st.lists(st.lists(st.integers(0, 400), min_size=4, max_size=4), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_several_streams_in_one_call_do_not_touch_each_other(engine, signal, expected, lengths):
    streams = [engine.stream() for _ in range(4)]
    position, pieces = [0] * 4, [[] for _ in range(4)]
    for row in lengths:
        chunks = [signal[a : a + n] for a, n in zip(position, row, strict=True)]
        for i, emissions in enumerate(engine.step(streams, chunks)):
            pieces[i].append(emissions)
            position[i] += len(chunks[i])
    for i in range(4):
        found = np.concatenate(pieces[i])
        assert len(found) == max((position[i] - engine.facts.receptive_field) // 16 + 1, 0)
        np.testing.assert_allclose(found, expected[: len(found)], atol=1e-4)


def test_a_copied_stream_goes_on_by_itself(engine, signal, expected):
    stream = engine.stream()
    engine.step([stream], [signal[:1003]])
    twin = stream.copy()
    (rest,) = engine.step([stream], [signal[1003:]])
    engine.step([stream], [signal])
    (twin_rest,) = engine.step([twin], [signal[1003:]])
    np.testing.assert_array_equal(twin_rest, rest)
    np.testing.assert_allclose(rest, expected[-len(rest) :], atol=1e-4)


def test_no_samples_give_no_frames(engine):
    (found,) = engine.step([engine.stream()], [np.zeros((0, 32))])
    assert found.shape == (0, 99)
    assert engine.step([], []) == []


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (np.zeros((5, 31)), r"shape \(5, 31\); expected \(n, 32\)"),
        (np.zeros(32), r"shape \(32,\)"),
        (np.full((5, 32), np.nan), "NaN, infinity or more than 1e"),
        (np.full((5, 32), np.inf), "NaN, infinity or more than 1e"),
        (np.full((5, 32), 1e12), "NaN, infinity or more than 1e"),
    ],
)
def test_bad_samples_are_refused_and_no_stream_moves(engine, signal, chunk, message):
    good, bad = engine.stream(), engine.stream()
    with pytest.raises(InputError, match=message):
        engine.step([good, bad], [signal, chunk])
    assert good.n_samples == 0


def test_a_stream_given_twice_is_refused(engine, signal):
    stream = engine.stream()
    with pytest.raises(InputError, match="each stream once"):
        engine.step([stream, stream], [signal, signal])


@pytest.mark.parametrize("name", ["realistic", "zeros", "large"])
def test_emissions_of_the_reference_checkpoint_are_reproduced(golden, tmp_path, name):
    folder = golden / "braindecode_tiny"
    network = EMG2QwertyNet.from_config(json.loads((folder / "config.json").read_text()))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    engine = Engine(export(network, tmp_path / "model", provenance=MINE))
    with np.load(golden / "emissions_tiny.npz") as arrays:
        emg, reference = arrays[f"emg_{name}"][0].T, arrays[f"emissions_{name}"][:, 0]
    stream = engine.stream()
    found = np.concatenate([engine.step([stream], [emg[a : a + 177]])[0] for a in range(0, len(emg), 177)])
    np.testing.assert_allclose(found, reference, atol=1e-4)


@pytest.fixture
def copied(bundle, tmp_path):
    """A folder with what the bundle has, to spoil."""
    return Path(shutil.copytree(bundle.folder, tmp_path / "model"))


def refused(folder, says):
    with pytest.raises(ModelError, match=rf"stream\.onnx: {says}"):
        Engine(Bundle.open(folder))


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_a_graph_that_is_none_is_refused(copied, content):
    (copied / "stream.onnx").write_bytes(content)
    refused(copied, r"not a graph that can be run: .*convert or download it again$")


def test_a_graph_that_was_cut_off_is_refused(copied):
    content = (copied / "stream.onnx").read_bytes()
    (copied / "stream.onnx").write_bytes(content[: len(content) // 2])
    refused(copied, r"not a graph that can be run: .*convert or download it again$")


def test_a_graph_that_cannot_be_read_is_refused(copied, monkeypatch):
    def fail(self, *_):
        raise PermissionError(13, "Permission denied", str(self))

    opened = Bundle.open(copied)
    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(ModelError, match="the graph cannot be read: Permission denied"):
        Engine(opened)


def test_a_graph_larger_than_graphs_can_be_is_refused(copied):
    os.truncate(copied / "stream.onnx", 1 << 31)  # which takes no room on the disk
    refused(copied, "2147483648 bytes are too many for a graph")


@pytest.mark.parametrize("location", ["weights", "folder/weights", "../weights", "/etc/passwd"])
@pytest.mark.parametrize("holder", ["initializer", "attribute"])
def test_a_graph_that_reads_other_files_is_refused(copied, location, holder):
    model = onnx.load(copied / "stream.onnx")
    index, tensor = next((i, x) for i, x in enumerate(model.graph.initializer) if x.name.endswith("bias"))
    file = copied / location
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(tensor.raw_data)
    set_external_data(tensor, location, 0, len(tensor.raw_data))
    tensor.ClearField("raw_data")
    if holder == "attribute":
        model.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
        del model.graph.initializer[index]
    (copied / "stream.onnx").write_bytes(model.SerializeToString())
    refused(copied, "the graph keeps tensors in other files, which are not read")


def graph_with_state(*shape):
    """A graph that hands its state on, and gives samples for emissions."""

    def tensor(name, *sizes):
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *sizes])

    nodes = [helper.make_node("Identity", [x], [y]) for x, y in (("samples", "emissions"), ("state_0", "next_state_0"))]
    inputs = [tensor("samples", 32, "n"), tensor("state_0", *shape)]
    outputs = [tensor("emissions", 32, "n"), tensor("next_state_0", *shape)]
    graph = helper.make_graph(nodes, "stream", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()


@pytest.mark.parametrize("shape", [(10**11,), (10**9, 10**9, 10**9), (0, 10**18, 10**18), (1 << 24,)])
def test_a_state_that_is_too_large_is_refused_before_it_is_made(copied, shape):
    (copied / "stream.onnx").write_bytes(graph_with_state(*shape))
    refused(copied, r"the state of a stream and 3 hops of samples take \d+ bytes; 67108864 are the most")


def test_hops_that_are_too_large_are_refused_before_they_are_made(copied):
    (copied / "stream.onnx").write_bytes(graph_with_state(4))
    for name in ("config.json", "myotype.json"):
        content = json.loads((copied / name).read_text())
        content["hop_length"] = 10**6
        if name == "myotype.json":
            content["receptive_field"] = (content["warmup_frames"] + 1) * 10**6
        (copied / name).write_text(json.dumps(content))
    refused(copied, r"the state of a stream and 3 hops of samples take 384000016 bytes")


def test_a_state_of_more_axes_than_arrays_may_have_is_refused(copied):
    (copied / "stream.onnx").write_bytes(graph_with_state(*[1] * 70))
    refused(copied, "not a streaming graph for 32 channels")
