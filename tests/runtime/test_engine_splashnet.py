"""The engine with a network whose first frames are normalised together: it holds them back, and all else is as ever."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the extra `train` is not installed")

from onnx import helper

from myotype import Recording, Transcriber
from myotype.decoding import GreedyDecoder
from myotype.errors import ModelError
from myotype.keyboard import KEYS
from myotype.network import EMG2QwertyNet, SplashNet, export
from myotype.runtime import Bundle, Engine, Provenance

MINE = Provenance(license="BSD-3-Clause", source="random weights of a test")
N_SAMPLES = 4500
SETTLING_HOPS = 128
KERNELS = {"shorter than the settling": (6, 2), "as long as it": (32, 4), "longer": (50, 3)}


def network_with(kernel_width, n_blocks, **arguments):
    torch.manual_seed(3)
    blocks = [4, 2, 3, 4][:n_blocks]
    return SplashNet(
        mlp_features=[12], block_channels=blocks, kernel_width=kernel_width, log_softmax=True, **arguments
    ).eval()


@pytest.fixture(scope="module", params=KERNELS)
def network(request):
    return network_with(*KERNELS[request.param], shared=request.param != "longer")


@pytest.fixture(scope="module")
def engine(network, tmp_path_factory):
    return Engine(export(network, tmp_path_factory.mktemp("bundle") / "model", provenance=MINE))


@pytest.fixture(scope="module")
def signal():
    return np.random.default_rng(8).standard_normal((N_SAMPLES, 32)).astype(np.float32) * 20


@pytest.fixture(scope="module")
def expected(network, signal):
    with torch.inference_mode():
        return network(torch.from_numpy(signal).T[None])[0].numpy()


def frames_after(engine, n_samples):
    """Emission frames that a stream has given after so many samples."""
    hops = n_samples // 16
    return max(hops - engine.facts.warmup_frames, 0) if hops >= SETTLING_HOPS else 0


def test_the_bundle_says_how_many_hops_a_stream_begins_with(engine, network, tmp_path):
    assert engine.facts.settling_frames == SETTLING_HOPS
    assert engine.facts.receptive_field == network.receptive_field
    other = export(EMG2QwertyNet(mlp_features=[4], block_channels=[2], kernel_width=2), tmp_path / "x", provenance=MINE)
    assert other.facts.settling_frames == 0


def test_emissions_are_those_of_pytorch(engine, signal, expected):
    (found,) = engine.step([engine.stream()], [signal])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


@given(cuts=st.lists(st.integers(0, N_SAMPLES), max_size=30))
@settings(max_examples=15, deadline=None)
def test_pieces_give_the_same_as_the_whole(engine, signal, expected, cuts):
    stream, pieces = engine.stream(), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), N_SAMPLES], strict=True):
        pieces += engine.step([stream], [signal[start:end]])
        assert stream.n_frames == frames_after(engine, end)
    np.testing.assert_allclose(np.concatenate(pieces), expected, atol=1e-4)
    assert stream.n_samples == N_SAMPLES


def test_hops_one_by_one_give_the_same_as_the_whole(engine, signal, expected):
    stream = engine.stream()
    pieces = [engine.step([stream], [signal[i : i + 16]])[0] for i in range(0, N_SAMPLES, 16)]
    np.testing.assert_allclose(np.concatenate(pieces), expected, atol=1e-4)


def test_a_stream_that_ends_before_it_has_settled_gives_nothing(engine, signal):
    stream = engine.stream()
    (found,) = engine.step([stream], [signal[: 16 * SETTLING_HOPS - 1]])
    assert found.shape == (0, 99)
    assert (stream.n_samples, stream.n_frames) == (16 * SETTLING_HOPS - 1, 0)


@given(rows=st.lists(st.lists(st.integers(0, 2500), min_size=4, max_size=4), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_several_streams_at_different_points_do_not_touch_each_other(engine, signal, expected, rows):
    streams = [engine.stream() for _ in range(4)]
    position, pieces = [0] * 4, [[] for _ in range(4)]
    for row in rows:
        chunks = [signal[a : a + n] for a, n in zip(position, row, strict=True)]
        for i, emissions in enumerate(engine.step(streams, chunks)):
            pieces[i].append(emissions)
            position[i] += len(chunks[i])
    for i in range(4):
        found = np.concatenate(pieces[i])
        assert len(found) == frames_after(engine, position[i])
        np.testing.assert_allclose(found, expected[: len(found)], atol=1e-4)


@pytest.mark.parametrize("at", [0, 1003, 2047, 2048, 3000])
def test_a_copied_stream_goes_on_by_itself(engine, signal, expected, at):
    stream = engine.stream()
    (first,) = engine.step([stream], [signal[:at]])
    twin = stream.copy()
    (rest,) = engine.step([stream], [signal[at:]])
    engine.step([stream], [signal])
    (twin_rest,) = engine.step([twin], [signal[at:]])
    np.testing.assert_array_equal(twin_rest, rest)
    np.testing.assert_allclose(np.concatenate([first, rest]), expected, atol=1e-4)


def test_silence_and_noise_of_a_millivolt_are_those_of_pytorch(engine, network, signal):
    for samples in (signal * 0, signal * 50):
        (found,) = engine.step([engine.stream()], [samples])
        with torch.inference_mode():
            expected = network(torch.from_numpy(samples).T[None])[0]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_keystrokes_are_those_that_pytorch_and_the_decoder_say_whole_and_in_pieces(engine, network, signal):
    recording = Recording(emg=np.concatenate([signal] * 4), name="noise")
    transcriber = Transcriber(engine, GreedyDecoder())
    whole = transcriber.transcribe(recording)
    with torch.inference_mode():
        emissions = network(torch.from_numpy(recording.emg[:]).T[None])[0].numpy()
    (expected,) = GreedyDecoder().decode(emissions)
    assert len(expected.labels) > 10
    assert [stroke.key for stroke in whole.keystrokes] == [KEYS[label] for label in expected.labels]
    ends = (expected.frames * 16 + engine.facts.receptive_field) / 2000 - engine.facts.look_ahead
    np.testing.assert_allclose([stroke.time for stroke in whole.keystrokes], ends, atol=1e-9)
    stream, pieces = transcriber.stream(), []
    for start in range(0, recording.n_samples, 100):
        pieces += stream.push(recording.emg[start : start + 100]).committed
    pieces += stream.finish().committed
    assert [one.key for one in pieces] == [one.key for one in whole.keystrokes]
    np.testing.assert_allclose([one.time for one in pieces], ends, atol=1e-9)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return export(network_with(32, 4), tmp_path_factory.mktemp("full") / "model", provenance=MINE)


def test_a_recording_that_ends_before_anything_settles_is_noted(bundle, signal):
    found = Transcriber.from_pretrained(bundle.folder, decoder="greedy").transcribe(Recording(emg=signal[:2000]))
    assert not found.keystrokes
    assert any("shorter than the 1.02 s" in note.message for note in found.notes)


@pytest.fixture
def copied(bundle, tmp_path):
    return shutil.copytree(bundle.folder, tmp_path / "model")


def change_facts(folder, **facts):
    content = json.loads((folder / "myotype.json").read_text())
    (folder / "myotype.json").write_text(json.dumps(content | facts))


@pytest.mark.parametrize("value", [-1, 1.5, True, "many", None, 1e7])
def test_settling_frames_that_are_no_number_of_frames_are_refused(copied, value):
    change_facts(copied, settling_frames=value)
    with pytest.raises(ModelError, match=r"myotype\.json: settling_frames is .*; expected a number from 0"):
        Bundle.open(copied)


def test_more_settling_frames_than_memory_is_given_to_are_refused(copied):
    change_facts(copied, settling_frames=10**6)
    with pytest.raises(ModelError, match=r"the state of a stream and 1000000 hops of samples take \d+ bytes; 67108864"):
        Engine(Bundle.open(copied))


def test_a_state_of_another_number_format_is_refused(copied):
    float16 = onnx.TensorProto.FLOAT16
    ends = [
        [
            helper.make_tensor_value_info(a, onnx.TensorProto.FLOAT, ["batch", 32, "n"])
            for a in ("samples", "emissions")
        ],
        [helper.make_tensor_value_info(a, float16, ["batch", 4]) for a in ("state_0", "next_state_0")],
    ]
    nodes = [helper.make_node("Identity", [x.name], [y.name]) for x, y in ends]
    graph = helper.make_graph(nodes, "stream", [one for one, _ in ends], [other for _, other in ends])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    (copied / "stream.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not a streaming graph for 32 channels"):
        Engine(Bundle.open(copied))


def test_facts_without_settling_frames_are_those_of_a_model_that_has_none(copied):
    content = json.loads((copied / "myotype.json").read_text())
    del content["settling_frames"]
    (copied / "myotype.json").write_text(json.dumps(content))
    assert Bundle.open(copied).facts.settling_frames == 0
