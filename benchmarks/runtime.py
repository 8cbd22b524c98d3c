#!/usr/bin/env python3
"""Speed and memory of the runtime with the full-size networks (random weights), on one core.

Every figure stands beside the fp32 matrix-multiply ceiling of the machine, measured in the same run. Times are medians
of repeats. Needs the `train` extra, to write the network down. Usage: python benchmarks/runtime.py
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from myotype import Recording, Transcriber
from myotype.recordings import write_hdf5
from myotype.runtime import Bundle, Engine

SFREQ = 2000


def median_seconds(work: Callable[[], object], repeats: int) -> tuple[float, float, float]:
    """Time a piece of work: median, fastest and slowest of the repeats, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times), min(times), max(times)


def ceiling() -> float:
    """Give the machine's fp32 multiply-adds a second on one core, by the largest of the sizes that the network uses."""
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((1024, 1024), dtype=np.float32) for _ in range(2))
    return 1024**3 / median_seconds(lambda: a @ b, 15)[0]


def write_models(folder: Path) -> dict[str, Bundle]:
    """Write the full-size networks with random weights: the baseline, then the others."""
    from myotype.network import EMG2QwertyNet, SplashNet, export
    from myotype.runtime import Provenance

    networks = {"EMG2QwertyNet": EMG2QwertyNet()}
    networks |= {f"SplashNet {name}": SplashNet(**arguments) for name, arguments in SplashNet.presets.items()}
    random = Provenance(license="CC0-1.0", source="random weights")
    return {name: export(network, folder / name, provenance=random) for name, network in networks.items()}


def running(name: str, bundle: Bundle, minute: np.ndarray, top: float) -> list[tuple[str, str, str]]:
    """Time a network on a minute of signal in blocks, and live in a few frames a push."""
    engine, block = Engine(bundle), 4 * SFREQ

    def offline() -> None:
        stream = engine.stream()
        for start in range(0, len(minute), block):
            engine.step([stream], [minute[start : start + block]])

    seconds, low, high = median_seconds(offline, 7)
    fraction = 60 * engine.facts.frame_rate * engine.facts.multiply_adds / seconds / top
    spread = f"{60 / high:.1f} to {60 / low:.1f}"
    rows = [(f"{name}, offline", f"{60 / seconds:.1f}x real time ({spread})", f"{fraction:.2f} of the ceiling")]
    transcriber = Transcriber(engine)
    for frames in (1, 4, 16):
        stream = transcriber.stream()
        chunk = minute[: 16 * frames]
        stream.push(minute[:4096])
        times = []
        for _ in range(1000):
            began = time.perf_counter()
            stream.push(chunk)
            times.append(time.perf_counter() - began)
        middle, late = np.percentile(np.array(times) * 1e3, [50, 99])
        figure = f"{middle:.2f} ms median, {late:.2f} ms 99 %"
        rows.append((f"{name}, live, {frames} frame(s) a push", figure, f"{8 * frames} ms of signal"))
    return rows


def in_torch(minute: np.ndarray) -> list[tuple[str, str, str]]:
    """Time what one does without a streaming runtime: the same network in PyTorch, whole or over and over."""
    import torch

    from myotype.network import EMG2QwertyNet

    torch.set_num_threads(1)
    network = EMG2QwertyNet().eval()
    whole = torch.from_numpy(minute).T[None].contiguous()
    with torch.inference_mode():
        seconds, low, high = median_seconds(lambda: network(whole), 5)
        window = whole[..., : network.receptive_field].contiguous()
        frame, _, _ = median_seconds(lambda: network(window), 50)
    code = (
        "import torch; from myotype.network import EMG2QwertyNet; torch.set_num_threads(1);"
        "torch.inference_mode().__enter__(); EMG2QwertyNet().eval()(torch.randn(1, 32, 600 * 2000) * 20)"
    )
    _, peak = child(sys.executable, "-c", code)
    return [
        (
            "for comparison: PyTorch, one minute in one forward pass",
            f"{60 / seconds:.1f}x real time ({60 / high:.1f} to {60 / low:.1f})",
            f"{peak:.0f} MB peak with ten minutes",
        ),
        ("for comparison: PyTorch, the whole window again for every frame", f"{frame * 1e3:.1f} ms", "8 ms of signal"),
    ]


def conversion(folder: Path) -> list[tuple[str, str, str]]:
    """Time what it takes to make a bundle of a full-size checkpoint in the original's layout, and to load it."""
    import torch

    from myotype.network import EMG2QwertyNet

    network = EMG2QwertyNet()
    weights = {name.replace("final_layer", "model.4"): tensor for name, tensor in network.state_dict().items()}
    moments = {
        index: {"step": torch.tensor(1.0), "exp_avg": torch.ones_like(tensor), "exp_avg_sq": torch.ones_like(tensor)}
        for index, tensor in enumerate(network.parameters())
    }
    parameters = {"in_features": 528, "mlp_features": [384], "block_channels": [24] * 4, "kernel_width": 32}
    content = {"state_dict": weights, "hyper_parameters": parameters, "optimizer_states": [{"state": moments}]}
    torch.save(content, folder / "full.ckpt")
    convert = (sys.executable, "-m", "myotype", "convert", str(folder / "full.ckpt"), "--output", str(folder / "made"))
    code = f"import myotype; myotype.Transcriber.from_pretrained({str(folder / 'made')!r}, decoder='greedy')"
    load = (sys.executable, "-c", code)
    rows = []
    for name, command in (("convert a full-size checkpoint, whole process", convert), ("load the bundle", load)):
        runs = [child(*command) for _ in range(5)]
        seconds, peak = (statistics.median(values) for values in zip(*runs, strict=True))
        rows.append((name, f"{seconds:.2f} s", f"{peak:.0f} MB peak"))
    return rows


def child(*arguments: str) -> tuple[float, float]:
    """Run a command; give its seconds and its peak memory in MB."""
    code = (
        "import resource, subprocess, sys, time; began = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    result = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    seconds, peak = result.stdout.split()
    return float(seconds), float(peak)


def main() -> None:
    """Measure and print a table."""
    rows: list[tuple[str, str, str]] = []
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundles = write_models(folder)
        bundle = bundles["EMG2QwertyNet"]  # which the rest is about
        top = ceiling()
        rows.append(("fp32 matrix-multiply ceiling, one core", f"{2 * top / 1e9:.0f} GFLOP/s", ""))
        minute = random.standard_normal((60 * SFREQ, 32), dtype=np.float32) * 20
        for name, one in bundles.items():
            rows += running(name, one, minute, top)

        emg = random.standard_normal((600 * SFREQ, 32), dtype=np.float32) * 20
        write_hdf5(folder / "ten_minutes.hdf5", Recording(emg=emg))
        write_hdf5(folder / "ten_seconds.hdf5", Recording(emg=emg[: 10 * SFREQ]))
        del emg
        command = (sys.executable, "-m", "myotype", "transcribe", "--model", str(bundle.folder))
        seconds, peak = child(*command, str(folder / "ten_minutes.hdf5"))
        rows.append(("transcribe 10 minutes, whole process", f"{600 / seconds:.1f}x real time", f"{peak:.0f} MB peak"))
        runs = [child(*command, str(folder / "ten_seconds.hdf5")) for _ in range(5)]
        seconds, peak = (statistics.median(values) for values in zip(*runs, strict=True))
        rows.append(("transcribe 10 seconds, cold process", f"{seconds:.2f} s", f"{peak:.0f} MB peak"))
        rows += conversion(folder)
        _, peak = child(sys.executable, "-c", "import numpy, onnxruntime")
        rows.append(("for comparison: importing numpy and onnxruntime", "", f"{peak:.0f} MB peak"))
        rows += in_torch(minute)

    print("| work | figure | |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(
        f"\npeak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB", file=sys.stderr
    )


if __name__ == "__main__":
    main()
