"""Whole simulated recordings: what they contain, what they refuse, how fast they come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from myotype.errors import InputError
from myotype.keyboard import keys_to_symbols
from myotype.recordings.bids import read_events
from myotype.simulation import simulate, simulate_emg, split_of
from myotype.transcript import KeyPress

LOG = [KeyPress("h", 10.0, 10.09), KeyPress("Key.shift_l", 10.0, 10.5), KeyPress("i", 10.15, 10.15)]


def test_a_text_becomes_a_recording_of_it():
    recording = simulate("Hi you.\nok", mistakes=0.0)
    assert keys_to_symbols(press.key for press in recording.key_presses) == "⇧Hi you.⏎ok⏎"
    assert [prompt.text for prompt in recording.prompts] == ["Hi you.⏎", "ok⏎"]
    assert recording.emg.shape == (recording.n_samples, 32)
    assert recording.emg[:].dtype == np.float32
    assert recording.sfreq == 2000
    assert recording.condition == "on_keyboard"
    times = recording.times[:]
    assert times[0] + 0.9 <= recording.key_presses[0].down
    assert recording.key_presses[-1].up <= times[-1] - 0.9


def test_user_and_name_say_that_it_is_simulated():
    recording = simulate("a", typist="easy:7", session=2, seed=3)
    assert recording.user == "simulated-easy-7"
    assert recording.name == "simulated-easy-7-session2-seed3"


def test_minutes_of_prompts_are_as_long_as_asked_for():
    recording = simulate(minutes=1.0, seed=1)
    assert recording.n_samples == 120_000
    assert len(recording.key_presses) / 60 == pytest.approx(3.2, rel=0.03)
    times = recording.times[:]
    assert times[0] < recording.key_presses[0].down
    assert max(press.up for press in recording.key_presses) < times[-1]
    assert all(
        before.end <= after.start for before, after in zip(recording.prompts, recording.prompts[1:], strict=False)
    )


def test_very_short_recordings_work():
    for minutes in (0.001, 0.01, 0.05):
        recording = simulate(minutes=minutes)
        assert recording.n_samples >= round(120_000 * minutes)
        assert recording.key_presses


def test_generated_prompts_come_from_the_split_that_is_asked_for():
    for split in ("train", "validation", "test"):
        assert {split_of(prompt.text) for prompt in simulate(minutes=0.5, split=split).prompts} == {split}
    assert {split_of(prompt.text) for prompt in simulate(minutes=0.5).prompts} == {"test"}


def test_the_same_arguments_give_the_same_recording_and_another_seed_does_not():
    first, again, other = (simulate(minutes=0.2, typist="realistic:5", seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.emg[:], again.emg[:])
    assert first.key_presses == again.key_presses
    assert first.times[:1][0] == again.times[:1][0] != other.times[:1][0]
    assert not np.array_equal(first.emg[:1000], other.emg[:1000])
    assert first.prompts[0].text != other.prompts[0].text


def test_key_presses_drive_the_hands_in_their_own_clock():
    recording = simulate(key_presses=LOG)
    assert recording.key_presses == tuple(LOG)
    assert recording.times[:1][0] == 9.0
    assert recording.prompts == ()
    assert recording.n_samples == pytest.approx(2.5 * 2000, abs=1)
    later = simulate(key_presses=[replace(p, down=p.down + 1024, up=p.up + 1024) for p in LOG])
    assert np.array_equal(later.emg[:], recording.emg[:])


def test_the_start_of_the_clock_can_be_given():
    assert simulate(key_presses=LOG, start=8.0).n_samples == pytest.approx(3.5 * 2000, abs=1)
    assert simulate("a", start=5.0).times[:1][0] == 5.0
    with pytest.raises(InputError, match="before the start"):
        simulate(key_presses=LOG, start=11.0)


def test_a_key_can_be_pressed_right_at_the_first_sample():
    emg = simulate_emg([KeyPress("f", 0.0, 0.1)], 1000, "demo")
    still = simulate_emg([], 1000, "demo")
    assert np.abs(emg - still)[:40].max() > 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one of text, key_presses and minutes"),
        ({"text": "a", "minutes": 1}, "one of text, key_presses and minutes"),
        ({"text": ""}, "nothing to type"),
        ({"text": " \n \n"}, "nothing to type"),
        ({"text": "☃"}, "nothing to type"),
        ({"minutes": 0}, "minutes is 0"),
        ({"minutes": -2}, "minutes is -2"),
        ({"minutes": float("nan")}, "minutes is nan"),
        ({"minutes": float("inf")}, "minutes is inf"),
        ({"text": "a", "speed": 0}, "speed is 0"),
        ({"text": "a", "speed": float("nan")}, "speed is nan"),
        ({"text": "a", "mistakes": 2}, "mistakes is 2"),
        ({"text": "a", "mistakes": float("nan")}, "mistakes is nan"),
        ({"text": "a", "start": float("inf")}, "start is inf"),
        ({"text": "a", "seed": -1}, "seed"),
        ({"text": "a", "typist": "me"}, "no typist 'me'"),
        ({"minutes": 1, "split": "dev"}, "no split 'dev'"),
        ({"key_presses": []}, "no key presses"),
        ({"key_presses": LOG, "speed": 3.0}, "no speed"),
        ({"key_presses": [KeyPress("a", float("nan"), 1.0)]}, r"key press 0 \('a'\).*finite"),
        ({"key_presses": [KeyPress("a", 1.0, float("inf"))]}, r"key press 0 \('a'\).*finite"),
        ({"key_presses": [KeyPress("a", 1.0, 0.5)]}, r"key press 0 \('a'\).*before it goes down"),
        ({"key_presses": LOG[::-1]}, r"key press 1 \('Key.shift_l'\).*sort"),
    ],
)
def test_what_cannot_be_typed_is_refused_with_a_reason(arguments, message):
    with pytest.raises(InputError, match=message):
        simulate(**arguments)


def test_a_real_log_drives_the_hands(shared):
    # Of the real ones this has a bare quote as a key and the other control characters, zero gaps and a 15 ms grid.
    for subject in ("sub-11372316", "sub-66727638"):
        path = next((shared / "emg2qwerty-events" / subject).rglob("*_events.tsv"))
        log = [press for press in read_events(path).key_presses if press.down < 60]
        recording = simulate(key_presses=log, typist="realistic:1", start=0.0)
        assert recording.key_presses == tuple(log)
        emg = recording.emg[:].astype(np.float64)
        strokes = np.zeros(len(emg), bool)
        for press in log:
            strokes[max(int((press.down - 0.15) * 2000), 0) : int((press.down + 0.02) * 2000)] = True
        assert emg[strokes].std() > 3 * emg[~strokes].std()


def test_prompts_and_signal_have_generators_of_their_own():
    # The words are the same whoever types them.
    first = [prompt.text for prompt in simulate(minutes=0.3, seed=2, typist="easy:1").prompts]
    other = [prompt.text for prompt in simulate(minutes=0.3, seed=2, typist="easy:2").prompts]
    assert first[:3] == other[:3]
