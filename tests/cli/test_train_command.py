"""``myotype train`` and ``myotype personalise``: their options, what contradicts itself, and what an interrupt says."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from myotype.cli import main
from myotype.network import EMG2QwertyNet, export
from myotype.recordings import write_hdf5
from myotype.runtime import Provenance
from myotype.runtime.engine import MOST_THREADS
from myotype.simulation import simulate
from myotype.training import RECIPES, load_recipe, recipe_yaml, save_recipe
from myotype.training.callbacks import Table

TINY = ("hop_length=64", "mlp_features=[8]", "block_channels=[2]", "kernel_width=3")
GIVEN = ("--license", "CC0-1.0", "--source", "simulated")
SMALL = (
    *("--recipe", "demo", "--network", *TINY, "--window", "2", "--batch-size", "8", "--epochs", "2"),
    *("--plateau", "1", "--threads", "1", *GIVEN),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for seed in (1, 2):
        write_hdf5(folder / f"{seed}.hdf5", simulate(minutes=0.4, seed=seed, session=seed))
    return folder


@pytest.fixture(scope="module")
def typing(tmp_path_factory):
    """A minute and a half of somebody."""
    path = tmp_path_factory.mktemp("typing") / "it.hdf5"
    write_hdf5(path, simulate(minutes=1.5, seed=4))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    network = EMG2QwertyNet(hop_length=64, mlp_features=[8], block_channels=[2], kernel_width=3)
    provenance = Provenance(license="CC0-1.0", source="Random.")
    return export(network, tmp_path_factory.mktemp("model") / "m", provenance=provenance).folder


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def shown(capsys, *arguments):
    """Give the recipe that arguments come to."""
    code, out, err = run(capsys, "train", "--show", *arguments)
    assert code == 0, err
    return yaml.safe_load(out)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_shown_as_it_is(capsys, name):
    assert shown(capsys, "--recipe", name) == yaml.safe_load(recipe_yaml(RECIPES[name]))
    assert shown(capsys, f"--recipe={name}")["batch_size"] == RECIPES[name].batch_size


def test_every_option_changes_its_setting_and_no_other(capsys):
    before = shown(capsys, "--recipe", "best")
    after = shown(
        capsys, "--recipe", "best", "--epochs", "7", "--ema", "0.9", "--rotation", "0", "2", "--no-balanced",
        "--precision", "bf16-mixed",
    )  # fmt: skip
    changed = {"epochs": 7, "ema": 0.9, "rotation": [0, 2], "balanced": False, "precision": "bf16-mixed"}
    assert {name: value for name, value in after.items() if value != before[name]} == changed


def test_a_setting_can_be_taken_back(capsys):
    assert shown(capsys, "--recipe", "best", "--ema", "None", "--latest", "None")["ema"] is None


def test_arguments_of_the_network_are_added_to_those_of_the_recipe(capsys):
    network = shown(capsys, "--recipe", "demo", "--network", "kernel_width=4", "block_channels=[2, 2]")["network"]
    assert network == {**RECIPES["demo"].network, "kernel_width": 4, "block_channels": [2, 2]}


def test_a_recipe_of_a_file_is_read_and_its_settings_can_be_changed(capsys, tmp_path):
    save_recipe(dataclasses.replace(RECIPES["best"], epochs=9), tmp_path / "mine.yaml")
    recipe = shown(capsys, "--recipe", tmp_path / "mine.yaml", "--seed", "3")
    assert (recipe["epochs"], recipe["seed"], recipe["architecture"]) == (9, 3, "SplashNet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recipe", "worst"), "--recipe worst: there is none of that name: baseline, best, demo"),
        (("--recipe", "absent.yaml"), "absent.yaml cannot be read"),
        (("--recipe", "demo", "--recipe", "best"), "--recipe is given twice"),
        (("--network", "kernel_width"), "give NAME=VALUE, such as kernel_width=8"),
        (("--network", "kernel_width=["), "--network kernel_width=["),
        (("--network", "kernel_width=4", "--network", "mlp_features=[8]"), "--network is given twice"),
        (("--network", "wings=2"), "wings"),
        (("--wings", "2"), "--wings"),
        (("--epochs", "many"), "many"),
        (("--threads", str(MOST_THREADS + 1)), f"from 0 (as many as cores) to {MOST_THREADS}"),
        (("--threads", "-1"), "from 0 (as many as cores)"),
        (("--source", "me"), "are for given recordings"),
        (("--split", "generic"), "are for given recordings"),
        (("--validation", "a.hdf5"), "are for given recordings"),
        (("a.hdf5", *GIVEN, "--split", "generic", "--validation", "b.hdf5"), "give one of them"),
        (("a.hdf5", "--license", "MIT"), "say by --license and --source"),
        (("--track", "pigeon"), "pigeon"),
        (("--precision", "16-mixed", "--accelerator", "cpu"), "16-mixed is for GPUs"),
        (("--devices", "3", "--batch-size", "8"), "does not part among 3 processes"),
        (("--devices", "0"), "devices=0"),
        (("--ema", "1"), "ema=1"),
        (("--latest", "0.05"), "latest=0.05 is less than future"),
    ],
)
def test_what_cannot_be_is_misuse_before_any_work(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.setattr("myotype.training.corpus.simulate", lambda **_: pytest.fail("it has begun"))
    code, _, err = run(capsys, "train", *arguments, "--output", tmp_path / "run")
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def interrupt_after(monkeypatch, epochs):
    def interrupted(self, trainer, module):
        if trainer.current_epoch == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(Table, "on_train_epoch_start", interrupted, raising=False)


def test_an_interrupted_run_says_how_to_go_on_and_does(capsys, files, tmp_path, monkeypatch):
    command = ("train", files / "1.hdf5", "--validation", files / "2.hdf5", *SMALL, "--output", tmp_path / "run")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        code, _, err = run(capsys, *command)
    assert code == 130
    assert err.splitlines()[-2:] == [
        "the same command with --resume goes on after the last whole epoch",
        "myotype train: interrupted",
    ]
    code, _, err = run(capsys, *command)
    assert code == 1
    assert "already holds a run: resume it, or choose another folder" in err
    code, _, err = run(capsys, *command, "--resume")
    assert code == 0, err
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 3
    assert load_recipe(tmp_path / "run" / "recipe.yaml").epochs == 2


def test_a_run_interrupted_in_its_first_epoch_begins_anew(capsys, files, tmp_path, monkeypatch):
    command = ("train", files / "1.hdf5", "--validation", files / "2.hdf5", *SMALL, "--output", tmp_path / "run")
    interrupt_after(monkeypatch, 0)
    for _ in range(2):
        code, _, err = run(capsys, *command)
        assert code == 130
        assert "no epoch was whole yet" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--threads", "-1"), "from 0 (as many as cores)"),
        (("--threads", str(MOST_THREADS + 1)), f"to {MOST_THREADS}"),
        (("--minutes", "nan"), "minutes=nan: give a number above 0"),
        (("--minutes", "-2"), "minutes=-2.0: give a number above 0"),
        (("--minutes", "0.5"), "too little: record at least"),
        (("--recipe", "absent.yaml"), "absent.yaml cannot be read"),
        (("--recipe", "MINE", "--seed", "1"), "the recipe says the seed"),
        (("--recipe", "MINE"), "hop_length=32 (it has 64); a recipe may only set its masks"),
        (("--seed", "-1"), "seed=-1"),
        (("--unshare",), "share no encoder"),
        (("--wings",), "--wings"),
    ],
)
def test_impossible_personalising_is_misuse_before_any_work(capsys, model, typing, tmp_path, arguments, message):
    save_recipe(dataclasses.replace(RECIPES["demo"], network={"hop_length": 32}), tmp_path / "mine.yaml")
    given = [str(tmp_path / "mine.yaml") if argument == "MINE" else argument for argument in arguments]
    code, _, err = run(capsys, "personalise", model, typing, "--output", tmp_path / "run", *given)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "run").exists()


def test_personalising_asks_for_recordings(capsys, model, tmp_path):
    code, _, err = run(capsys, "personalise", model, "--output", tmp_path / "run")
    assert code == 2
    assert "recordings" in err.lower()


def test_personalising_a_model_that_is_not_there_is_said(capsys, tmp_path, files):
    code, _, err = run(capsys, "personalise", tmp_path / "none", files / "1.hdf5", "--output", tmp_path / "run")
    assert code in (1, 2)
    assert "none" in err
    assert "Traceback" not in err


def test_interrupted_personalising_says_how_to_go_on(capsys, model, typing, tmp_path, monkeypatch):
    suited = dataclasses.replace(RECIPES["demo"], network={}, epochs=2, window=4.0, plateau=1.0, simulated=None)
    save_recipe(suited, tmp_path / "mine.yaml")
    command = ("personalise", model, typing, "-o", tmp_path / "run", "--recipe", tmp_path / "mine.yaml")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        code, _, err = run(capsys, *command)
    assert code == 130
    assert "--resume goes on after the last whole epoch" in err
    code, _, err = run(capsys, *command, "--resume")
    assert code == 0, err
    assert "% before," in err
