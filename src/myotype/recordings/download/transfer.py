"""One file from a server: begun, broken off, taken up again, checked, and only then given its name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from myotype.errors import OutputError
from myotype.files import replacing_file
from myotype.recordings.download.connection import Body, Connection, Identity
from myotype.recordings.download.manifest import RemoteFile
from myotype.recordings.download.patience import ChangedError, RefusedError, TemporaryError

_CORRUPT_AT_MOST: Final = 2  # downloads of a file whose checksum is wrong: once may be the network's fault

IN_THE_WAY: Final = "another file of this name is here: move it away, or have it replaced with --overwrite"
"""Why a file was not downloaded in whose place stands one that is not it."""

OnBytes = Callable[[int], None]
"""Called with how many bytes there are more of a file; negative where it has to be begun again."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is.

    Attributes
    ----------
    done, total
        Bytes; None where the total is not known.
    files
        How many are here.
    """

    done: int
    total: int | None
    files: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a download has come to.

    Attributes
    ----------
    fetched, present
        Paths of files that were downloaded, and of those that were here already.
    failed
        Paths that could not be had, and why.
    left_out
        Paths of what is wanted but beyond the limit of bytes.
    n_bytes
        How many bytes the files have that were fetched and present; those that would be in a dry run.
    """

    fetched: tuple[str, ...]
    present: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    n_bytes: int


def target_of(folder: Path, path: str) -> Path:
    """Give where a file goes.

    Raises
    ------
    OutputError
        If a link leads out of the folder.
    """
    target = folder / path
    if not target.parent.resolve().is_relative_to(folder.resolve()) or target.is_symlink():
        raise OutputError(f"{target} is or goes through a link that leads elsewhere: remove the link")
    return target


def part_of(target: Path) -> Path:
    """Give the name that a file has while it is being downloaded."""
    return target.with_name(f".myotype-{target.name}.part")


def length_of_part(target: Path) -> int:
    """Give the bytes of a file that an earlier run has left."""
    part = part_of(target)
    return part.stat().st_size if part.is_file() else 0


def is_sound(target: Path, wanted: RemoteFile) -> bool:
    """Say whether a file that is here is what is wanted, as far as that is known."""
    if not target.is_file() or (wanted.size is not None and target.stat().st_size != wanted.size):
        return False
    return wanted.sha256 is None or sha256_of(target) == wanted.sha256


def require_space(folder: Path, needed: int) -> None:
    """Check that a disk has room.

    Raises
    ------
    OutputError
        If it has not.
    """
    there = folder.resolve()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if needed > free:
        raise OutputError(
            f"{folder}: {needed / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free: choose less (--users, "
            "--split, --max-gb), or another disk"
        )


def fetch(connection: Connection, url: str, wanted: RemoteFile, target: Path, on_bytes: OnBytes) -> bool:
    """Download a file; what an earlier attempt has left is taken up where that is safe.

    Parameters
    ----------
    connection
        The server.
    url
        The file's address.
    wanted
        What is known of it.
    target
        Where to. Its folder is made; the file has its name only when it is whole.
    on_bytes
        Called as bytes come in, first with those that are here already.

    Returns
    -------
    bool
        Whether it is known to be whole: where nobody says the size or checksum, a connection that broke looks like
        the file's end.

    Raises
    ------
    RefusedError
        If the server has no such file, or another one than it should be.
    GaveUpError
        If it does not get on.
    OutputError
        If the file cannot be written.
    """
    partial = _Partial(target, url, wanted, on_bytes)
    attempts = connection.attempts(url)
    corrupt = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.take_up()
        while True:
            try:
                if not partial.is_whole:
                    with connection.open(url, partial.length, partial.identity) as body:
                        partial.receive(body)
            except ChangedError as error:
                attempts.failed(error, partial.length)
                partial.discard()
                continue
            except TemporaryError as error:
                attempts.failed(error, partial.length)
                partial.keep_if_it_can_go_on()
                continue
            if wanted.sha256 is None or sha256_of(partial.path) == wanted.sha256:
                break
            partial.discard()
            corrupt += 1
            if corrupt >= _CORRUPT_AT_MOST:
                raise RefusedError(f"{url}: what the server sends has another checksum (sha256) than the manifest says")
        known = partial.is_whole or wanted.sha256 is not None
        partial.finish()
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    return known


def sha256_of(path: Path) -> str:
    """Give the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Partial:
    """A file that is being downloaded, and beside it the note of what it is a part of."""

    def __init__(self, target: Path, url: str, wanted: RemoteFile, on_bytes: OnBytes) -> None:
        self.path = part_of(target)
        self.length = 0
        self.identity: Identity | None = None
        self._target = target
        self._note = self.path.with_suffix(".json")
        self._url = url
        self._wanted = wanted
        self._on_bytes = on_bytes

    @property
    def is_whole(self) -> bool:
        total = self._total
        return total is not None and self.length == total and self.path.exists()

    @property
    def _total(self) -> int | None:
        if self._wanted.size is not None:
            return self._wanted.size
        return self.identity.total if self.identity is not None else None

    def take_up(self) -> None:
        """Go on with what an earlier run has left."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            length = self.path.stat().st_size
            validator, total = note["validator"], note["total"]
            known = isinstance(validator, (str, type(None))) and isinstance(total, (int, type(None)))
            same = known and (note["url"], note["sha256"]) == (self._url, self._wanted.sha256)
        except (OSError, ValueError, KeyError, TypeError):
            same = False
        if not same or self.path.is_symlink():
            self.discard()
            return
        self.identity = Identity(validator, total)
        self._count(length)
        self.keep_if_it_can_go_on()

    def keep_if_it_can_go_on(self) -> None:
        """Begin anew where the rest cannot be known to be of the same file, or there is more than the whole."""
        can = self.identity is not None and (self.identity.validator is not None or self._wanted.sha256 is not None)
        if not can or (self._total is not None and self.length > self._total):
            self.discard()

    def receive(self, body: Body) -> None:
        """Write what comes in, to its end."""
        announced = body.identity.total
        if None not in (announced, self._wanted.size) and announced != self._wanted.size:
            raise RefusedError(
                f"{self._url}: the server says that it has {announced} bytes; it should have {self._wanted.size}"
            )
        if body.offset != self.length:
            self.discard()
        if self.identity != body.identity:
            self.identity = body.identity
            self._write_note()
        total = self._total
        with self.path.open("ab") as file:
            for chunk in body.chunks:
                if total is not None and self.length + len(chunk) > total:
                    self.discard()
                    raise RefusedError(f"{self._url}: the server sends more than the {total} bytes that it should have")
                file.write(chunk)
                self._count(self.length + len(chunk))
            file.flush()
        if total is not None and self.length < total:
            raise TemporaryError(f"the connection ended after {self.length} of {total} bytes")

    def discard(self) -> None:
        """Begin anew."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.identity = None
        self._count(0)

    def finish(self) -> None:
        """Give the file its name."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self._target)
        self._note.unlink(missing_ok=True)

    def _write_note(self) -> None:
        """Say what the file is a part of, before there is anything of it."""
        identity = self.identity or Identity(None, None)
        note = {
            "url": self._url,
            "sha256": self._wanted.sha256,
            "validator": identity.validator,
            "total": identity.total,
        }
        with replacing_file(self._note) as temporary:
            temporary.write_text(json.dumps(note), encoding="utf-8")

    def _count(self, length: int) -> None:
        self._on_bytes(length - self.length)
        self.length = length
