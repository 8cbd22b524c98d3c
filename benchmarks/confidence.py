#!/usr/bin/env python3
"""Measure how far the confidences of decoded keys are to be believed, on simulated forearms.

A key of confidence 0.9 should be right nine times out of ten. A decoded key is right if the alignment with what was
typed says so; keys are put into ten bins by their confidence. The table gives the share of right keys, the mean
confidence, the expected calibration error (how far the two are apart in a bin, on average over keys) and the Brier
score (mean squared difference between confidence and right or wrong), with the confidences as the search gives them
(temperature 1) and at another temperature. The rows are of prompts of the test split and, with --events, of real
keystroke logs of that folder (EMG-BIDS events). Below the table stands the temperature that has the lowest Brier score
on prompts of the validation split.
Usage: benchmarks/confidence.py MODEL PERSON [--events FOLDER] [--minutes 3] [--temperature 1.5] [--delay 1.0]
    [--figure FILE.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from simulated_typing import emissions_of, prompts, real_logs

from myotype.decoding import BeamDecoder
from myotype.decoding.choosing import ENGLISH, named_decoder
from myotype.keyboard import labels_to_text
from myotype.metrics import align
from myotype.models import open_model
from myotype.runtime import Engine

VALIDATION_SEEDS = tuple(range(800, 804))
TEST_SEEDS = tuple(range(700, 704))
TEMPERATURES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 1.75, 2.0)
N_BINS = 10
EVERYTHING = "all"


@dataclass
class Typing:
    """The emissions of a recording, and what was typed in it."""

    name: str
    emissions: npt.NDArray[np.floating]
    truth: str


@dataclass
class Judged:
    """Decoded keys.

    Attributes
    ----------
    confidences
        (keys,).
    right
        (keys,) 1.0 where it is the key that was typed, else 0.0.
    """

    confidences: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]

    @property
    def brier(self) -> float:
        """The Brier score."""
        return float(np.mean((self.confidences - self.right) ** 2))

    @property
    def calibration_error(self) -> float:
        """The expected calibration error over the bins."""
        counts, confidences, shares = self.bins()
        return float(np.sum(counts * np.abs(confidences - shares)) / np.sum(counts))

    def bins(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Give the number of keys, the mean confidence and the share of right keys of each bin that is not empty."""
        places = np.minimum((self.confidences * N_BINS).astype(np.int64), N_BINS - 1)
        counts = np.bincount(places, minlength=N_BINS)
        filled = counts > 0
        sums = [np.bincount(places, values, N_BINS)[filled] for values in (self.confidences, self.right)]
        return counts[filled], sums[0] / counts[filled], sums[1] / counts[filled]


def judged(decoder: BeamDecoder, typing: Sequence[Typing]) -> Judged:
    """Decode as a stream does, and find out which keys are right."""
    confidences: list[npt.NDArray[np.floating]] = []
    right: list[float] = []
    for one in typing:
        stream = decoder.stream()
        committed = [stream.push(one.emissions).committed, stream.finish().committed]
        prediction = "".join(labels_to_text(labels.labels) for labels in committed)
        confidences += [labels.confidences for labels in committed]
        pairs = align(prediction, one.truth)
        right += [float(key == true_key) for key, true_key in pairs if key is not None]
    return Judged(np.concatenate(confidences).astype(np.float64), np.array(right))


def tempered(decoder: BeamDecoder, temperature: float, delay: int | None) -> BeamDecoder:
    """Give the same decoder with another temperature and, unless None, frames until confidences are taken."""
    return BeamDecoder(
        beam_size=decoder.beam_size,
        lm=decoder.lm,
        lm_weight=decoder.lm_weight,
        insertion_bonus=decoder.insertion_bonus,
        commit_delay=decoder.commit_delay,
        confidence_delay=decoder.confidence_delay if delay is None else delay,
        confidence_temperature=temperature,
    )


def draw(curves: dict[str, dict[str, Judged]], title: str, file: Path) -> None:
    """Draw the share of right keys over the confidence, a panel for each way of decoding."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(curves), figsize=(5 * len(curves), 4.9), sharey=True, layout="constrained")
    for panel, (name, kinds) in zip(panels, curves.items(), strict=True):
        panel.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="as it should be")
        for (kind, found), color in zip(kinds.items(), ("#c8662f", "#2c64a8"), strict=True):
            counts, confidences, shares = found.bins()
            errors = np.sqrt(shares * (1 - shares) / counts)
            label = f"{kind}: error {found.calibration_error:.3f}"
            panel.errorbar(confidences, shares, errors, marker="o", markersize=4, color=color, label=label, capsize=2)
        panel.set(xlabel="confidence of a decoded key (mean of the bin)", xlim=(0, 1.02), ylim=(0, 1.02))
        panel.set_title(f"{name}, {len(found.right):,} keys", loc="left", fontsize=10)
        panel.legend(loc="lower right", frameon=False, fontsize=9)
        panel.grid(color="0.93")
    panels[0].set_ylabel("share of keys that are right")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("person")
    parser.add_argument("--events", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--temperature", type=float, default=1.5, help="to compare with 1")
    parser.add_argument("--delay", type=float, metavar="SECONDS", help="after onset; the decoder's own by default")
    parser.add_argument("--figure", type=Path, metavar="FILE.png", help="also draw it (needs matplotlib)")
    arguments = parser.parse_args()
    engine = Engine(open_model(arguments.model))
    person, minutes = arguments.person, arguments.minutes
    sources = prompts(person, "test", TEST_SEEDS, minutes)
    if arguments.events is not None:
        sources = chain(sources, real_logs(person, arguments.events, minutes))
    found = [Typing(source.name, emissions_of(engine, source.recording), source.recording.truth) for source in sources]
    validation = [
        Typing(source.name, emissions_of(engine, source.recording), source.recording.truth)
        for source in prompts(person, "validation", VALIDATION_SEEDS, minutes)
    ]
    print(f"| {person}, simulated | decoded keys | right (%) | temperature | mean confidence (%) | ECE | Brier |")
    print("|---|---|---|---|---|---|---|")
    curves: dict[str, dict[str, Judged]] = {}
    best: dict[str, float] = {}
    delay = None if arguments.delay is None else round(arguments.delay * engine.facts.frame_rate)
    for name, lm in (("without a language model", None), ("with the bundled model", ENGLISH)):
        decoder = named_decoder("beam", lm, engine.facts.frame_rate)

        def at(temperature: float, typing: Sequence[Typing], decoder: BeamDecoder = decoder) -> Judged:
            return judged(tempered(decoder, temperature, delay), typing)

        briers = {temperature: at(temperature, validation).brier for temperature in TEMPERATURES}
        best[name] = min(briers, key=briers.__getitem__)
        for group in (*dict.fromkeys(typing.name for typing in found), EVERYTHING):
            members = [typing for typing in found if group in (typing.name, EVERYTHING)]
            for temperature in (1.0, arguments.temperature):
                keys = at(temperature, members)
                print(
                    f"| {name}: {group} | {len(keys.right):,} | {100 * keys.right.mean():.1f} | {temperature:g} "
                    f"| {100 * keys.confidences.mean():.1f} | {keys.calibration_error:.3f} | {keys.brier:.4f} |",
                    flush=True,
                )
                if group == EVERYTHING:
                    curves.setdefault(name, {})[f"temperature {temperature:g}"] = keys
    for name, temperature in best.items():
        print(f"\nLowest Brier score on validation prompts, {name}: temperature {temperature:g}")
    if arguments.figure is not None:
        draw(curves, f"Simulated typing of {person}: how often keys of a confidence are right", arguments.figure)


if __name__ == "__main__":
    main()
