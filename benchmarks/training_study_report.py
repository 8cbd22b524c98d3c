#!/usr/bin/env python3
"""What the training study found: a table on stdout and a picture, from the results of its runs. All of it simulated.

    python benchmarks/training_study_report.py RUNS [--figure docs/figures/training_study.png]

Intervals are of the mean over people, 95 %, by bootstrap over people; a person's rate is the mean over seeds.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rates = dict[str, float]
"""CER in percent of each person."""

RESAMPLES = 10_000
REFERENCE = "as-it-is"
INGREDIENTS = {
    "emg2qwerty-net": "batch norm and an MLP for each hand instead of rolling norm and shared hands",
    "without-masks": "no masks",
    "without-sharing": "an encoder for each hand",
    "without-rotation": "no rotation of the bands",
    "without-latest": "alignments not confined",
    "kernel-4": "kernel 4 instead of 8",
    "kernel-16": "kernel 16 instead of 8",
    "plain-text": "only the recordings without shuffled prompts",
    "shuffled-text": "only the recordings with shuffled prompts",
}


def results(runs: Path) -> dict[str, dict]:
    """Read what the runs have written, by the name of the run."""
    found = {}
    for path in sorted(runs.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if "failed" in result:
            print(f"{path.stem}: {result['failed']}\n")
        else:
            found[path.stem] = result
    return found


def mean_over_seeds(found: dict[str, dict], kind: str, minutes: int) -> tuple[Rates, int]:
    """Give a recipe's rates, zero-shot or after minutes of calibration, and how many seeds they are of."""
    rates = defaultdict(list)
    seeds = set()
    for name, result in found.items():
        generic, _, personal = name.partition("-personal-")
        of_recipe, _, seed = generic.rpartition("-")
        if of_recipe == kind and (personal.endswith(f"-{minutes}") if minutes else not personal):
            seeds.add(seed)
            for person, rate in result["CER (%)"].items():
                rates[person].append(rate)
    return {person: float(np.mean(values)) for person, values in rates.items()}, len(seeds)


def interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Give the 95 % interval of a mean, by bootstrap."""
    chosen = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[chosen].mean(1), [0.025, 0.975])
    return float(low), float(high)


def ratio(ours: Rates, others: Rates) -> tuple[float, float, float]:
    """Give the ratio of the means over the people that both have, and its 95 % interval by paired bootstrap."""
    people = sorted(set(ours) & set(others))
    a, b = (np.array([rates[person] for person in people]) for rates in (ours, others))
    chosen = np.random.default_rng(0).integers(len(people), size=(RESAMPLES, len(people)))
    low, high = np.quantile(a[chosen].mean(1) / b[chosen].mean(1), [0.025, 0.975])
    return float(a.mean() / b.mean()), float(low), float(high)


def print_table(found: dict[str, dict]) -> None:
    """Print the comparison of the recipes, and what each ingredient is worth."""
    print("| CER %, simulated | people, seeds | baseline | best | best / baseline |\n|---|---|---|---|---|")
    for minutes in (0, 2, 10):
        (ours, n_ours), (others, n_others) = (mean_over_seeds(found, kind, minutes) for kind in ("best", "baseline"))
        if not (ours and others):
            continue
        cells = []
        for rates in (others, ours):
            low, high = interval(np.array(list(rates.values())))
            cells.append(f"{np.mean(list(rates.values())):.1f} ({low:.1f} to {high:.1f})")
        of, low, high = ratio(ours, others)
        what = f"after {minutes} minutes" if minutes else "zero-shot"
        seeds = f"{len(ours)}, {n_ours}" if n_ours == n_others else f"{len(ours)}, {n_ours} and {n_others}"
        print(f"| {what} | {seeds} | {cells[0]} | {cells[1]} | {of:.2f} ({low:.2f} to {high:.2f}) |")
    print(
        "\n| `best` in less time, zero-shot (simulated, seed 0) | CER % | more than as it is | missing % | delay ms |"
    )
    print("|---|---|---|---|---|")
    for name, change in {REFERENCE: "as it is", **INGREDIENTS}.items():
        if f"{name}-0" not in found or f"{REFERENCE}-0" not in found:
            continue
        result, rates, reference = found[f"{name}-0"], found[f"{name}-0"]["CER (%)"], found[f"{REFERENCE}-0"]["CER (%)"]
        more = np.array([rates[person] - reference[person] for person in rates])
        low, high = interval(more)
        difference = "" if name == REFERENCE else f"{more.mean():+.1f} ({low:+.1f} to {high:+.1f})"
        delay = result["delay, median and 95 % (ms)"] or ["", ""]
        print(
            f"| {change} | {np.mean(list(rates.values())):.1f} | {difference} | {result['deletions (%)']:.1f} | "
            f"{delay[0]:.0f}, {delay[1]:.0f} |"
        )


def draw(found: dict[str, dict], path: Path) -> None:
    """Draw error rates against minutes of calibration, a thin line a person."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for kind, color in (("baseline", "#b2182b"), ("best", "#2166ac")):
        curves = {minutes: mean_over_seeds(found, kind, minutes)[0] for minutes in (0, 2, 10)}
        people = sorted(set(curves[0]) & set(curves[2]) & set(curves[10]))
        for person in people:
            axes.plot(range(3), [curve[person] for curve in curves.values()], color=color, alpha=0.3, lw=1)
        means = [np.mean([curve[person] for person in people]) for curve in curves.values()]
        axes.plot(range(3), means, color=color, lw=2.5, marker="o", label=f"{kind}, mean of {len(people)} people")
    axes.set_xticks(range(3), ["none", "2 minutes", "10 minutes"])
    axes.set(xlabel="calibration", ylabel="character error rate (%)", ylim=(0, None))
    axes.set_title("myotype-sim v1: simulated people whom no model had seen", fontsize=10)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print and draw."""
    parser = argparse.ArgumentParser(description="What the training study found, simulated.")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    found = results(arguments.runs)
    print_table(found)
    if arguments.figure is not None:
        draw(found, arguments.figure)


if __name__ == "__main__":
    main()
