"""BDF and EDF with the sidecars of EMG-BIDS: what is read, what is said about it, and what is refused."""

from __future__ import annotations

import json
import shutil
import time
import tracemalloc

import numpy as np
import pyedflib
import pytest

from myotype import recordings
from myotype.errors import InputError, LabelsError, RecordingError
from myotype.recordings.corpus import find_recordings
from myotype.transcript import KeyPress

STEM = "sub-04809769_ses-1620336043_task-typing"
EVENTS = "onset\tduration\tsample\tvalue\tkey\tprompt_text\n"
SECONDS = 3
STEP = 0.5  # microvolts


def signal(seed=0):
    """Microvolts, (n, 32): whole multiples of half a microvolt."""
    return STEP * np.random.default_rng(seed).integers(-200, 200, (SECONDS * 2000, 32)).astype(np.float64)


def write_signal(path, values, *, dimension="uV", labels=None, kind=pyedflib.FILETYPE_BDF, start=None, rate=2000):
    """Write a file by EDFlib, which is not what reads it."""
    peak = float(f"{1.2 * np.abs(values).max():.2g}")
    peak = int(peak) if peak >= 1 else peak  # of eight characters at most
    bits = 15 if kind in (pyedflib.FILETYPE_EDF, pyedflib.FILETYPE_EDFPLUS) else 23
    with pyedflib.EdfWriter(str(path), values.shape[1], file_type=kind) as file:
        file.setSignalHeaders(
            [
                {
                    "label": label, "dimension": dimension, "sample_frequency": rate,
                    "physical_min": -peak, "physical_max": peak,
                    "digital_min": -(2**bits), "digital_max": 2**bits - 1, "prefilter": "", "transducer": "",
                }
                for label in labels or [f"EMG{at}" for at in range(values.shape[1])]
            ]
        )  # fmt: skip
        if start is not None:
            file.setStartdatetime(start)
        file.writeSamples(list(np.ascontiguousarray(values.T)))
    return path


def channel_rows(order=range(32), units="n/a", **columns):
    rows = []
    for at in order:
        row = {"name": f"EMG{at}", "type": "EMG", "units": units, "signal_electrode": f"E{at % 16}",
               "group": "left" if at < 16 else "right"}  # fmt: skip
        rows.append(row | columns)
    return rows


def table(rows):
    return "\n".join(["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]) + "\n"


class Tree:
    """A tree as other people write it, with one recording."""

    def __init__(self, root):
        self.root = root
        self.folder = root / "sub-04809769" / "ses-1620336043" / "emg"
        self.folder.mkdir(parents=True)
        (root / "dataset_description.json").write_text('{"Name": "theirs", "BIDSVersion": "1.11.0"}')
        self.path = write_signal(self.folder / f"{STEM}_emg.bdf", signal())
        self.facts(SamplingFrequency=2000, EMGChannelCount=32, RecordingDuration=float(SECONDS))
        self.channels(channel_rows())
        self.events("1.5\t0.25\t3000\tkeystroke_a\ta\tn/a")

    def facts(self, **facts):
        (self.folder / f"{STEM}_emg.json").write_text(json.dumps(facts))

    def channels(self, rows):
        (self.folder / f"{STEM}_channels.tsv").write_text(table(rows))

    def events(self, *rows, head=EVENTS):
        (self.folder / f"{STEM}_events.tsv").write_text(head + "".join(row + "\n" for row in rows))


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def near(values, expected):
    """Compare to the resolution that the range of 24 bits leaves."""
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_a_foreign_tree_is_read_with_its_labels(tree):
    with recordings.open(tree.path) as recording:
        near(recording.emg[:], signal())
        assert recording.sfreq == 2000.0
        assert (recording.user, recording.name, recording.condition) == ("4809769", STEM, "on_keyboard")
        assert recording.key_presses == (KeyPress("a", 1620336044.5, 1620336044.75),)
        np.testing.assert_array_equal(recording.times[:3], 1620336043 + np.arange(3) / 2000)
        assert recording.notes == ()


@pytest.mark.parametrize("folder", ["emg", "."])
def test_a_folder_of_a_session_is_its_recording(tree, folder):
    with recordings.open(tree.folder.parent / folder) as recording:
        assert recording.name == STEM


def test_a_folder_with_several_recordings_or_none_has_to_be_told_apart(tree):
    with pytest.raises(RecordingError, match="a folder without a recording"):
        recordings.open(tree.root)
    write_signal(tree.folder / f"{STEM}_run-2_emg.bdf", signal())
    with pytest.raises(RecordingError, match="has 2 recordings; name one"):
        recordings.open(tree.folder)


def test_any_window_is_that_of_the_whole(tree):
    with recordings.open(tree.path) as recording:
        whole = recording.emg[:]
        for start, stop in [(0, 1), (1999, 2001), (500, 5500), (5999, 6000), (2000, 4000), (10, 10), (5000, 9000)]:
            np.testing.assert_array_equal(recording.emg[start:stop], whole[start:stop])


def test_edf_of_16_bits_is_read_as_well(tree):
    tree.path.unlink()
    path = write_signal(tree.path.with_suffix(".edf"), signal(), kind=pyedflib.FILETYPE_EDF)
    with recordings.open(path) as recording:
        np.testing.assert_allclose(recording.emg[:], signal(), atol=128 / 2**15)


def test_what_edflib_reads_is_what_is_read(tree):
    with recordings.open(tree.path) as recording, pyedflib.EdfReader(str(tree.path)) as reference:
        theirs = np.stack([reference.readSignal(at) for at in range(32)], axis=1)
        np.testing.assert_array_equal(recording.emg[:], theirs.astype(np.float32))


def test_files_with_channels_of_texts_and_triggers_are_read(tree):
    values = np.concatenate([signal()[:, :20], np.ones((SECONDS * 2000, 1)), signal()[:, 20:]], axis=1)
    labels = [*(f"EMG{at}" for at in range(20)), "Status", *(f"EMG{at}" for at in range(20, 32))]
    write_signal(tree.path, values, labels=labels, kind=pyedflib.FILETYPE_BDFPLUS)
    rows = channel_rows()
    tree.channels([*rows, rows[0] | {"name": "Status", "type": "TRIG"}])
    with recordings.open(tree.path) as recording:
        near(recording.emg[:], signal())


@pytest.mark.parametrize("rate", [500, 4000])
def test_a_trigger_of_another_rate_is_left_out(tree, rate):
    names = [f"EMG{at}" for at in range(32)]
    with pyedflib.EdfWriter(str(tree.path), 33, file_type=pyedflib.FILETYPE_BDF) as file:
        for at, name in enumerate([*names, "Trigger"]):
            file.setSignalHeader(
                at,
                {
                    "label": name, "dimension": "uV", "sample_frequency": 2000 if at < 32 else rate,
                    "physical_min": -120, "physical_max": 120, "digital_min": -(2**23), "digital_max": 2**23 - 1,
                    "prefilter": "", "transducer": "",
                },
            )  # fmt: skip
        file.writeSamples([*np.ascontiguousarray(signal().T), np.zeros(SECONDS * rate)])
    tree.channels([*channel_rows(), channel_rows([0])[0] | {"name": "Trigger", "type": "TRIG", "group": "n/a"}])
    with recordings.open(tree.path) as recording:
        assert (recording.sfreq, recording.n_samples) == (2000.0, 6000)
        near(recording.emg[:], signal())
        assert recording.notes == ()


def test_a_hidden_file_beside_a_recording_is_none(tree):
    shutil.copy(tree.path, tree.path.with_name(f"._{tree.path.name}"))
    with recordings.open(tree.folder) as recording:
        assert recording.name == STEM


def test_what_the_system_reads_in_parts_is_put_together(tree, monkeypatch):
    from myotype.recordings.bids import edf

    with recordings.open(tree.path) as recording:
        whole = recording.emg[:]
    preadv = edf.os.preadv
    monkeypatch.setattr(edf.os, "preadv", lambda file, buffers, place: preadv(file, [buffers[0][:1001]], place))
    monkeypatch.setattr(edf, "_PIECE", 200_000)  # a record
    with recordings.open(tree.path) as recording:
        np.testing.assert_array_equal(recording.emg[:], whole)
        np.testing.assert_array_equal(recording.emg[1999:4001], whole[1999:4001])


def test_records_of_one_sample_are_read_fast(tree):
    """A minute at a Python call for each signal of each record would take nine seconds."""
    counts = np.random.default_rng(0).integers(-200, 200, (120_000, 32)).astype("<i4")
    content = bytearray(tree.path.read_bytes()[: 256 * 33])
    content[236:252] = b"120000  0.0005  "
    content[256 + 32 * 104 : 256 + 32 * 136] = b"".join(text.ljust(8) * 32 for text in (b"-1", b"1", b"-1", b"1"))
    content[256 + 32 * 216 : 256 + 32 * 224] = b"1       " * 32
    tree.path.write_bytes(bytes(content) + counts.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    tree.facts(SamplingFrequency=2000)
    began = time.perf_counter()
    with recordings.open(tree.path) as recording:
        np.testing.assert_array_equal(recording.emg[:], counts)
    assert time.perf_counter() - began < 3


def test_more_files_are_open_at_once_than_edflib_allows(tree):
    opened = [recordings.open(tree.path) for _ in range(100)]
    try:
        assert all(recording.emg[:1].any() for recording in opened)
    finally:
        for recording in opened:
            recording.close()


def test_a_recording_that_is_closed_says_so(tree):
    with recordings.open(tree.path) as recording:
        pass
    with pytest.raises(RecordingError, match="is closed"):
        recording.emg[:10]


def test_memory_is_that_of_a_window(tree):
    """A file of two hours, most of it a hole on the disk."""
    content = bytearray(tree.path.read_bytes())
    content[236:244] = b"7200    "
    tree.path.write_bytes(content)
    with tree.path.open("r+b") as file:
        file.truncate(256 * 33 + 7200 * 32 * 2000 * 3)
    tree.facts(SamplingFrequency=2000)
    tracemalloc.start()
    try:
        with recordings.open(tree.path) as recording:
            recording.emg[7_000_000:7_008_000]
            recording.times[7_000_000:7_008_000]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert recording.n_samples == 14_400_000
    assert peak < 12e6  # the float32 of the window are 1 MB; the rms takes five windows of a second


class TestChannels:
    def test_of_the_left_band_come_first_whatever_the_order_of_the_file(self, tree):
        order = np.random.default_rng(3).permutation(32)
        write_signal(tree.path, signal()[:, order], labels=[f"EMG{at}" for at in order])
        tree.channels(channel_rows(order))
        with recordings.open(tree.path) as recording:
            near(recording.emg[:], signal())

    def test_are_found_by_their_names_if_the_table_has_another_order_than_the_file(self, tree):
        tree.channels(channel_rows([*range(16, 32), *range(16)]))
        with recordings.open(tree.path) as recording:
            near(recording.emg[:], signal())

    def test_keep_their_order_within_a_band_where_electrodes_have_no_numbers(self, tree):
        order = [*range(31, 15, -1), *range(16)]
        tree.channels(channel_rows(order, signal_electrode="n/a"))
        with recordings.open(tree.path) as recording:
            near(recording.emg[:], signal()[:, [*range(16), *range(31, 15, -1)]])

    def test_without_groups_are_taken_in_order_and_that_is_said(self, tree):
        tree.channels(channel_rows(group="n/a"))
        with recordings.open(tree.path) as recording:
            near(recording.emg[:], signal())
            assert any("which channels are left and right" in note for note in recording.notes)

    def test_with_names_of_their_own_are_taken_by_their_place_and_that_is_said(self, tree):
        tree.channels([row | {"name": f"wrist {at}"} for at, row in enumerate(channel_rows())])
        with recordings.open(tree.path) as recording:
            near(recording.emg[:], signal())
            assert any("taken by their place" in note for note in recording.notes)

    def test_that_are_bad_are_named(self, tree):
        rows = channel_rows(status="good")
        rows[7]["status"] = "bad"
        tree.channels(rows)
        with recordings.open(tree.path) as recording:
            assert any("1 channels bad: EMG7" in note for note in recording.notes)

    def test_of_two_bands_of_other_sizes_are_refused(self, tree):
        rows = channel_rows()
        rows[16]["group"] = "left"
        tree.channels(rows)
        with pytest.raises(RecordingError, match="17 of the EMG channels are in the group 'left' and 15 in 'right'"):
            recordings.open(tree.path)

    def test_that_the_file_does_not_have_are_named(self, tree):
        rows = channel_rows()
        rows[3]["name"] = "EMG99"
        tree.channels(rows)
        with pytest.raises(RecordingError, match="none is called 'EMG99'"):
            recordings.open(tree.path)

    def test_with_one_name_are_refused(self, tree):
        rows = channel_rows()
        rows[3]["name"] = "EMG4"
        tree.channels(rows)
        with pytest.raises(RecordingError, match="names the channel 'EMG4' twice"):
            recordings.open(tree.path)

    def test_other_than_32_are_refused(self, tree):
        tree.channels(channel_rows(range(31)))
        tree.facts(SamplingFrequency=2000)
        with pytest.raises(RecordingError, match="31 EMG channels; 32 are needed"):
            recordings.open(tree.path)

    def test_of_a_file_without_sidecars_are_taken_in_order_and_that_is_said(self, tmp_path):
        with recordings.open(write_signal(tmp_path / "mine.bdf", signal())) as recording:
            near(recording.emg[:], signal())
            assert (recording.user, recording.name) == ("", "mine")
            assert any("no channels.tsv" in note for note in recording.notes)
            with pytest.raises(LabelsError, match=r"events.tsv is missing"):
                recording.key_presses  # noqa: B018

    def test_of_a_file_with_another_name_are_told_by_sidecars_of_its_name_alone(self, tmp_path):
        path = write_signal(tmp_path / "mine.bdf", signal())
        (tmp_path / "mine_channels.tsv").write_text(table(channel_rows([*range(16, 32), *range(16)])))
        (tmp_path / "mine_events.tsv").write_text(EVENTS + "1\t1\t2000\tkeystroke_a\ta\tn/a\n")
        (tmp_path / "other_emg.json").write_text('{"SamplingFrequency": 1}')
        with recordings.open(path) as recording:
            near(recording.emg[:], signal())
            assert len(recording.key_presses) == 1
            assert recording.notes == ()


class TestUnits:
    @pytest.mark.parametrize(("unit", "size"), [("V", 1e-6), ("mV", 1e-3), ("uV", 1.0), ("µV", 1.0), ("nV", 1e3)])
    def test_that_are_declared_are_converted(self, tree, unit, size):
        write_signal(tree.path, signal() * size, dimension="")
        tree.channels(channel_rows(units=unit))
        with recordings.open(tree.path) as recording:
            np.testing.assert_allclose(recording.emg[:], signal(), atol=0.01)
            assert recording.notes == ()

    def test_of_the_header_hold_where_the_table_has_none(self, tree):
        write_signal(tree.path, signal() * 1e-3, dimension="mV")
        with recordings.open(tree.path) as recording:
            near(recording.emg[:], signal())

    @pytest.mark.parametrize(("in_table", "in_header"), [("V", "uV"), ("n/a", "V"), ("n/a", "")])
    def test_of_volts_that_are_microvolts_are_mended_and_that_is_said(self, tree, in_table, in_header):
        write_signal(tree.path, signal(), dimension=in_header)
        tree.channels(channel_rows(units=in_table))
        with recordings.open(tree.path) as recording:
            near(recording.emg[:], signal())
            (note,) = recording.notes
            assert note.startswith("the unit is declared as V")
            assert "divided by a million" in note

    def test_that_the_numbers_cannot_be_in_are_refused(self, tree):
        write_signal(tree.path, signal(), dimension="mV")
        with pytest.raises(RecordingError, match=r"declared as mV, which makes 7.* microvolts"):
            recordings.open(tree.path)

    def test_that_are_said_override_what_is_declared(self, tree):
        write_signal(tree.path, signal(), dimension="mV")
        with recordings.open(tree.path, units="µV") as recording:
            near(recording.emg[:], signal())

    def test_of_a_header_that_makes_them_infinite_are_refused(self, tree):
        content = bytearray(tree.path.read_bytes())
        for at in range(32):
            field = 256 + 32 * 112 + 8 * at  # the physical maximum
            content[field : field + 8] = b"9e99    "
        tree.path.write_bytes(content)
        with pytest.raises(RecordingError, match="which makes inf microvolts"):
            recordings.open(tree.path)

    def test_that_do_not_exist_are_refused(self, tree, golden):
        tree.channels(channel_rows(units="furlong"))
        with pytest.raises(RecordingError, match="the unit 'furlong' is none of V, mV, uV, nV"):
            recordings.open(tree.path)
        with pytest.raises(InputError, match="units is 'furlong'"):
            recordings.open(tree.path, units="furlong")
        with pytest.raises(InputError, match="HDF5 recordings are in microvolts"):
            recordings.open(golden / "session_small.hdf5", units="uV")

    def test_artefacts_and_dead_channels_do_not_mislead_the_estimate(self, tree):
        values = signal()
        values[:200] = 5e6  # a twentieth of the first window
        values[:, :10] = 0.0
        write_signal(tree.path, values, dimension="uV")
        with recordings.open(tree.path) as recording:
            assert recording.notes == ()
            np.testing.assert_allclose(recording.emg[300:], values[300:], atol=1.0)

    def test_that_make_values_far_too_small_are_noted(self, tree):
        write_signal(tree.path, signal(), dimension="uV")
        with recordings.open(tree.path, units="nV") as recording:
            assert recording.notes == ()
        write_signal(tree.path, 1e-6 * signal(), dimension="uV")
        with recordings.open(tree.path) as recording:
            (note,) = recording.notes
            assert note.startswith("the unit is declared as uV, which makes 7")
            assert "less than electrodes give" in note

    def test_a_silent_recording_is_read(self, tree):
        values = np.zeros((6000, 32))
        values[0, 0] = 1.0
        write_signal(tree.path, values)
        with recordings.open(tree.path) as recording:
            assert recording.notes == ()


class TestTheClock:
    def test_counts_from_the_date_of_the_header_where_the_session_does_not_say(self, tmp_path):
        from datetime import UTC, datetime

        start = datetime(2024, 5, 6, 7, 8, 9)  # noqa: DTZ001 (as EDFlib wants it)
        with recordings.open(write_signal(tmp_path / "mine.bdf", signal(), start=start)) as recording:
            assert recording.times[:1][0] == start.replace(tzinfo=UTC).timestamp()

    def test_counts_from_zero_where_nothing_says(self, tmp_path):
        from datetime import datetime

        start = datetime(1985, 1, 1)  # noqa: DTZ001 (as EDFlib wants it; what anonymisers write)
        with recordings.open(write_signal(tmp_path / "mine.bdf", signal(), start=start)) as recording:
            assert recording.times[:1][0] == 0.0

    def test_ends_with_the_last_real_sample(self, tree):
        tree.facts(SamplingFrequency=2000, RecordingDuration=2.5)
        with recordings.open(tree.path) as recording:
            assert recording.n_samples == 5000
            (note,) = recording.notes
            assert "1000 samples at the end are not used, though they differ: emg.json gives the duration" in note

    @pytest.mark.parametrize("duration", [3.0, 5999 / 2000, float("nan"), 10**400, "n/a"])
    def test_keeps_the_last_sample_where_the_duration_is_that_up_to_it(self, tree, duration):
        tree.facts(SamplingFrequency=2000, RecordingDuration=duration)
        tree.events("2.9995\t0.1\t5999\tkeystroke_a\ta\tn/a")
        with recordings.open(tree.path) as recording:
            assert recording.n_samples == 6000
            assert recording.notes == ()
            assert len(recording.key_presses) == 1

    def test_a_duration_that_the_file_does_not_have_is_noted(self, tree):
        tree.facts(SamplingFrequency=2000, RecordingDuration=792.1315)
        with recordings.open(tree.path) as recording:
            assert recording.n_samples == 6000
            assert any("the duration as 792.13" in note and "the file has 3 s" in note for note in recording.notes)


class TestSidecars:
    @pytest.mark.parametrize("rate", [10**400, float("nan"), True, "n/a", 0])
    def test_with_a_rate_that_is_none_are_refused(self, tree, rate):
        tree.facts(SamplingFrequency=rate)
        with pytest.raises(RecordingError, match=r"its header has 2000 samples a second, its emg.json"):
            recordings.open(tree.path)

    def test_that_contradict_the_header_are_named_with_both(self, tree):
        tree.facts(SamplingFrequency=1000)
        with pytest.raises(RecordingError, match=r"its header has 2000 samples a second, its emg.json 1000"):
            recordings.open(tree.path)
        tree.facts(SamplingFrequency=2000, EMGChannelCount=16)
        with pytest.raises(RecordingError, match=r"it has 32 EMG channels, its emg.json says 16"):
            recordings.open(tree.path)

    @pytest.mark.parametrize("missing", ["emg.json", "channels.tsv"])
    def test_that_are_missing_are_named(self, tree, missing):
        (tree.folder / f"{STEM}_{missing}").unlink()
        with pytest.raises(RecordingError, match=f"its {missing} is missing"):
            recordings.open(tree.path)

    def test_are_inherited_from_the_folders_above(self, tree):
        (tree.folder / f"{STEM}_channels.tsv").rename(tree.root / "task-typing_channels.tsv")
        (tree.root / "emg.json").write_text('{"SamplingFrequency": 1, "EMGChannelCount": 32}')
        (tree.root / "task-other_channels.tsv").write_text("not ours")
        tree.facts(SamplingFrequency=2000)  # the nearer one holds
        with recordings.open(tree.path) as recording:
            near(recording.emg[:], signal())

    def test_of_other_contents_are_refused(self, tree):
        file = tree.folder / f"{STEM}_emg.json"
        for content, message in (("{", "is not JSON"), ("[]", "holds no JSON object"), ("[" * 100_000, "is not JSON")):
            file.write_text(content)
            with pytest.raises(RecordingError, match=message):
                recordings.open(tree.path)
        tree.facts(SamplingFrequency=2000)
        file = tree.folder / f"{STEM}_channels.tsv"
        for content, message in ((b"name\tname\n", "have one name"), (b"name\tb\nx\n", "line 2: it has 1"),
                                 (b"a\n1\n", "no column 'name'"), (b"\xff", "not UTF-8")):  # fmt: skip
            file.write_bytes(content)
            with pytest.raises(RecordingError, match=message):
                recordings.open(tree.path)

    @pytest.mark.parametrize("name", ["../../../elsewhere.bdf", "/etc/passwd", "bids::../x", "C:\\x", "a/../../x"])
    def test_that_name_a_file_outside_the_tree_are_refused(self, tree, name):
        if name != "a/../../x":
            tree.facts(SamplingFrequency=2000, IntendedFor=[name])
            with pytest.raises(RecordingError, match=r"IntendedFor: it names the file .* outside the data set"):
                recordings.open(tree.path)
            tree.facts(SamplingFrequency=2000)
        scans = tree.folder.parent / "sub-04809769_ses-1620336043_scans.tsv"
        scans.write_text(f"filename\tacq_time\nemg/{STEM}_emg.bdf\tn/a\n")
        recordings.open(tree.path).close()
        scans.write_text(f"filename\tacq_time\n{name}\tn/a\n")
        with pytest.raises(RecordingError, match=r"line 2: it names the file .* outside the data set"):
            recordings.open(tree.path)


class TestEvents:
    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("3.5\t0.1\t7000\tkeystroke_a\ta\tn/a", "line 2: its sample is 7000, but the signal has 6000 samples"),
            ("-1\t0.1\t-2000\tprompt\tn/a\thi", "line 2: its sample is -2000"),
            ("1\t0.1\tx\tkeystroke_a\ta\tn/a", "line 2: the sample is no whole number"),
            ("1\t0.1\t--5\tkeystroke_a\ta\tn/a", "line 2: the sample is no whole number"),
            ("1\t0.1\t٣\tkeystroke_a\ta\tn/a", "line 2: the sample is no whole number"),
            ("1\t1e308\t5\tkeystroke_a\ta\tn/a", "line 2: the duration is no number of seconds"),
        ],
    )
    def test_beyond_the_signal_are_refused_while_the_signal_can_be_read(self, tree, row, message):
        tree.events(row)
        with recordings.open(tree.path) as recording:
            assert len(recording.emg[:]) == 6000
            with pytest.raises(LabelsError, match=message):
                recording.key_presses  # noqa: B018

    def test_beyond_the_signal_are_refused_by_their_onset_too(self, tree):
        tree.events("3.5\t0.1\tkeystroke_a\ta\tn/a", head=EVENTS.replace("sample\t", ""))
        with (
            recordings.open(tree.path) as recording,
            pytest.raises(LabelsError, match=r"line 2: its onset is 3.5 s, but the signal has 3 s"),
        ):
            recording.key_presses  # noqa: B018

    def test_that_say_they_lie_outside_are_kept(self, tree):
        tree.events("3.5\t0.1\tn/a\tkeystroke_a\ta\tn/a")
        with recordings.open(tree.path) as recording:
            assert recording.key_presses == (KeyPress("a", 1620336046.5, 1620336046.6),)

    def test_of_prompts_alone_tell_the_condition(self, tree):
        tree.events("1\t0.1\t2000\tprompt\tn/a\thi\\n")
        with recordings.open(tree.path) as recording:
            assert recording.condition == "prompted"
            assert recording.key_text() == "hi⏎"


class TestDamagedFiles:
    def test_that_are_cut_off_are_refused(self, tree):
        content = tree.path.read_bytes()
        for length, message in (
            (len(content) - 1, "the file is cut off: its header says 3 records of 192000 bytes, it holds 2"),
            (5000, "cut off within its header"),
            (100, "no BDF or EDF file"),
            (0, "no BDF or EDF file"),
        ):
            tree.path.write_bytes(content[:length])
            with pytest.raises(RecordingError, match=message) as caught:
                recordings.open(tree.path)
            assert str(tree.path) in str(caught.value)

    def test_that_a_recorder_has_not_closed_are_read_as_far_as_they_go(self, tree):
        content = bytearray(tree.path.read_bytes()[:-1])
        content[236:244] = b"-1      "
        tree.path.write_bytes(content)
        tree.facts(SamplingFrequency=2000)
        with recordings.open(tree.path) as recording:
            near(recording.emg[:], signal()[:4000])
            assert any("2 whole records were found" in note for note in recording.notes)

    def test_that_are_too_long_are_read_and_noted(self, tree):
        tree.path.write_bytes(tree.path.read_bytes() + b"abc")
        with recordings.open(tree.path) as recording:
            assert any("3 bytes after the last of 3 records" in note for note in recording.notes)

    @pytest.mark.parametrize(
        ("at", "field", "message"),
        [
            (0, b"\xffBIOSEMX", "no BDF or EDF file"),
            (184, b"9999    ", "says that it has 9999 bytes; with 32 signals it has 8448"),
            (184, b"x       ", "size of the header is no number: 'x'"),
            (192, b"BDF+D   ", "do not follow each other"),
            (236, b"-5      ", "number of records is -5"),
            (236, b"0       ", "no samples"),
            (236, b"99999999", "cut off"),
            (236, b"1e999999", "number of records is no number"),
            (236, b"nan     ", "number of records is no number"),
            (244, b"0       ", "duration of a record is 0 s"),
            (244, b"-1      ", "duration of a record is -1 s"),
            (252, b"0   ", "number of signals is 0"),
            (252, b"9999", "number of signals is 9999"),
            (256, b"EMG\xe9", "the label of signal 1 is not ASCII"),
            (256 + 32 * 104, b"120     ", "EMG0 has the range 120 to 120"),
            (256 + 32 * 120, b"9999999 ", "no values follow from that"),
            (256 + 32 * 120, b"1.5     ", "digital minimum of signal 1 is 1.5"),
            (256 + 32 * 216, b"99999999", "too many to read by windows"),
            (256 + 32 * 216, b"0       ", "number of samples a record of signal 1 is 0"),
            (256 + 32 * 216, b"1000    ", "different rates"),
            (244, b"1e-9    ", "more than any recording of muscles"),
        ],
    )
    def test_whose_header_is_absurd_are_refused(self, tree, at, field, message):
        content = bytearray(tree.path.read_bytes())
        content[at : at + len(field)] = field
        tree.path.write_bytes(content)
        tree.facts()
        with pytest.raises(RecordingError, match=message):
            recordings.open(tree.path)

    def test_that_shrink_while_they_are_open_are_noticed(self, tree):
        with recordings.open(tree.path) as recording:
            with tree.path.open("r+b") as file:
                file.truncate(200_000)
            with pytest.raises(RecordingError, match="has become shorter"):
                recording.emg[:]


def test_all_real_sidecars_are_read_with_a_signal_of_their_length(shared, tmp_path):
    """Nobody here has one of the signals, so they are silent ones: holes on the disk."""
    from myotype.recordings.bids.bdf_writing import BdfWriter
    from myotype.recordings.bids.resolution import rounding_range

    theirs = shared / "emg2qwerty-events"
    shutil.copytree(theirs, tmp_path / "tree", copy_function=shutil.copyfile)
    (tmp_path / "tree").chmod(0o755)
    described = sorted((tmp_path / "tree").glob("sub-*/ses-*/emg/*_emg.json"))
    assert len(described) == 23
    for sidecar in described:
        duration = json.loads(sidecar.read_text())["RecordingDuration"]
        sidecar.parent.chmod(0o755)
        path = sidecar.with_suffix(".bdf")
        n_samples = round(duration * 2000)
        with BdfWriter(
            path, labels=[f"EMG{at}" for at in range(32)], sfreq=2000.0, values=rounding_range(1e4),
            n_samples=n_samples, start=None,
        ):  # fmt: skip
            pass
        with path.open("r+b") as file:
            file.truncate(256 * 33 + -(-n_samples // 2000) * 32 * 2000 * 3)
        with recordings.open(path) as recording:
            assert recording.n_samples == n_samples + (-n_samples % 2000 == 1)
            assert recording.notes == ()  # what fills the last record up is constant
            label = path.name.split("_")[0].removeprefix("sub-")
            assert recording.user == label.lstrip("0")
            assert recording.times[:1][0] == float(path.name.split("_")[1].removeprefix("ses-"))
            events = path.with_name(path.name.replace("_emg.bdf", "_events.tsv")).read_bytes()
            assert len(recording.key_presses) == events.count(b"\tkeystroke_") > 1000
            assert len(recording.prompts) == events.count(b"\tprompt\t")
    corpus = find_recordings(tmp_path / "tree")
    assert (len(corpus), len(corpus.users), corpus.strays) == (23, 12, ())
