"""Recordings in HDF5: what is read, what is refused, and what is written."""

from __future__ import annotations

import hashlib
import json
import re
import resource
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype import recordings
from myotype.errors import InputError, LabelsError, OutputError, RecordingError
from myotype.keyboard import keys_to_symbols
from myotype.recordings import Prompt, Recording
from myotype.recordings.continuity import Continuity
from myotype.transcript import KeyPress

ROW = np.dtype([("emg_left", "<f4", 16), ("emg_right", "<f4", 16), ("time", "<f8")])


@pytest.fixture(scope="session")
def session(golden):
    return json.loads((golden / "session.json").read_text())


@pytest.fixture
def small(golden):
    with recordings.open(golden / "session_small.hdf5") as recording:
        yield recording


def rows(n_samples, dtype=ROW):
    table = np.zeros(n_samples, dtype=dtype)
    for field in dtype.names:
        table[field] = 1.0
    if dtype["time"].shape == ():
        table["time"] = 1.6e9 + np.arange(n_samples) / 2000
    return table


def write(path, table=None, **attributes):
    """Write a recording by hand, with exactly the attributes that are given."""
    with h5py.File(path, "w") as file:
        group = file.create_group("emg2qwerty")
        group.attrs.update(attributes)
        group.create_dataset("timeseries", data=rows(100) if table is None else table)
    return path


class TestTheReferenceSession:
    def test_has_the_samples_and_times_of_the_reference(self, small, session):
        facts = session["session"]
        assert small.n_samples == facts["len"]
        assert small.sfreq == 2000.0
        assert small.duration == facts["duration_mins"] * 60
        emg = small.emg[:]
        assert emg.dtype == np.float32
        for band, name in ((emg[:, :16], "emg_left"), (emg[:, 16:], "emg_right")):
            assert hashlib.sha256(np.ascontiguousarray(band).tobytes()).hexdigest() == facts[f"{name}_sha256"]
        assert hashlib.sha256(small.times[:].tobytes()).hexdigest() == facts["time_sha256"]
        np.testing.assert_array_equal(small.emg[-1:][0, 16:], facts["emg_right_last_row"])

    def test_has_the_labels_of_the_reference(self, small, session):
        facts = session["session"]
        assert (small.user, small.condition) == (facts["user"], facts["condition"])
        assert small.name == facts["session_name"]
        assert len(small.key_presses) == session["meta"]["n_keystrokes"]
        assert len(small.prompts) == session["meta"]["n_prompts"]
        assert small.key_presses[0] == KeyPress("x", 1627403025.073456, 1627403025.123456)

    def test_slices_by_time_start_inclusive_and_end_exclusive(self, small, session):
        for case in session["slices_start_inclusive_end_exclusive"]:
            first, last = small.samples_between(case["start_t"], case["end_t"])
            assert last - first == case["n"]
            if case["n"]:
                assert first == case["first_index"]

    def test_truth_is_the_keys_pressed_in_a_window_both_ends_included(self, small, session):
        for case in session["ground_truth_keystrokes_both_ends_inclusive"]:
            assert small.key_text(case["start_t"], case["end_t"]) == case["text"]

    def test_truth_of_every_window_of_the_reference(self, small, session):
        n_items = 0
        for setting in session["windowed"]:
            for item in setting["items"]:
                if "text" in item:
                    assert small.key_text(item["start_t"], item["end_t"]) == item["text"]
                    first, last = item["window_start"], item["window_end"]
                    assert last - first == item["n_samples"]
                    assert len(small.emg[first:last]) == item["n_samples"]
                    n_items += 1
        assert n_items > 30

    def test_each_key_is_folded_as_in_the_reference(self, small, session):
        folded = [keys_to_symbols([press.key]) for press in small.key_presses]
        assert folded == [case["text"] for case in session["from_key_each"]]

    def test_each_prompt_asks_for_the_keys_of_the_reference(self, small, session):
        assert [prompt.key_text() for prompt in small.prompts] == [case["text"] for case in session["from_prompt_each"]]

    def test_prompts_in_a_window_are_those_of_the_reference(self, small, session):
        asked = Recording(emg=np.zeros((1, 32)), prompts=small.prompts, condition="on_table")
        cases = [case for case in session["from_prompts"] if case["enforce_newline"]]
        assert len(cases) == 4
        for case in cases:
            assert asked.key_text(case["start_t"], case["end_t"]) == case["text"]

    def test_off_the_keyboard_truth_is_the_prompts(self, golden, session):
        facts = session["offkeyboard"]
        with recordings.open(golden / "session_offkeyboard.hdf5") as recording:
            assert recording.condition == facts["condition"]
            assert recording.n_samples == facts["len"]
            assert recording.key_text() == facts["ground_truth"]["text"]
            ranged = facts["ground_truth_ranged"]
            assert recording.key_text(ranged["start_t"], ranged["end_t"]) == ranged["text"]


FAILS_AT_OPEN = {
    "empty_timeseries": "no samples",
    "left_has_15_channels": r"'emg_left' has shape \(15,\)",
    "missing_field_emg_right": "no field 'emg_right'",
    "missing_field_time": "no field 'time'",
    "missing_group": "no 'emg2qwerty'",
    "not_hdf5": "not an HDF5 file",
    "truncated": "cut off",
    "zero_bytes": "the file is empty",
}
FAILS_ON_LABELS = {
    "bad_json_keystrokes": "'keystrokes' is malformed: it is not JSON .*column 544",
    "keystroke_without_start": "'keystrokes' is malformed: entry 0 has no 'start'",
    "missing_attr_condition": "'condition' is missing",
    "missing_attr_keystrokes": "'keystrokes' is missing",
    "unsorted_keystrokes": "'keystrokes' is malformed: entry 2 .*sorted",
}
NOTED = {  # seconds from the first sample, and what the note says
    "gap_half_second": [(0.4995, "0.5 s of samples are missing before sample 1000")],
    "inf_sample": [(0.6, "1 value of one channel not finite or absurd in sample 1200")],
    "nan_samples": [(0.5, "3 values of one channel not finite or absurd in samples 1000 to 1002")],
    "nan_timestamp": [(0.45, "1 time not finite in sample 900")],
    "nonmonotonic_jump_back": [(0.4995, "time runs back by 0.2495 s at sample 1000")],
    "nonmonotonic_swap": [
        (0.3505, "time runs back by 0.0005.* s at sample 701"),
        (0.3495, "2 missing samples in 2 gaps before samples 700 to 702"),
    ],
    "repeated_timestamps": [(0.25, "9 repeated times in samples 501 to 509")],
}
FINE = ("no_keystrokes", "ok_reference")


class TestTheCorruptFiles:
    def test_are_all_known(self, golden):
        known = {*FAILS_AT_OPEN, *FAILS_ON_LABELS, *NOTED, *FINE}
        assert {path.stem for path in (golden / "corrupt").iterdir()} == known

    @pytest.mark.parametrize(("name", "message"), FAILS_AT_OPEN.items())
    def test_without_a_signal_fail_at_open(self, golden, name, message):
        path = golden / "corrupt" / f"{name}.hdf5"
        with pytest.raises(RecordingError, match=message) as caught:
            recordings.open(path)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize(("name", "message"), FAILS_ON_LABELS.items())
    def test_without_labels_fail_only_when_these_are_asked_for(self, golden, name, message):
        path = golden / "corrupt" / f"{name}.hdf5"
        with recordings.open(path) as recording:
            assert Continuity().push(recording.emg[:], recording.times[:])[0].samples.shape == (2000, 32)
            with pytest.raises(LabelsError, match=message) as caught:
                recording.key_text()
            assert str(path) in str(caught.value)
            assert len(recording.prompts) == 2
            assert recording.user == "u"

    @pytest.mark.parametrize("name", [*NOTED, *FINE])
    def test_with_a_signal_can_be_read_and_faults_are_noted(self, golden, name):
        with recordings.open(golden / "corrupt" / f"{name}.hdf5") as recording:
            assert recording.key_text() == ("" if name == "no_keystrokes" else "hello w")
            continuity = Continuity(recording.sfreq)
            segments = continuity.push(recording.emg[:], recording.times[:])
        notes = [note for segment in segments for note in segment.notes] + [*continuity.finish()]
        expected = NOTED.get(name, [])
        assert len(notes) == len(expected)
        for note, (time, message) in zip(notes, expected, strict=True):
            assert note.time == pytest.approx(time, abs=1e-5)
            assert re.search(message, note.message)
        assert all(np.isfinite(segment.samples).all() for segment in segments)


class TestWhatIsNoRecording:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda path: path, "there is no file"),
            (lambda path: path.mkdir(), "is a folder"),
            (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), r"cannot be read as HDF5|cut off"),
            (lambda path: path.write_text("hello"), "not an HDF5 file"),
        ],
    )
    def test_is_refused_with_its_path_and_the_reason(self, tmp_path, make, message):
        path = tmp_path / "x.hdf5"
        make(path)
        with pytest.raises(RecordingError, match=message) as caught:
            recordings.open(path)
        assert str(path) in str(caught.value)

    def test_is_a_path_through_a_file(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(RecordingError, match=r"no file|cannot be opened"):
            recordings.open(tmp_path / "file" / "x.hdf5")

    def test_is_a_device(self):
        with pytest.raises(RecordingError, match="not a regular file"):
            recordings.open("/dev/null")

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (np.zeros(5), "not compound"),
            (np.zeros((5, 2), dtype=ROW), r"shape \(5, 2\)"),
            (np.zeros((), dtype=ROW), r"shape \(\)"),
            (h5py.Empty(ROW), "shape None"),
            (rows(5, np.dtype([*ROW.descr[:2], ("time", "<f4")])), "'time' is of type float32; float64"),
            (rows(5, np.dtype([*ROW.descr[:2], ("time", "<f8", (2,))])), r"'time' has shape \(2,\).*one number"),
            (rows(5, np.dtype([("emg_left", "<i2", 16), *ROW.descr[1:]])), "'emg_left' is of type int16; float32"),
            (rows(5, np.dtype([("emg_left", "S4", 16), *ROW.descr[1:]])), "'emg_left' is of type"),
            (rows(5, np.dtype([*ROW.descr[:1], ("emg_right", "<f4"), *ROW.descr[2:]])), r"'emg_right' has shape \(\)"),
        ],
    )
    def test_is_a_signal_of_another_form(self, tmp_path, table, message):
        with pytest.raises(RecordingError, match=message):
            recordings.open(write(tmp_path / "x.hdf5", table))

    @pytest.mark.parametrize("member", ["emg2qwerty", "emg2qwerty/timeseries"])
    @pytest.mark.parametrize("kind", ["external", "soft"])
    def test_is_a_link_to_elsewhere(self, tmp_path, member, kind):
        write(tmp_path / "other.hdf5")
        with h5py.File(tmp_path / "x.hdf5", "w") as file:
            file[member] = h5py.ExternalLink("other.hdf5", member) if kind == "external" else h5py.SoftLink("/other")
        with pytest.raises(RecordingError, match="link to elsewhere"):
            recordings.open(tmp_path / "x.hdf5")

    def test_is_a_signal_kept_in_other_files(self, tmp_path):
        secret = tmp_path / "secret"
        secret.write_bytes(bytes(136 * 10))
        write(tmp_path / "other.hdf5")
        with h5py.File(tmp_path / "raw.hdf5", "w") as file:
            file.create_dataset("emg2qwerty/timeseries", (10,), ROW, external=[(str(secret), 0, 136 * 10)])
        with h5py.File(tmp_path / "virtual.hdf5", "w") as file:
            layout = h5py.VirtualLayout((100,), ROW)
            layout[:] = h5py.VirtualSource(tmp_path / "other.hdf5", "emg2qwerty/timeseries", (100,))
            file.create_group("emg2qwerty").create_virtual_dataset("timeseries", layout)
        for name in ("raw", "virtual"):
            with pytest.raises(RecordingError, match="in other files"):
                recordings.open(tmp_path / f"{name}.hdf5")

    def test_is_a_group_in_place_of_the_signal(self, tmp_path):
        with h5py.File(tmp_path / "x.hdf5", "w") as file:
            file.create_group("emg2qwerty/timeseries")
        with pytest.raises(RecordingError, match="a Dataset is needed"):
            recordings.open(tmp_path / "x.hdf5")

    @pytest.mark.parametrize("n_stored", [0, 10])
    def test_is_a_signal_that_declares_far_more_than_it_holds(self, tmp_path, n_stored):
        with h5py.File(tmp_path / "x.hdf5", "w") as file:
            dataset = file.create_dataset("emg2qwerty/timeseries", (10**15,), ROW, chunks=(1000,))
            if n_stored:
                dataset[:n_stored] = rows(n_stored)
        with pytest.raises(RecordingError, match="declares 1000000000000000 samples"):
            recordings.open(tmp_path / "x.hdf5")

    def test_is_a_signal_in_chunks_that_do_not_fit_into_memory(self, tmp_path):
        with h5py.File(tmp_path / "x.hdf5", "w") as file:
            file.create_dataset("emg2qwerty/timeseries", (10**7,), ROW, chunks=(10**7,), compression="gzip")
        with pytest.raises(RecordingError, match="chunks of 10000000 samples"):
            recordings.open(tmp_path / "x.hdf5")


def test_a_damaged_block_is_named_when_it_is_read(tmp_path):
    path = tmp_path / "x.hdf5"
    noise = np.random.default_rng(0).standard_normal((400_000, 32))
    recordings.write_hdf5(path, Recording(emg=noise))
    with h5py.File(path) as file:
        chunk = file["emg2qwerty/timeseries"].id.get_chunk_info_by_coord((50_000,))
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset + 100)
        raw.write(bytes(1000))
    with recordings.open(path) as recording:
        assert len(recording.emg[:50_000]) == 50_000
        with pytest.raises(RecordingError, match="samples 49000 to 50999 cannot be read, the file is damaged"):
            recording.emg[49_000:51_000]
        with pytest.raises(RecordingError, match="damaged"):
            recording.times[50_000:50_001]


def test_a_closed_recording_says_so(golden):
    with recordings.open(golden / "session_small.hdf5") as recording:
        pass
    for read in (lambda: recording.emg[:1], lambda: recording.times[:1], recording.key_text):
        with pytest.raises(RecordingError, match="closed"):
            read()


def test_opening_reads_only_windows_of_the_signal(tmp_path, monkeypatch):
    path = tmp_path / "x.hdf5"
    recordings.write_hdf5(path, Recording(emg=np.zeros((200_000, 32)), times=1.6e9 + np.arange(200_000) / 2000))
    read = []
    original = recordings.hdf5._Signal._read

    def spy(self, fields, start, stop):
        read.append((fields, stop - start))
        return original(self, fields, start, stop)

    monkeypatch.setattr(recordings.hdf5._Signal, "_read", spy)
    with recordings.open(path):
        assert all(fields == ["time"] for fields, _ in read)
        assert sum(n for _, n in read) <= 20_000


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (np.arange(20_000) / 2000, 2000.0),
        (np.arange(20_000) / 1000, 1000.0),
        (np.arange(20_000) / 2020, 2000.0),  # 1 %: a clock that is off
        (np.arange(20_000) / 2048, 2048.0),
        (np.arange(20_000) // 64 * 64 / 2000, 2000.0),  # stamped by blocks
        (np.arange(20_000) // 64 * 64 / 1000, 1000.0),
        (np.arange(20_000) / 2000 + 100 * (np.arange(20_000) > 10_000), 2000.0),  # a long gap
        (np.where(np.arange(20_000) % 3 == 0, np.nan, np.arange(20_000) / 2000), 2000.0),
        (np.full(20_000, np.nan), 2000.0),
        (np.zeros(20_000), 2000.0),
        (np.zeros(1), 2000.0),
        (np.array([0.0, 0.001]), 1000.0),
        (np.array([0.0, 1e300]), 2000.0),
    ],
)
def test_the_sampling_rate_is_nominal_unless_the_times_contradict_it(tmp_path, times, expected):
    recordings.write_hdf5(tmp_path / "x.hdf5", Recording(emg=np.zeros((len(times), 32)), times=1.6e9 + times))
    with recordings.open(tmp_path / "x.hdf5") as recording:
        assert recording.sfreq == pytest.approx(expected, abs=0.5)


class TestLabels:
    @pytest.mark.parametrize(
        ("keystrokes", "message"),
        [
            ("{}", "no list"),
            ("[1]", "entry 0 is no object"),
            ("[" * 100_000, "not JSON"),
            ("[" + "1" * 5000 + "]", "not JSON"),
            ('[{"key": "a", "start": 1}]', "entry 0 has no 'end'"),
            ('[{"key": "a", "start": 1, "end": 2}, {"start": 1, "end": 2}]', "entry 1 has no 'key'"),
            ('[{"key": 3, "start": 1, "end": 2}]', "entry 0 has no 'key' that is a text"),
            ('[{"key": "", "start": 1, "end": 2}]', "entry 0 has no 'key' that is a text"),
            ('[{"key": "a", "start": NaN, "end": 2}]', "'start' that is no time in seconds: nan"),
            ('[{"key": "a", "start": 1, "end": Infinity}]', "'end' that is no time in seconds: inf"),
            ('[{"key": "a", "start": "1", "end": 2}]', "'start' that is no time"),
            ('[{"key": "a", "start": true, "end": 2}]', "'start' that is no time"),
            ('[{"key": "a", "start": 1, "end": 1' + "0" * 400 + "}]", "'end' that is no time"),
            (7.5, "it is no text, but float"),
            (np.array(["[]", "[]"], dtype=object), "it is no text, but ndarray"),
            (h5py.Empty("f"), "it is no text, but Empty"),
            (np.bytes_(b"\xff\xfe"), "cannot be read"),
        ],
    )
    def test_that_are_malformed_are_named_with_their_position(self, tmp_path, keystrokes, message):
        path = write(tmp_path / "x.hdf5", keystrokes=keystrokes)
        with recordings.open(path) as recording:
            with pytest.raises(LabelsError, match=f"'keystrokes' is malformed: .*{message}") as caught:
                _ = recording.key_presses
            assert str(path) in str(caught.value)

    @pytest.mark.parametrize(
        ("prompts", "message"),
        [
            ('[{"payload": null, "start": 1, "end": 2}]', "entry 0 has no 'name'"),
            ('[{"name": "text_prompt", "payload": "x", "start": 1, "end": 2}]', "'payload' that is no object"),
            ('[{"name": "text_prompt", "payload": {"text": 3}, "start": 1, "end": 2}]', "'text' that is none"),
            ('[{"name": "text_prompt", "payload": null, "start": null, "end": 2}]', "'start' that is no time"),
        ],
    )
    def test_prompts_that_are_malformed_are_named_too(self, tmp_path, prompts, message):
        with (
            recordings.open(write(tmp_path / "x.hdf5", prompts=prompts)) as recording,
            pytest.raises(LabelsError, match=f"'prompts' is malformed: .*{message}"),
        ):
            _ = recording.prompts

    @pytest.mark.parametrize("attribute", ["user", "condition", "prompts"])
    def test_that_are_missing_are_named(self, tmp_path, attribute):
        with (
            recordings.open(write(tmp_path / "x.hdf5")) as recording,
            pytest.raises(LabelsError, match=f"'{attribute}' is missing"),
        ):
            getattr(recording, attribute)

    def test_may_be_stored_as_bytes_or_numbers_and_hold_more_than_is_needed(self, tmp_path):
        keystrokes = '[{"key": "\u00e9", "start": 1, "end": 2, "ascii": 7}]'
        path = write(tmp_path / "x.hdf5", keystrokes=np.bytes_(keystrokes.encode()), user=89335547)
        with recordings.open(path) as recording:
            assert recording.key_presses == (KeyPress("\u00e9", 1.0, 2.0),)
            assert recording.user == "89335547"
            assert recording.name == "x"


times_of_labels = st.floats(-1e9, 2e9)
texts = st.text(max_size=20)
presses = st.lists(st.builds(KeyPress, st.text(min_size=1, max_size=5), times_of_labels, times_of_labels)).map(
    lambda found: sorted(found, key=lambda press: press.down)
)
prompts = st.lists(
    st.builds(Prompt, texts, times_of_labels, times_of_labels, name=texts)
    | st.builds(Prompt, st.none(), times_of_labels, times_of_labels, name=texts, has_payload=st.booleans())
)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


class TestWriting:
    @settings(max_examples=25, deadline=None)
    @given(
        presses=presses,
        prompts=prompts,
        user=words,
        name=words,
        condition=words,
        times=st.lists(st.floats(width=64), min_size=1, max_size=8),
        seed=st.integers(0, 100),
    )
    def test_reading_back_gives_the_same(self, tmp_path_factory, presses, prompts, user, name, condition, times, seed):
        path = tmp_path_factory.mktemp("write") / "x.hdf5"
        bits = np.random.default_rng(seed).integers(0, 2**32, (len(times), 32), dtype=np.uint32)  # also NaN, infinities
        recording = Recording(
            emg=bits.view(np.float32),
            times=np.array(times),
            key_presses=presses,
            prompts=prompts,
            user=user,
            name=name,
            condition=condition,
        )
        recordings.write_hdf5(path, recording)
        with recordings.open(path) as back:
            np.testing.assert_array_equal(back.emg[:].view(np.uint32), bits)
            np.testing.assert_array_equal(back.times[:], times)
            assert back.key_presses == tuple(presses)
            assert back.prompts == tuple(prompts)
            assert (back.user, back.name, back.condition) == (user, name, condition)

    def test_a_real_session_survives_with_all_its_labels(self, golden, tmp_path):
        with recordings.open(golden / "session_small.hdf5") as first:
            recordings.write_hdf5(tmp_path / "copy.hdf5", first)
            with recordings.open(tmp_path / "copy.hdf5") as second:
                np.testing.assert_array_equal(second.emg[:], first.emg[:])
                np.testing.assert_array_equal(second.times[:], first.times[:])
                assert (second.key_presses, second.prompts) == (first.key_presses, first.prompts)
                assert (second.user, second.name, second.condition) == (first.user, first.name, first.condition)
        with h5py.File(golden / "session_small.hdf5") as given, h5py.File(tmp_path / "copy.hdf5") as written:
            assert written["emg2qwerty/timeseries"].dtype == given["emg2qwerty/timeseries"].dtype
            assert {*written["emg2qwerty"].attrs} == {*given["emg2qwerty"].attrs}
            for attribute, value in given["emg2qwerty"].attrs.items():
                again = written["emg2qwerty"].attrs[attribute]
                if attribute in {"keystrokes", "prompts"}:
                    value, again = json.loads(value), json.loads(again)  # noqa: PLW2901
                assert again == value

    def test_labels_of_a_long_session_fit(self, tmp_path):
        presses = [KeyPress("Key.backspace", 1.6e9 + at / 7, 1.6e9 + at / 7 + 0.1) for at in range(12_000)]
        recordings.write_hdf5(tmp_path / "x.hdf5", Recording(emg=np.zeros((9, 32)), key_presses=presses))
        with recordings.open(tmp_path / "x.hdf5") as back:
            assert back.key_presses == tuple(presses)

    def test_a_long_signal_goes_through_in_blocks(self, tmp_path):
        class Source:
            shape = (150_000, 32)
            largest = 0

            def __getitem__(self, window):
                self.largest = max(self.largest, window.stop - window.start)
                return np.broadcast_to(np.arange(window.start, window.stop)[:, None], (window.stop - window.start, 32))

        source = Source()
        recordings.write_hdf5(tmp_path / "x.hdf5", Recording(emg=source))
        assert source.largest < 70_000
        with recordings.open(tmp_path / "x.hdf5") as back:
            np.testing.assert_array_equal(back.emg[149_990:][:, 31], np.arange(149_990, 150_000))

    def test_a_recording_may_replace_the_file_that_it_is_read_from(self, tmp_path):
        path = tmp_path / "x.hdf5"
        recordings.write_hdf5(path, Recording(emg=np.ones((3, 32))))
        with recordings.open(path) as recording:
            recordings.write_hdf5(path, recording)
        with recordings.open(path) as back:
            np.testing.assert_array_equal(back.emg[:], np.ones((3, 32)))

    @pytest.mark.parametrize(
        ("recording", "message"),
        [
            (Recording(emg=np.zeros((0, 32))), "no samples"),
            (Recording(emg=np.zeros((1, 32)), user="a\0b"), "user .* zero character"),
            (Recording(emg=np.zeros((1, 32)), name="\ud800"), "name .* UTF-8"),
        ],
    )
    def test_what_a_file_cannot_hold_is_refused(self, tmp_path, recording, message):
        with pytest.raises(InputError, match=message):
            recordings.write_hdf5(tmp_path / "x.hdf5", recording)
        assert not any(tmp_path.iterdir())

    def test_a_folder_that_cannot_be_made_is_an_output_error(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot write"):
            recordings.write_hdf5(tmp_path / "file" / "x.hdf5", Recording(emg=np.zeros((1, 32))))

    def test_a_full_disk_leaves_what_was_there(self, tmp_path):
        path = tmp_path / "x.hdf5"
        path.write_text("before")
        noise = np.random.default_rng(0).standard_normal((20_000, 32))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
            with pytest.raises(OutputError, match="cannot write"):
                recordings.write_hdf5(path, Recording(emg=noise))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)
        assert path.read_text() == "before"
        assert [*tmp_path.iterdir()] == [path]

    def test_what_the_disk_refuses_is_remembered_and_not_told_to_hdf5(self):
        with pytest.raises(OSError, match="No space left"), recordings.hdf5_writing._Sink(Path("/dev/full")) as sink:
            assert sink.write(b"something") == 9

    def test_a_source_that_fails_leaves_nothing(self, golden, tmp_path):
        with (
            recordings.open(golden / "corrupt" / "unsorted_keystrokes.hdf5") as recording,
            pytest.raises(LabelsError),
        ):
            recordings.write_hdf5(tmp_path / "x.hdf5", recording)
        assert not any(tmp_path.iterdir())
