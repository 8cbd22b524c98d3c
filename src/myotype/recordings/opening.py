"""Opening a recording, whatever kind of file holds it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from myotype.errors import RecordingError
from myotype.recordings.hdf5 import open_hdf5

if TYPE_CHECKING:
    import os

    from myotype.recordings.recording import Recording

_BIDS_SUFFIXES: Final = (".bdf", ".edf")


def open_recording(path: str | os.PathLike[str]) -> Recording:
    """Open a recording; its samples stay in the file until they are asked for.

    Parameters
    ----------
    path
        An HDF5 file of the emg2qwerty form.

    Returns
    -------
    Recording
        A context manager: leaving it closes the file. Labels that are missing or malformed raise
        :class:`~myotype.errors.LabelsError` when they are asked for, not here.

    Raises
    ------
    RecordingError
        If there is no such file, or it has no signal that can be read.
    """
    file = Path(path)
    try:
        if not file.exists():
            raise RecordingError(f"there is no file {file}")
        is_bids = file.suffix.lower() in _BIDS_SUFFIXES or (
            file.is_dir() and any(file.glob("dataset_description.json"))
        )
        if is_bids:
            raise RecordingError(f"{file}: BIDS signals (BDF, EDF) are not supported yet; HDF5 recordings are")
        if file.is_dir():
            raise RecordingError(f"{file} is a folder; name one recording, a file ending in .hdf5")
        if not file.is_file():
            raise RecordingError(f"{file} is not a regular file")
    except OSError as error:
        raise RecordingError(f"{file} cannot be opened: {error.strerror or error}") from error
    return open_hdf5(file)
