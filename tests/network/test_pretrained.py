"""Networks loaded, saved and shared."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from myotype import Transcriber
from myotype.cli import main
from myotype.errors import InputError, ModelError, OutputError
from myotype.network import EMG2QwertyNet, convert_checkpoint, export
from myotype.network.origins import DIGEST, digest_of
from myotype.runtime import Bundle, Provenance, provenance, published

SMALL = {"mlp_features": [4], "block_channels": [2], "kernel_width": 2}
MINE = Provenance(license="MIT", source="random weights of a test", citation="Somebody 2026", details={"seed": 3})


@pytest.fixture
def network():
    torch.manual_seed(3)
    made = EMG2QwertyNet(**SMALL, n_times=8000).eval()
    made.provenance = MINE
    made.look_ahead = 0.07
    return made


@pytest.fixture(autouse=True)
def _nobody_was_told(monkeypatch):
    monkeypatch.setattr(provenance, "_told", set())


def same_weights(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def generic_statistics(network):
    """Give a network the first layer's statistics by which the published weights are known."""
    with torch.no_grad():
        network.model["0"].batch_norm.running_mean.copy_(torch.linspace(0.0, 2 * 0.511, 32))
        network.model["0"].batch_norm.running_var.copy_(torch.linspace(0.5, 2 * 1.146 - 0.5, 32))
    return network


def test_saved_and_loaded_network_is_the_same_in_weights_outputs_origin_and_look_ahead(network, tmp_path):
    network.save_pretrained(tmp_path / "model")
    loaded = EMG2QwertyNet.from_pretrained(tmp_path / "model")
    x = torch.randn(1, 32, 4000)
    assert same_weights(loaded.state_dict(), network.state_dict())
    assert torch.equal(loaded(x), network(x))
    assert loaded.get_config() == network.get_config()
    assert not loaded.training
    assert (loaded.provenance.license, loaded.provenance.source) == (MINE.license, MINE.source)
    assert (loaded.provenance.citation, loaded.look_ahead) == (MINE.citation, 0.07)
    assert loaded.provenance.details == {"seed": 3, DIGEST: digest_of(network.state_dict())}


def test_a_second_round_trip_changes_nothing(network, tmp_path):
    network.save_pretrained(tmp_path / "one")
    EMG2QwertyNet.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {path.name for path in (tmp_path / "two").iterdir()}
    for name in names - {"README.md"}:  # the card bears the folder's name
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_a_bundle_without_its_facts_still_knows_its_licence(network, tmp_path):
    network.save_pretrained(tmp_path / "model")
    for name in ("myotype.json", "stream.onnx", "README.md"):
        (tmp_path / "model" / name).unlink()
    loaded = EMG2QwertyNet.from_pretrained(tmp_path / "model")
    assert (loaded.provenance.license, loaded.provenance.source) == (MINE.license, MINE.source)


def test_a_network_of_nobody_says_so(tmp_path):
    bundle = EMG2QwertyNet(**SMALL).save_pretrained(tmp_path / "model")
    assert bundle.facts.provenance.license == "unknown"
    assert "license: unknown" in (bundle.folder / "README.md").read_text()


def test_fine_tuned_weights_keep_the_licence_but_are_not_passed_off_as_the_original(tmp_path):
    original = EMG2QwertyNet(**SMALL)
    original.provenance = Provenance(
        license=published.LICENSE,
        source="Converted from the published generic checkpoint of emg2qwerty.",
        citation=published.CITATION,
        details={"source file": "generic.ckpt", "source SHA-256": published.CHECKPOINT_SHA256},
    )
    original.save_pretrained(tmp_path / "generic")
    tuned = EMG2QwertyNet.from_pretrained(tmp_path / "generic")
    optimizer = torch.optim.SGD(tuned.parameters(), lr=1e-2)
    tuned(torch.randn(1, 32, 2000)).square().mean().backward()
    optimizer.step()
    for generation in ("personal", "more personal"):
        bundle = tuned.save_pretrained(tmp_path / generation)
        assert bundle.facts.provenance.license == published.LICENSE
        assert bundle.facts.provenance.citation == published.CITATION
        assert bundle.facts.provenance.source.startswith("Changed after loading")
        assert "source SHA-256" not in bundle.facts.provenance.details
        assert bundle.facts.provenance.details["changed from"]["details"]["source SHA-256"]
        assert not published.is_claimed(bundle.facts.provenance)
        assert published.is_derived(bundle.facts.provenance)
        card = (bundle.folder / "README.md").read_text()
        assert "license: cc-by-nc-sa-4.0" in card
        assert "@inproceedings{sivakumar2024emg2qwerty" in card
        tuned = EMG2QwertyNet.from_pretrained(bundle.folder)
        with torch.no_grad():
            tuned.final_layer.bias.add_(1.0)


def test_published_weights_keep_their_licence_whatever_came_with_them(network, tmp_path):
    bundle = generic_statistics(network).save_pretrained(tmp_path / "model")
    assert bundle.facts.provenance.license == published.LICENSE
    loaded = EMG2QwertyNet.from_pretrained(bundle.folder)
    with torch.no_grad():
        loaded.model["0"].batch_norm.running_mean.add_(1.0)  # fine-tuning moves the statistics
    for stated in (None, MINE):
        with pytest.raises(InputError, match="stay under CC-BY-NC-SA") if stated else nullcontext():
            export(loaded, tmp_path / "tuned", provenance=stated)
    assert Bundle.open(tmp_path / "tuned").facts.provenance.license == published.LICENSE
    assert main(["convert", str(tmp_path / "tuned"), "-o", str(tmp_path / "free"), "--license", "MIT"]) == 2
    assert not (tmp_path / "free").exists()


def test_licence_of_non_commercial_weights_is_said_once_on_stderr(network, tmp_path, capsys):
    network.provenance = Provenance(license="CC-BY-NC-SA-4.0", source="a test", citation="Somebody 2026")
    folder = tmp_path / "model"
    network.save_pretrained(folder)
    for _ in range(2):
        EMG2QwertyNet.from_pretrained(folder)
        Transcriber.from_pretrained(folder)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"{folder}: the weights are under CC-BY-NC-SA-4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/): "
        "no commercial use, and what is made from them is under the same licence; whom to cite: `myotype info`\n"
    )


def test_nothing_is_said_of_free_weights(network, tmp_path, capsys):
    network.save_pretrained(tmp_path / "model")
    EMG2QwertyNet.from_pretrained(tmp_path / "model")
    assert capsys.readouterr().err == ""


def test_another_number_of_outputs_makes_a_new_head_and_says_so(network, tmp_path, capsys):
    network.save_pretrained(tmp_path / "model")
    loaded = EMG2QwertyNet.from_pretrained(tmp_path / "model", n_outputs=30)
    assert loaded(torch.randn(1, 32, 2000)).shape[-1] == 30
    assert loaded.get_config()["n_outputs"] == 30
    body = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("final_layer")}
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in body.items())
    assert "a new head of 30 outputs, with random weights" in capsys.readouterr().err


def test_overrides_that_keep_the_weights_are_taken(network, tmp_path, capsys):
    network.save_pretrained(tmp_path / "model")
    loaded = EMG2QwertyNet.from_pretrained(tmp_path / "model", log_softmax=True, drop_prob=0.5, n_outputs=99)
    output = loaded(torch.randn(1, 32, 2000))
    torch.testing.assert_close(output.exp().sum(-1), torch.ones(output.shape[:2]))
    assert capsys.readouterr().err == ""


def test_overrides_that_do_not_fit_are_refused(network, tmp_path):
    network.save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match="knows no colour"):
        EMG2QwertyNet.from_pretrained(tmp_path / "model", colour="red")
    with pytest.raises(InputError, match="drop_prob=2"):
        EMG2QwertyNet.from_pretrained(tmp_path / "model", drop_prob=2)
    with pytest.raises(ModelError, match=r"conv2d\.weight has shape \(2, 2, 1, 2\), not \(2, 2, 1, 3\)"):
        EMG2QwertyNet.from_pretrained(tmp_path / "model", kernel_width=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("final_layer.bias"), "final_layer.bias is missing"),
        (lambda weights: weights.update(extra=torch.zeros(2)), "extra is unknown"),
        (lambda weights: weights.update({"final_layer.bias": torch.zeros(3)}), r"has shape \(3,\), not \(99,\)"),
        (
            lambda weights: weights.update({"final_layer.bias": torch.zeros(99).double()}),
            "final_layer.bias is float64, not float32",
        ),
        (lambda weights: weights["final_layer.bias"].fill_(torch.nan), "NaN or infinite"),
        (lambda weights: weights["final_layer.weight"][3, 2].fill_(torch.inf), "NaN or infinite"),
    ],
)
def test_weights_that_are_not_those_of_the_network_are_refused_by_name(network, tmp_path, change, message):
    network.save_pretrained(tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    change(weights)
    save_file(weights, tmp_path / "model" / "model.safetensors")
    with pytest.raises(ModelError, match=rf"the weights do not fit the network: .*{message}"):
        EMG2QwertyNet.from_pretrained(tmp_path / "model")


def test_a_configuration_of_a_giant_is_refused_before_it_is_built(network, tmp_path):
    network.save_pretrained(tmp_path / "model")
    for name in ("myotype.json", "stream.onnx"):
        (tmp_path / "model" / name).unlink()
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {"mlp_features": [10**6, 10**6]}))
    with pytest.raises(ModelError):
        EMG2QwertyNet.from_pretrained(tmp_path / "model")


def test_what_is_no_model_is_refused_with_what_there_is():
    with pytest.raises(ModelError, match="nothing: no such model; give a folder, a repository on the Hugging Face Hub"):
        EMG2QwertyNet.from_pretrained("nothing")


def test_the_bundled_model_loads():
    network = EMG2QwertyNet.from_pretrained("demo")
    assert network.provenance == Bundle.open("demo").facts.provenance
    assert network.look_ahead == Bundle.open("demo").facts.look_ahead


def test_a_folder_with_other_things_in_it_is_not_replaced(network, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="thesis"):
        network.save_pretrained(tmp_path)


def test_a_half_precision_network_is_saved_in_single_precision(network, tmp_path):
    bundle = network.half().save_pretrained(tmp_path / "model")
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in load_file(bundle.weights).values())
    assert next(network.parameters()).dtype == torch.float16


def test_original_checkpoint_becomes_the_braindecode_folder_tensor_for_tensor(golden, tmp_path):
    bundle = convert_checkpoint(golden / "lightning_tiny.ckpt").save_pretrained(tmp_path / "model")
    weights = load_file(bundle.weights)
    assert same_weights(weights, load_file(golden / "braindecode_tiny" / "model.safetensors"))
    config = json.loads((golden / "braindecode_tiny" / "config.json").read_text())
    config.pop("braindecode_version")
    found = json.loads((bundle.folder / "config.json").read_text())
    assert list(found.items()) == list(config.items())
    assert bundle.facts.provenance.license == published.LICENSE
    assert bundle.facts.provenance.citation == published.CITATION


def test_braindecode_folders_load_from_either_kind_of_file(golden, tmp_path):
    both = EMG2QwertyNet.from_pretrained(golden / "braindecode_tiny")
    for name in ("config.json", "pytorch_model.bin"):
        (tmp_path / name).write_bytes((golden / "braindecode_tiny" / name).read_bytes())
    pickled = EMG2QwertyNet.from_pretrained(tmp_path)
    assert same_weights(both.state_dict(), pickled.state_dict())
    assert same_weights(both.state_dict(), convert_checkpoint(golden / "lightning_tiny.ckpt").state_dict())
    assert both.provenance.license == published.LICENSE


def test_a_licence_that_is_no_name_is_refused_before_anything_is_written(network, tmp_path):
    for bad in ("", "MIT\nlicense: other", "M" * 101):
        network.provenance = replace(MINE, license=bad)
        with pytest.raises(InputError, match="license is"):
            network.save_pretrained(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_state_dict_with_the_original_names_brings_the_original_licence(network):
    weights = {name.replace("final_layer", "model.4"): tensor for name, tensor in network.state_dict().items()}
    fresh = EMG2QwertyNet(**SMALL)
    fresh.load_state_dict(weights)
    assert fresh.provenance.license == published.LICENSE
    assert fresh.provenance.citation == published.CITATION


def test_weights_put_into_another_bundle_do_not_take_its_licence(network, tmp_path):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    network.save_pretrained(mine)
    network.provenance = replace(MINE, license="CC-BY-NC-4.0")
    network.save_pretrained(theirs)
    (mine / "model.safetensors").write_bytes((theirs / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match="MIT, but they say themselves that it is CC-BY-NC"):
        EMG2QwertyNet.from_pretrained(mine)


def test_weights_that_were_changed_in_the_file_are_not_passed_off_as_what_they_were(network, tmp_path):
    network.save_pretrained(tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights["final_layer.bias"] += 1
    save_file(weights, tmp_path / "model" / "model.safetensors")
    loaded = EMG2QwertyNet.from_pretrained(tmp_path / "model")
    assert loaded.provenance.source.startswith("Changed after loading")


def test_both_names_of_the_head_in_one_folder_are_refused(network, tmp_path):
    network.save_pretrained(tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights["model.4.bias"] = weights["final_layer.bias"] + 1
    save_file(weights, tmp_path / "model" / "model.safetensors")
    with pytest.raises(ModelError, match=r"model.4.bias and final_layer.bias, which are names of the same weight"):
        EMG2QwertyNet.from_pretrained(tmp_path / "model")


def test_what_could_not_be_loaded_again_is_not_written(network, tmp_path):
    folder = tmp_path / "model"
    network.look_ahead = 100
    with pytest.raises(InputError, match="look_ahead=100"):
        network.save_pretrained(folder)
    network.look_ahead = 0.1
    network.provenance = replace(MINE, details={"loss": float("nan")})
    with pytest.raises(InputError, match="the provenance cannot be written"):
        network.save_pretrained(folder)
    network.provenance = MINE
    network.final_layer = torch.nn.Linear(network.n_features, 30)
    with pytest.raises(ModelError, match=r"final_layer.weight has shape \(30, 8\), not \(99, 8\)"):
        network.save_pretrained(folder)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_called_as_the_bundled_model_is_itself(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert network.save_pretrained("demo").folder == tmp_path / "demo"


def test_the_length_of_a_stored_model_can_be_given_in_either_way(network, tmp_path):
    network.save_pretrained(tmp_path / "model")
    assert EMG2QwertyNet.from_pretrained(tmp_path / "model", input_window_seconds=2.0).n_times == 4000
    assert EMG2QwertyNet.from_pretrained(tmp_path / "model", n_times=6000).n_times == 6000
