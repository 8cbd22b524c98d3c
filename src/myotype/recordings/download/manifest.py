"""Manifests: which files a server has. Paths in them are not to be trusted."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from myotype.errors import InputError, RecordingError
from myotype.recordings.download.connection import refuse_password

if TYPE_CHECKING:
    from myotype.recordings.download.connection import Connection

_LARGEST: Final = 64 * 10**6  # bytes
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_RECORDING: Final = re.compile(r"sub-([^/]+)/ses-([^/]+)/.+")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a server.

    Attributes
    ----------
    path
        Where it lies below the address base, and below the folder here.
    size
        Bytes, where known.
    sha256
        Its checksum, where known.
    optional
        Whether a server may lack it.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    optional: bool = False

    @property
    def recording(self) -> tuple[str, str] | None:
        """User and session, as BIDS has them; None for what belongs to the data set as a whole."""
        match = _RECORDING.fullmatch(self.path)
        return (match[1], match[2]) if match else None


def read_manifest(source: str, connection: Connection) -> tuple[RemoteFile, ...]:
    """Read which files there are.

    A manifest is a table with tabs and the columns ``path``, ``size`` and ``sha256``, or a JSON list of objects with
    these names. Only the path is needed.

    Parameters
    ----------
    source
        A file, or an address beginning with https:// or http://.
    connection
        For addresses.

    Raises
    ------
    RecordingError
        If it cannot be had, or is malformed, or has a path that leads out of the folder.
    InputError
        If there is no such file, or the address has a password in it.
    """
    if source.startswith(("http://", "https://")):
        refuse_password(source)
        content = connection.read(source, _LARGEST)
    else:
        try:
            with Path(source).open("rb") as file:
                content = file.read(_LARGEST + 1)
        except OSError as error:
            raise InputError(f"{source}: the manifest cannot be read: {error.strerror or error}") from error
        if len(content) > _LARGEST:
            raise RecordingError(f"{source} is no manifest: it has more than {_LARGEST / 1e6:.0f} MB")
    try:
        text = content.decode("utf-8-sig")
        rows = json.loads(text) if text.lstrip()[:1] in ("[", "{") else _table(text)
        if not isinstance(rows, list):
            raise TypeError("it has to be a list")  # noqa: TRY301  (told as the other mistakes are)
        files = []
        for number, row in enumerate(rows, start=1):
            try:
                files.append(_file(row))
            except (TypeError, ValueError) as error:
                raise ValueError(f"entry {number}: {error}") from error
    except (TypeError, ValueError, RecursionError) as error:  # what json and decoding raise are ValueErrors
        raise RecordingError(f"{source}: not a manifest: {error}") from error
    twice = first_twice(file.path for file in files)
    if twice is not None:
        raise RecordingError(f"{source}: {twice} stands in it twice (capitals do not count)")
    return tuple(files)


def checked_path(path: str) -> str:
    """Check that a path from elsewhere stays below the folder that it is put into, on every system.

    Raises
    ------
    ValueError
        If it is absolute, leads upwards, or has what no name should have.
    """
    if not path or path != str(PurePosixPath(path)) or path.startswith("/"):
        raise ValueError(f"{path!r} is no path below a folder")
    for part in path.split("/"):
        strange = any(character in '\\:*?"<>|' or unicodedata.category(character)[0] == "C" for character in part)
        # Names that begin with a dot are hidden files, and .myotype-... are those that are being downloaded.
        if part.startswith(".") or part != part.strip() or strange or len(part.encode()) > 200:
            raise ValueError(f"{path!r} is no path that is written to: {part!r}")
    return path


def first_twice(paths: Iterable[str]) -> str | None:
    """Give the first path that has been there before; on some systems capitals make no difference."""
    seen = set()
    for path in paths:
        if path.casefold() in seen:
            return path
        seen.add(path.casefold())
    return None


def _table(text: str) -> list[Mapping[str, Any]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or "path" not in rows[0]:
        raise ValueError("the first line has to name the columns, with tabs: path, size, sha256")
    wrong = next((row for row in rows[1:] if len(row) != len(rows[0])), None)
    if wrong is not None:
        raise ValueError(f"a line has {len(wrong)} columns instead of {len(rows[0])}: {wrong[0]!r}")
    return [{name: value for name, value in zip(rows[0], row, strict=True) if value} for row in rows[1:]]


def _file(row: object) -> RemoteFile:
    if not isinstance(row, dict) or not isinstance(row.get("path"), str):
        raise TypeError("it has no path")
    size, sha256 = row.get("size"), row.get("sha256")
    if isinstance(size, str) and size.isascii() and size.isdecimal():
        size = int(size)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**53):
        raise ValueError(f"the size of {row['path']!r} is no number of bytes: {size!r}")
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256.lower())):
        raise ValueError(f"the sha256 of {row['path']!r} is not 64 hexadecimal digits: {sha256!r}")
    return RemoteFile(checked_path(row["path"]), size, sha256 and sha256.lower())
