"""Personalising: what is trained on, what is held out, and what comes out."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from myotype.errors import InputError
from myotype.network import EMG2QwertyNet, SplashNet, export, load_network
from myotype.recordings import Recording
from myotype.runtime import Provenance
from myotype.training.initial import masked
from myotype.training.personalise import divide, personalise, recipe_for
from myotype.transcript import KeyPress

TINY = {"hop_length": 64, "mlp_features": [8], "block_channels": [2], "kernel_width": 3}


def typed(seconds: float, user: str = "1") -> Recording:
    n = round(seconds * 2000)
    presses = [KeyPress("a", second + 0.5, second + 0.6) for second in range(int(seconds))]
    return Recording(emg=np.zeros((n, 32), np.float32), key_presses=presses, user=user, name=f"{seconds:g} s")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
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


@pytest.fixture(scope="module")
def quick(model):
    """A recipe by which a tiny network learns bursts in a second."""
    suited = recipe_for(load_network(model), 60)
    return dataclasses.replace(
        suited, epochs=6, validate_every=2, batch_size=4, learning_rate=2e-2, window=2.0, network={}
    )


@pytest.fixture(scope="module")
def personal(model, quick, make_recording, tmp_path_factory):
    """A model that was personalised well."""
    recordings = [make_recording(90, user="simulated:x")]
    return personalise(model, recordings, tmp_path_factory.mktemp("personal") / "run", recipe=quick)


def test_a_personal_model_says_what_it_comes_from_and_what_it_is_worth(model, personal):
    result = personal
    assert result.improved
    assert result.after.errors < result.before.errors
    assert result.seconds == pytest.approx(72)
    assert result.before.target_length == result.after.target_length > 30
    provenance = result.bundle.facts.provenance
    assert provenance.license == "CC0-1.0"
    assert provenance.simulated
    assert provenance.source.startswith("Trained further by `myotype personalise` on typing of simulated")
    assert provenance.source.endswith("Before: Random.")
    assert provenance.details["best epoch"].endswith("of 6")
    figures = json.loads((result.bundle.folder.parent / "personalised.json").read_text())
    assert figures["keys held out"] == result.before.target_length
    assert figures["kept"] == "the personal model"
    weights = load_network(result.bundle.folder).state_dict()["final_layer.bias"]
    assert not weights.equal(load_network(model).state_dict()["final_layer.bias"])


def test_where_nothing_better_came_out_the_model_is_as_it_was(personal, quick, make_recording, tmp_path):
    first = personal
    slow = dataclasses.replace(
        quick, learning_rate=1e-12, first_learning_rate=0, final_learning_rate=0, epochs=2, warmup_epochs=0.5
    )
    notes = []
    folder = first.bundle.folder
    result = personalise(folder, [make_recording(90)], tmp_path / "bad", recipe=slow, note=notes.append)
    assert not result.improved
    assert result.after == result.before
    assert "made it no better" in notes[-1]
    assert "stays as it was" in notes[-1]
    assert result.bundle.weights.read_bytes() == first.bundle.weights.read_bytes()
    assert result.bundle.facts.provenance == first.bundle.facts.provenance
    assert result.bundle.facts.look_ahead == first.bundle.facts.look_ahead
    figures = json.loads((tmp_path / "bad" / "personalised.json").read_text())
    assert figures["kept"] == "the model as it was"
    assert figures["CER after (%)"] >= figures["CER before (%)"]


def test_a_run_is_not_resumed_from_another_model(model, quick, make_recording, tmp_path):
    other = export(EMG2QwertyNet(**TINY), tmp_path / "other", provenance=Provenance(license="CC0-1.0", source="Other."))
    short = dataclasses.replace(quick, epochs=1)
    personalise(model, [make_recording(90)], tmp_path / "run", recipe=short)
    with pytest.raises(InputError, match="begun with another model"):
        personalise(other.folder, [make_recording(90)], tmp_path / "run", recipe=short, resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {"hop_length": 32}}, r"hop_length=32 \(it has 64\); a recipe may only set its masks"),
        ({"network": {"wings": 2}}, "wings=2; a recipe may only set its masks"),
        ({"architecture": "SplashNet", "network": {}}, "architecture SplashNet, and the model to go on from has EMG2"),
    ],
)
def test_a_recipe_for_another_network_is_refused(model, quick, make_recording, tmp_path, change, message):
    recipe = dataclasses.replace(quick, **change)
    with pytest.raises(InputError, match=message):
        personalise(model, [make_recording(90)], tmp_path / "run", recipe=recipe)
    assert not (tmp_path / "run").exists()


def test_a_recipe_may_name_the_arguments_that_the_model_has(model, quick):
    network = load_network(model)
    recipe = dataclasses.replace(quick, network={**TINY, "spec_augment": True, "n_time_masks": 1})
    config = masked(network, recipe).get_config()
    assert config["spec_augment"] is True
    assert config["n_time_masks"] == 1
    assert config["hop_length"] == 64


def test_held_out_typing_of_another_person_is_refused(model, tmp_path):
    with pytest.raises(InputError, match="2 people typed"):
        personalise(model, [typed(100, "1")], tmp_path / "run", validation=[typed(60, "2")])


def test_a_seed_besides_a_recipe_is_a_contradiction(model, quick, tmp_path):
    with pytest.raises(InputError, match="the recipe says the seed"):
        personalise(model, [typed(100)], tmp_path / "run", recipe=quick, seed=1)


def test_what_is_left_of_the_minutes_may_be_next_to_nothing():
    training, held_out = divide([typed(100), typed(50), typed(60)], minutes=(100 + 1 / 2000) / 60)
    assert [one.duration for one in training] == [80]
    assert [one.duration for one in held_out] == [20]


def test_held_out_recordings_of_no_use_count_in_none_of_the_figures(model, quick, make_recording, tmp_path):
    silent = Recording(emg=np.zeros((9000, 32), np.float32), user="somebody", name="silent")
    notes = []
    result = personalise(
        model,
        [make_recording(40)],
        tmp_path / "run",
        validation=[make_recording(20, seed=1), silent],
        recipe=dataclasses.replace(quick, epochs=1, patience=None),
        note=notes.append,
    )
    assert any("silent: nothing was typed" in note for note in notes)
    assert result.before.target_length == len(make_recording(20, seed=1).key_presses)


def test_recordings_with_gaps_are_personalised_on(model, quick, make_recording, tmp_path):
    whole = make_recording(90)
    times = whole.times[:]
    times[100_000:] += 20.0
    presses = [
        dataclasses.replace(press, down=press.down + 20 * (press.down >= 50), up=press.up + 20 * (press.down >= 50))
        for press in whole.key_presses
    ]
    gapped = Recording(emg=whole.emg[:], times=times, key_presses=presses, user="somebody", name="gapped")
    result = personalise(model, [gapped], tmp_path / "run", recipe=quick)
    assert result.seconds == pytest.approx(72)
    assert result.improved


def test_only_a_shared_encoder_can_be_unshared(model, tmp_path):
    with pytest.raises(InputError, match="share no encoder"):
        personalise(model, [typed(200)], tmp_path / "run", unshare=True)
