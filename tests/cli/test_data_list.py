"""``myotype data list`` as a person uses it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from myotype import cli
from myotype.recordings import Recording, write_hdf5
from myotype.recordings.bids.writing import write_bids
from myotype.transcript import KeyPress


def recording(user, n_keys, start=1.6e9):
    presses = tuple(KeyPress("a", start + 0.1 * at, start + 0.1 * at + 0.05) for at in range(n_keys))
    return Recording(
        emg=np.ones((12_000, 32)),
        times=start + np.arange(12_000) / 2000,
        key_presses=presses,
        user=user,
        name=f"{start:.0f}",
    )


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = cli.main(["data", "list", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def root(tmp_path):
    write_hdf5(tmp_path / "1600000000.hdf5", recording("123", 30))
    write_hdf5(tmp_path / "1600000100.hdf5", recording("123", 10, 1.6e9 + 100))
    write_bids(tmp_path, recording("456", 20))
    return tmp_path


def rows(out):
    return [line.split("\t") for line in out.splitlines()]


def test_people_are_listed_with_what_they_typed(run, root):
    code, out, err = run(root)
    assert (code, err) == (0, "")
    assert rows(out) == [
        ["user", "recordings", "minutes", "keystrokes", "keys/s", "form"],
        ["123", "2", "0.2", "40", "3.33", "hdf5"],
        ["456", "1", "0.1", "20", "3.33", "bids"],
        ["2 people", "3", "0.3", "60", "3.33", ""],
    ]


def test_recordings_are_listed_one_by_one(run, root):
    code, out, _ = run(root, "--recordings")
    assert code == 0
    assert rows(out)[1:] == [
        ["123", "1600000000", "0.1", "30", "5.00", "hdf5"],
        ["123", "1600000100", "0.1", "10", "1.67", "hdf5"],
        ["456", "1600000000", "0.1", "20", "3.33", "bids"],
        ["2 people", "3", "0.3", "60", "3.33", ""],
    ]


def test_all_that_is_known_is_printed_as_json(run, root):
    code, out, _ = run(root, "--json")
    known = json.loads(out)
    assert code == 0
    assert known["people"] == 2
    assert known["total"] == {"recordings": 3, "minutes": pytest.approx(0.3), "keystrokes": 60}
    assert [one["form"] for one in known["recordings"]] == ["hdf5", "hdf5", "bids"]
    assert known["strays"] == known["unreadable"] == []


def test_strays_are_told_of_and_not_counted(run, root):
    (root / "mine.bdf").write_bytes(b"")
    code, out, err = run(root)
    assert code == 0
    assert rows(out)[-1][:2] == ["2 people", "3"]
    assert "mine.bdf is not counted: its name is none of BIDS" in err


def test_what_cannot_be_read_is_told_of_and_the_rest_goes_on(run, root):
    (root / "bad.hdf5").write_bytes(b"x" * 100)
    (path,) = root.glob("sub-*/ses-*/emg/*_events.tsv")
    path.unlink()
    code, out, err = run(root)
    assert code == 1
    assert "bad.hdf5: this is not an HDF5 file" in err
    assert "events.tsv is missing" in err
    assert ["456", "1", "0.1", "?", "?", "bids"] in rows(out)
    assert rows(out)[-1] == ["2 people", "3", "0.3", "40", "2.22", ""]


def test_no_folder_is_an_error(run, tmp_path):
    code, _, err = run(tmp_path / "x")
    assert code == 1
    assert "there is no folder" in err
