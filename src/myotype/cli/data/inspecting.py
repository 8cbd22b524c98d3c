"""``myotype data inspect``: look into one recording."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Inspect:
    """Look into one recording."""

    def run(self) -> int:
        """Do it, and give the exit code."""
        raise NotImplementedError
