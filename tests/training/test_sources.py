"""Where recordings come from: each found once, opened where it is read, and nothing passed over in silence."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from myotype.errors import InputError, RecordingError
from myotype.recordings import Recording, find_recordings, write_bids, write_hdf5
from myotype.recordings.prepared.writing import write_prepared
from myotype.recordings.splits import Split
from myotype.training.sources import Readers, Source, as_sources, gather
from myotype.training.windows import Windows
from myotype.transcript import KeyPress


def recording(seed: int = 0, user: str = "1", n: int = 6000) -> Recording:
    random = np.random.default_rng(seed)
    start = 1_600_000_000.0 + 1000 * seed
    presses = [KeyPress(str(key), start + 0.2 * (at + 1), start + 0.2 * (at + 1) + 0.05) for at, key in
               enumerate(random.choice(list("abcdef"), 10))]  # fmt: skip
    return Recording(
        emg=random.standard_normal((n, 32)).astype(np.float32),
        times=start + np.arange(n) / 2000,
        key_presses=presses,
        user=user,
        name=f"{1_600_000_000 + 1000 * seed}",
    )


def write(folder, *seeds, user="1"):
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{1_600_000_000 + 1000 * seed}.hdf5" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        write_hdf5(path, recording(seed, user))
    return paths


def prepare(path, seed, user="1"):
    place = {"user": user, "session": f"{1_600_000_000 + 1000 * seed}", "source": [], "source_size": 0}
    write_prepared(path, recording(seed, user), **place)
    return path


def n_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux shows them")


def test_hdf5_bids_and_prepared_recordings_are_found_alike(tmp_path):
    write(tmp_path / "hdf5", 0, 1, user="007")
    write_bids(tmp_path / "bids", recording(2, "7"))
    prepare(tmp_path / "prepared" / "a", 3, "7")
    found = gather([tmp_path / "hdf5", tmp_path / "bids"], validation=[tmp_path / "prepared"])
    assert [source.user for source in found.training] == ["7", "7", "7"]
    assert [source.user for source in found.validation] == ["7"]
    assert found.notes == ()
    for source in (*found.training, *found.validation):
        with source.open() as opened:
            assert len(opened.key_presses) == 10


def test_single_recordings_and_one_path_alone_are_taken(tmp_path):
    first, second = write(tmp_path / "hdf5", 0, 1)
    third = prepare(tmp_path / "p", 2)
    assert [source.path for source in gather([first, str(second), third]).training] == [first, second, third]
    assert [source.path for source in gather(str(first)).training] == [first]
    assert [source.path for source in gather(iter([first]), validation=iter([second])).validation] == [second]


@pytest.mark.parametrize("where", ["training", "validation"])
@pytest.mark.parametrize("how", ["again", "through its folder", "by a symlink", "by a link", "through a linked folder"])
def test_a_recording_that_is_given_twice_is_refused_by_whatever_name(tmp_path, how, where):
    (path,) = write(tmp_path / "hdf5", 0)
    (tmp_path / "soft.hdf5").symlink_to(path)
    (tmp_path / "hard.hdf5").hardlink_to(path)
    (tmp_path / "folder").symlink_to(tmp_path / "hdf5")
    other = {
        "again": path,
        "through its folder": tmp_path / "hdf5",
        "by a symlink": tmp_path / "soft.hdf5",
        "by a link": tmp_path / "hard.hdf5",
        "through a linked folder": tmp_path / "folder",
    }[how]
    with pytest.raises(InputError, match="is given twice"):
        gather([path, other]) if where == "training" else gather([path], validation=[other])


def test_a_prepared_recording_that_is_given_twice_is_refused(tmp_path):
    path = prepare(tmp_path / "p" / "a", 0)
    with pytest.raises(InputError, match="is given twice"):
        gather([path], validation=[tmp_path / "p"])


@pytest.mark.parametrize("name", ["missing.hdf5", "x" * 5000, "a\0b"])
def test_a_path_where_nothing_is_is_an_error(tmp_path, name):
    with pytest.raises(InputError, match="there is no "):
        gather([tmp_path / name])


def test_a_folder_without_recordings_is_an_error(tmp_path):
    with pytest.raises(RecordingError, match="there is no recording in it"):
        gather([tmp_path])


def test_what_looks_like_a_recording_and_is_none_is_told_of_with_a_split_too(tmp_path):
    import h5py

    write(tmp_path, 0, 1)
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["x"] = 1
    split = Split("s", train={"1": ("1600000000",)}, validation={"1": ("1600001000",)}, test={}, kind="personal")
    for found in (gather([tmp_path]), gather([tmp_path], split=split)):
        (note,) = found.notes
        assert "other.hdf5" in note
        assert "it has no group" in note


def test_a_split_divides_several_folders_as_one_corpus(tmp_path):
    write(tmp_path / "a", 0, 1)
    prepare(tmp_path / "b" / "2", 2)
    prepare(tmp_path / "b" / "3", 3)
    split = Split("s", train={"1": ("1600000000", "1600002000")}, validation={"1": ("1600003000",)}, test={"1": ("1600009000",)}, kind="personal")  # fmt: skip  # noqa: E501
    found = gather([tmp_path / "a", tmp_path / "b"], split=split)
    assert [source.name for source in found.training] == ["1600000000", "1600002000"]
    assert [source.name for source in found.validation] == ["1600003000"]
    assert found.test == ()
    assert found.notes == (
        "1 of the recordings that the split 's' names are not there (user 1, 1600009000)",
        "1 of the recordings there are in no part of the split 's'",
    )


def test_a_split_refuses_what_would_be_trained_on_and_validated_with_in_another_folder(tmp_path):
    write(tmp_path / "a", 0)
    (path,) = write(tmp_path / "b", 0)
    path.rename(tmp_path / "b" / "1600009000.hdf5")
    split = Split("s", train={"1": ("1600000000",)}, validation={"1": ("1600009000",)}, test={}, kind="personal")
    with pytest.raises(RecordingError, match="have the same samples at the beginning"):
        gather([tmp_path / "a", tmp_path / "b"], split=split)


def test_a_recording_of_a_split_that_is_there_twice_is_refused_also_in_two_folders(tmp_path):
    write(tmp_path / "a", 0)
    prepare(tmp_path / "b" / "0", 0)
    split = Split("s", train={"1": ("1600000000",)}, validation={}, test={})
    with pytest.raises(RecordingError, match="are both recording 1600000000 of user 1"):
        gather([tmp_path / "a", tmp_path / "b"], split=split)
    with pytest.raises(InputError, match="is given twice"):
        gather([tmp_path / "a", tmp_path / "a"], split=split)


def test_a_split_and_other_recordings_to_validate_with_contradict_each_other(tmp_path):
    (path,) = write(tmp_path / "a", 0)
    split = Split("s", train={"1": ("1600000000",)}, validation={}, test={})
    with pytest.raises(InputError, match="a split says what to validate with"):
        gather([tmp_path / "a"], validation=[path], split=split)


def test_a_split_that_finds_nothing_to_train_on_is_an_error(tmp_path):
    write(tmp_path / "a", 0)
    split = Split("s", train={"2": ("1",)}, validation={"1": ("1600000000",)}, test={})
    with pytest.raises(InputError, match="'s' finds nothing to train on"):
        gather([tmp_path / "a"], split=split)


def test_readers_give_what_is_held_and_open_what_lies_in_files(tmp_path):
    (path,) = write(tmp_path, 1)
    held = recording(0)
    readers = Readers([*as_sources([held]), Source("file", "", path)])
    assert len(readers) == 2
    assert readers[0] is held
    assert readers[1] is readers[1]
    np.testing.assert_array_equal(readers[1].emg[:100], recording(1).emg[:100])
    readers.close()
    assert len(held.emg[:5]) == 5
    np.testing.assert_array_equal(readers[1].emg[:100], recording(1).emg[:100])


@needs_proc
def test_readers_hold_a_few_files_open_and_let_go_of_all(tmp_path):
    write(tmp_path / "h", 0)
    paths = [tmp_path / f"{index}.hdf5" for index in range(40)]
    for path in paths:
        shutil.copy(tmp_path / "h" / "1600000000.hdf5", path)
    before = n_files()
    readers = Readers([Source(path.stem, "", path) for path in paths])
    for _ in range(2):
        assert all(one.n_samples == 6000 for one in readers)
        assert n_files() - before <= 32
    readers.close()
    assert n_files() == before
    windows = Windows(Readers([Source("0", "", paths[0])]), length=100)
    assert windows[3].emg.shape == (32, 100)
    del windows
    assert n_files() == before, "files stay open until the garbage is collected"


def in_child(action) -> int:
    """Do something in a process of its own, and give its exit status: 0 where the action is true."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if action() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_opens_its_own_and_leaves_its_parents_alone(tmp_path):
    paths = write(tmp_path, 0, 1)
    readers = Readers([Source(path.stem, "", path) for path in paths])
    opened = readers[0]

    def read_anew() -> bool:
        return readers[0] is not opened and np.array_equal(readers[0].emg[50:90], recording(0).emg[50:90])

    def close() -> bool:
        readers.close()
        return np.array_equal(opened.emg[50:90], recording(0).emg[50:90])

    assert in_child(read_anew) == 0
    assert in_child(close) == 0
    assert readers[0] is opened
    np.testing.assert_array_equal(opened.emg[50:90], recording(0).emg[50:90])


def test_readers_go_to_other_processes_without_what_they_have_opened(tmp_path):
    (path,) = write(tmp_path, 1)
    prepared = prepare(tmp_path / "p", 2)
    sources = [*as_sources([recording(0), recording(3).stretch(1000, 5000)]), Source("h", "", path), Source("p", "", prepared)]  # fmt: skip  # noqa: E501
    windows = Windows(Readers(sources), length=500)
    again = pickle.loads(pickle.dumps(windows))
    assert len(again) == len(windows)
    for index in range(0, len(windows), 5):
        np.testing.assert_array_equal(again[index].emg.numpy(), windows[index].emg.numpy())
        assert again[index].labels.tolist() == windows[index].labels.tolist()


def test_a_file_that_cannot_be_opened_says_so_every_time(tmp_path):
    (tmp_path / "bad.hdf5").write_bytes(b"nothing of the kind")
    readers = Readers([Source("bad", "", tmp_path / "bad.hdf5")])
    for _ in range(2):
        with pytest.raises(RecordingError, match="not an HDF5 file"):
            readers[0]


def test_a_source_closes_what_it_has_opened_and_not_what_is_held(tmp_path):
    (path,) = write(tmp_path, 1)
    with Source("file", "", path).open() as opened:
        assert len(opened.emg[:5]) == 5
    with pytest.raises(RecordingError, match="is closed"):
        opened.emg[:5]
    (held,) = as_sources([recording(0)])
    with held.open() as opened:
        pass
    assert len(opened.emg[:5]) == 5


def test_what_nobody_has_named_is_called_a_recording(tmp_path):
    def fail() -> str:
        from myotype.errors import LabelsError

        raise LabelsError("no name")

    sources = as_sources([Recording(emg=np.zeros((5, 32))), Recording(emg=np.zeros((5, 32)), name=fail, user=fail)])
    assert [source.name for source in sources] == ["a recording", "a recording"]
    assert as_sources(sources) == sources


def test_folders_of_bids_sessions_are_taken(tmp_path):
    write_bids(tmp_path / "bids", recording(2, "7"))
    (entry,) = find_recordings(tmp_path / "bids")
    with pytest.raises(InputError, match="is given twice"):
        gather([entry.path.parent.parent], validation=[entry.path])
