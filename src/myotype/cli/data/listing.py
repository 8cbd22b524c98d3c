"""``myotype data list``: say which recordings there are, and who typed how much and how fast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class List:
    """Say which recordings there are, and who typed how much and how fast."""

    def run(self) -> int:
        """Do it, and give the exit code."""
        raise NotImplementedError
