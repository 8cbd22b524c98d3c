"""Speed and memory of decoding, on one core.

Emissions are made up: "peaky" ones are nearly certain of a blank or a key except around the onsets of five keys a
second, as a trained network's are; "flat" ones are the log-softmax of noise. The language model is an 8-gram of about a
million n-grams, estimated from made-up sentences.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from myotype.cli.benchmarks.figures import REPEATS, Figure, rates, times
from myotype.decoding import GreedyDecoder
from myotype.decoding.beam import BeamDecoder, BeamStream
from myotype.decoding.ngram import NGram
from myotype.keyboard import BACKSPACE, BLANK, N_LABELS, key_to_label, text_to_labels
from myotype.simulation import Sentences

FRAME_RATE: Final = 125
KEYS_PER_SECOND: Final = 5

_BEAM: Final = "beam 50 x 10 labels"
_OTHERS: Final = {
    "peaky": "baseline in Python 190 frames/s, a C++ decoder without backspace 13,100",
    "flat": "baseline in Python 165 frames/s, a C++ decoder without backspace 4,000",
}
_TARGETS: Final = {"peaky": 20_000.0, "flat": 5_000.0}

N_FIGURES: Final = 19
"""How many `measure` gives."""

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sizes:
    """How much is measured: frames, unless it says otherwise."""

    greedy: int = 50_000
    peaky: int = 20_000
    flat: int = 3_000
    all_labels: int = 5_000
    minute: int = 60 * FRAME_RATE
    hour: int = 3600 * FRAME_RATE
    half_hour: int = 1800 * FRAME_RATE
    sentences: int = 14_000  # of which an 8-gram has about a million n-grams
    starts: int = 3  # of a new process


def measure(sizes: Sizes | None = None) -> Iterator[Figure]:
    """Measure decoding, figure by figure."""
    sizes = sizes or Sizes()
    lm = NGram.estimate(itertools.islice(Sentences(1), sizes.sentences), 8)
    yield Figure("the language model", [lm.n_bytes / 1e6], "MB", note=f"{lm.n_ngrams:,} n-grams of order {lm.order}")
    yield from _throughput(lm, sizes)
    yield from _latency(lm, sizes)
    yield from _half_hour(lm, sizes)
    yield from _starts(sizes.starts)


def typed(n_keys: int, seed: int) -> npt.NDArray[np.int64]:
    """Make up labels as a person types them: sentences with a mistake and a backspace now and then."""
    random = np.random.default_rng(seed)
    text = "⏎".join(itertools.islice(Sentences(seed), n_keys // 20 + 1))
    labels = text_to_labels(text)
    mistakes = np.flatnonzero(random.random(len(labels)) < 0.04)
    wrong = np.stack([random.integers(0, 26, len(mistakes)), np.full(len(mistakes), key_to_label(BACKSPACE))], axis=1)
    return np.insert(labels, np.repeat(mistakes, 2), wrong.ravel())[:n_keys]


def peaky(n_frames: int, seed: int = 0) -> FloatArray:
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
    return _log_softmax(logits)


def flat(n_frames: int, seed: int = 0) -> FloatArray:
    """Make up what a network says that knows nothing."""
    return _log_softmax(np.random.default_rng(seed).standard_normal((n_frames, N_LABELS), dtype=np.float32))


def _log_softmax(logits: FloatArray) -> FloatArray:
    """Turn logits into natural-log probabilities, in place."""
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits


def _throughput(lm: NGram, sizes: Sizes) -> Iterator[Figure]:
    """Time whole emissions, and a stream in blocks of four seconds."""
    made_up = peaky(sizes.greedy)
    found = rates(lambda: GreedyDecoder().decode(made_up), len(made_up))
    yield Figure("greedy, peaky emissions", found, "frames/s", at_least=2_000_000)
    for name, emissions in (("peaky", peaky(sizes.peaky)), ("flat", flat(sizes.flat))):
        for model, what in ((None, "no language model"), (lm, "language model")):
            decoder = BeamDecoder(lm=model)
            found = rates(lambda: decoder.decode(emissions), len(emissions))  # noqa: B023  (called here)
            work = f"{name} emissions, {what}, {_BEAM}"
            if model is None:
                yield Figure(work, found, "frames/s")
            else:
                yield Figure(work, found, "frames/s", at_least=_TARGETS[name], others=_OTHERS[name])
            found = rates(lambda: _whole(decoder.stream(), emissions), len(emissions))  # noqa: B023
            yield Figure(f"{work}, streaming, {decoder.commit_delay} frames to commit", found, "frames/s")
    decoder = BeamDecoder(labels_per_frame=None, lm=lm)
    emissions = peaky(sizes.all_labels)
    found = rates(lambda: decoder.decode(emissions), len(emissions))
    yield Figure("peaky emissions, language model, beam 50 x all labels", found, "frames/s")


def _whole(stream: BeamStream, emissions: FloatArray, block: int = 4 * FRAME_RATE) -> None:
    """Push emissions through a stream."""
    for start in range(0, len(emissions), block):
        stream.push(emissions[start : start + block])
    stream.finish()


def _latency(lm: NGram, sizes: Sizes) -> Iterator[Figure]:
    """Time a push of one frame, in the first minute and after an hour."""
    minute = peaky(sizes.minute, seed=1)
    ten_minutes = peaky(sizes.hour // 6, seed=2)
    stream = BeamDecoder(lm=lm).stream()
    for name in ("in the first minute", "after an hour"):
        pushes = np.array([_pushes(stream.copy(), minute) for _ in range(REPEATS)]) * 1e3
        size = sum(array.nbytes for array in stream.get_state().values()) / 1e3
        for share, what, most in ((50, "median", 0.2), (99, "99 %", 1.0)):
            yield Figure(
                f"push of one frame, {name}, language model, {what}",
                np.percentile(pushes, share, axis=1).tolist(),
                "ms",
                at_most=most,
                note=f"the slowest of {pushes.size:,} took {pushes.max():.2f} ms; the stream takes {size:.0f} kB",
            )
        for _ in range(6):
            stream.push(ten_minutes)
    copies = 100
    found = times(lambda: [stream.copy() for _ in range(copies)], REPEATS)
    yield Figure("copy of that stream", [1e3 * seconds / copies for seconds in found], "ms")


def _pushes(stream: BeamStream, emissions: FloatArray) -> list[float]:
    """Push frame by frame; give the seconds that each took."""
    found = []
    for frame in range(len(emissions)):
        began = time.perf_counter()
        stream.push(emissions[frame : frame + 1])
        found.append(time.perf_counter() - began)
    return found


def _half_hour(lm: NGram, sizes: Sizes) -> Iterator[Figure]:
    """Time thirty minutes of emissions in one call."""
    emissions = peaky(sizes.half_hour, seed=3)
    decoder = BeamDecoder(lm=lm)
    n_keys = len(decoder.decode(emissions)[0].labels)
    found = times(lambda: decoder.decode(emissions), 3)
    yield Figure(
        "30 minutes of peaky emissions, language model", found, "s", at_most=15, note=f"{n_keys:,} keys were read"
    )


def _starts(repeats: int) -> Iterator[Figure]:
    """Time the first search of a process, before and after the compiled search is on disk."""
    code = (
        "import sys, time, numpy; began = time.perf_counter();"
        "from myotype.decoding.beam import BeamDecoder; imported = time.perf_counter();"
        "BeamDecoder().decode(numpy.load(sys.argv[1]));"
        "print(imported - began, time.perf_counter() - imported)"
    )
    found: dict[str, list[list[float]]] = {"first": [], "later": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            emissions = Path(name) / "emissions.npy"
            np.save(emissions, peaky(1000))
            environment = os.environ | {"NUMBA_CACHE_DIR": str(Path(name) / "cache")}
            for runs in found.values():
                result = subprocess.run(  # noqa: S603  (our own command)
                    [sys.executable, "-c", code, str(emissions)],
                    check=True, capture_output=True, text=True, env=environment,
                )  # fmt: skip
                runs.append([float(value) for value in result.stdout.split()])
    for runs, work, most in (
        (found["first"], "first search of an installation, which compiles", 10.0),
        (found["later"], "first search of a process after that", None),
    ):
        imports = np.median([imported for imported, _ in runs])
        yield Figure(work, [took for _, took in runs], "s", at_most=most, note=f"after {imports:.2f} s of imports")
