"""Recipes as files: what is written is read again, and what is wrong is said."""

from __future__ import annotations

import numpy as np
import pytest

from myotype.errors import InputError
from myotype.training import RECIPES, Recipe, SimulatedCorpus, load_recipe, save_recipe
from myotype.training.recipe_files import plain


@pytest.mark.parametrize("name", RECIPES)
def test_a_preset_is_read_as_it_was_written(tmp_path, name):
    save_recipe(RECIPES[name], tmp_path / "recipe.yaml")
    assert plain(load_recipe(tmp_path / "recipe.yaml")) == plain(RECIPES[name])


def test_what_a_file_leaves_out_has_its_default(tmp_path):
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
        ("", "a recipe is settings with their values"),
        ("# nothing but a comment", "a recipe is settings with their values"),
        ("epochs:", "epochs=None: give a whole number"),
        ("epochs: 20\nepochs: 30", "epochs is given twice"),
        ("simulated: {seed: 1, seed: 2}", "seed is given twice"),
        ("epochs: 20\n---\nepochs: 30", "single document"),
        ("seed: 010", "010 is no decimal number"),
        ("epochs: 1:30", "1:30 is no decimal number"),
        ("window: 1:30.5", "1:30.5 is no decimal number"),
        ("window: .nan", "window=nan: give a number above 0"),
        ("learning_rate: .inf", "learning_rate=inf: give a number above 0"),
        ("ema: true", "ema=True: give a number"),
        ("rotation: [true]", "rotation=True: give a whole number"),
        ("rotation: [0.5]", "rotation=0.5: give a whole number"),
        ("learning_rate: 1" + 400 * "0", "learning_rate=1000.*: give a number that is not as large"),
        ("epochs: 1" + 5000 * "0", "cannot be read as a recipe"),
        ("window: 2020-02-30", "cannot be read as a recipe: day is out of range"),
        ("window: 2020-02-20", "give a number"),
        ("seed: 4294967296", "seed=4294967296: give a whole number from 0 to 4294967295"),
        ("simulated: {seed: -1}", "simulated.seed=-1: give a whole number from 0"),
        ("simulated: {minutes: .nan}", "simulated.minutes=nan: give a number above 0"),
        ("network: {kernel_width: .nan}", "network.kernel_width=nan: give finite numbers"),
        ("network: {kernel_width: 2020-01-01}", "network.kernel_width=.*: give finite numbers"),
        ("network: {1: 2}", "give names with their values"),
        ("network: &a {x: *a}", "aliases are not read"),
        ("epochs: !!python/name:os.system x", "cannot be read as a recipe"),
        ("[" * 100_000, "cannot be read as a recipe"),
        ("\0", "cannot be read as a recipe"),
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
        ({"epochs": 20.5}, "epochs=20.5: give a whole number"),
        ({"epochs": True, "warmup_epochs": 0}, "epochs=True: give a whole number"),
        ({"learning_rate": True}, "learning_rate=True: give a number"),
        ({"learning_rate": "1e-3"}, "learning_rate='1e-3': give a number"),
        ({"window": 1e300}, "window=1e.300: give a number above 0, and up to 1e.06"),
        ({"epochs": float("nan")}, "epochs=nan: give a whole number"),
        ({"balanced": "no"}, "balanced='no': give true or false"),
        ({"architecture": "RNN"}, "architecture='RNN': give one of EMG2QwertyNet, SplashNet"),
        ({"optimizer": "sgd"}, "optimizer='sgd': give one of adam, adamw"),
        ({"choose_by": "luck"}, "choose_by='luck': give one of recordings, windows"),
        ({"network": None}, "network=None: give names"),
        ({"network": {"activation": print}}, "network.activation=.*: give finite numbers, texts"),
        ({"rotation": (16,)}, "bands have 16 electrodes"),
        ({"rotation": (0.5,)}, "rotation=0.5: give a whole number"),
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recordings": 0}, "0 and 4 recordings: give 1 to 500"),
        ({"recordings": 2.5}, "recordings=2.5: give a whole number"),
        ({"validation_recordings": 0}, "24 and 0 recordings"),
        ({"minutes": float("nan")}, "minutes=nan: give a number above 0 and up to 240"),
        ({"minutes": True}, "minutes=True: give a number"),
        ({"validation_minutes": 0}, "validation_minutes=0.0: give a number above 0"),
        ({"validation_minutes": 241}, "validation_minutes=241.0: give a number above 0 and up to 240"),
        ({"speeds": (4, 2)}, r"speeds=\(4.0, 2.0\): give slowest and fastest"),
        ({"speeds": (0, 2)}, "give slowest and fastest, 0.1 to 20 keys a second"),
        ({"speeds": (1, float("nan"))}, "give slowest and fastest"),
        ({"scrambled": 1.5}, "scrambled=1.5: give a share"),
        ({"seed": -1}, "seed=-1: give a whole number from 0"),
        ({"typist": "nobody"}, "there is no typist 'nobody'"),
    ],
)
def test_impossible_simulations_are_refused_before_anything_is_simulated(settings, message):
    with pytest.raises(InputError, match=message):
        SimulatedCorpus(**settings)


def test_settings_become_plain_values_and_do_not_follow_what_they_were_made_from(tmp_path):
    features = [96]
    recipe = Recipe(
        seed=np.int64(3), window=np.float32(2), rotation=[0, 1], network={"mlp_features": features, "drop_prob": 0}
    )
    features.append(7)
    assert recipe == Recipe(seed=3, window=2.0, rotation=(0, 1), network={"mlp_features": (96,), "drop_prob": 0})
    save_recipe(recipe, tmp_path / "r.yaml")
    assert load_recipe(tmp_path / "r.yaml") == recipe


def test_a_file_that_is_none_or_too_large_is_no_recipe(tmp_path):
    (tmp_path / "large.yaml").write_text("# " + "x" * 2**20)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    for name, message in (
        ("large.yaml", "is too large for a recipe"),
        ("binary.yaml", "cannot be read as a recipe"),
        ("missing.yaml", "cannot be read as a recipe"),
        ("", "cannot be read as a recipe"),
    ):
        with pytest.raises(InputError, match=message):
            load_recipe(tmp_path / name)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"n_outputs": 50}, "n_outputs=50 where 99 is needed"),
        ({"num_bands": 1, "electrodes_per_band": 32}, "num_bands=1 where 2 is needed, electrodes_per_band=32 where 16"),
        ({"n_chans": 16, "electrodes_per_band": 8}, "electrodes_per_band=8 where 16 is needed"),
        ({"hop_length": 0}, "hop_length=0 must be a whole number"),
        ({"spec_augment": "yes"}, "spec_augment='yes' must be True or False"),
    ],
)
def test_a_network_that_is_not_for_the_bands_and_keys_is_not_built(network, message):
    with pytest.raises(InputError, match=message):
        Recipe(network=network).build()


@pytest.mark.parametrize("name", RECIPES)
def test_every_preset_builds_its_network(name):
    assert RECIPES[name].build().n_chans == 32
