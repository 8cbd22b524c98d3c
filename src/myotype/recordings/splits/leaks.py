"""Recordings in different parts that are one and the same, or overlap, under different names.

What names tell, a split refuses by itself; here recordings are opened, and a few samples of each are read.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.errors import RecordingError
from myotype.recordings.corpus import Entry
from myotype.recordings.recording import Recording
from myotype.recordings.splits.split import PARTS, Division, Part, user_key

if TYPE_CHECKING:
    import numpy.typing as npt

_SAMPLES: Final = 1000  # at either end of a recording
_PIECE: Final = 100  # samples of which the extremes are compared
_TELLING: Final = 8  # extremes inside pieces, from which on they tell something
_UNIX: Final = 1e8  # seconds: an earlier time (before 1973) counts from somewhere in the recording itself
_TOLERANCE: Final = 1.0  # seconds: names have the start in whole ones
_TOGETHER: Final = 0.001  # seconds: by their clocks, no two people start so close to each other


@dataclass(frozen=True, slots=True)
class Glance:
    """What is seen of a recording at a glance.

    Attributes
    ----------
    duration
        Seconds of signal.
    start, end
        When it was recorded, in unix seconds; None where neither its clock nor its name tells.
    digests
        Of the samples at the beginning and at the end, whatever their scale; None where they tell nothing.
    timed
        Whether start and end are those of its clock: names have whole seconds.
    """

    duration: float
    start: float | None
    end: float | None
    digests: tuple[str | None, str | None]
    timed: bool


@dataclass(frozen=True, slots=True)
class Leak:
    """Two recordings in different parts that should not be.

    Attributes
    ----------
    parts
        The parts.
    entries
        The recordings.
    reason
        What they have in common.
    """

    parts: tuple[Part, Part]
    entries: tuple[Entry, Entry]
    reason: str

    def __str__(self) -> str:
        first, second = self.entries
        return f"{first.path} ({self.parts[0]}) and {second.path} ({self.parts[1]}) {self.reason}"


def glance(entry: Entry) -> Glance:
    """Open a recording and read a few samples of it.

    Raises
    ------
    RecordingError
        If it cannot be read.
    """
    with entry.open() as recording:
        first, last = (float(time[0]) if len(time) else 0.0 for time in (recording.times[:1], recording.times[-1:]))
        offset = 0.0 if first > _UNIX else float(entry.start) - first if entry.start else None
        if not math.isfinite(last - first):
            offset = None
        return Glance(
            recording.duration,
            None if offset is None else first + offset,
            None if offset is None else last + offset,
            _digests(recording),
            timed=offset == 0.0,
        )


def find_leaks(division: Division, glances: Mapping[Entry, Glance] | None = None) -> tuple[Leak, ...]:
    """Find recordings in different parts with the same samples or the same start, and overlapping ones of one person.

    Of the first and of the last 1000 samples is compared where the extremes of each channel lie, so that copies are
    found also where they were rescaled or cut at one end. Those that were cut at both ends, filtered or resampled are
    found only by their times: under the same user where they overlap, under another one where they start together.

    Parameters
    ----------
    division
        The corpus, divided.
    glances
        Of all its entries, where they have been taken already.

    Raises
    ------
    RecordingError
        If a recording cannot be read.
    """
    placed = list(division)
    seen = glances if glances is not None else {entry: glance(entry) for _, entry in placed}

    def end_of(at: int) -> Callable[[Entry], str | None]:
        return lambda entry: seen[entry].digests[at]

    def start(entry: Entry) -> float | None:
        return seen[entry].start if seen[entry].timed else None

    def overlap(one: Entry, other: Entry) -> str | None:
        seconds = _common_seconds(seen[one], seen[other])
        return f"overlap: user {user_key(one.user)} cannot have typed both for {seconds:.1f} s" if seconds else None

    found = [
        *_between_parts(placed, end_of(0), lambda *_: "have the same samples at the beginning"),
        *_between_parts(placed, end_of(1), lambda *_: "have the same samples at the end"),
        *_starting_together(placed, start),
        *_between_parts(placed, lambda entry: user_key(entry.user), overlap),
    ]
    # Of each two the first reason is enough.
    return tuple({leak.entries: leak for leak in reversed(found)}.values())[::-1]


def refuse_leaks(division: Division, glances: Mapping[Entry, Glance] | None = None) -> None:
    """Raise an error where :func:`find_leaks` finds something.

    Raises
    ------
    RecordingError
        With the first recordings that leak.
    """
    leaks = find_leaks(division, glances)
    if leaks:
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise RecordingError(f"{leaks[0]}{more}: put both into the same part, or remove one")


def _between_parts(
    placed: list[tuple[Part, Entry]],
    group: Callable[[Entry], str | None],
    reason: Callable[[Entry, Entry], str | None],
) -> Iterator[Leak]:
    """Compare those of a group that are in different parts."""
    groups: dict[str, list[tuple[Part, Entry]]] = defaultdict(list)
    for part, entry in placed:
        key = group(entry)
        if key is not None:
            groups[key].append((part, entry))
    for members in groups.values():
        for (part, entry), (other_part, other) in combinations(members, 2):
            why = reason(entry, other) if part != other_part else None
            if why:
                yield Leak((part, other_part), (entry, other), why)


def _starting_together(placed: list[tuple[Part, Entry]], start: Callable[[Entry], float | None]) -> Iterator[Leak]:
    """Compare those that follow each other in time."""
    timed = sorted(
        ((at, part, entry) for part, entry in placed if (at := start(entry)) is not None), key=lambda one: one[0]
    )
    for place, (at, part, entry) in enumerate(timed):
        for later, other_part, other in timed[place + 1 :]:
            if later - at >= _TOGETHER:
                break
            if part != other_part:
                first, second = sorted(((part, entry), (other_part, other)), key=lambda one: PARTS.index(one[0]))
                yield Leak((first[0], second[0]), (first[1], second[1]), "start at the same time, to the millisecond")


def _common_seconds(one: Glance, other: Glance) -> float:
    if one.start is None or one.end is None or other.start is None or other.end is None:
        return 0.0
    common = min(one.end, other.end) - max(one.start, other.start)
    return common if common > _TOLERANCE else 0.0


def _digests(recording: Recording) -> tuple[str | None, str | None]:
    last = max(recording.n_samples - _SAMPLES, 0)
    return _digest(recording.emg[:_SAMPLES]), _digest(recording.emg[last : last + _SAMPLES])


def _digest(samples: npt.NDArray[np.float32]) -> str | None:
    """Digest where the extremes of each channel lie, piece by piece: a scale, or rounding, leaves them in place."""
    places: list[npt.NDArray[np.int64]] = []
    n_inside = 0
    for at in range(0, len(samples), _PIECE):
        piece = samples[at : at + _PIECE]
        extremes = np.concatenate([piece.argmax(axis=0), piece.argmin(axis=0)])
        n_inside += int(((extremes > 0) & (extremes < len(piece) - 1)).sum())
        places.append(extremes)
    # What keeps a value, rises or falls has its extremes at the ends, as everything like it.
    if n_inside < _TELLING:
        return None
    return hashlib.sha256(np.concatenate(places).astype("<i8").tobytes()).hexdigest()
