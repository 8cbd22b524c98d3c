"""``myotype data inspect`` as a person uses it."""

from __future__ import annotations

import json

import pytest

from myotype import cli, recordings, simulate
from myotype.recordings import Recording, write_hdf5
from myotype.transcript import KeyPress


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = cli.main(["data", "inspect", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    made = simulate("hello world\nhow are you", start=1_600_000_000.0)
    emg = made.emg[:]
    emg[:, 7] = 0
    keys = [*made.key_presses]
    keys[3] = KeyPress("Key.left", keys[3].down, keys[3].up)
    path = tmp_path_factory.mktemp("recordings") / "one.hdf5"
    other = Recording(emg=emg, times=made.times[:], key_presses=keys, prompts=made.prompts, user="7", name="a session")
    write_hdf5(path, other)
    return path


def test_a_recording_is_described(run, recording):
    code, out, _ = run(recording)
    assert code == 0
    rows = dict(line.split("\t") for line in out.splitlines())
    assert rows["file"] == str(recording)
    assert rows["recording"] == "a session"
    assert rows["user"] == "7"
    assert rows["start"] == "2020-09-13 12:26:40.000+00:00"
    assert rows["condition"] == "on_keyboard"
    assert rows["prompts"] == "2"
    assert rows["keys outside the 98"] == "Key.left (1)"
    assert rows["rms, left band"].split()[7] == "0"
    assert len(rows["rms, right band"].removesuffix(" µV").split()) == 16
    assert "channel 7: one value most of the time" in rows["error: flat-channel"]


def test_a_good_recording_has_no_findings(run, tmp_path):
    write_hdf5(tmp_path / "good.hdf5", simulate(minutes=0.75, speed=5.0))
    assert run(tmp_path / "good.hdf5")[1].splitlines()[-1] == "findings\tnone"


def test_all_that_is_known_is_printed_as_json(run, recording):
    code, out, _ = run(recording, "--json")
    assert code == 0
    known = json.loads(out, parse_constant=pytest.fail)
    assert (known["user"], known["sfreq"], known["start"]) == ("7", 2000.0, 1_600_000_000.0)
    assert known["unknown_keys"] == {"Key.left": 1}
    assert known["rms"][7] == 0.0
    assert "flat-channel" in {found["code"] for found in known["findings"]}
    assert set(known["band_power"]) >= {"20-60", "450-850"}


def test_notes_are_told(run, recording, monkeypatch):
    opened = recordings.open

    def open_with_note(path):
        found = opened(path)
        found.notes = ("the unit was guessed",)
        return found

    monkeypatch.setattr(recordings, "open", open_with_note)
    assert "note\tthe unit was guessed" in run(recording)[1].splitlines()
    assert json.loads(run(recording, "--json")[1])["notes"] == ["the unit was guessed"]


def test_what_is_no_recording_is_an_error(run, tmp_path):
    (tmp_path / "notes.hdf5").write_text("nothing")
    code, out, err = run(tmp_path / "notes.hdf5")
    assert (code, out) == (1, "")
    assert "not an HDF5 file" in err
