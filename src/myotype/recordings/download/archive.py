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
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from myotype.errors import OutputError, RecordingError
from myotype.files import replacing_file
from myotype.recordings.download.connection import (
    Body,
    Connection,
    Identity,
    checked_base,
)
from myotype.recordings.download.files import only_one
from myotype.recordings.download.manifest import RemoteFile, checked_path
from myotype.recordings.download.patience import RefusedError, TemporaryError
from myotype.recordings.download.transfer import (
    Progress,
    Report,
    fetch,
    is_sound,
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
_BUFFER: Final = 2**20
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
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Download the tarball of the original release, and keep the recordings that are wanted.

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
    dry_run
        Only ask for the tarball's size.
    progress
        Called now and then with the bytes of the tarball.

    Raises
    ------
    RecordingError
        If the tarball is damaged, or has what no tarball of recordings has; or the server does not give it.
    OutputError
        If the disk has no room, or cannot be written.
    """
    archive = archive or RemoteFile(ARCHIVE)
    url = f"{checked_base(base)}/{archive.path}"
    if dry_run:
        size = archive.size if archive.size is not None else connection.size(url)
        return Report((archive.path,), (), (), (), size or 0)
    with only_one(folder):
        unpacking = _Unpacking(folder, selection, most_bytes)
        if keep:
            stored = target_of(folder, archive.path)
            if not is_sound(stored, archive):
                size = archive.size if archive.size is not None else connection.size(url)
                require_space(folder, size or 0)
                report = _Reporter(progress, size, unpacking)
                fetch(connection, url, archive, stored, report.add)
            with stored.open("rb") as file, _told_as_damage(stored):
                unpacking.run(file)
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

    def __init__(self, folder: Path, selection: Selection, most_bytes: float | None) -> None:
        self.fetched: list[str] = []
        self._folder = folder
        self._selection = selection
        self._most_bytes = most_bytes
        self._present: list[str] = []
        self._left_out: list[str] = []
        self._sought = {session_key(session) for session in selection.sessions}
        self._n_bytes = 0

    def report(self) -> Report:
        failed = tuple((session, "the tarball has no such recording") for session in sorted(self._sought))
        return Report(tuple(self.fetched), tuple(self._present), failed, tuple(self._left_out), self._n_bytes)

    def run(self, compressed: IO[bytes] | io.BufferedReader) -> bool:
        """Go through a tarball until all that can be in it is found; say whether that was to its end."""
        seen: set[str] = set()
        # tarfile reads compressed streams too, but does not look at their checksum.
        with gzip.GzipFile(fileobj=compressed) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            for member in tar:
                if member.isdir():
                    continue
                name = self._checked_name(member)
                if name in seen:
                    raise RecordingError(f"the tarball has two files {name}")
                seen.add(name)
                self._take(tar, member, name)
                if self._left_out or (self._selection.sessions and not self._sought):
                    return False
            while plain.read(_BUFFER):  # the checksum comes last
                pass
            return True

    def _checked_name(self, member: tarfile.TarInfo) -> str:
        """Give the name of a file, refusing whatever is no plain file or not below a folder."""
        try:
            path = PurePosixPath(checked_path(str(PurePosixPath(member.name))))
        except ValueError as error:
            raise RecordingError(f"the tarball has a file that is not to be unpacked: {error}") from error
        if member.type not in _FILES or member.issparse():
            raise RecordingError(f"the tarball has something that is no plain file, and is not unpacked: {path}")
        return path.name

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
        require_space(self._folder, member.size)
        try:
            with replacing_file(target) as temporary:
                content = tar.extractfile(member)
                assert content is not None  # noqa: S101  (it is a plain file)
                with temporary.open("wb") as file:
                    shutil.copyfileobj(content, file, _BUFFER)
                if recording:
                    self._look(temporary, session_key(PurePosixPath(name).stem), look=look)
                if look and self._is_too_much(member):
                    self._left_out.append(name)
                    raise _UnwantedError  # noqa: TRY301  (it leaves the block that would give the file its name)
        except _UnwantedError:
            return
        self.fetched.append(name)
        self._n_bytes += member.size

    def _look(self, path: Path, session: str, *, look: bool) -> None:
        """Open a recording, which one that is damaged would not let, and see who typed where that matters."""
        with open_hdf5(path) as recording:
            if look and not self._selection.wants(recording.user, session):
                raise _UnwantedError

    def _is_too_much(self, member: tarfile.TarInfo) -> bool:
        return self._most_bytes is not None and self._n_bytes + member.size > self._most_bytes


class _UnwantedError(Exception):
    """What is being unpacked turns out not to be wanted."""


@contextmanager
def _told_as_damage(where: object) -> Iterator[None]:
    """Turn what unpacking raises into errors of ours."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        why = " ".join(str(error).split())
        raise RecordingError(f"{where}: the tarball is damaged or cut off: {why}") from error
    except OSError as error:
        raise OutputError(f"{where}: cannot be unpacked: {error.strerror or error}") from error
