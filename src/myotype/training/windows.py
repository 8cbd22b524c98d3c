"""Windows of recordings, as a network is trained on them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from myotype.errors import InputError
from myotype.recordings import Recording
from myotype.recordings.continuity import LARGEST, Continuity
from myotype.recordings.prepared.placing import place_keys
from myotype.training.sampling import Draw


class Bounds(NamedTuple):
    """Sample bounds of a window, end-exclusive: its core, whose keys are its labels, and the core with its context."""

    start: int
    end: int
    padded_start: int
    padded_end: int


class Window(NamedTuple):
    """One training example."""

    emg: Tensor  # (channels, samples) float32, microvolts, context included
    labels: Tensor  # (keys,) int64
    key_samples: Tensor  # (keys,) int64: when each was pressed, counted from the first of the samples
    where: str = ""  # which recording it is of, and where it begins there
    draw: Draw = Draw(0)  # what is to be done to it


class Batch(NamedTuple):
    """Windows of different lengths side by side, zero-padded at their ends."""

    emg: Tensor  # (batch, channels, samples) float32, microvolts
    emg_lengths: Tensor  # (batch,) samples
    labels: Tensor  # (batch, keys) int64
    label_lengths: Tensor  # (batch,)
    key_samples: Tensor  # (batch, keys) int64, as in windows
    rotations: Tensor  # (batch, bands) electrodes to roll each band by
    hand_shifts: Tensor  # (batch,) samples to shift the left hand by against the right
    where: list[str]  # for each window, as in windows

    @classmethod
    def of(cls, windows: Sequence[Window]) -> Batch:
        """Collate windows; padded labels are 0 and do not count."""
        lengths = [window.emg.shape[1] for window in windows]
        # By NumPy, which asks for large pages of memory: torch takes twice as long, most of it for 40 MB of small ones.
        emg = np.empty((len(windows), max(lengths), windows[0].emg.shape[0]), dtype=np.float32)
        for row, window, length in zip(emg, windows, lengths, strict=True):
            row[:length] = window.emg.T
            row[length:] = 0
        pad = torch.nn.utils.rnn.pad_sequence
        return cls(
            torch.from_numpy(emg).transpose(1, 2),
            torch.tensor(lengths),
            pad([window.labels for window in windows], batch_first=True),
            torch.tensor([len(window.labels) for window in windows]),
            pad([window.key_samples for window in windows], batch_first=True),
            torch.tensor([window.draw.rotations for window in windows], dtype=torch.int64),
            torch.tensor([window.draw.hand_shift for window in windows]),
            [window.where for window in windows],
        )


class Windows(Dataset[Window]):
    """Windows that tile recordings, one after the other, without losing a key press or the tail.

    A key press belongs to the window of the last sample at or before it, so the seam between two windows belongs to the
    first of them. The tail that no whole window covers gets a window that ends with the recording and overlaps the
    one before.

    Parameters
    ----------
    recordings
        Typed on a keyboard, so that every key has a time; :class:`~myotype.training.sources.Readers` opens them where
        they are read.
    length, stride
        Samples of a window's core, and from one core to the next; a stride of None tiles.
    context
        Samples of context before and after the core; they are cut at the recording's ends.

    Raises
    ------
    LabelsError
        If the truth of a recording is not its key presses.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        *,
        length: int,
        stride: int | None = None,
        context: tuple[int, int] = (0, 0),
    ) -> None:
        if length < 1 or (stride is not None and stride < 1) or min(context) < 0:
            raise InputError(f"length={length}, stride={stride}, context={context}: windows cannot be cut so")
        self.recordings = recordings
        self.length = length
        self.stride = stride or length
        self.context = context
        self._keys: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        self._lengths: list[int] = []
        self._ends: list[int] = []  # number of windows up to and with each recording
        for recording in recordings:
            self._keys.append(place_keys(recording))
            self._lengths.append(recording.n_samples)
            self._ends.append((self._ends[-1] if self._ends else 0) + self._count(recording.n_samples))

    def _count(self, n_samples: int) -> int:
        beyond_first = max(n_samples - self.length, 0)
        return 1 + -(-beyond_first // self.stride)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def recording_of(self, index: int) -> int:
        """Say which recording a window is of."""
        return bisect_right(self._ends, index)

    def _locate(self, index: int, shift: int) -> tuple[int, Bounds]:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        which = self.recording_of(index)
        place = index - (self._ends[which - 1] if which else 0)
        n_samples = self._lengths[which]
        start = max(min(place * self.stride + shift, n_samples - self.length), 0)
        end = min(start + self.length, n_samples)
        before, after = self.context
        return which, Bounds(start, end, max(start - before, 0), min(end + after, n_samples))

    def bounds(self, index: int, shift: int = 0) -> Bounds:
        """Give a window's sample bounds when it is shifted by some samples; it stops at the recording's end."""
        return self._locate(index, shift)[1]

    def __getitem__(self, item: int | Draw) -> Window:
        draw = item if isinstance(item, Draw) else Draw(item)
        which, bounds = self._locate(draw.window, draw.shift)
        samples, labels = self._keys[which]
        first, last = np.searchsorted(samples, [bounds.start, bounds.end])
        recording = self.recordings[which]
        emg = recording.emg[bounds.padded_start : bounds.padded_end]
        # Repaired as when transcribing. What is no number is not within either.
        if not (emg.min(initial=0) >= -LARGEST and emg.max(initial=0) <= LARGEST):
            (segment,) = Continuity(recording.sfreq).push(emg)
            emg = segment.samples
        return Window(
            torch.from_numpy(emg).T,
            torch.from_numpy(labels[first:last]),
            torch.from_numpy(samples[first:last] - bounds.padded_start),
            f"{recording.name} from sample {bounds.padded_start}",
            draw,
        )
