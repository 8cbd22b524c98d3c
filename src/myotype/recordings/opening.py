"""Opening a recording, whatever kind of file holds it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from myotype.errors import InputError, RecordingError
from myotype.recordings.hdf5 import open_hdf5
from myotype.recordings.prepared.reading import is_prepared, open_prepared

if TYPE_CHECKING:
    import os

    from myotype.recordings.recording import Recording

_EDF_SUFFIXES: Final = (".bdf", ".edf")
_BRAINVISION_SUFFIX: Final = ".vhdr"
_SESSION_FOLDERS: Final = (".", "emg")  # where the signal of a session is, from the folder that is named


def open_recording(path: str | os.PathLike[str], *, units: str | None = None) -> Recording:
    """Open a recording; its samples stay in the file until they are asked for.

    Parameters
    ----------
    path
        An HDF5 file of the emg2qwerty form; a BDF, EDF or BrainVision (.vhdr) file, with what EMG-BIDS puts beside it;
        the folder of a BIDS session that has one of these; or that of a prepared recording. BrainVision needs the extra
        `brainvision`.
    units
        For BDF and EDF: what the numbers are in (V, mV, uV, nV), whatever the file declares. BrainVision is read by the
        units of its own header, and HDF5 recordings are in microvolts.

    Returns
    -------
    Recording
        A context manager: leaving it closes the file. Labels that are missing or malformed raise
        :class:`~myotype.errors.LabelsError` when they are asked for, not here. What had to be assumed about the file
        stands in its notes.

    Raises
    ------
    RecordingError
        If there is no such file, or it has no signal that can be read.
    InputError
        If there is no such unit, or the file has its own.
    MissingExtraError
        If an extra is needed.
    """
    file = Path(path)
    try:
        if not file.exists():
            raise RecordingError(f"there is no file {file}")
        if is_prepared(file) and units is None:
            return open_prepared(file)
        if file.is_dir():
            file = _signal_in(file)
        if not file.is_file():
            raise RecordingError(f"{file} is not a regular file")
    except OSError as error:
        raise RecordingError(f"{file} cannot be opened: {error.strerror or error}") from error
    suffix = file.suffix.lower()
    if suffix in _EDF_SUFFIXES:
        from myotype.recordings.bids.reading import open_bids  # noqa: PLC0415 (most recordings are HDF5)

        return open_bids(file, units=units)
    if suffix == _BRAINVISION_SUFFIX:
        from myotype.recordings.bids.brainvision import open_brainvision  # noqa: PLC0415 (as above)

        if units is not None:
            raise InputError(f"{file}: the units of BrainVision are those of its header; correct them there")
        return open_brainvision(file)
    if units is not None:
        raise InputError(f"{file}: HDF5 recordings are in microvolts; their units cannot be given")
    return open_hdf5(file)


def is_recording(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path looks like a recording: a file, or a folder that holds one."""
    try:
        return Path(path).is_file() or is_prepared(path) or bool(_signals_in(Path(path)))
    except (OSError, ValueError):  # a name that no path can have
        return False


def _signals_in(folder: Path) -> list[Path]:
    """Find the signals of a session's folder."""
    endings = (*_EDF_SUFFIXES, _BRAINVISION_SUFFIX)
    return sorted(
        path
        for part in _SESSION_FOLDERS
        for path in (folder / part).glob("*_emg.*")
        if path.suffix.lower() in endings and not path.name.startswith(".")  # as macOS adds to files on foreign disks
    )


def _signal_in(folder: Path) -> Path:
    """Find the one signal of a session's folder."""
    found = _signals_in(folder)
    if len(found) == 1:
        return found[0]
    if found:
        raise RecordingError(f"{folder} has {len(found)} recordings; name one of them, such as {found[0]}")
    raise RecordingError(f"{folder} is a folder without a recording; name one, a file ending in .hdf5 or _emg.bdf")
