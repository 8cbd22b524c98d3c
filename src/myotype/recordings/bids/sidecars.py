"""What the sidecars of a signal say: JSON texts that add up over the levels of a tree, and tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from myotype.errors import RecordingError
from myotype.recordings.bids.names import check_inside, root_of, sidecars

NOT_AVAILABLE: Final = "n/a"
_LARGEST_NUMBER: Final = 1e300
_LARGEST: Final = 2**26  # bytes of a sidecar; that of a session with 10,000 keys has 500 kB


def read_bytes(path: Path) -> bytes:
    """Read a whole sidecar.

    Raises
    ------
    RecordingError
        If it cannot be read, or is far larger than a sidecar can be.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise RecordingError(f"{path} has more than {_LARGEST} bytes: that is no sidecar")
        return path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    RecordingError
        If it is none.
    """
    try:
        content = json.loads(read_bytes(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise RecordingError(f"{path} holds no JSON object")
    return content


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a table of fields between tabs, which are not quoted.

    Raises
    ------
    RecordingError
        If it is none; the message has the number of the line.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path} is not UTF-8: {error.reason}") from error
    head, *lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    columns = head.split("\t")
    if len(set(columns)) < len(columns):
        raise RecordingError(f"{path}: two of its columns have one name: {head!r}")
    rows = []
    for number, line in enumerate(lines, 2):
        fields = line.split("\t")
        if len(fields) != len(columns):
            raise RecordingError(
                f"{path}, line {number}: it has {len(fields)} fields, the first line has {len(columns)}"
            )
        rows.append(dict(zip(columns, fields, strict=True)))
    return rows


def finite_number(value: Any) -> float | None:
    """Give a value of a JSON text as a float; None if it is no number, or one that no measurement gives."""
    # A bool is an int to Python, and an int may be too large for a float.
    return float(value) if type(value) in (int, float) and abs(value) < _LARGEST_NUMBER else None


def nearest(signal: Path, ending: str) -> Path | None:
    """Give the nearest sidecar that ends so, or None."""
    return next(sidecars(signal, ending), None)


def facts_of(signal: Path) -> tuple[dict[str, Any], Path | None]:
    """Read all that the ``emg.json`` of a signal say, and give the nearest of them; nearer ones override others."""
    paths = list(sidecars(signal, "_emg.json"))
    facts: dict[str, Any] = {}
    for path in reversed(paths):
        facts |= read_json(path)
    if paths:
        named = facts.get("IntendedFor", [])
        for name in named if isinstance(named, list) else [named]:
            check_inside(root_of(signal), str(name), f"{paths[0]}, IntendedFor")
    _check_scans(signal)
    return facts, (paths[0] if paths else None)


def _check_scans(signal: Path) -> None:
    """See that the list of a session's files names none that lies elsewhere."""
    path = nearest(signal, "_scans.tsv")
    if path is not None:
        for number, row in enumerate(read_table(path), 2):
            check_inside(path.parent, row.get("filename", ""), f"{path}, line {number}")
