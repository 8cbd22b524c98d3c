"""Bundles on disk, whole and broken."""

from __future__ import annotations

import json

import pytest

from myotype.errors import ModelError
from myotype.runtime import Bundle
from myotype.runtime.bundle import check_weights

CONFIG = {"n_outputs": 99, "n_chans": 32, "sfreq": 2000, "hop_length": 16}
FACTS = {
    "format_version": 1,
    "architecture": "EMG2QwertyNet",
    "sfreq": 2000,
    "n_chans": 32,
    "hop_length": 16,
    "receptive_field": 288,
    "warmup_frames": 17,
    "look_ahead": 0.1,
    "parameters": 1000,
    "multiply_adds": 5000,
    "precision": "float32",
    "provenance": {"license": "BSD-3-Clause", "source": "a test"},
}


HEADER = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "myotype.json").write_text(json.dumps(FACTS))
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "stream.onnx").write_bytes(b"")
    return tmp_path


def test_a_whole_bundle_opens(folder):
    bundle = Bundle.open(folder)
    assert bundle.config == CONFIG
    assert bundle.facts.frame_rate == 125
    assert bundle.facts.provenance.license == "BSD-3-Clause"


def test_a_model_that_does_not_exist_is_refused_with_what_there_is():
    with pytest.raises(ModelError, match="nowhere: no such model; give the folder of a bundle, or one of:"):
        Bundle.open("nowhere")


@pytest.mark.parametrize("name", ["config.json", "myotype.json", "model.safetensors", "stream.onnx"])
def test_an_incomplete_bundle_is_refused_by_what_is_missing(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"incomplete: it has no {name}"):
        Bundle.open(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable as JSON"),
        ("[]", "expected a JSON object, found list"),
        ("[" * 100_000, "not readable as JSON"),
        (json.dumps(FACTS | {"format_version": 2}), "format version 2"),
        (json.dumps({k: v for k, v in FACTS.items() if k != "look_ahead"}), "'look_ahead' is missing"),
        (json.dumps(FACTS | {"hop_length": 0}), "hop_length is 0"),
        (json.dumps(FACTS | {"hop_length": True}), "hop_length is True"),
        (json.dumps(FACTS | {"sfreq": "fast"}), "sfreq is 'fast'"),
        (json.dumps(FACTS | {"look_ahead": float("nan")}), "look_ahead is nan"),
        (json.dumps(FACTS | {"precision": "int2"}), "precision 'int2' is not known"),
        (json.dumps(FACTS | {"provenance": {"licence": "MIT"}}), "provenance: .*licence"),
        (json.dumps(FACTS | {"provenance": {"license": 5, "source": ""}}), "provenance: license is no str"),
        (json.dumps(FACTS | {"provenance": FACTS["provenance"] | {"details": [1]}}), "details is no dict"),
        (json.dumps(FACTS | {"receptive_field": 272}), "contradict each other"),
        (json.dumps(FACTS | {"warmup_frames": 16}), "contradict each other"),
        (json.dumps(FACTS | {"hop_length": 32}), "hop_length is 32, but config.json says 16"),
        (json.dumps(FACTS | {"provenance": None}), "provenance: expected a JSON object, found NoneType"),
    ],
)
def test_malformed_facts_are_refused_by_name(folder, content, message):
    (folder / "myotype.json").write_text(content)
    with pytest.raises(ModelError, match=message):
        Bundle.open(folder)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (b"", "not a safetensors file"),
        (WEIGHTS[:-1], "copy it again"),
        (WEIGHTS[:20], "not a safetensors file"),
        (b"\xff" * 100, "not a safetensors file"),
        *(
            (len(header).to_bytes(8, "little") + header, "not a safetensors file")
            for header in (
                b"[1]",
                b'{"a":{"data_offsets":[0,"x"]}}',
                b'{"a":{"data_offsets":[0,1e999]}}',
                b'{"a":{"data_offsets":[0,null]}}',
                b'{"a":[]}',
                b'{"__metadata__":5}',
                b'{"__metadata__":{"format":5}}',
                b"[" * 100_000,
            )
        ),
    ],
)
def test_weights_that_were_cut_off_are_refused(folder, weights, message):
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match=message):
        Bundle.open(folder)


def test_metadata_of_weights_are_given(folder):
    path = folder / "model.safetensors"
    assert check_weights(path) == {}
    header = b'{"__metadata__":{"format":"pt"},' + HEADER[1:]
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert check_weights(path) == {"format": "pt"}


def test_a_bundled_name_is_the_bundled_model_whatever_lies_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert Bundle.open("demo").folder.parent.name == "assets"
    with pytest.raises(ModelError, match="incomplete"):
        Bundle.open("./demo")


def test_a_name_longer_than_any_path_is_refused():
    with pytest.raises(ModelError, match="no such model"):
        Bundle.open("m" * 5000)


def test_a_huge_json_file_is_not_read(folder):
    (folder / "config.json").write_text(" " * (2 << 20))
    with pytest.raises(ModelError, match="are too many for this file"):
        Bundle.open(folder)
