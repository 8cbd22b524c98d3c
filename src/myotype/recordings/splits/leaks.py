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
from typing import Final

import numpy as np

from myotype.errors import RecordingError
from myotype.recordings.corpus import Entry
from myotype.recordings.recording import Recording
from myotype.recordings.splits.split import Division, Part, user_key

_GLANCES: Final = 3  # places in a recording
_SAMPLES: Final = 1000  # at each of them
_UNIX: Final = 1e8  # seconds: an earlier time (before 1973) counts from somewhere in the recording itself
_TOLERANCE: Final = 1.0  # seconds: names have the start in whole ones


@dataclass(frozen=True, slots=True)
class Glance:
    """What is seen of a recording at a glance.

    Attributes
    ----------
    duration
        Seconds of signal.
    start, end
        When it was recorded, in unix seconds; None where neither its clock nor its name tells.
    digest
        Of a few samples and their number; None where they are all the same and tell nothing.
    """

    duration: float
    start: float | None
    end: float | None
    digest: str | None


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
            _digest(recording),
        )


def find_leaks(division: Division, glances: Mapping[Entry, Glance] | None = None) -> tuple[Leak, ...]:
    """Find recordings in different parts with the same samples, and overlapping ones of one person.

    A glance compares the number of samples and a few of them, so copies that were cut or rescaled are found only by
    their times.

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

    def same(one: Entry, other: Entry) -> str | None:
        return f"have the same samples at {_GLANCES} places" if seen[one].digest == seen[other].digest else None

    def overlap(one: Entry, other: Entry) -> str | None:
        seconds = _common_seconds(seen[one], seen[other])
        return f"overlap: user {user_key(one.user)} cannot have typed both for {seconds:.1f} s" if seconds else None

    return (
        *_between_parts(placed, lambda entry: seen[entry].digest, same),
        *_between_parts(placed, lambda entry: user_key(entry.user), overlap),
    )


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


def _common_seconds(one: Glance, other: Glance) -> float:
    if one.start is None or one.end is None or other.start is None or other.end is None:
        return 0.0
    common = min(one.end, other.end) - max(one.start, other.start)
    return common if common > _TOLERANCE else 0.0


def _digest(recording: Recording) -> str | None:
    step = max(recording.n_samples - _SAMPLES, 0) // (_GLANCES - 1)
    found = [recording.emg[at * step : at * step + _SAMPLES] for at in range(_GLANCES)]
    samples = np.concatenate(found)
    if not len(samples) or (samples == samples[0]).all():
        return None
    return hashlib.sha256(str(recording.n_samples).encode() + samples.tobytes()).hexdigest()
