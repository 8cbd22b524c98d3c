"""Pictures of a run, and programs that follow it."""

from __future__ import annotations

import dataclasses
import sys
import warnings

import pytest

from myotype.errors import InputError, MissingExtraError
from myotype.keyboard import KEYS
from myotype.training.figures import draw_error_rates, draw_loss, draw_run, draw_samples
from myotype.training.loggers import trackers
from myotype.training.run_folder import FIGURE_NAMES, RunFolder

PNG = b"\x89PNG\r\n\x1a\n"


def rows_of(*rates):
    figures = [dict.fromkeys(FIGURE_NAMES, rate) for rate in rates]
    return [{"epoch": str(epoch), **row, "train/loss": "2.5"} for epoch, row in enumerate(figures, start=1)]


@pytest.fixture
def axes():
    figure = pytest.importorskip("matplotlib.figure", reason="the extra `plot` is not installed")
    return figure.Figure().subplots()


def test_the_loss_is_drawn_for_every_epoch(axes):
    (line,) = draw_loss(axes, rows_of("50", "", "40")).lines
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata().tolist() == [2.5, 2.5, 2.5]


def test_error_rates_are_drawn_of_validated_epochs_with_what_they_are_made_of(axes):
    lines = draw_error_rates(axes, rows_of("50", "", "40")).lines
    assert [line.get_label() for line in lines] == ["all errors", "missing", "extra", "wrong"]
    assert lines[0].get_xdata().tolist() == [1, 3]
    assert lines[0].get_ydata().tolist() == [50.0, 40.0]


def test_a_run_that_is_not_validated_yet_can_be_drawn(axes):
    assert all(len(line.get_xdata()) == 0 for line in draw_error_rates(axes, rows_of("", "")).lines)


def test_some_of_what_was_read_is_written_above_what_was_typed(axes):
    samples = [{"epoch": str(epoch), "read": f"read {epoch}", "typed": "typed"} for epoch in range(1, 31)]
    written = [text.get_text() for text in draw_samples(axes, samples).texts]
    names, texts = written[::2], written[1::2]
    assert len(names) <= 9
    assert names[-2:] == ["epoch 30", "typed"]
    assert texts[-2:] == ["read 30", "typed"]


def test_nothing_read_is_said_and_dollars_are_no_mathematics(axes):
    samples = [{"epoch": "1", "read": "", "typed": "$x_$"}]
    written = [text.get_text() for text in draw_samples(axes, samples).texts]
    assert written == ["epoch 1", "(nothing)", "typed", r"\$x_\$"]


def test_without_anything_read_nothing_is_written(axes):
    assert list(draw_samples(axes, []).texts) == []


def test_every_key_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    run = RunFolder(tmp_path)
    run.add_epoch({"epoch": 1, "minutes": 1, **dict.fromkeys(FIGURE_NAMES, 1.0)})
    for first in range(0, len(KEYS), 40):
        run.add_sample(first + 1, "".join(KEYS[first : first + 40]), "$\\$ _^{")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_run(run, pytest.fail)
    assert (tmp_path / "figures" / "run.png").read_bytes().startswith(PNG)


def test_a_run_without_a_table_is_not_drawn(tmp_path):
    draw_run(RunFolder(tmp_path), pytest.fail)
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_a_run_ends_well_and_says_what_is_missing(run, recipe, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    notes = []
    run(dataclasses.replace(recipe, epochs=1), note=notes.append)
    assert notes[-1].startswith("no figures: drawing the run needs the package 'matplotlib': pip install")
    assert not (tmp_path / "run" / "figures").exists()


def test_a_run_is_drawn_at_its_end(run, recipe, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    run(dataclasses.replace(recipe, epochs=1))
    assert (tmp_path / "run" / "figures" / "run.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", ["wandb", "tensorboard"])
def test_a_follower_whose_package_is_missing_is_an_error_before_any_work(run, recipe, tmp_path, monkeypatch, name):
    monkeypatch.setattr("pytorch_lightning.loggers.wandb._WANDB_AVAILABLE", False)
    for module in ("pytorch_lightning.loggers.tensorboard", "lightning_fabric.loggers.tensorboard"):
        monkeypatch.setattr(f"{module}._TENSORBOARD_AVAILABLE", False, raising=False)
        monkeypatch.setattr(f"{module}._TENSORBOARDX_AVAILABLE", False, raising=False)
    with pytest.raises(MissingExtraError, match=f"following a run by {name} needs its package: pip install {name}"):
        run(recipe, track=[name])
    assert not (tmp_path / "run").exists()


def test_an_unknown_follower_is_refused(tmp_path):
    with pytest.raises(InputError, match="'pigeon' follows no run: choose among tensorboard, wandb"):
        trackers(["pigeon"], tmp_path)
    assert trackers([], tmp_path) == []


def test_tensorboard_gets_every_figure_of_every_epoch(run, recipe, table, tmp_path):
    pytest.importorskip("tensorboardX", reason="the package tensorboardX is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run(recipe, track=["tensorboard"])
    (events,) = (tmp_path / "run" / "tensorboard").glob("events*")
    content = events.read_bytes()
    assert all(content.count(name.encode()) == 3 for name in FIGURE_NAMES)
