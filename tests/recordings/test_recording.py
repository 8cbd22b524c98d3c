"""The one view over every recording."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myotype.errors import InputError
from myotype.recordings import Prompt, Recording
from myotype.transcript import KeyPress

EMG = np.arange(10 * 32, dtype=np.float32).reshape(10, 32)


def test_a_recording_is_made_of_arrays_and_labels():
    presses = (KeyPress("h", 0.001, 0.002), KeyPress("Key.ctrl", 0.002, 0.004))
    prompts = (Prompt("hi", 0.0, 1.0),)
    with Recording(emg=EMG, key_presses=presses, prompts=prompts, user="u", name="n") as recording:
        assert recording.n_samples == 10
        assert recording.sfreq == 2000.0
        assert recording.duration == 0.005
        assert recording.key_presses == presses
        assert recording.prompts == prompts
        assert (recording.user, recording.name, recording.condition) == ("u", "n", "on_keyboard")
        assert recording.key_text() == "h"


bounds = st.none() | st.integers(-15, 15)


@given(start=bounds, stop=bounds)
def test_slices_of_the_signal_are_those_of_an_array(start, stop):
    recording = Recording(emg=EMG)
    np.testing.assert_array_equal(recording.emg[start:stop], EMG[start:stop])
    np.testing.assert_array_equal(recording.times[start:stop], (np.arange(10) / 2000)[start:stop])


def test_a_slice_is_the_callers_own_array():
    recording = Recording(emg=EMG, times=np.arange(10.0))
    recording.emg[0:2][:] = 0
    recording.times[0:2][:] = 7
    np.testing.assert_array_equal(recording.emg[0:2], EMG[0:2])
    np.testing.assert_array_equal(recording.times[0:2], [0, 1])


def test_samples_of_other_number_types_become_float32():
    emg = Recording(emg=EMG.astype(np.int16)).emg[:]
    assert emg.dtype == np.float32
    np.testing.assert_array_equal(emg, EMG)


def test_a_view_has_a_length_and_becomes_an_array():
    recording = Recording(emg=EMG)
    assert len(recording.times) == len(recording.emg) == 10
    np.testing.assert_array_equal(np.asarray(recording.emg), EMG)


@pytest.mark.parametrize(
    ("index", "message"),
    [(3, "by slices"), (slice(0, 10, 2), "steps of 1"), (slice(0.5, 2), "whole numbers"), ((0, 1), "by slices")],
)
def test_other_indices_than_plain_slices_are_refused(index, message):
    with pytest.raises(InputError, match=message):
        Recording(emg=EMG).emg[index]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"emg": np.zeros((10, 31))}, r"emg has shape \(10, 31\); \(n, 32\)"),
        ({"emg": np.zeros(32)}, r"emg has shape \(32,\)"),
        ({"emg": np.zeros((10, 32), dtype=complex)}, "emg has to be an array of numbers"),
        ({"emg": EMG, "times": np.arange(9.0)}, r"times has shape \(9,\); \(10\)"),
        ({"emg": EMG, "sfreq": 0.0}, "sampling rate"),
        ({"emg": EMG, "sfreq": float("nan")}, "sampling rate"),
        ({"emg": EMG, "key_presses": [KeyPress("b", 2, 3), KeyPress("a", 1, 2)]}, r"key press 1 \('a'\) is earlier"),
        ({"emg": EMG, "key_presses": [KeyPress("a", float("nan"), 2)]}, "key press 0"),
        ({"emg": EMG, "prompts": [Prompt("a", 0, float("inf"))]}, "prompt 0"),
    ],
)
def test_what_cannot_be_a_recording_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Recording(**arguments)


def test_labels_given_as_functions_are_called_once_and_only_when_asked_for():
    calls = []

    def key_presses():
        calls.append("key_presses")
        return (KeyPress("a", 0.0, 0.1),)

    def never():
        raise AssertionError

    recording = Recording(emg=EMG, key_presses=key_presses, prompts=never, user=never, name=never)
    assert repr(recording) == "<Recording of 10 samples at 2000 Hz>"
    assert not calls
    assert recording.key_text() == recording.key_text() == "a"
    assert calls == ["key_presses"]


def test_a_key_press_without_a_key_is_refused():
    with pytest.raises(InputError, match="key press 1 has no key"):
        Recording(emg=EMG, key_presses=[KeyPress("a", 1.0, 1.1), KeyPress("", 2.0, 2.1)])


def test_closing_happens_once():
    closed = []
    with Recording(emg=EMG, close=lambda: closed.append(1)) as recording:
        pass
    recording.close()
    assert closed == [1]


def test_windows_of_time_begin_with_their_start_and_end_before_their_end():
    recording = Recording(emg=EMG, times=10 + np.arange(10.0))
    assert recording.samples_between(12.0, 14.0) == (2, 4)
    assert recording.samples_between(11.5, None) == (2, 10)
    assert recording.samples_between(None, 10.5) == (0, 1)
    assert recording.samples_between(14.0, 12.0) == (4, 4)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.floats(-1, 101))
def test_windows_of_time_agree_with_a_search_in_all_times(times, start):
    times = np.sort(np.array(times))
    recording = Recording(emg=np.zeros((len(times), 32)), times=times)
    assert recording.samples_between(start)[0] == np.searchsorted(times, start)


def test_off_the_keyboard_the_truth_is_the_prompts_that_begin_in_the_window():
    recording = Recording(
        emg=EMG,
        key_presses=[KeyPress("x", 1.0, 1.1)],
        prompts=[Prompt("one", 1, 2), Prompt("two⏎", 2, 3), Prompt(None, 2, 3), Prompt("end", 2, 3, name="end")],
        condition="on_table",
    )
    assert recording.key_text() == "one⏎two⏎"
    assert recording.key_text(2, 2) == "two⏎"
    assert recording.key_text(1.5, 1.9) == ""
