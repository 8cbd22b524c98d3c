"""Splits: which recordings to train, validate and test on, by name; applied to a corpus they give its entries."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from myotype.errors import InputError, RecordingError
from myotype.recordings.corpus import Corpus, Entry

if TYPE_CHECKING:
    import os

Part = Literal["train", "validation", "test"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
Kind = Literal["generic", "personal"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_DETAILS: Final = re.compile(r"(?:_[A-Za-z]+-[0-9A-Za-z+]+)+")

Sessions = Mapping[str, tuple[str, ...]]
"""Sessions by user."""


def user_key(user: str) -> str:
    """Give the name under which a person is compared: numbers without the leading zeros that BIDS adds."""
    return (user.lstrip("0") or "0") if user.isascii() and user.isdecimal() else user


def session_key(session: str) -> str:
    """Give the name under which a session is compared: its start where the name has one, so that both forms agree.

    Where BIDS details follow the start, as in ``1600000000_task-typing_run-2``, there are several recordings in the
    session, and the details tell them apart.
    """
    start = Entry(Path(), "hdf5", "", session).start
    if start is None:
        return session
    details = _DETAILS.fullmatch(session.partition(start)[2])
    return start + details[0] if details else start


def entry_key(entry: Entry) -> tuple[str, str]:
    """Give user and session of an entry as they are compared."""
    return user_key(entry.user), session_key(entry.session)


@dataclass(frozen=True, slots=True)
class Missing:
    """A recording that a split names and a corpus lacks.

    Attributes
    ----------
    part
        Where it would belong.
    user
        Who typed.
    session
        Which one; None where the split takes all that there are of the person, and there is none.
    """

    part: Part
    user: str
    session: str | None


@dataclass(frozen=True, slots=True)
class Division:
    """A corpus, divided.

    Attributes
    ----------
    split
        By which split.
    train, validation, test
        The entries of each part, in the corpus's order.
    missing
        What the split names and the corpus lacks.
    unused
        Entries that belong to no part.
    """

    split: Split
    train: tuple[Entry, ...]
    validation: tuple[Entry, ...]
    test: tuple[Entry, ...]
    missing: tuple[Missing, ...]
    unused: tuple[Entry, ...]

    def part(self, name: Part) -> tuple[Entry, ...]:
        """Give the entries of a part by its name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return parts[name]

    def __iter__(self) -> Iterator[tuple[Part, Entry]]:
        """Go through all entries that belong to a part."""
        return ((name, entry) for name in PARTS for entry in self.part(name))


@dataclass(frozen=True, slots=True)
class Split:
    """Which recordings to train, validate and test on.

    Recordings are named by user and session; a session whose name has a start (ten digits of unix seconds) is named by
    it, so that one split holds for HDF5 files and BIDS trees. It cannot be made so that it leaks: no recording is in
    two parts, and in a generic split nobody who is tested on is in another part.

    Attributes
    ----------
    name
        What it is called.
    train, validation, test
        Sessions by user.
    train_rest
        Users of whom every recording that is in no part is trained on.
    kind
        ``"generic"``: tested on people whom the model has never seen. ``"personal"``: on other recordings of the same.
    description
        What it is for.
    made
        How it was made: the method and its options, the seed among them.

    Raises
    ------
    InputError
        If it would leak, or names nothing.
    """

    name: str
    train: Sessions
    validation: Sessions
    test: Sessions
    train_rest: tuple[str, ...] = ()
    kind: Kind = "generic"
    description: str = ""
    made: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"a split is {' or '.join(KINDS)}, not {self.kind!r}")
        for part in PARTS:
            object.__setattr__(self, part, _by_user(self.part(part), part))
        object.__setattr__(self, "train_rest", tuple(sorted({user_key(user) for user in self.train_rest})))
        if not self.train_rest and not any(self.part(part) for part in PARTS):
            raise InputError("a split has to name recordings; this one names none")
        self._refuse_leaks()

    def part(self, name: Part) -> Sessions:
        """Give the sessions of a part by its name, without those that `train_rest` adds."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return parts[name]

    @property
    def users(self) -> tuple[str, ...]:
        """Everybody whom it names, in order."""
        named = {user for part in PARTS for user in self.part(part)}
        return tuple(sorted(named | set(self.train_rest)))

    def of(self, corpus: Corpus) -> Division:
        """Divide a corpus.

        Raises
        ------
        RecordingError
            If a recording that the split names is in the corpus twice: one copy could be trained on and the other not.
        """
        found = _entries_by_key(corpus)
        place: dict[tuple[str, str], Part] = {
            (user, session): part
            for part in PARTS
            for user, sessions in self.part(part).items()
            for session in sessions
        }
        missing = [Missing(part, *key) for key, part in place.items() if key not in found]
        for user in self.train_rest:
            theirs: list[tuple[str, str]] = [key for key in found if key[0] == user and key not in place]
            place |= dict.fromkeys(theirs, "train")
            if not theirs and user not in self.train:
                missing.append(Missing("train", user, None))
        for key in place:
            copies = found.get(key, [])
            if len(copies) > 1:
                raise RecordingError(
                    f"{copies[0].path} and {copies[1].path} are both recording {key[1]} of user {key[0]}: remove one"
                )
        parts: dict[str, list[Entry]] = {part: [] for part in (*PARTS, "unused")}
        for entry in corpus:
            parts[place.get(entry_key(entry), "unused")].append(entry)
        return Division(
            self,
            tuple(parts["train"]),
            tuple(parts["validation"]),
            tuple(parts["test"]),
            tuple(missing),
            tuple(parts["unused"]),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as YAML that people can read and edit; :func:`load` reads it.

        Raises
        ------
        InputError
            If a session has the name by which files tell of all others.
        OutputError
            If the file cannot be written. Whatever stood there before is then untouched.
        """
        from myotype.recordings.splits.split_files import save  # noqa: PLC0415  (which needs this module)

        save(self, Path(path))

    def _refuse_leaks(self) -> None:
        place: dict[tuple[str, str], Part] = {}
        for part in PARTS:
            for user, sessions in self.part(part).items():
                for session in sessions:
                    if (user, session) in place:
                        raise InputError(
                            f"recording {session} of user {user} is in {place[user, session]} and in {part}: "
                            "a recording belongs to one part"
                        )
                    place[user, session] = part
        if self.kind == "personal":
            return
        others = {user: part for part in ("train", "validation") for user in self.part(part)}
        others |= dict.fromkeys(self.train_rest, "train")
        for user in self.test:
            if user in others:
                raise InputError(
                    f"user {user} is in {others[user]} and in test: a generic split is tested on people who are in no "
                    "other part; declare it personal if that is meant"
                )


def _by_user(sessions: Sessions, part: Part) -> Sessions:
    """Give sessions by user as they are compared, in order."""
    ordered: dict[str, tuple[str, ...]] = {}
    for user, given in sessions.items():
        keys = sorted(map(session_key, given))
        if not user or not all(keys):
            raise InputError(f"{part} names a user or a session by nothing")
        twice = [key for key, following in pairwise(keys) if key == following]
        if twice or user_key(user) in ordered:
            raise InputError(f"{part} names {f'recording {twice[0]} of ' if twice else ''}user {user} twice")
        if keys:
            ordered[user_key(user)] = tuple(keys)
    return dict(sorted(ordered.items()))


def _entries_by_key(corpus: Corpus) -> dict[tuple[str, str], list[Entry]]:
    found = defaultdict(list)
    for entry in corpus:
        found[entry_key(entry)].append(entry)
    return dict(found)
