#!/usr/bin/env python3
"""Speed and size of n-gram language models of order 8, on one core.

The text is simulated prompts, or a file of your own.
Usage: python benchmarks/language_models.py [--megabytes 100 | FILE]
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from myotype.decoding.ngram import NGram
from myotype.keyboard import text_to_labels
from myotype.simulation import Sentences

ORDER = 8
SIZES = (1_000_000, 5_000_000)
Result = TypeVar("Result")


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Do a piece of work and say how many seconds it took."""
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def fastest(work: Callable[[], object]) -> float:
    """Give the seconds of the fastest of three runs: a file is then in the system's cache."""
    return min(timed(work)[1] for _ in range(3))


def write_text(path: Path, n_bytes: float) -> None:
    """Write simulated prompts."""
    written = 0
    with path.open("w", encoding="utf-8") as stream:
        for prompt in Sentences(7):
            written += stream.write(prompt + "\n")
            if written >= n_bytes:
                return


def estimate(path: Path, n_bytes: float = float("inf")) -> NGram:
    """Estimate a model from the beginning of a text."""
    with path.open(encoding="utf-8") as stream:
        lines = iter(stream)

        def some() -> Iterator[str]:
            left = n_bytes
            for line in lines:
                left -= len(line)
                if left < 0:
                    return
                yield line

        return NGram.estimate(some(), ORDER)


def measure_files(text: Path, size: int, folder: Path) -> None:
    """Measure a model of about so many n-grams: files, loading, queries."""
    n_bytes = 5e5
    model = estimate(text, n_bytes)
    while model.n_ngrams < size and n_bytes < text.stat().st_size:
        n_bytes *= max(1.05, (size / model.n_ngrams) ** 1.2)
        model = estimate(text, n_bytes)
    arpa, packed = folder / "model.arpa", folder / "model.npz"
    _, writing_arpa = timed(lambda: model.save_arpa(arpa))
    _, writing_packed = timed(lambda: model.save(packed))
    print(f"\n| a model of {model.n_ngrams:,} n-grams | |\n|---|---|")
    print(f"| bytes an n-gram in memory | {model.n_bytes / model.n_ngrams:.1f} |")
    for name, path, writing in (("ARPA", arpa, writing_arpa), ("packed", packed, writing_packed)):
        size_each = path.stat().st_size / model.n_ngrams
        loading = fastest(partial(NGram.load, path))
        print(f"| {name}: bytes an n-gram; written in; loaded in | {size_each:.1f}; {writing:.2f} s; {loading:.2f} s |")
    loaded = NGram.load(packed)
    texts = {
        "of the text that it was made of": text.read_text(encoding="utf-8")[: int(min(n_bytes, 3e6))],
        "drawn at random": "".join(np.random.default_rng(1).choice(list("abcdefghijklmnopqrstuvwxyz ,."), 1_000_000)),
    }
    for name, keys in texts.items():
        labels = text_to_labels(keys.replace("\n", ""))
        seconds = fastest(partial(loaded.score, labels))
        print(f"| keys {name}, scored a second | {len(labels) / seconds:,.0f} |")


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--megabytes", type=float, default=100.0)
    wanted = parser.parse_args()
    estimate(Path(__file__))  # compiled before it is timed
    with tempfile.TemporaryDirectory() as folder:
        text = wanted.file
        if text is None:
            text = Path(folder, "text.txt")
            write_text(text, wanted.megabytes * 1e6)
        model, seconds = timed(lambda: estimate(text))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| estimating order {ORDER} from {text.stat().st_size / 1e6:,.0f} MB | |\n|---|---|")
        print(f"| time | {seconds:.1f} s |\n| peak memory of the process | {peak:,.0f} MB |")
        print(f"| n-grams | {model.n_ngrams:,} |")
        print(f"| bytes an n-gram in memory | {model.n_bytes / model.n_ngrams:.1f} |")
        threshold = 1e-7
        pruned, seconds = timed(partial(model.prune, threshold))
        print(f"| pruning at {threshold:g} | {seconds:.1f} s, {pruned.n_ngrams:,} n-grams left |")
        del model, pruned
        for size in SIZES:
            measure_files(text, size, Path(folder))


if __name__ == "__main__":
    main()
