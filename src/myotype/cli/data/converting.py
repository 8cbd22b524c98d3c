"""``myotype data convert``: write recordings in another form."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import tyro

from myotype.cli.console import progress_bar, say, warn
from myotype.cli.data.listing import report_strays
from myotype.errors import InputError, MyotypeError

if TYPE_CHECKING:
    from myotype.recordings import Recording


_UNFINISHED: Final = {"bids": (".", "sub-*/ses-*"), "hdf5": (".",)}  # where a killed run may have left something


@dataclass
class Convert:
    """Write recordings in another form: as a BIDS tree, or as HDF5 files of the emg2qwerty form.

    What is there already is kept, if it is the same recording, so that a conversion that was interrupted goes on. HDF5
    files are named by their recordings; where two people have one of the same name, by their users too.

    Attributes
    ----------
    sources
        Recordings, or folders of them.
    output
        A folder: the root of the BIDS tree, or where the HDF5 files are to lie.
    to
        The form to write.
    units
        What the numbers of BDF and EDF files are in (V, mV, uV, nV), whatever they declare.
    name
        What the BIDS tree is called.
    license
        The terms of a new BIDS tree, by their name in SPDX, such as CC-BY-4.0.
    authors
        Who made the recordings, for a new BIDS tree.
    overwrite
        Write again what is there already.
    """

    sources: Annotated[tuple[Path, ...], tyro.conf.Positional]
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    to: Literal["bids", "hdf5"]
    units: str | None = None
    name: str = "Typing with two EMG wristbands"
    license: str | None = None
    authors: tuple[str, ...] = ()
    overwrite: bool = False

    def run(self) -> int:
        """Do it, and give the exit code."""
        from myotype.files import alone_in

        sources = list(self._found())
        failed: list[Path] = []
        targets = self._targets(sources, failed)
        written = kept = 0
        with alone_in(self.output, unfinished=_UNFINISHED[self.to]), progress_bar() as bar:
            for done, (source, target) in enumerate(targets.items()):
                bar.show(f"converting {source.name}", done / len(targets), f"{done} of {len(targets)}")
                try:
                    if self._convert(source, target):
                        written += 1
                    else:
                        kept += 1
                except MyotypeError as error:
                    _warn_of(source, error)
                    failed.append(source)
        parts = [f"{written} written", f"{kept} there already", f"{len(failed)} failed"]
        say(f"{self.output}: {', '.join(part for part in parts if not part.startswith('0 ')) or 'nothing to do'}")
        return 1 if failed else 0

    def _found(self) -> Iterator[Path]:
        """Give the recordings to convert; in folders, all of them.

        Raises
        ------
        InputError
            If two of a folder have the same user and session, so that it is not clear which one is meant.
        """
        from myotype.recordings.corpus import find_recordings

        if not self.sources:
            raise InputError("name the recordings to convert, or a folder of them")
        for source in self.sources:
            if not source.is_dir():
                yield source
                continue
            corpus = find_recordings(source)
            for stray in corpus.strays:
                if stray.same_as is not None:
                    raise InputError(
                        f"{stray.path} and {stray.same_as} have the same user and session: convert those that you mean"
                        " by their names"
                    )
            report_strays(corpus)
            yield from (entry.path for entry in corpus)

    def _targets(self, sources: list[Path], failed: list[Path]) -> dict[Path, Path]:
        """Say where each recording goes; those that cannot be opened have failed already.

        Raises
        ------
        InputError
            If two go to the same place.
        """
        from myotype import recordings

        names: dict[Path, tuple[str, str]] = {}
        with progress_bar() as bar:
            for done, source in enumerate(dict.fromkeys(sources)):
                bar.show(f"looking at {source.name}", done / len(sources))
                try:
                    with recordings.open(source, units=self.units if _declares_units(source) else None) as recording:
                        names[source] = self._names(recording)
                except MyotypeError as error:
                    _warn_of(source, error)
                    failed.append(source)
        users: dict[str, set[str]] = {}
        for user, name in names.values():
            users.setdefault(name, set()).add(user)
        targets: dict[Path, Path] = {}
        for source, (user, name) in names.items():
            target = self.output / (f"{user}-{name}" if user and len(users[name]) > 1 else name)
            if target in targets.values():
                first = next(other for other, taken in targets.items() if taken == target)
                raise InputError(
                    f"{source} and {first} would both be written to {target}: they have one id; convert them to"
                    " different folders"
                )
            targets[source] = target
        return targets

    def _names(self, recording: Recording) -> tuple[str, str]:
        """Give the user and the name of what a recording is written to; in a tree the name has the user already."""
        if self.to == "hdf5":
            return safe_name(recording.user), f"{file_name(recording.name)}.hdf5"
        from myotype.recordings.bids.writing import labels_of, signal_path

        return "", str(signal_path(Path(), *labels_of(recording)))

    def _convert(self, source: Path, target: Path) -> bool:
        """Write one recording; tell whether it had to be."""
        from myotype import recordings
        from myotype.recordings.bids.writing import write_bids

        with recordings.open(source, units=self.units if _declares_units(source) else None) as recording:
            # Unlike the method of a path, this takes a name that is too long for one that is not there.
            if os.path.exists(target) and not self.overwrite:  # noqa: PTH110
                _check_same(recording, target)
                return False
            for note in recording.notes:
                warn(f"{source}: {note}")
            if self.to == "hdf5":
                recordings.write_hdf5(target, recording)
                say(f"{target}: {recording.duration / 60:.1f} minutes")
                return True
            result = write_bids(
                self.output,
                recording,
                name=self.name,
                license=self.license,
                authors=self.authors,
                overwrite=self.overwrite,
            )
            say(f"{result.path}: {recording.duration / 60:.1f} minutes{', lossless' if result.lossless else ''}")
            for note in result.notes:
                warn(f"{result.path}: {note}")
        return True


def file_name(name: str) -> str:
    """Make a file's name of a recording's: one that leads nowhere else.

    Raises
    ------
    InputError
        If nothing is left of it.
    """
    safe = safe_name(name)
    if not safe:
        raise InputError(f"a recording is called {name!r}, which no file can be called")
    return safe


def safe_name(text: str) -> str:
    """Leave out of a text what the name of a file should not have."""
    return re.sub(r"[^\w@.+=,-]+", "-", text).strip("-.")


def _warn_of(source: Path, error: MyotypeError) -> None:
    warn(str(error) if str(source) in str(error) else f"{source}: {error}")


def _declares_units(source: Path) -> bool:
    from myotype.recordings.bids.names import SIGNAL_ENDINGS

    return source.suffix.lower() in SIGNAL_ENDINGS


def _check_same(recording: Recording, target: Path) -> None:
    """See that a file holds a recording, by what can be told without reading the signal.

    Raises
    ------
    InputError
        If it holds another, or cannot be read.
    """
    from myotype import recordings

    try:
        with recordings.open(target) as there:
            same = all(getattr(there, what) == getattr(recording, what) for what in ("n_samples", "name", "user"))
    except MyotypeError as error:
        raise InputError(f"{target} is there already, and cannot be read: see --overwrite ({error})") from error
    if not same:
        raise InputError(f"{target} is there already, and is another recording: see --overwrite")
