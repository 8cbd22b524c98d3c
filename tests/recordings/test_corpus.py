"""Which recordings lie under a folder."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

from myotype.errors import RecordingError
from myotype.recordings import Recording, write_hdf5
from myotype.recordings.bids.writing import write_bids
from myotype.recordings.corpus import Entry, find_recordings

START = 1_600_000_000.0


def recording(user="123", name="1", start=START):
    emg = np.random.default_rng(0).integers(-100, 100, (2500, 32)).astype(np.float32)
    return Recording(emg=emg, times=start + np.arange(2500) / 2000, user=user, name=name)


@pytest.fixture
def bids(tmp_path):
    """Two people, the first with two sessions."""
    for user, start in (("123", START), ("123", START + 100), ("simulated-demo", START)):
        write_bids(tmp_path, recording(user, start=start))
    return tmp_path


def found(corpus):
    return [(entry.user, entry.session, entry.form) for entry in corpus]


def test_hdf5_files_are_found_at_any_depth_with_their_users(tmp_path):
    write_hdf5(tmp_path / "a" / "b" / "2020-08-13-1597354281-keystrokes.hdf5", recording("00456"))
    write_hdf5(tmp_path / "1.h5", recording("123"))
    corpus = find_recordings(tmp_path)
    assert found(corpus) == [("123", "1", "hdf5"), ("456", "2020-08-13-1597354281-keystrokes", "hdf5")]
    assert [entry.start for entry in corpus] == [None, "1597354281"]
    assert corpus.users == ("123", "456")
    with corpus.entries[1].open() as opened:
        assert opened.user == "00456"


def test_sessions_of_a_bids_tree_are_found_without_leading_zeros(bids):
    corpus = find_recordings(bids)
    assert found(corpus) == [
        ("123", "1600000000", "bids"),
        ("123", "1600000100", "bids"),
        ("simulated-demo", "1600000000", "bids"),
    ]
    assert corpus.entries[0].start == "1600000000"
    assert corpus.strays == ()
    with corpus.entries[2].open() as opened:
        assert opened.n_samples == 2500


def test_users_of_foreign_trees_are_their_labels(bids):
    for path in bids.glob("sub-*/ses-*/emg/*_emg.json"):
        path.write_text("not JSON")
    assert find_recordings(bids).users == ("123", "simulateddemo")


def test_a_copy_outside_the_sessions_of_a_person_is_a_stray(bids):
    original = next(bids.glob("sub-00000123/ses-*/emg/*.bdf"))
    copy = bids / "sub-00000123" / "emg" / "sub-00000123_task-typing_emg.edf"
    copy.parent.mkdir()
    shutil.copy(original, copy)
    corpus = find_recordings(bids)
    assert len(corpus) == 3
    (stray,) = corpus.strays
    assert stray.path == copy
    assert "no session, while sub-00000123 has sessions" in stray.reason


def test_a_person_without_sessions_has_recordings_all_the_same(bids):
    original = next(bids.glob("sub-00000123/ses-*/emg/*.bdf"))
    for run in ("1", "2"):
        path = bids / "sub-9" / "emg" / f"sub-9_task-typing_run-{run}_emg.bdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original, path)
    corpus = find_recordings(bids)
    assert [entry.session for entry in corpus if entry.user == "9"] == ["task-typing_run-1", "task-typing_run-2"]


def test_several_recordings_of_a_session_are_told_apart(bids):
    original = next(bids.glob("sub-00000123/ses-1600000000/emg/*.bdf"))
    shutil.copy(original, original.with_name(original.name.replace("task-typing", "task-typing_run-2")))
    corpus = find_recordings(bids)
    sessions = [entry for entry in corpus if entry.user == "123"]
    assert [entry.session for entry in sessions] == [
        "1600000000_task-typing",
        "1600000000_task-typing_run-2",
        "1600000100",
    ]
    assert [entry.start for entry in sessions] == ["1600000000", "1600000000", "1600000100"]


def test_of_two_recordings_with_one_id_the_second_is_a_stray(tmp_path):
    write_hdf5(tmp_path / "a" / "1.hdf5", recording())
    write_hdf5(tmp_path / "b" / "1.hdf5", recording())
    corpus = find_recordings(tmp_path)
    assert [entry.path for entry in corpus] == [tmp_path / "a" / "1.hdf5"]
    (stray,) = corpus.strays
    assert (stray.path, stray.same_as) == (tmp_path / "b" / "1.hdf5", tmp_path / "a" / "1.hdf5")
    assert "has the user and session of" in stray.reason


def test_the_same_session_as_edf_and_as_bdf_counts_once(bids):
    original = next(bids.glob("sub-00000123/ses-1600000000/emg/*.bdf"))
    shutil.copy(original, original.with_suffix(".edf"))
    corpus = find_recordings(bids)
    assert len(corpus) == 3
    assert corpus.strays[0].same_as == original


def test_what_only_looks_like_a_recording_is_a_stray(tmp_path, bids):
    with h5py.File(tmp_path / "weights.hdf5", "w") as file:
        file["x"] = 1
    original = next(bids.glob("sub-00000123/ses-*/emg/*.bdf"))
    shutil.copy(original, tmp_path / "mine.bdf")
    shutil.copy(original, original.with_name("sub-00000999_ses-1_task-typing_emg.bdf"))
    reasons = {stray.path.name: stray.reason for stray in find_recordings(tmp_path).strays}
    assert "no group 'emg2qwerty'" in reasons["weights.hdf5"]
    assert "none of BIDS" in reasons["mine.bdf"]
    assert "does not agree with the folders" in reasons["sub-00000999_ses-1_task-typing_emg.bdf"]


def test_a_damaged_file_counts_so_that_opening_it_tells_what_is_wrong(tmp_path):
    (tmp_path / "bad.hdf5").write_bytes(b"x" * 1000)
    (entry,) = find_recordings(tmp_path)
    assert entry == Entry(tmp_path / "bad.hdf5", "hdf5", "", "bad")
    with pytest.raises(RecordingError, match="not an HDF5 file"):
        entry.open()


def test_folders_that_are_links_are_entered_once(tmp_path):
    write_hdf5(tmp_path / "far" / "a.hdf5", recording("1"))
    root = tmp_path / "root"
    write_hdf5(root / "near" / "b.hdf5", recording("2"))
    (root / "1-link").symlink_to(tmp_path / "far")
    (root / "2-link").symlink_to(tmp_path / "far")
    (root / "again").symlink_to(root / "near")
    (root / "near" / "circle").symlink_to(root)
    corpus = find_recordings(root)
    assert [entry.path for entry in corpus] == [root / "1-link" / "a.hdf5", root / "near" / "b.hdf5"]
    assert corpus.strays == ()


def test_subjects_and_sessions_that_are_links_are_found(bids, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_bids(other / "tree", recording("9"))
    (bids / "sub-00000009").symlink_to(other / "tree" / "sub-00000009")
    assert [entry.user for entry in find_recordings(bids)] == ["123", "123", "9", "simulated-demo"]


def test_hidden_folders_and_what_is_not_raw_are_passed_over(bids):
    for folder in (".git", "derivatives", "sourcedata", ".myotype-x.part"):
        write_hdf5(bids / folder / "x.hdf5", recording())
    assert len(find_recordings(bids)) == 3
    (bids / "dataset_description.json").unlink()  # then these names mean nothing
    assert len(find_recordings(bids)) == 4


def test_a_folder_without_recordings_and_no_folder_are_errors(tmp_path):
    with pytest.raises(RecordingError, match="there is no recording in it"):
        find_recordings(tmp_path)
    with pytest.raises(RecordingError, match="there is no folder"):
        find_recordings(tmp_path / "x")
    with h5py.File(tmp_path / "weights.hdf5", "w") as file:
        file["x"] = 1
    with pytest.raises(RecordingError, match=r"there is no recording in it; .*no group"):
        find_recordings(tmp_path)
