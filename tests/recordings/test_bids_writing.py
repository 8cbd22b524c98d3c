"""BIDS trees that are written: what comes back of a recording, what others read in them, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype import recordings, simulate
from myotype.errors import InputError, LabelsError, OutputError, RecordingError
from myotype.recordings import Prompt, Recording
from myotype.recordings.bids.writing import write_bids
from myotype.transcript import KeyPress

START = 1_627_403_025.123456


def emg(n=4500, seed=0, step=0.5):
    return (step * np.random.default_rng(seed).integers(-500, 500, (n, 32))).astype(np.float32)


def recording(n=4500, **changed):
    """A short recording with a last record that is not full."""
    given_values = {
        "emg": emg(n),
        "times": START + np.arange(n) / 2000,
        "key_presses": (KeyPress("a", START + 0.5, START + 0.6), KeyPress("Key.space", START + 0.7, START + 0.75)),
        "prompts": (Prompt("hello⏎", START + 0.1, START + 2.0),),
        "user": "123",
        "name": "a-session@1-0efb",
    }
    return Recording(**given_values | changed)


def assert_same(one, other):
    np.testing.assert_array_equal(one.emg[:], other.emg[:])
    np.testing.assert_allclose(one.times[:], other.times[:], rtol=0, atol=1e-6)
    assert (one.user, one.name, one.condition, one.sfreq) == (other.user, other.name, other.condition, other.sfreq)
    assert [press.key for press in one.key_presses] == [press.key for press in other.key_presses]
    for ours, theirs in zip(one.key_presses, other.key_presses, strict=True):
        assert (ours.down, ours.up) == pytest.approx((theirs.down, theirs.up), rel=0, abs=1e-6)
    for ours, theirs in zip(one.prompts, other.prompts, strict=True):
        assert (ours.text, ours.name, ours.has_payload) == (theirs.text, theirs.name, theirs.has_payload)
        assert (ours.start, ours.end) == pytest.approx((theirs.start, theirs.end), rel=0, abs=1e-6)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Three people with two recordings each, and the tree of them."""
    root = tmp_path_factory.mktemp("simulated") / "tree"
    originals = [
        simulate(minutes=0.1, typist=person, seed=seed, session=seed)
        for person in ("demo", "easy:1", "easy:2")
        for seed in (1, 2)
    ]
    written = [write_bids(root, one, license="CC0-1.0", authors=["A. Author"]) for one in originals]
    return root, originals, written


class TestRoundTrips:
    def test_of_a_simulated_corpus_are_exact(self, simulated):
        _, originals, written = simulated
        for original, result in zip(originals, written, strict=True):
            assert result.lossless
            assert result.notes == ()
            with recordings.open(result.path) as again:
                assert_same(again, original)
                assert again.key_presses == original.key_presses
                assert again.notes == ()

    @pytest.mark.parametrize("name", ["session_small.hdf5", "session_offkeyboard.hdf5"])
    def test_from_hdf5_and_back_are_exact(self, golden, tmp_path, name):
        with recordings.open(golden / name) as original:
            result = write_bids(tmp_path / "tree", original)
            with recordings.open(result.path) as in_bids:
                recordings.write_hdf5(tmp_path / "again.hdf5", in_bids)
            with recordings.open(tmp_path / "again.hdf5") as again:
                assert_same(again, original)
                assert again.key_presses == original.key_presses
                assert again.prompts == original.prompts

    def test_keep_a_start_of_microseconds_and_a_last_record_that_is_not_full(self, tmp_path):
        result = write_bids(tmp_path, recording())
        assert result.path.stat().st_size == 256 * 33 + 3 * 32 * 2000 * 3
        with recordings.open(result.path) as again:
            assert_same(again, recording())
            assert again.times[:1][0] == START

    @pytest.mark.parametrize("sfreq", [2000.0, 1000.5, 512.0, 1999.123])
    def test_keep_any_rate(self, tmp_path, sfreq):
        original = recording(times=np.arange(4500) / sfreq, sfreq=sfreq, key_presses=(), prompts=())
        with recordings.open(write_bids(tmp_path, original, session="1").path) as again:
            assert_same(again, original)

    def test_of_values_without_a_step_are_rounded_to_24_bits_and_that_is_said(self, tmp_path):
        values = np.random.default_rng(0).normal(0, 50, (4500, 32)).astype(np.float32)
        result = write_bids(tmp_path, recording(emg=values))
        assert not result.lossless
        assert any("rounded to within" in note for note in result.notes)
        with recordings.open(result.path) as again:
            np.testing.assert_allclose(again.emg[:], values, rtol=0, atol=np.abs(values).max() / 2**23)

    def test_find_a_step_that_only_a_later_part_shows(self, tmp_path):
        values = emg(40_000, step=1.0)
        values[5000, 3] = 0.25  # outside the windows that are looked at first
        original = recording(40_000, emg=values)
        result = write_bids(tmp_path, original)
        assert result.lossless
        with recordings.open(result.path) as again:
            assert_same(again, original)

    @pytest.mark.parametrize("step", [0.0123457, 1.7320508, 4.5e6 / 24 / (2**23 - 1), 5e6 / 1000 / 4095])
    def test_keep_steps_that_are_no_short_decimals(self, tmp_path, step):
        original = recording(emg=emg(step=np.float64(step)))
        result = write_bids(tmp_path, original)
        assert result.lossless
        with recordings.open(result.path) as again:
            assert_same(again, original)

    def test_keep_a_step_that_large_values_outside_the_first_look_tell_better(self, tmp_path):
        counts = np.random.default_rng(0).integers(-3, 4, (40_000, 32))
        counts[3000:7000] *= 501
        counts[33_000:] *= 677
        original = recording(40_000, emg=(counts * 1.7320508).astype(np.float32))
        result = write_bids(tmp_path, original)
        assert result.lossless
        with recordings.open(result.path) as again:
            assert_same(again, original)

    def test_of_a_signal_whose_step_ends_are_rounded_from_the_start(self, tmp_path):
        values = emg(40_000)
        values[20_000:24_000] += np.random.default_rng(1).normal(size=(4000, 32)).astype(np.float32)
        result = write_bids(tmp_path, recording(40_000, emg=values))
        assert not result.lossless
        with recordings.open(result.path) as again:
            np.testing.assert_allclose(again.emg[:], values, rtol=0, atol=np.abs(values).max() / 2**23)

    @pytest.mark.parametrize("factor", [1e-7, 100.0, 2000.0])
    def test_keep_amplitudes_that_no_muscle_gives(self, tmp_path, factor):
        original = recording(emg=emg() * np.float32(factor))
        result = write_bids(tmp_path, original)
        with recordings.open(result.path) as again:
            # 24 bits of the largest, or of the smallest range that a header can hold.
            largest = max(np.abs(original.emg[:]).max(), 1e-3)
            np.testing.assert_allclose(again.emg[:], original.emg[:], rtol=0, atol=largest / 2**23)
            assert again.notes == ()

    def test_count_times_that_are_no_numbers_from_the_others_and_say_so(self, tmp_path):
        times = START + np.arange(4500) / 2000
        broken = times.copy()
        broken[[0, 1, 700, 4499]] = np.nan, np.inf, 1e300, np.nan
        result = write_bids(tmp_path, recording(times=broken))
        with recordings.open(result.path) as again:
            np.testing.assert_allclose(again.times[:], times, rtol=0, atol=1e-6)
            assert again.truth == "a "
            for notes in (result.notes, again.notes):
                assert any(note.startswith("4 times that were no numbers of seconds") for note in notes)

    def test_replace_what_is_no_number_and_say_so(self, tmp_path):
        values = emg()
        values[:3, 0] = np.nan
        values[20:22, 1] = np.inf, 1e30
        result = write_bids(tmp_path, recording(emg=values))
        with recordings.open(result.path) as again:
            for notes in (result.notes, again.notes):
                assert any(note.startswith("5 values that were not finite or absurd") for note in notes)
            expected = emg()
            expected[:3, 0] = 0.0
            expected[20:22, 1] = expected[19, 1]
            np.testing.assert_array_equal(again.emg[:], expected)

    def test_fit_an_irregular_clock_and_say_how_far_it_is_off(self, tmp_path):
        jitter = np.random.default_rng(0).uniform(-5e-5, 5e-5, 4500)
        result = write_bids(tmp_path, recording(times=START + np.arange(4500) / 2000 + jitter))
        assert 4e-5 < result.largest_deviation < 2e-4
        with recordings.open(result.path) as again:
            np.testing.assert_allclose(again.times[:], START + np.arange(4500) / 2000, rtol=0, atol=5e-5)
            for notes in (result.notes, again.notes):
                assert any("the clock was irregular" in note for note in notes)

    def test_keep_gaps_in_the_times_and_among_the_events(self, tmp_path):
        elapsed = np.concatenate([np.arange(2000), 6000 + np.arange(2500)]) / 2000
        presses = tuple(KeyPress(key, START + at, START + at + 0.1) for key, at in (("a", 0.5), ("b", 2.0), ("c", 3.5)))
        original = recording(times=START + elapsed, key_presses=presses)
        result = write_bids(tmp_path, original)
        with recordings.open(result.path) as again:
            assert_same(again, original)
        rows = result.path.with_name(result.path.name.replace("_emg.bdf", "_events.tsv")).read_text().splitlines()
        # By the clock the last key is at 3.5 s; in the file it is at sample 3000.
        assert "1\t2\t2000\tgap\tn/a\tn/a" in rows
        assert [rows[-1].split("\t")[at] for at in (0, 2, 4)] == ["3.5", "3000", "c"]


keys = st.sampled_from(["a", '"', "\t", "\n", "\r", "\x16", "n/a", "\\n", "\ud800", "Key.space", "é", "\u2028"])
texts = st.none() | st.sampled_from(
    ["", "⏎", "hi⏎", "hi", "a\tb", "a\nb⏎", "hi\\n", "n/a", '"', "\\n", "\r⏎", "\ud83d", "⏎⏎", "\ufeff"]
)
prompts = st.builds(
    Prompt, texts, st.just(0.5), st.just(1.5), name=st.sampled_from(["text_prompt", "pause"]), has_payload=st.booleans()
)


@settings(max_examples=100, deadline=None)
@given(typed=st.lists(keys, max_size=5), shown=st.lists(prompts, max_size=5))
def test_whatever_is_typed_and_shown_comes_back(tmp_path_factory, typed, shown):
    from myotype.recordings.bids.events import format_events, read_events

    presses = tuple(KeyPress(key, at * 0.1, at * 0.1 + 0.05) for at, key in enumerate(typed))
    path = tmp_path_factory.mktemp("events") / "events.tsv"
    path.write_text(format_events(presses, shown, (), lambda _: 0), encoding="utf-8", newline="")
    events = read_events(path)
    assert [press.key for press in events.key_presses] == typed
    assert events.prompts == tuple(shown)


def test_keys_that_come_up_before_they_go_down_come_back(tmp_path):
    original = recording(key_presses=(KeyPress("a", START + 0.5, START + 0.25),))
    with recordings.open(write_bids(tmp_path, original).path) as again:
        assert_same(again, original)


def test_keys_outside_the_signal_come_back(tmp_path):
    presses = tuple(KeyPress("a", START + at, START + at + 0.1) for at in (-3.0, 0.0, 1.0, 99.0))
    original = recording(key_presses=presses)
    with recordings.open(write_bids(tmp_path, original).path) as again:
        assert_same(again, original)


def test_an_exact_column_of_other_contents_is_refused(tmp_path):
    result = write_bids(tmp_path, recording(key_presses=(KeyPress("\t", START, START + 1),)))
    path = result.path.with_name(result.path.name.replace("_emg.bdf", "_events.tsv"))
    content = path.read_text()
    for text in (
        "{", "[]", '{"key": 1}', '{"other": 1}', '{"key": ""}', '{"duration": NaN}', f'{{"duration": 1{400 * "0"}}}',
    ):  # fmt: skip
        path.write_text(content.replace('{"key": "\\t"}', text))
        with (
            recordings.open(result.path) as again,
            pytest.raises(LabelsError, match="line 2: the field 'exact' does not hold what it should"),
        ):
            again.key_presses  # noqa: B018


class TestOthersRead:
    def test_the_same_samples_by_edfio(self, simulated):
        import edfio

        _, originals, written = simulated
        theirs = edfio.read_bdf(written[0].path)
        np.testing.assert_array_equal(np.stack([signal.data for signal in theirs.signals], axis=1), originals[0].emg[:])
        start = theirs.startdate.isoformat() + "T" + theirs.starttime.isoformat() + "Z"
        assert start == np.datetime_as_string(np.datetime64(int(originals[0].times[:1][0]), "s"), timezone="UTC")

    def test_the_same_samples_by_edflib(self, simulated):
        import pyedflib

        _, originals, written = simulated
        with pyedflib.EdfReader(str(written[1].path)) as file:
            theirs = np.stack([file.readSignal(at) for at in range(32)], axis=1)
            assert [file.getPhysicalDimension(at) for at in (0, 31)] == ["uV", "uV"]
        np.testing.assert_array_equal(theirs, originals[1].emg[:])

    def test_the_same_samples_and_events_by_mne_bids(self, simulated):
        import mne_bids

        root, originals, written = simulated
        names = mne_bids.get_entities_from_fname(written[2].path)
        path = mne_bids.BIDSPath(
            root=root, subject=names["subject"], session=names["session"], task="typing", datatype="emg",
            suffix="emg", extension=".bdf",
        )  # fmt: skip
        with warnings.catch_warnings():
            # It wants a coordinate system in each session; BIDS and NEMAR nm000104 have them at the root.
            warnings.filterwarnings("ignore", message="Per the BIDS specification, coordsystem.json is REQUIRED")
            raw = mne_bids.read_raw_bids(path, verbose="ERROR")
        original = originals[2]
        np.testing.assert_allclose(raw.get_data().T * 1e6, original.emg[:], rtol=1e-12, atol=1e-9)
        assert raw.get_channel_types() == ["emg"] * 32
        assert raw.info["meas_date"].timestamp() == original.times[:1][0]
        typed = [text for text in raw.annotations.description if text.startswith("keystroke_")]
        assert typed == [f"keystroke_{press.key}" for press in original.key_presses]
        onsets = [at for at, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
                  if text.startswith("keystroke_")]  # fmt: skip
        downs = [press.down - original.times[:1][0] for press in original.key_presses]
        np.testing.assert_allclose(onsets, downs, rtol=0, atol=1e-5)
        raw.close()

    def test_no_error_by_the_bids_validator(self, simulated):
        root, *_ = simulated
        validator = Path(sys.executable).with_name("bids-validator-deno")
        result = subprocess.run(
            [validator, "--format", "json", root], capture_output=True, text=True, timeout=120, check=False
        )
        found = json.loads(result.stdout)["issues"]["issues"]
        assert {issue["severity"] for issue in found} <= {"warning"}
        assert {issue["code"] for issue in found} <= {
            "SIDECAR_KEY_RECOMMENDED",
            "JSON_KEY_RECOMMENDED",
            "TOO_FEW_AUTHORS",
        }


class TestTheTree:
    def test_has_the_files_of_nm000104(self, simulated, shared):
        root, _, written = simulated
        theirs = shared / "emg2qwerty-events"
        for name in ("dataset_description.json", "participants.json", "participants.tsv",
                     "space-leftForearm_coordsystem.json", "space-rightForearm_coordsystem.json"):  # fmt: skip
            assert (theirs / name).exists()
            assert (root / name).exists()
        folder = next(theirs.glob("sub-*/ses-*/emg"))
        endings = {file.name.split("_", 2)[2] for file in folder.iterdir()} | {"task-typing_emg.bdf"}
        assert {file.name.split("_", 2)[2] for file in written[0].path.parent.iterdir()} == endings
        for ending in ("events.tsv", "channels.tsv", "electrodes.tsv"):
            first_lines = [
                next(where.glob(f"*_{ending}")).read_text().split("\n")[0] for where in (folder, written[0].path.parent)
            ]
            assert first_lines[0] == first_lines[1]

    def test_says_whose_it_is_under_which_terms_and_how_it_was_made(self, simulated):
        root, *_ = simulated
        description = json.loads((root / "dataset_description.json").read_text())
        assert (description["License"], description["Authors"]) == ("CC0-1.0", ["A. Author"])
        assert description["GeneratedBy"][0]["Name"] == "myotype"

    def test_gets_people_and_sessions_added_and_is_otherwise_left_alone(self, tmp_path):
        write_bids(tmp_path, recording(), name="mine")
        people = tmp_path / "participants.tsv"
        people.write_text("participant_id\tage\thand\r\nsub-00000123\t33\tleft")
        (tmp_path / "README.md").write_text("my own")
        write_bids(tmp_path, recording(), session="2", name="other")
        write_bids(tmp_path, recording(user="456"))
        assert (
            people.read_bytes() == b"participant_id\tage\thand\r\nsub-00000123\t33\tleft\r\nsub-00000456\tn/a\tn/a\r\n"
        )
        assert (tmp_path / "README.md").read_text() == "my own"
        assert json.loads((tmp_path / "dataset_description.json").read_text())["Name"] == "mine"
        assert len([*tmp_path.glob("sub-*/ses-*/emg/*.bdf")]) == 3

    def test_names_sessions_by_their_start_and_people_by_eight_digits(self, tmp_path):
        result = write_bids(tmp_path, recording())
        assert result.path.name == "sub-00000123_ses-1627403025_task-typing_emg.bdf"
        result = write_bids(tmp_path, recording(name="2020-08-13-1597354281-keystrokes"))
        assert result.path.name == "sub-00000123_ses-1597354281_task-typing_emg.bdf"
        named = recording(times=np.arange(4500) / 2000, key_presses=(), prompts=(), user="some one", name="take 2")
        result = write_bids(tmp_path, named)
        assert result.path.name == "sub-someone_ses-take2_task-typing_emg.bdf"

    def test_names_people_and_sessions_of_other_scripts_or_of_none(self, tmp_path):
        def without_start(**names):
            return recording(times=np.arange(4500) / 2000, key_presses=(), prompts=(), **names)

        for names, wanted in (
            ({"user": "Иван", "name": "запись"}, "sub-Ivan_ses-zapis_"),
            ({"user": "Ünäl", "name": "é1"}, "sub-Unal_ses-e1_"),
            ({"user": "", "name": "--"}, "sub-unknown_ses-unknown_"),
        ):
            original = without_start(**names)
            result = write_bids(tmp_path, original)
            assert result.path.name.startswith(wanted)
            with recordings.open(result.path) as again:
                assert_same(again, original)

    def test_loses_no_people_when_two_processes_add_to_it(self, tmp_path):
        code = """
import sys
import numpy as np
from myotype.recordings import Recording
from myotype.recordings.bids.writing import write_bids
for user in range(int(sys.argv[1]), 30, 2):
    write_bids("tree", Recording(emg=np.zeros((5, 32)), user=str(user), name="1"))
"""
        processes = [subprocess.Popen([sys.executable, "-c", code, str(first)], cwd=tmp_path) for first in (0, 1)]
        assert [process.wait(timeout=60) for process in processes] == [0, 0]
        people = (tmp_path / "tree" / "participants.tsv").read_text().splitlines()[1:]
        assert len(people) == len({*people}) == len([*tmp_path.glob("tree/sub-*")]) == 30


class TestRefused:
    def test_is_a_session_that_is_there_unless_it_may_be_replaced(self, tmp_path):
        path = write_bids(tmp_path, recording()).path
        with pytest.raises(OutputError, match="exists already"):
            write_bids(tmp_path, recording(emg=emg(seed=1)))
        with recordings.open(path) as again:
            assert_same(again, recording())
        write_bids(tmp_path, recording(emg=emg(seed=1)), overwrite=True)
        with recordings.open(path) as again:
            np.testing.assert_array_equal(again.emg[:], emg(seed=1))

    def test_is_to_replace_a_session_that_holds_something_else(self, tmp_path):
        path = write_bids(tmp_path, recording()).path
        (path.parent / "notes.txt").write_text("mine")
        with pytest.raises(OutputError, match=r"other things in it \(notes.txt\)"):
            write_bids(tmp_path, recording(), overwrite=True)
        assert path.exists()

    def test_is_not_to_replace_a_session_whose_description_is_damaged(self, tmp_path):
        path = write_bids(tmp_path, recording()).path
        path.with_suffix(".json").write_text("{")
        (path.parent / ".DS_Store").touch()
        write_bids(tmp_path, recording(), overwrite=True)
        with recordings.open(path) as again:
            assert_same(again, recording())

    def test_are_texts_that_utf_8_cannot_hold(self, tmp_path):
        for changed in ({"user": "a\ud800"}, {"name": "a\ud800"}, {"condition": "a\ud800"}):
            with pytest.raises(InputError, match="not a text that UTF-8 can hold"):
                write_bids(tmp_path / "tree", recording(**changed))
        with pytest.raises(InputError, match="not a text that UTF-8 can hold"):
            write_bids(tmp_path / "tree", recording(), authors=["a\ud800"])
        assert not (tmp_path / "tree").exists()

    @pytest.mark.parametrize("times", [np.full(4500, np.nan), 1000 * START + np.arange(4500) / 2])
    def test_are_times_of_which_none_is_one_in_seconds(self, tmp_path, times):
        with pytest.raises(
            RecordingError, match=r"none of its times is a number of seconds .* if they are milliseconds"
        ):
            write_bids(tmp_path / "tree", recording(times=times, key_presses=(), prompts=()))
        assert not (tmp_path / "tree").exists()

    def test_is_a_clock_that_is_none(self, tmp_path, monkeypatch):
        monkeypatch.setattr("myotype.recordings.bids.writing.MOST_STRETCHES", 4000)
        times = START + np.arange(4500) % 2 + np.arange(4500) / 2000
        with pytest.raises(RecordingError, match="its clock breaks more than 4,000 times"):
            write_bids(tmp_path / "tree", recording(times=times))

    def test_is_a_rate_that_no_muscle_is_recorded_at(self, tmp_path):
        with pytest.raises(InputError, match=r"1e\+06 samples a second"):
            write_bids(tmp_path / "tree", recording(sfreq=1e6))

    def test_is_a_second_person_of_the_same_label(self, tmp_path):
        write_bids(tmp_path, recording(user="a-b"))
        with pytest.raises(OutputError, match="sub-ab is 'a-b' there"):
            write_bids(tmp_path, recording(user="ab"), session="2")

    @pytest.mark.parametrize("labels", [{"user": "a-b"}, {"session": "../x"}, {"task": ""}, {"user": ""}])
    def test_is_a_label_of_other_than_letters_and_digits(self, tmp_path, labels):
        with pytest.raises(InputError, match="letters and digits"):
            write_bids(tmp_path / "tree", recording(), **labels)
        assert not (tmp_path / "tree").exists()

    def test_are_values_beyond_what_the_header_holds(self, tmp_path):
        with pytest.raises(RecordingError, match=r"a value of 2e\+07 microvolts"):
            write_bids(tmp_path / "tree", recording(emg=np.full((10, 32), 2e7), times=START + np.arange(10) / 2000))
        assert not (tmp_path / "tree").exists()

    def test_is_a_recording_without_samples(self, tmp_path):
        with pytest.raises(InputError, match="no samples"):
            write_bids(tmp_path, Recording(emg=np.zeros((0, 32))))

    def test_is_what_cannot_be_read_to_its_end_and_nothing_of_it_is_left(self, tmp_path):
        class Broken:
            shape = (50_000, 32)
            reads = 0

            def __getitem__(self, window):
                self.reads += 1
                if self.reads > 9:  # in the second pass, when a part is written already
                    raise RecordingError("damaged there")
                return np.zeros((window.stop - window.start, 32), dtype=np.float32)

        source = Broken()
        with pytest.raises(RecordingError, match="damaged there"):
            write_bids(tmp_path / "tree", Recording(emg=source, user="1", name="1"))
        assert source.reads == 10
        assert not (tmp_path / "tree").exists()


class TestOwnFacts:
    @pytest.fixture
    def path(self, tmp_path):
        return write_bids(tmp_path, recording()).path

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"SampleCount": 9000}, "the recording has 9000 samples, its file 6000"),
            ({"SampleCount": 100}, "the recording has 100 samples, its file 6000"),
            ({"SampleCount": None}, "Myotype.SampleCount is missing or malformed"),
            ({"SampleCount": 10**400}, "Myotype.SampleCount is missing or malformed"),
            ({"Start": float("nan")}, "Myotype.Start is missing or malformed"),
            ({"Start": 10**400}, "Myotype.Start is missing or malformed"),
            ({"Start": 1e299}, "absurd start"),
            ({"LargestDeviation": 10**400}, "Myotype.LargestDeviation is missing or malformed"),
            ({"FormatVersion": 2}, "of version 2, and this myotype reads 1"),
            ({"FormatVersion": None}, "of version None"),
            ({"User": 5}, "Myotype.User is missing or malformed"),
            ({"Stretches": []}, "stretches of its clock"),
        ],
    )
    def test_that_are_malformed_are_refused(self, path, change, message):
        sidecar = path.with_suffix(".json")
        facts = json.loads(sidecar.read_text())
        facts["Myotype"] |= change
        sidecar.write_text(json.dumps(facts))
        with pytest.raises(RecordingError, match=message):
            recordings.open(path)
        sidecar.write_text(json.dumps(facts | {"Myotype": "text"}))
        with pytest.raises(RecordingError, match="of version None"):
            recordings.open(path)

    def test_that_are_missing_leave_a_recording_like_any_other(self, path):
        sidecar = path.with_suffix(".json")
        facts = json.loads(sidecar.read_text())
        del facts["Myotype"]
        sidecar.write_text(json.dumps(facts))
        with recordings.open(path) as again:
            np.testing.assert_array_equal(again.emg[:], emg())
            assert again.times[:1][0] == 1627403025.0
            assert again.user == "123"


def test_a_tree_can_be_moved(tmp_path):
    write_bids(tmp_path / "here", recording())
    shutil.move(tmp_path / "here", tmp_path / "there")
    with recordings.open(next((tmp_path / "there").glob("sub-*/ses-*/emg"))) as again:
        assert_same(again, recording())
