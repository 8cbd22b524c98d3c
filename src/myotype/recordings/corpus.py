"""Corpora: which recordings lie under a folder, who typed them and which is which, before any is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from myotype.errors import RecordingError
from myotype.recordings.opening import open_recording
from myotype.recordings.recording import Recording

Form = Literal["hdf5", "bids", "prepared"]

_START: Final = re.compile(r"(?<!\d)(\d{10})(?!\d)")  # unix seconds, as the names of sessions have them


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording of a corpus.

    Attributes
    ----------
    path
        What :func:`myotype.recordings.open` takes.
    form
        How it is stored.
    user
        Who typed, without leading zeros, which BIDS adds to numbers.
    session
        What the recording is called; together with `user` unique in a corpus.
    """

    path: Path
    form: Form
    user: str
    session: str

    @property
    def start(self) -> str | None:
        """The unix seconds that the session's name has, as all names of the emg2qwerty data do; None where it has none."""
        found = _START.findall(self.session)
        return found[-1] if found else None

    def open(self) -> Recording:
        """Open the recording."""
        return open_recording(self.path)


@dataclass(frozen=True, slots=True)
class Stray:
    """Something that looks like a recording and is not counted as one.

    Attributes
    ----------
    path
        Where it lies.
    reason
        Why it does not count.
    """

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Recordings that belong together.

    Attributes
    ----------
    root
        The folder that they lie under.
    entries
        The recordings, by user and session.
    strays
        What looks like one and is none.
    """

    root: Path
    entries: tuple[Entry, ...]
    strays: tuple[Stray, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def users(self) -> tuple[str, ...]:
        """Who typed, each once, in order."""
        return tuple(dict.fromkeys(entry.user for entry in self.entries))


def find_recordings(root: str | os.PathLike[str]) -> Corpus:
    """Find the recordings under a folder: HDF5 files at any depth, a BIDS tree, or a prepared cache.

    Raises
    ------
    RecordingError
        If there is no such folder, or nothing in it is a recording.
    """
    raise RecordingError(f"{root}: corpora are being built")
