"""Bundles looked over: what is right passes, and every kind of wrong is found."""

from __future__ import annotations

import json
import shutil

import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file, save_file

from myotype.errors import ModelError
from myotype.network import EMG2QwertyNet, export
from myotype.network.verification import verify
from myotype.runtime import Bundle, Provenance, published

MINE = Provenance(license="MIT", source="random weights of a test")
ORIGINAL = Provenance(
    license=published.LICENSE,
    source="Converted from the published generic checkpoint of emg2qwerty.",
    citation=published.CITATION,
    details={
        "source file": "generic.ckpt",
        "source size": published.CHECKPOINT_SIZE,
        "source SHA-256": published.CHECKPOINT_SHA256,
    },
)


def small_network(*, generic: bool = False) -> EMG2QwertyNet:
    torch.manual_seed(5)
    network = EMG2QwertyNet(mlp_features=[4], block_channels=[2], kernel_width=2).eval()
    if generic:
        with torch.no_grad():
            network.model["0"].batch_norm.running_mean.copy_(torch.linspace(0.0, 2 * 0.511, 32))
            network.model["0"].batch_norm.running_var.copy_(torch.linspace(0.5, 2 * 1.146 - 0.5, 32))
    return network


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return export(small_network(), tmp_path_factory.mktemp("whole") / "model", provenance=MINE).folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "model")


def failures(folder) -> dict[str, str]:
    return {check.name: check.found for check in verify(Bundle.open(folder)) if check.verdict == "FAILED"}


def test_a_sound_bundle_passes_every_check(folder):
    checks = {check.name: check for check in verify(Bundle.open(folder))}
    assert not [name for name, check in checks.items() if check.verdict == "FAILED"]
    assert checks["output for (1, 32, 8000)"].found == "(1, 496, 99)"
    assert checks["entries"].found == str(len(small_network().state_dict()))
    assert checks["first layer's statistics"].verdict == "shown"
    assert checks["licence"].found == "MIT"


def test_the_default_architecture_has_the_entries_and_frames_that_are_published(tmp_path):
    bundle = export(EMG2QwertyNet(), tmp_path / "model", provenance=MINE)
    checks = {check.name: (check.expected, check.found, check.verdict) for check in verify(bundle)}
    assert checks["entries"] == ("51", "51", "ok")
    assert checks["output for (1, 32, 8000)"] == ("(1, 373, 99)", "(1, 373, 99)", "ok")
    assert checks["parameters"] == ("5,293,315", "5,293,315", "ok")
    assert checks["multiply-adds a frame"] == ("8,370,432", "8,370,432", "ok")
    assert {verdict for *_, verdict in checks.values()} == {"ok", "shown"}


def test_the_bundled_model_is_what_it_says():
    assert not failures("demo")


def test_the_published_weights_are_known_by_their_statistics(tmp_path):
    bundle = export(small_network(generic=True), tmp_path / "model", provenance=ORIGINAL)
    checks = {check.name: check for check in verify(bundle)}
    assert "the published generic weights" in checks["first layer's statistics"].found
    assert checks["first layer's statistics"].found.startswith("mean 0.511, variance 1.146")
    assert checks["source file"].verdict == "ok"
    assert checks["source file"].found.startswith("the published generic checkpoint")
    assert not failures(bundle.folder)


def test_what_passes_itself_off_as_the_published_weights_is_found_out(tmp_path):
    bundle = export(small_network(), tmp_path / "model", provenance=ORIGINAL)
    assert "first layer's statistics" in failures(bundle.folder)


def test_published_weights_under_another_licence_are_found_out(tmp_path):
    bundle = small_network(generic=True).save_pretrained(tmp_path / "model")
    facts = json.loads((bundle.folder / "myotype.json").read_text())
    facts["provenance"] |= {"license": "MIT", "citation": ""}
    (bundle.folder / "myotype.json").write_text(json.dumps(facts))
    change_weights(bundle.folder, lambda _: None)  # which takes what they say themselves out of them
    found = failures(bundle.folder)
    assert found == {"licence": "MIT", "citation": "none", "model card's licence": published.LICENSE}


def test_a_licence_that_nobody_has_stated_fails(tmp_path):
    bundle = small_network().save_pretrained(tmp_path / "model")
    assert failures(bundle.folder) == {"licence": "unknown"}


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (lambda weights: weights.pop("final_layer.bias"), "entries"),
        (lambda weights: weights.update(extra=torch.zeros(2)), "names"),
        (lambda weights: weights.update({"final_layer.bias": torch.zeros(3)}), "shapes"),
        (lambda weights: weights.update({"final_layer.bias": torch.zeros(99).half()}), "number formats"),
        (lambda weights: weights["final_layer.bias"].fill_(torch.nan), "weights"),
        (lambda weights: weights["final_layer.bias"][3].add_(5), "ONNX graph = PyTorch"),
        (lambda weights: weights["final_layer.bias"][3].add_(1e-6), "SHA-256 of the weights"),
        (
            lambda weights: weights["model.0.batch_norm.running_var"].fill_(-1),
            "outputs for noise of 12 uV, silence, noise of 1 mV",
        ),
    ],
)
def test_weights_that_were_changed_are_found_out(folder, change, failed):
    change_weights(folder, change)
    assert failed in failures(folder)


def test_a_graph_that_was_changed_is_found_out(folder):
    model = onnx.load(folder / "stream.onnx")
    biases = [tensor for tensor in model.graph.initializer if list(tensor.dims) == [99]]
    (bias,) = biases
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + torch.arange(99).numpy(), bias.name))
    onnx.save(model, folder / "stream.onnx")
    assert "ONNX graph = PyTorch" in failures(folder)


def test_a_graph_with_operators_of_elsewhere_is_found_out(folder):
    model = onnx.load(folder / "stream.onnx")
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, folder / "stream.onnx")
    assert failures(folder) == {"graph's operators": "com.microsoft"}


def test_facts_that_are_not_those_of_the_network_are_found_out(folder):
    facts = json.loads((folder / "myotype.json").read_text())
    (folder / "myotype.json").write_text(json.dumps(facts | {"parameters": 7, "multiply_adds": 8}))
    assert failures(folder).keys() == {"parameters", "multiply-adds a frame"}


def test_a_card_that_hides_the_licence_is_found_out(folder):
    (folder / "README.md").write_text("# A model\nDo what you like.\n")
    assert failures(folder) == {"model card's licence": "unknown"}


def test_facts_whose_licence_is_not_the_one_that_the_weights_carry_are_refused(folder):
    facts = (folder / "myotype.json").read_text().replace('"MIT"', '"BSD-3-Clause"')
    (folder / "myotype.json").write_text(facts)
    with pytest.raises(ModelError, match="stand under BSD-3-Clause, but they say themselves that it is MIT"):
        failures(folder)


@pytest.mark.parametrize("content", [b"", b"\x08\x09garbage" * 1000, None])
def test_a_graph_that_cannot_be_read_is_a_failed_check_and_no_traceback(folder, content):
    graph = folder / "stream.onnx"
    graph.write_bytes(graph.read_bytes()[:3000] if content is None else content)
    assert failures(folder).keys() == {"ONNX graph = PyTorch"}
