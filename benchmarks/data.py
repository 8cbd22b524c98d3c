#!/usr/bin/env python3
"""How fast training windows are read, from HDF5 and from the prepared cache, on one core; and how large both are.

A window has 4 s and a second of context, 10,000 samples of 32 channels, with its labels, and comes from any recording
at random; files are in the system's cache. The recordings are simulated, of 12 bits.
Usage: python benchmarks/data.py [--recordings 8] [--minutes 10] [--folder FOLDER].
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import dataclasses
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py

from myotype import simulate
from myotype.recordings import Recording, write_hdf5
from myotype.recordings.corpus import Entry, find_recordings
from myotype.recordings.hdf5 import DATASET, GROUP
from myotype.recordings.prepared.layout import META, read_meta

RUNS = 7
PEAK_MEMORY = """
def peak_memory():  # of this process alone: what resource says includes that of the one that started it
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
"""
CORPUS = 1135  # recordings of the emg2qwerty data


def write_contiguous(source: Path, target: Path) -> None:
    """Write an HDF5 recording without compression and chunks."""
    with h5py.File(source, "r") as compressed, h5py.File(target, "w") as plain:
        group = plain.create_group(GROUP)
        group.attrs.update(compressed[GROUP].attrs)
        group.create_dataset(DATASET, data=compressed[GROUP][DATASET][:])


def rates(
    read: Callable[[tuple[int, int]], object], items: Sequence[tuple[int, int]]
) -> tuple[list[float], list[float]]:
    """Read items in several runs; give the items a second of each, by the clock and by the core's time."""
    for item in items:
        read(item)
    by_clock, by_core = [], []
    for _ in range(RUNS):
        began, began_core = time.perf_counter(), time.process_time()
        for item in items:
            read(item)
        by_clock.append(len(items) / (time.perf_counter() - began))
        by_core.append(len(items) / (time.process_time() - began_core))
    return by_clock, by_core


def shown(values: list[float]) -> str:
    """Give the median and the range."""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def measure_windows(name: str, recordings: Sequence[Recording], n_windows: int) -> None:
    """Measure and print how fast windows are read, one by one and in batches."""
    from torch.utils.data import DataLoader

    from myotype.training.sampling import Draw, Drawing, TrainingWindows
    from myotype.training.windows import Batch, Windows

    began = time.perf_counter()
    windows = Windows(recordings, length=8000, context=(1800, 200))
    opening = time.perf_counter() - began
    items = list(TrainingWindows([0] * len(windows), 1, Drawing(shift=windows.stride, seed=1)))[:n_windows]
    by_clock, by_core = rates(windows.__getitem__, items)
    print(f"| {name}: windows a second | {shown(by_clock)} | {shown(by_core)} a second of the core's own time |")

    def read_batches(sampler: list[Draw]) -> None:
        for _ in DataLoader(windows, batch_size=32, sampler=sampler, collate_fn=Batch.of):
            pass

    read_batches(items)
    began, began_core = time.perf_counter(), time.process_time()
    read_batches(items)
    seconds, core_seconds = time.perf_counter() - began, time.process_time() - began_core
    print(f"| the same, in batches of 32 | {len(items) / seconds:,.0f} | {len(items) / core_seconds:,.0f} |")
    print(f"| the same: labels of {len(recordings)} recordings placed | {1e3 * opening:,.1f} ms | |")


def size_of(paths: Sequence[Path]) -> int:
    """Give the bytes of files and of what is in folders."""
    return sum(file.stat().st_size for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))


def prepare_apart(source: Path, cache: Path) -> None:
    """Prepare in a process of its own, and print its speed and memory."""
    code = f"""
import time
from myotype.recordings.corpus import find_recordings
from myotype.recordings.prepared.preparing import prepare
entries = find_recordings({str(source)!r}).entries
before = peak_memory()
began, core = time.perf_counter(), time.process_time()
outcomes = prepare(entries, {str(cache)!r})
seconds, core = time.perf_counter() - began, time.process_time() - core
assert all(outcome.meta.stored == "int16" for outcome in outcomes)
signal = sum(outcome.meta.n_samples / outcome.meta.sfreq for outcome in outcomes)
size = sum(outcome.meta.n_samples * 136 for outcome in outcomes)
peak = peak_memory()
print(f"| prepare from {source.name} HDF5, one process | {{signal / seconds:,.0f}}x real time, "
      f"{{size / seconds / 1e6:,.0f}} MB/s of uncompressed data | {{signal / core:,.0f}}x by the core's own time; "
      f"peak memory {{peak / 1024:,.0f}} MB, {{(peak - before) / 1024:,.0f}} above the imports |")
"""
    subprocess.run([sys.executable, "-c", PEAK_MEMORY + code], check=True)  # noqa: S603


def measure_opening(folder: Path, original: Path) -> None:
    """Open a corpus of as many recordings as the emg2qwerty data have, in a process of its own; all share files."""
    corpus = folder / "many"
    meta = read_meta(original)
    for index in range(CORPUS):
        target = corpus / "1" / str(index)
        target.mkdir(parents=True)
        for name in meta.files:
            (target / name).hardlink_to(original / name)
        (target / META).write_text(dataclasses.replace(meta, session=str(index)).to_json())
    code = f"""
import time
from pathlib import Path
from myotype.recordings.corpus import find_recordings
from myotype.training.windows import Windows
before = peak_memory()
began = time.perf_counter()
corpus = find_recordings({str(corpus)!r})
found = time.perf_counter()
recordings = [entry.open() for entry in corpus]
opened = time.perf_counter()
windows = Windows(recordings, length=8000, context=(1800, 200))
placed = time.perf_counter()
memory = peak_memory() - before
print(f"| {{len(corpus):,}} prepared recordings, {{len(windows):,}} windows | found in {{found - began:.2f}} s, "
      f"opened in {{opened - found:.2f}} s, labels placed in {{placed - opened:.2f}} s | {{memory / 1024:,.0f}} MB |")
"""
    subprocess.run([sys.executable, "-c", PEAK_MEMORY + code], check=True)  # noqa: S603


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, help="where to write; some GB")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=wanted.folder) as name:
        folder = Path(name)
        sources = {kind: folder / kind for kind in ("gzip", "contiguous")}
        for path in sources.values():
            path.mkdir()
        for seed in range(wanted.recordings):
            file = f"16{seed:08}.hdf5"
            write_hdf5(sources["gzip"] / file, simulate(minutes=wanted.minutes, speed=5.0, seed=seed, session=seed))
            write_contiguous(sources["gzip"] / file, sources["contiguous"] / file)
        print("| work | figure | |\n|---|---|---|")
        for kind, path in sources.items():
            prepare_apart(path, folder / f"cache of {kind}")
        shutil.rmtree(folder / "cache of gzip")
        cache = folder / "cache of contiguous"
        entries = find_recordings(cache).entries
        prepared = size_of([entry.path for entry in entries])
        for kind, path in sources.items():
            size = size_of([path])
            print(
                f"| size: {kind} HDF5, cache | {size / 1e6:,.0f} MB, {prepared / 1e6:,.0f} MB | {prepared / size:.3f} |"
            )

        def opened(entries: Sequence[Entry]) -> list[Recording]:
            return [entry.open() for entry in entries]

        measure_windows("gzip HDF5", opened(find_recordings(sources["gzip"]).entries), 150)
        measure_windows("contiguous HDF5", opened(find_recordings(sources["contiguous"]).entries), 300)
        measure_windows("prepared", opened(entries), 1500)
        measure_opening(folder, entries[0].path)


if __name__ == "__main__":
    main()
