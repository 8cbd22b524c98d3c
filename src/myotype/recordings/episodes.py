"""From single faults in a stream of samples to notes: faults of a kind that lie close together make one note."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.transcript import Note

if TYPE_CHECKING:
    import numpy.typing as npt

QUIET: Final = 1.0
"""Seconds without a fault of its kind that end an episode."""

RESTARTS: Final = "restarts"
"""The one kind that is also noted at once, by whoever finds it: its episode tells how often more it happened."""

_ORDER: Final = (RESTARTS, "bridged", "bad values", "repeated times", "unreadable times")


@dataclass(slots=True)
class _Episode:
    time: float
    first: int
    last: int
    count: int
    rows: int
    channels: set[int] = field(default_factory=set)

    def message(self, kind: str) -> str:
        where = f"sample {self.first}" if self.first == self.last else f"samples {self.first} to {self.last}"
        match kind:
            case "restarts":
                return f"{_counted(self.count, 'more such break')} up to sample {self.last}, each a new start"
            case "bridged":
                gaps = "before" if self.rows == 1 else f"in {self.rows} gaps before"
                return f"{_counted(self.count, 'missing sample')} {gaps} {where}: bridged by straight lines"
            case "bad values":
                channels = "one channel" if len(self.channels) == 1 else f"{len(self.channels)} channels"
                values = _counted(self.count, "value")
                return (
                    f"{values} of {channels} not finite or absurd in {where}: replaced by the channel's last good value"
                )
            case "repeated times":
                return f"{_counted(self.count, 'repeated time')} in {where}: taken as samples like any other"
            case _:
                return f"{_counted(self.count, 'time')} not finite in {where}: counted from the last good time"


class Episodes:
    """The faults of one stream, and the notes about them; the same for every way of cutting the stream.

    Parameters
    ----------
    sfreq
        Samples a second.
    """

    def __init__(self, sfreq: float) -> None:
        self._quiet = max(1, round(QUIET * sfreq))
        self._open: dict[str, _Episode] = {}
        self._ended: list[tuple[int, int, Note]] = []

    def add(
        self,
        kind: str,
        sample: int,
        time: float,
        *,
        last: int | None = None,
        count: int = 1,
        rows: int = 1,
        channels: npt.NDArray[np.int64] | None = None,
    ) -> bool:
        """Add a fault, or faults that lie close together, and tell whether an episode began with it.

        Parameters
        ----------
        kind
            What is wrong: restarts, bridged, bad values, repeated times or unreadable times.
        sample, last
            The first and the last sample concerned, counted from the first of the stream.
        time
            Seconds from the first sample of the stream to the first that is concerned.
        count
            How many faults these are.
        rows
            In how many places.
        channels
            Which channels they concern.
        """
        last = sample if last is None else last
        episode = self._open.get(kind)
        if episode is not None and sample - episode.last > self._quiet:
            self._end(kind)
            episode = None
        if episode is None:
            # A restart is noted by itself: its episode counts what follows.
            self._open[kind] = _Episode(time, sample, last, count - (kind == RESTARTS), rows, set(_listed(channels)))
            return True
        episode.last = last
        episode.count += count
        episode.rows += rows
        episode.channels.update(_listed(channels))
        return False

    def add_rows(
        self,
        kind: str,
        samples: npt.NDArray[np.int64],
        times: npt.NDArray[np.float64],
        bad: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Add faults in many samples.

        Parameters
        ----------
        kind
            What is wrong.
        samples
            Which samples, increasing, counted from the first of the stream, shape (m,).
        times
            When these samples are, in seconds from the first sample of the stream, shape (m,).
        bad
            Which channels are bad in each, shape (m, channels).
        """
        if len(samples) == 0:
            return
        bounds = [0, *(np.flatnonzero(np.diff(samples) > self._quiet) + 1), len(samples)]
        for start, stop in pairwise(bounds):
            group = None if bad is None else bad[start:stop]
            self.add(
                kind,
                int(samples[start]),
                float(times[start]),
                last=int(samples[stop - 1]),
                count=int(stop - start if group is None else group.sum()),
                channels=None if group is None else np.flatnonzero(group.any(axis=0)),
            )

    def ended(self, n_samples: int | None = None) -> list[tuple[int, Note]]:
        """Give the notes on the episodes that have ended, each with the sample that it became certain at.

        Parameters
        ----------
        n_samples
            How many samples there were up to now; None if there will be no more.
        """
        for kind in [*self._open]:
            if n_samples is None or n_samples > self._open[kind].last + self._quiet:
                self._end(kind)
        ended = sorted(self._ended, key=lambda entry: entry[:2])
        self._ended = []
        return [(sample, note) for sample, _, note in ended]

    def _end(self, kind: str) -> None:
        episode = self._open.pop(kind)
        if episode.count:
            note = Note(episode.time, episode.message(kind))
            self._ended.append((episode.last + self._quiet, _ORDER.index(kind), note))


def _listed(channels: npt.NDArray[np.int64] | None) -> list[int]:
    return [] if channels is None else [int(channel) for channel in channels]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
