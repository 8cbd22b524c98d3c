"""Personalising: what is trained on, what is held out, and what comes out."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from myotype.errors import InputError
from myotype.network import EMG2QwertyNet, SplashNet, export, load_network
from myotype.recordings import Recording
from myotype.runtime import Provenance
from myotype.simulation import simulate
from myotype.training.personalise import divide, personalise, recipe_for
from myotype.transcript import KeyPress

TINY = {"hop_length": 64, "mlp_features": [8], "block_channels": [2], "kernel_width": 3}


def typed(seconds: float, user: str = "1") -> Recording:
    n = round(seconds * 2000)
    presses = [KeyPress("a", second + 0.5, second + 0.6) for second in range(int(seconds))]
    return Recording(emg=np.zeros((n, 32), np.float32), key_presses=presses, user=user, name=f"{seconds:g} s")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    network = EMG2QwertyNet(**TINY)
    provenance = Provenance(license="CC0-1.0", source="Random.", simulated=True, details={"best epoch": "1 of 1"})
    return export(network, tmp_path_factory.mktemp("model") / "m", provenance=provenance).folder


def test_the_last_fifth_of_each_recording_is_held_out():
    training, held_out = divide([typed(100), typed(50)])
    assert [one.duration for one in training] == [80, 40]
    assert [one.duration for one in held_out] == [20, 10]
    assert [len(one.key_presses) for one in (*training, *held_out)] == [80, 40, 20, 10]
    assert held_out[0].times[:1][0] == 80


def test_minutes_are_taken_from_the_beginning():
    training, held_out = divide([typed(100), typed(50), typed(60)], minutes=2)
    assert [one.duration for one in training] == [80, 16]
    assert [one.duration for one in held_out] == [20, 4]


def test_given_recordings_are_held_out_instead():
    training, held_out = divide([typed(100)], validation=[typed(40)])
    assert [one.duration for one in training] == [100]
    assert [one.duration for one in held_out] == [40]


@pytest.mark.parametrize(("seconds", "minutes"), [(20, None), (500, 0.5)])
def test_too_little_is_refused_with_what_is_needed(seconds, minutes):
    with pytest.raises(InputError, match=r"too little: record at least 1\.4 minutes"):
        divide([typed(seconds)], minutes)


@pytest.mark.parametrize("minutes", [0, -1.0, float("nan")])
def test_impossible_minutes_are_refused(minutes):
    with pytest.raises(InputError, match="give a number above 0"):
        divide([typed(100)], minutes)


def test_less_data_is_gone_through_more_often():
    network = EMG2QwertyNet(**TINY)
    assert recipe_for(network, 100).epochs > recipe_for(network, 600).epochs >= 25
    assert recipe_for(SplashNet(**TINY), 100).network == {"channel_masking": True}


def test_several_people_are_refused(model, tmp_path):
    with pytest.raises(InputError, match="2 people typed"):
        personalise(model, [typed(100, "1"), typed(100, "2")], tmp_path / "run")


def test_a_personal_model_says_what_it_comes_from_and_what_it_is_worth(model, tmp_path):
    recording = simulate(minutes=1.5, seed=1)
    recipe = dataclasses.replace(recipe_for(load_network(model), 60), epochs=4, validate_every=2)
    notes = []
    result = personalise(model, [recording], tmp_path / "run", recipe=recipe, note=notes.append)
    assert result.seconds == pytest.approx(72)
    assert result.before.target_length == result.after.target_length > 30
    provenance = result.bundle.facts.provenance
    assert provenance.license == "CC0-1.0"
    assert provenance.simulated
    assert provenance.source.startswith("Trained further by `myotype personalise` on typing of simulated")
    assert provenance.source.endswith("Before: Random.")
    assert provenance.details["best epoch"].endswith("of 4")
    figures = json.loads((tmp_path / "run" / "personalised.json").read_text())
    assert figures["keys held out"] == result.before.target_length
    weights = load_network(result.bundle.folder).state_dict()["final_layer.bias"]
    assert not weights.equal(load_network(model).state_dict()["final_layer.bias"])


def test_only_a_shared_encoder_can_be_unshared(model, tmp_path):
    with pytest.raises(InputError, match="share no encoder"):
        personalise(model, [typed(200)], tmp_path / "run", unshare=True)
