#!/usr/bin/env python3
"""Measure what hot words do: to the error rate, to the terms that they are, and to text without them.

Twenty terms that no language model has stand among prompts of the test split, twice in each; all typing is simulated.
With --many, 500 common English words are hot words too. The network runs once over each recording; every decoder then
reads the same emissions, whole.
Usage: benchmarks/hotwords.py MODEL PERSON [--many] [--no-lm]
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from itertools import islice

import numpy as np
from simulated_typing import emissions_of

from myotype import simulate
from myotype.decoding import BeamDecoder
from myotype.decoding.choosing import ENGLISH, named_decoder
from myotype.keyboard import labels_to_text, render
from myotype.metrics import ErrorRates, error_rates
from myotype.models import open_model
from myotype.runtime import Engine
from myotype.simulation import Sentences

TERMS = (
    "Zorvath", "Quellbrook", "Ilmesh", "Kiv", "Mox", "Tavreen", "Oskarin", "Brundtvik", "xylotrace", "pgvault", "Nuvia",
    "Drexelon", "myoband", "Hjalmi", "Fennwick", "cortexa", "Ueland", "Wrenzo", "Pell Tarvo", "Project Okapira",
)  # fmt: skip
WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 6.0)
SEEDS = (801, 802, 803, 804)
SPEED = 4.5  # keys a second
PROMPTS, MINUTES = 14, 2.0

Typing = list[tuple[np.ndarray, str]]
"""Emissions, and what was typed."""


def with_terms(seed: int) -> str:
    """Put two terms into each of some prompts."""
    random = np.random.default_rng(seed)
    lines = []
    for line in islice(Sentences(seed, split="test"), PROMPTS):
        words = line.split()
        for _ in range(2):
            words.insert(int(random.integers(0, len(words) + 1)), str(random.choice(TERMS)))
        lines.append(" ".join(words))
    return "\n".join(lines)


def typing(engine: Engine, person: str, *, terms: bool) -> Iterator[tuple[np.ndarray, str]]:
    """Simulate prompts with terms, or without."""
    for seed in SEEDS:
        if terms:
            recording = simulate(with_terms(seed), typist=person, seed=seed, session=seed, speed=SPEED)
        else:
            recording = simulate(minutes=MINUTES, split="test", typist=person, seed=seed, session=seed, speed=SPEED)
        yield emissions_of(engine, recording), recording.truth


def common_words() -> list[str]:
    """Give 500 words of training prompts."""
    lines = islice(Sentences(11, split="train"), 1500)
    return sorted({word for line in lines for word in line.split() if word.isalpha()})[:500]


def count(text: str, term: str) -> int:
    """Count a term where it stands by itself, in any case."""
    return len(re.findall(rf"(?<![\w']){re.escape(term.lower())}(?![\w'])", text.lower()))


def measured(decoder: BeamDecoder, typed: Typing) -> tuple[ErrorRates, int, int, int]:
    """Give the errors, and how many terms are read right, are there, and are read where there are none."""
    rates, right, there, wrong = ErrorRates(), 0, 0, 0
    for emissions, truth in typed:
        keys = labels_to_text(decoder.decode(emissions)[0].labels)
        rates += error_rates(keys, truth)
        for term in TERMS:
            read, meant = count(render(keys), term), count(render(truth), term)
            right, there, wrong = right + min(read, meant), there + meant, wrong + max(read - meant, 0)
    return rates, right, there, wrong


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("person")
    parser.add_argument("--many", action="store_true")
    parser.add_argument("--no-lm", action="store_true")
    arguments = parser.parse_args()
    engine = Engine(open_model(arguments.model))
    texts = {terms: list(typing(engine, arguments.person, terms=terms)) for terms in (True, False)}
    words = (*TERMS, *common_words()) if arguments.many else TERMS
    print(f"{arguments.person}, simulated, {sum(len(truth) for _, truth in texts[True])} keys with terms, "
          f"{sum(len(truth) for _, truth in texts[False])} without\n")  # fmt: skip
    print("| weight | CER with terms | terms right | terms where there are none | CER without |\n|---|---|---|---|---|")
    for weight in WEIGHTS:
        lm = None if arguments.no_lm else ENGLISH
        decoder = named_decoder("beam", lm, engine.facts.frame_rate, hotwords=dict.fromkeys(words, weight))
        rates, right, there, wrong = measured(decoder, texts[True])
        without = measured(decoder, texts[False])[0]
        share = f"{right} of {there}, {100 * right / there:.0f} %"
        print(f"| {weight:g} | {100 * rates.cer:.2f} | {share} | {wrong} | {100 * without.cer:.2f} |", flush=True)


if __name__ == "__main__":
    main()
