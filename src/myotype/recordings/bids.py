"""Recordings in the BIDS form (NEMAR nm000104); so far its events: what was typed and what was prompted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from myotype.errors import LabelsError
from myotype.recordings.recording import Prompt, first_out_of_order
from myotype.transcript import KeyPress

if TYPE_CHECKING:
    import os

_COLUMNS: Final = ("onset", "duration", "value", "key", "prompt_text")
_KEYSTROKE: Final = "keystroke_"
_PROMPT: Final = "prompt"
_NOT_AVAILABLE: Final = "n/a"


@dataclass(frozen=True, slots=True)
class Events:
    """What happened in a recording, in seconds from its first sample.

    Attributes
    ----------
    key_presses
        Every key that was pressed, in order.
    prompts
        Every text that was shown, in order; texts end in U+23CE where the file has a backslash and an n.
    n_other
        How many rows are neither.
    """

    key_presses: tuple[KeyPress, ...]
    prompts: tuple[Prompt, ...]
    n_other: int = 0


def read_events(path: str | os.PathLike[str]) -> Events:
    """Read an ``events.tsv``.

    Its fields are not quoted, and a key can be a bare quote or a control character: rows end at a line feed and fields
    at a tab, and no other character means anything, which is why no general reader of tables will do.

    Raises
    ------
    LabelsError
        If the file cannot be read, lacks a column, or a row is malformed; the message has the number of the line.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise LabelsError(f"there is no file {path}") from error
    except OSError as error:
        raise LabelsError(f"{path} cannot be read: {error.strerror or error}") from error
    head, *lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    line_end = b"\r" if head.endswith(b"\r") else b""
    columns = head.removesuffix(line_end).decode(errors="replace").split("\t")
    for column in _COLUMNS:
        if column not in columns:
            raise LabelsError(f"{path}: its first line has no column {column!r}, but {', '.join(map(repr, columns))}")
    rows = [
        _Row(line.removesuffix(line_end), columns, f"{path}, line {number}") for number, line in enumerate(lines, 2)
    ]

    typed = [(row, row.key_press()) for row in rows if row["value"].startswith(_KEYSTROKE)]
    key_presses = tuple(press for _, press in typed)
    prompts = tuple(row.prompt() for row in rows if row["value"] == _PROMPT)
    late = first_out_of_order(key_presses)
    if late is not None:
        raise LabelsError(f"{typed[late][0].where}: its onset is before that of the key press ahead of it")
    return Events(key_presses, prompts, len(rows) - len(key_presses) - len(prompts))


class _Row:
    """One line, cut into fields."""

    def __init__(self, line: bytes, columns: list[str], where: str) -> None:
        self.where = where
        try:
            fields = line.decode().split("\t")
        except UnicodeDecodeError as error:
            raise LabelsError(f"{where}: it is not UTF-8 ({error.reason})") from error
        if len(fields) != len(columns):
            raise LabelsError(f"{where}: it has {len(fields)} fields, the first line has {len(columns)}")
        self._fields = dict(zip(columns, fields, strict=True))

    def __getitem__(self, column: str) -> str:
        return self._fields[column]

    def key_press(self) -> KeyPress:
        key = self["value"].removeprefix(_KEYSTROKE)
        if not key or key != self["key"]:
            raise LabelsError(f"{self.where}: the value {self['value']!r} and the key {self['key']!r} do not agree")
        return KeyPress(key, *self._span())

    def prompt(self) -> Prompt:
        text = self["prompt_text"]
        if text == _NOT_AVAILABLE:
            return Prompt(None, *self._span())
        return Prompt(f"{text[:-2]}⏎" if text.endswith(r"\n") else text, *self._span())

    def _span(self) -> tuple[float, float]:
        onset, duration = self._seconds("onset"), self._seconds("duration")
        if duration < 0:
            raise LabelsError(f"{self.where}: the duration is negative: {self['duration']!r}")
        return onset, onset + duration

    def _seconds(self, column: str) -> float:
        try:
            seconds = float(self[column])
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            raise LabelsError(f"{self.where}: the {column} is no number of seconds: {self[column]!r}")
        return seconds
