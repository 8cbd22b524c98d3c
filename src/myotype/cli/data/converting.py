"""``myotype data convert``: write recordings in another form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from myotype.cli.console import progress_bar, say, warn
from myotype.cli.data.listing import report_strays
from myotype.errors import InputError, MyotypeError

if TYPE_CHECKING:
    from myotype.recordings import Recording


@dataclass
class Convert:
    """Write recordings in another form: as a BIDS tree, or as HDF5 files of the emg2qwerty form.

    What is there already is kept, if it is the same recording, so that a conversion that was interrupted goes on.

    Attributes
    ----------
    sources
        Recordings, or folders of them.
    output
        A folder: the root of the BIDS tree, or where the HDF5 files are to lie.
    to
        The form to write.
    units
        What the numbers of BDF, EDF and BrainVision files are in (V, mV, uV, nV), whatever they declare.
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
        sources = list(self._found())
        failed: list[Path] = []
        targets = self._targets(sources, failed)
        written = kept = 0
        with progress_bar() as bar:
            for done, (source, target) in enumerate(targets.items()):
                bar.show(f"converting {source.name}", done / len(targets), f"{done} of {len(targets)}")
                try:
                    if self._convert(source, target):
                        written += 1
                    else:
                        kept += 1
                except MyotypeError as error:
                    warn(f"{source}: {error}" if str(source) not in str(error) else str(error))
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

        taken: dict[Path, Path] = {}
        with progress_bar() as bar:
            for done, source in enumerate(dict.fromkeys(sources)):
                bar.show(f"looking at {source.name}", done / len(sources))
                try:
                    with recordings.open(source, units=self.units if _declares_units(source) else None) as recording:
                        target = self._target(recording)
                except MyotypeError as error:
                    warn(str(error))
                    failed.append(source)
                    continue
                if target in taken:
                    raise InputError(
                        f"{source} and {taken[target]} would both be written to {target}: they have one id; convert"
                        " them to different folders"
                    )
                taken[target] = source
        return {source: target for target, source in taken.items()}

    def _target(self, recording: Recording) -> Path:
        if self.to == "hdf5":
            return self.output / f"{file_name(recording.name)}.hdf5"
        from myotype.recordings.bids.writing import labels_of, signal_path

        return signal_path(self.output, *labels_of(recording))

    def _convert(self, source: Path, target: Path) -> bool:
        """Write one recording; tell whether it had to be."""
        from myotype import recordings
        from myotype.recordings.bids.writing import write_bids

        with recordings.open(source, units=self.units if _declares_units(source) else None) as recording:
            if target.exists() and not self.overwrite:
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
    safe = re.sub(r"[^\w@.+=,-]+", "-", name).strip("-.")
    if not safe:
        raise InputError(f"a recording is called {name!r}, which no file can be called")
    return safe


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
