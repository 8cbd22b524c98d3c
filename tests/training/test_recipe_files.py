"""Recipes as files: what is written is read again, and what is wrong is said."""

from __future__ import annotations

import pytest

from myotype.errors import InputError
from myotype.training import RECIPES, Recipe, SimulatedCorpus, load_recipe, save_recipe
from myotype.training.recipe_files import plain


@pytest.mark.parametrize("name", RECIPES)
def test_a_preset_is_read_as_it_was_written(tmp_path, name):
    save_recipe(RECIPES[name], tmp_path / "recipe.yaml")
    assert plain(load_recipe(tmp_path / "recipe.yaml")) == plain(RECIPES[name])


def test_what_a_file_leaves_out_is_the_baselines(tmp_path):
    (tmp_path / "r.yaml").write_text("epochs: 20\nsimulated:\n  minutes: 2\n  speeds: [1, 2.5]\n")
    assert load_recipe(tmp_path / "r.yaml") == Recipe(
        epochs=20, simulated=SimulatedCorpus(minutes=2.0, speeds=(1.0, 2.5))
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 2", "a recipe knows no epoch"),
        ("simulated: {minute: 2}", "simulated knows no minute"),
        ("epochs: 2.5", "epochs=2.5: give a whole number"),
        ("epochs: true", "epochs=True: give a whole number"),
        ("learning_rate: 1e-3", r"learning_rate='1e-3': give a number \(with a point"),
        ("optimizer: sgd", "optimizer='sgd': give one of adam, adamw"),
        ("rotation: 1", "rotation=1: give a list"),
        ("simulated: {speeds: [1]}", r"simulated.speeds=\[1\]: give a list of 2"),
        ("network: [1]", r"network=\[1\]: give names with their values"),
        ("balanced: 1", "balanced=1: give true or false"),
        ("- 1", "a recipe is settings with their values"),
        ("a: [", "cannot be read as a recipe"),
        ("!!python/object/apply:os.system [echo]", "cannot be read as a recipe"),
        ("latest: 0.05", "latest=0.05 is less than future=0.1"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_decay": 0.1}, "needs the optimizer 'adamw'"),
        ({"epochs": 5}, "warmup_epochs=10.0 leaves nothing of 5 epochs"),
        ({"final_learning_rate": 1.0}, "must not be above learning_rate"),
        ({"network": {"n_time_masks": 2}}, "n_time_masks in network has no effect without spec_augment=true"),
        ({"batch_size": 6, "accumulate": 4}, "does not part into"),
        ({"ema": 1.0}, "ema=1.0: give a decay between 0 and 1"),
        ({"plateau": 0.0}, "plateau=0.0: give a share"),
        ({"gradient_clip": 0.0}, "gradient_clip=0.0: give a number above 0"),
        ({"past": float("nan")}, "past=nan: give a number from 0"),
    ],
)
def test_settings_that_are_impossible_or_contradict_each_other_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Recipe(**settings)


def test_an_argument_that_a_network_does_not_know_is_an_error():
    with pytest.raises(InputError, match="EMG2QwertyNet takes no such argument"):
        Recipe(network={"kernel": 3}).build()


def test_what_augments_is_told_and_nothing_is_nothing():
    assert len(RECIPES["best"].augmentation) == 3
    assert Recipe(rotation=(0,), largest_shift=0).augmentation == ()
