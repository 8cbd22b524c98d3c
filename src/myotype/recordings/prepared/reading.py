"""Opening a prepared recording, and checking one against its checksums."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from myotype.errors import RecordingError
from myotype.keyboard import KEYS as KEY_NAMES
from myotype.recordings import labels
from myotype.recordings.prepared import steps, times
from myotype.recordings.prepared.layout import (
    ARRAYS,
    CLOCK,
    EMG,
    KEYS,
    KEYSTROKES,
    META,
    PROMPTS,
    TIMES,
    Meta,
    damaged,
    read_meta,
    shape_of,
)
from myotype.recordings.recording import Recording

if TYPE_CHECKING:
    from myotype.recordings.recording import Prompt
    from myotype.transcript import KeyPress

_LARGEST_LABELS: Final = 2**28  # bytes


def is_prepared(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path looks like a prepared recording: a folder that says what it is."""
    return Path(path, META).is_file()


def open_prepared(path: str | os.PathLike[str]) -> PreparedRecording:
    """Open a prepared recording.

    Nothing is read but ``recording.json``, and no file is held open, so that thousands of recordings can be open.

    Raises
    ------
    RecordingError
        If this is none, or one that is damaged or incomplete.
    """
    return PreparedRecording(Path(path))


def verify(path: str | os.PathLike[str]) -> None:
    """Compare every file of a prepared recording with its checksum.

    Raises
    ------
    RecordingError
        If one differs.
    """
    folder = Path(path)
    for name, file in read_meta(folder).files.items():
        try:
            with (folder / name).open("rb", buffering=0) as opened:
                sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise RecordingError(f"{folder / name} cannot be read: {error.strerror or error}") from error
        if sha256 != file.sha256:
            raise damaged(folder / name, "its checksum does not fit")


class PreparedRecording(Recording):
    """A recording of a prepared cache: a view like that of its source, whose samples are read faster.

    It can be handed to other processes, which open it anew.

    Attributes
    ----------
    meta
        How it is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.meta = meta = read_meta(folder)
        self._folder = folder
        self._files = {name: _Array(folder / name, *shape_of(meta, name)) for name in ARRAYS if name in meta.files}
        super().__init__(
            emg=_Emg(self._files[EMG], meta),
            times=_Times(self._files[TIMES], self._files[CLOCK], meta),
            sfreq=meta.sfreq,
            key_presses=self._read_key_presses,
            prompts=self._read_prompts,
            user=meta.recording_user,
            name=meta.recording_name,
            condition=meta.condition,
            notes=meta.notes,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return PreparedRecording, (self._folder.absolute(),)

    def close(self) -> None:
        """Refuse to read from now on, as every recording does that is closed; there is nothing to let go of."""
        for file in self._files.values():
            file.closed = True

    def placed_keys(self) -> npt.NDArray[np.int64] | None:
        """Give the sample and the label of each key that can be placed, shape (k, 2); None if none can be."""
        if KEYS not in self._files:
            return None
        keys = self._files[KEYS][:]
        if not ((keys >= 0) & (keys < [self.meta.n_samples, len(KEY_NAMES)])).all() or (np.diff(keys[:, 0]) < 0).any():
            raise damaged(self._folder / KEYS, "it has keys outside the recording")
        return keys

    def _read_key_presses(self) -> tuple[KeyPress, ...]:
        return labels.parse_key_presses(self._read_text(KEYSTROKES), str(self._folder))

    def _read_prompts(self) -> tuple[Prompt, ...]:
        return labels.parse_prompts(self._read_text(PROMPTS), str(self._folder))

    def _read_text(self, name: str) -> str:
        path = self._folder / name
        if self.meta.files[name].size > _LARGEST_LABELS:
            raise damaged(path, "it is too large to hold what was typed")
        try:
            return path.read_text(encoding="ascii")
        except OSError as error:
            raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise damaged(path, f"it is not ASCII ({error})") from error


class _Array:
    """Rows of a ``.npy`` file.

    They are read at their place rather than mapped. A map holds a file handle, of which a process has a thousand; asks
    a slow disk for a window in many small pieces; and ends the process where the file has been cut short.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.closed = False
        self._path = path
        self._dtype = dtype
        self._row_size = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        stat = path.stat()
        self._values_at = stat.st_size - shape[0] * self._row_size  # the size has been checked
        self._identity = (stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def __getitem__(self, window: slice) -> npt.NDArray[Any]:
        start, stop, _ = window.indices(self.shape[0])
        rows = np.empty((max(stop - start, 0), *self.shape[1:]), self._dtype)
        if self.closed:
            raise RecordingError(f"{self._path.parent}: the recording is closed; read it inside its with block")
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                stat = os.fstat(file)
                if (stat.st_ino, stat.st_size, stat.st_mtime_ns) != self._identity:
                    raise RecordingError(f"{self._path} has changed since the recording was opened: open it again")
                self._fill(rows, file, self._values_at + start * self._row_size)
            finally:
                os.close(file)
        except OSError as error:
            raise RecordingError(f"{self._path} cannot be read: {error.strerror or error}") from error
        return rows

    def _fill(self, rows: npt.NDArray[Any], file: int, place: int) -> None:
        left = memoryview(rows.view(np.uint8).reshape(-1).data)
        while left:
            n_read = os.preadv(file, [left], place)
            if not n_read:
                raise RecordingError(f"{self._path} ends too early")
            left, place = left[n_read:], place + n_read


class _Emg:
    """Samples as microvolts."""

    def __init__(self, file: _Array, meta: Meta) -> None:
        self.shape = file.shape
        self._file = file
        self._meta = meta

    def __getitem__(self, window: slice) -> npt.NDArray[np.float32]:
        codes = self._file[window]
        if self._meta.stored != "int16":
            return codes.astype(np.float32, copy=False)
        return steps.decode(
            codes,
            self._meta.step,
            has_negative_zeros=self._meta.n_negative_zeros > 0,
            has_missing=self._meta.n_missing > 0,
        )


class _Times:
    """Times as seconds."""

    def __init__(self, codes: _Array, clock: _Array, meta: Meta) -> None:
        self.shape = codes.shape
        self._codes = codes
        self._clock = clock
        self._n_blocks = -(-meta.n_samples // times.BLOCK)
        self._irregular = np.array(meta.irregular_blocks, dtype=np.int64)
        self._sfreq = meta.sfreq

    def __getitem__(self, window: slice) -> npt.NDArray[np.float64]:
        start, stop, _ = window.indices(self.shape[0])
        if stop <= start:
            return np.empty(0)
        first, last = start // times.BLOCK, -(-stop // times.BLOCK)
        origin = first * times.BLOCK
        decoded = times.decode(self._codes[origin : last * times.BLOCK], self._clock[first:last], self._sfreq)
        among = np.searchsorted(self._irregular, [first, last])
        for which in range(*among.tolist()):
            at = int(self._irregular[which]) * times.BLOCK - origin
            raw = self._n_blocks + which * times.BLOCK
            block = decoded[at : at + times.BLOCK]  # the last one may be shorter
            block[:] = self._clock[raw : raw + times.BLOCK][: len(block)]
        return decoded[start - origin : stop - origin]
