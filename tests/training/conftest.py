"""Recordings of some seconds and networks of some hundred weights, so that whole runs take a second."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from myotype.recordings import Recording
from myotype.runtime import Bundle, Provenance
from myotype.training import Recipe, train
from myotype.transcript import KeyPress

TINY = {"hop_length": 64, "mlp_features": [8], "block_channels": [2], "kernel_width": 3}


@pytest.fixture(scope="session")
def make_recording() -> Callable[..., Recording]:
    """Make a recording in which each of four keys is a burst on an electrode of its own."""

    def made(seconds: float = 12.0, seed: int = 0, **given: Any) -> Recording:
        random = np.random.default_rng(seed)
        emg = random.standard_normal((round(seconds * 2000), 32)).astype(np.float32)
        presses = []
        for sample in range(2000, len(emg) - 400, 800):
            key = random.integers(4)
            emg[sample - 200 : sample, 4 * key] += 60 * random.standard_normal(200).astype(np.float32)
            presses.append(KeyPress("asdf"[key], sample / 2000, sample / 2000 + 0.05))
        settings = {"key_presses": presses, "user": "somebody", "name": f"bursts {seed}", **given}
        return Recording(emg=emg, times=np.arange(len(emg)) / 2000, **settings)

    return made


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """A recipe by which a tiny network makes six steps an epoch."""
    return Recipe(
        network={**TINY, "spec_augment": True},
        window=1.0,
        latest=0.12,
        batch_size=4,
        epochs=3,
        learning_rate=1e-2,
        first_learning_rate=1e-5,
        warmup_epochs=0.5,
        schedule="step",
        gradient_clip=2.0,
        plateau=1.0,
    )


@pytest.fixture
def run(make_recording: Callable[..., Recording], tmp_path: Path) -> Callable[..., Bundle]:
    """Train by a recipe on two recordings and validate with another, in a folder of a name."""

    def trained(recipe: Recipe, name: str = "run", **given: Any) -> Bundle:
        settings = {
            "training": [make_recording(seed=1), make_recording(seed=2)],
            "validation": [make_recording(8.0, seed=3)],
            "provenance": Provenance(license="CC0-1.0", source="a test"),
            **given,
        }
        return train(recipe, tmp_path / name, **settings)

    return trained


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., list[dict[str, str]]]:
    """Read the table of a run."""

    def read(name: str = "run") -> list[dict[str, str]]:
        with (tmp_path / name / "metrics.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return read
