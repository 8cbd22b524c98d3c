"""Preparing corpora: resumed, in parallel, interrupted, and never half."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from myotype.errors import InputError, MissingExtraError, OutputError
from myotype.recordings import Recording, write_hdf5
from myotype.recordings import open as open_recording
from myotype.recordings.corpus import Entry, find_recordings
from myotype.recordings.prepared import layout
from myotype.recordings.prepared.preparing import prepare
from myotype.recordings.prepared.reading import open_prepared
from myotype.transcript import KeyPress

STEP = 13200 / 4096


def record(path: Path, seed: int, n_samples: int = 3000) -> Entry:
    emg = np.random.default_rng(seed).integers(-2048, 2048, (n_samples, 32)) * np.float32(STEP)
    times = 1600000000.25 + np.arange(n_samples) / 2000
    presses = [KeyPress("a", times[50 * i], times[50 * i] + 0.1) for i in range(n_samples // 50)]
    recording = Recording(emg=emg, times=times, key_presses=presses, user=str(seed % 2), name=path.stem)
    write_hdf5(path, recording)
    return Entry(path, "hdf5", str(seed % 2), path.stem)


@pytest.fixture
def entries(tmp_path):
    return [record(tmp_path / "source" / f"16000000{seed:02}.hdf5", seed) for seed in range(4)]


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def states(outcomes):
    return [outcome.state for outcome in outcomes]


def assert_same(entries, cache):
    found = find_recordings(cache)
    assert not found.strays
    assert {(entry.user, entry.session) for entry in found} == {(entry.user, entry.session) for entry in entries}
    for entry in entries:
        with open_recording(entry.path) as source, open_prepared(cache / entry.user / entry.session) as recording:
            assert recording.emg[:].tobytes() == source.emg[:].tobytes()
            assert recording.times[:].tobytes() == source.times[:].tobytes()
            assert recording.key_presses == source.key_presses


def test_a_corpus_is_prepared_and_then_kept(entries, cache):
    told = []
    outcomes = prepare(entries, cache, progress=told.append)
    assert states(outcomes) == ["prepared"] * 4
    assert [outcome.entry.path for outcome in outcomes] == [entry.path for entry in entries]
    assert told == list(outcomes)
    assert_same(entries, cache)
    before = {file: file.stat().st_mtime_ns for file in cache.rglob("*.*")}
    assert states(prepare(entries, cache)) == ["kept"] * 4
    assert {file: file.stat().st_mtime_ns for file in cache.rglob("*.*")} == before


def test_only_recordings_whose_source_has_changed_are_prepared_again(entries, cache):
    prepare(entries, cache)
    entries[1] = record(entries[1].path, 7)
    assert states(prepare(entries, cache)) == ["kept", "prepared", "kept", "kept"]
    assert_same(entries, cache)


def test_another_precision_prepares_anew(entries, cache):
    prepare(entries[:1], cache)
    (outcome,) = prepare(entries[:1], cache, precision="float32")
    assert (outcome.state, outcome.meta.stored) == ("prepared", "float32")
    assert_same(entries[:1], cache)


def test_what_is_damaged_is_prepared_again(entries, cache):
    outcomes = prepare(entries, cache)
    folders = [cache / entry.user / entry.session for entry in entries]
    (folders[0] / layout.EMG).unlink()
    (folders[1] / layout.META).write_text("{")
    content = (folders[2] / layout.EMG).read_bytes()
    (folders[2] / layout.EMG).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert states(prepare(entries, cache)) == ["prepared", "prepared", "kept", "kept"], "sizes are looked at, always"
    again = prepare(entries, cache, verified=True)
    assert states(again) == ["kept", "kept", "prepared", "kept"], "and checksums when asked for"
    assert [outcome.meta for outcome in again] == [outcome.meta for outcome in outcomes]
    assert_same(entries, cache)


def test_a_recording_that_fails_does_not_hold_up_the_others(entries, cache):
    entries[1].path.write_bytes(b"not HDF5")
    entries[2].path.unlink()
    outcomes = prepare(entries, cache)
    assert states(outcomes) == ["prepared", "failed", "failed", "prepared"]
    assert "not an HDF5 file" in outcomes[1].problem
    assert str(entries[2].path) in outcomes[2].problem
    assert_same([entries[0], entries[3]], cache)


def test_several_processes_give_the_same(entries, cache):
    outcomes = prepare(entries, cache, jobs=2)
    assert states(outcomes) == ["prepared"] * 4
    assert_same(entries, cache)
    alone = prepare(entries, cache.with_name("alone"))
    assert [outcome.meta for outcome in outcomes] == [outcome.meta for outcome in alone]


def test_a_cluster_gives_the_same(entries, cache):
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    entries[3].path.write_bytes(b"not HDF5")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(host="127.0.0.1", protocol="tcp", **options) as cluster:
        outcomes = prepare(entries, cache, cluster=cluster.scheduler_address)
    assert states(outcomes) == ["prepared", "prepared", "prepared", "failed"]
    assert_same(entries[:3], cache)


def test_a_missing_extra_and_a_missing_cluster_are_named(entries, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"myotype\[cluster\]"):
        prepare(entries, cache, cluster="tcp://127.0.0.1:9")


def test_no_cluster_at_an_address_is_said(entries, cache, monkeypatch):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    monkeypatch.setattr("myotype.recordings.prepared.preparing._CONNECTING", 0.2)
    with pytest.raises(InputError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:9"):
        prepare(entries, cache, cluster="tcp://127.0.0.1:9")


@pytest.mark.parametrize("label", ["..", ".", "", "a/b", ".hidden", "a:b\0", "é\udc80"])
def test_names_stay_within_the_cache(entries, cache, label):
    entry = dataclasses.replace(entries[0], user=label, session=label)
    prepare([entry], cache)
    (found,) = find_recordings(cache)
    assert (found.user, found.session) == (label, label)
    assert found.path.parents[1] == cache
    assert sorted(path.name for path in cache.parent.iterdir()) == ["cache", "source"]


def test_two_recordings_of_one_name_are_refused(entries, cache):
    twin = dataclasses.replace(entries[1], user=entries[0].user, session=entries[0].session)
    with pytest.raises(InputError, match="both called user 0, session 1600000000"):
        prepare([entries[0], twin], cache)
    assert not cache.exists()


def test_nothing_and_no_process_are_refused(entries, cache):
    with pytest.raises(InputError, match="no recordings"):
        prepare([], cache)
    with pytest.raises(InputError, match="0 processes"):
        prepare(entries, cache, jobs=0)


def test_two_runs_do_not_write_to_one_cache(entries, cache):
    cache.mkdir()
    with FileLock(cache / ".lock"), pytest.raises(OutputError, match="another run"):
        prepare(entries, cache)
    assert states(prepare(entries[:1], cache)) == ["prepared"]


def test_what_a_killed_run_has_left_is_cleared_away(entries, cache):
    left = cache / "0" / ".myotype-abc.part"
    left.mkdir(parents=True)
    (left / layout.EMG).write_bytes(b"half")
    prepare(entries[:1], cache)
    assert not left.exists()


def test_what_older_code_has_read_is_prepared_again(entries, cache, monkeypatch):
    prepare(entries[:1], cache)
    assert states(prepare(entries[:1], cache)) == ["kept"]
    monkeypatch.setattr("myotype.recordings.prepared.sources._READING", 1)
    assert states(prepare(entries[:1], cache)) == ["prepared"]


def test_a_folder_of_somebody_fails_alone_and_what_systems_leave_in_one_does_no_harm(entries, cache):
    prepare(entries, cache)
    for which, name in ((0, ".DS_Store"), (1, "._emg.npy"), (2, "notes.txt")):
        entry = entries[which]
        (cache / entry.user / entry.session / name).touch()
        (cache / entry.user / entry.session / layout.META).write_text("{")
    outcomes = prepare(entries, cache)
    assert states(outcomes) == ["prepared", "prepared", "failed", "kept"]
    assert "other things in it (notes.txt)" in outcomes[2].problem


def test_a_cache_that_cannot_be_written_ends_the_run(entries, cache, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        prepare(entries, tmp_path / "file")
    cache.mkdir()
    (cache / "0").touch()
    with pytest.raises(OutputError, match="cannot write"):
        prepare(entries, cache)
    with pytest.raises(OutputError, match="cannot write"):
        prepare(entries, cache, jobs=2)


def test_the_sidecars_of_a_bids_recording_belong_to_its_source(tmp_path):
    from myotype.recordings.prepared.sources import identify

    folder = tmp_path / "sub-1" / "ses-1" / "emg"
    folder.mkdir(parents=True)
    for file in (folder / "a_emg.bdf", folder / "a_events.tsv", tmp_path / "task-typing_emg.json"):
        file.write_bytes(b"12345")
    (tmp_path / "participants.tsv").touch()  # changes with every person that comes
    before, size = identify(folder / "a_emg.bdf")
    assert [name for name, *_ in before] == ["read by version", "a_emg.bdf", "a_events.tsv", "task-typing_emg.json"]
    assert size == 10
    assert identify(folder) == (before, size)
    (tmp_path / "task-typing_emg.json").write_bytes(b"123")
    assert identify(folder)[0] != before


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from myotype.recordings.corpus import Entry
from myotype.recordings.prepared.preparing import prepare

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what they run in the background ignore it
    source, cache, jobs = sys.argv[1:]
    entries = [Entry(path, "hdf5", "1", path.stem) for path in sorted(Path(source).glob("*.hdf5"))]

    def tell(outcome):
        print(outcome.state, flush=True)
        time.sleep(0.1)  # so that there is a run to interrupt, however late this is read

    prepare(entries, cache, jobs=int(jobs), progress=tell)
"""


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("longer")
    return [record(folder / f"{seed}.hdf5", 2 * seed + 1, 80_000) for seed in range(16)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("jobs", "number"), [(1, signal.SIGTERM), (2, signal.SIGTERM), (2, signal.SIGINT), (2, signal.SIGKILL)]
)
def test_an_interrupted_run_leaves_whole_recordings_and_goes_on(longer, cache, jobs, number):
    entries, source = longer, longer[0].path.parent
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(source), str(cache), str(jobs)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "prepared\n"
        process.send_signal(number)
        process.wait(timeout=20)
    assert process.returncode not in (0, 1)
    deadline = time.monotonic() + 10
    while number == signal.SIGKILL and children_of(cache) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not children_of(cache), "processes go on without their parent"
    if number != signal.SIGKILL:
        assert not list(cache.glob("*/.*")), "temporary folders are left"
    found = find_recordings(cache)
    assert not found.strays
    assert 1 <= len(found) < len(entries)
    outcomes = prepare(entries, cache, verified=True)
    assert states(outcomes).count("kept") == len(found)
    assert states(outcomes).count("failed") == 0
    assert not list(cache.glob("*/.*"))
    assert_same(entries, cache)


def children_of(cache: Path) -> list[int]:
    """Give the processes that hold a file of the cache open."""
    holding = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(link.readlink()) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        if process.name != str(os.getpid()) and any(link.startswith(str(cache)) for link in links):
            holding.append(int(process.name))
    return holding
