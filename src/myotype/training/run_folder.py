"""A run's folder: what the run is, what it has measured so far, and what it has read."""

from __future__ import annotations

import csv
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from myotype.errors import InputError, OutputError
from myotype.files import alone_in, replacing_file
from myotype.training.recipe_files import load_recipe, plain, save_recipe
from myotype.training.recipes import Recipe

RECIPE, ABOUT, METRICS, SAMPLES, CHECKPOINTS, FIGURES, MODEL = (
    "recipe.yaml",
    "run.json",
    "metrics.csv",
    "samples.csv",
    "checkpoints",
    "figures",
    "model",
)
FIGURE_NAMES: Final = ("train/loss", "val/CER", "val/deletions", "val/insertions", "val/substitutions", "val/emitted")
"""What a run measures, in the order of its table."""

_MAY_CHANGE: Final = frozenset({"epochs", "patience", "plateau", "validate_every", "accumulate"})
"""Settings that a resumed run may have otherwise: they change how far it goes, not what it is."""

_HANDOVER: Final = 10.0
"""Seconds that processes of a run that was killed may take to notice, and to let go of its folder."""

_PACKAGES: Final = ("myotype", "torch", "pytorch-lightning", "numpy")


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path
        Where it is, or is to be.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def last_checkpoint(self) -> Path:
        """What a run is resumed from."""
        return self.path / CHECKPOINTS / "last.ckpt"

    def best_checkpoint(self, epoch: int) -> Path:
        """Give the checkpoint of an epoch, counted from 1, where it was the best so far."""
        return self.path / CHECKPOINTS / f"epoch{epoch - 1:03d}.ckpt"  # Lightning counts from 0

    @property
    def model(self) -> Path:
        """Where the bundle goes."""
        return self.path / MODEL

    def check(self, *, resume: bool, recipe: Recipe | None = None) -> bool:
        """See whether a run can begin here, or be resumed.

        Parameters
        ----------
        resume
            Whether it may go on from where it was.
        recipe
            What the run is to do, where that is known.

        Returns
        -------
        bool
            Whether there is something to go on from.

        Raises
        ------
        InputError
            If the run was begun with another recipe.
        OutputError
            If the folder is none, holds a run that is not to be or cannot be resumed, or holds other things in the
            places of a run's.
        """
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path} is a file: a run needs a folder")
        if self.last_checkpoint.exists():
            if not resume:
                raise OutputError(f"{self.path} already holds a run: resume it, or choose another folder")
            if recipe is not None:
                self._check_recipe(recipe)
            return True
        if self.model.exists():
            raise OutputError(
                f"{self.path} already holds a model, and no checkpoint to go on from: choose another folder"
            )
        if not (self.path / ABOUT).exists():
            foreign = [name for name in (RECIPE, METRICS, SAMPLES, CHECKPOINTS) if (self.path / name).exists()]
            if foreign:
                raise OutputError(
                    f"{self.path} holds {foreign[0]}, which is no run's that was begun here: choose another folder"
                )
        return False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out of the folder, and clear away what one that was killed was just writing."""
        with alone_in(self.path, wait=_HANDOVER, unfinished=(".", CHECKPOINTS, FIGURES)):
            yield

    def begin(
        self,
        recipe: Recipe,
        data: Sequence[Mapping[str, Any]],
        *,
        resume: bool,
        initial: str | None = None,
        write: bool = True,
    ) -> bool:
        """Write down what the run is, or see that it is the one that was begun.

        Parameters
        ----------
        recipe
            What the run does.
        data
            What it is trained on and validated with: an entry a recording.
        resume
            Whether it may go on from where it was.
        initial
            A digest of the network that it goes on from; None for random weights.
        write
            Whether this process is the one that writes; the others only look.

        Returns
        -------
        bool
            Whether there is something to go on from.

        Raises
        ------
        OutputError
            As :meth:`check`.
        InputError
            If the run was begun with another recipe, other recordings, or another network to go on from.
        """
        resuming = self.check(resume=resume, recipe=recipe)
        about = self._about(data, initial)
        if resuming:
            about = self._checked(about)
        if write:
            self.write_json(ABOUT, about)  # first: it says that the rest is a run's
            save_recipe(recipe, self.path / RECIPE)
        return resuming

    def _about(self, data: Sequence[Mapping[str, Any]], initial: str | None) -> dict[str, Any]:
        leg = {
            "begun": datetime.now(tz=UTC).isoformat(timespec="seconds"),
            "command": sys.argv,
            "versions": {name: metadata.version(name) for name in _PACKAGES},
            "python": platform.python_version(),
            "machine": platform.platform(),
        }
        return {"legs": [leg], "initial": initial, "data": list(data)}

    def _check_recipe(self, recipe: Recipe) -> None:
        """Refuse to go on with a run by another recipe than it was begun with."""
        begun, now = plain(load_recipe(self.path / RECIPE)), plain(recipe)
        different = sorted(name for name in now if name not in _MAY_CHANGE and now[name] != begun[name])
        if different:
            raise InputError(f"{self.path} was begun with another recipe ({', '.join(different)}): choose a new folder")

    def _checked(self, about: dict[str, Any]) -> dict[str, Any]:
        """Refuse to go on with a run with other recordings, or from another network, than it was begun with."""
        try:
            before = json.loads((self.path / ABOUT).read_text(encoding="utf-8"))
            same, legs = before["data"] == about["data"], [*before["legs"], *about["legs"]]
            initial = before.get("initial", about["initial"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{self.path / ABOUT}: not readable, so the run cannot be resumed: {error!r}") from error
        if initial != about["initial"]:
            raise InputError(
                f"{self.path} was begun with another model to go on from: give that, or choose a new folder"
            )
        if not same:
            raise InputError(f"{self.path} was begun with other recordings: give the same, or choose a new folder")
        return {**about, "legs": legs}

    def rows(self) -> list[dict[str, str]]:
        """Give the table of the epochs so far.

        Raises
        ------
        InputError
            If it is damaged.
        """
        rows = self._read_csv(METRICS)
        try:
            for row in rows:
                for value in (row["minutes"], row["train/loss"], *(row[name] for name in FIGURE_NAMES if row[name])):
                    float(value)
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"{self.path / METRICS} is damaged ({error!r}): put back what a run wrote") from error
        return rows

    def add_epoch(self, row: Mapping[str, Any]) -> None:
        """Add an epoch to the table, in the place of any from it on, which a killed run may have left."""
        self._add(METRICS, row)

    def add_sample(self, epoch: int, read: str, typed: str) -> None:
        """Keep what was read after an epoch at the beginning of the first validation recording."""
        self._add(SAMPLES, {"epoch": epoch, "read": read, "typed": typed})

    def samples(self) -> list[dict[str, str]]:
        """Give what was read after the epochs so far."""
        return self._read_csv(SAMPLES)

    def best(self, figure: str = "val/CER") -> tuple[int, float]:
        """Give the first of the epochs with the lowest figure, counted from 1, and that figure."""
        validated = [(float(row[figure]), int(row["epoch"])) for row in self.rows() if row[figure]]
        if not validated:
            raise InputError(f"{self.path}: no epoch was validated")
        lowest, epoch = min(validated)
        return epoch, lowest

    def _add(self, name: str, row: Mapping[str, Any]) -> None:
        rows = [before for before in self._read_csv(name) if int(before["epoch"]) < int(row["epoch"])]
        with replacing_file(self.path / name) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            writer.writeheader()
            writer.writerows([*rows, row])

    def _read_csv(self, name: str) -> list[dict[str, str]]:
        path = self.path / name
        if not path.exists():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except (OSError, ValueError, csv.Error) as error:
            raise InputError(f"{path} cannot be read: {error}") from error
        if not all((row.get("epoch") or "").isdecimal() and None not in row for row in rows):
            raise InputError(f"{path} is damaged: it has rows of no epoch; put back what a run wrote")
        return rows

    def write_json(self, name: str, content: object) -> None:
        """Write plain values into the folder."""
        with replacing_file(self.path / name) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
