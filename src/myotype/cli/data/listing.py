"""``myotype data list``: say which recordings there are, and who typed how much and how fast."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import tyro

from myotype.cli.console import progress_bar, show_table, warn
from myotype.errors import LabelsError, MyotypeError

if TYPE_CHECKING:
    from myotype.recordings.corpus import Corpus, Entry

_UNKNOWN: Final = "?"


@dataclass
class List:
    """Say which recordings there are, and who typed how much and how fast.

    Attributes
    ----------
    root
        A folder with HDF5 files at any depth, a BIDS tree, or a prepared cache.
    recordings
        A line for each recording instead of one for each person.
    as_json
        Print all that is known as a JSON object.
    """

    root: Annotated[Path, tyro.conf.Positional]
    recordings: bool = False
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False

    def run(self) -> int:
        """Do it, and give the exit code."""
        from myotype.recordings.corpus import find_recordings

        corpus = find_recordings(self.root)
        listed, unreadable = _listed(corpus)
        report_strays(corpus)
        total = _sum("all", listed)
        if self.as_json:
            known = {
                "root": str(self.root),
                "recordings": [asdict(one) for one in listed],
                "people": len({one.user for one in listed}),
                "total": {"recordings": total.recordings, "minutes": total.minutes, "keystrokes": total.keystrokes},
                "strays": [{"path": str(stray.path), "reason": stray.reason} for stray in corpus.strays],
                "unreadable": unreadable,
            }
            print(json.dumps(known, indent=2))
        elif self.recordings:
            header = ("user", "session", "minutes", "keystrokes", "keys/s", "form")
            rows = [(one.user or _UNKNOWN, one.session, *_figures(one), one.form) for one in listed]
            show_table([*rows, (*_in_all(listed), *_figures(total), "")], header=header)
        else:
            header = ("user", "recordings", "minutes", "keystrokes", "keys/s", "form")
            people = [
                _sum(user, [one for one in listed if one.user == user]) for user in sorted({one.user for one in listed})
            ]
            rows = [(one.user or _UNKNOWN, str(one.recordings), *_figures(one), one.form) for one in people]
            show_table([*rows, (*_in_all(listed), *_figures(total), "")], header=header)
        return 1 if unreadable else 0


@dataclass(frozen=True)
class _Listed:
    """One recording, or several together; keystrokes are None where the labels cannot be read."""

    user: str
    session: str
    path: str
    form: str
    minutes: float
    keystrokes: int | None
    recordings: int = 1


def report_strays(corpus: Corpus) -> None:
    """Say on stderr what was found and is not counted."""
    for stray in corpus.strays:
        warn(f"{stray.path} is not counted: {stray.reason}")


def _listed(corpus: Corpus) -> tuple[list[_Listed], list[dict[str, str]]]:
    listed: list[_Listed] = []
    unreadable: list[dict[str, str]] = []
    with progress_bar() as bar:
        for done, entry in enumerate(corpus):
            bar.show(f"reading {entry.path.name}", done / len(corpus), f"{done} of {len(corpus)}")
            try:
                listed.append(_of(entry))
            except MyotypeError as error:
                warn(str(error))
                unreadable.append({"path": str(entry.path), "error": str(error)})
    return listed, unreadable


def _of(entry: Entry) -> _Listed:
    with entry.open() as recording:
        try:
            keystrokes = len(recording.key_presses)
        except LabelsError as error:
            warn(str(error))
            keystrokes = None
        return _Listed(entry.user, entry.session, str(entry.path), entry.form, recording.duration / 60, keystrokes)


def _sum(name: str, listed: Sequence[_Listed]) -> _Listed:
    return _Listed(
        user=name,
        session="",
        path="",
        form=", ".join(dict.fromkeys(one.form for one in listed)),
        minutes=sum(one.minutes for one in listed),
        keystrokes=_sum_of_known(one.keystrokes for one in listed),
        recordings=len(listed),
    )


def _sum_of_known(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _figures(one: _Listed) -> tuple[str, str, str]:
    if one.keystrokes is None:
        return f"{one.minutes:.1f}", _UNKNOWN, _UNKNOWN
    speed = f"{one.keystrokes / (60 * one.minutes):.2f}" if one.minutes else _UNKNOWN
    return f"{one.minutes:.1f}", f"{one.keystrokes:,}", speed


def _in_all(listed: Sequence[_Listed]) -> tuple[str, str]:
    people = len({one.user for one in listed})
    return f"{people} {'person' if people == 1 else 'people'}", f"{len(listed)}"
