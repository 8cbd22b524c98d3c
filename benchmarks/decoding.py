#!/usr/bin/env python3
"""Speed and memory of the beam search, on one core.

Emissions are made up: "peaky" ones are nearly certain of a blank or a key except around the onsets of five keys a
second, as a trained network's are; "flat" ones are the log-softmax of noise. The language model is an 8-gram of about a
million n-grams, estimated from made-up sentences. Usage: python benchmarks/decoding.py
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from myotype.decoding.beam import BeamDecoder, BeamStream
from myotype.decoding.ngram import NGram
from myotype.keyboard import BACKSPACE, BLANK, N_LABELS, key_to_label, text_to_labels
from myotype.simulation.text import Sentences

FRAME_RATE = 125
KEYS_PER_SECOND = 5
SENTENCES = 14_000  # of which an 8-gram has about a million n-grams
BEAM = "beam 50 x 10 labels"

Row = tuple[str, str, str]


def typed(n_keys: int, seed: int) -> np.ndarray:
    """Make up labels as a person types them: sentences with a mistake and a backspace now and then."""
    random = np.random.default_rng(seed)
    text = "⏎".join(itertools.islice(Sentences(seed), n_keys // 20 + 1))
    labels = text_to_labels(text)
    mistakes = np.flatnonzero(random.random(len(labels)) < 0.04)
    wrong = np.stack([random.integers(0, 26, len(mistakes)), np.full(len(mistakes), key_to_label(BACKSPACE))], axis=1)
    return np.insert(labels, np.repeat(mistakes, 2), wrong.ravel())[:n_keys]


def peaky(n_frames: int, seed: int = 0) -> np.ndarray:
    """Make up what a trained network might say: certain, but for bursts of doubt where keys begin."""
    random = np.random.default_rng(seed)
    labels = typed(n_frames * KEYS_PER_SECOND // FRAME_RATE, seed)
    n_keys = len(labels)
    onsets = np.sort(random.choice(np.arange(2, n_frames - 4), n_keys, replace=False))
    logits = random.standard_normal((n_frames, N_LABELS), dtype=np.float32)
    logits[:, BLANK] += 14
    for around, strength in ((-1, 4), (0, 16), (1, 12), (2, 4)):  # the key, and three rivals each time
        frames = onsets + around
        logits[frames, BLANK] -= 7 * random.random(n_keys, dtype=np.float32)
        logits[frames, labels] += strength * random.random(n_keys, dtype=np.float32) ** 0.3
        for _ in range(3):
            logits[frames, random.integers(0, 28, n_keys)] += 9 * random.random(n_keys, dtype=np.float32)
    return log_softmax(logits)


def flat(n_frames: int, seed: int = 0) -> np.ndarray:
    """Make up what a network says that knows nothing."""
    return log_softmax(np.random.default_rng(seed).standard_normal((n_frames, N_LABELS), dtype=np.float32))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into natural-log probabilities, in place."""
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits


def rate(work: Callable[[], object], n_frames: int, repeats: int = 7) -> str:
    """Time a piece of work: frames a second, median and range of the repeats, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    middle, low, high = (n_frames / seconds for seconds in (statistics.median(times), max(times), min(times)))
    return f"{middle:,.0f} frames/s ({low:,.0f} to {high:,.0f})"


def throughput(lm: NGram) -> Iterator[Row]:
    """Time whole emissions, and a stream in blocks of four seconds."""
    for name, emissions in (("peaky", peaky(20_000)), ("flat", flat(3_000))):
        for model, what in ((None, "no language model"), (lm, "language model")):
            decoder = BeamDecoder(lm=model)
            figure = rate(lambda: decoder.decode(emissions), len(emissions))  # noqa: B023  (called here)
            yield f"{name} emissions, {what}, {BEAM}", figure, ""
            figure = rate(lambda: whole(decoder.stream(), emissions), len(emissions))  # noqa: B023
            yield f"the same, streaming, {decoder.commit_delay} frames to commit", figure, ""
    decoder = BeamDecoder(labels_per_frame=None, lm=lm)
    emissions = peaky(5_000)
    yield "peaky emissions, language model, beam 50 x all labels", rate(lambda: decoder.decode(emissions), 5_000), ""


def whole(stream: BeamStream, emissions: np.ndarray, block: int = 4 * FRAME_RATE) -> None:
    """Push emissions through a stream."""
    for start in range(0, len(emissions), block):
        stream.push(emissions[start : start + block])
    stream.finish()


def latency(lm: NGram) -> Iterator[Row]:
    """Time a push of one frame, in the first minute and after an hour."""
    minute = peaky(60 * FRAME_RATE, seed=1)
    ten_minutes = peaky(600 * FRAME_RATE, seed=2)
    stream = BeamDecoder(lm=lm).stream()
    for name in ("in the first minute", "after an hour"):
        times = []
        for frame in range(len(minute)):
            began = time.perf_counter()
            stream.push(minute[frame : frame + 1])
            times.append(time.perf_counter() - began)
        middle, late = np.percentile(np.array(times) * 1e6, [50, 99])
        size = sum(array.nbytes for array in stream.get_state().values()) / 1e3
        figure = f"{middle:.0f} us median, {late:.0f} us 99 %, {max(times) * 1e6:.0f} us at most"
        yield f"push of one frame, {name}, language model", figure, f"the stream takes {size:.0f} kB"
        for _ in range(6):
            stream.push(ten_minutes)
    began = time.perf_counter()
    for _ in range(100):
        stream.copy()
    yield "copy of that stream", f"{(time.perf_counter() - began) * 1e4:.0f} us", ""


def half_hour(lm: NGram) -> Iterator[Row]:
    """Time thirty minutes of emissions in one call."""
    emissions = peaky(1800 * FRAME_RATE, seed=3)
    decoder = BeamDecoder(lm=lm)
    decoder.decode(emissions[:1000])
    began = time.perf_counter()
    (found,) = decoder.decode(emissions)
    seconds = time.perf_counter() - began
    yield "30 minutes of peaky emissions, language model", f"{seconds:.1f} s", f"{len(found.labels):,} keys"


def starts(folder: Path) -> Iterator[Row]:
    """Time the first decoding of a process, before and after the compiled search is on disk."""
    np.save(folder / "emissions.npy", peaky(1000))
    code = (
        "import sys, time, numpy; began = time.perf_counter();"
        "from myotype.decoding.beam import BeamDecoder; imported = time.perf_counter();"
        "BeamDecoder().decode(numpy.load(sys.argv[1]));"
        "peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0];"
        "print(imported - began, time.perf_counter() - imported, float(peak) / 1024)"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache")}
    for name in ("first call ever: compiles", "first call of a process after that"):
        result = subprocess.run(  # noqa: S603  (our own command)
            [sys.executable, "-c", code, str(folder / "emissions.npy")],
            check=True, capture_output=True, text=True, env=environment,
        )  # fmt: skip
        imported, called, peak = (float(value) for value in result.stdout.split())
        yield name, f"{called:.2f} s", f"after {imported:.2f} s of imports; {peak:.0f} MB peak"


def main() -> None:
    """Measure and print a table."""
    lm = NGram.estimate(itertools.islice(Sentences(1), SENTENCES), 8)
    with tempfile.TemporaryDirectory() as name:
        rows = [*throughput(lm), *latency(lm), *half_hour(lm), *starts(Path(name))]
    rows.append(("the language model", f"{lm.n_ngrams:,} n-grams", f"{lm.n_bytes / 1e6:.0f} MB"))
    print("| work | figure | |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
