"""What ends a run, what is told as it goes on, and what its table says."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from myotype.errors import InputError, TrainingError
from myotype.recordings import Recording
from myotype.training import Machine
from myotype.training.callbacks import Patience
from myotype.training.module import CTCModule


def always_blank(monkeypatch, from_epoch=1):
    """Make networks that emit nothing, from an epoch on."""

    def silent(self, item, batch_idx):
        if self.current_epoch + 1 >= from_epoch:
            self._count("", item.truth)
        else:
            self._count(item.truth, item.truth)

    monkeypatch.setattr(CTCModule, "validation_step", silent)


def scored(monkeypatch, rates):
    """Give every epoch an error rate, in percent."""

    def step(self, item, batch_idx):
        wrong = round(len(item.truth) * rates[self.current_epoch] / 100)
        self._count("x" * wrong + item.truth[wrong:], item.truth)

    monkeypatch.setattr(CTCModule, "validation_step", step)


def test_a_network_that_stays_blank_ends_the_run_with_what_to_change(run, recipe, table, monkeypatch):
    always_blank(monkeypatch)
    stuck = dataclasses.replace(
        recipe, plateau=0.5, epochs=4, latest=None, gradient_clip=None, network={**recipe.network, "hop_length": 16}
    )
    with pytest.raises(TrainingError) as caught:
        run(stuck)
    message = str(caught.value)
    assert message.startswith("after epoch 2 of 4 the network still emits next to nothing (0.0 % of as many keys")
    places = [message.index(f"{setting}=") for setting in ("latest", "gradient_clip", "warmup_epochs", "learning_rate")]
    assert places == sorted(places)
    assert "hop_length=32" in message
    assert [row["epoch"] for row in table()] == ["1"]


def test_what_a_blank_run_has_already_is_not_advised(run, recipe, monkeypatch):
    always_blank(monkeypatch)
    with pytest.raises(TrainingError) as caught:
        run(dataclasses.replace(recipe, plateau=0.3))
    assert not any(setting in str(caught.value) for setting in ("latest=", "gradient_clip=", "hop_length="))


def test_a_network_that_turns_blank_is_seen_in_the_very_epoch(run, recipe, table, monkeypatch):
    always_blank(monkeypatch, from_epoch=3)
    with pytest.raises(TrainingError, match="after epoch 3 of 3"):
        run(dataclasses.replace(recipe, plateau=0.5))
    assert [float(row["val/emitted"]) for row in table()] == [100.0, 100.0]


def test_a_blank_network_may_go_on_and_it_is_said_once(run, recipe, table, monkeypatch):
    always_blank(monkeypatch)
    notes = []
    run(recipe, note=notes.append)
    assert [note for note in notes if "emits next to nothing yet" in note] == notes[-1:]
    assert [float(row["val/CER"]) for row in table()] == [100.0] * 3


def test_a_blank_run_that_was_ended_goes_on_when_told_to(run, recipe, table, monkeypatch):
    with monkeypatch.context() as patch:
        always_blank(patch)
        with pytest.raises(TrainingError, match="With plateau=1 it would go on"):
            run(dataclasses.replace(recipe, plateau=0.5))
    run(recipe, resume=True)
    assert [row["epoch"] for row in table()] == ["1", "2", "3"]


def test_nothing_is_amiss_within_the_warm_up(run, recipe, monkeypatch):
    always_blank(monkeypatch)
    notes = []
    with pytest.raises(TrainingError, match="after epoch 3 of 3"):
        run(dataclasses.replace(recipe, warmup_epochs=2.0, plateau=0.1), note=notes.append)
    assert notes == []


def test_a_run_that_gets_no_better_ends_and_its_best_epoch_is_kept(run, recipe, table, monkeypatch):
    scored(monkeypatch, [50, 30, 40, 30, 35, 10])
    bundle = run(dataclasses.replace(recipe, epochs=6, patience=2))
    assert [row["epoch"] for row in table()] == ["1", "2", "3", "4"]
    assert bundle.facts.provenance.details["best epoch"] == "2 of 6"
    assert bundle.facts.provenance.details["validation CER (%)"] == pytest.approx(30, abs=3)


@pytest.mark.parametrize("every", [1, 2])
def test_a_run_that_had_ended_for_want_of_progress_is_not_gone_on_with(run, recipe, table, monkeypatch, every):
    scored(monkeypatch, [30, 30, 40, 40, 40, 40, 10, 10])
    settings = dataclasses.replace(recipe, epochs=8, patience=2, validate_every=every)
    first = run(settings).weights.read_bytes()
    rows = table()
    assert len(rows) < 8
    assert run(settings, resume=True).weights.read_bytes() == first
    assert table() == rows


def test_more_patience_lets_a_run_go_on_that_had_ended(run, recipe, table, monkeypatch):
    scored(monkeypatch, [30, 40, 40, 10])
    settings = dataclasses.replace(recipe, epochs=4, patience=1)
    run(settings)
    assert len(table()) == 2
    bundle = run(dataclasses.replace(settings, patience=3), resume=True)
    assert bundle.facts.provenance.details["best epoch"] == "4 of 4"


def test_patience_is_what_the_resumed_run_says():
    before, after = Patience("val/CER", patience=2), Patience("val/CER", patience=5)
    before.wait_count = 2
    after.load_state_dict(before.state_dict())
    assert (after.wait_count, after.patience) == (2, 5)


def test_the_best_epoch_survives_a_kill_before_the_next_is_certain(run, recipe, table, tmp_path, monkeypatch):
    # The third epoch is the best, the run is killed before its last checkpoint, and resumed the epoch comes out worse.
    real, saved = ModelCheckpoint._save_none_monitor_checkpoint, []

    def dying(self, *args):
        saved.append(1)
        if len(saved) == 3:
            raise SystemExit(9)
        real(self, *args)

    with monkeypatch.context() as patch:
        scored(patch, [50, 30, 10])
        patch.setattr(ModelCheckpoint, "_save_none_monitor_checkpoint", dying)
        with pytest.raises(KeyboardInterrupt):
            run(recipe)
    assert [row["epoch"] for row in table()] == ["1", "2", "3"]
    scored(monkeypatch, [50, 30, 60, 60])
    bundle = run(dataclasses.replace(recipe, epochs=4), resume=True)
    assert bundle.facts.provenance.details["best epoch"] == "2 of 4"
    kept = {file.name for file in (tmp_path / "run" / "checkpoints").iterdir()}
    assert {"epoch001.ckpt", "last.ckpt"} <= kept
    assert not [name for name in kept if "-v" in name]


def test_the_table_has_figures_only_of_epochs_that_were_validated(run, recipe, table):
    run(dataclasses.replace(recipe, validate_every=2))
    rows = table()
    assert [bool(row["val/CER"]) for row in rows] == [False, True, False]
    assert all(float(row["train/loss"]) > 0 for row in rows)
    assert [row["step"] for row in rows] == ["6", "12", "18"]
    minutes = [float(row["minutes"]) for row in rows]
    assert minutes == sorted(minutes)


def test_progress_tells_loss_error_rate_and_speed(run, recipe):
    seen = []
    run(recipe, progress=lambda stage, share, figures: seen.append((stage, share, figures)))
    assert {stage for stage, _, _ in seen} == {"training"}
    shares = [share for _, share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert "val/CER" not in seen[0][2]
    last = seen[-1][2]
    assert last["val/CER"] >= 0
    assert last["loss"] > 0
    assert last["speed"] > 10


def test_a_loss_that_is_no_number_names_step_and_recording(run, recipe, make_recording, monkeypatch):
    real = CTCModule.emissions_of

    def poisoned(self, batch):
        emissions, frames = real(self, batch)
        spoilt = torch.tensor([where.startswith("bursts 2") for where in batch.where])
        return torch.where(spoilt[:, None, None], math.nan, emissions), frames

    monkeypatch.setattr(CTCModule, "emissions_of", poisoned)
    with pytest.raises(TrainingError, match=r"step \d+: the loss is nan; look at bursts 2 from sample \d+") as caught:
        run(recipe)
    assert "bursts 1" not in str(caught.value)


def test_a_gradient_that_is_no_number_never_reaches_the_weights(run, recipe, tmp_path, monkeypatch):
    calls = []

    def spoil(self):
        calls.append(1)
        if len(calls) == 8:  # in the second epoch
            self.network.final_layer.weight.grad[0, 0] = math.nan

    monkeypatch.setattr(CTCModule, "on_after_backward", spoil)
    with pytest.raises(TrainingError, match="step 7: the gradient is no number: try a lower learning rate"):
        run(recipe)
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == 0
    assert all(bool(torch.isfinite(weight).all()) for weight in last["state_dict"].values())


def test_a_recording_that_fails_while_it_is_read_is_no_full_disk(run, recipe, make_recording):
    class Failing:
        shape, dtype = make_recording().emg.shape, make_recording().emg.dtype
        reads = 0

        def __getitem__(self, item):
            Failing.reads += 1
            if Failing.reads > 20:
                raise OSError("Can't read data (wrong fletcher32 checksum)")
            return make_recording().emg[item]

    whole = make_recording()
    failing = Recording(emg=Failing(), times=whole.times[:], key_presses=whole.key_presses, name="failing")
    with pytest.raises(TrainingError, match=r"the run broke off: Can't read data .* resume") as caught:
        run(recipe, training=[failing])
    assert "make room" not in str(caught.value)


def test_validation_with_nothing_typed_is_refused(run, recipe, make_recording):
    with pytest.raises(InputError, match="no recordings to validate with: bursts 0: nothing was typed"):
        run(recipe, validation=[make_recording(key_presses=[])])


@pytest.mark.parametrize("accelerator", ["cuda", "quantum"])
def test_a_machine_that_is_not_there_is_an_error_before_any_work(recipe, run, tmp_path, accelerator):
    if accelerator == "cuda" and torch.cuda.is_available():
        pytest.skip("it is there")
    with pytest.raises(InputError, match=f"cannot train so .accelerator={accelerator}"):
        run(recipe, machine=Machine(accelerator=accelerator))
    assert not (tmp_path / "run").exists()


def test_no_augmentation_is_said(run, recipe):
    notes = []
    bare = dataclasses.replace(
        recipe, epochs=1, rotation=(0,), largest_shift=0, network={**recipe.network, "spec_augment": False}
    )
    with pytest.raises(KeyboardInterrupt):
        run(bare, note=notes.append, progress=interrupted)
    assert notes == ["no augmentation: every window is seen as it is, over and over"]


def interrupted(*told):
    raise KeyboardInterrupt
