"""``myotype data split``: divide recordings into those to train, validate and test on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from myotype.cli.console import progress_bar, say, show_table, warn
from myotype.errors import InputError, OutputError

if TYPE_CHECKING:
    from myotype.recordings.corpus import Corpus, Entry
    from myotype.recordings.splits import Division, Glance, Missing
    from myotype.recordings.splits import Split as Divided

_SHOWN = 10  # missing recordings that are told one by one


@dataclass
class Split:
    """Divide recordings into those to train, validate and test on, and see to it that nothing tested on is trained on.

    One of --official, --held-out, --personal and --check says how. Recordings are then opened and compared: one in two
    parts under different names, or two of a person that overlap in time, are refused.

    Attributes
    ----------
    root
        The folder of the recordings: HDF5 files at any depth, a BIDS tree, or a prepared cache.
    official
        The split of the emg2qwerty benchmark: generic, or user0 to user7.
    held_out
        Test on so many people, drawn at random, and train on the others.
    personal
        Divide the recordings of this user.
    check
        A file that this command has written, or a person: say what it makes of these recordings. Recordings that it
        names and that are missing are then a failure.
    validation
        How many recordings to validate on, 2 unless given: of each person who is not held out, or of the one of
        --personal.
    test
        With --personal: how many recordings to test on, 2 unless given.
    without
        With --held-out: users to leave out altogether.
    seed
        Of what is drawn, 0 unless given. The same seed draws the same from the same recordings.
    name
        What to call the split that is drawn.
    output
        Where to write the split, as YAML.
    overwrite
        Replace a file that exists already.
    as_json
        Print the parts as a JSON object.
    """

    root: Annotated[Path, tyro.conf.Positional]
    official: str | None = None
    held_out: int | None = None
    personal: str | None = None
    check: Path | None = None
    validation: int | None = None
    test: int | None = None
    without: tuple[str, ...] = ()
    seed: int | None = None
    name: str | None = None
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    overwrite: bool = False
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False

    def run(self) -> int:
        """Do it, and give the exit code."""
        from myotype.recordings.corpus import find_recordings
        from myotype.recordings.splits import glance, refuse_leaks

        ways = {
            "--official": self.official,
            "--held-out": self.held_out,
            "--personal": self.personal,
            "--check": self.check,
        }
        given = [way for way, value in ways.items() if value is not None]
        if len(given) != 1:
            raise InputError(f"give one of {', '.join(ways)}; given: {', '.join(given) or 'none'}")
        self._refuse_idle_options(given[0])
        if self.output is not None and self.output.exists() and not self.overwrite:
            raise OutputError(f"{self.output} exists already: choose another name, or --overwrite")
        corpus = find_recordings(self.root)
        split = self._split(corpus)
        division = split.of(corpus)
        glances: dict[Entry, Glance] = {}
        placed = [entry for _, entry in division]
        with progress_bar() as bar:
            for done, entry in enumerate(placed):
                bar.show(f"looking at {entry.path.name}", done / len(placed))
                glances[entry] = glance(entry)
        self._show(division, glances)
        refuse_leaks(division, glances)
        if not placed:
            warn(f"none of the {len(corpus)} recordings under {self.root} belongs to a part of the split")
        if self.output is not None:
            split.save(self.output)
            say(f"{self.output}: the split {split.name!r}")
        return 1 if not placed or (self.check is not None and division.missing) else 0

    def _refuse_idle_options(self, way: str) -> None:
        """Refuse options that would change nothing."""
        drawn = ("--held-out", "--personal")
        belong = {
            "--without": (self.without or None, drawn[:1]),
            "--test": (self.test, drawn[1:]),
            "--validation": (self.validation, drawn),
            "--seed": (self.seed, drawn),
            "--name": (self.name, drawn),
        }
        for option, (value, ways) in belong.items():
            if value is not None and way not in ways:
                raise InputError(f"{option} belongs to {' and '.join(ways)}, not to {way}")

    def _split(self, corpus: Corpus) -> Divided:
        from myotype.recordings import splits

        if self.check is not None:
            return splits.load(self.check)
        if self.official is not None:
            return splits.official(self.official)
        validation = 2 if self.validation is None else self.validation
        seed = self.seed or 0
        if self.held_out is not None:
            return splits.held_out(
                corpus, self.held_out, validation=validation, seed=seed, without=self.without, name=self.name
            )
        assert self.personal is not None  # noqa: S101  (one of them is given)
        test = 2 if self.test is None else self.test
        return splits.personal(corpus, self.personal, test=test, validation=validation, seed=seed, name=self.name)

    def _show(self, division: Division, glances: dict[Entry, Glance]) -> None:
        from myotype.recordings.splits import PARTS

        parts: list[dict[str, Any]] = [
            {
                "part": part,
                "recordings": len(division.part(part)),
                "people": len({entry.user for entry in division.part(part)}),
                "minutes": round(sum(glances[entry].duration for entry in division.part(part)) / 60, 1),
                "missing": sum(missing.part == part for missing in division.missing),
            }
            for part in PARTS
        ]
        if self.as_json:
            known = {
                "name": division.split.name,
                "kind": division.split.kind,
                "parts": [
                    row | {"paths": [str(entry.path) for entry in division.part(part)]}
                    for part, row in zip(PARTS, parts, strict=True)
                ],
                "missing": [{"part": one.part, "user": one.user, "session": one.session} for one in division.missing],
                "unused": [str(entry.path) for entry in division.unused],
            }
            print(json.dumps(known, indent=2))
        else:
            show_table(([str(value) for value in row.values()] for row in parts), header=tuple(parts[0]))
        for missing in division.missing[:_SHOWN]:
            warn(f"missing in {missing.part}: {_told(missing)}")
        if len(division.missing) > _SHOWN:
            warn(f"... and {len(division.missing) - _SHOWN} more are missing")
        if division.unused:
            say(f"{len(division.unused)} recordings belong to no part of the split")


def _told(missing: Missing) -> str:
    if missing.session is None:
        return f"every recording of user {missing.user}"
    return f"recording {missing.session} of user {missing.user}"
