"""Prepared recordings: everything comes back as it was, and what is damaged says so."""

from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype import simulate
from myotype.errors import InputError, LabelsError, OutputError, RecordingError
from myotype.recordings import Prompt, Recording, write_hdf5
from myotype.recordings.corpus import find_recordings
from myotype.recordings.multiples import distinct
from myotype.recordings.prepared import layout, steps, times
from myotype.recordings.prepared.placing import place_keys
from myotype.recordings.prepared.reading import open_prepared, verify
from myotype.recordings.prepared.writing import write_prepared
from myotype.transcript import KeyPress

STEP = 13200 / 4096  # microvolts between two levels of a 12-bit converter
FIELDS = ("user", "name", "condition", "notes", "sfreq", "n_samples", "key_presses", "prompts")


def levels(n_samples: int, step: float = STEP, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(-2048, 2048, (n_samples, 32))
    return (drawn * step).astype(np.float32)


def write(folder, recording, **options):
    place = {"user": "1", "session": "s", "source": [["s.hdf5", 1, 2]], "source_size": 1}
    return write_prepared(folder, recording, **place, **options)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@pytest.fixture(scope="module")
def simulated():
    return simulate(minutes=0.3, seed=3)


@pytest.fixture(scope="module")
def written(simulated, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "1" / "s"
    write(folder, simulated)
    return folder


@pytest.fixture
def prepared(written, tmp_path):
    """A copy of a prepared recording, to be damaged."""
    return shutil.copytree(written, tmp_path / "cache" / "1" / "s")


def test_a_prepared_recording_is_its_source_to_the_bit(simulated, written):
    recording = open_prepared(written)
    assert same_bits(recording.emg[:], simulated.emg[:])
    assert same_bits(recording.times[:], simulated.times[:])
    for field in FIELDS:
        assert getattr(recording, field) == getattr(simulated, field), field
    assert recording.truth == simulated.truth != ""
    assert recording.meta.stored == "int16"
    assert recording.meta.step == STEP
    assert recording.meta.n_negative_zeros > 0, "the simulator rounds to -0 too"


def test_a_12_bit_recording_takes_less_than_half_of_what_it_took(written):
    meta = open_prepared(written).meta
    # 136 bytes a sample; what was typed takes the same in either form.
    arrays = sum(file.size for name, file in meta.files.items() if name.endswith(".npy"))
    assert arrays / meta.n_samples < 136 / 2


def test_real_recordings_come_back(golden, tmp_path):
    from myotype import recordings

    for name in ("session_small", "session_offkeyboard"):
        with recordings.open(golden / f"{name}.hdf5") as source:
            meta = write(tmp_path / name, source)
            recording = open_prepared(tmp_path / name)
            assert meta.stored == "int16"
            assert same_bits(recording.emg[:], source.emg[:])
            assert same_bits(recording.times[:], source.times[:])
            assert [getattr(recording, field) for field in FIELDS] == [getattr(source, field) for field in FIELDS]


@given(a=st.integers(0, 40_000), n=st.integers(0, 5000))
@settings(max_examples=40, deadline=None)
def test_any_slice_is_that_of_the_source(simulated, written, a, n):
    recording = open_prepared(written)
    assert same_bits(recording.emg[a : a + n], simulated.emg[a : a + n])
    assert same_bits(recording.times[a : a + n], simulated.times[a : a + n])


def test_other_programs_read_the_arrays_without_any_of_this(simulated, written):
    emg = np.load(written / "emg.npy", mmap_mode="r", allow_pickle=False)
    assert (emg.dtype, emg.shape) == (np.dtype("<i2"), (simulated.n_samples, 32))
    microvolts = np.where(emg == -32767, 0, emg) * np.float32(STEP)  # as the package's documentation has it
    np.testing.assert_array_equal(microvolts, simulated.emg[:])
    keys = np.load(written / "keys.npy", allow_pickle=False)
    assert keys.shape == (len(place_keys(simulated)[0]), 2)


@pytest.mark.parametrize(
    "step", [STEP, 0.0625, 0.1, np.pi, 1e-3, 6553.6 / 2**12, 5000.0], ids=lambda step: f"{step:.4g}"
)
def test_the_step_of_a_converter_is_found_whatever_it_is(step):
    emg = levels(300, step)
    found = steps.find_step(distinct(emg))
    assert found == pytest.approx(step, rel=1e-6)
    codes = steps.encode(emg, found)
    assert codes is not None
    assert same_bits(steps.decode(codes, found), emg)


@given(
    multiples=st.lists(st.integers(-4096, 4095), min_size=40, max_size=200, unique=True),
    step=st.floats(1e-4, 1e4),
    rounded=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_multiples_of_any_step_are_stored_exactly(multiples, step, rounded):
    step = float(np.float32(step)) if rounded else step
    emg = (np.array(multiples) * step).astype(np.float32)
    found = steps.find_step(distinct(emg))
    assert found is not None
    assert same_bits(steps.decode(steps.encode(emg, found), found), emg)


def test_a_step_that_no_difference_shows_is_found():
    found = steps.find_step(np.array([4, 10, 25], np.float32))
    assert found == 1


def test_a_signal_without_a_step_has_none():
    assert steps.find_step(distinct(np.random.default_rng(0).standard_normal(5000).astype(np.float32))) is None
    assert steps.find_step(np.array([1, 40_000], np.float32)) is None
    assert steps.find_step(np.empty(0, np.float32)) == 1


def test_samples_that_the_first_guess_does_not_fit_are_stored_exactly(tmp_path):
    emg = 4 * levels(60_000)
    emg[41_234, 5] = 3 * np.float32(STEP)  # shows the step, and where no guess looks
    meta = write(tmp_path / "r", Recording(emg=emg))
    assert (meta.stored, meta.step) == ("int16", STEP)
    assert same_bits(open_prepared(tmp_path / "r").emg[:], emg)


def test_a_filtered_signal_is_stored_as_float32_to_the_bit(tmp_path):
    emg = levels(40_000)
    emg[35_000, 5] = 0.1  # a single sample, far into the recording
    emg[35_001:, :] += np.random.default_rng(1).standard_normal((4999, 32)).astype(np.float32)
    emg[:5, 0] = [np.nan, np.inf, -np.inf, -0.0, 1e-42]
    meta = write(tmp_path / "r", Recording(emg=emg))
    assert (meta.stored, meta.largest_error) == ("float32", 0.0)
    assert same_bits(open_prepared(tmp_path / "r").emg[:], emg)


def test_float32_is_used_for_all_where_it_is_asked_for(tmp_path):
    emg = levels(2000)
    assert write(tmp_path / "r", Recording(emg=emg), precision="float32").stored == "float32"
    assert same_bits(open_prepared(tmp_path / "r").emg[:], emg)


def test_float16_is_used_where_it_is_asked_for_and_states_its_error(tmp_path):
    emg = np.random.default_rng(0).standard_normal((3000, 32)).astype(np.float32) * 100
    meta = write(tmp_path / "r", Recording(emg=emg), precision="float16")
    assert meta.stored == "float16"
    error = np.abs(open_prepared(tmp_path / "r").emg[:] - emg).max()
    assert meta.largest_error == error
    assert 0 < error < 0.25


def test_float16_is_not_used_where_16_bit_steps_are_exact_or_values_are_too_large(tmp_path):
    assert write(tmp_path / "exact", Recording(emg=levels(2000)), precision="float16").stored == "int16"
    emg = np.random.default_rng(0).standard_normal((3000, 32)).astype(np.float32)
    emg[2999] = 1e5
    assert write(tmp_path / "large", Recording(emg=emg), precision="float16").stored == "float32"
    assert same_bits(open_prepared(tmp_path / "large").emg[:], emg)


def test_missing_samples_stay_missing(tmp_path):
    emg = levels(5000)
    emg[1000:1500, 3] = np.nan
    emg[4999] = np.nan
    meta = write(tmp_path / "r", Recording(emg=emg))
    assert (meta.stored, meta.n_missing) == ("int16", 532)
    np.testing.assert_array_equal(open_prepared(tmp_path / "r").emg[:], emg)


@pytest.mark.parametrize("value", [0.0, -0.0, np.nan, STEP])
def test_a_constant_signal_is_stored_in_16_bits(tmp_path, value):
    emg = np.full((1500, 32), value, np.float32)
    assert write(tmp_path / "r", Recording(emg=emg)).stored == "int16"
    assert open_prepared(tmp_path / "r").emg[:].tobytes() == emg.tobytes()


CLOCKS = {
    "unix": 1627403025.123456 + np.arange(5000) / 2000,
    "from 0": np.arange(5000) / 2000,
    "jitter": 1627403025.1 + np.arange(5000) / 2000 + np.random.default_rng(0).normal(0, 1e-4, 5000).cumsum() * 1e-3,
    "in blocks of 16": 1627403025.1 + np.arange(5000) // 16 * 16 / 2000,
    "in blocks of 500": 1627403025.1 + np.arange(5000) // 500 * 500 / 2000,
    "gap": 1627403025.1 + np.arange(5000) / 2000 + (np.arange(5000) > 3333) * 7.5,
    "backwards": 1627403025.1 - np.arange(5000) / 2000,
    "nothing": np.full(5000, np.nan),
    "nothing here and there": np.where(np.arange(5000) % 1700 == 5, np.nan, 1e9 + np.arange(5000) / 2000),
    "absurd": np.where(np.arange(5000) % 1700 == 5, -np.inf, np.geomspace(1e-300, 1e300, 5000)),
    "below 0": -1.25 + np.arange(5000) / 2000,
    "constant": np.zeros(5000),
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_every_clock_comes_back_to_the_bit(tmp_path, clock):
    recorded = CLOCKS[clock]
    meta = write(tmp_path / "r", Recording(emg=levels(5000), times=recorded, sfreq=2000))
    recording = open_prepared(tmp_path / "r")
    assert same_bits(recording.times[:], recorded)
    for a, b in [(0, 1), (1000, 1100), (1023, 2049), (3300, 3400), (4090, 5000), (4999, 5000)]:
        assert same_bits(recording.times[a:b], recorded[a:b])
    if clock in ("unix", "from 0", "jitter", "in blocks of 16"):
        assert meta.irregular_blocks == [], "two bytes a sample suffice"
    if clock == "gap":
        assert meta.irregular_blocks == [3333 // times.BLOCK]


def test_a_rate_other_than_2000_comes_back(tmp_path):
    recorded = 1e9 + np.arange(3000) / 1259.25
    write(tmp_path / "r", Recording(emg=levels(3000), times=recorded, sfreq=1259.25))
    recording = open_prepared(tmp_path / "r")
    assert recording.sfreq == 1259.25
    assert same_bits(recording.times[:], recorded)


def test_texts_and_prompts_of_every_kind_come_back(tmp_path):
    source = Recording(
        emg=levels(100),
        key_presses=[KeyPress('"', 0.01, 0.02), KeyPress("\x03", 0.02, 0.5), KeyPress("Key.ctrl", 0.02, 0.03)],
        prompts=[
            Prompt("the ‘quick’ 🦊⏎", 0.0, 1.0),
            Prompt(None, 1.0, 2.0),
            Prompt(None, 1.0, 2.0, name="pause", has_payload=False),
        ],
        user="../é\udc80",
        name="a\tb\n",
        notes=["the units are said to be V; the numbers are microvolts"],
        condition="on_table",
    )
    write(tmp_path / "r", source)
    recording = open_prepared(tmp_path / "r")
    assert [getattr(recording, field) for field in FIELDS] == [getattr(source, field) for field in FIELDS]


def test_keys_are_placed_as_in_the_source(simulated, written):
    for one, other in zip(place_keys(open_prepared(written)), place_keys(simulated), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"condition": "on_table"}, "no key times"), ({"times": -np.arange(100.0)}, "runs backwards after sample 0")],
)
def test_keys_that_cannot_be_placed_fail_as_in_the_source(tmp_path, change, message):
    meta = write(tmp_path / "r", Recording(emg=levels(100), **change))
    assert meta.n_keys is None
    with pytest.raises(LabelsError, match=message):
        place_keys(open_prepared(tmp_path / "r"))


def test_a_prepared_recording_goes_to_other_processes(simulated, written, monkeypatch):
    monkeypatch.chdir(written.parent)
    content = pickle.dumps(open_prepared("s"))
    monkeypatch.chdir("/")
    assert same_bits(pickle.loads(content).emg[100:200], simulated.emg[100:200])
    assert len(content) < 500


def test_a_thousand_open_recordings_hold_no_files_open(written):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        opened = [open_prepared(written) for _ in range(200)]
        assert all(len(recording.emg[:10]) == 10 for recording in opened)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_closed_recording_is_not_read(written):
    with open_prepared(written) as recording:
        view = recording.emg
    with pytest.raises(RecordingError, match="closed"):
        view[:10]


def test_a_recording_without_samples_cannot_be_prepared(tmp_path):
    with pytest.raises(InputError, match="no samples"):
        write(tmp_path / "r", Recording(emg=np.empty((0, 32))))
    assert not list(tmp_path.iterdir())


def test_a_recording_that_fails_midway_leaves_nothing(tmp_path, simulated):
    class Damaged:
        shape = (100_000, 32)

        def __getitem__(self, window):
            if window.start > 50_000:
                raise RecordingError("samples cannot be read")
            return np.zeros((window.stop - window.start, 32))

    with pytest.raises(RecordingError, match="cannot be read"):
        write(tmp_path / "r", Recording(emg=Damaged()))
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_things_is_not_replaced(tmp_path, simulated):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.doc").touch()
    with pytest.raises(OutputError, match="thesis"):
        write(tmp_path / "r", simulated)
    assert [file.name for file in tmp_path.rglob("*")] == ["r", "thesis.doc"]


# What can be wrong with a cache.


@pytest.mark.parametrize("name", sorted(layout.FILES - {layout.META}))
@pytest.mark.parametrize("length", [0, -1, 1])
def test_a_file_that_is_cut_short_or_too_long_is_found_when_opening(prepared, name, length):
    content = (prepared / name).read_bytes()
    (prepared / name).write_bytes(content + b"x" if length > 0 else content[:length])
    with pytest.raises(RecordingError, match=rf"{name} has \d+ bytes, and {len(content)} are expected.*again"):
        open_prepared(prepared)


@pytest.mark.parametrize("name", sorted(layout.FILES))
def test_a_missing_file_is_found_when_opening(prepared, name):
    (prepared / name).unlink()
    with pytest.raises(RecordingError, match=name):
        open_prepared(prepared)


@pytest.mark.parametrize("name", sorted(layout.FILES - {layout.META}))
def test_a_changed_byte_is_found_by_checksums(prepared, name):
    verify(prepared)
    content = bytearray((prepared / name).read_bytes())
    content[len(content) // 2] ^= 1
    (prepared / name).write_bytes(content)
    with pytest.raises(RecordingError, match=rf"{name} is damaged: its checksum"):
        verify(prepared)


def test_a_changed_description_is_found_when_opening(prepared):
    text = (prepared / layout.META).read_text()
    (prepared / layout.META).write_text(text.replace('"step": 3.2', '"step": 3.3'))
    with pytest.raises(RecordingError, match="checksum does not fit"):
        open_prepared(prepared)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": "mine"}'])
def test_a_description_that_is_none_is_refused(prepared, content):
    (prepared / layout.META).write_bytes(content)
    with pytest.raises(RecordingError, match=layout.META):
        open_prepared(prepared)


def test_another_version_is_refused(prepared):
    forge(prepared, version=2)
    with pytest.raises(RecordingError, match=r"version 2.*reads 1"):
        open_prepared(prepared)


def forge(folder, **changes):
    """Write a description whose checksum fits."""
    content = json.loads((folder / layout.META).read_text())
    del content["sha256"]
    for name, value in changes.items():
        if value is ...:
            del content[name]
        else:
            content[name] = value
    (folder / layout.META).write_text(json.dumps({**content, "sha256": layout._checksum(content)}))


@pytest.mark.parametrize(
    "changes",
    [
        {"n_samples": 10**15},
        {"n_samples": -5},
        {"n_samples": 0},
        {"n_samples": 12.5},
        {"n_samples": True},
        {"sfreq": 0.0},
        {"sfreq": "2000"},
        {"step": float("nan")},
        {"step": -1.0},
        {"stored": "object"},
        {"stored": "float32"},
        {"stored": ["int16"]},
        {"precision": "exec"},
        {"user": 5},
        {"irregular_blocks": [3, 1]},
        {"irregular_blocks": [10**9]},
        {"irregular_blocks": [-1]},
        {"irregular_blocks": [0]},
        {"irregular_blocks": 5},
        {"n_keys": 3},
        {"n_keys": None},
        {"files": {}},
        {"files": {"../../etc/passwd": {"size": 1, "sha256": ""}}},
        {"files": {"emg.npy": 5}},
        {"files": []},
        {"files": ...},
        {"more": 1},
    ],
    ids=str,
)
def test_a_description_of_nonsense_is_refused_even_if_its_checksum_fits(prepared, changes):
    forge(prepared, **changes)
    with pytest.raises(RecordingError, match=r"recording\.json is damaged"):
        open_prepared(prepared)


def test_keys_outside_the_recording_are_refused(prepared):
    content = bytearray((prepared / layout.KEYS).read_bytes())
    content[-16:] = np.array([10**9, 3], "<i8").tobytes()
    (prepared / layout.KEYS).write_bytes(content)
    with pytest.raises(RecordingError, match=r"keys.npy is damaged: .* outside the recording"):
        place_keys(open_prepared(prepared))


def test_what_was_typed_is_checked_when_it_is_asked_for(prepared):
    (prepared / layout.PROMPTS).write_bytes(b"x" * (prepared / layout.PROMPTS).stat().st_size)
    recording = open_prepared(prepared)
    with pytest.raises(LabelsError, match="'prompts' is malformed"):
        _ = recording.prompts


def test_a_recording_that_was_prepared_again_while_it_is_open_is_not_mixed_up(prepared, simulated):
    recording = open_prepared(prepared)
    write(prepared, Recording(emg=simulated.emg[:] * 2))
    with pytest.raises(RecordingError, match="has changed since"):
        recording.emg[:10]


def test_a_file_that_is_cut_short_while_it_is_open_is_an_error(prepared):
    recording = open_prepared(prepared)
    with (prepared / layout.EMG).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(RecordingError, match="has changed since"):
        recording.emg[:10]


# Finding.


def test_prepared_recordings_are_found_and_damaged_ones_are_strays(tmp_path, simulated):
    emg = levels(100)
    for user, session in [("7", "b"), ("7", "a"), ("2", "c"), ("9", "damaged")]:
        place = {"user": user, "session": session, "source": [], "source_size": 0}
        write_prepared(tmp_path / user / session, Recording(emg=emg, user="007"), **place)
    (tmp_path / "9" / "damaged" / layout.EMG).unlink()
    shutil.copytree(tmp_path / "7" / "a", tmp_path / "7" / ".myotype-xyz.part")
    corpus = find_recordings(tmp_path)
    assert [(entry.user, entry.session, entry.form) for entry in corpus] == [
        ("2", "c", "prepared"),
        ("7", "a", "prepared"),
        ("7", "b", "prepared"),
    ]
    assert [(stray.path, "emg.npy" in stray.reason) for stray in corpus.strays] == [(tmp_path / "9" / "damaged", True)]
    with corpus.entries[0].open() as recording:
        assert recording.user == "007"
        assert recording.emg[:].tobytes() == emg.tobytes()


def test_an_original_counts_rather_than_what_was_prepared_from_it(tmp_path, simulated):
    write_prepared(tmp_path / "cache" / "1" / "s", simulated, user="1", session="s", source=[], source_size=0)
    write_hdf5(tmp_path / "original" / "s.hdf5", Recording(emg=levels(100), user="1"))
    corpus = find_recordings(tmp_path)
    assert [entry.form for entry in corpus] == ["hdf5"]
    assert [stray.path for stray in corpus.strays] == [tmp_path / "cache" / "1" / "s"]
