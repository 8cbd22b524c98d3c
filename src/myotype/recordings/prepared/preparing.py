"""Preparing a corpus: in this process, in several, or on a Dask cluster."""

from __future__ import annotations

import dataclasses
import importlib
import os
import urllib.parse
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from myotype.errors import InputError, MyotypeError, OutputError, RecordingError, extra_for
from myotype.files import ForeignFolderError, alone_in
from myotype.recordings.corpus import Entry
from myotype.recordings.prepared import processes
from myotype.recordings.prepared.layout import Meta, Precision, read_meta
from myotype.recordings.prepared.reading import verify
from myotype.recordings.prepared.sources import identify
from myotype.recordings.prepared.writing import write_prepared

_UNFINISHED: Final = ("*",)  # recordings lie in the folders of people
_CONNECTING: Final = 10  # seconds to wait for a cluster


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recording.

    Attributes
    ----------
    entry
        The recording.
    state
        ``"prepared"``, ``"kept"`` as it was prepared before, or ``"failed"``.
    meta
        How it is stored now; None if it failed.
    problem
        Why it failed.
    """

    entry: Entry
    state: Literal["prepared", "kept", "failed"]
    meta: Meta | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Job:
    """A recording to prepare; it is sent to other processes."""

    entry: Entry
    folder: Path
    precision: Precision
    verified: bool

    def __call__(self, go_on: Callable[[], None] = lambda: None) -> Outcome:
        """Do it, unless it has been done.

        Raises
        ------
        OutputError
            If the cache cannot be written: then the other recordings fare no better.
        """
        try:
            source, source_size = identify(self.entry.path)
            meta = self._present(source)
            if meta is not None:
                return Outcome(self.entry, "kept", meta)
            with self.entry.open() as recording:
                meta = write_prepared(
                    self.folder,
                    recording,
                    user=self.entry.user,
                    session=self.entry.session,
                    source=source,
                    source_size=source_size,
                    precision=self.precision,
                    go_on=go_on,
                )
            if self.verified:
                verify(self.folder)
        except MyotypeError as error:
            if isinstance(error, OutputError) and not isinstance(error, ForeignFolderError):
                raise
            return Outcome(self.entry, "failed", problem=str(error))
        return Outcome(self.entry, "prepared", meta)

    def _present(self, source: list[list[str | int]]) -> Meta | None:
        """Give what is there, if it is sound, and made from this source in this way."""
        try:
            meta = read_meta(self.folder)
            if self.verified:
                verify(self.folder)
        except RecordingError:
            return None
        same = (meta.user, meta.session, meta.source, meta.precision)
        return meta if same == (self.entry.user, self.entry.session, source, self.precision) else None


def prepare(
    entries: Iterable[Entry],
    cache: str | os.PathLike[str],
    *,
    jobs: int = 1,
    cluster: str | None = None,
    precision: Precision = "auto",
    verified: bool = False,
    progress: Callable[[Outcome], None] | None = None,
) -> tuple[Outcome, ...]:
    """Prepare recordings for training; those that are prepared already, and whose source is the same, are kept.

    Interrupted, it leaves whole recordings, and goes on with the others the next time.

    Parameters
    ----------
    entries
        What to prepare. Each gets the folder ``<user>/<session>``; characters that could not be in its name are written
        as in web addresses.
    cache
        The folder to write to.
    jobs
        How many processes to use.
    cluster
        The address of a Dask scheduler to use instead, such as ``"tcp://127.0.0.1:8786"``. Its workers must see the
        same files under the same names.
    precision
        As for :func:`~myotype.recordings.prepared.writing.write_prepared`.
    verified
        Read everything back, also what is kept, and compare it with the checksums; what does not fit is prepared again.
    progress
        Called with each outcome as it comes.

    Returns
    -------
    tuple
        What became of each, in the order of the entries.

    Raises
    ------
    InputError
        If there are no entries, two are called the same, or there is no such cluster.
    OutputError
        If the cache cannot be written, or is being written by another run.
    MissingExtraError
        If a cluster is asked for and dask.distributed is not installed.
    """
    if jobs < 1:
        raise InputError(f"{jobs} processes cannot prepare anything; at least 1 is needed")
    root = Path(cache).absolute()
    work = [_Job(_absolute(entry), _folder_of(entry, root), precision, verified) for entry in entries]
    if not work:
        raise InputError("there are no recordings to prepare")
    folders: dict[Path, Entry] = {}
    for job in work:
        if job.folder in folders:
            raise InputError(
                f"{job.entry.path} and {folders[job.folder].path} are both called user {job.entry.user}, session "
                f"{job.entry.session}: prepare one of them only"
            )
        folders[job.folder] = job.entry
    outcomes: dict[Path, Outcome] = {}
    with alone_in(root, unfinished=_UNFINISHED):
        done = processes.do(work, jobs) if cluster is None else _on_cluster(work, cluster)
        with closing(done):
            for outcome in done:
                outcomes[outcome.entry.path] = outcome
                if progress is not None:
                    progress(outcome)
    return tuple(outcomes[job.entry.path] for job in work)


def _absolute(entry: Entry) -> Entry:
    return dataclasses.replace(entry, path=entry.path.absolute())


def _folder_of(entry: Entry, root: Path) -> Path:
    return root / _as_name(entry.user) / _as_name(entry.session)


def _as_name(label: str) -> str:
    """Give a name that stays within its folder, is not hidden, and is another one for every label."""
    name = urllib.parse.quote(label, safe=" ", errors="surrogatepass")
    if not name:
        return "%"
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _on_cluster(work: Sequence[_Job], address: str) -> Generator[Outcome]:
    with extra_for("preparing on a cluster", "cluster"):
        distributed: Any = importlib.import_module("distributed")
    try:
        client = distributed.Client(address, timeout=_CONNECTING, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"there is no Dask scheduler at {address}: {error}") from error
    with client:
        futures = [client.submit(job, pure=False) for job in work]
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                yield future.result()
        finally:
            client.cancel(futures)
