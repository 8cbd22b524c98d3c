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
from myotype.recordings import Recording
from myotype.runtime import Engine, Provenance
from myotype.simulation import simulate
from myotype.training import RECIPES, Recipe, SimulatedCorpus, load_recipe, train
from myotype.training.corpus import simulate_corpus
from myotype.training.module import learning_rate, whole_emissions
from myotype.transcript import KeyPress

SMALL = dataclasses.replace(
    RECIPES["demo"],
    network={"hop_length": 32, "mlp_features": [16], "block_channels": [4], "kernel_width": 4, "spec_augment": True},
    window=2.0,
    batch_size=8,
    epochs=2,
    simulated=SimulatedCorpus(recordings=2, minutes=0.4, validation_recordings=1, validation_minutes=0.2, seed=9),
)


PROVENANCE = Provenance(license="CC0-1.0", source="a test")


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
    assert load_recipe(folder / "recipe.yaml").epochs == 2
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


def test_a_resumed_run_is_the_run_it_would_have_been(tmp_path):
    train(dataclasses.replace(SMALL, epochs=2, schedule="epoch"), tmp_path / "whole")

    def interrupt(stage, share, figures):
        if stage == "training" and share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dataclasses.replace(SMALL, epochs=2, schedule="epoch"), tmp_path / "broken", progress=interrupt)
    assert [row["epoch"] for row in rows_of(tmp_path / "broken")] == ["1"]
    train(dataclasses.replace(SMALL, epochs=2, schedule="epoch"), tmp_path / "broken", resume=True)
    whole, broken = rows_of(tmp_path / "whole"), rows_of(tmp_path / "broken")
    assert float(broken[1]["minutes"]) > float(broken[0]["minutes"])
    for name in ("train/loss", "val/CER"):
        assert float(broken[1][name]) == pytest.approx(float(whole[1][name]), rel=1e-4), name


def test_a_run_is_not_resumed_by_another_recipe(run):
    other = dataclasses.replace(SMALL, learning_rate=1.0)
    with pytest.raises(InputError, match=r"begun with another recipe \(learning_rate\)"):
        train(other, run[0], resume=True)
    assert load_recipe(run[0] / "recipe.yaml").learning_rate == SMALL.learning_rate


def test_validation_less_often_than_there_are_epochs_happens_at_the_end(tmp_path):
    bundle = train(dataclasses.replace(SMALL, epochs=1, validate_every=5), tmp_path)
    assert bundle.facts.provenance.details["best epoch"] == "1 of 1"


@pytest.mark.parametrize(
    ("training", "validation", "message"),
    [
        (Recording(emg=np.zeros((100, 32)), name="short"), None, "short: 100 samples are fewer"),
        (Recording(emg=np.zeros((9000, 32)), name="slow", sfreq=1000.0), None, "slow: 1000 samples a second"),
        (None, Recording(emg=np.zeros((9000, 32)), name="silent"), "silent: nothing was typed"),
    ],
)
def test_recordings_that_would_end_the_run_later_are_refused_at_once(tmp_path, training, validation, message):
    good = simulate("hello")
    with pytest.raises(InputError, match=message):
        train(SMALL, tmp_path, training=[training or good], validation=[validation or good], provenance=PROVENANCE)
    assert not list(tmp_path.iterdir())


def test_a_run_whose_folder_was_moved_can_be_resumed(tmp_path):
    train(dataclasses.replace(SMALL, epochs=1), tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    before = rows_of(tmp_path / "there")
    bundle = train(dataclasses.replace(SMALL, epochs=1), tmp_path / "there", resume=True)
    assert rows_of(tmp_path / "there") == before
    assert bundle.facts.provenance.details["minutes of training"] == round(float(before[-1]["minutes"]), 1)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"seed": -1}, {"batch_size": 0}, {"window": 0.0}, {"rotation": ()}])
def test_impossible_recipes_are_refused(change):
    with pytest.raises(InputError, match=next(iter(change))):
        dataclasses.replace(SMALL, **change)


def test_damaged_recordings_are_repaired_as_when_transcribing(tmp_path):
    damaged = simulate(minutes=0.2, seed=1)
    emg = damaged.emg[:]
    emg[5000:5010, 3] = np.nan
    times = damaged.times[:]
    times[12_000:] += 3.0
    broken = Recording(
        emg=emg, times=times, key_presses=[press for press in damaged.key_presses if press.down < times[11_999]]
    )
    train(dataclasses.replace(SMALL, epochs=1), tmp_path, training=[broken], validation=[broken], provenance=PROVENANCE)
    (row,) = rows_of(tmp_path)
    assert np.isfinite(float(row["train/loss"]))
    assert np.isfinite(float(row["val/CER"]))


def test_more_recordings_than_seeds_before_those_of_validation_are_refused():
    with pytest.raises(InputError, match="give 1 to 500 to train on"):
        SimulatedCorpus(recordings=501)


def bursts(n_keys: int, seed: int) -> Recording:
    """Make a recording in which each of four keys is a burst on an electrode of its own."""
    random = np.random.default_rng(seed)
    emg = random.standard_normal((3000 + n_keys * 800, 32)).astype(np.float32)
    presses = []
    for index, key in enumerate(random.choice(list("asdf"), n_keys)):
        sample = 2000 + index * 800
        emg[sample - 200 : sample, 4 * "asdf".index(key)] += 60 * random.standard_normal(200).astype(np.float32)
        presses.append(KeyPress(str(key), sample / 2000, sample / 2000 + 0.05))
    return Recording(emg=emg, times=np.arange(len(emg)) / 2000, key_presses=presses)


def test_a_network_learns_what_can_be_learned_and_not_what_cannot(tmp_path):
    recipe = dataclasses.replace(
        SMALL,
        epochs=40,
        learning_rate=1e-2,
        warmup_epochs=2,
        seed=2,
        batch_size=4,
        rotation=(0,),
        largest_shift=0,
        validate_every=40,
        plateau=1.0,
        network=SMALL.network | {"hop_length": 64, "spec_augment": False},
    )
    given, test = bursts(160, 1), bursts(60, 2)
    keys = np.random.default_rng(0).permutation([press.key for press in given.key_presses])
    shuffled = [dataclasses.replace(press, key=str(key)) for press, key in zip(given.key_presses, keys, strict=True)]
    mislabelled = Recording(emg=given.emg[:], times=given.times[:], key_presses=shuffled)
    rates = []
    for name, recording in (("true", given), ("shuffled", mislabelled)):
        train(recipe, tmp_path / name, training=[recording], validation=[test], provenance=PROVENANCE)
        rates.append(float(rows_of(tmp_path / name)[-1]["val/CER"]))
    assert rates[0] < 10
    assert rates[1] > 50


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
    trained = {prompt.text for source in corpus.training for prompt in source.held.prompts}
    validated = {prompt.text for source in corpus.validation for prompt in source.held.prompts}
    assert trained
    assert validated
    assert not trained & validated
    assert len({source.name for source in [*corpus.training, *corpus.validation]}) == 3


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
    (found,) = whole_emissions(network, recording)
    np.testing.assert_allclose(found, whole.numpy(), atol=1e-4)


def test_the_baseline_recipe_is_that_of_the_paper():
    recipe = RECIPES["baseline"]
    assert recipe == Recipe(network={"spec_augment": True}, past=0.9, plateau=1.0)
    network = EMG2QwertyNet(**recipe.network)
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_293_315
    assert (recipe.batch_size, recipe.epochs, recipe.warmup_epochs) == (32, 150, 10)
