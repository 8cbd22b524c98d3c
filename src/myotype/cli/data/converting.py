"""``myotype data convert``: write recordings in another form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Convert:
    """Write recordings in another form."""

    def run(self) -> int:
        """Do it, and give the exit code."""
        raise NotImplementedError
