"""A run's folder: what it takes, what it keeps, and what it says of what is damaged."""

from __future__ import annotations

import dataclasses
import json
import resource
import signal

import pytest
import torch

from myotype.errors import InputError, OutputError, TrainingError
from myotype.network import SplashNet
from myotype.training import run_folder
from myotype.training.checkpoints import WholeCheckpoints, read_checkpoint
from myotype.training.run_folder import FIGURE_NAMES, RunFolder

ROW = {"epoch": 1, "step": 6, "minutes": 0.1, "learning rate": 1e-3, **dict.fromkeys(FIGURE_NAMES, 50.0)}
ENTRY = {"name": "a", "sha256": "0"}


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def begun(folder, recipe, **given):
    """Begin a run, as far as its first checkpoint."""
    folder.begin(recipe, [ENTRY], resume=False, **given)
    folder.last_checkpoint.parent.mkdir()
    folder.last_checkpoint.touch()


def test_an_epoch_takes_the_place_of_those_from_it_on_that_a_killed_run_left(folder):
    for epoch in (1, 2, 3):
        folder.add_epoch({**ROW, "epoch": epoch, "step": 0})
    folder.add_epoch({**ROW, "epoch": 2, "step": 12})
    assert [(row["epoch"], row["step"]) for row in folder.rows()] == [("1", "0"), ("2", "12")]


def test_the_best_epoch_is_the_first_of_the_lowest_figure(folder):
    for epoch, figure in enumerate(["", 30.0, 20.0, "", 20.0, 9e9], start=1):
        folder.add_epoch({**ROW, "epoch": epoch, "val/CER": figure})
    assert folder.best() == (3, 20.0)
    assert folder.best_checkpoint(3).name == "epoch002.ckpt"


def test_a_run_of_which_no_epoch_was_validated_has_no_best(folder):
    folder.add_epoch({**ROW, "val/CER": ""})
    with pytest.raises(InputError, match="no epoch was validated"):
        folder.best()


def test_texts_of_any_kind_are_kept_as_they_were_read(folder):
    read = 'a,"b"\n\r\t⌫$\\'
    folder.add_sample(1, read, "typed")
    assert folder.samples() == [{"epoch": "1", "read": read, "typed": "typed"}]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"name,value\nx,1\n",
        b"epoch,minutes\none,2\n",
        b"epoch,minutes\n1\n",
        b"epoch,minutes\n1,2,3\n",
    ],
)
def test_a_damaged_table_is_named(folder, content):
    folder.add_epoch(ROW)
    whole = (folder.path / "metrics.csv").read_bytes()
    (folder.path / "metrics.csv").write_bytes(content or whole.replace(b"50.0", b"fifty"))
    with pytest.raises(InputError, match=r"metrics\.csv"):
        folder.rows()


def test_a_file_is_no_folder_for_a_run(folder, recipe):
    folder.path.write_text("mine")
    with pytest.raises(OutputError, match="is a file: a run needs a folder"):
        folder.check(resume=False)
    assert folder.path.read_text() == "mine"


@pytest.mark.parametrize("name", ["recipe.yaml", "metrics.csv", "samples.csv", "checkpoints"])
def test_files_that_no_run_wrote_are_not_written_over(folder, recipe, name):
    folder.path.mkdir()
    (folder.path / name).write_text("mine")
    with pytest.raises(OutputError, match=f"holds {name}, which is no run's"):
        folder.begin(recipe, [ENTRY], resume=True)
    assert [file.name for file in folder.path.iterdir()] == [name]
    assert (folder.path / name).read_text() == "mine"


def test_a_model_that_stands_there_is_not_trained_over(folder, recipe):
    folder.model.mkdir(parents=True)
    for resume in (True, False):
        with pytest.raises(OutputError, match="already holds a model, and no checkpoint"):
            folder.begin(recipe, [ENTRY], resume=resume)


def test_other_files_may_lie_in_the_folder(folder, recipe):
    folder.path.mkdir()
    (folder.path / "slurm.out").write_text("mine")
    assert folder.begin(recipe, [ENTRY], resume=True) is False
    assert (folder.path / "slurm.out").read_text() == "mine"


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(folder, recipe):
    folder.begin(recipe, [ENTRY], resume=False)
    folder.add_epoch(ROW)
    assert folder.begin(dataclasses.replace(recipe, seed=1), [], resume=False) is False


def test_every_leg_of_a_run_is_written_down(folder, recipe):
    begun(folder, recipe)
    assert folder.begin(dataclasses.replace(recipe, epochs=9), [ENTRY], resume=True) is True
    about = json.loads((folder.path / "run.json").read_text())
    assert len(about["legs"]) == 2
    assert {"begun", "command", "versions", "python", "machine"} <= about["legs"][0].keys()
    assert "myotype" in about["legs"][0]["versions"]
    assert "epochs: 9" in (folder.path / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipe": {"seed": 1}}, r"another recipe \(seed\)"),
        ({"data": []}, "other recordings"),
        ({"initial": "2"}, "another model to go on from"),
        ({"initial": None}, "another model to go on from"),
    ],
)
def test_a_run_is_not_resumed_as_another(folder, recipe, given, message):
    begun(folder, recipe, initial="1")
    before = (folder.path / "run.json").read_bytes()
    other = dataclasses.replace(recipe, **given.get("recipe", {}))
    with pytest.raises(InputError, match=message):
        folder.begin(other, given.get("data", [ENTRY]), resume=True, initial=given.get("initial", "1"))
    assert (folder.path / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["recipe.yaml", "run.json"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"{", b"[]", b"seed: [", b'{"data": 3, "legs": 4}'])
def test_damaged_files_of_a_run_to_resume_are_named(folder, recipe, name, content):
    begun(folder, recipe)
    if content is None:
        (folder.path / name).unlink()
    else:
        (folder.path / name).write_bytes(content)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        folder.begin(recipe, [ENTRY], resume=True)


def test_two_runs_at_once_in_a_folder_are_refused(folder, monkeypatch):
    filelock = pytest.importorskip("filelock")
    monkeypatch.setattr(run_folder, "_HANDOVER", 0.1)
    folder.path.mkdir()
    with (
        filelock.FileLock(folder.path / ".lock"),
        pytest.raises(OutputError, match="another run is writing there"),
        folder.alone(),
    ):
        pass


def test_what_a_killed_run_was_just_writing_is_cleared_away(folder):
    left = [folder.path / part / ".myotype-x.part" for part in (".", "checkpoints", "figures")]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    with folder.alone():
        assert not any(file.exists() for file in left)


def test_a_checkpoint_that_does_not_fit_the_disk_leaves_the_one_before(tmp_path):
    path = tmp_path / "last.ckpt"
    checkpoints = WholeCheckpoints()
    checkpoints.save_checkpoint({"epoch": 0}, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*last\.ckpt: File too large"):
            checkpoints.save_checkpoint({"epoch": 1, "weights": torch.zeros(10_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert torch.load(path) == {"epoch": 0}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_ends_a_run_with_its_last_checkpoint_good(run, recipe, table, tmp_path, monkeypatch):
    whole = run(recipe, "whole")
    real = WholeCheckpoints.save_checkpoint
    written = []

    def full(self, checkpoint, path, storage_options=None):
        written.append(path)
        if len(written) < 4:
            return real(self, checkpoint, path, storage_options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pathlib.Path.write_bytes", no_space)
            return real(self, checkpoint, path, storage_options)

    def no_space(self, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(WholeCheckpoints, "save_checkpoint", full)
        with pytest.raises(OutputError, match="No space left on device; the last good checkpoint is kept: make room"):
            run(recipe)
    assert run(recipe, resume=True).weights.read_bytes() == whole.weights.read_bytes()
    assert [row["epoch"] for row in table()] == ["1", "2", "3"]


@pytest.mark.parametrize("damage", ["empty", "half", "noise", "text", "no checkpoint"])
def test_a_damaged_checkpoint_is_said_before_any_work(run, recipe, tmp_path, damage):
    run(dataclasses.replace(recipe, epochs=1))
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    whole = path.read_bytes()
    broken = {"empty": b"", "half": whole[: len(whole) // 2], "noise": bytes(range(256)) * 9, "text": b"mine"}
    if damage in broken:
        path.write_bytes(broken[damage])
    else:
        torch.save({"state_dict": 3, "epoch": "x"}, path)
    seen = []
    with pytest.raises(TrainingError, match=r"last\.ckpt: the checkpoint is damaged"):
        run(recipe, resume=True, progress=lambda *told: seen.append(told))
    assert seen == []


def test_a_checkpoint_of_another_network_is_told_apart(run, recipe, tmp_path):
    for name, kernel_width in (("run", 3), ("other", 5)):
        run(dataclasses.replace(recipe, epochs=1, network={**recipe.network, "kernel_width": kernel_width}), name)
    paths = [tmp_path / name / "checkpoints" / "last.ckpt" for name in ("run", "other")]
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(TrainingError, match="a checkpoint of another network"):
        run(recipe, resume=True)


def test_a_missing_checkpoint_of_the_best_epoch_is_named(tmp_path):
    network = SplashNet(mlp_features=[8], block_channels=[2], kernel_width=3)
    with pytest.raises(TrainingError, match=r"epoch000\.ckpt: the checkpoint is missing"):
        read_checkpoint(tmp_path / "epoch000.ckpt", network)


def test_fewer_epochs_than_a_run_has_behind_it_are_refused(run, recipe):
    run(dataclasses.replace(recipe, epochs=2))
    with pytest.raises(InputError, match="has gone through 2 epochs: epochs=1 is fewer"):
        run(dataclasses.replace(recipe, epochs=1), resume=True)


def test_a_finished_run_resumed_gives_its_model_again(run, recipe, table, tmp_path):
    first = run(recipe)
    weights, rows = first.weights.read_bytes(), table()
    again = run(recipe, resume=True)
    assert again.weights.read_bytes() == weights
    assert table() == rows
    assert {file.name for file in (tmp_path / "run").iterdir()} >= {
        *("recipe.yaml", "run.json", "metrics.csv", "samples.csv", "figures", "checkpoints", "model")
    }
