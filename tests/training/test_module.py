"""The training step: learning rate, pieces of a batch, averaged weights, precision, and validation on windows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from myotype.errors import InputError
from myotype.network import SplashNet
from myotype.training import Batch, Machine, Recipe, Windows
from myotype.training.module import CTCModule, learning_rate
from myotype.training.trainer import _running_average

BY_EPOCH = Recipe(epochs=10, warmup_epochs=4.0, learning_rate=1.0, first_learning_rate=0.1, final_learning_rate=0.01)
BY_STEP = dataclasses.replace(BY_EPOCH, schedule="step")


@pytest.mark.parametrize(
    ("recipe", "rates"),
    [
        (BY_EPOCH, {0: 0.1, 1: 0.4, 3: 1.0, 4: 1.0, 7: 0.505, 10: 0.01, 12: 0.01}),
        (BY_STEP, {0: 0.1, 2: 0.55, 4: 1.0, 7: 0.505, 10: 0.01}),
        (dataclasses.replace(BY_EPOCH, warmup_epochs=0.0), {0: 1.0, 5: 0.505}),
        (dataclasses.replace(BY_STEP, warmup_epochs=0.0), {0: 1.0, 5: 0.505}),
        # The last epoch of a warm-up has the full rate, and so the only one.
        (dataclasses.replace(BY_EPOCH, warmup_epochs=1.0), {0: 1.0, 1: 1.0}),
        (dataclasses.replace(BY_EPOCH, warmup_epochs=0.5), {0: 1.0}),
        (dataclasses.replace(BY_STEP, warmup_epochs=0.5), {0: 0.1, 0.25: 0.55, 0.5: 1.0}),
    ],
)
def test_learning_rates(recipe, rates):
    for epoch, rate in rates.items():
        assert learning_rate(epoch, recipe) == pytest.approx(rate), epoch


@pytest.mark.parametrize("schedule", ["epoch", "step"])
def test_the_optimizer_steps_by_those_learning_rates(run, recipe, monkeypatch, schedule):
    seen = []
    real = CTCModule.training_step

    def spying(self, batch, batch_idx):
        seen.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return real(self, batch, batch_idx)

    monkeypatch.setattr(CTCModule, "training_step", spying)
    settings = dataclasses.replace(recipe, schedule=schedule, warmup_epochs=2.0)
    run(settings)
    steps = [step // 6 if schedule == "epoch" else step / 6 for step in range(18)]
    assert seen == pytest.approx([learning_rate(step, settings) for step in steps])


def test_a_batch_in_pieces_has_the_gradient_of_the_batch(make_recording):
    # Where every window is normalised for itself. Batch normalisation sees the pieces.
    torch.manual_seed(0)
    network = SplashNet(mlp_features=[8], block_channels=[2], kernel_width=3, hop_length=64)
    module = CTCModule(network, Recipe(architecture="SplashNet", latest=0.12))
    module.log = lambda *_, **__: None
    windows = Windows([make_recording()], length=2000, context=(3000, 200))
    examples = [windows[index] for index in range(2, 6)]
    gradients = []
    for pieces in (1, 2, 4):
        network.zero_grad()
        size = len(examples) // pieces
        for start in range(0, len(examples), size):
            (module.training_step(Batch.of(examples[start : start + size]), 0) / pieces).backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in network.parameters()]))
    assert gradients[0].norm() > 0
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0], rtol=1e-3, atol=1e-6)


def test_runs_in_pieces_make_the_steps_of_runs_in_one(run, recipe, table):
    whole = dataclasses.replace(
        recipe,
        architecture="SplashNet",
        network={"mlp_features": [8], "block_channels": [2], "kernel_width": 3},
        epochs=2,
    )
    weights = [load_file(run(dataclasses.replace(whole, accumulate=pieces), f"{pieces}").weights) for pieces in (1, 2)]
    assert [row["step"] for row in table("1")] == [row["step"] for row in table("2")] == ["6", "12"]
    for one, other in zip(table("1"), table("2"), strict=True):
        assert float(one["train/loss"]) == pytest.approx(float(other["train/loss"]), rel=1e-3)
    for name, weight in weights[0].items():
        assert (weights[1][name] - weight).norm() <= 1e-2 * weight.norm(), name


def test_a_run_may_be_resumed_in_other_pieces(run, recipe, table):
    run(dataclasses.replace(recipe, epochs=2))
    run(dataclasses.replace(recipe, accumulate=2), resume=True)
    assert [(row["epoch"], row["step"]) for row in table()] == [("1", "6"), ("2", "12"), ("3", "18")]


def test_a_run_may_be_resumed_with_other_epochs_and_validations(run, recipe, table):
    run(dataclasses.replace(recipe, epochs=2, validate_every=2))
    run(dataclasses.replace(recipe, epochs=4, validate_every=1), resume=True)
    rows = table()
    assert [row["step"] for row in rows] == ["6", "12", "18", "24"]
    assert [bool(row["val/CER"]) for row in rows] == [False, True, True, True]


def test_the_average_follows_closely_at_first_and_slowly_later():
    average = _running_average(0.9)
    old, new = torch.zeros(1), torch.ones(1)
    assert average(old, new, 1).item() == pytest.approx(1 - 2 / 11)
    assert average(old, new, torch.tensor(10_000)).item() == pytest.approx(0.1)
    assert average(torch.tensor(3), torch.tensor(7), 5).item() == 7


def test_averaged_weights_are_validated_and_kept(run, recipe, tmp_path, monkeypatch):
    current, validated = [], []
    step, validation = CTCModule.on_train_batch_end, CTCModule.validation_step

    def spying_step(self, *args):
        current.append({name: tensor.clone() for name, tensor in self.network.state_dict().items()})
        return step(self, *args)

    def spying_validation(self, *args):
        validated.append({name: tensor.clone() for name, tensor in self.network.state_dict().items()})
        return validation(self, *args)

    monkeypatch.setattr(CTCModule, "on_train_batch_end", spying_step)
    monkeypatch.setattr(CTCModule, "validation_step", spying_validation)
    bundle = run(dataclasses.replace(recipe, epochs=1, ema=0.9))
    average = _running_average(0.9)
    kept = load_file(bundle.weights)
    for name, weight in current[0].items():
        expected = weight
        for count, states in enumerate(current[1:], start=1):
            expected = average(expected, states[name], count)
        torch.testing.assert_close(validated[0][name], expected)
        torch.testing.assert_close(kept[name], expected)
    name = "final_layer.weight"
    assert not kept[name].equal(current[-1][name])
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["current_model_state"][f"network.{name}"].equal(current[-1][name])


def test_gradients_are_clipped_to_the_norm(run, recipe, monkeypatch):
    norms = []

    real = torch.optim.Adam.step

    def step(self, closure=None, **given):
        result = real(self, closure, **given)
        gradients = [weight.grad for group in self.param_groups for weight in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))
        return result

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    run(dataclasses.replace(recipe, epochs=1, gradient_clip=0.01))
    assert len(norms) == 6
    assert max(norms) == pytest.approx(0.01, rel=1e-3)


def test_mixed_precision_learns_about_the_same(run, recipe, table):
    for precision in ("32-true", "bf16-mixed"):
        run(dataclasses.replace(recipe, precision=precision), precision)
    single, half = ([float(row["train/loss"]) for row in table(name)] for name in ("32-true", "bf16-mixed"))
    assert half != single
    assert half == pytest.approx(single, rel=0.1)


def test_half_precision_by_float16_is_refused_on_a_processor(run, recipe, tmp_path):
    with pytest.raises(InputError, match="16-mixed is for GPUs"):
        run(dataclasses.replace(recipe, precision="16-mixed"), machine=Machine(accelerator="cpu"))
    assert not (tmp_path / "run").exists()


def test_a_batch_that_does_not_part_is_refused(run, recipe):
    with pytest.raises(InputError, match="batch_size=4 does not part among 3 processes of accumulate=1 pieces"):
        run(recipe, machine=Machine(accelerator="cpu", devices=3))


@pytest.mark.parametrize("given", [{"devices": 0}, {"nodes": -1}, {"workers": -1}, {"devices": 10**6}])
def test_impossible_machines_are_refused(given):
    with pytest.raises(InputError, match=next(iter(given))):
        Machine(**given)


def test_windows_can_choose_the_best_epoch(run, recipe, table, tmp_path):
    bundle = run(dataclasses.replace(recipe, choose_by="windows"))
    rates = [float(row["val/CER"]) for row in table()]
    assert bundle.facts.provenance.details["best epoch"] == f"{1 + int(np.argmin(rates))} of 3"
    assert not (tmp_path / "run" / "samples.csv").exists()
