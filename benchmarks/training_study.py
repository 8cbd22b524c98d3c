#!/usr/bin/env python3
"""What recipes are worth on myotype-sim v1: all of it simulated.

    myotype simulate --benchmark v1 --output CORPUS
    python benchmarks/training_study.py CORPUS RUNS                # everything that is not there yet, hours of it
    python benchmarks/training_study.py CORPUS RUNS --only best-0  # one run, or several
    python benchmarks/training_study_report.py RUNS                # what there is so far

Each run goes through the same amount of signal (100,000 s: 10 to 20 minutes on a core; 40,000 s where a single
ingredient of `best` is changed) with a small network, and writes RUNS/NAME.json when it is done; one that was
interrupted is resumed. A run is tested on the whole recordings of the eight held-out people, greedily; personal ones
after 2 and 10 minutes of calibration of four of them. Threads: 1, so that two can run side by side on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from myotype import Transcriber
from myotype.errors import TrainingError
from myotype.files import replacing_file
from myotype.metrics import ErrorRates, error_rates, timing_errors
from myotype.network import load_network
from myotype.runtime import Provenance
from myotype.training import RECIPES, Recipe, Source, gather, train
from myotype.training.initial import masked
from myotype.training.personalise import divide, personalise

SECONDS = 100_000.0
"""Of signal that a run goes through, contexts included."""

INGREDIENT_SECONDS = 40_000.0
"""The same where one ingredient is changed: there are many of these runs."""

MINUTES = (2, 10)
PEOPLE = (300, 301, 302, 303)
SEEDS = (0, 1, 2)
PROVENANCE = Provenance(license="BSD-3-Clause", source="Trained on myotype-sim v1, simulated.", simulated=True)

# At 62.5 frames a second these are 42 and 27 million multiply-adds a second of signal: the first reads all bins of the
# spectrogram, and has wider features, those of both hands.
EMG2QWERTY = {"hop_length": 32, "mlp_features": [96], "block_channels": [8, 8, 8, 8], "kernel_width": 8}
SPLASH = {"hop_length": 32, "mlp_features": [128], "block_channels": [8, 8, 8, 8], "kernel_width": 8}


def budgeted(recipe: Recipe, of_signal: float = SECONDS, validations: int = 10) -> Recipe:
    """Give a recipe as many epochs of a twentieth of the budget as there are: 20, of whole steps."""
    network = recipe.build()
    past = (network.receptive_field - network.hop_length) / network.sfreq - recipe.future
    seconds = recipe.window + recipe.future + (past if recipe.past is None else recipe.past)
    steps = max(round(of_signal / 20 / seconds / recipe.batch_size), 1)
    windows = steps * recipe.batch_size
    return dataclasses.replace(recipe, epochs=20, windows_per_epoch=windows, validate_every=20 // validations)


def recipes() -> dict[str, Recipe]:
    """Give the recipes by their names, without seeds."""
    baseline = dataclasses.replace(
        RECIPES["baseline"],
        network={**EMG2QWERTY, "spec_augment": True},
        past=None,
        batch_size=16,
        # Its own best: with 10 epochs of 150, the rate for 150 epochs and no bound it stays all blank in this budget.
        learning_rate=2e-3,
        warmup_epochs=1.0,
        schedule="step",
        gradient_clip=2.0,
    )
    best = dataclasses.replace(RECIPES["best"], network={**RECIPES["best"].network, **SPLASH}, warmup_epochs=1.0)
    changed = {
        "as-it-is": {},
        "without-latest": {"latest": None},
        "without-masks": {"network": {**SPLASH, "settling_frames": 62, "channel_masking": False}},
        "without-sharing": {"network": {**best.network, "shared": False}},
        "without-rotation": {"rotation": (0,)},
        "kernel-4": {"network": {**best.network, "kernel_width": 4}},
        "kernel-16": {"network": {**best.network, "kernel_width": 16}},
        # Batch norm and an MLP for each hand instead of rolling normalisation and shared hands.
        "emg2qwerty-net": {"architecture": "EMG2QwertyNet", "network": {**EMG2QWERTY, "spec_augment": True}},
        # The same from one half of the recordings of the others: those without, and those with, shuffled prompts.
        "plain-text": {},
        "shuffled-text": {},
    }
    return {
        "baseline": budgeted(baseline),
        "best": budgeted(best),
        **{
            name: budgeted(dataclasses.replace(best, **changes), INGREDIENT_SECONDS, 4)
            for name, changes in changed.items()
        },
    }


def names() -> list[str]:
    """Give the runs in the order in which they are done: what matters most first."""
    zero_shot = [f"{name}-{seed}" for seed in SEEDS for name in ("best", "baseline")]
    single = [f"{name}-0" for name in recipes() if name not in ("best", "baseline")]
    personal = [
        f"{name}-0/personal-{person}-{minutes}"
        for minutes in MINUTES
        for person in PEOPLE
        for name in ("best", "baseline")
    ]
    return [*zero_shot[:2], *personal, *zero_shot[2:], *single]


def tested(bundle: Path, sources: tuple[Source, ...]) -> dict[str, Any]:
    """Transcribe the recordings to test on, greedily, and count errors person by person."""
    transcriber = Transcriber.from_pretrained(bundle, decoder="greedy", lm=None)
    people: dict[str, ErrorRates] = {}
    late: list[float] = []
    for source in sources:
        with source.open() as recording:
            transcript = transcriber.transcribe(recording)
            people[source.user] = people.get(source.user, ErrorRates()) + error_rates(transcript.keys, recording.truth)
            errors = timing_errors(transcript.keystrokes, recording.key_presses, float(recording.times[:1][0]))
            late += [error + transcriber.engine.facts.look_ahead for error in errors]
    n_keys = sum(rates.target_length for rates in people.values())
    return {
        "CER (%)": {user: round(100 * rates.cer, 3) for user, rates in people.items()},
        "deletions (%)": round(100 * sum(rates.deletions for rates in people.values()) / n_keys, 2),
        "keys": n_keys,
        "delay, median and 95 % (ms)": [round(1000 * float(np.quantile(late, q)), 1) for q in (0.5, 0.95)]
        if late
        else None,
    }


def do(name: str, corpus: Path, runs: Path) -> dict[str, Any]:
    """Do a run, or go on with it, and test what comes of it."""

    def tell(stage: str, share: float, figures: dict[str, float]) -> None:
        if stage == "training" and sys.stderr.isatty():
            shown = "  ".join(
                f"{key} {value:.3g}" for key, value in figures.items() if key in ("loss", "val/CER", "speed")
            )
            sys.stderr.write(f"\r{name}: {share:.1%}  {shown}   ")

    def note(text: str) -> None:
        sys.stderr.write(f"{name}: {text}\n")

    generic, _, personal = name.partition("/")
    kind, seed = generic.rsplit("-", 1)
    recipe = dataclasses.replace(recipes()[kind], seed=int(seed))
    folder = runs / name.replace("/", "-")
    if not personal:
        found = gather([corpus], split=corpus / "zero-shot.yaml")
        sessions = {"plain-text": "train-1", "shuffled-text": "train-2"}
        training = [source for source in found.training if sessions.get(kind, source.name) == source.name]
        bundle = train(
            recipe, folder, training=training, validation=found.validation, provenance=PROVENANCE,
            resume=True, progress=tell, note=note,
        )  # fmt: skip
        return {**tested(bundle.folder, found.test), **_told(folder)}
    _, person, minutes = personal.split("-")
    found = gather([corpus], split=corpus / f"personal-{person}.yaml")
    start = runs / generic / "model"
    with contextlib.ExitStack() as stack:
        recordings = [
            stack.enter_context(source.open()) for source in sorted(found.training, key=lambda source: source.name)
        ]
        if kind == "best":
            made = personalise(
                start, recordings, folder, minutes=float(minutes), resume=True, progress=tell, note=note
            ).bundle
        else:  # the same recipe from the generic weights, and what chooses its best epoch as for ours
            parts = divide(recordings, float(minutes))
            recipe = dataclasses.replace(
                recipe,
                windows_per_epoch=None,
                epochs=round(min(max(24_000 / sum(one.duration for one in parts[0]), 25), 120)),
                validate_every=5,
                plateau=1.0,
            )
            made = train(
                recipe, folder, training=parts[0], validation=parts[1], initial=masked(load_network(start), recipe),
                provenance=PROVENANCE, resume=True, progress=tell, note=note,
            )  # fmt: skip
    return {"before": tested(start, found.test), **tested(made.folder, found.test), **_told(folder)}


def _told(folder: Path) -> dict[str, Any]:
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        "minutes": float(rows[-1]["minutes"]),
        "validation CER (%)": [row["val/CER"] for row in rows if row["val/CER"]],
    }


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description="What recipes are worth on myotype-sim v1, simulated.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in names() if arguments.only is None else arguments.only:
        path = arguments.runs / f"{name.replace('/', '-')}.json"
        if path.exists():
            continue
        try:
            result = do(name, arguments.corpus, arguments.runs)
        except TrainingError as error:
            result = {"failed": str(error)}
        with replacing_file(path) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(name, json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
