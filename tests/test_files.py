"""Files and folders are either whole or absent."""

from __future__ import annotations

import os

import pytest

from myotype.errors import OutputError
from myotype.files import replacing_file, replacing_folder


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
    with replacing_folder(folder) as temporary:
        (temporary / "after").write_text("after")
    assert [path.name for path in folder.iterdir()] == ["after"]
    assert [*folder.parent.iterdir()] == [folder]


def test_a_folder_is_left_alone_when_writing_fails(folder):
    before = [path.name for path in folder.iterdir()] if folder.exists() else None
    with pytest.raises(UnicodeEncodeError), replacing_folder(folder) as temporary:
        (temporary / "half").write_text("half" * 100_000 + "\ud800")
    assert ([path.name for path in folder.iterdir()] if folder.exists() else None) == before
    assert len([*folder.parent.iterdir()]) == (before is not None)


def test_what_is_written_is_as_readable_as_other_files(tmp_path):
    (tmp_path / "other").touch()
    (tmp_path / "others").mkdir()
    with replacing_file(tmp_path / "file") as temporary:
        temporary.touch()
    with replacing_folder(tmp_path / "folder"):
        pass
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
    with pytest.raises(OutputError, match="a file of that name exists"), replacing_folder(tmp_path / "file"):
        pass
    with pytest.raises(OutputError, match="cannot write"), replacing_file(tmp_path / "file" / "below"):
        pass
