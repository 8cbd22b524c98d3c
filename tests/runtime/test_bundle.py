"""Bundles on disk, whole and broken."""

from __future__ import annotations

import json

import pytest

from myotype.decoding.defaults import DecoderDefaults
from myotype.errors import ModelError, OutputError
from myotype.runtime import Bundle
from myotype.runtime.bundle import check_weights, write_decoder_defaults

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
DECODER = {
    "lm": "english",
    "lm_sha256": "0123456789abcdef" * 4,
    "lm_weight": 1.25,
    "insertion_bonus": -0.5,
    "beam_size": 20,
    "cer_before": 0.08,
    "cer_after": 0.07,
    "cer_greedy": 0.12,
    "keys": 5000,
    "recordings": 3,
    "simulated": True,
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


def test_a_bundle_says_what_its_decoder_was_tuned_to_or_nothing_of_it(folder):
    assert Bundle.open(folder).facts.decoder is None
    assert "decoder" not in Bundle.open(folder).facts.to_json()
    (folder / "myotype.json").write_text(json.dumps(FACTS | {"decoder": DECODER}))
    facts = Bundle.open(folder).facts
    assert facts.decoder == DecoderDefaults(**DECODER)
    assert facts.to_json()["decoder"] == DECODER


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (None, "decoder: expected a JSON object, found NoneType"),
        ({}, "decoder: lm is missing"),
        (DECODER | {"temperature": 1}, "decoder: 'temperature' is not known"),
        (DECODER | {"lm": "x" * 1000}, "lm is 'x+'; expected the name of a language model"),
        (DECODER | {"lm": "\x1b[31m"}, "lm is .*; expected the name of a language model"),
        (DECODER | {"lm": ""}, "lm is ''; expected the name"),
        (DECODER | {"lm_sha256": "abc"}, "lm_sha256 is no SHA-256"),
        (DECODER | {"lm_sha256": 5}, "lm_sha256 is no SHA-256"),
        (DECODER | {"lm_weight": -1}, "lm_weight is '-1'; expected a number from 0 to 1000"),
        (DECODER | {"lm_weight": float("nan")}, "lm_weight is 'nan'"),
        (DECODER | {"lm_weight": 10**400}, "lm_weight is '10+'; expected"),
        (DECODER | {"insertion_bonus": "2"}, "insertion_bonus is '2'"),
        (DECODER | {"beam_size": 0}, "beam_size is '0'; expected a whole number from 1"),
        (DECODER | {"beam_size": 2.5}, "beam_size is '2.5'; expected a whole number"),
        (DECODER | {"beam_size": True}, "beam_size is 'True'; expected a whole number"),
        (DECODER | {"beam_size": 10**9}, "beam_size is '1000000000'; expected"),
        (DECODER | {"cer_after": -0.1}, "cer_after is '-0.1'"),
        (DECODER | {"keys": 0}, "keys is '0'"),
        (DECODER | {"simulated": "yes"}, "simulated is no bool"),
    ],
)
def test_a_malformed_decoder_is_refused_by_name(folder, decoder, message):
    (folder / "myotype.json").write_text(json.dumps(FACTS | {"decoder": decoder}))
    with pytest.raises(ModelError, match=f"myotype.json: {message}" if "decoder" in message else message):
        Bundle.open(folder)


def test_what_a_decoder_was_tuned_to_takes_the_place_of_what_stood_there_and_all_else_stays(folder):
    before = FACTS | {"myotype_version": "0.0.9", "decoder": DECODER}
    (folder / "myotype.json").write_text(json.dumps(before))
    bundle = Bundle.open(folder)
    others = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "myotype.json"}
    tuned = DecoderDefaults(**(DECODER | {"lm": "mine.npz", "beam_size": 99}))
    assert write_decoder_defaults(bundle, tuned).facts.decoder == tuned
    assert Bundle.open(folder).facts.decoder == tuned
    expected = before | {"decoder": DECODER | {"lm": "mine.npz", "beam_size": 99}}
    assert json.loads((folder / "myotype.json").read_text()) == expected
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "myotype.json"} == others


def test_a_copy_has_what_was_tuned_and_the_bundle_stays_as_it_was(folder, tmp_path):
    (folder / "README.md").write_text("# a card that somebody wrote\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    bundle = Bundle.open(folder)
    target = folder.parent / f"{folder.name}-copy"
    copied = write_decoder_defaults(bundle, DecoderDefaults(**DECODER), copy_to=target)
    assert copied.folder == target
    assert copied.facts.decoder == DecoderDefaults(**DECODER)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    for name in before.keys() - {"myotype.json"}:
        assert (target / name).read_bytes() == before[name]


def test_what_could_not_be_read_again_is_not_written(folder):
    before = (folder / "myotype.json").read_bytes()
    with pytest.raises(ModelError, match="lm_weight is '2000'"):
        write_decoder_defaults(Bundle.open(folder), DecoderDefaults(**(DECODER | {"lm_weight": 2000})))
    assert (folder / "myotype.json").read_bytes() == before


def test_a_copy_takes_the_place_of_no_folder_with_other_things(folder, tmp_path_factory):
    target = tmp_path_factory.mktemp("mine")
    (target / "diary.txt").write_text("dear diary")
    with pytest.raises(OutputError, match=r"diary\.txt"):
        write_decoder_defaults(Bundle.open(folder), DecoderDefaults(**DECODER), copy_to=target)
    assert [path.name for path in target.iterdir()] == ["diary.txt"]


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
