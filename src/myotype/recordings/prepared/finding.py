"""Telling which prepared recording lies in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from myotype.errors import RecordingError
from myotype.recordings.corpus import Entry, Stray
from myotype.recordings.prepared.layout import read_meta

if TYPE_CHECKING:
    from pathlib import Path


def prepared_entry(folder: Path) -> Entry | Stray:
    """Give the place that a prepared recording has in a corpus, or say why it has none."""
    try:
        meta = read_meta(folder)
    except RecordingError as error:
        return Stray(folder, str(error))
    return Entry(folder, "prepared", meta.user, meta.session)
