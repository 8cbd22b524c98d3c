"""The original release: one tarball of HDF5 files, of which the wanted ones are kept.

A compressed tarball cannot be entered in its midst, so there are two ways. By default it is read as it comes and never
stored: a broken connection is taken up again, but a download that has ended begins from the start, and passes over what
is here already. Or the tarball itself is downloaded, which a later run takes up where the first was broken off; it then
stays on the disk.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from myotype.errors import InputError, MyotypeError, OutputError, RecordingError
from myotype.files import alone_in
from myotype.recordings.download.connection import (
    Body,
    Connection,
    Identity,
    checked_base,
)
from myotype.recordings.download.manifest import RemoteFile, checked_path
from myotype.recordings.download.patience import RefusedError, TemporaryError
from myotype.recordings.download.transfer import (
    IN_THE_WAY,
    Progress,
    Report,
    fetch,
    is_sound,
    length_of_part,
    require_space,
    target_of,
)
from myotype.recordings.hdf5 import open_hdf5
from myotype.recordings.splits.official import known_recordings
from myotype.recordings.splits.split import session_key

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from myotype.recordings.download.selection import Selection

ARCHIVE: Final = "emg2qwerty-data-2021-08.tar.gz"
"""The file of the original release."""

_RECORDING: Final = ".hdf5"
_BESIDE: Final = (".csv", ".md", ".txt", "")  # what tells of the recordings as a whole; LICENSE and README among it
_LARGEST_BESIDE: Final = 50 * 10**6  # bytes
_LARGEST_MEMBER: Final = 10**12  # bytes, which is more than all recordings together
_MOST_HEADERS: Final = 2**20  # bytes before a file's content; tarfile reads them whole
_MOST_MEMBERS: Final = 100_000
_LONGEST_NAME: Final = 200  # characters that are shown
_BUFFER: Final = 2**20
_UNPACKED: Final = ".myotype-unpacking"  # what is being unpacked, until it has its name
_FILES: Final = (tarfile.REGTYPE, tarfile.AREGTYPE)


def download_hdf5(
    folder: Path,
    base: str,
    connection: Connection,
    *,
    selection: Selection,
    archive: RemoteFile | None = None,
    keep: bool = False,
    most_bytes: float | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Download the tarball of the original release, and keep the recordings that are wanted.

    What the tarball has besides plain files of recordings, and recordings that are none, is passed over and counts as
    failed; so does what is wanted where a file of another size is here, which may be somebody's own.

    Parameters
    ----------
    folder
        Where to; recordings lie in it directly.
    base
        The address of the folder that the tarball is in.
    connection
        The server.
    selection
        Which recordings. Names have no users, so a recording whose user matters and is not known is unpacked and
        looked into, and kept if it is wanted.
    archive
        The tarball, where its size or checksum are known.
    keep
        Store the tarball itself.
    most_bytes
        Of all recordings that are kept: the first that would be too much ends it.
    overwrite
        Replace files that are here and are not what they should be.
    dry_run
        Only ask for the tarball's size.
    progress
        Called now and then with the bytes of the tarball.

    Raises
    ------
    RecordingError
        If the tarball is damaged, or has a path that leads out of the folder, or sizes that no tarball of recordings
        has; or the server does not give it.
    InputError
        If it has no recording that fulfils the conditions.
    OutputError
        If the disk has no room, or cannot be written, or another file stands where the tarball is to be stored.
    """
    archive = archive or RemoteFile(ARCHIVE)
    url = f"{checked_base(base)}/{archive.path}"
    if dry_run:
        size = archive.size if archive.size is not None else connection.size(url)
        return Report((archive.path,), (), (), (), size or 0)
    with alone_in(folder):
        unpacking = _Unpacking(folder, selection, most_bytes, overwrite=overwrite)
        if keep:
            stored = target_of(folder, archive.path)
            known_to_be_whole = True
            if not is_sound(stored, archive):
                if stored.exists() and not overwrite:
                    raise OutputError(f"{stored}: {IN_THE_WAY}")
                if archive.size is None:
                    archive = replace(archive, size=connection.size(url))
                require_space(folder, (archive.size or 0) - length_of_part(stored))
                report = _Reporter(progress, archive.size, unpacking)
                known_to_be_whole = fetch(connection, url, archive, stored, report.add)
            try:
                with stored.open("rb") as file, _told_as_damage(stored):
                    unpacking.run(file)
            except _DamagedError as error:
                if known_to_be_whole:
                    raise RecordingError(f"{error}; remove it to have it downloaded again") from error
                stored.unlink()
                raise RecordingError(
                    f"{error}; the server does not say its size, so it is removed: run it again"
                ) from error
            return unpacking.report()
        with _Stream(connection, url, _Reporter(progress, archive.size, unpacking)) as stream, _told_as_damage(url):
            to_the_end = unpacking.run(io.BufferedReader(stream, _BUFFER))
            if to_the_end and archive.sha256 not in (None, stream.sha256.hexdigest()):
                raise RecordingError(
                    f"{url}: the tarball has another checksum (sha256) than the manifest says: what was unpacked from "
                    "it is not what it should be"
                )
    return unpacking.report()


class _Reporter:
    """Adds up bytes and tells of them."""

    def __init__(self, progress: Callable[[Progress], None] | None, total: int | None, unpacking: _Unpacking) -> None:
        self.total = total
        self._done = 0
        self._progress = progress
        self._unpacking = unpacking

    def add(self, n_bytes: int) -> None:
        self._done += n_bytes
        if self._progress is not None:
            self._progress(Progress(self._done, self.total, len(self._unpacking.fetched)))


class _Stream(io.RawIOBase):
    """A file of a server, read from its beginning to its end; where the connection breaks, it is taken up again."""

    def __init__(self, connection: Connection, url: str, reporter: _Reporter) -> None:
        self.sha256 = hashlib.sha256()
        self._connection = connection
        self._url = url
        self._reporter = reporter
        self._bytes = self._received()
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if not self._left:
            self._left = next(self._bytes, b"")
        view = memoryview(buffer)
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        self._bytes.close()  # type: ignore[attr-defined]  # (which is a generator: it closes the connection)
        super().close()

    def _received(self) -> Iterator[bytes]:
        attempts = self._connection.attempts(self._url)
        position, identity = 0, None
        while True:
            try:
                with self._connection.open(self._url, position, identity) as body:
                    identity = self._same(body, identity)
                    skip = position - body.offset
                    for received in body.chunks:
                        chunk = received[skip:]
                        skip = max(0, skip - len(received))
                        if chunk:
                            position += len(chunk)
                            self.sha256.update(chunk)
                            self._reporter.add(len(chunk))
                            yield chunk
                if identity.total is None or position == identity.total:
                    return
                raise TemporaryError(  # noqa: TRY301  (handled as all that break off)
                    f"the connection ended after {position} of {identity.total} bytes"
                )
            except TemporaryError as error:
                attempts.failed(error, position)

    def _same(self, body: Body, known: Identity | None) -> Identity:
        """Make sure that what goes on is what was begun: half of the file is unpacked by now."""
        if known is None:
            if None not in (body.identity.total, self._reporter.total) and body.identity.total != self._reporter.total:
                raise RefusedError(
                    f"{self._url}: the server says that it has {body.identity.total} bytes; it should have "
                    f"{self._reporter.total}"
                )
            self._reporter.total = body.identity.total
            return body.identity
        if known.validator is None or body.identity != known:
            raise RefusedError(
                f"{self._url}: the connection broke, and the server does not let it be known whether the file is still "
                "the same: run it again, with --keep-archive to store the tarball itself"
            )
        return known


class _Unpacking:
    """Takes the wanted recordings out of a tarball."""

    def __init__(self, folder: Path, selection: Selection, most_bytes: float | None, *, overwrite: bool) -> None:
        self.fetched: list[str] = []
        self._folder = folder
        self._selection = selection
        self._most_bytes = most_bytes
        self._overwrite = overwrite
        self._present: list[str] = []
        self._failed: list[tuple[str, str]] = []
        self._left_out: list[str] = []
        self._sought = {session_key(session) for session in selection.sessions}
        self._n_bytes = 0

    def report(self) -> Report:
        absent = ((session, "the tarball has no such recording") for session in sorted(self._sought))
        failed = (*self._failed, *absent)
        found = any(name.lower().endswith(_RECORDING) for name in (*self.fetched, *self._present, *self._left_out))
        if not self._selection.is_everything and not found and not failed:
            raise InputError(
                "the tarball has no recording that fulfils all the conditions (--users, --sessions, --split)"
            )
        return Report(tuple(self.fetched), tuple(self._present), failed, tuple(self._left_out), self._n_bytes)

    def run(self, compressed: IO[bytes] | io.BufferedReader) -> bool:
        """Go through a tarball until all that can be in it is found; say whether that was to its end."""
        seen: set[str] = set()
        # tarfile reads compressed streams too, but does not look at their checksum.
        with gzip.GzipFile(fileobj=compressed) as plain:
            limited = _Limited(plain)
            with tarfile.open(fileobj=limited, mode="r|") as tar:
                for number, member in enumerate(tar):
                    _check(member, number)
                    limited.allow(tar.offset)  # where the next one begins
                    # tarfile would keep them in mind, with all that their headers say. (Its types leave the list out.)
                    tar.members.clear()  # type: ignore[attr-defined]
                    if member.isdir():
                        continue
                    reason = _why_not(member, seen)
                    seen.add(PurePosixPath(member.name).name.casefold())
                    if reason is not None:
                        self._fail(member, reason)
                        continue
                    self._take(tar, member, PurePosixPath(member.name).name)
                    if self._left_out or (self._selection.sessions and not self._sought):
                        return False
            while plain.read(_BUFFER):  # the checksum comes last
                pass
            return True

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix != _RECORDING:
            if suffix in _BESIDE and member.size <= _LARGEST_BESIDE:
                self._write(tar, member, name, look=False)
            return
        session = session_key(name[: -len(_RECORDING)])
        wanted = self._selection.wants(known_recordings().get(session), session)
        self._sought.discard(session)
        if wanted is not False:
            self._write(tar, member, name, look=wanted is None)

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, *, look: bool) -> None:
        target = target_of(self._folder, name)
        if is_sound(target, RemoteFile(name, member.size)):
            self._present.append(name)
            self._n_bytes += member.size
            return
        recording = name.lower().endswith(_RECORDING)
        if recording and not look and self._is_too_much(member):
            self._left_out.append(name)
            return
        if target.exists() and not self._overwrite:
            self._fail(member, IN_THE_WAY)
            return
        require_space(self._folder, member.size)
        temporary = self._folder / _UNPACKED  # always the same name, so that a run that is killed leaves one at most
        temporary.unlink(missing_ok=True)
        try:
            content = tar.extractfile(member)
            assert content is not None  # noqa: S101  (it is a plain file)
            with temporary.open("xb") as file:
                shutil.copyfileobj(content, file, _BUFFER)
                file.flush()
                os.fsync(file.fileno())
            if recording and not self._is_wanted(temporary, member, look=look):
                return
            if look and self._is_too_much(member):
                self._left_out.append(name)
                return
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        self.fetched.append(name)
        self._n_bytes += member.size

    def _is_wanted(self, path: Path, member: tarfile.TarInfo, *, look: bool) -> bool:
        """Open a recording, which one that is damaged would not let, and see who typed where that matters."""
        try:
            with open_hdf5(path) as recording:
                session = session_key(PurePosixPath(member.name).stem)
                return not look or bool(self._selection.wants(recording.user, session))
        except RecordingError as error:
            self._fail(member, str(error).removeprefix(f"{path}: "))
            return False

    def _fail(self, member: tarfile.TarInfo, why: str) -> None:
        self._failed.append((member.name[:_LONGEST_NAME], why))

    def _is_too_much(self, member: tarfile.TarInfo) -> bool:
        return self._most_bytes is not None and self._n_bytes + member.size > self._most_bytes


class _Limited(io.BufferedIOBase):
    """A tarball that is read no further than its members say: what stands before their contents may have no end."""

    def __init__(self, plain: io.BufferedIOBase) -> None:
        self._plain = plain
        self._position = 0
        self._ended = False
        self._begins = 0

    def allow(self, begins: int) -> None:
        """Let all be read before the position that the next member begins at, and of that one what is no content."""
        self._begins = begins

    def read(self, size: int | None = -1, /) -> bytes:
        if self._ended:  # tarfile would seek on for as long as a header says
            raise EOFError("it ends in the midst of a file")
        content = self._plain.read(size)
        self._ended = not content
        self._position += len(content)
        if self._position > self._begins + _MOST_HEADERS:
            raise RecordingError(
                f"the tarball has a header of more than {_MOST_HEADERS / 1e6:.0f} MB: it is not unpacked"
            )
        return content


class _DamagedError(RecordingError):
    """A tarball that is damaged or cut off."""


def _check(member: tarfile.TarInfo, n_before: int) -> None:
    """Refuse a tarball that has what can only be there to do harm."""
    if not 0 <= member.size <= _LARGEST_MEMBER:
        raise RecordingError(f"the tarball has a file of {member.size} bytes, and is not unpacked: {member.name!r}")
    if n_before >= _MOST_MEMBERS:
        raise RecordingError(f"the tarball has more than {_MOST_MEMBERS} files, and is not unpacked")
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise RecordingError(
            f"the tarball has a path that leads out of the folder, and is not unpacked: {member.name!r}"
        )


def _why_not(member: tarfile.TarInfo, seen: set[str]) -> str | None:
    """Say why a member is passed over; None where it is a plain file with a name of its own."""
    path = PurePosixPath(member.name)
    if member.type not in _FILES or member.issparse():
        return "it is no plain file, and is not unpacked"
    try:
        checked_path(str(path))
    except ValueError:
        return "it has no name that is written to"
    if path.name.casefold() in seen:
        return "the tarball has another file of this name, which comes first"
    return None


@contextmanager
def _told_as_damage(where: object) -> Iterator[None]:
    """Turn what unpacking raises into errors of ours."""
    try:
        yield
    except MyotypeError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())  # ValueErrors are of numbers in headers, and recursion of many headers
        raise _DamagedError(f"{where}: the tarball is damaged or cut off: {why}") from error
    except OSError as error:
        raise OutputError(f"{where}: cannot be unpacked: {error.strerror or error}") from error
