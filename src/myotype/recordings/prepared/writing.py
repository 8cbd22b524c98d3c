"""Writing a prepared recording, block by block."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from myotype.errors import InputError, LabelsError
from myotype.files import replacing_folder
from myotype.recordings import labels
from myotype.recordings.multiples import distinct
from myotype.recordings.prepared import steps, times
from myotype.recordings.prepared.layout import (
    CLOCK,
    EMG,
    FILES,
    KEYS,
    KEYSTROKES,
    META,
    PROMPTS,
    TIMES,
    File,
    Meta,
    Precision,
    Stored,
    header,
    shape_of,
)
from myotype.recordings.prepared.placing import place_keys
from myotype.recordings.prepared.reading import PreparedRecording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    import numpy.typing as npt

    from myotype.recordings.recording import Recording

_ROWS: Final = 32 * times.BLOCK  # samples at a time: 4 MB
_FIRST_LOOK: Final = 4096  # samples that the first guess at the step is made from, at three places
_MOST_STEPS: Final = 8  # guesses, each time with the values that the one before did not fit


def write_prepared(
    folder: Path,
    recording: Recording,
    *,
    user: str,
    session: str,
    source: list[list[str | int]],
    source_size: int,
    precision: Precision = "auto",
    go_on: Callable[[], None] = lambda: None,
) -> Meta:
    """Write a prepared recording.

    Parameters
    ----------
    folder
        Where to. What stands there before is replaced when all is written.
    recording
        What to prepare.
    user, session
        Its place in its corpus.
    source, source_size
        What it was made from, as :func:`~myotype.recordings.prepared.sources.identify` gives it.
    precision
        ``"auto"``: int16 if every sample comes back exactly, else float32; ``"float16"``: the same with float16 for
        float32, where all samples are within its range; ``"float32"``: as it says.
    go_on
        Called again and again, to end it by an exception.

    Raises
    ------
    InputError
        If the recording has no samples.
    OutputError
        If the folder cannot be written, or holds other things. What stood there before is then untouched.
    RecordingError
        If the recording cannot be read, or its labels cannot (:class:`~myotype.errors.LabelsError`).
    """
    if recording.n_samples == 0:
        raise InputError(f"{recording.name}: the recording has no samples: there is nothing to prepare")
    with replacing_folder(folder, FILES) as temporary:
        files = {
            KEYSTROKES: _write_text(temporary / KEYSTROKES, labels.format_key_presses(recording.key_presses)),
            PROMPTS: _write_text(temporary / PROMPTS, labels.format_prompts(recording.prompts)),
        }
        meta = Meta(
            user=user,
            session=session,
            recording_user=recording.user,
            recording_name=recording.name,
            condition=recording.condition,
            notes=list(recording.notes),
            sfreq=recording.sfreq,
            n_samples=recording.n_samples,
            source=source,
            source_size=source_size,
            precision=precision,
            stored="float32",
            step=1.0,
            n_missing=0,
            n_negative_zeros=0,
            largest_error=0.0,
            irregular_blocks=[],
            n_keys=None,
            files=files,
        )
        meta = _write_signal(temporary, recording, meta, go_on)
        _write_text(temporary / META, meta.to_json())
        meta = _write_keys(temporary, meta)
        _write_text(temporary / META, meta.to_json())
    return meta


def _write_signal(folder: Path, recording: Recording, meta: Meta, go_on: Callable[[], None]) -> Meta:
    """Write samples and times, as int16 if they fit; the step is guessed from some, and holds when all have been."""
    values: npt.NDArray[np.float32] | None = None
    if meta.precision != "float32":
        starts = {0, recording.n_samples // 2, max(recording.n_samples - _FIRST_LOOK, 0)}
        looks = [recording.emg[start : start + _FIRST_LOOK].ravel() for start in sorted(starts)]
        values = distinct(np.concatenate(looks))
    for _ in range(_MOST_STEPS):
        step = None if values is None else steps.find_step(values)
        if values is None or step is None:
            break
        misfit = _write_blocks(folder, recording, meta, _Coding("int16", step), go_on)
        if isinstance(misfit, Meta):
            return misfit
        values = None if np.isinf(misfit).any() else np.union1d(values, distinct(misfit))
    if meta.precision == "float16":
        written = _write_blocks(folder, recording, meta, _Coding("float16"), go_on)
        if isinstance(written, Meta):
            return written
    written = _write_blocks(folder, recording, meta, _Coding("float32"), go_on)
    assert isinstance(written, Meta)  # noqa: S101  (float32 holds float32)
    return written


class _Coding(NamedTuple):
    """How samples are stored."""

    stored: Stored
    step: float = 1.0

    def encode(self, emg: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any] | None, float]:
        """Give what is stored, or None if it cannot be, and the largest error in microvolts."""
        if self.stored == "int16":
            return steps.encode(emg, self.step), 0.0
        if self.stored == "float32":
            return emg, 0.0
        with np.errstate(over="ignore"):
            codes = emg.astype(np.float16)
        if (np.isinf(codes) != np.isinf(emg)).any():
            return None, math.inf
        finite = np.isfinite(emg)
        return codes, float(np.abs(codes[finite] - emg[finite]).max(initial=0))


def _write_blocks(
    folder: Path, recording: Recording, meta: Meta, coding: _Coding, go_on: Callable[[], None]
) -> Meta | npt.NDArray[np.float32]:
    """Write samples and times in one pass; give the samples that the coding does not fit, if there are any."""
    meta = dataclasses.replace(meta, stored=coding.stored, step=coding.step)
    firsts, irregular, raw = [], [], []
    n_missing, n_negative_zeros, largest_error = 0, 0, 0.0
    with (
        _ArrayWriter(folder / EMG, *shape_of(meta, EMG)) as emg_file,
        _ArrayWriter(folder / TIMES, *shape_of(meta, TIMES)) as times_file,
    ):
        for start in range(0, recording.n_samples, _ROWS):
            go_on()
            emg = recording.emg[start : start + _ROWS]
            codes, error = coding.encode(emg)
            if codes is None:
                return emg
            emg_file.write(codes)
            n_missing += int(np.isnan(emg).sum())
            if coding.stored == "int16":
                n_negative_zeros += int((codes == steps.NEGATIVE_ZERO).sum())
            largest_error = max(largest_error, error)

            clock = recording.times[start : start + _ROWS]
            time_codes, first_times, misfits = times.encode(clock, recording.sfreq)
            times_file.write(time_codes)
            firsts.append(first_times)
            for block in misfits.tolist():
                irregular.append(start // times.BLOCK + block)
                whole = clock[block * times.BLOCK : (block + 1) * times.BLOCK]
                raw.append(np.pad(whole, (0, times.BLOCK - len(whole)), mode="edge"))
        files = {EMG: emg_file.done(), TIMES: times_file.done()}
    meta = dataclasses.replace(
        meta,
        n_missing=n_missing,
        n_negative_zeros=n_negative_zeros,
        largest_error=largest_error,
        irregular_blocks=irregular,
        files={**meta.files, **files},
    )
    with _ArrayWriter(folder / CLOCK, *shape_of(meta, CLOCK)) as clock_file:
        clock_file.write(np.concatenate([*firsts, *raw]))
        files = {**meta.files, CLOCK: clock_file.done()}
    return dataclasses.replace(meta, files=files)


def _write_keys(folder: Path, meta: Meta) -> Meta:
    """Place the keys on the times as they are read back, and write them."""
    try:
        placed = np.stack(place_keys(PreparedRecording(folder)), axis=1)
    except LabelsError:
        return meta  # who trains will get the same error
    meta = dataclasses.replace(meta, n_keys=len(placed))
    with _ArrayWriter(folder / KEYS, *shape_of(meta, KEYS)) as file:
        file.write(placed)
        return dataclasses.replace(meta, files={**meta.files, KEYS: file.done()})


class _ArrayWriter:
    """A ``.npy`` file in the making; not a map, since a full disk ends a process that writes to one."""

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self._file = path.open("wb")
        self._dtype = dtype
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._put(header(dtype, shape))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, rows: npt.NDArray[Any]) -> None:
        self._put(np.ascontiguousarray(rows, self._dtype).view(np.uint8).reshape(-1).data)

    def done(self) -> File:
        self._file.flush()
        return File(self._size, self._sha256.hexdigest())

    def _put(self, content: bytes | memoryview) -> None:
        self._file.write(content)
        self._sha256.update(content)
        self._size += len(content)


def _write_text(path: Path, text: str) -> File:
    content = text.encode("ascii")
    path.write_bytes(content)
    return File(len(content), hashlib.sha256(content).hexdigest())
