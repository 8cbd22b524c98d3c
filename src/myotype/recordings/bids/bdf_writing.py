"""Writing BDF: integers of 24 bits under a header in ASCII."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from myotype.recordings.bids.edf import MAIN_BYTES, SIGNAL_BYTES, SIGNAL_FIELDS

if TYPE_CHECKING:
    from myotype.recordings.bids.resolution import Range

_LONGEST_RECORD: Final = 10  # seconds
_FIRST_YEAR, _LAST_YEAR = 1985, 2084  # that a date of two digits can mean
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class BdfWriter:
    """Writes a BDF file block by block; the last record is filled up with the last sample.

    Parameters
    ----------
    path
        The file, which is replaced.
    labels
        What the signals are called, in ASCII, at most 16 characters each.
    sfreq
        Samples a second.
    values
        The range of all signals, microvolts.
    n_samples
        How many samples will be written.
    start
        Unix seconds of the first sample; None if that is not known.
    """

    def __init__(
        self,
        path: Path,
        *,
        labels: Sequence[str],
        sfreq: float,
        values: Range,
        n_samples: int,
        start: float | None,
    ) -> None:
        self._per_record, duration = record_length(sfreq)
        self._step = values.step
        self._rest = np.empty((0, len(labels)), dtype=np.int32)
        self._file = path.open("wb")
        signals: dict[str, list[str]] = {
            "label": list(labels),
            "dimension": ["uV"] * len(labels),
            "physical_min": [f"-{values.physical_text}"] * len(labels),
            "physical_max": [values.physical_text] * len(labels),
            "digital_min": [str(-values.digital)] * len(labels),
            "digital_max": [str(values.digital)] * len(labels),
            "samples": [str(self._per_record)] * len(labels),
        }
        main = (
            ("X X X X", 80), (_recording(start), 80), (_date(start), 16), (MAIN_BYTES + SIGNAL_BYTES * len(labels), 8),
            ("24BIT", 44), (-(-n_samples // self._per_record), 8), (duration, 8), (len(labels), 4),
        )  # fmt: skip
        self._file.write(b"\xffBIOSEMI")
        self._file.write("".join(f"{text:<{width}}" for text, width in main).encode("ascii"))
        for name, width in SIGNAL_FIELDS:
            column = signals.get(name, [""] * len(labels))
            self._file.write("".join(f"{text:<{width}}" for text in column).encode("ascii"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and len(self._rest):
            padding = np.repeat(self._rest[-1:], self._per_record - len(self._rest), axis=0)
            self._write_records(np.concatenate([self._rest, padding]))
        self._file.close()

    def write(self, samples: npt.NDArray[np.float32]) -> None:
        """Write the next samples, finite microvolts within the range, shape (n, signals)."""
        digital = np.rint(samples.astype(np.float64) / self._step).astype(np.int32)
        digital = np.concatenate([self._rest, digital])
        whole = len(digital) // self._per_record * self._per_record
        self._write_records(digital[:whole])
        self._rest = digital[whole:]

    def _write_records(self, digital: npt.NDArray[np.int32]) -> None:
        by_signal = digital.reshape(-1, self._per_record, digital.shape[1]).transpose(0, 2, 1)
        four = np.ascontiguousarray(by_signal, dtype="<i4").view(np.uint8).reshape(-1, 4)
        self._file.write(four[:, :3].tobytes())


def record_length(sfreq: float) -> tuple[int, str]:
    """Give how many samples a record has and how long it lasts, as the header has it.

    A second, or the fewest seconds up to ten that have a whole number of samples; otherwise a second's samples and a
    duration that is nearly right: the sampling rate in full stands in the sidecar.
    """
    for seconds in range(1, _LONGEST_RECORD + 1):
        samples = Fraction(sfreq).limit_denominator(10**6) * seconds
        if samples.denominator == 1 and samples > 0:
            return int(samples), str(seconds)
    samples_a_record = max(1, round(sfreq))
    return samples_a_record, f"{samples_a_record / sfreq:.6f}"[:8]


def _date(start: float | None) -> str:
    """Write date and time as a header has them; the first day that it can have stands for none."""
    date = _as_date(start)
    return date.strftime("%d.%m.%y%H.%M.%S") if date else "01.01.8500.00.00"


def _recording(start: float | None) -> str:
    """Write what EDF+ has for a recording: its date with a year of four digits, and X for all that is not known."""
    date = _as_date(start)
    # Months as EDF+ wants them, whatever the language of the machine.
    return f"Startdate {date.day:02}-{_MONTHS[date.month - 1]}-{date.year} X X X" if date else "Startdate X X X X"


def _as_date(start: float | None) -> datetime | None:
    if start is None:
        return None
    date = datetime.fromtimestamp(int(start), tz=UTC)
    return date if _FIRST_YEAR <= date.year <= _LAST_YEAR else None
