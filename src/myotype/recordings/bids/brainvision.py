"""BrainVision recordings, as EMG-BIDS allows them; they are read by MNE, the extra `brainvision`."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from myotype.errors import RecordingError, extra_for
from myotype.recordings.bids.channels import Channel
from myotype.recordings.bids.names import check_inside
from myotype.recordings.bids.reading import open_signal
from myotype.recordings.bids.sidecars import read_bytes
from myotype.recordings.recording import Recording

_VOLT: Final = "V"  # what MNE makes of every unit of voltage
_FILE_KEYS: Final = re.compile(rb"^\s*(DataFile|MarkerFile)\s*=\s*(.*?)\s*$", re.MULTILINE | re.IGNORECASE)


def open_brainvision(path: str | os.PathLike[str]) -> Recording:
    """Open a BrainVision recording by its ``.vhdr``, with the sidecars of EMG-BIDS that belong to it.

    It is what :func:`myotype.recordings.bids.reading.open_bids` gives, with the same errors. Units are those of its own
    header: MNE makes volts of them, whatever channels.tsv says.

    Raises
    ------
    MissingExtraError
        If MNE is not installed.
    """
    return open_signal(Path(path), _BrainVision)


class _BrainVision:
    """A BrainVision file as a file of signals."""

    block = 1  # nothing fills it up

    def __init__(self, path: Path) -> None:
        with extra_for("reading BrainVision recordings", "brainvision"):
            import mne  # noqa: PLC0415 (an optional extra)
        for key, name in _FILE_KEYS.findall(read_bytes(path)):
            check_inside(path.parent, name.decode(errors="replace"), f"{path}, {key.decode()}")
        self._path = path
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                self._raw = mne.io.read_raw_brainvision(path, preload=False, verbose="ERROR")
        # Whatever is wrong with a file, MNE says by whatever error comes up.
        except Exception as error:
            raise RecordingError(f"{path}: the file cannot be read as BrainVision ({error})") from error
        self._closed = False
        self.notes = [str(warning.message) for warning in said]
        # MNE takes a unit that it does not know for volts, and its own are volts.
        self.channels = [Channel(label, _VOLT, settled=True) for label in self._raw.ch_names]
        self.n_samples = int(self._raw.n_times)
        self.sfreq = float(self._raw.info["sfreq"])
        date = self._raw.info["meas_date"]
        self.start = date.timestamp() if date is not None else None
        self._order: Sequence[int] = range(len(self.channels))

    def choose(self, order: Sequence[int]) -> None:
        self._order = order

    def read(self, scale: npt.NDArray[np.float64], start: int, stop: int) -> npt.NDArray[np.float32]:
        if self._closed:
            raise RecordingError(f"{self._path}: the recording is closed; read it inside its with block")
        try:
            volts = self._raw.get_data(start=start, stop=stop)
        except Exception as error:
            raise RecordingError(f"{self._path}: samples {start} to {stop - 1} cannot be read ({error})") from error
        microvolts: npt.NDArray[np.float32] = (volts[list(self._order)].T * scale).astype(np.float32)
        return microvolts

    def close(self) -> None:
        self._closed = True
        self._raw.close()
