"""``myotype data prepare``: make a cache of recordings that training reads fast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Prepare:
    """Make a cache of recordings that training reads fast."""

    def run(self) -> int:
        """Do it, and give the exit code."""
        raise NotImplementedError
