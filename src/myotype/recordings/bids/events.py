"""The events of EMG-BIDS recordings: what was typed and what was prompted, read from ``events.tsv`` and written.

A table has one line an event. Its fields are not quoted, so a tab or a line feed in one would break it. Where a field
cannot say exactly what happened, a further column, ``exact``, says it in JSON, which has escapes for everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from myotype.errors import LabelsError
from myotype.recordings.bids.sidecars import NOT_AVAILABLE, finite_number
from myotype.recordings.recording import TEXT_PROMPT, Prompt, first_out_of_order
from myotype.transcript import KeyPress

if TYPE_CHECKING:
    import os

_COLUMNS: Final = ("onset", "duration", "value", "key", "prompt_text")
_KEYSTROKE: Final = "keystroke_"
_PROMPT: Final = "prompt"
_GAP: Final = "gap"
_EXACT: Final = "exact"
_SAMPLE: Final = "sample"
_ENTER: Final = "⏎"
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_DIGITS: Final = 7  # after the point: finer than unix seconds are in double precision


@dataclass(frozen=True, slots=True)
class Events:
    """What happened in a recording, in seconds from its first sample.

    Attributes
    ----------
    key_presses
        Every key that was pressed, in order.
    prompts
        Every text that was shown, in order; texts end in U+23CE where the file has a backslash and an n.
    """

    key_presses: tuple[KeyPress, ...]
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Where samples are missing.

    Attributes
    ----------
    start, end
        When the last sample before it ends and the first after it begins, seconds.
    sample
        The first sample after it.
    """

    start: float
    end: float
    sample: int


def read_events(path: str | os.PathLike[str], *, n_samples: int | None = None, duration: float | None = None) -> Events:
    """Read an ``events.tsv``.

    Its fields are not quoted, and a key can be a bare quote or a control character: rows end at a line feed and fields
    at a tab, and no other character means anything, which is why no general reader of tables will do.

    Parameters
    ----------
    path
        The file.
    n_samples, duration
        How many samples the signal has, and how many seconds: an event beyond them is an error, unless its sample is
        ``n/a``, which says that it lies outside the signal. Without these nothing is compared.

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
    for row in rows:
        row.check_place(n_samples, duration)

    typed = [(row, row.key_press()) for row in rows if row["value"].startswith(_KEYSTROKE)]
    key_presses = tuple(press for _, press in typed)
    prompts = tuple(row.prompt() for row in rows if row["value"] == _PROMPT)
    late = first_out_of_order(key_presses)
    if late is not None:
        raise LabelsError(f"{typed[late][0].where}: its onset is before that of the key press ahead of it")
    return Events(key_presses, prompts)


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

    def check_place(self, n_samples: int | None, duration: float | None) -> None:
        """Refuse an event that is said to lie in the signal, where it does not."""
        sample = self._fields.get(_SAMPLE)
        if sample == NOT_AVAILABLE:
            return
        if sample is not None and n_samples is not None:
            if not _WHOLE.fullmatch(sample):
                raise LabelsError(f"{self.where}: the sample is no whole number: {sample!r}")
            if not 0 <= int(sample) < n_samples:
                raise LabelsError(f"{self.where}: its sample is {sample}, but the signal has {n_samples} samples")
        elif sample is None and duration is not None and self._seconds("onset") > duration:
            raise LabelsError(f"{self.where}: its onset is {self['onset']} s, but the signal has {duration:g} s")

    def key_press(self) -> KeyPress:
        key = self["value"].removeprefix(_KEYSTROKE)
        exact = self._exact()
        if "key" in exact:
            key = exact["key"]
        elif not key or key != self["key"]:
            raise LabelsError(f"{self.where}: the value {self['value']!r} and the key {self['key']!r} do not agree")
        return KeyPress(key, *self._span(exact))

    def prompt(self) -> Prompt:
        exact = self._exact()
        span = self._span(exact)
        if "has_payload" in exact:
            return Prompt(
                exact.get("text"), *span, name=exact.get("name", TEXT_PROMPT), has_payload=exact["has_payload"]
            )
        text = self["prompt_text"]
        if text == NOT_AVAILABLE:
            return Prompt(None, *span)
        return Prompt(f"{text[:-2]}{_ENTER}" if text.endswith(r"\n") else text, *span)

    def _exact(self) -> dict[str, Any]:
        text = self._fields.get(_EXACT, NOT_AVAILABLE)
        if text == NOT_AVAILABLE:
            return {}
        kinds: dict[str, Any] = {
            "key": str,
            "text": (str, type(None)),
            "name": str,
            "has_payload": bool,
            "duration": (int, float),
        }
        try:
            exact = json.loads(text)
        except (ValueError, RecursionError):
            exact = None
        if (
            not isinstance(exact, dict)
            or any(not isinstance(value, kinds.get(name, ())) for name, value in exact.items())
            or not exact.get("key", "some")
            or finite_number(exact.get("duration", 0)) is None
        ):
            raise LabelsError(f"{self.where}: the field {_EXACT!r} does not hold what it should: {text[:80]!r}")
        return exact

    def _span(self, exact: dict[str, Any]) -> tuple[float, float]:
        onset = self._seconds("onset")
        if "duration" in exact:
            return onset, onset + exact["duration"]
        duration = self._seconds("duration")
        if duration < 0:
            raise LabelsError(f"{self.where}: the duration is negative: {self['duration']!r}")
        return onset, onset + duration

    def _seconds(self, column: str) -> float:
        try:
            seconds = finite_number(float(self[column]))
        except ValueError:
            seconds = None
        if seconds is None:
            raise LabelsError(f"{self.where}: the {column} is no number of seconds: {self[column]!r}")
        return seconds


def format_events(
    key_presses: Iterable[KeyPress],
    prompts: Iterable[Prompt],
    gaps: Iterable[Gap],
    sample_at: Callable[[float], int | None],
) -> str:
    """Write events so that :func:`read_events` gives them back: texts exactly, times to a tenth of a microsecond.

    Parameters
    ----------
    key_presses, prompts, gaps
        In seconds from the first sample.
    sample_at
        Gives the sample at a time; None for a time outside the signal.
    """
    rows = [
        (onset, rank, {"onset": _number(onset), _SAMPLE: _sample(sample_at(onset)), **fields})
        for rank, events in enumerate((map(_of_prompt, prompts), map(_of_key, key_presses)))
        for onset, fields in events
    ]
    rows += [
        (
            gap.start,
            2,
            {
                "onset": _number(gap.start),
                "duration": _number(gap.end - gap.start),
                _SAMPLE: str(gap.sample),
                "value": _GAP,
            },
        )
        for gap in gaps
    ]
    rows.sort(key=lambda row: row[:2])
    columns = ["onset", "duration", _SAMPLE, "value", "key", "prompt_text"]
    if any(_EXACT in fields for *_, fields in rows):
        columns.append(_EXACT)
    lines = ["\t".join(columns)]
    lines += ["\t".join(fields.get(column, NOT_AVAILABLE) for column in columns) for *_, fields in rows]
    return "\n".join(lines) + "\n"


def _of_key(press: KeyPress) -> tuple[float, dict[str, str]]:
    key = _shown(press.key)
    fields = {"value": _KEYSTROKE + key, "key": key}
    exact: dict[str, Any] = {} if key == press.key else {"key": press.key}
    return press.down, fields | _duration_and_exact(press.down, press.up, exact)


def _of_prompt(prompt: Prompt) -> tuple[float, dict[str, str]]:
    exact: dict[str, Any] = {}
    text = NOT_AVAILABLE
    if prompt.text is not None:
        text = prompt.text
        text = _shown(text[:-1]) + r"\n" if text.endswith(_ENTER) and len(text) > 1 else _shown(text)
    # Whether the reader would make the same of it: what it makes of plain fields is Prompt(text, ...) and no more.
    plain = None if text == NOT_AVAILABLE else text[:-2] + _ENTER if text.endswith(r"\n") else text
    if (plain, TEXT_PROMPT, True) != (prompt.text, prompt.name, prompt.has_payload):
        exact = {"name": prompt.name, "text": prompt.text, "has_payload": prompt.has_payload}
    fields = {"value": _PROMPT, "prompt_text": text}
    return prompt.start, fields | _duration_and_exact(prompt.start, prompt.end, exact)


def _duration_and_exact(start: float, end: float, exact: dict[str, Any]) -> dict[str, str]:
    # The difference of what is written, not what is written of the difference: the end is then as near as the start.
    duration = round(end, _DIGITS) - round(start, _DIGITS)
    if duration < 0:
        exact = exact | {"duration": round(duration, _DIGITS)}
    fields = {"duration": _number(max(duration, 0.0))}
    return fields | {_EXACT: json.dumps(exact)} if exact else fields


def _shown(text: str) -> str:
    """Give a text that can stand in a table; the text itself, if it can, or what comes near it."""
    if text and text != NOT_AVAILABLE and not any(char in "\t\n" or "\ud800" <= char <= "\udfff" for char in text):
        return text
    return json.dumps(text)[1:-1] if text and text != NOT_AVAILABLE else json.dumps(text)


def _number(seconds: float) -> str:
    """Write seconds with at most seven digits after the point, which round trips of unix seconds need."""
    text = f"{seconds:.{_DIGITS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _sample(sample: int | None) -> str:
    return NOT_AVAILABLE if sample is None else str(sample)
