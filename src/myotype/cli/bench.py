"""``myotype bench``: measure how fast this machine is."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Annotated, Literal

import tyro

from myotype.cli.benchmarks.figures import HEADER, machine
from myotype.cli.console import progress_bar, show_table

Part = Literal["decoder"]


def run(
    part: Annotated[Part, tyro.conf.Positional],
    /,
    *,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Measure how fast this machine is: medians of repeats with their range, beside what is aimed at.

    Parameters
    ----------
    part
        decoder: greedy decoding and the beam search, on made-up emissions; takes about a minute.
    as_json
        Print all figures, the machine and the versions as a JSON object.
    """
    module = import_module(f"myotype.cli.benchmarks.{part}")
    figures = []
    with progress_bar() as bar:
        bar.show(f"measuring: {part}", 0.0)
        for figure in module.measure():
            figures.append(figure)
            share = len(figures) / module.N_FIGURES
            bar.show(
                f"measuring: {part}",
                share,
                f"{figure.work}: {figure.median:,.4g} {figure.unit}",
            )
    if as_json:
        print(json.dumps({"part": part, "machine": machine(), "figures": [one.to_json() for one in figures]}, indent=2))
        return 0
    show_table([(name, str(value)) for name, value in machine().items()])
    print()
    show_table([figure.row() for figure in figures], header=HEADER)
    return 0
