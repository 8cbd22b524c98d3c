"""What is trained on and validated with: recordings by name, opened where and when they are read."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from myotype import recordings
from myotype.errors import InputError
from myotype.recordings import Recording, find_recordings, splits
from myotype.recordings.prepared.reading import PreparedRecording, is_prepared

_MOST_OPEN: Final = 32  # files a process; prepared recordings hold none


@dataclass(frozen=True, slots=True)
class Source:
    """A recording before it is opened.

    Attributes
    ----------
    name, user
        What it is called, and who typed where that is known beforehand.
    path
        Where it lies; None for one that is held in memory.
    held
        The recording, if it is held in memory.
    """

    name: str
    user: str
    path: Path | None = None
    held: Recording | None = field(default=None, repr=False)

    @contextmanager
    def open(self) -> Iterator[Recording]:
        """Open the recording for a while; one that is held in memory stays open."""
        with ExitStack() as stack:
            if self.held is not None:
                yield self.held
            else:
                assert self.path is not None  # noqa: S101  (one of the two is given)
                yield stack.enter_context(recordings.open(self.path))


def as_sources(given: Iterable[Recording | Source]) -> list[Source]:
    """Take recordings that are open already as sources."""
    return [one if isinstance(one, Source) else Source(one.name or "a recording", one.user, held=one) for one in given]


class Readers(Sequence[Recording]):
    """The recordings of sources, by index, each opened in whichever process asks for it.

    A process holds a few files open, and forgets those that it got from the process that it was forked from: two that
    read through one file handle would take it out of each other's hands.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._opened: OrderedDict[int, Recording] = OrderedDict()
        self._process = os.getpid()

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Recording:  # type: ignore[override]  # slices are of no use here
        if self._process != os.getpid():
            self._opened, self._process = OrderedDict(), os.getpid()
        source = self.sources[index]
        if source.held is not None:
            return source.held
        found = self._opened.get(index)
        if found is None:
            assert source.path is not None  # noqa: S101
            found = self._opened[index] = recordings.open(source.path)
        self._opened.move_to_end(index)
        holding = [key for key, one in self._opened.items() if not isinstance(one, PreparedRecording)]
        if len(holding) > _MOST_OPEN:
            self._opened.pop(holding[0]).close()
        return found

    def __getstate__(self) -> dict[str, object]:
        return {"sources": self.sources, "_opened": OrderedDict(), "_process": -1}

    def close(self) -> None:
        """Close what this process has opened."""
        while self._opened:
            self._opened.popitem()[1].close()


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to train on and to validate with.

    Attributes
    ----------
    training, validation, test
        Recordings.
    notes
        What was missing or not counted, in sentences.
    """

    training: tuple[Source, ...]
    validation: tuple[Source, ...] = ()
    test: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()


def gather(
    paths: Iterable[str | os.PathLike[str]],
    *,
    validation: Iterable[str | os.PathLike[str]] = (),
    split: str | os.PathLike[str] | splits.Split | None = None,
) -> Found:
    """Find the recordings to train on and to validate with.

    Parameters
    ----------
    paths
        Recordings, and folders of them in any form. With a split folders only.
    validation
        The same, to validate with; not with a split.
    split
        A split, the file of one, or an official one by its name.

    Raises
    ------
    InputError
        If a recording is given twice, or nothing is found.
    RecordingError
        If a folder or split cannot be read, or a recording of the split is there twice.
    """
    notes: list[str] = []
    if split is None:
        training, validating = _each_once(_all_of(paths, notes), _all_of(validation, notes))
        return Found(training, validating, notes=tuple(notes))
    chosen = _split(split)
    parts: dict[str, list[Source]] = {part: [] for part in splits.PARTS}
    for path in paths:
        corpus = find_recordings(path)
        division = chosen.of(corpus)
        splits.refuse_leaks(division, {entry: splits.glance(entry) for _, entry in division})
        for part, entry in division:
            parts[part].append(Source(entry.session, entry.user, entry.path))
        missing = len(division.missing)
        if missing:
            first = division.missing[0]
            notes.append(
                f"{path}: {missing} of the recordings that the split {chosen.name!r} names are not there (user "
                f"{first.user}, {first.session or 'all sessions'}{' and others' if missing > 1 else ''})"
            )
    training, validating, test = _each_once(*(parts[part] for part in splits.PARTS))
    if not training:
        raise InputError(f"the split {chosen.name!r} finds nothing to train on in what was given")
    return Found(training, validating, test, tuple(notes))


def _split(given: str | os.PathLike[str] | splits.Split) -> splits.Split:
    if isinstance(given, splits.Split):
        return given
    return splits.official(str(given)) if str(given) in splits.OFFICIAL else splits.load(given)


def _all_of(paths: Iterable[str | os.PathLike[str]], notes: list[str]) -> list[Source]:
    found: list[Source] = []
    for path in map(Path, paths):
        if not path.is_dir() or is_prepared(path):
            found.append(Source(path.stem, "", path))
            continue
        corpus = find_recordings(path)
        if not corpus.entries:
            raise InputError(f"{path}: there are no recordings in this folder")
        notes.extend(f"{stray.path}: {stray.reason}" for stray in corpus.strays)
        found.extend(Source(entry.session, entry.user, entry.path) for entry in corpus)
    return found


def _each_once(*parts: Iterable[Source]) -> tuple[tuple[Source, ...], ...]:
    seen: set[Path] = set()
    for source in (source for part in parts for source in part):
        assert source.path is not None  # noqa: S101
        place = source.path.resolve()
        if place in seen:
            raise InputError(f"{source.path} is given twice: a recording is trained on or validated with, once")
        seen.add(place)
    return tuple(tuple(part) for part in parts)
