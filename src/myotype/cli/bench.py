"""``myotype bench``: measure how fast this machine is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import tyro

from myotype.cli.benchmarks.figures import HEADER, Figure, machine
from myotype.cli.console import progress_bar, show_table
from myotype.errors import InputError, extra_for

AsJSON = Annotated[bool, tyro.conf.arg(name="json")]


@dataclass
class Decoder:
    """Measure greedy decoding and the beam search, on made-up emissions; takes about a minute.

    Attributes
    ----------
    as_json
        Print all figures, the machine and the versions as a JSON object.
    """

    name: ClassVar[str] = "decoder"
    packages: ClassVar[tuple[str, ...]] = ()

    as_json: AsJSON = False

    def measure(self) -> tuple[int, Iterator[Figure]]:
        """Give how many figures there will be, and them as they come."""
        from myotype.cli.benchmarks import decoder

        return decoder.N_FIGURES, decoder.measure()


@dataclass
class Train:
    """Measure a training step of the full-size network against plain PyTorch, and how fast training windows are read.

    It takes some minutes.

    Attributes
    ----------
    batch
        Windows of 5 s in a step.
    threads
        Threads for the networks; 0 for as many as there are cores.
    as_json
        Print all figures, the machine and the versions as a JSON object.
    """

    name: ClassVar[str] = "train"
    packages: ClassVar[tuple[str, ...]] = ("torch",)

    batch: int = 8
    threads: int = 0
    as_json: AsJSON = False

    def measure(self) -> tuple[int, Iterator[Figure]]:
        """Give how many figures there will be, and them as they come."""
        from myotype.runtime.engine import MOST_THREADS

        if self.batch < 1:
            raise InputError(f"--batch {self.batch}: give a whole number from 1 on")
        if not 0 <= self.threads <= MOST_THREADS:
            raise InputError(f"--threads {self.threads}: give a whole number from 0 (all cores) to {MOST_THREADS}")
        with extra_for("measuring training", "train"):
            import torch

            from myotype.cli.benchmarks import train

        if self.threads:
            torch.set_num_threads(self.threads)
        return train.N_FIGURES, train.measure(train.Sizes(windows=self.batch))


def run(
    part: tyro.conf.OmitSubcommandPrefixes[
        Annotated[Decoder, tyro.conf.subcommand("decoder")] | Annotated[Train, tyro.conf.subcommand("train")]
    ],
) -> int:
    """Measure how fast this machine is: medians of repeats with their range, beside what is aimed at."""
    n_figures, measured = part.measure()
    figures = []
    with progress_bar() as bar:
        bar.show(f"measuring: {part.name}", 0.0)
        for figure in measured:
            figures.append(figure)
            share = len(figures) / n_figures
            bar.show(
                f"measuring: {part.name}",
                share,
                f"{figure.work}: {figure.median:,.4g} {figure.unit}",
            )
    about = machine(part.packages)
    if part.as_json:
        content = {"part": part.name, "machine": about, "figures": [one.to_json() for one in figures]}
        print(json.dumps(content, indent=2))
        return 0
    show_table([(name, str(value)) for name, value in about.items()])
    print()
    show_table([figure.row() for figure in figures], header=HEADER)
    return 0
