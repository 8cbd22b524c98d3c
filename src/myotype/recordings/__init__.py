"""Recordings of people typing: one view over every kind of file, writing, corpora of them, and what may be wrong."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from myotype.recordings.hdf5_writing import write_hdf5
from myotype.recordings.opening import open_recording as open  # noqa: A004 (the library's open, as in wave or gzip)
from myotype.recordings.recording import Prompt, Recording

if TYPE_CHECKING:
    from myotype.recordings import splits
    from myotype.recordings.bids.writing import write_bids
    from myotype.recordings.corpus import Corpus, find_recordings
    from myotype.recordings.quality import check

__all__ = [
    "Corpus",
    "Prompt",
    "Recording",
    "check",
    "find_recordings",
    "open",
    "splits",
    "write_bids",
    "write_hdf5",
]

_HOMES = {
    "Corpus": "myotype.recordings.corpus",
    "check": "myotype.recordings.quality",
    "find_recordings": "myotype.recordings.corpus",
    "write_bids": "myotype.recordings.bids.writing",
}


def __getattr__(name: str) -> Any:
    """Import what transcribing does not need when it is first asked for."""
    if name == "splits":
        return importlib.import_module("myotype.recordings.splits")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
