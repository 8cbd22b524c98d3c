"""Parts of recordings: their samples, and what was typed while those lasted."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype import recordings
from myotype.errors import InputError, LabelsError, RecordingError
from myotype.recordings import Prompt, Recording, write_hdf5
from myotype.recordings.prepared.placing import place_keys
from myotype.recordings.prepared.writing import write_prepared
from myotype.transcript import KeyPress

START = 1_600_000_000.0
PERIOD = 1 / 2000


def recording(times: np.ndarray, at: list[float], **given: object) -> Recording:
    """Make a recording whose samples count up, with a key pressed and a text shown at each of the given times."""
    emg = np.repeat(np.arange(len(times), dtype=np.float32)[:, None], 32, axis=1)
    presses = [KeyPress("abcdefghij"[index % 10], time, time + 0.05) for index, time in enumerate(at)]
    prompts = [Prompt(f"text {index}", time, time + 1) for index, time in enumerate(at)]
    return Recording(emg=emg, times=times, key_presses=presses, prompts=prompts, user="7", name="whole", **given)


def regular(n: int, start: float = START) -> np.ndarray:
    return start + np.arange(n) * PERIOD


def by_blocks(n: int) -> np.ndarray:
    """Give times as bands stamp them that send blocks of 16 samples."""
    return START + np.arange(n) // 16 * 16 * PERIOD


def halting(n: int) -> np.ndarray:
    """Give times with a short gap before sample 100 and a long one before sample 200."""
    return regular(n) + 0.02 * (np.arange(n) >= 100) + 5.0 * (np.arange(n) >= 200)


def test_a_stretch_has_its_samples_on_the_recordings_own_clock():
    whole = recording(regular(1000), [])
    part = whole.stretch(300, 700)
    assert part.n_samples == 400
    assert part.duration == 0.2
    assert part.emg[:][:, 31].tolist() == list(range(300, 700))
    assert part.emg[10:20][:, 0].tolist() == list(range(310, 320))
    assert part.emg[-5:][:, 0].tolist() == list(range(695, 700))
    assert part.emg[390:900].shape == (10, 32)
    np.testing.assert_array_equal(part.times[:], whole.times[300:700])
    assert (part.sfreq, part.user, part.name) == (2000.0, "7", "whole, samples 300 to 700")
    assert part.samples_between(START + 0.2, START + 0.25) == (100, 200)


def test_a_stretch_of_a_stretch_is_one_of_the_recording():
    whole = recording(regular(1000), [START + 0.26])
    part = whole.stretch(300, 900).stretch(200, 250)
    np.testing.assert_array_equal(part.emg[:], whole.emg[500:550])
    np.testing.assert_array_equal(part.times[:], whole.times[500:550])
    assert part.truth == "a"


@pytest.mark.parametrize("bounds", [(-1, 5), (5, 5), (6, 5), (0, 1001), (1000, 1001)])
def test_what_is_no_part_is_refused(bounds):
    with pytest.raises(InputError, match="are no part of a recording of 1000"):
        recording(regular(1000), []).stretch(*bounds)


def test_a_key_in_the_seam_belongs_to_the_stretch_before_it():
    times = regular(1000)
    seam = float(times[499]) + PERIOD / 2
    whole = recording(times, [float(times[499]), seam, float(times[500])])
    before, after = whole.stretch(0, 500), whole.stretch(500, 1000)
    assert [press.key for press in before.key_presses] == ["a", "b"]
    assert [press.key for press in after.key_presses] == ["c"]
    assert [prompt.text for prompt in before.prompts] == ["text 0", "text 1"]
    assert [prompt.text for prompt in after.prompts] == ["text 2"]
    assert place_keys(before)[0].tolist() == [499, 499]
    assert place_keys(after)[0].tolist() == [0]


@given(
    cuts=st.sets(st.integers(1, 499), max_size=6),
    offsets=st.lists(st.floats(0, 0.2499), max_size=30),
    clock=st.sampled_from([regular, by_blocks]),
)
@settings(max_examples=60, deadline=None)
def test_stretches_that_follow_each_other_share_no_key_and_lose_none(cuts, offsets, clock):
    times = clock(500)
    ends = [0, *sorted(cuts), 500]
    anywhere = [START + offset for offset in offsets if START + offset < times[-1] + PERIOD]
    at_seams = [time for cut in cuts for time in (float(times[cut]), float(times[cut]) - PERIOD / 2)]
    pressed = sorted(time for time in [*anywhere, *at_seams] if time >= START)
    whole = recording(times, pressed)
    parts = [whole.stretch(first, last) for first, last in pairwise(ends)]
    assert [press for part in parts for press in part.key_presses] == list(whole.key_presses)
    assert [prompt for part in parts for prompt in part.prompts] == list(whole.prompts)
    if clock is regular:
        placed = [first + sample for first, part in zip(ends, parts, strict=False) for sample in place_keys(part)[0]]
        assert placed == place_keys(whole)[0].tolist()


def test_keys_of_a_long_gap_at_the_end_of_a_stretch_are_not_its_keys():
    times = halting(300)
    in_short_gap, in_long_gap = float(times[99]) + 0.015, float(times[199]) + 2.0
    whole = recording(times, [in_short_gap, in_long_gap, float(times[200])])
    assert [press.key for press in whole.stretch(0, 100).key_presses] == ["a"]
    assert whole.stretch(100, 200).key_presses == ()
    assert whole.stretch(100, 200).prompts == ()
    assert [press.key for press in whole.stretch(200, 300).key_presses] == ["c"]
    assert [press.key for press in whole.stretch(0, 300).key_presses] == ["a", "b", "c"]


def test_keys_outside_the_signal_are_in_no_stretch():
    times = regular(100)
    whole = recording(times, [START - 1, START, float(times[-1]) + PERIOD / 2, float(times[-1]) + 1])
    assert [press.key for press in whole.stretch(0, 100).key_presses] == ["b", "c"]


def test_where_time_runs_backwards_after_it_a_stretch_keeps_its_keys():
    times = regular(200)
    times[100:] -= 3
    whole = recording(times, [START - 2.92, START + 0.01, float(times[99])])
    assert [press.key for press in whole.stretch(0, 100).key_presses] == ["b", "c"]
    assert [press.key for press in whole.stretch(100, 200).key_presses] == ["a"]


@pytest.mark.parametrize("bad", [100, 199])
def test_a_stretch_between_times_that_are_no_numbers_is_refused(bad):
    times = regular(300)
    times[bad] = np.nan
    whole = recording(times, [START + 0.06])
    with pytest.raises(LabelsError, match="whole: the clock is no number at sample 100 or 199"):
        whole.stretch(100, 200)
    assert whole.stretch(101, 199).truth == "a"


def test_a_number_that_is_none_after_a_stretch_does_not_matter():
    times = regular(300)
    times[200] = np.nan
    whole = recording(times, [float(times[199])])
    assert whole.stretch(100, 200).truth == "a"


def test_what_was_asked_for_off_the_keyboard_begins_in_the_stretch():
    whole = recording(regular(1000), [START + 0.1, START + 0.3], condition="on_table")
    assert whole.stretch(0, 400).truth == "text 0⏎"
    assert whole.stretch(400, 1000).truth == "text 1⏎"


def test_stretches_of_files_are_those_of_what_was_written_and_need_them_open(tmp_path):
    held = recording(halting(3000), [START + 0.01 * index for index in range(1, 15)])
    write_hdf5(tmp_path / "a.hdf5", held)
    place = {"user": "7", "session": "s", "source": [], "source_size": 0}
    write_prepared(tmp_path / "s", held, **place)
    for path in (tmp_path / "a.hdf5", tmp_path / "s"):
        with recordings.open(path) as opened:
            part, expected = opened.stretch(90, 2500), held.stretch(90, 2500)
            assert len(expected.key_presses) > 5
            assert part.key_presses == expected.key_presses
            assert part.prompts == expected.prompts
            np.testing.assert_array_equal(part.emg[5:500], expected.emg[5:500])
            np.testing.assert_array_equal(part.times[:], expected.times[:])
            for found, wanted in zip(place_keys(part), place_keys(expected), strict=True):
                np.testing.assert_array_equal(found, wanted)
            part.close()
            assert len(opened.emg[:10]) == 10
        with pytest.raises(RecordingError, match="is closed"):
            part.emg[:10]
