#!/usr/bin/env python3
"""How the bundled demo model fares on simulated typists: its own at several speeds, and strangers.

One-minute recordings of prompts that no model here was trained on; greedy; seeds as printed, also of the donning.
Usage: python benchmarks/demo_model.py
"""

from __future__ import annotations

import numpy as np

from myotype import Transcriber, simulate
from myotype.metrics import error_rates

SPEED = 3.2  # keys a second
SEEDS = range(900, 904)
STRANGERS = range(8)
STRANGERS_SEED = 4242


def main() -> None:
    """Measure and print a table."""
    transcriber = Transcriber.from_pretrained("demo", decoder="greedy")

    def rate(typist: str, seed: int, speed: float) -> float:
        recording = simulate(minutes=1, typist=typist, seed=seed, session=seed, speed=speed, split="test")
        return 100 * error_rates(transcriber.transcribe(recording).keys, recording.truth).cer

    print("| typist (simulated) | seeds | keys/s | CER (%) | mean |\n|---|---|---|---|---|")
    rows = [
        ("demo", list(SEEDS), speed, [rate("demo", seed, speed) for seed in SEEDS]) for speed in (2.2, 3.2, 4.2, 5, 6)
    ]
    for preset in ("easy", "realistic"):
        rates = [rate(f"{preset}:{number}", STRANGERS_SEED + number, SPEED) for number in STRANGERS]
        rows.append((f"{preset}:0 to {preset}:7", [STRANGERS_SEED + number for number in STRANGERS], SPEED, rates))
    for typist, seeds, speed, rates in rows:
        listed = ", ".join(f"{value:.1f}" for value in rates)
        print(f"| {typist} | {seeds[0]} to {seeds[-1]} | {speed:g} | {listed} | {np.mean(rates):.1f} |")


if __name__ == "__main__":
    main()
