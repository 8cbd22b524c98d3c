"""A run that was broken off, wherever that was, and goes on as if it had not been."""

from __future__ import annotations

import dataclasses

import pytest
from pytorch_lightning.callbacks import ModelCheckpoint

from myotype.training.callbacks import Table
from myotype.training.module import CTCModule
from myotype.training.run_folder import RunFolder


class Killed(BaseException):
    """As good as a kill: nothing of ours catches it."""


def kill_at(monkeypatch, owner, name, call, *, after):
    """Break off in some call of a function, before or after what it does."""
    real = getattr(owner, name)
    calls = []

    def dying(*args, **kwargs):
        calls.append(1)
        if len(calls) == call and not after:
            raise Killed
        result = real(*args, **kwargs)
        if len(calls) == call and after:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, dying)


PLACES = {
    "in the midst of an epoch": (CTCModule, "training_step", 9, False),
    "during validation": (CTCModule, "validation_step", 2, False),
    "between validation and table": (Table, "on_train_epoch_end", 2, False),
    "between the table's row and what was read": (RunFolder, "add_sample", 2, False),
    "between table and checkpoints": (Table, "on_train_epoch_end", 2, True),
    "between the best checkpoint and the last": (ModelCheckpoint, "on_train_epoch_end", 3, True),
}


AVERAGED = {"ema": 0.9, "schedule": "epoch", "validate_every": 2, "epochs": 4}


@pytest.fixture(scope="module")
def unbroken():
    """What the runs that nothing broke off came to, each once."""
    return {}


@pytest.mark.parametrize(
    ("place", "change"),
    [
        *((place, AVERAGED) for place in PLACES),
        ("in the midst of an epoch", {}),
        ("between the best checkpoint and the last", {}),
    ],
)
def test_a_run_killed_anywhere_becomes_the_run_that_never_was(run, recipe, table, unbroken, monkeypatch, place, change):
    recipe = dataclasses.replace(recipe, **change)
    if recipe.ema not in unbroken:
        unbroken[recipe.ema] = run(recipe, "whole").weights.read_bytes(), table("whole")
    weights, rows = unbroken[recipe.ema]
    with monkeypatch.context() as patch:
        owner, name, call, after = PLACES[place]
        kill_at(patch, owner, name, call, after=after)
        with pytest.raises(Killed):
            run(recipe, "broken")
    assert run(recipe, "broken", resume=True).weights.read_bytes() == weights
    for one, other in zip(rows, table("broken"), strict=True):
        assert {**one, "minutes": ""} == {**other, "minutes": ""}
