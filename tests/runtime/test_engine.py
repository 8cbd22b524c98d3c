"""The engine: what PyTorch computes, from any pieces, for many streams."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the extra `train` is not installed")

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


def test_a_graph_that_is_none_is_refused(bundle, tmp_path):
    broken = tmp_path / "model"
    broken.mkdir()
    for path in bundle.folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "stream.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match=r"stream\.onnx: not a graph that can be run"):
        Engine(Bundle.open(broken))
