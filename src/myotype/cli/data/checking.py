"""``myotype data check``: look for what is wrong with recordings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Check:
    """Look for what is wrong with recordings."""

    def run(self) -> int:
        """Do it, and give the exit code."""
        raise NotImplementedError
