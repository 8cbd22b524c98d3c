"""What is trained on and validated with: recordings by name, opened where and when they are read."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from myotype import recordings
from myotype.errors import InputError, LabelsError
from myotype.recordings import Corpus, Recording, find_recordings, splits
from myotype.recordings.corpus import Entry
from myotype.recordings.prepared.reading import PreparedRecording, is_prepared

_MOST_OPEN: Final = 32  # files a process; prepared recordings hold none


@dataclass(frozen=True, slots=True)
class Source:
    """A recording before it is opened.

    Attributes
    ----------
    name, user
        What it is called, and who typed; empty as long as nobody has looked.
    path
        Where it lies; None for one that is held in memory.
    held
        The recording, if it is held in memory.
    contents
        What tells it from others, once it was looked at: see :meth:`myotype.training.corpus.Corpus.fingerprint`.
    """

    name: str
    user: str
    path: Path | None = None
    held: Recording | None = field(default=None, repr=False)
    contents: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

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
    return [one if isinstance(one, Source) else Source(_name_of(one), "", held=one) for one in given]


def _name_of(recording: Recording) -> str:
    try:
        return recording.name or "a recording"
    except LabelsError:
        return "a recording"


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
        self._forget_others()
        source = self.sources[index]
        if source.held is not None:
            return source.held
        found = self._opened.get(index)
        if found is None:
            assert source.path is not None  # noqa: S101
            found = self._opened[index] = recordings.open(source.path)
            holding = [key for key, one in self._opened.items() if not isinstance(one, PreparedRecording)]
            if len(holding) > _MOST_OPEN:
                self._opened.pop(holding[0]).close()
        self._opened.move_to_end(index)
        return found

    def __getstate__(self) -> dict[str, object]:
        return {"sources": self.sources, "_opened": OrderedDict(), "_process": -1}

    def close(self) -> None:
        """Close what this process has opened."""
        self._forget_others()
        while self._opened:
            self._opened.popitem()[1].close()

    def _forget_others(self) -> None:
        if self._process != os.getpid():
            self._opened, self._process = OrderedDict(), os.getpid()


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
        Recordings, and folders of them in any form. With a split folders only, which together are divided by it.
    validation
        The same, to validate with; not with a split.
    split
        A split, the file of one, or an official one by its name.

    Raises
    ------
    InputError
        If a recording is given twice, or there is none where one is given, or there is nothing to train on.
    RecordingError
        If a folder or split cannot be read, or a recording of the split is there twice.
    """
    paths, validation = _listed(paths), _listed(validation)
    notes: list[str] = []
    if split is None:
        training, validating = _each_once(_all_of(paths, notes), _all_of(validation, notes))
        return Found(training, validating, notes=tuple(notes))
    if validation:
        raise InputError("a split says what to validate with: give it or other recordings for that, not both")
    chosen = _split(split)
    corpora = [find_recordings(path) for path in paths]
    for corpus in corpora:
        notes.extend(f"{stray.path}: {stray.reason}" for stray in corpus.strays)
    _each_once([_source(entry) for corpus in corpora for entry in corpus])
    division = chosen.of(Corpus(Path(), tuple(entry for corpus in corpora for entry in corpus)))
    splits.refuse_leaks(division)
    training, validating, test = (tuple(map(_source, division.part(part))) for part in splits.PARTS)
    if not training:
        raise InputError(f"the split {chosen.name!r} finds nothing to train on in what was given")
    if division.missing:
        first, n_missing = division.missing[0], len(division.missing)
        notes.append(
            f"{n_missing} of the recordings that the split {chosen.name!r} names are not there (user {first.user}, "
            f"{first.session or 'all sessions'}{' and others' if n_missing > 1 else ''})"
        )
    if division.unused:
        notes.append(f"{len(division.unused)} of the recordings there are in no part of the split {chosen.name!r}")
    return Found(training, validating, test, tuple(notes))


def _listed(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, (str, os.PathLike)) else list(map(Path, paths))


def _split(given: str | os.PathLike[str] | splits.Split) -> splits.Split:
    if isinstance(given, splits.Split):
        return given
    return splits.official(str(given)) if str(given) in splits.OFFICIAL else splits.load(given)


def _source(entry: Entry) -> Source:
    return Source(entry.session, entry.user, entry.path)


def _all_of(paths: Iterable[Path], notes: list[str]) -> list[Source]:
    found: list[Source] = []
    for path in paths:
        if not os.path.exists(path):  # noqa: PTH110  (pathlib's raises errors for names that no path can have)
            raise InputError(f"there is no {path}")
        if not path.is_dir() or is_prepared(path):
            found.append(Source(path.stem, "", path))
            continue
        corpus = find_recordings(path)
        notes.extend(f"{stray.path}: {stray.reason}" for stray in corpus.strays)
        found.extend(map(_source, corpus))
    return found


def _each_once(*parts: Iterable[Source]) -> tuple[tuple[Source, ...], ...]:
    """Give the parts, if no recording is in them twice, whatever its name: links are followed."""
    found = tuple(tuple(part) for part in parts)
    seen: dict[tuple[int, int], Path] = {}
    for source in (source for part in found for source in part):
        assert source.path is not None  # noqa: S101
        try:
            place = source.path.stat()
        except OSError as error:
            raise InputError(f"{source.path} cannot be read: {error.strerror or error}") from error
        first = seen.get((place.st_dev, place.st_ino))
        if first is not None:
            also = "" if first == source.path else f", also as {first}"
            raise InputError(f"{source.path} is given twice{also}: a recording is trained on or validated with, once")
        seen[place.st_dev, place.st_ino] = source.path
    return found
