"""From a network to a bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from myotype.errors import InputError, OutputError
from myotype.network import EMG2QwertyNet, export
from myotype.network.origins import DIGEST, digest_of
from myotype.runtime import Provenance

MINE = Provenance(license="BSD-3-Clause", source="random weights of a test")


def test_bundle_holds_the_network_and_says_where_it_comes_from(tmp_path):
    network = EMG2QwertyNet(mlp_features=[8], block_channels=[4], kernel_width=4, spec_augment=True).train()
    bundle = export(network, tmp_path / "model", provenance=MINE, look_ahead=0.2)
    assert network.training, "export left the network in another mode"
    assert sorted(path.name for path in bundle.folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "myotype.json",
        "stream.onnx",
    ]
    assert json.loads((bundle.folder / "config.json").read_text()) == network.get_config()
    weights = load_file(bundle.weights)
    assert weights.keys() == network.state_dict().keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in network.state_dict().items())
    facts = bundle.facts
    assert (facts.sfreq, facts.hop_length, facts.frame_rate) == (2000, 16, 125)
    assert (facts.receptive_field, facts.warmup_frames, facts.look_ahead) == (112, 6, 0.2)
    assert facts.provenance == replace(MINE, details={DIGEST: digest_of(network.state_dict())})
    card = (bundle.folder / "README.md").read_text()
    assert "license: bsd-3-clause" in card
    assert "random weights of a test" in card


def test_bundle_says_nothing_of_the_machine_that_it_was_written_on(tmp_path):
    network = EMG2QwertyNet(mlp_features=[4], block_channels=[2], kernel_width=2)
    bundle = export(network, tmp_path / "model", provenance=MINE)
    for path in bundle.folder.iterdir():
        content = path.read_bytes()
        for trace in (b"site-packages", b"stack_trace", b".py", str(tmp_path).encode(), str(Path.cwd()).encode()):
            assert trace not in content, (path.name, trace)


def test_bundle_of_a_simulated_model_says_that_it_reads_no_real_person(tmp_path):
    network = EMG2QwertyNet(mlp_features=[4], block_channels=[2], kernel_width=2)
    provenance = Provenance(license="BSD-3-Clause", source="a test", simulated=True, details={"seeds": "1 to 2"})
    bundle = export(network, tmp_path / "model", provenance=provenance)
    card = (bundle.folder / "README.md").read_text()
    assert "Trained on simulated EMG only" in card
    assert "| seeds | 1 to 2 |" in card


def test_what_stood_there_is_untouched_when_the_export_fails(tmp_path, monkeypatch):
    network = EMG2QwertyNet(mlp_features=[4], block_channels=[2], kernel_width=2)
    export(network, tmp_path / "model", provenance=MINE)
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}

    def full_disk(*_arguments, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("myotype.network.exporting.save_file", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        export(network, tmp_path / "model", provenance=MINE)
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_hop_that_does_not_divide_the_window_cannot_be_streamed(tmp_path):
    network = EMG2QwertyNet(mlp_features=[4], block_channels=[2], kernel_width=2, hop_length=24)
    with pytest.raises(InputError, match="hop_length=24 does not divide n_fft=64"):
        export(network, tmp_path / "model", provenance=MINE)
    assert not list(tmp_path.iterdir())
