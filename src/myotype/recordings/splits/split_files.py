"""Splits as YAML files that people read and edit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from myotype.errors import InputError, RecordingError
from myotype.files import replacing_file
from myotype.recordings.splits.split import PARTS, Split

if TYPE_CHECKING:
    import yaml

_VERSION: Final = 1
_REST: Final = "the rest"
_LARGEST: Final = 2**20  # bytes; the whole emg2qwerty corpus takes 40 kB
_DEEPEST: Final = 4  # the document, a part, a user's list, a session
_KEYS: Final = ("version", "name", "kind", "description", "made", *PARTS)
_HEADER: Final = f"""\
# Which recordings to train, validate and test on: sessions by user. A session is named by its start, in unix seconds,
# where its name has one. `{_REST}` after a user in train: every recording of theirs that is in no part.
"""


def save(split: Split, path: Path) -> None:
    """Write a split."""
    import yaml  # noqa: PLC0415  (it is slow to import, and most who divide a corpus write no file)

    for part in PARTS:
        for user, named in split.part(part).items():
            if _REST in named:
                raise InputError(
                    f"a recording of user {user} is called {_REST!r}, which in a split's file stands for all others: "
                    "rename it"
                )
    train: dict[str, Any] = {user: list(sessions) for user, sessions in split.train.items()}
    for user in split.train_rest:
        train[user] = [*train[user], _REST] if user in train else _REST
    document: dict[str, Any] = {
        "version": _VERSION,
        "name": split.name,
        "kind": split.kind,
        "description": split.description,
        "made": dict(split.made),
        "train": dict(sorted(train.items())),
        "validation": {user: list(sessions) for user, sessions in split.validation.items()},
        "test": {user: list(sessions) for user, sessions in split.test.items()},
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    with replacing_file(path) as temporary:
        temporary.write_text(_HEADER + text, encoding="utf-8")


def load(path: str | os.PathLike[str]) -> Split:
    """Read a split that :meth:`Split.save` or a person has written.

    Ids need no quotes: they are read as they are written, also those that look like numbers.

    Raises
    ------
    RecordingError
        If it is not a split, with the line; or if it would leak.
    """
    path = Path(path)
    reader = _Reader(path)
    known = dict(reader.members(_document(path), "a split"))
    for key, node in known.items():
        if key not in _KEYS:
            raise reader.error(node, f"{key!r} is not known here; a split has {', '.join(_KEYS)}")
    for key in ("version", "name", *PARTS):
        if key not in known:
            raise RecordingError(f"{path}: {key!r} is missing")
    if reader.text(known["version"], "version") != str(_VERSION):
        raise reader.error(known["version"], f"this myotype reads splits of version {_VERSION}")
    sessions = {part: reader.sessions(known[part], part) for part in PARTS}
    rest = tuple(user for user, found in sessions["train"].items() if _REST in found)
    train = {user: tuple(name for name in found if name != _REST) for user, found in sessions["train"].items()}
    kind: Any = reader.text(known["kind"], "kind") if "kind" in known else "generic"  # Split says what it may be
    try:
        return Split(
            name=reader.text(known["name"], "name"),
            kind=kind,
            description=reader.text(known["description"], "description") if "description" in known else "",
            made={
                key: reader.number_or_text(node, key)
                for key, node in (reader.members(known["made"], "made") if "made" in known else ())
            },
            train=train,
            train_rest=rest,
            validation=sessions["validation"],
            test=sessions["test"],
        )
    except InputError as error:
        raise RecordingError(f"{path}: {error}") from error


def _document(path: Path) -> yaml.Node:
    """Read a file into nodes: nothing is made of them but what is here."""
    import yaml  # noqa: PLC0415  (as above)

    try:
        if path.stat().st_size > _LARGEST:
            raise RecordingError(f"{path} is no split: it has more than {_LARGEST // 2**20} MB")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise RecordingError(f"{path}: not readable as a split: {why}") from error
    try:
        _refuse_cunning(path, text)
        document = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise RecordingError(f"{path}{f', line {mark.line + 1}' if mark else ''}: not YAML: {problem}") from error
    except (ValueError, OverflowError) as error:  # an escape that is no character
        raise RecordingError(f"{path}: not YAML: {error}") from error
    if document is None:
        raise RecordingError(f"{path}: the file is empty")
    return document


def _refuse_cunning(path: Path, text: str) -> None:
    """Refuse what a split never needs and what could take much memory: references, and nesting without end."""
    import yaml  # noqa: PLC0415  (as above)

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        problem = None
        if isinstance(event, yaml.AliasEvent):
            problem = "references (*) are not read in a split: write it out"
        elif depth > _DEEPEST:
            problem = "nested too deeply for a split"
        if problem:
            raise RecordingError(f"{path}, line {event.start_mark.line + 1}: {problem}")


class _Reader:
    """Reads nodes of a file, and tells of mistakes with their line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def error(self, node: yaml.Node, problem: str) -> RecordingError:
        return RecordingError(f"{self._path}, line {node.start_mark.line + 1}: {problem}")

    def members(self, node: yaml.Node, what: str) -> Iterator[tuple[str, yaml.Node]]:
        """Give names and values of a mapping."""
        if node.id == "scalar" and node.tag == "tag:yaml.org,2002:null":
            return
        if node.id != "mapping":
            raise self.error(node, f"{what} has to be a list of names with values (name: value)")
        seen = set()
        for key, value in node.value:
            name = self.text(key, f"a name in {what}")
            if name in seen:
                raise self.error(key, f"{name!r} stands twice in {what}")
            seen.add(name)
            yield name, value

    def text(self, node: yaml.Node, what: str) -> str:
        if node.id != "scalar":
            raise self.error(node, f"{what} has to be a word or a number")
        return str(node.value)

    def number_or_text(self, node: yaml.Node, what: str) -> str | int:
        text = self.text(node, what)
        whole = node.tag == "tag:yaml.org,2002:int" and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text)
        return int(text) if whole else text

    def sessions(self, node: yaml.Node, part: str) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for user, value in self.members(node, part):
            if value.id == "scalar" and value.value == _REST and part == "train":
                found[user] = (_REST,)
                continue
            if value.id != "sequence":
                raise self.error(value, f"user {user} in {part} needs a list of sessions (- session)")
            found[user] = tuple(self.text(session, f"a session of user {user}") for session in value.value)
            if not found[user] or "" in found[user]:
                raise self.error(value, f"user {user} in {part} has a session without a name, or none at all")
            if _REST in found[user] and part != "train":
                raise self.error(value, f"only train may have {_REST!r}")
        return found
