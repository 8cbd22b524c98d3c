"""Writing files and folders so that they are either whole or absent."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from myotype.errors import OutputError

_PREFIX, _SUFFIX = ".myotype-", ".part"  # of temporary names


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
        The names that a folder to be replaced may hold: one that holds anything else is somebody's own.

    Raises
    ------
    OutputError
        If the folder cannot be written or must not be replaced. Whatever stood at `path` before is then untouched.
    """
    target = Path(path)
    with _as_output_error(target):
        target = target.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(20, "a file of that name exists", str(target))
        foreign = sorted({file.name for file in target.iterdir()} - may_hold) if target.exists() else []
        if foreign:
            raise OutputError(f"{path} is a folder with other things in it ({foreign[0]}): choose a new one")
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
