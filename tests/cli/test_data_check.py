"""``myotype data check`` as a person uses it."""

from __future__ import annotations

import json
import shutil
import webbrowser
from pathlib import Path

import h5py
import numpy as np
import pytest

from myotype import cli, recordings, simulate
from myotype.recordings import Recording, write_hdf5
from myotype.recordings.quality import CODES


@pytest.fixture
def corpus(tmp_path, written):
    """A folder with a good recording, one with a warning, and one with an error."""
    return Path(shutil.copytree(written, tmp_path / "corpus"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    good, root = simulate(minutes=0.75, speed=5.0), tmp_path_factory.mktemp("corpus")
    noisy, flat = good.emg[:], good.emg[:]
    noisy[:, 9] = 8 * np.random.default_rng(0).standard_normal(len(noisy))
    flat[:, 7] = 0
    for name, emg in (("a-good", good.emg[:]), ("b-noisy", noisy), ("c-flat", flat)):
        recording = Recording(
            emg=emg, times=good.times[:], key_presses=good.key_presses, user="7", name=name, prompts=good.prompts
        )
        write_hdf5(root / f"{name}.hdf5", recording)
    return root


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = cli.main(["data", "check", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def table_of(out):
    return [line.split("\t") for line in out.split("\n\n")[0].splitlines()]


def test_a_folder_is_checked_and_its_errors_are_the_exit_code(run, corpus):
    code, out, err = run(corpus)
    assert code == 1
    header, *rows = table_of(out)
    assert header == ["recording", "user", "minutes", "keys", "keys/s", "rms", "findings"]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        (str(corpus / "a-good.hdf5"), "7", "none"),
        (str(corpus / "b-noisy.hdf5"), "7", "dead-channel"),
        (str(corpus / "c-flat.hdf5"), "7", "flat-channel"),
    ]
    assert "b-noisy.hdf5\twarning\tdead-channel\tchannel 9: nothing of what other electrodes show" in out
    assert "3 checked: 1 with errors, 1 with warnings only" in err


def test_warnings_are_the_exit_code_only_where_asked_for(run, corpus):
    files = [corpus / "a-good.hdf5", corpus / "b-noisy.hdf5"]
    assert run(*files)[0] == 0
    assert run(*files, "--strict")[0] == 1
    assert run(files[0], "--strict")[0] == 0


def test_findings_are_left_out_by_code(run, corpus):
    code, out, _ = run(corpus, "--ignore", "flat-channel", "dead-channel")
    assert code == 0
    assert [row[-1] for row in table_of(out)[1:]] == ["none"] * 3


def test_a_code_that_does_not_exist_is_misuse_and_nothing_is_read(run, corpus):
    code, out, err = run(corpus, "--ignore", "flat-chanel")
    assert (code, out) == (2, "")
    assert "'flat-channel' is one" in err


def test_what_cannot_be_read_is_a_finding_and_the_rest_goes_on(run, corpus):
    whole = (corpus / "a-good.hdf5").read_bytes()
    (corpus / "a-cut.hdf5").write_bytes(whole[: len(whole) // 2])
    code, out, _ = run(corpus, "--ignore", "flat-channel")
    assert code == 1
    assert {Path(row[0]).name: row[-1] for row in table_of(out)[1:]} == {
        "a-cut.hdf5": "unreadable",
        "a-good.hdf5": "none",
        "b-noisy.hdf5": "dead-channel",
        "c-flat.hdf5": "none",
    }
    assert run(corpus, "--ignore", "flat-channel", "unreadable")[0] == 0


def test_a_file_that_is_absent_is_a_finding(run, tmp_path):
    code, out, _ = run(tmp_path / "absent.hdf5")
    assert code == 1
    assert "unreadable" in out


def test_strays_are_told(run, corpus, tmp_path):
    with h5py.File(corpus / "notes.hdf5", "w") as file:
        file["notes"] = 1
    _, out, err = run(corpus, "--html", tmp_path / "page.html")
    assert "notes" not in out
    assert "notes.hdf5: not counted as a recording" in err
    assert "notes.hdf5" in (tmp_path / "page.html").read_text()


def test_a_recording_named_twice_is_checked_once(run, corpus):
    _, out, _ = run(corpus, corpus / "a-good.hdf5")
    assert len(table_of(out)) == 4


def test_each_recording_is_printed_as_json_on_request(run, corpus):
    code, out, _ = run(corpus, "--json")
    assert code == 1
    known = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert [one["name"] for one in known] == ["a-good", "b-noisy", "c-flat"]
    (finding,) = known[1]["findings"]
    assert (finding["code"], finding["severity"], finding["channels"]) == ("dead-channel", "warning", [9])
    assert known[0]["path"] == str(corpus / "a-good.hdf5")
    assert len(known[0]["rms"]) == 32


def test_the_page_is_written_and_opened(run, corpus, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    page = tmp_path / "new" / "page.html"
    _, _, err = run(corpus, "--html", page, "--open")
    assert opened == [page.resolve().as_uri()]
    assert f"{page}: a page of" in err
    text = page.read_text()
    for name in ("a-good", "b-noisy", "c-flat"):
        assert f"<bdi>{name}</bdi></h2>" in text


def test_a_folder_as_page_is_refused_before_anything_is_read(run, corpus, tmp_path):
    code, out, err = run(corpus, "--html", tmp_path)
    assert (code, out) == (1, "")
    assert "is a folder: name the file" in err


def test_notes_are_told(run, corpus, tmp_path, monkeypatch):
    opened = recordings.open

    def open_with_note(path):
        recording = opened(path)
        recording.notes = ("the <unit> was guessed",)
        return recording

    monkeypatch.setattr(recordings, "open", open_with_note)
    code, out, _ = run(corpus / "a-good.hdf5", "--html", tmp_path / "page.html")
    assert code == 0
    assert f"{corpus / 'a-good.hdf5'}\tnote\t\tthe <unit> was guessed" in out
    assert "the &lt;unit&gt; was guessed" in (tmp_path / "page.html").read_text()


def test_to_open_a_page_it_has_to_be_written(run, corpus):
    code, _, err = run(corpus, "--open")
    assert code == 2
    assert "--html" in err


def test_without_paths_there_is_nothing_to_do(run):
    code, _, err = run()
    assert code == 2
    assert "name at least one recording" in err


def test_the_codes_are_told(run):
    code, out, _ = run("--codes")
    assert code == 0
    assert [tuple(line.split("\t")) for line in out.splitlines()[1:]] == [(name, *code) for name, code in CODES.items()]
