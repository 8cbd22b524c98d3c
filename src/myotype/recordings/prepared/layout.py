"""The files of a prepared recording: their names, their sizes, and what ``recording.json`` says."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from myotype.errors import RecordingError
from myotype.recordings.prepared.times import BLOCK
from myotype.recordings.recording import N_CHANNELS

Precision = Literal["auto", "float16", "float32"]
Stored = Literal["int16", "float16", "float32"]

META: Final = "recording.json"
KEYSTROKES: Final = "keystrokes.json"
PROMPTS: Final = "prompts.json"
EMG: Final = "emg.npy"
TIMES: Final = "times.npy"
CLOCK: Final = "clock.npy"
KEYS: Final = "keys.npy"
ARRAYS: Final = (EMG, TIMES, CLOCK, KEYS)
FILES: Final = frozenset({META, KEYSTROKES, PROMPTS, *ARRAYS})

_FORMAT: Final = "myotype prepared recording"
_VERSION: Final = 1
_LARGEST_META: Final = 2**26  # bytes
_MOST_SAMPLES: Final = 2**40
_AGAIN: Final = "Prepare the recording again"
_HEADER: Final = 128  # bytes before the first value of an array


@dataclass(frozen=True, slots=True)
class File:
    """A file beside ``recording.json``.

    Attributes
    ----------
    size
        Bytes.
    sha256
        Of all of them, in hexadecimal.
    """

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Meta:
    """What ``recording.json`` says.

    Attributes
    ----------
    user, session
        The recording's place in its corpus.
    recording_user, recording_name, condition, notes, sfreq, n_samples
        What the recording says of itself.
    source
        What it was made from: see :func:`~myotype.recordings.prepared.sources.identify`.
    source_size
        Bytes of it.
    precision
        What was asked for.
    stored
        The type of the samples.
    step
        Microvolts that one step of the samples stands for; 1 where they are no steps.
    n_missing, n_negative_zeros
        How many values are no numbers, and how many are 0 with a minus where the type of the samples has none.
    largest_error
        Microvolts between a sample and what is read back, at most.
    irregular_blocks
        The blocks whose times are stored as they are, in order.
    n_keys
        How many keys were placed; None where they cannot be.
    files
        The files beside this one, by name.
    """

    user: str
    session: str
    recording_user: str
    recording_name: str
    condition: str
    notes: list[str]
    sfreq: float
    n_samples: int
    source: list[list[str | int]]
    source_size: int
    precision: Precision
    stored: Stored
    step: float
    n_missing: int
    n_negative_zeros: int
    largest_error: float
    irregular_blocks: list[int]
    n_keys: int | None
    files: dict[str, File]

    def to_json(self) -> str:
        """Write it as text, with a checksum of its own."""
        content = {"format": _FORMAT, "version": _VERSION, **dataclasses.asdict(self)}
        return json.dumps({**content, "sha256": _checksum(content)}, indent=1, allow_nan=False) + "\n"


def shape_of(meta: Meta, name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Give the type and the shape of an array."""
    n_blocks = -(-meta.n_samples // BLOCK)
    match name:
        case "emg.npy":
            return np.dtype(meta.stored).newbyteorder("<"), (meta.n_samples, N_CHANNELS)
        case "times.npy":
            return np.dtype("<i2"), (meta.n_samples,)
        case "clock.npy":
            return np.dtype("<f8"), (n_blocks + len(meta.irregular_blocks) * BLOCK,)
        case _:
            return np.dtype("<i8"), (meta.n_keys or 0, 2)


def header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Give what a ``.npy`` file begins with, always as long, so that values lie where they are expected."""
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little") + text.ljust(_HEADER - 11).encode() + b"\n"


def read_meta(folder: Path) -> Meta:
    """Read and check ``recording.json``, and the sizes of the files that it names.

    Raises
    ------
    RecordingError
        If there is none, if it is damaged or of another version, or if a file is missing or has another size.
    """
    path = folder / META
    try:
        if path.stat().st_size > _LARGEST_META:
            raise RecordingError(f"{path} is too large to describe a prepared recording")
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RecordingError(f"{folder} is no prepared recording: it has no {META}") from error
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{path} is damaged: it is not JSON ({error}). {_AGAIN}") from error
    meta = _checked(content, path)
    for name, file in meta.files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError as error:
            raise RecordingError(f"{folder / name} cannot be read: {error.strerror or error}. {_AGAIN}") from error
        if size != file.size:
            raise RecordingError(f"{folder / name} has {size} bytes, and {file.size} are expected. {_AGAIN}")
    return meta


def damaged(path: Path, problem: str) -> RecordingError:
    """Give the error for a file whose content is not what was written."""
    return RecordingError(f"{path} is damaged: {problem}. {_AGAIN}")


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _checked(content: Any, path: Path) -> Meta:
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise RecordingError(f"{path} does not describe a prepared recording")
    if content.get("version") != _VERSION:
        raise RecordingError(
            f"{path} is of version {content.get('version')!r}, and this myotype reads {_VERSION}. {_AGAIN}"
        )
    if content.pop("sha256", None) != _checksum(content):
        raise damaged(path, "its checksum does not fit")
    # Who computes a fitting checksum may still have written nonsense.
    del content["format"], content["version"]
    try:
        content["files"] = {str(name): File(**file) for name, file in content["files"].items()}
        meta = Meta(**content)
        problem = next(_problems(meta), "")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"its fields are not those expected ({error})") from error
    if problem:
        raise damaged(path, problem)
    return meta


def _problems(meta: Meta) -> Iterator[str]:
    """Say what is wrong with what sizes and places are computed from; each check relies on those before it."""
    texts = (meta.user, meta.session, meta.recording_user, meta.recording_name, meta.condition, *meta.notes)
    counts = (
        meta.n_samples,
        meta.n_missing,
        meta.n_negative_zeros,
        meta.n_keys or 0,
        *(file.size for file in meta.files.values()),
    )
    if not all(isinstance(text, str) for text in texts):
        yield "a name in it is no text"
    if not all(type(count) is int and 0 <= count < _MOST_SAMPLES for count in counts) or not meta.n_samples:
        yield "a number of samples, keys or bytes is not possible"
    scales = (meta.sfreq, meta.step)
    if not all(type(value) is float and math.isfinite(value) and value > 0 for value in scales):
        yield "its sampling rate or step is no positive number"
    if meta.stored not in get_args(Stored) or meta.precision not in get_args(Precision):
        yield f"{meta.stored!r} and {meta.precision!r} are no types of samples"
    blocks = meta.irregular_blocks
    if not all(type(block) is int for block in blocks) or blocks != sorted(set(blocks)):
        yield "its irregular blocks are not in order"
    if blocks and not (blocks[0] >= 0 and blocks[-1] * BLOCK < meta.n_samples):
        yield "an irregular block lies outside the recording"
    arrays = [name for name in ARRAYS if name != KEYS or meta.n_keys is not None]
    if set(meta.files) != {KEYSTROKES, PROMPTS, *arrays}:
        yield "its files are not those of a prepared recording"
    for name in arrays:
        dtype, shape = shape_of(meta, name)
        if meta.files[name].size != _HEADER + dtype.itemsize * math.prod(shape):
            yield f"the size of {name} does not fit its shape {shape}"
