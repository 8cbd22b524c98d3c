"""``myotype data prepare`` as a person uses it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from myotype import cli
from myotype.recordings import Recording, write_hdf5
from myotype.recordings import open as open_recording
from myotype.recordings.corpus import find_recordings


def record(path: Path, *, n_samples: int = 3000, step: float = 13200 / 4096) -> None:
    emg = np.random.default_rng(1).integers(-2048, 2048, (n_samples, 32)) * np.float32(step)
    write_hdf5(path, Recording(emg=emg, times=1.6e9 + np.arange(n_samples) / 2000, user="3", name=path.stem))


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = cli.main(["data", "prepare", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def source(tmp_path):
    for name in ("1600000000", "1600000001"):
        record(tmp_path / "source" / f"{name}.hdf5")
    return tmp_path / "source"


def test_a_corpus_is_prepared_and_kept_the_next_time(run, source, tmp_path):
    code, out, _ = run(source, "-o", tmp_path / "cache", "--jobs", 1)
    shown = dict(line.split("\t") for line in out.splitlines())
    assert code == 0
    assert (shown["prepared"], shown["kept"], shown["failed"]) == ("2", "0", "0")
    assert shown["stored as"] == "int16: 2"
    assert shown["largest error"] == "0 microvolts"
    assert "of the source" in shown["cache"]
    assert "times real time" in shown["speed"]
    assert len(find_recordings(tmp_path / "cache")) == 2

    code, out, _ = run(source, "-o", tmp_path / "cache", "--jobs", 1, "--verify")
    shown = dict(line.split("\t") for line in out.splitlines())
    assert code == 0
    assert (shown["prepared"], shown["kept"]) == ("0", "2")
    assert "speed" not in shown


def test_the_cache_may_lie_among_the_recordings(run, source):
    for kept in ("0", "2"):
        code, out, err = run(source, "-o", source / "cache", "--jobs", 1)
        assert (code, err.count("not counted")) == (0, 0)
        assert f"kept\t{kept}" in out


def test_json_says_all_of_it(run, source, tmp_path):
    (source / "1600000002.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n cut off")
    code, out, err = run(source, "-o", tmp_path / "cache", "--jobs", 1, "--json", "--precision", "float32")
    done = json.loads(out)
    assert code == 1, "one has failed"
    assert "not prepared" in err
    assert list(done["failed"]) == [str(source / "1600000002.hdf5")]
    assert (done["recordings"], done["prepared"], done["kept"]) == (2, 2, 0)
    assert done["stored_as"] == {"float32": 2}
    assert done["minutes"] == pytest.approx(6000 / 2000 / 60)
    assert done["cache_bytes"] == sum(
        file.stat().st_size
        for file in (tmp_path / "cache").rglob("*")
        if file.is_file() and file.name not in (".lock", "recording.json")
    )
    assert done["source_bytes"] == sum((source / f"160000000{i}.hdf5").stat().st_size for i in (0, 1))


def test_what_transcribes_and_trains_reads_the_cache(run, source, tmp_path):
    run(source, "-o", tmp_path / "cache", "--jobs", 1)
    with (
        open_recording(tmp_path / "cache" / "3" / "1600000000") as prepared,
        open_recording(source / "1600000000.hdf5") as original,
    ):
        assert prepared.emg[:].tobytes() == original.emg[:].tobytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["source", "-o", "cache", "--jobs", "0"], 2, "0 processes"),
        (["nowhere", "-o", "cache"], 1, "there is no folder nowhere"),
        (["source", "-o", "source/1600000000.hdf5"], 1, "cannot write"),
        (["source", "-o", "cache", "--precision", "int8"], 2, "int8"),
    ],
)
def test_misuse_is_said(run, source, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    result, _, err = run(*arguments)
    assert (result, message in err) == (code, True), err


def test_a_cache_is_not_prepared_again(run, source, tmp_path):
    run(source, "-o", tmp_path / "cache", "--jobs", 1)
    code, _, err = run(tmp_path / "cache", "-o", tmp_path / "other")
    assert (code, "prepared already" in err) == (2, True)


@pytest.mark.slow
def test_a_terminated_command_leaves_no_half_recordings(tmp_path):
    for index in range(4):
        record(tmp_path / "source" / f"{index}.hdf5", n_samples=100_000)
    arguments = ["data", "prepare", str(tmp_path / "source"), "-o", str(tmp_path / "cache"), "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "myotype", *arguments], stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    with process:
        while process.poll() is None and not list((tmp_path / "cache").glob("*/.myotype-*/emg.npy")):
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGTERM)  # as a cluster's scheduler or a closing terminal does: to all at once
        _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in err
    assert not list((tmp_path / "cache").glob("*/.*"))
