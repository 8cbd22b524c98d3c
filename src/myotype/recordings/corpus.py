"""Corpora: which recordings lie under a folder, who typed them and which is which, before any is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from myotype.errors import LabelsError, RecordingError
from myotype.recordings.bids.names import DESCRIPTION, OWN, SIGNAL_ENDINGS, entities, is_bids_name, plain_user
from myotype.recordings.bids.sidecars import read_json
from myotype.recordings.opening import open_recording
from myotype.recordings.prepared.layout import META as PREPARED
from myotype.recordings.recording import Recording

Form = Literal["hdf5", "bids", "prepared"]

_HDF5_ENDINGS: Final = (".hdf5", ".h5")
_NOT_RAW: Final = (
    "code",
    "derivatives",
    "sourcedata",
    "stimuli",
)  # folders of a BIDS tree that are none of its recordings

_START: Final = re.compile(r"(?<![^\W_])[0-9]{10}(?![^\W_])")  # unix seconds, as the names of sessions have them
_PLAUSIBLE: Final = (946_684_800, 4_102_444_800)  # the years 2000 to 2100: other numbers of ten digits are ids


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording of a corpus.

    Attributes
    ----------
    path
        What :func:`myotype.recordings.open` takes.
    form
        How it is stored.
    user
        Who typed, without leading zeros, which BIDS adds to numbers; empty where that cannot be read.
    session
        What the recording is called; together with `user` unique in a corpus.
    """

    path: Path
    form: Form
    user: str
    session: str

    @property
    def start(self) -> str | None:
        """The unix seconds in the session's name, which all of the emg2qwerty data have there; None without them."""
        found = _START.findall(self.session)
        return next((start for start in found if _PLAUSIBLE[0] <= int(start) < _PLAUSIBLE[1]), None)

    def open(self) -> Recording:
        """Open the recording."""
        return open_recording(self.path)


@dataclass(frozen=True, slots=True)
class Stray:
    """Something that looks like a recording and is not counted as one.

    Attributes
    ----------
    path
        Where it lies.
    reason
        Why it does not count.
    same_as
        The recording that has its user and session, and counts instead; None where that is not the reason.
    """

    path: Path
    reason: str
    same_as: Path | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """Recordings that belong together.

    Attributes
    ----------
    root
        The folder that they lie under.
    entries
        The recordings, by user and session.
    strays
        What looks like one and is none.
    """

    root: Path
    entries: tuple[Entry, ...]
    strays: tuple[Stray, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def users(self) -> tuple[str, ...]:
        """Who typed, each once, in order."""
        return tuple(dict.fromkeys(entry.user for entry in self.entries))


def find_recordings(root: str | os.PathLike[str]) -> Corpus:
    """Find the recordings under a folder: HDF5 files at any depth, the sessions of BIDS trees, and prepared caches.

    No signal is read. Hidden folders are passed over, and those of a BIDS tree that hold no raw data (``derivatives``,
    ``sourcedata`` and so on). What looks like a recording and does not count is among the strays of the corpus: HDF5
    files of other contents, signals whose names are not of BIDS, a second file with the user and session of another,
    and a signal outside any session of a person who has sessions.

    Raises
    ------
    RecordingError
        If there is no such folder, or nothing in it is a recording.
    """
    from myotype.recordings.prepared.finding import prepared_entry  # noqa: PLC0415 (it needs the types of this module)

    root = Path(root)
    if not root.is_dir():
        raise RecordingError(f"there is no folder {root}")
    found: list[Entry | Stray] = []
    signals: list[Path] = []
    prepared: list[Path] = []
    for file in _files(root):
        suffix = file.suffix.lower()
        if suffix in _HDF5_ENDINGS:
            found.append(_of_hdf5(file))
        elif suffix in SIGNAL_ENDINGS:
            signals.append(file)
        elif file.name == PREPARED:
            prepared.append(file.parent)
    found += _of_bids(signals)
    found += [prepared_entry(folder) for folder in prepared]  # last: where the original lies there too, it counts

    entries: dict[tuple[str, str], Entry] = {}
    strays = [item for item in found if isinstance(item, Stray)]
    for item in found:
        if isinstance(item, Entry):
            first = entries.setdefault((item.user, item.session), item)
            if first is not item:
                strays.append(Stray(item.path, f"it has the user and session of {first.path}", same_as=first.path))
    if not entries:
        why = f"; {strays[0].path}: {strays[0].reason}" if strays else ""
        raise RecordingError(f"{root}: there is no recording in it{why}")
    return Corpus(
        root,
        tuple(sorted(entries.values(), key=lambda entry: (entry.user, entry.session))),
        tuple(sorted(strays, key=lambda stray: stray.path)),
    )


def _files(root: Path) -> Iterator[Path]:
    """Give the files under a folder, in order; folders that cannot be recordings' are not entered."""

    def fail(error: OSError) -> None:
        raise RecordingError(f"{error.filename} cannot be read: {error.strerror}") from error

    # Links come last, so that a folder counts by its own place; and none is entered twice, nor in a circle.
    waiting, seen = [root], set()
    while waiting:
        for folder, folders, files in os.walk(waiting.pop(0), onerror=fail):
            stat = Path(folder).stat()
            if (stat.st_dev, stat.st_ino) in seen:
                folders.clear()
                continue
            seen.add((stat.st_dev, stat.st_ino))
            passed_over = _NOT_RAW if DESCRIPTION in files else ()
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in passed_over)
            waiting += [path for name in folders if (path := Path(folder, name)).is_symlink()]
            yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


def _of_hdf5(file: Path) -> Entry | Stray:
    import h5py  # noqa: PLC0415 (other corpora do without)

    from myotype.recordings import hdf5  # noqa: PLC0415 (as above)

    user = ""
    try:
        with h5py.File(file, "r", locking="best-effort") as opened:
            if hdf5.GROUP not in opened:
                return Stray(file, f"it has no group {hdf5.GROUP!r}, so it is no recording of the emg2qwerty form")
            user = plain_user(hdf5.Attributes(opened[hdf5.GROUP], file).user())
    # A file that is damaged counts, so that whoever opens it is told what is wrong with it.
    except (OSError, RuntimeError, KeyError, ValueError, LabelsError):
        user = ""
    return Entry(file, "hdf5", user, file.stem)


def _of_bids(signals: list[Path]) -> Iterator[Entry | Stray]:
    """Tell which signals are recordings of a BIDS tree."""
    named: list[tuple[Path, dict[str, str]]] = []
    for file in signals:
        parts = entities(file)
        if not is_bids_name(file):
            yield Stray(file, "its name is none of BIDS (sub-.._emg), so it does not say who typed")
        elif not _lies_where_named(file, parts):
            yield Stray(file, "its name does not agree with the folders that it lies in")
        else:
            named.append((file, parts))
    with_sessions = {parts["sub"] for _, parts in named if "ses" in parts}
    per_session: dict[tuple[str, str | None], set[str]] = {}
    for _, parts in named:
        per_session.setdefault((parts["sub"], parts.get("ses")), set()).add(_details(parts))
    for file, parts in named:
        session = parts.get("ses")
        if session is None and parts["sub"] in with_sessions:
            yield Stray(
                file, f"it belongs to no session, while sub-{parts['sub']} has sessions: probably a copy of one"
            )
            continue
        # A session with one recording is named by its label alone.
        several = len(per_session[parts["sub"], session]) > 1
        name = session if session is not None and not several else "_".join(filter(None, (session, _details(parts))))
        yield Entry(file, "bids", _user_of(file, parts["sub"]), name or file.stem)


def _lies_where_named(file: Path, parts: dict[str, str]) -> bool:
    folders = [folder.name for folder in file.absolute().parents]
    wanted = ["emg", *([f"ses-{parts['ses']}"] if "ses" in parts else []), f"sub-{parts['sub']}"]
    return folders[: len(wanted)] == wanted


def _details(parts: dict[str, str]) -> str:
    return "_".join(f"{key}-{value}" for key, value in parts.items() if key not in ("sub", "ses"))


def _user_of(file: Path, label: str) -> str:
    """Give the user as HDF5 has it: labels have no dashes and underscores, so the sidecar may have to say it."""
    sidecar = file.with_suffix(".json")
    if sidecar.is_file():
        try:
            own = read_json(sidecar).get(OWN)
        except RecordingError:  # whoever opens the recording is told
            own = None
        user = own.get("User") if isinstance(own, dict) else None
        if isinstance(user, str) and user:
            return plain_user(user)
    return plain_user(label)
