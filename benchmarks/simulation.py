#!/usr/bin/env python3
"""How fast the simulator is on one core, everything included. Usage: python benchmarks/simulation.py."""

from __future__ import annotations

import statistics
import time

from myotype import simulate

SPEED = 5.0  # keys a second
MINUTES = 2.0


def main() -> None:
    """Measure and print a table."""
    simulate(minutes=0.1)  # compiled
    print("| typist | times real time: median (slowest to fastest of 7) |\n|---|---|")
    for typist in ("demo", "easy:1", "realistic:1"):
        ratios = []
        for seed in range(7):
            began = time.process_time()
            recording = simulate(minutes=MINUTES, typist=typist, speed=SPEED, seed=seed)
            ratios.append(recording.duration / (time.process_time() - began))
        print(f"| {typist} | {statistics.median(ratios):.0f} ({min(ratios):.0f} to {max(ratios):.0f}) |")


if __name__ == "__main__":
    main()
