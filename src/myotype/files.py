"""Writing files and folders so that they are either whole or absent."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from myotype.errors import OutputError

_PREFIX, _SUFFIX = ".myotype-", ".part"  # of temporary names
_LOCK = ".lock"
_DROPPINGS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # of systems, in folders that were looked at


class ForeignFolderError(OutputError):
    """A folder that was to be replaced holds other things."""


@contextmanager
def replacing_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well.

    Raises
    ------
    OutputError
        If the file cannot be written. Whatever stood at `path` before is then untouched.
    """
    target = Path(path)
    with _as_output_error(target):
        target = target.resolve()  # a link stays, and what it points to is replaced
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise IsADirectoryError(21, "it is a folder", str(target))
        handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
    try:
        with _as_output_error(target, inside=temporary):
            yield temporary
            _make_lasting(temporary)
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike[str], may_hold: frozenset[str]) -> Iterator[Path]:
    """Give a temporary folder beside `path`; put it in the place of `path` when the block ends well.

    Parameters
    ----------
    path
        Where to. A folder that stands there is replaced as a whole.
    may_hold
        The names that a folder to be replaced may hold, besides what systems put anywhere: one that holds anything else
        is somebody's own.

    Raises
    ------
    ForeignFolderError
        If the folder must not be replaced.
    OutputError
        If it cannot be written. Whatever stood at `path` before is then untouched.
    """
    target = Path(path)
    with _as_output_error(target):
        target = target.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(20, "a file of that name exists", str(target))
        held = {file.name for file in target.iterdir()} if target.exists() else set()
        foreign = sorted(name for name in held - may_hold - _DROPPINGS if not name.startswith("._"))
        if foreign:
            raise ForeignFolderError(f"{path} is a folder with other things in it ({foreign[0]}): choose a new one")
        temporary = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=target.parent))
    try:
        with _as_output_error(target, inside=temporary):
            yield temporary
            for file in temporary.iterdir():
                _make_lasting(file)
            temporary.chmod(0o777 & ~_umask())
            _put_in_place(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def alone_in(folder: str | os.PathLike[str], *, wait: float = 0, unfinished: Iterable[str] = ()) -> Iterator[None]:
    """Keep other processes out of a folder that several files of are written to, and make it if it is missing.

    Within a process it may be entered again.

    Parameters
    ----------
    folder
        Where to write.
    wait
        How many seconds to wait for another process.
    unfinished
        Where below the folder a run that was killed may have left temporary files, which are cleared away: the folders
        as patterns, such as ``"*"`` for those in it.

    Raises
    ------
    OutputError
        If another process is at work there, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  (needed here only)

    root = Path(folder).resolve()
    with _as_output_error(root):
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / _LOCK, is_singleton=True)
        try:
            lock.acquire(timeout=wait)
        except Timeout as error:
            raise OutputError(f"{root}: another run is writing there: wait until it is done") from error
    try:
        for pattern in unfinished:
            for left in root.glob(f"{pattern}/{_PREFIX}*"):
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def _put_in_place(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    # A folder cannot be replaced in one step: the old one steps aside first, and back if anything goes wrong.
    # An interrupt may come at any point, after a rename just as well as before it.
    old = temporary.with_suffix(".old")
    try:
        target.rename(old)
        temporary.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _as_output_error(target: Path, inside: Path | None = None) -> Iterator[None]:
    """Turn what the system says about writing the target into an error of ours; what it says of other files passes."""
    try:
        yield
    except OSError as error:
        about = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else None
        if inside is not None and about is not None and about != target and not about.is_relative_to(inside):
            raise
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error


def _make_lasting(file: Path) -> None:
    """Give a file the rights of any new file, and have it on disk before it gets its name."""
    file.chmod(0o666 & ~_umask())
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
