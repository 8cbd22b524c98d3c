"""The names of a BIDS tree: what they say, and which sidecars belong to a recording (the inheritance principle)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from myotype.errors import RecordingError

DESCRIPTION: Final = "dataset_description.json"
"""The file that the root of a BIDS tree has."""

OWN: Final = "Myotype"
"""The key of ``emg.json`` under which stands what BIDS has no place for."""

SIGNAL_ENDINGS: Final = (".bdf", ".edf", ".vhdr")
"""Of files that :func:`myotype.recordings.open` takes for signals of EMG-BIDS."""

_START: Final = re.compile(r"\d{10}")
_MOST_LEVELS: Final = 4  # from a signal's folder up: emg, ses, sub, root


def entities(path: Path) -> dict[str, str]:
    """Read the parts of a name: ``sub-1_ses-2_task-typing_emg.bdf`` has sub, ses and task."""
    *parts, _ = path.name.split(".")[0].split("_")
    pairs = (part.partition("-") for part in parts)
    return {key: value for key, dash, value in pairs if dash and key and value}


def is_bids_name(path: Path) -> bool:
    """Tell whether a file is named as the signal of a BIDS tree."""
    return path.suffix.lower() in SIGNAL_ENDINGS and path.stem.endswith("_emg") and "sub" in entities(path)


def plain_user(label: str) -> str:
    """Give a user without the leading zeros that BIDS adds to numbers."""
    return label.lstrip("0") or "0" if label.isdecimal() else label


def start_of(label: str) -> float | None:
    """Give the unix seconds that a session label is, if it is."""
    return float(label) if _START.fullmatch(label) else None


def root_of(signal: Path) -> Path:
    """Give the folder that the tree of a signal begins with; its own folder where there is no tree."""
    folders = list(signal.absolute().parents)[:_MOST_LEVELS]
    for folder in folders:
        if (folder / DESCRIPTION).is_file():
            return folder
    subject = f"sub-{entities(signal).get('sub', '')}"
    return next((folder.parent for folder in folders if folder.name == subject), folders[0])


def sidecars(signal: Path, ending: str) -> Iterator[Path]:
    """Find the sidecars of a signal that end so, ``"_events.tsv"``, the nearest first.

    One belongs to the signal if it lies in the same folder or further up, and has none but the signal's entities. To a
    signal that is not named as in BIDS belongs what begins with its whole name: ``mine_events.tsv`` to ``mine.bdf``.
    """
    if not is_bids_name(signal):
        own = signal.with_name(signal.stem + ending)
        yield from [own] if own.is_file() else []
        return
    known = entities(signal)
    root = root_of(signal)
    for folder in [signal.absolute().parent, *signal.absolute().parent.parents]:
        found = [path for path in folder.glob(f"*{ending}") if _is_of(path, known)]
        plain = folder / ending.removeprefix("_")
        found += [plain] if plain.is_file() else []
        yield from sorted(found, key=lambda path: (-len(entities(path)), path.name))
        if folder == root:
            return


def _is_of(sidecar: Path, known: dict[str, str]) -> bool:
    parts = entities(sidecar)
    return len(parts) == sidecar.name.count("_") and parts.items() <= known.items()


def check_inside(root: Path, name: str, where: str) -> None:
    """Refuse the name of a file that a sidecar has, if it leads out of the tree.

    Raises
    ------
    RecordingError
        If it does.
    """
    path = PurePosixPath(re.sub(r"^bids:[^:]*:", "", name).replace("\\", "/"))
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if path.is_absolute() or depth < 0 or re.match(r"[A-Za-z]:", part):
            raise RecordingError(f"{where}: it names the file {name!r}, which is outside the data set {root}")
