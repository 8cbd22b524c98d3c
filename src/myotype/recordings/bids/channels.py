"""Which signals of a file are the 32 electrodes, in which order, and in which unit, by its ``channels.tsv``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from myotype.errors import RecordingError
from myotype.recordings.bids import units
from myotype.recordings.bids.sidecars import read_table
from myotype.recordings.recording import N_CHANNELS

_BANDS: Final = ("left", "right")
_NOT_EMG: Final = re.compile(r"(EDF|BDF) Annotations|status|trig(ger)?|STI ?\d*", re.IGNORECASE)
_LABEL_WIDTH: Final = 16  # of a label in a BDF header, where longer names are cut off


@dataclass(frozen=True, slots=True)
class Channel:
    """A signal as a file describes it.

    Attributes
    ----------
    label
        What it is called.
    unit
        The unit of its values, by the file's own header; None where it has none.
    settled
        Whether they are in that unit, whatever a table says of what is stored.
    """

    label: str
    unit: str | None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The electrodes of a recording.

    Attributes
    ----------
    order
        Which signal of the file each of the 32 is: the left band, then the right.
    microvolts
        How many microvolts one unit of each has.
    declared
        The unit in words, for notes.
    notes
        What had to be assumed.
    """

    order: tuple[int, ...]
    microvolts: tuple[float, ...]
    declared: str
    notes: tuple[str, ...]


def layout(
    channels: Sequence[Channel], table: Path | None, facts: dict[str, Any], where: str, given_unit: str | None = None
) -> Layout:
    """Find the electrodes among the signals of a file.

    Parameters
    ----------
    channels
        The signals of the file.
    table
        Its ``channels.tsv``, or None.
    facts
        Its ``emg.json``.
    where
        The file, for errors.
    given_unit
        What the numbers are in, whatever the file says.

    Raises
    ------
    RecordingError
        If the table does not describe the file, the two bands cannot be told apart, or there are not 32 electrodes.
    """
    notes: list[str] = []
    rows = read_table(table) if table is not None else []
    order, rows = _matched(channels, rows, f"{table}", notes) if rows else (_signals(channels), [])
    if rows:
        emg = [at for at, row in enumerate(rows) if row.get("type", "EMG").strip().upper() == "EMG"]
        order, rows = [order[at] for at in emg], [rows[at] for at in emg]
    declared_count = facts.get("EMGChannelCount")
    if isinstance(declared_count, (int, float)) and declared_count != len(order):
        raise RecordingError(f"{where}: it has {len(order)} EMG channels, its emg.json says {declared_count}")
    if len(order) != N_CHANNELS:
        raise RecordingError(f"{where}: it has {len(order)} EMG channels; {N_CHANNELS} are needed, 16 of each band")
    places = _places(rows, f"{table}", notes)
    if table is None:
        notes.append("there is no channels.tsv: the channels are taken in the order of the file, the left band first")
    bad = [row["name"] for row in rows if row.get("status", "").strip().lower() == "bad"]
    if bad:
        notes.append(f"channels.tsv calls {len(bad)} channels bad: {', '.join(bad)}")

    declared: dict[str, None] = {}
    factors = []
    for place in places:
        channel = channels[order[place]]
        in_table = units.unit_of(rows[place].get("units", "")) if rows and not channel.settled else None
        name = given_unit or in_table or channel.unit
        declared[name or f"{units.UNDECLARED} (nothing says so)"] = None
        factors.append(units.microvolts(name or units.UNDECLARED, where))
    return Layout(tuple(order[place] for place in places), tuple(factors), ", ".join(declared), tuple(notes))


def _signals(channels: Sequence[Channel]) -> list[int]:
    return [at for at, channel in enumerate(channels) if not _NOT_EMG.fullmatch(channel.label)]


def _matched(
    channels: Sequence[Channel], rows: list[dict[str, str]], where: str, notes: list[str]
) -> tuple[list[int], list[dict[str, str]]]:
    """Find the signal that each row of the table is about, by its name or, where no name fits, by its place."""
    if "name" not in rows[0]:
        raise RecordingError(f"{where}: it has no column 'name'")
    places = {channel.label: at for at, channel in enumerate(channels)}
    names = [row["name"].strip() for row in rows]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordingError(f"{where}: it names the channel {twice!r} twice")
    cut = [name[:_LABEL_WIDTH].strip() for name in names]
    missing = [name for name, short in zip(names, cut, strict=True) if name not in places and short not in places]
    if not missing and len(set(cut)) == len(cut) and len(places) == len(channels):
        return [places.get(name, places.get(short, -1)) for name, short in zip(names, cut, strict=True)], rows
    in_order = _signals(channels)
    if len(missing) < len(names) or len(in_order) != len(names):
        raise RecordingError(
            f"{where}: it describes {len(names)} channels, the file has {len(in_order)} signals"
            + (f", and none is called {missing[0]!r}" if missing else ", whose labels are not unique")
        )
    notes.append(f"the names of channels.tsv ({names[0]}, ...) are not those of the file: taken by their place")
    return in_order, rows


def _places(rows: list[dict[str, str]], where: str, notes: list[str]) -> list[int]:
    """Give which of the EMG rows each of the 32 electrodes is."""
    if not rows:
        return list(range(N_CHANNELS))
    groups = [next((band for band in _BANDS if band in row.get("group", "").lower()), None) for row in rows]
    if not any(groups):
        notes.append(
            "channels.tsv does not say which channels are left and right: taken in its order, the left band first"
        )
        return list(range(N_CHANNELS))
    bands = [[at for at, group in enumerate(groups) if group == band] for band in _BANDS]
    if any(len(band) != N_CHANNELS // 2 for band in bands):
        raise RecordingError(
            f"{where}: {len(bands[0])} of the EMG channels are in the group 'left' and {len(bands[1])} in 'right';"
            f" {N_CHANNELS // 2} of each are needed"
        )
    return [place for band in bands for place in _around(band, rows)]


def _around(band: list[int], rows: list[dict[str, str]]) -> list[int]:
    """Sort a band by the numbers of its electrodes, where they have any, so that neighbours stand side by side."""
    found = [re.search(r"(\d+)$", rows[at].get("signal_electrode", "").strip()) for at in band]
    numbers = [int(match[1]) for match in found if match is not None]
    if len(set(numbers)) < len(band):
        return band
    return [at for _, at in sorted(zip(numbers, band, strict=True))]
