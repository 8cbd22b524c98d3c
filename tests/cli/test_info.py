"""``myotype info``: what a person and a program are told of models, recordings and the installation."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys

import pytest

from myotype import simulate
from myotype.cli import main
from myotype.decoding.bundled import bundled_lm
from myotype.decoding.defaults import lm_digest
from myotype.recordings import write_hdf5
from myotype.runtime import Bundle, published


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recordings") / "one.hdf5"
    write_hdf5(path, simulate("hello world", seed=5, session=5))
    return path


@pytest.fixture
def model(tmp_path):
    """Give a function that makes a model whose files say what they are told to."""

    def make(config=None, **stated):
        folder = tmp_path / "model"
        shutil.copytree(Bundle.open("demo").folder, folder, dirs_exist_ok=True)
        for file, changes in (("myotype.json", stated), ("config.json", config or {})):
            content = json.loads((folder / file).read_text())
            content["provenance"] = content.get("provenance", {}) | changes.pop("provenance", {})
            content |= changes
            if file == "config.json":
                del content["provenance"]
            (folder / file).write_text(json.dumps(content))
        return folder

    return make


def run(capsys, *arguments):
    code = main(["info", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows_of(out):
    return [tuple(line.split("\t")) for line in out.splitlines()]


@pytest.mark.parametrize("what", ["absent", "a" * 5000])
def test_info_on_nothing_is_an_error(capsys, what):
    code, _, err = run(capsys, what)
    assert code == 1
    assert "no such model; give a folder, a repository" in err


def test_info_tells_of_the_installation(capsys):
    rows = dict(rows_of(run(capsys)[1]))
    assert rows["myotype"] == "0.1.0"
    assert "onnxruntime" in rows
    assert "demo" in rows["bundled models"]


def test_info_tells_of_a_recording(capsys, recording):
    out = run(capsys, recording)[1]
    assert "simulated-demo" in out
    assert "32 channels at 2000 Hz" in out
    assert int(dict(rows_of(out))["key presses"]) == len("hello world⏎")


def test_info_tells_all_of_a_model(capsys):
    rows = rows_of(run(capsys, "demo")[1])
    for row in (
        ("architecture", "EMG2QwertyNet"),
        ("layer", "log spectrogram of 64 samples every 32, 33 bins"),
        ("layer", "an MLP of 96 features for each of 2 bands of 16 electrodes, mean over rotations by -1, 0, 1"),
        ("layer", "4 TDS blocks of 8 channels, kernels of 8 frames"),
        ("layer", "a linear head of 99 labels (98 keys and the CTC blank)"),
        ("input", "32 channels at 2000 Hz, microvolts"),
        ("emissions", "62.5 frames a second, one every 32 samples"),
        ("receptive field", "960 samples, 0.480 s, 30 hops"),
        ("look-ahead", "0.093 s after a key's press"),
        ("parameters", "422,339"),
        ("multiply-adds", "667,200 a frame, 41.7 million a second"),
        ("precision", "float32"),
        ("model.safetensors", "1,694,884 bytes"),
        ("format", "1, written by myotype 0.1.0"),
        ("licence", "BSD-3-Clause, https://spdx.org/licenses/BSD-3-Clause.html"),
        ("trained on", "simulated EMG only: it reads no real person"),
        ("detail: training seeds", "1000 to 1023"),
        ("citation", "none"),
    ):
        assert row in rows


def test_info_tells_what_a_decoder_was_tuned_to(capsys, model):
    assert not [row for row in rows_of(run(capsys, "demo")[1]) if row[0].startswith("tuned")]
    decoder = {
        "lm": "mine.npz", "lm_sha256": "ab" * 32, "lm_weight": 1.25, "insertion_bonus": 3, "beam_size": 20,
        "cer_before": 0.08, "cer_after": 0.07125, "cer_greedy": 0.12, "keys": 5000, "recordings": 3, "simulated": True,
    }  # fmt: skip
    rows = dict(rows_of(run(capsys, model(decoder=decoder))[1]))
    assert rows["tuned with"] == f"language model mine.npz, SHA-256 of its content {'ab' * 32}"
    assert rows["tuned to"] == "lm weight 1.25, insertion bonus 3, beam size 20"
    assert rows["tuned on"] == ("5,000 simulated keys in 3 recordings: CER 7.12% of them, before 8.00%, greedy 12.00%")
    assert json.loads(run(capsys, model(decoder=decoder), "--json")[1])["facts"]["decoder"] == decoder
    changed = decoder | {"lm": "english", "keys": 1, "recordings": 1, "simulated": False}
    rows = dict(rows_of(run(capsys, model(decoder=changed))[1]))
    assert rows["tuned with"].endswith(": another than the bundled one of now, so not in use")
    assert rows["tuned on"].startswith("1 key in 1 recording: ")
    current = changed | {"lm_sha256": lm_digest(bundled_lm())}
    assert dict(rows_of(run(capsys, model(decoder=current))[1]))["tuned with"].endswith(current["lm_sha256"])


def test_what_a_decoder_was_tuned_to_may_be_removed_where_it_is_wrong(capsys, model):
    code, _, err = run(capsys, model(decoder={"lm": "english"}))
    assert code == 1
    assert 'the model works without: remove "decoder" from the file' in err


def test_info_says_what_must_not_be_used_commercially_and_whom_to_cite(capsys, model):
    folder = model(provenance={"license": published.LICENSE, "citation": published.CITATION, "simulated": False})
    rows = dict(rows_of(run(capsys, folder)[1]))
    assert rows["licence"] == ("CC-BY-NC-SA-4.0, https://creativecommons.org/licenses/by-nc-sa/4.0/, no commercial use")
    assert rows["citation"] == " ".join(published.CITATION.split())
    assert rows["trained on"] == "see source"


def test_a_citation_keeps_its_lines_on_a_terminal(capsys, model, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    folder = model(provenance={"license": published.LICENSE, "citation": published.CITATION})
    out = run(capsys, folder)[1]
    shown = [line for line in out.splitlines() if "title     = {emg2qwerty" in line or "year      = {2024}" in line]
    assert len(shown) == 2


def test_what_a_model_says_of_itself_is_one_row_each_and_commands_nothing(capsys, model):
    hostile = "x\nlicence\tMIT\r\x1b[31m\u202e\ud800"
    folder = model(provenance={"license": "LicenseRef-Mine", "source": hostile, "details": {hostile: hostile}})
    code, out, _ = run(capsys, folder)
    assert code == 0
    rows = rows_of(out)
    assert all(len(row) == 2 for row in rows)
    assert [row for row in rows if row[0].startswith("licence")] == [("licence", "LicenseRef-Mine")]
    assert not set("\x1b\u202e\r") & set(out)


def test_a_detail_does_not_pass_for_a_fact(capsys, model):
    folder = model(provenance={"license": "LicenseRef-Mine", "details": {"licence": "MIT"}})
    rows = rows_of(run(capsys, folder)[1])
    assert [value for name, value in rows if name == "licence"] == ["LicenseRef-Mine"]


def test_a_model_as_json_is_facts_configuration_and_sizes(capsys):
    told = json.loads(run(capsys, "demo", "--json")[1])
    bundle = Bundle.open("demo")
    assert told["facts"] == json.loads(json.dumps(bundle.facts.to_json()))
    assert told["config"] == bundle.config
    assert told["sizes"]["stream.onnx"] == bundle.graph.stat().st_size
    assert (told["format_version"], told["myotype_version"]) == (1, "0.1.0")
    assert told["license_url"] == "https://spdx.org/licenses/BSD-3-Clause.html"
    assert told["noncommercial"] is False


def test_recordings_and_the_installation_are_told_as_json_too(capsys, recording):
    told = json.loads(run(capsys, recording, "--json")[1])
    assert (told["n_chans"], told["sfreq"], told["key_presses"]) == (32, 2000, len("hello world⏎"))
    assert json.loads(run(capsys, "--json")[1])["packages"]["numpy"]


def test_json_is_valid_and_plain_whatever_a_model_says_of_itself(capsys, model):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    details = {"nan": float("nan"), "\x1b[31m": "\u202e\ud800"}
    code, out, _ = run(capsys, model({"log_eps": float("inf")}, provenance={"details": details}), "--json")
    assert code == 0
    assert out.isascii()
    assert "\x1b" not in out
    told = json.loads(out, parse_constant=refuse)
    assert told["config"]["log_eps"] is None


def test_a_model_whose_configuration_says_little_is_told_all_the_same(capsys, model):
    folder = model()
    (folder / "config.json").write_text(json.dumps({"sfreq": 2000, "n_chans": 32, "hop_length": 32}))
    code, out, _ = run(capsys, folder)
    assert code == 0
    assert "layer" not in dict(rows_of(out))


def test_telling_of_a_model_needs_no_torch():
    code = "import sys; from myotype.cli import main; main(['info', 'demo']); sys.exit('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "EMG2QwertyNet" in result.stdout


def test_a_trained_model_tells_when_and_by_which_versions_it_was_trained(capsys, tmp_path):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    from myotype.training import RECIPES, SimulatedCorpus, train

    recipe = dataclasses.replace(
        RECIPES["demo"],
        network={"hop_length": 32, "mlp_features": [4], "block_channels": [2], "kernel_width": 2},
        window=2.0,
        batch_size=8,
        epochs=1,
        simulated=SimulatedCorpus(recordings=1, minutes=0.2, validation_recordings=1, validation_minutes=0.2, seed=9),
    )
    train(recipe, tmp_path)
    rows = dict(rows_of(run(capsys, tmp_path / "model")[1]))
    assert rows["trained on"] == "simulated EMG only: it reads no real person"
    assert rows["detail: initial weights"] == "random"
    assert rows["detail: myotype"] == "0.1.0"
    assert rows["detail: torch"].startswith("2.")
    assert len(rows["detail: date"]) == len("2026-01-31")
    assert "1 recordings of 0.2 minutes by the simulated typist 'demo'" in rows["source"]
