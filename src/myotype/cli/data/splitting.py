"""``myotype data split``: divide recordings into those to train, validate and test on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Split:
    """Divide recordings into those to train, validate and test on."""

    def run(self) -> int:
        """Do it, and give the exit code."""
        raise NotImplementedError
