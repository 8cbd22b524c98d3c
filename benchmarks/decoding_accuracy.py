#!/usr/bin/env python3
"""Measure what beam search and language models do to the error rate, on simulated forearms.

The network runs once over each recording; every decoder then reads the same emissions. Prompts are those of the test
split. With --events, typing is also driven by the real keystroke logs of that folder (EMG-BIDS events), with
the mistakes and backspaces that were made.
Usage: benchmarks/decoding_accuracy.py MODEL PERSON [--events FOLDER] [--minutes 3]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from myotype import Recording, simulate
from myotype.decoding import BeamDecoder, Decoder, GreedyDecoder, NGram
from myotype.decoding.choosing import ENGLISH, named_decoder
from myotype.keyboard import labels_to_text
from myotype.metrics import ErrorRates, error_rates
from myotype.models import open_model
from myotype.recordings.bids import read_events
from myotype.runtime import Engine
from myotype.simulation import Sentences, TextStyle

SPEEDS = (3.0, 4.5, 6.0)  # keys a second
SEEDS = (700, 701)
BLOCK = 8000  # samples in a push


@dataclass
class Source:
    """A recording, and what it is called in the table."""

    name: str
    recording: Recording


def recordings(person: str, events: Path | None, minutes: float) -> list[Source]:
    """Simulate prompts of the test split at several speeds, and real keystroke logs where there are any."""
    found = []
    for speed in SPEEDS:
        for seed in SEEDS:
            recording = simulate(minutes=minutes, typist=person, seed=seed, session=seed, split="test", speed=speed)
            found.append(Source(f"prompts, {speed:g} keys/s", recording))
    for path in sorted(events.rglob("*_events.tsv")) if events is not None else ():
        presses = read_events(path).key_presses
        presses = [press for press in presses if press.down < presses[0].down + 60 * minutes]
        if len(presses) < 60:
            continue
        rate = len(presses) / (presses[-1].down - presses[0].down)
        group = "under 3.5" if rate < 3.5 else "3.5 to 5" if rate < 5 else "over 5"
        recording = simulate(key_presses=presses, typist=person, seed=701, session=701)
        found.append(Source(f"real logs, {group} keys/s", recording))
    return found


def emissions_of(engine: Engine, recording: Recording) -> np.ndarray:
    """Run the network over a whole recording."""
    stream = engine.stream()
    parts = []
    for start in range(0, recording.n_samples, BLOCK):
        parts += engine.step([stream], [recording.emg[start : start + BLOCK]])
    return np.concatenate(parts)


def word_bound() -> NGram:
    """Estimate a letter model of single words, like the baseline's, from the same source as the bundled model."""
    words = islice(Sentences(seed=5, split="train", style=TextStyle()), 60_000)
    letters = ("".join(c if c.isalpha() else " " for c in line.lower()).split() for line in words)
    return NGram.estimate((word for line in letters for word in line), 6)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("person")
    parser.add_argument("--events", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0)
    arguments = parser.parse_args()
    engine = Engine(open_model(arguments.model))
    letters = word_bound()
    decoders: dict[str, Decoder] = {
        "greedy": GreedyDecoder(),
        "beam": BeamDecoder(),
        "word-bound letters": BeamDecoder(lm=letters),
        "the same, tuned": BeamDecoder(lm=letters, lm_weight=1.5, insertion_bonus=1.0),
        "bundled model": named_decoder("beam", ENGLISH, engine.facts.frame_rate),
    }
    sums: dict[str, dict[str, ErrorRates]] = {}
    for source in recordings(arguments.person, arguments.events, arguments.minutes):
        emissions = emissions_of(engine, source.recording)
        for name, decoder in decoders.items():
            (best,) = decoder.decode(emissions)
            rates = error_rates(labels_to_text(best.labels), source.recording.truth)
            row = sums.setdefault(source.name, {})
            row[name] = row[name] + rates if name in row else rates
    print(f"| {arguments.person}, simulated | keys | {' | '.join(decoders)} |")
    print("|---" * (len(decoders) + 2) + "|")
    for row_name, row in sums.items():
        cers = " | ".join(f"{100 * row[name].cer:.1f}" for name in decoders)
        print(f"| {row_name} | {row['greedy'].target_length} | {cers} |")


if __name__ == "__main__":
    main()
