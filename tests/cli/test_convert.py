"""``myotype convert`` and ``myotype verify``: from weights that somebody has to a model that is what it says."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from myotype.cli import main
from myotype.network import EMG2QwertyNet
from myotype.runtime import Bundle, Provenance, provenance, published

WHOLE = ["README.md", "config.json", "model.safetensors", "myotype.json", "stream.onnx"]


@pytest.fixture(autouse=True)
def _nobody_was_told(monkeypatch):
    monkeypatch.setattr(provenance, "_told", set())


@pytest.fixture
def weights(tmp_path):
    """A folder as braindecode writes it."""
    torch.manual_seed(6)
    network = EMG2QwertyNet(mlp_features=[4], block_channels=[2], kernel_width=2)
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(network.get_config() | {"braindecode_version": "1.8.1"}))
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    return folder


def test_a_folder_of_weights_becomes_a_whole_bundle(weights, tmp_path, capsys):
    assert main(["convert", str(weights), "-o", str(tmp_path / "model")]) == 0
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == WHOLE
    bundle = Bundle.open(tmp_path / "model")
    before, after = load_file(weights / "model.safetensors"), load_file(bundle.weights)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())
    assert bundle.facts.provenance.license == "MIT"
    assert bundle.facts.provenance.details["source file"] == "model.safetensors"
    assert bundle.facts.provenance.details["converted by"].startswith("myotype ")
    said = capsys.readouterr()
    assert said.out == ""
    assert "parameters, licence MIT" in said.err


def test_licence_and_origin_can_be_stated(weights, tmp_path):
    stated = ["--license", "Apache-2.0", "--origin", "Trained on my own typing."]
    assert main(["convert", str(weights), "-o", str(tmp_path / "model"), *stated]) == 0
    found = Bundle.open(tmp_path / "model").facts.provenance
    assert (found.license, found.source) == ("Apache-2.0", "Trained on my own typing.")


def test_an_original_checkpoint_is_converted_verified_and_used(golden, tmp_path, capsys):
    model = str(tmp_path / "model")
    assert main(["convert", str(golden / "lightning_tiny.ckpt"), "-o", model]) == 0
    assert main(["verify", model]) == 0
    table = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert table[0] == ["check", "expected", "found", "verdict"]
    assert ["entries", "31", "31", "ok"] in table
    assert {row[-1] for row in table[1:]} == {"ok", "shown"}
    assert main(["transcribe", str(golden / "session_small.hdf5"), "--model", model]) == 0
    assert len(capsys.readouterr().out.strip()) > 100


def test_a_converted_bundle_runs_without_pytorch(golden, tmp_path, capsys):
    model, recording = str(tmp_path / "model"), str(golden / "session_small.hdf5")
    assert main(["convert", str(golden / "lightning_tiny.ckpt"), "-o", model]) == 0
    assert main(["transcribe", recording, "--model", model]) == 0
    code = f"""
        import sys
        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name in ("torch", "onnx", "pytorch_lightning", "omegaconf"):
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        sys.meta_path.insert(0, Absent())
        from myotype.cli import main
        sys.exit(main(["transcribe", {recording!r}, "--model", {model!r}]))
        """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout == capsys.readouterr().out
    assert "no commercial use" in result.stderr


def test_published_weights_cannot_be_given_another_licence(weights, tmp_path, hub, capsys):
    files = {path.name: path.read_bytes() for path in weights.iterdir()}
    hub.add(published.HUB_ID, {"main": files})
    arguments = ["convert", published.HUB_ID, "-o", str(tmp_path / "model")]
    assert main([*arguments, "--license", "MIT"]) == 2
    assert "stay under CC-BY-NC-SA-4.0" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
    assert main([*arguments, "--license", "cc by-nc-sa 4.0"]) == 0
    assert Bundle.open(tmp_path / "model").facts.provenance.license == published.LICENSE


def test_what_cannot_be_converted_leaves_nothing_behind(tmp_path, capsys):
    bad = tmp_path / "bad.ckpt"
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'touch %s'\ntR." % str(tmp_path / "canary").encode())
        archive.writestr("archive/version", b"3\n")
    assert main(["convert", str(bad), "-o", str(tmp_path / "model")]) == 1
    assert "os.system" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ckpt"]


def test_a_folder_with_other_things_in_it_is_not_overwritten(weights, tmp_path, capsys):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    assert main(["convert", str(weights), "-o", str(tmp_path / "thesis")]) == 1
    assert "thesis.tex" in capsys.readouterr().err


def test_verify_gives_json_and_the_exit_code_of_what_it_found(weights, tmp_path, capsys):
    model = tmp_path / "model"
    assert main(["convert", str(weights), "-o", str(model)]) == 0
    capsys.readouterr()
    assert main(["verify", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True
    facts = json.loads((model / "myotype.json").read_text())
    (model / "myotype.json").write_text(json.dumps(facts | {"parameters": 1}))
    assert main(["verify", str(model), "--json"]) == 1
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["passed"] is False
    assert [check["name"] for check in told["checks"] if check["verdict"] == "FAILED"] == ["parameters"]
    assert "1 of " in said.err
    assert "checks failed: parameters" in said.err


def test_verify_looks_at_weights_that_were_not_converted_yet(weights, capsys):
    before = sorted(path.name for path in weights.iterdir())
    assert main(["verify", str(weights)]) == 0
    assert "ONNX graph = PyTorch" in capsys.readouterr().out
    assert sorted(path.name for path in weights.iterdir()) == before


def test_a_model_of_unknown_licence_does_not_pass(tmp_path, capsys):
    network = EMG2QwertyNet(mlp_features=[4], block_channels=[2], kernel_width=2)
    network.save_pretrained(tmp_path / "model")
    assert main(["verify", str(tmp_path / "model")]) == 1
    assert "checks failed: licence" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "model"), "-o", str(tmp_path / "mine"), "--license", "MIT"]) == 0
    assert main(["verify", str(tmp_path / "mine")]) == 0


def test_info_tells_of_licence_and_origin(tmp_path, capsys):
    network = EMG2QwertyNet(mlp_features=[4], block_channels=[2], kernel_width=2)
    network.provenance = Provenance(license="CC-BY-NC-SA-4.0", source="random weights", citation="Somebody 2026")
    network.save_pretrained(tmp_path / "model")
    assert main(["info", str(tmp_path / "model")]) == 0
    out = capsys.readouterr().out
    assert "no commercial use" in out
    assert "Somebody 2026" in out
