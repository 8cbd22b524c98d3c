"""Two processes train what one would have trained; where one is killed the run ends, and can be resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from myotype.recordings import write_hdf5
from myotype.simulation import simulate

# No masks: those are drawn by each process for itself.
SETTINGS = (
    *("--recipe", "demo", "--latest", "0.12", "--window", "2", "--batch-size", "8"),
    *("--network", "hop_length=64", "mlp_features=[8]", "block_channels=[2]", "kernel_width=3", "spec_augment=false"),
    *("--accelerator", "cpu", "--threads", "1", "--license", "CC0-1.0", "--source", "simulated"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    paths = [folder / f"{seed}.hdf5" for seed in range(3)]
    for seed, path in enumerate(paths):
        write_hdf5(path, simulate(minutes=0.5, seed=seed))
    return paths


def command(files, output, *more):
    recordings = [str(path) for path in files[:2]]
    options = ["--validation", str(files[2]), "--output", str(output), *SETTINGS, *more]
    return [sys.executable, "-m", "myotype", "train", *recordings, *options]


def run(files, output, *more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    return subprocess.run(
        command(files, output, *more), env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
def test_two_processes_train_the_weights_of_one(files, tmp_path):
    for devices in ("1", "2"):
        done = run(files, tmp_path / devices, "--devices", devices, "--epochs", "2")
        assert done.returncode == 0, done.stderr
    one, two = (load_file(tmp_path / devices / "model" / "model.safetensors") for devices in ("1", "2"))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        # Adam makes steps of full size of gradients that are next to nothing, so single weights may differ more.
        assert np.linalg.norm(two[name] - weight) <= 1e-2 * np.linalg.norm(weight), name
    tables = [(tmp_path / devices / "metrics.csv").read_text().splitlines() for devices in ("1", "2")]
    assert len(tables[0]) == len(tables[1]) == 3


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_it_can_be_resumed(files, tmp_path):
    output = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    begun = subprocess.Popen(
        command(files, output, "--devices", "2", "--epochs", "500"), env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (output / "checkpoints" / "last.ckpt").exists():
        assert begun.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    children = subprocess.run(["pgrep", "-P", str(begun.pid)], capture_output=True, text=True, check=True)
    for child in children.stdout.split():
        os.kill(int(child), signal.SIGKILL)
    _, errors = begun.communicate(timeout=120)
    assert begun.returncode not in (0, None)
    assert "one of the 2 processes" in errors
    epochs = len((output / "metrics.csv").read_text().splitlines()) - 1
    done = run(files, output, "--devices", "2", "--epochs", str(epochs + 1), "--resume")
    assert done.returncode == 0, done.stderr
    assert len((output / "metrics.csv").read_text().splitlines()) - 1 >= epochs
    assert (output / "model" / "stream.onnx").exists()
