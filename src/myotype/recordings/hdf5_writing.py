"""Writing recordings in the HDF5 form of the original emg2qwerty release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import h5py
import numpy as np

from myotype.errors import InputError
from myotype.files import replacing_file
from myotype.recordings import labels
from myotype.recordings.hdf5 import DATASET, GROUP, PER_BAND, ROW

if TYPE_CHECKING:
    import os
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    import numpy.typing as npt

    from myotype.recordings.recording import Recording

_CHUNK: Final = 2000  # samples: a second, 272 kB before compression
_BLOCK: Final = 32 * _CHUNK


def write_hdf5(path: str | os.PathLike[str], recording: Recording) -> None:
    """Write a recording in HDF5, block by block; it is read back exactly as it is.

    What stood at `path` before is replaced when all is written.

    Raises
    ------
    InputError
        If the recording has no samples, or a text that HDF5 cannot hold.
    OutputError
        If the file cannot be written; whatever stood at `path` before is then untouched.
    RecordingError
        If the recording cannot be read, or its labels cannot (:class:`~myotype.errors.LabelsError`).
    """
    if recording.n_samples == 0:
        raise InputError("the recording has no samples: there is nothing to write")
    attributes: dict[str, str | float] = {
        "session_name": _storable(recording.name, "name"),
        "user": _storable(recording.user, "user"),
        "condition": _storable(recording.condition, "condition"),
        "duration_mins": recording.duration / 60,
        "keystrokes": labels.format_key_presses(recording.key_presses),
        "prompts": labels.format_prompts(recording.prompts),
    }
    with replacing_file(path) as temporary, _Sink(temporary) as sink, h5py.File(sink, "w") as file:
        group = file.create_group(GROUP)
        # Texts of variable length lie outside the object's header, which holds no more than 64 kB.
        group.attrs.update(attributes)
        dataset = group.create_dataset(
            DATASET,
            shape=(recording.n_samples,),
            dtype=ROW,
            chunks=(min(_CHUNK, recording.n_samples),),
            shuffle=True,
            compression="gzip",
            compression_opts=4,
        )
        for start in range(0, recording.n_samples, _BLOCK):
            dataset[start : start + _BLOCK] = _rows(recording, start, start + _BLOCK)
            sink.check()


def _rows(recording: Recording, start: int, stop: int) -> npt.NDArray[np.void]:
    emg = recording.emg[start:stop]
    rows = np.empty(len(emg), dtype=ROW)
    rows["emg_left"] = emg[:, :PER_BAND]
    rows["emg_right"] = emg[:, PER_BAND:]
    rows["time"] = recording.times[start:stop]
    return rows


def _storable(text: str, what: str) -> str:
    labels.check_storable(text, what)
    if "\0" in text:
        raise InputError(f"the recording's {what} {text!r} holds a zero character, which HDF5 cannot store")
    return text


class _Sink:
    """The file that HDF5 writes to, in which writing never fails: what went wrong is kept and raised afterwards.

    HDF5 cannot close a file that it could not write, and takes the whole process down when it tries to, so a full disk
    must not come to its ears.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b", buffering=0)
        self._error: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def readinto(self, buffer: bytearray) -> int:
        return self._file.readinto(buffer)

    def write(self, content: bytes) -> int:
        left = memoryview(content)
        try:
            while left and self._error is None:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._error = error
        return len(content)

    def truncate(self, size: int) -> int:
        try:
            self._file.truncate(size)
        except OSError as error:
            self._error = error
        return size

    def flush(self) -> None:
        """Nothing is held back that could be flushed."""
