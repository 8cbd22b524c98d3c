"""Which sample a key press belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from myotype.errors import LabelsError
from myotype.keyboard import fold_key, key_to_label
from myotype.recordings.clock import MAX_BRIDGED
from myotype.recordings.prepared.reading import PreparedRecording
from myotype.recordings.recording import ON_KEYBOARD

if TYPE_CHECKING:
    import numpy.typing as npt

    from myotype.recordings.recording import Recording


def place_keys(recording: Recording) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the sample at or before each press of one of the 98 keys within the signal, and the key's label.

    A prepared recording knows them; for any other the whole clock is read.

    Raises
    ------
    LabelsError
        If the truth of the recording is not its key presses, or its clock cannot place them.
    """
    placed = recording.placed_keys() if isinstance(recording, PreparedRecording) else None
    if placed is not None:
        return placed[:, 0].copy(), placed[:, 1].copy()
    if recording.condition != ON_KEYBOARD:
        message = f"{recording.name}: condition {recording.condition!r} has no key times; windows need them"
        raise LabelsError(message)
    times = recording.times[:]
    disorder = np.flatnonzero(~(np.diff(times) >= 0))  # what is no number fails this too
    if len(disorder):
        raise LabelsError(
            f"{recording.name}: the clock is no number or runs backwards after sample {disorder[0]}, so key presses "
            "cannot be placed; leave this recording out"
        )
    keys = [(press.down, folded) for press in recording.key_presses if (folded := fold_key(press.key)) is not None]
    downs = np.array([down for down, _ in keys], dtype=np.float64)
    labels = np.array([key_to_label(key) for _, key in keys], dtype=np.int64)
    samples = np.searchsorted(times, downs, side="right") - 1
    # A key pressed outside the signal, or in a gap too long to be bridged, has nothing that it could be read from.
    since = downs - times[np.maximum(samples, 0)]
    last = np.where(samples == len(times) - 1, 1 / recording.sfreq, MAX_BRIDGED)
    within = (samples >= 0) & (since <= last)
    return samples[within], labels[within]
