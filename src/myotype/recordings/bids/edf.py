"""Signals in BDF and EDF files (Kemp et al. 1992, Kemp and Olivan 2003), read by windows.

A file is a header in ASCII and then records of a fixed length; a record has the samples of one signal after those of
another, as little-endian integers of 24 bits (BDF) or 16 (EDF). EDFlib, which pyedflib wraps, keeps no more than 64
files open in a process and opens none twice, while training has a thousand open; so they are read here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from myotype.errors import RecordingError

ANNOTATIONS: Final = ("EDF Annotations", "BDF Annotations")
"""Labels of signals that hold texts."""

HIGHEST_RATE: Final = 200_000.0
"""Samples a second: a header that says more is wrong, and windows of a quarter of a second would be large."""

MAIN_BYTES: Final = 256
_MAGIC: Final = {b"\xffBIOSEMI": 3, b"0       ": 2}  # and the bytes of a sample that follow from it
_MOST_SIGNALS: Final = 4096
_LARGEST_RECORD: Final = 2**26  # bytes: one record is what the smallest read has to hold
_PIECE: Final = 2**20  # bytes that are read and decoded at a time
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?")

# The fields of a signal, in the order of the header, with their widths.
SIGNAL_FIELDS: Final = (
    ("label", 16), ("transducer", 80), ("dimension", 8), ("physical_min", 8), ("physical_max", 8),
    ("digital_min", 8), ("digital_max", 8), ("prefilter", 80), ("samples", 8), ("reserved", 32),
)  # fmt: skip
SIGNAL_BYTES: Final = sum(width for _, width in SIGNAL_FIELDS)


@dataclass(frozen=True, slots=True)
class Signal:
    """What the header says of one signal.

    Attributes
    ----------
    label
        What it is called.
    dimension
        The unit of its values; empty where the header has none.
    gain, offset
        A value is the stored integer times `gain`, plus `offset`.
    samples
        How many samples a record has of it.
    first_byte
        Where they begin in a record.
    """

    label: str
    dimension: str
    gain: float
    offset: float
    samples: int
    first_byte: int


class EdfFile:
    """A BDF or EDF file that is open for reading.

    Parameters
    ----------
    path
        The file. It stays open until :meth:`close`.

    Attributes
    ----------
    signals
        In the order of the file, with those that hold texts.
    n_records
        How many records the file holds.
    record_seconds
        How long a record lasts.
    start
        The date of the header in unix seconds, taken as UTC; None where it has none that means anything.
    notes
        What is odd about the file.

    Raises
    ------
    RecordingError
        If it is no such file, its header is absurd, or it is shorter than the header says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise RecordingError(f"{path} cannot be opened: {error.strerror or error}") from error
        try:
            self._read_header()
        except OSError as error:
            self.close()
            raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error
        except BaseException:
            self.close()
            raise

    def __del__(self) -> None:
        # A recording that nobody closes lets go of its file as one in HDF5 does, without a warning.
        if hasattr(self, "_file"):
            self._file.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def read(
        self, chosen: Sequence[Signal], scale: npt.NDArray[np.float64], start: int, stop: int
    ) -> npt.NDArray[np.float32]:
        """Read samples of some signals.

        Parameters
        ----------
        chosen
            Which signals, all with as many samples a record.
        scale
            What their values are multiplied with, shape (len(chosen),).
        start, stop
            Which samples, counted from the first of the file.

        Returns
        -------
        numpy.ndarray
            float32 of shape (stop - start, len(chosen)).
        """
        n = chosen[0].samples
        first, last = start // n, -(-stop // n)
        out = np.empty(((last - first) * n, len(chosen)), dtype=np.float32)
        gain = np.array([signal.gain for signal in chosen]) * scale
        offset = np.array([signal.offset for signal in chosen]) * scale
        # A product of two numbers that float32 holds exactly is rounded alike in float32 and in float64.
        exact = not offset.any() and np.array_equal(gain, gain.astype(np.float32))
        at_once = max(1, _PIECE // self._record_bytes)
        for record in range(first, last, at_once):
            n_records = min(at_once, last - record)
            digital = self._decode(self._read_records(record, n_records), chosen, n_records).T
            part = out[(record - first) * n :][: len(digital)]
            if exact:
                np.multiply(digital, gain.astype(np.float32), out=part, dtype=np.float32)
            else:
                with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, as in HDF5
                    part[:] = digital * gain + offset
        return out[start - first * n : stop - first * n]

    def _decode(self, raw: bytearray, chosen: Sequence[Signal], n_records: int) -> npt.NDArray[np.int32]:
        """Give the integers of some signals in whole records, shape (len(chosen), samples)."""
        shape = (n_records, chosen[0].samples)
        digital = np.empty((len(chosen), *shape), dtype=np.int32)
        strides = (self._record_bytes, self._width)
        for rows, signal in zip(digital, chosen, strict=True):
            if self._width == 2:
                rows[:] = np.ndarray(shape, "<i2", raw, signal.first_byte, strides)
            else:
                # Four bytes are read at every third; the one too many is shifted out, and the sign in.
                np.left_shift(np.ndarray(shape, "<i4", raw, signal.first_byte, strides), 8, out=rows)
                np.right_shift(rows, 8, out=rows)
        return digital.reshape(len(chosen), -1)

    def _read_records(self, first: int, n_records: int) -> bytearray:
        if self._file.closed:
            raise RecordingError(f"{self.path}: the recording is closed; read it inside its with block")
        size = n_records * self._record_bytes
        raw = bytearray(size + 1)  # what the last sample of 24 bits is read with
        left, place = memoryview(raw)[:size], self._header_bytes + first * self._record_bytes
        try:
            while left:
                n_read = os.preadv(self._file.fileno(), [left], place)
                if not n_read:
                    raise RecordingError(f"{self.path}: the file has become shorter since it was opened")
                left, place = left[n_read:], place + n_read
        except OSError as error:
            raise RecordingError(f"{self.path} cannot be read: {error.strerror or error}") from error
        return raw

    def _read_header(self) -> None:
        main = self._file.read(MAIN_BYTES)
        if len(main) < MAIN_BYTES or main[:8] not in _MAGIC:
            raise RecordingError(f"{self.path}: this is no BDF or EDF file")
        self._width = _MAGIC[main[:8]]
        self.start = _date(main[168:176], main[176:184])
        if self._text(main[192:236], "the reserved field").startswith(("EDF+D", "BDF+D")):
            raise RecordingError(f"{self.path}: its records do not follow each other (EDF+D); only continuous ones do")
        n_records = self._whole(main[236:244], "number of records", least=-1)
        self.record_seconds = float(self._number(main[244:252], "duration of a record"))
        n_signals = self._whole(main[252:256], "number of signals", least=1, most=_MOST_SIGNALS)
        self._header_bytes = self._whole(main[184:192], "size of the header")
        if self._header_bytes != MAIN_BYTES + n_signals * SIGNAL_BYTES:
            raise RecordingError(
                f"{self.path}: the header says that it has {self._header_bytes} bytes; with {n_signals} signals it"
                f" has {MAIN_BYTES + n_signals * SIGNAL_BYTES}"
            )
        fields = self._file.read(n_signals * SIGNAL_BYTES)
        if len(fields) < n_signals * SIGNAL_BYTES:
            raise RecordingError(f"{self.path}: the file is cut off within its header: copy or download it again")
        self.signals = self._signals(fields, n_signals)
        if self.record_seconds <= 0 and any(signal.label not in ANNOTATIONS for signal in self.signals):
            raise RecordingError(f"{self.path}: the duration of a record is {self.record_seconds:g} s")
        self.n_records = self._checked_count(n_records)

    def _signals(self, fields: bytes, n_signals: int) -> tuple[Signal, ...]:
        columns: dict[str, list[bytes]] = {}
        at = 0
        for name, width in SIGNAL_FIELDS:
            columns[name] = [fields[at + i * width : at + (i + 1) * width] for i in range(n_signals)]
            at += n_signals * width
        signals = []
        self._record_bytes = 0
        for i in range(n_signals):
            where = f"of signal {i + 1}"
            label = self._text(columns["label"][i], f"the label {where}")
            samples = self._whole(columns["samples"][i], f"number of samples a record {where}", least=1)
            least, most = (
                self._whole(columns[f"digital_{end}"][i], f"digital {end}imum {where}", least=-(2**31))
                for end in ("min", "max")
            )
            low, high = (
                self._number(columns[f"physical_{end}"][i], f"physical {end}imum {where}") for end in ("min", "max")
            )
            if least >= most or low == high:
                raise RecordingError(
                    f"{self.path}: {label or where} has the range {float(low):g} to {float(high):g}, stored as {least}"
                    f" to {most}: no values follow from that"
                )
            gain = (high - low) / (most - least)
            signals.append(
                Signal(
                    label=label,
                    # Some write the micro sign in an older encoding, which the standard has no place for.
                    dimension=columns["dimension"][i].decode("latin-1").strip(" \0"),
                    gain=float(gain),
                    offset=float(low - least * gain),
                    samples=samples,
                    first_byte=self._record_bytes,
                )
            )
            self._record_bytes += samples * self._width
            if self._record_bytes > _LARGEST_RECORD:
                raise RecordingError(
                    f"{self.path}: its records have more than {_LARGEST_RECORD} bytes, too many to read by windows"
                )
        return tuple(signals)

    def _checked_count(self, declared: int) -> int:
        """Give the number of records, which has to be that of the file; a recorder that was cut off says -1."""
        held = os.fstat(self._file.fileno()).st_size - self._header_bytes
        found, rest = divmod(held, self._record_bytes)
        if declared == -1:
            self.notes.append(f"the recorder has not closed the file: {found} whole records were found in it")
            declared = found
        elif declared * self._record_bytes > held:
            raise RecordingError(
                f"{self.path}: the file is cut off: its header says {declared} records of {self._record_bytes} bytes,"
                f" it holds {found}: copy or download it again"
            )
        elif held > declared * self._record_bytes:
            extra = (found - declared) * self._record_bytes + rest
            self.notes.append(f"{extra} bytes after the last of {declared} records are not read")
        if declared == 0:
            raise RecordingError(f"{self.path}: the file has no samples: there is nothing to read")
        return declared

    def _text(self, field: bytes, what: str) -> str:
        try:
            return field.decode("ascii").strip(" \0")
        except UnicodeDecodeError as error:
            raise RecordingError(f"{self.path}: {what} is not ASCII: {field!r}") from error

    def _number(self, field: bytes, what: str) -> Fraction:
        text = self._text(field, f"the {what}").replace(",", ".")
        if not _NUMBER.fullmatch(text):
            raise RecordingError(f"{self.path}: the {what} is no number: {text!r}")
        return Fraction(text)

    def _whole(self, field: bytes, what: str, *, least: int = 0, most: int = 2**31) -> int:
        number = self._number(field, what)
        if number.denominator != 1 or not least <= number <= most:
            raise RecordingError(f"{self.path}: the {what} is {float(number):g}")
        return int(number)


def _date(date: bytes, time: bytes) -> float | None:
    """Read the date of a header; the first day that it can have stands for none, as anonymisers write it."""
    try:
        day, month, year = (int(part) for part in date.split(b"."))
        hour, minute, second = (int(part) for part in time.split(b"."))
        start = datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return None if (start.year, start.month, start.day) == (1985, 1, 1) else start.timestamp()
