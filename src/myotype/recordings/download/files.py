"""The BIDS files of a data set, fetched one by one, a few at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from myotype.errors import InputError, MyotypeError
from myotype.files import alone_in
from myotype.recordings.download.connection import Connection, checked_base
from myotype.recordings.download.manifest import RemoteFile
from myotype.recordings.download.patience import GaveUpError, RefusedError, StoppedError
from myotype.recordings.download.selection import Selection, derived_files
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

_TICK: Final = 0.2  # seconds between reports of the progress
_MOST_GIVEN_UP: Final = 3  # files in a row that a server did not get on with: the others are not tried
_MOST_REFUSED: Final = 25  # the same of files that it has not: more than one recording has


def download_bids(
    folder: Path,
    base: str,
    connection: Connection,
    *,
    selection: Selection | None = None,
    manifest: Sequence[RemoteFile] | None = None,
    most_bytes: float | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Download the files of a BIDS data set, or of some of its recordings.

    What is here already is left alone: where its size (and checksum, if the manifest has it) is not right it may be
    somebody's own, and counts as failed. What was broken off goes on.

    Parameters
    ----------
    folder
        Where to.
    base
        The address of the data set's root.
    connection
        The server.
    selection
        Which recordings.
    manifest
        What the server has. Without it, the files are those of NEMAR's naming and of recordings that the official
        splits name, and the server is asked for their sizes.
    most_bytes
        Of all that is chosen, what is here already included: recordings come in order until the next would be too much.
    overwrite
        Replace files that are here and are not what they should be.
    dry_run
        Only find out what would be downloaded.
    progress
        Called now and then.

    Raises
    ------
    InputError
        If the selection cannot be made without a manifest, or there is nothing in it.
    OutputError
        If the disk has no room, or cannot be written.
    """
    base = checked_base(base)
    selection = selection or Selection()
    files = derived_files(selection) if manifest is None else selection.of(manifest)
    if not any(file.recording for file in files):
        raise InputError("the manifest has no recording that fulfils all the conditions (--users, --sessions, --split)")
    tally = _Tally()
    sized = _with_sizes(files, base, connection, tally)
    chosen, left_out = _within(sized, most_bytes)
    if dry_run:
        here = [file for file in chosen if _is_here(folder, file)]
        return tally.report(_missing(folder, chosen, here, tally, overwrite=overwrite), here, left_out)
    with alone_in(folder):
        present = _each(chosen, connection, lambda file: file if is_sound(target_of(folder, file.path), file) else None)
        here = [file for file in present if file is not None]
        wanted = _missing(folder, chosen, here, tally, overwrite=overwrite)
        parts = (length_of_part(target_of(folder, file.path)) for file in wanted)
        require_space(folder, sum(max(0, (file.size or 0) - part) for file, part in zip(wanted, parts, strict=True)))
        tally.done, tally.total = _sum(here), _total(chosen)
        tally.files = len(here)

        def get(file: RemoteFile) -> RemoteFile | None:
            return tally.failing(
                file, lambda: fetch(connection, _url(base, file), file, target_of(folder, file.path), tally.add)
            )

        fetched = _each(wanted, connection, get, lambda: progress and progress(tally.progress()))
    return tally.report([file for file in fetched if file is not None], here, left_out)


class _Tally:
    """What the threads of a download have come to."""

    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None
        self.files = 0
        self.failed: list[tuple[str, str]] = []
        self._in_a_row: Counter[type[MyotypeError]] = Counter()
        self._lock = threading.Lock()

    def add(self, n_bytes: int) -> None:
        with self._lock:
            self.done += n_bytes

    def failing(self, file: RemoteFile, work: Callable[[], object]) -> RemoteFile | None:
        """Do something for a file, and note where it fails; the file if it has gone well.

        Raises
        ------
        GaveUpError
            If too many in a row have failed for more to be tried.
        """
        try:
            work()
        except (RefusedError, GaveUpError) as error:
            with self._lock:
                if file.optional and isinstance(error, RefusedError):
                    return None
                self.failed.append((file.path, str(error)))
                kind = type(error)
                self._in_a_row[kind] += 1
                most = _MOST_GIVEN_UP if kind is GaveUpError else _MOST_REFUSED
                if self._in_a_row[kind] >= most:
                    raise GaveUpError(
                        f"{error}; {most} files in a row have failed, so the others are not tried"
                    ) from error
            return None
        with self._lock:
            self._in_a_row.clear()
            self.files += 1
        return file

    def progress(self) -> Progress:
        return Progress(self.done, self.total, self.files)

    def report(
        self, fetched: Iterable[RemoteFile], here: Iterable[RemoteFile], left_out: Iterable[RemoteFile]
    ) -> Report:
        fetched, here = list(fetched), list(here)
        return Report(
            _paths(fetched), _paths(here), tuple(sorted(self.failed)), _paths(left_out), _sum(fetched) + _sum(here)
        )


def _each(
    files: Iterable[RemoteFile],
    connection: Connection,
    work: Callable[[RemoteFile], RemoteFile | None],
    tick: Callable[[], object] = lambda: None,
) -> list[RemoteFile | None]:
    """Do something for every file, a few at a time; the first error ends it all."""

    def stopping(file: RemoteFile) -> RemoteFile | None:
        try:
            return work(file)
        except BaseException:
            connection.stop.set()  # here, before this thread begins with the next file
            raise

    with ThreadPoolExecutor(connection.connections) as pool:
        futures: list[Future[RemoteFile | None]] = [pool.submit(stopping, file) for file in files]
        running: set[Future[RemoteFile | None]] = set(futures)
        try:
            while running:
                finished, running = wait(running, _TICK, FIRST_COMPLETED)
                for future in finished:
                    # Threads that were stopped may be seen before the one whose error has stopped them.
                    if not isinstance(future.exception(), StoppedError):
                        future.result()
                tick()
        except BaseException:
            connection.interrupt()
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _with_sizes(
    files: Iterable[RemoteFile], base: str, connection: Connection, tally: _Tally
) -> tuple[RemoteFile, ...]:
    """Ask the server for the sizes that are not known; files that it has not drop out."""

    def sized(file: RemoteFile) -> RemoteFile | None:
        if file.size is not None:
            return file
        sizes: list[int | None] = []
        there = tally.failing(file, lambda: sizes.append(connection.size(_url(base, file))))
        return replace(file, size=sizes[0]) if there else None

    found = tuple(file for file in _each(files, connection, sized) if file is not None)
    tally.files = 0
    return found


def _within(
    files: Sequence[RemoteFile], most_bytes: float | None
) -> tuple[tuple[RemoteFile, ...], tuple[RemoteFile, ...]]:
    """Divide files into those within a limit and those beyond: recordings whole or not at all."""
    if most_bytes is None:
        return tuple(files), ()
    unknown = next((file.path for file in files if file.size is None), None)
    if unknown is not None:
        raise InputError(f"the server does not say how large {unknown} is: --max-gb needs a --manifest with sizes")
    used, last = 0, 0
    for at, file in enumerate(files, start=1):
        used += file.size or 0
        if used > most_bytes:
            break
        if at == len(files) or files[at].recording != file.recording:
            last = at
    if not any(file.recording for file in files[:last]):
        raise InputError(f"not even one recording is within {most_bytes / 1e9:g} GB: allow more")
    return tuple(files[:last]), tuple(files[last:])


def _url(base: str, file: RemoteFile) -> str:
    return f"{base}/{quote(file.path)}"


def _is_here(folder: Path, file: RemoteFile) -> bool:
    return is_sound(target_of(folder, file.path), replace(file, sha256=None))  # by size alone, which is quick


def _missing(
    folder: Path, chosen: Iterable[RemoteFile], here: Iterable[RemoteFile], tally: _Tally, *, overwrite: bool
) -> list[RemoteFile]:
    """Give the files that are to be fetched, and note those in whose place stands something else."""
    sound = set(here)
    missing = []
    for file in chosen:
        if file in sound:
            continue
        if not overwrite and target_of(folder, file.path).exists():
            tally.failed.append((file.path, IN_THE_WAY))
        else:
            missing.append(file)
    return missing


def _sum(files: Iterable[RemoteFile]) -> int:
    return sum(file.size or 0 for file in files)


def _total(files: Sequence[RemoteFile]) -> int | None:
    return None if any(file.size is None for file in files) else _sum(files)


def _paths(files: Iterable[RemoteFile]) -> tuple[str, ...]:
    return tuple(file.path for file in files)
