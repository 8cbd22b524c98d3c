"""Windows: the reference's where it has them, and nothing lost where it loses."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype import recordings, simulate
from myotype.errors import InputError, LabelsError
from myotype.keyboard import labels_to_text
from myotype.recordings import Recording, write_hdf5
from myotype.recordings.prepared.reading import PreparedRecording
from myotype.recordings.prepared.writing import write_prepared
from myotype.training.sampling import Draw, Drawing, TrainingWindows
from myotype.training.windows import Batch, Window, Windows
from myotype.transcript import KeyPress

# (length, stride, context, window) -> what our window ends with and the reference's lacks: keys pressed in the half
# millisecond between the last sample of one window and the first of the next.
IN_SEAMS = {
    (4000, None, (1800, 200), 1): "g",
    (4000, None, (1800, 200), 2): "⌫",
    (4000, 1000, (1800, 200), 4): "g",
    (4000, 1000, (1800, 200), 8): "⌫",
    (4000, None, (0, 0), 1): "g",
    (4000, None, (0, 0), 2): "⌫",
    (8000, None, (1800, 200), 0): "g",
}
# (length, stride, context) -> bounds of the last window, which holds the tail that the reference drops.
TAILS = {
    (15999, None, (0, 0)): (1, 16000),
    (3000, 7000, (500, 900)): (13000, 16000),
    (5000, 2500, (10000, 10000)): (11000, 16000),
}


@pytest.fixture(scope="module")
def session(golden):
    with recordings.open(golden / "session_small.hdf5") as recording:
        yield recording


@pytest.fixture(scope="module")
def reference(golden):
    return json.loads((golden / "session.json").read_text())["windowed"]


def reference_tensor_sha(window: Window) -> str:
    emg = window.emg.T.reshape(-1, 2, 16).contiguous()  # the reference's layout: (samples, bands, electrodes)
    return hashlib.sha256(emg.numpy().tobytes()).hexdigest()


def test_windows_are_those_of_the_reference_but_for_keys_in_seams(session, reference):
    compared, in_seams, tails = 0, {}, {}
    for case in reference:
        length, stride, context = case["window_length"], case["stride"], tuple(case["padding"])
        windows = Windows([session], length=length or session.n_samples, stride=stride, context=context)
        if len(windows) > case["len"]:
            tails[length, stride, context] = windows.bounds(len(windows) - 1)[:2]
        for item in case["items"]:
            if "error" in item:
                continue
            bounds, window = windows.bounds(item["idx"]), windows[item["idx"]]
            assert bounds.start == item["offset"]
            assert (bounds.padded_start, bounds.padded_end) == (item["window_start"], item["window_end"])
            assert reference_tensor_sha(window) == item["emg_sha256"]
            text, expected = labels_to_text(window.labels.numpy()), item["text"]
            assert text.startswith(expected)
            if text != expected:
                in_seams[length, stride, context, item["idx"]] = text.removeprefix(expected)
            compared += 1
    assert compared == 34
    assert in_seams == IN_SEAMS
    assert tails == TAILS


def test_batches_are_those_of_the_reference(session, reference):
    case = reference[1]
    windows = Windows([session], length=case["window_length"], stride=case["stride"], context=tuple(case["padding"]))
    in_reference = [windows[i] for i in range(case["len"])]
    for i, n_keys in enumerate(case["collate"]["target_lengths"]):  # without the keys in seams
        in_reference[i] = in_reference[i]._replace(labels=in_reference[i].labels[:n_keys])
    batch = Batch.of(in_reference)
    assert batch.emg_lengths.tolist() == case["collate"]["input_lengths"]
    assert batch.label_lengths.tolist() == case["collate"]["target_lengths"]
    assert batch.labels.tolist() == case["collate"]["targets"]
    emg = batch.emg.permute(2, 0, 1).reshape(*case["collate"]["inputs_shape"]).contiguous()
    assert hashlib.sha256(emg.numpy().tobytes()).hexdigest() == case["collate"]["inputs_sha256"]


def typed(n_samples: int, at: list[int], sfreq: float = 2000.0) -> Recording:
    """Make a recording whose samples count up, with a key pressed at each of the given samples."""
    emg = np.repeat(np.arange(n_samples, dtype=np.float32)[:, None], 32, axis=1)
    presses = [KeyPress("a", 100 + sample / sfreq, 100 + sample / sfreq + 0.05) for sample in at]
    return Recording(emg=emg, times=100 + np.arange(n_samples) / sfreq, sfreq=sfreq, key_presses=presses)


@given(
    n_samples=st.integers(1, 500), length=st.integers(1, 200), context=st.tuples(st.integers(0, 50), st.integers(0, 50))
)
@settings(max_examples=60, deadline=None)
def test_tiles_cover_every_sample_and_every_key(n_samples, length, context):
    recording = typed(n_samples, list(range(0, n_samples, 7)))
    windows = Windows([recording], length=length, context=context)
    covered = np.zeros(n_samples, int)
    keys = 0
    for index in range(len(windows)):
        bounds = windows.bounds(index)
        covered[bounds.start : bounds.end] += 1
        window = windows[index]
        assert window.emg.shape == (32, bounds.padded_end - bounds.padded_start)
        assert window.emg[5, 0] == bounds.padded_start
        keys += len(window.labels)
        assert len(window.labels) == sum(bounds.start <= sample < bounds.end for sample in range(0, n_samples, 7))
    assert (covered >= 1).all(), "a sample is in no window"
    assert covered.sum() < n_samples + length, "only the tail's window may overlap"
    assert keys >= len(range(0, n_samples, 7))


def test_windows_run_on_over_several_recordings():
    windows = Windows([typed(250, []), typed(90, [80]), typed(100, [])], length=100)
    assert len(windows) == 3 + 1 + 1
    assert [windows.bounds(i)[:2] for i in range(5)] == [(0, 100), (100, 200), (150, 250), (0, 90), (0, 100)]
    assert len(windows[3].labels) == 1
    with pytest.raises(IndexError):
        windows[5]


def test_a_shift_moves_a_window_but_not_beyond_the_end():
    windows = Windows([typed(250, [])], length=100, context=(10, 10))
    assert windows.bounds(0, 30) == (30, 130, 20, 140)
    assert windows.bounds(1, 99) == (150, 250, 140, 250)


def test_keys_outside_the_98_and_outside_the_signal_are_no_labels():
    presses = [KeyPress("a", 99.0, 99.1), KeyPress("Key.ctrl", 100.01, 100.02), KeyPress("b", 100.02, 100.03)]
    presses += [KeyPress("c", 100.1, 100.2)]
    recording = Recording(emg=np.zeros((100, 32)), times=100 + np.arange(100) / 2000, key_presses=presses)
    window = Windows([recording], length=100)[0]
    assert labels_to_text(window.labels.numpy()) == "b"


def test_keys_in_a_long_gap_are_no_labels_and_those_in_a_short_one_are():
    times = (
        100
        + np.arange(4000) / 2000
        + np.where(np.arange(4000) >= 1000, 0.02, 0)
        + np.where(np.arange(4000) >= 2000, 5, 0)
    )
    presses = [
        KeyPress("a", times[999] + 0.01, 200),
        KeyPress("b", times[1999] + 1.0, 200),
        KeyPress("c", times[2000], 200),
    ]
    window = Windows([Recording(emg=np.zeros((4000, 32)), times=times, key_presses=presses)], length=4000)[0]
    assert labels_to_text(window.labels.numpy()) == "ac"


def test_values_that_are_no_numbers_are_repaired():
    emg = np.ones((100, 32), np.float32)
    emg[50] = np.nan
    window = Windows([Recording(emg=emg)], length=100)[0]
    assert window.emg.eq(1).all()


@pytest.mark.parametrize("time", [np.nan, 0.0])
def test_a_clock_that_cannot_place_keys_is_refused_with_its_place(time):
    times = 100 + np.arange(100) / 2000
    times[50] = time
    with pytest.raises(LabelsError, match="after sample 49"):
        Windows([Recording(emg=np.zeros((100, 32)), times=times)], length=100)


def test_a_recording_without_key_times_cannot_be_windowed():
    recording = Recording(emg=np.zeros((100, 32)), condition="on_table")
    with pytest.raises(LabelsError, match="'on_table' has no key times"):
        Windows([recording], length=10)


@pytest.mark.parametrize("arguments", [{"length": 0}, {"length": 5, "stride": 0}, {"length": 5, "context": (-1, 0)}])
def test_impossible_windows_are_refused(arguments):
    with pytest.raises(InputError, match="windows cannot be cut so"):
        Windows([typed(100, [])], **arguments)


def test_windows_tell_when_their_keys_were_pressed_and_where_they_are():
    windows = Windows([typed(250, [105, 199])], length=100, context=(10, 10))
    window = windows[1]
    assert window.key_samples.tolist() == [15, 109]
    assert window.where == " from sample 90"


def test_windows_of_prepared_recordings_are_those_of_their_originals_to_the_bit(tmp_path):
    originals, prepared = [], []
    for seed in range(2):
        simulated = simulate(minutes=0.2, seed=seed)
        emg = simulated.emg[:]
        emg[9000, 3 + seed] = np.nan
        times = simulated.times[:] + 2.5 * (np.arange(len(emg)) >= 12_345)  # a gap, and missing samples
        given = {"emg": emg, "times": times, "key_presses": simulated.key_presses, "name": str(seed)}
        write_hdf5(tmp_path / f"{seed}.hdf5", Recording(**given))
        originals.append(recordings.open(tmp_path / f"{seed}.hdf5"))
        place = {"user": "1", "session": str(seed), "source": [], "source_size": 0}
        assert write_prepared(tmp_path / str(seed), originals[-1], **place).stored == "int16"
        prepared.append(recordings.open(tmp_path / str(seed)))
    one, other = (Windows(each, length=8000, context=(1800, 200)) for each in (originals, prepared))
    assert len(one) == len(other)
    n_keys = 0
    for item in TrainingWindows([0] * len(one), 1, Drawing(shift=one.stride, seed=1)):
        expected, window = one[item], other[item]
        assert window.emg.numpy().tobytes() == expected.emg.numpy().tobytes()
        assert window.emg.dtype == expected.emg.dtype == torch.float32
        assert window.labels.tolist() == expected.labels.tolist()
        n_keys += len(window.labels)
    assert n_keys > 20
    for original in originals:
        original.close()


def test_a_prepared_recording_is_opened_for_training_without_its_clock_and_texts(tmp_path, monkeypatch):
    place = {"user": "1", "session": "s", "source": [], "source_size": 0}
    write_prepared(tmp_path / "s", typed(5000, list(range(0, 5000, 100))), **place)
    prepared = recordings.open(tmp_path / "s")
    for name in ("key_presses", "prompts", "times"):
        monkeypatch.setattr(PreparedRecording, name, property(lambda _: pytest.fail("read in vain")))
    windows = Windows([prepared], length=1000)
    assert [len(windows[index].labels) for index in range(len(windows))] == [10] * 5


def test_padding_of_a_batch_is_zero():
    one = Window(torch.ones(32, 5), torch.tensor([1]), torch.tensor([4]), "a", Draw(0, 0, (1, -1), 7))
    other = Window(torch.ones(32, 9), torch.tensor([2, 3]), torch.tensor([5, 6]), "b", Draw(0, 0, (0, 1), -8))
    batch = Batch.of([one, other])
    assert batch.emg.shape == (2, 32, 9)
    assert batch.emg[0, :, 5:].eq(0).all()
    assert batch.labels.tolist() == [[1, 0], [2, 3]]
    assert batch.key_samples.tolist() == [[4, 0], [5, 6]]
    assert batch.rotations.tolist() == [[1, -1], [0, 1]]
    assert batch.hand_shifts.tolist() == [7, -8]
    assert batch.where == ["a", "b"]
