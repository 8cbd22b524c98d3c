"""Recordings in the HDF5 form of the original emg2qwerty release (Sivakumar et al. 2024, arXiv 2410.20081).

The group ``emg2qwerty`` holds the compound data set ``timeseries`` with the fields ``emg_left`` and ``emg_right`` (16
float32 each, microvolts) and ``time`` (float64, unix seconds); what was typed, by whom and how are attributes of it.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

from myotype.errors import RecordingError
from myotype.recordings import labels
from myotype.recordings.recording import N_CHANNELS, SFREQ, Recording

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import numpy.typing as npt

    from myotype.recordings.recording import Prompt
    from myotype.transcript import KeyPress

GROUP: Final = "emg2qwerty"
DATASET: Final = "timeseries"
PER_BAND: Final = N_CHANNELS // 2
_BANDS: Final = ("emg_left", "emg_right")
ROW: Final = np.dtype([("emg_left", "<f4", PER_BAND), ("emg_right", "<f4", PER_BAND), ("time", "<f8")])

# Bytes a file. Samples and times of a window are asked for one after the other, so the chunks of a few seconds are
# kept; not more, since a thousand recordings may be open for training.
_CHUNK_CACHE: Final = 2 * 2**20
_LARGEST_CHUNK: Final = 2**28  # bytes: one chunk is what the smallest read has to hold
_LARGEST_RATIO: Final = 1100  # deflate cannot compress better than 1032 : 1

_RATE_WINDOWS: Final = 5
_RATE_BASELINE: Final = 1000  # samples
_RATE_TOLERANCE: Final = 0.02


def open_hdf5(path: str | os.PathLike[str]) -> Recording:
    """Open a recording in HDF5; its samples stay in the file until they are asked for.

    Parameters
    ----------
    path
        The file. It stays open until the recording is closed.

    Returns
    -------
    Recording
        Its sampling rate is 2000 unless the times say something that differs by more than 2 %. Attributes that are
        missing or malformed raise :class:`~myotype.errors.LabelsError` when they are asked for, not here.

    Raises
    ------
    RecordingError
        If the file has no signal that can be read.
    """
    path = Path(path)
    with ExitStack() as stack:
        try:
            if path.stat().st_size == 0:
                raise RecordingError(f"{path}: the file is empty")
            file = stack.enter_context(h5py.File(path, "r", locking="best-effort", rdcc_nbytes=_CHUNK_CACHE))
            group = _own_member(file, GROUP, h5py.Group, path)
            dataset = _checked_dataset(_own_member(group, DATASET, h5py.Dataset, path), path)
            signal = _Signal(dataset, path)
            sfreq = _sampling_rate(signal)
            attributes = Attributes(group, path)
            recording = Recording(
                emg=_Emg(signal),
                times=_Times(signal),
                sfreq=sfreq,
                key_presses=attributes.key_presses,
                prompts=attributes.prompts,
                user=attributes.user,
                name=attributes.name,
                condition=lambda: attributes.text("condition"),
                close=file.close,
            )
        # A damaged file can make h5py raise any of these, wherever the damage happens to lie.
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise RecordingError(f"{path}: {_why_unreadable(error)}") from error
        stack.pop_all()
        return recording


class _Signal:
    """The rows of the data set, read by windows."""

    def __init__(self, dataset: h5py.Dataset, path: Path) -> None:
        self.n_samples = int(dataset.shape[0])
        self._dataset = dataset
        self._path = path
        self._last_times: tuple[int, int, npt.NDArray[np.float64]] | None = None

    def emg(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        rows = self._read([*_BANDS, "time"], start, stop)
        # Times are usually asked for next, and a chunk holds both: keep them rather than decompress it twice.
        self._last_times = (start, stop, rows["time"].astype(np.float64))
        emg = np.empty((len(rows), N_CHANNELS), dtype=np.float32)
        emg[:, :PER_BAND] = rows["emg_left"]
        emg[:, PER_BAND:] = rows["emg_right"]
        return emg

    def times(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        if self._last_times is not None and self._last_times[:2] == (start, stop):
            return self._last_times[2]
        times: npt.NDArray[np.float64] = self._read(["time"], start, stop)["time"].astype(np.float64)
        return times

    def _read(self, fields: list[str], start: int, stop: int) -> npt.NDArray[np.void]:
        if not self._dataset:
            raise RecordingError(f"{self._path}: the recording is closed; read it inside its with block")
        try:
            rows: npt.NDArray[np.void] = self._dataset.fields(fields)[start:stop]
        except (OSError, RuntimeError) as error:
            raise RecordingError(
                f"{self._path}: samples {start} to {stop - 1} cannot be read, the file is damaged there ({error})"
            ) from error
        return rows


class _Emg:
    def __init__(self, signal: _Signal) -> None:
        self.shape = (signal.n_samples, N_CHANNELS)
        self._signal = signal

    def __getitem__(self, window: slice) -> npt.NDArray[np.float32]:
        return self._signal.emg(window.start, window.stop)


class _Times:
    def __init__(self, signal: _Signal) -> None:
        self.shape = (signal.n_samples,)
        self._signal = signal

    def __getitem__(self, window: slice) -> npt.NDArray[np.float64]:
        return self._signal.times(window.start, window.stop)


class Attributes:
    """What the group's attributes say, read and checked when asked for."""

    def __init__(self, group: h5py.Group, path: Path) -> None:
        self._group = group
        self._path = path

    def key_presses(self) -> tuple[KeyPress, ...]:
        """Give every key press."""
        return labels.parse_key_presses(self.text("keystrokes"), str(self._path))

    def prompts(self) -> tuple[Prompt, ...]:
        """Give every prompt."""
        return labels.parse_prompts(self.text("prompts"), str(self._path))

    def user(self) -> str:
        """Give who typed."""
        return self.text("user")

    def name(self) -> str:
        """Give the recording's name: the attribute's, or the file's, which the release named alike."""
        name = self._text("session_name")
        return self._path.stem if name is None else name

    def text(self, attribute: str) -> str:
        """Give an attribute that there has to be."""
        text = self._text(attribute)
        if text is None:
            raise labels.missing(attribute, str(self._path))
        return text

    def _text(self, attribute: str) -> str | None:
        if not self._group:
            raise RecordingError(f"{self._path}: the recording is closed; read it inside its with block")
        try:
            value = self._group.attrs.get(attribute)
            text = value.decode() if isinstance(value, bytes) else value
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise labels.malformed(attribute, str(self._path), f"it cannot be read ({error})") from error
        if isinstance(text, np.integer):  # user ids are numbers; some tools store them as such
            return str(int(text))
        if text is not None and not isinstance(text, str):
            raise labels.malformed(attribute, str(self._path), f"it is no text, but {type(text).__name__}")
        return text


def _own_member(parent: h5py.Group, name: str, kind: type[Any], path: Path) -> Any:
    """Give a member that lies in this very file; one that points elsewhere could read any file of the reader."""
    link = parent.get(name, getlink=True)
    if link is None:
        where = "the file" if parent.name == "/" else f"its group {parent.name[1:]!r}"
        raise RecordingError(f"{path}: {where} has no {name!r}; this HDF5 file is no emg2qwerty recording")
    if not isinstance(link, h5py.HardLink):
        raise RecordingError(f"{path}: {name!r} is a link to elsewhere; a recording has to hold its own data")
    member = parent[name]
    if not isinstance(member, kind):
        raise RecordingError(f"{path}: {name!r} is a {type(member).__name__}; a {kind.__name__} is needed")
    return member


def _checked_dataset(dataset: h5py.Dataset, path: Path) -> h5py.Dataset:
    name = f"{path}: the data set {GROUP}/{DATASET}"
    if dataset.is_virtual or dataset.external:
        raise RecordingError(f"{name} keeps its data in other files; a recording has to hold its own data")
    if dataset.shape is None or len(dataset.shape) != 1:
        raise RecordingError(f"{name} has shape {dataset.shape}; one row a sample is needed")
    _check_fields(dataset.dtype.fields, name)
    if dataset.shape[0] == 0:
        raise RecordingError(f"{name} has no samples: there is nothing to transcribe")
    if dataset.chunks is not None and dataset.chunks[0] * dataset.dtype.itemsize > _LARGEST_CHUNK:
        raise RecordingError(f"{name} is stored in chunks of {dataset.chunks[0]} samples, too large to read by windows")
    stored = int(dataset.id.get_storage_size())
    if dataset.shape[0] * dataset.dtype.itemsize > stored * _LARGEST_RATIO:
        raise RecordingError(f"{name} declares {dataset.shape[0]} samples, but the file holds {stored} bytes of them")
    return dataset


def _check_fields(fields: Mapping[str, tuple[Any, ...]] | None, name: str) -> None:
    if fields is None:
        raise RecordingError(f"{name} is not compound: the fields emg_left, emg_right and time are needed")
    for field in ROW.names or ():
        wanted = ROW[field]
        if field not in fields:
            raise RecordingError(f"{name} has no field {field!r}; it has {', '.join(map(repr, fields))}")
        base, shape = fields[field][0].base, fields[field][0].shape
        if shape != wanted.shape:
            values = f"{PER_BAND} channels are" if wanted.shape else "one number is"
            raise RecordingError(f"{name}: the field {field!r} has shape {shape} in each sample; {values} needed")
        # Unix seconds do not fit into less than 8 bytes; microvolts are never whole numbers.
        if base.kind != "f" or (field == "time" and base.itemsize < 8):
            raise RecordingError(f"{name}: the field {field!r} is of type {base}; {wanted.base} is needed")


def _sampling_rate(signal: _Signal) -> float:
    """Estimate samples a second from a few windows of the times; the nominal rate where they do not contradict it.

    Steps over a long baseline, because stamps may come in blocks; their median, because of gaps; the mean of what
    agrees with it, because steps over blocks are quantised.
    """
    baseline = min(_RATE_BASELINE, max(1, signal.n_samples // 4))
    width = 4 * baseline
    starts = np.unique(np.linspace(0, max(0, signal.n_samples - width), _RATE_WINDOWS).astype(np.int64))
    windows = [signal.times(int(start), min(int(start) + width, signal.n_samples)) for start in starts]
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.concatenate([times[baseline:] - times[:-baseline] for times in windows]) / baseline
    steps = steps[(steps > 1e-9) & (steps < 1e9)]  # beyond these, and where they are not numbers, they tell no rate
    if len(steps) == 0:
        return SFREQ
    middle = np.sort(steps)[len(steps) // 2]  # one of the steps, so that some agree with it
    rate = 1 / float(np.mean(steps[np.abs(steps - middle) <= 0.1 * middle]))
    return SFREQ if abs(rate / SFREQ - 1) <= _RATE_TOLERANCE else float(f"{rate:.6g}")


def _why_unreadable(error: Exception) -> str:
    reason = str(error)
    if "file signature not found" in reason:
        return "this is not an HDF5 file"
    if "truncated file" in reason:
        return "the file is cut off: copy or download it again"
    return f"the file cannot be read as HDF5 ({reason})"
