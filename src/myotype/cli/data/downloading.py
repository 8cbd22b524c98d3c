"""``myotype data download``: fetch the emg2qwerty recordings, or some of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Download:
    """Fetch the emg2qwerty recordings, or some of them."""

    def run(self) -> int:
        """Do it, and give the exit code."""
        raise NotImplementedError
