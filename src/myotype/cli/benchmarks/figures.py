"""Figures with their range and what they are held against, and the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

REPEATS = 7


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that was measured several times.

    Attributes
    ----------
    work
        What was done.
    values
        What each repeat gave.
    unit
        Of the values.
    at_least, at_most
        What is aimed at; None where nothing is.
    others
        What others have measured, on other machines.
    note
        What else there is to know.
    """

    work: str
    values: Sequence[float]
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    others: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        """The middle one of the values."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the median is what is aimed at; None where nothing is."""
        if self.at_least is not None:
            return self.median >= self.at_least
        return None if self.at_most is None else self.median <= self.at_most

    def row(self) -> tuple[str, ...]:
        """Write it as a row of a table, below `HEADER`."""
        figure = f"{_number(self.median)} {self.unit}"
        if len(self.values) > 1:
            figure += f" ({_number(min(self.values))} to {_number(max(self.values))})"
        target = ""
        if self.at_least is not None or self.at_most is not None:
            bound = f">= {_number(self.at_least)}" if self.at_least is not None else f"<= {_number(self.at_most or 0)}"
            target = f"{bound} {self.unit}: {'reached' if self.reached else 'missed'}"
        return self.work, figure, target, self.others, self.note

    def to_json(self) -> dict[str, Any]:
        """Give all of it as JSON values."""
        return {
            "work": self.work,
            "median": self.median,
            "low": min(self.values),
            "high": max(self.values),
            "repeats": len(self.values),
            "unit": self.unit,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "reached": self.reached,
            "others": self.others,
            "note": self.note,
        }


HEADER = ("work", "median (range)", "target", "others, elsewhere", "note")


def _number(value: float) -> str:
    """Write about three figures of a number."""
    digits = next((digits for digits, least in ((0, 100), (1, 10), (2, 1)) if abs(value) >= least), 3)
    return f"{value:,.{digits}f}"


def rates(work: Callable[[], object], amount: float, repeats: int = REPEATS) -> list[float]:
    """Time a piece of work: how much of it is done in a second, in every repeat after a first that does not count."""
    work()
    return [amount / seconds for seconds in times(work, repeats)]


def times(work: Callable[[], object], repeats: int) -> list[float]:
    """Time a piece of work: seconds of every repeat."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def machine(packages: Sequence[str] = ()) -> dict[str, Any]:
    """Say what this is measured on, and with which versions, also of further packages."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),  # of the last minute, this process among others
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in ("myotype", "numpy", "numba", "onnxruntime", *packages)},
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
