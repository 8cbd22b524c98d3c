"""What goes wrong with servers: whether to try again, how often, and how long to wait before."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from myotype.errors import RecordingError


class RefusedError(RecordingError):
    """A server's answer that trying again does not change; it concerns one file."""


class GaveUpError(RecordingError):
    """A server that cannot be reached, or does not get on, although it was given time."""


class StoppedError(Exception):
    """Somebody else has asked to stop."""


class TemporaryError(Exception):
    """Something that may go well the next time.

    Parameters
    ----------
    why
        What went wrong.
    wait
        Seconds that the server asks to wait.
    """

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class ChangedError(TemporaryError):
    """The file is not, or not certainly, the one that was begun: begin again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Attributes
    ----------
    attempts
        In a row without a byte more than before.
    pause
        Seconds before the second attempt; twice as long before each further one.
    longest_pause
        Seconds. A server that asks for more is left alone.
    timeout
        Seconds without an answer, or without a byte of it.
    """

    attempts: int = 6
    pause: float = 1.0
    longest_pause: float = 120.0
    timeout: float = 30.0


class Attempts:
    """Counts attempts that get no further than those before, and pauses between them."""

    def __init__(self, url: str, patience: Patience, stop: threading.Event) -> None:
        self._url = url
        self._patience = patience
        self._stop = stop
        self._furthest = 0
        self._failed = 0

    def failed(self, error: TemporaryError, reached: int = 0) -> None:
        """Pause before the next attempt.

        Raises
        ------
        GaveUpError
            If there were enough of them.
        """
        if reached > self._furthest:
            self._furthest, self._failed = reached, 0
        self._failed += 1
        if self._failed >= self._patience.attempts:
            raise GaveUpError(f"{self._url}: {error} ({self._failed} attempts): run it again later to go on") from error
        wait = error.wait
        if wait is None:
            longest = min(self._patience.pause * 2 ** (self._failed - 1), self._patience.longest_pause)
            wait = longest * random.uniform(0.5, 1.0)  # noqa: S311  (so that many clients do not come back at once)
        elif wait > self._patience.longest_pause:
            raise GaveUpError(f"{self._url}: {error}; the server asks to come back in {wait:.0f} s") from error
        if self._stop.wait(wait):
            raise StoppedError
