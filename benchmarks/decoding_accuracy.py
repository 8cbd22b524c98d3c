#!/usr/bin/env python3
"""Measure what beam search and language models do to the error rate, on simulated forearms.

The network runs once over each recording; every decoder then reads the same emissions. Prompts are those of the test
split. With --events, typing is also driven by the real keystroke logs of that folder (EMG-BIDS events), with
the mistakes and backspaces that were made.
Usage: benchmarks/decoding_accuracy.py MODEL PERSON [--events FOLDER] [--minutes 3]
"""

from __future__ import annotations

import argparse
from itertools import chain, islice
from pathlib import Path

from simulated_typing import emissions_of, prompts, real_logs

from myotype.decoding import BeamDecoder, Decoder, GreedyDecoder, NGram
from myotype.decoding.choosing import ENGLISH, named_decoder
from myotype.keyboard import labels_to_text
from myotype.metrics import ErrorRates, error_rates
from myotype.models import open_model
from myotype.runtime import Engine
from myotype.simulation import Sentences, TextStyle

SEEDS = (700, 701)


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
    sources = prompts(arguments.person, "test", SEEDS, arguments.minutes)
    if arguments.events is not None:
        sources = chain(sources, real_logs(arguments.person, arguments.events, arguments.minutes))
    for source in sources:
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
