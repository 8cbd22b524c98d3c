"""Key presses and prompts as the JSON texts that recordings carry."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from myotype.errors import InputError, LabelsError
from myotype.recordings.recording import Prompt, first_out_of_order
from myotype.transcript import KeyPress

if TYPE_CHECKING:
    from collections.abc import Iterable

_ASIDE: Final = "The signal does not need it: the recording can still be transcribed."


def missing(attribute: str, where: str) -> LabelsError:
    """Give the error for an attribute that a recording should have and has not."""
    return LabelsError(f"{where}: the attribute {attribute!r} is missing. {_ASIDE}")


def malformed(attribute: str, where: str, problem: str) -> LabelsError:
    """Give the error for an attribute that does not hold what it should."""
    return LabelsError(f"{where}: the attribute {attribute!r} is malformed: {problem}. {_ASIDE}")


def check_storable(text: str, what: str) -> None:
    """See that a text can be written to a file.

    Raises
    ------
    InputError
        If UTF-8 cannot hold it.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the recording's {what} {text!r} is not a text that UTF-8 can hold") from error


def parse_key_presses(text: str, where: str, attribute: str = "keystrokes") -> tuple[KeyPress, ...]:
    """Read key presses from a JSON list of objects with `key`, `start` and `end`; more fields are passed over.

    Parameters
    ----------
    text
        The JSON text.
    where
        The file, for errors.
    attribute
        What holds the text, for errors.

    Raises
    ------
    LabelsError
        If the text is no such list, or its entries are not in order of pressing.
    """
    presses = []
    for at, entry in enumerate(_entries(text, where, attribute)):
        key = entry.get("key")
        if not isinstance(key, str) or not key:
            raise malformed(attribute, where, f"entry {at} has no 'key' that is a text, but {_short(entry)}")
        start, end = _span(entry, at, where, attribute)
        presses.append(KeyPress(key, start, end))
    key_presses = tuple(presses)
    if (at_fault := first_out_of_order(key_presses)) is not None:
        raise malformed(
            attribute,
            where,
            f"entry {at_fault} ({key_presses[at_fault].key!r}) is pressed at {key_presses[at_fault].down}, "
            f"before the entry ahead of it ({key_presses[at_fault - 1].down}); they have to be sorted by 'start'",
        )
    return key_presses


def parse_prompts(text: str, where: str, attribute: str = "prompts") -> tuple[Prompt, ...]:
    """Read prompts from a JSON list of objects with `name`, `start`, `end` and `payload` (null or with a `text`).

    Parameters and errors are those of :func:`parse_key_presses`; the order does not matter.
    """
    prompts = []
    for at, entry in enumerate(_entries(text, where, attribute)):
        name, payload = entry.get("name"), entry.get("payload")
        if not isinstance(name, str):
            raise malformed(attribute, where, f"entry {at} has no 'name' that is a text, but {_short(entry)}")
        if payload is not None and not isinstance(payload, dict):
            raise malformed(attribute, where, f"entry {at} has a 'payload' that is no object: {_short(payload)}")
        shown = None if payload is None else payload.get("text")
        if shown is not None and not isinstance(shown, str):
            raise malformed(attribute, where, f"entry {at} has a 'text' that is none: {_short(shown)}")
        start, end = _span(entry, at, where, attribute)
        prompts.append(Prompt(shown, start, end, name=name, has_payload=payload is not None))
    return tuple(prompts)


def format_key_presses(key_presses: Iterable[KeyPress]) -> str:
    """Write key presses so that :func:`parse_key_presses` gives them back exactly."""
    return _json([{"key": press.key, "start": press.down, "end": press.up} for press in key_presses])


def format_prompts(prompts: Iterable[Prompt]) -> str:
    """Write prompts so that :func:`parse_prompts` gives them back exactly."""
    return _json(
        [
            {
                "name": prompt.name,
                "payload": {"text": prompt.text} if prompt.has_payload else None,
                "start": prompt.start,
                "end": prompt.end,
            }
            for prompt in prompts
        ]
    )


def _json(entries: list[dict[str, Any]]) -> str:
    try:
        return json.dumps(entries, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"key presses and prompts hold texts and finite numbers of seconds: {error}") from error


def _entries(text: str, where: str, attribute: str) -> list[dict[str, Any]]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise malformed(attribute, where, f"it is not JSON ({error})") from error
    if not isinstance(entries, list):
        raise malformed(attribute, where, f"it is no list, but {_short(entries)}")
    for at, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise malformed(attribute, where, f"entry {at} is no object, but {_short(entry)}")
    return entries


def _span(entry: dict[str, Any], at: int, where: str, attribute: str) -> tuple[float, float]:
    start, end = (_seconds(entry, field, at, where, attribute) for field in ("start", "end"))
    return start, end


def _seconds(entry: dict[str, Any], field: str, at: int, where: str, attribute: str) -> float:
    if field not in entry:
        raise malformed(attribute, where, f"entry {at} has no {field!r}: {_short(entry)}")
    value = entry[field]
    # A bool is an int to Python, and an int may be too large for a float.
    if type(value) not in (int, float) or not -1e300 < value < 1e300:
        raise malformed(attribute, where, f"entry {at} has a {field!r} that is no time in seconds: {_short(value)}")
    return float(value)


def _short(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
