"""Files and folders are either whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from myotype.errors import OutputError
from myotype.files import alone_in, replacing_file, replacing_folder

MAY_HOLD = frozenset({"before", "after"})


@pytest.fixture(params=["new", "old"])
def file(request, tmp_path):
    path = tmp_path / "deep" / "file.txt"
    if request.param == "old":
        path.parent.mkdir()
        path.write_text("before")
    return path


@pytest.fixture(params=["new", "old"])
def folder(request, tmp_path):
    path = tmp_path / "deep" / "folder"
    if request.param == "old":
        path.mkdir(parents=True)
        (path / "before").write_text("before")
    return path


def test_a_file_appears_when_it_is_whole(file):
    before = file.exists()
    with replacing_file(file) as temporary:
        temporary.write_text("after")
        assert file.exists() == before
    assert file.read_text() == "after"
    assert [*file.parent.iterdir()] == [file]


def test_a_file_is_left_alone_when_writing_fails(file):
    before = file.read_text() if file.exists() else None
    with pytest.raises(UnicodeEncodeError), replacing_file(file) as temporary:
        temporary.write_text("half" * 100_000 + "\ud800")
    assert (file.read_text() if file.exists() else None) == before
    assert len([*file.parent.iterdir()]) == (before is not None)


def test_a_folder_appears_when_it_is_whole_and_replaces_the_old_one(folder):
    with replacing_folder(folder, MAY_HOLD) as temporary:
        (temporary / "after").write_text("after")
    assert [path.name for path in folder.iterdir()] == ["after"]
    assert [*folder.parent.iterdir()] == [folder]


def test_a_folder_is_left_alone_when_writing_fails(folder):
    before = [path.name for path in folder.iterdir()] if folder.exists() else None
    with pytest.raises(UnicodeEncodeError), replacing_folder(folder, MAY_HOLD) as temporary:
        (temporary / "half").write_text("half" * 100_000 + "\ud800")
    assert ([path.name for path in folder.iterdir()] if folder.exists() else None) == before
    assert len([*folder.parent.iterdir()]) == (before is not None)


def test_what_is_written_is_as_readable_as_other_files(tmp_path):
    (tmp_path / "other").touch()
    (tmp_path / "others").mkdir()
    with replacing_file(tmp_path / "file") as temporary:
        temporary.touch()
    with replacing_folder(tmp_path / "folder", MAY_HOLD) as temporary:
        handle, _ = tempfile.mkstemp(dir=temporary)  # for its owner's eyes only
        os.close(handle)
    (inside,) = (tmp_path / "folder").iterdir()
    assert inside.stat().st_mode == (tmp_path / "other").stat().st_mode
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert (tmp_path / "folder").stat().st_mode == (tmp_path / "others").stat().st_mode


def test_a_failing_disk_is_an_output_error_that_names_the_target(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*file: No space left"), replacing_file(tmp_path / "file"):
        raise OSError(28, os.strerror(28))
    assert not [*tmp_path.iterdir()]


def test_a_folder_is_not_replaced_by_a_file_nor_a_file_by_a_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="it is a folder"), replacing_file(tmp_path / "folder"):
        pass
    with pytest.raises(OutputError, match="a file of that name exists"), replacing_folder(tmp_path / "file", MAY_HOLD):
        pass
    with pytest.raises(OutputError, match="cannot write"), replacing_file(tmp_path / "file" / "below"):
        pass


def test_a_folder_with_other_things_in_it_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1").write_text("years of work")
    with (
        pytest.raises(OutputError, match=r"other things in it \(chapter1\): choose a new one"),
        replacing_folder(tmp_path / "thesis", MAY_HOLD),
    ):
        pass
    assert (tmp_path / "thesis" / "chapter1").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


def test_what_systems_leave_in_folders_is_nobodys(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in (".DS_Store", "._before", "Thumbs.db"):
        (folder / name).touch()
    with replacing_folder(folder, MAY_HOLD) as temporary:
        (temporary / "after").touch()
    assert [path.name for path in folder.iterdir()] == ["after"]


def test_one_process_at_a_time_is_alone_in_a_folder(tmp_path):
    code = f"""
from myotype.errors import OutputError
from myotype.files import alone_in
try:
    with alone_in({str(tmp_path / "shared")!r}):
        print("alone")
except OutputError as error:
    print(error)
"""

    def other():
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    with alone_in(tmp_path / "shared"), alone_in(tmp_path / "shared"):
        assert "shared: another run is writing there: wait until it is done" in other()
    assert other() == "alone\n"


def test_what_a_killed_run_has_left_is_cleared_away_where_it_may_be(tmp_path):
    left = [tmp_path / ".myotype-a.part", tmp_path / "one" / ".myotype-b.old", tmp_path / "one" / "two" / ".myotype-c"]
    for folder in left:
        folder.mkdir(parents=True)
    (tmp_path / "one" / ".myotype-file.part").touch()
    with alone_in(tmp_path):
        assert all(folder.exists() for folder in left)
    with alone_in(tmp_path, unfinished=("*",)):
        assert [folder.exists() for folder in left] == [True, False, True]
        assert not (tmp_path / "one" / ".myotype-file.part").exists()


def test_a_link_to_a_folder_stays_a_link_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "before").touch()
    (tmp_path / "link").symlink_to("real")
    with replacing_folder(tmp_path / "link", MAY_HOLD) as temporary:
        (temporary / "after").touch()
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["after"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_an_interrupt_between_the_two_renames_brings_the_old_folder_back(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "before").touch()
    rename = Path.rename

    def interrupted(self, target):
        if self.suffix == ".part":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "folder", MAY_HOLD):
        pass
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["before"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("renames", [1, 2])
def test_an_interrupt_right_after_a_rename_loses_neither_folder_and_leaves_nothing_else(tmp_path, monkeypatch, renames):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "before").touch()
    rename, done = Path.rename, []

    def interrupted(self, target):
        rename(self, target)
        done.append(target)
        if len(done) == renames:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "folder", MAY_HOLD) as temporary:
        (temporary / "after").touch()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [{1: "before", 2: "after"}[renames]]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_an_error_about_another_file_is_not_blamed_on_the_target(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"), replacing_file(tmp_path / "file"):
        (tmp_path / "absent").read_text()
    assert not [*tmp_path.iterdir()]


def test_a_name_as_long_as_names_may_be_can_be_written(tmp_path):
    with replacing_file(tmp_path / ("n" * 255)) as temporary:
        temporary.touch()
    assert len([*tmp_path.iterdir()]) == 1
