"""What a prepared recording was made from, so that it is made again when that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from myotype.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READING: Final = 2
"""Of the code that reads sources: to be raised whenever it gives other samples, times or labels for the same files."""

_HDF5: Final = (".hdf5", ".h5")
_LEVELS: Final = 3  # from the folder of a BIDS recording up to its root: emg, session, subject
_INHERITED: Final = ("_emg.json", "_channels.tsv", "_channels.json", "_events.tsv", "_events.json")


def identify(path: Path) -> tuple[list[list[str | int]], int]:
    """Give the names, sizes and times of change of the files that a recording is read from.

    Their content is not looked at, which would take about as long as preparing it. Of a BIDS recording these are all
    files of its folder and the sidecars above it.

    Parameters
    ----------
    path
        What :func:`myotype.recordings.open` takes.

    Returns
    -------
    tuple
        The version of what reads them, as a first entry, and [name, bytes, nanoseconds] of each file; then the bytes of
        all that lie in the recording's own folder, or of the file if it is one of its own.

    Raises
    ------
    RecordingError
        If they cannot be found.
    """
    try:
        if path.is_file() and path.suffix.lower() in _HDF5:
            own, inherited = [path], []
        else:
            folder = path if path.is_dir() else path.parent
            own = sorted(_visible(folder))
            above = list(folder.resolve().parents)[:_LEVELS]
            inherited = sorted(file for each in above for file in _visible(each) if file.name.endswith(_INHERITED))
        found = [(file.name, file.stat()) for file in (*own, *inherited)]
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error
    size = sum(stat.st_size for _, stat in found[: len(own)])
    identity: list[list[str | int]] = [["read by version", _READING]]
    identity += [[name, stat.st_size, stat.st_mtime_ns] for name, stat in found]
    return identity, size


def _visible(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
