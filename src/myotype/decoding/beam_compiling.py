"""How the beam search is compiled."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Final

from numba import njit

_INNER: Final = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_ENTRY: Final = {"_nrt": False, "nogil": True}


def compiled(function: Any) -> Any:
    """Compile a function that only compiled functions call, and that allocates nothing.

    Its arrays belong to whoever called the entry, so references to them are not counted: to count those of twenty
    arrays at every call took four fifths of the time. Wrappers for callers outside are left out, which halves the time
    that compiling takes.
    """
    return _njit(function, _INNER)


def entry(function: Any) -> Any:
    """Compile a function that Python calls, and keep the result on disk where there is a place for it."""
    try:
        return _njit(function, _ENTRY | {"cache": True})
    except RuntimeError:  # neither beside the source nor in the user's cache can a file be written
        return _njit(function, _ENTRY)


def _njit(function: Any, options: dict[str, Any]) -> Any:
    try:
        return njit(**options)(function)
    except KeyError:  # a release of Numba that does not know all of them: slower, but the same
        known = {name: value for name, value in options.items() if name in {"cache", "nogil"}}
        return njit(**known)(function)


def version(*files: str) -> int:
    """Give a number that changes with any of the files of this folder.

    An entry is compiled anew when its own file changes, whatever becomes of the files that it calls, unless it closes
    over a number such as this.
    """
    number = 0
    for name in files:
        try:
            number = zlib.crc32(Path(__file__).with_name(name).read_bytes(), number)
        except OSError:  # an installation without sources: they cannot change either
            continue
    return number
