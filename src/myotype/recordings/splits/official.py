"""The official splits of the emg2qwerty recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from myotype.errors import InputError
from myotype.recordings.splits.split import Split

PERSONAL: Final = tuple(f"user{number}" for number in range(8))
OFFICIAL: Final = ("generic", *PERSONAL)
"""The names of the official splits."""

_PUBLISHED: Final = "Sivakumar et al. 2024, arXiv 2410.20081"


class _Row(NamedTuple):
    split: str
    part: str
    user: str
    start: str


def official(name: str) -> Split:
    """Give an official split: ``"generic"``, or ``"user0"`` to ``"user7"``, who have a model of their own each.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in OFFICIAL:
        raise InputError(f"there is no official split {name!r}; there are {', '.join(OFFICIAL)}")
    made = {"method": "official", "source": _PUBLISHED}
    if name == "generic":
        validation = _sessions("validation", name)
        return Split(
            name,
            train={},
            train_rest=tuple(validation),
            validation=validation,
            test=_sessions("test", *PERSONAL),
            description="96 people train the model; it is tested on the 8 who have models of their own",
            made=made,
        )
    return Split(
        name,
        train=_sessions("train", name),
        validation=_sessions("validation", name),
        test=_sessions("test", name),
        kind="personal",
        description="one of the 8 people who have models of their own",
        made=made,
    )


@cache
def known_recordings() -> Mapping[str, str]:
    """Give who typed the recordings that the official splits name: users by start.

    These are all recordings of the 8 people who have models of their own, and 2 of each of the 96 others.
    """
    return {row.start: row.user for row in _table() if row.part != "excluded"}


@cache
def known_whole() -> frozenset[str]:
    """Give the users of whom every recording is known by name: the 8 people who have models of their own."""
    return frozenset(row.user for row in _table() if row.split in PERSONAL)


def _sessions(part: str, *splits: str) -> dict[str, tuple[str, ...]]:
    sessions: dict[str, tuple[str, ...]] = {}
    for row in _table():
        if row.part == part and row.split in splits:
            sessions[row.user] = (*sessions.get(row.user, ()), row.start)
    return sessions


@cache
def _table() -> tuple[_Row, ...]:
    table = resources.files("myotype") / "assets" / "splits" / "emg2qwerty.tsv"
    return tuple(_rows(table.read_text(encoding="utf-8")))


def _rows(text: str) -> Iterator[_Row]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    next(lines)  # the names of the columns
    for line in lines:
        yield _Row(*line.split("\t"))
