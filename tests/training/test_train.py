"""A training run, small but whole."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest
import torch

from myotype.errors import InputError, OutputError
from myotype.network import EMG2QwertyNet
from myotype.runtime import Engine
from myotype.simulation import simulate
from myotype.training import RECIPES, Recipe, SimulatedCorpus, train
from myotype.training.corpus import simulate_corpus
from myotype.training.module import learning_rate, whole_emissions

SMALL = dataclasses.replace(
    RECIPES["demo"],
    network={"hop_length": 32, "mlp_features": [16], "block_channels": [4], "kernel_width": 4, "spec_augment": True},
    window=2.0,
    batch_size=8,
    epochs=2,
    simulated=SimulatedCorpus(recordings=2, minutes=0.4, validation_recordings=1, validation_minutes=0.2, seed=9),
)


def rows_of(run):
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    seen = []
    bundle = train(SMALL, folder, progress=lambda stage, share, figures: seen.append((stage, share, figures)))
    return folder, bundle, seen


def test_a_run_leaves_recipe_metrics_and_a_bundle_that_runs(run):
    folder, bundle, _ = run
    assert json.loads((folder / "recipe.json").read_text())["epochs"] == 2
    rows = rows_of(folder)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["train/loss"]) < float(rows[0]["train/loss"])
    assert float(rows[1]["val/CER"]) > 0
    provenance = bundle.facts.provenance
    assert provenance.simulated
    assert provenance.license == "BSD-3-Clause"
    assert provenance.details["training seeds"] == "9 to 10"
    engine = Engine(bundle)
    (emissions,) = engine.step([engine.stream()], [np.zeros((4000, 32))])
    assert emissions.shape[1] == 99


def test_progress_is_reported_to_the_end(run):
    _, _, seen = run
    stages = [stage for stage, _, _ in seen]
    assert stages.index("training") == stages.count("simulating") == 3
    assert seen[-1][1] == 1.0
    assert seen[-1][2]["loss"] > 0


def test_a_run_is_not_written_over(run):
    with pytest.raises(OutputError, match="already holds a run: resume it"):
        train(SMALL, run[0])


def test_a_run_can_be_resumed_and_goes_on_with_its_table(run, tmp_path):
    folder = run[0]
    longer = dataclasses.replace(SMALL, epochs=3)
    train(longer, folder, resume=True)
    assert [row["epoch"] for row in rows_of(folder)] == ["1", "2", "3"]


def test_the_same_recipe_gives_the_same_weights(run, tmp_path):
    again = train(dataclasses.replace(SMALL, epochs=1), tmp_path / "a")
    twin = train(dataclasses.replace(SMALL, epochs=1), tmp_path / "b")
    assert again.weights.read_bytes() == twin.weights.read_bytes()


def test_training_without_anything_to_train_on_is_refused(tmp_path):
    with pytest.raises(InputError, match="no recordings to train on"):
        train(RECIPES["baseline"], tmp_path)


def test_training_without_anything_to_validate_with_is_refused(tmp_path):
    with pytest.raises(InputError, match="no recordings to validate with"):
        train(SMALL, tmp_path, training=[simulate("hello")])


def test_training_on_given_recordings_asks_for_their_licence(tmp_path):
    recording = simulate("hello")
    with pytest.raises(InputError, match="which licence"):
        train(SMALL, tmp_path, training=[recording], validation=[recording])


def test_training_and_validation_share_neither_text_nor_seed():
    corpus = simulate_corpus(SMALL.simulated)
    trained = {prompt.text for recording in corpus.training for prompt in recording.prompts}
    validated = {prompt.text for recording in corpus.validation for prompt in recording.prompts}
    assert trained
    assert validated
    assert not trained & validated
    assert len({recording.name for recording in [*corpus.training, *corpus.validation]}) == 3


def test_learning_rate_climbs_in_a_line_and_falls_in_a_cosine():
    recipe = RECIPES["baseline"]
    assert learning_rate(0, recipe) == 1e-8
    assert learning_rate(4.5, recipe) == pytest.approx(0.5e-3, rel=1e-4)
    assert learning_rate(9, recipe) == 1e-3
    assert learning_rate(10, recipe) == 1e-3
    assert learning_rate(80, recipe) == pytest.approx((1e-3 + 1e-6) / 2)
    assert learning_rate(150, recipe) == pytest.approx(1e-6)


def test_learning_rate_of_the_second_epoch_is_that_of_the_reference_checkpoint(golden):
    facts = json.loads((golden / "model_facts.json").read_text())
    (scheduler,) = facts["lr_schedulers"]
    assert scheduler["last_epoch"] == 2
    assert learning_rate(2, RECIPES["baseline"]) == pytest.approx(scheduler["_last_lr"][0])


def test_validation_in_blocks_equals_one_forward_pass():
    network = EMG2QwertyNet(mlp_features=[8], block_channels=[2], kernel_width=3).eval()
    recording = simulate(minutes=0.7, seed=2)
    with torch.inference_mode():
        whole = network(torch.from_numpy(recording.emg[:]).T[None])[0].log_softmax(-1)
    torch.testing.assert_close(whole_emissions(network, recording), whole, atol=1e-4, rtol=1e-4)


def test_the_baseline_recipe_is_that_of_the_paper():
    recipe = RECIPES["baseline"]
    assert recipe == Recipe(network={"spec_augment": True}, past=0.9)
    network = EMG2QwertyNet(**recipe.network)
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_293_315
    assert (recipe.batch_size, recipe.epochs, recipe.warmup_epochs) == (32, 150, 10)
