"""A run's folder: what the run is, what it has measured so far, and what it has read."""

from __future__ import annotations

import csv
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from myotype.errors import InputError, OutputError
from myotype.files import replacing_file
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

    def begin(self, recipe: Recipe, data: Sequence[Mapping[str, Any]], *, resume: bool, write: bool = True) -> bool:
        """Write down what the run is, or see that it is the one that was begun.

        Parameters
        ----------
        recipe
            What the run does.
        data
            What it is trained on and validated with: an entry a recording.
        resume
            Whether it may go on from where it was.
        write
            Whether this process is the one that writes; the others only look.

        Returns
        -------
        bool
            Whether there is something to go on from.

        Raises
        ------
        OutputError
            If the folder holds a run and it is not to be resumed.
        InputError
            If the run was begun with another recipe or other recordings.
        """
        resuming = self.last_checkpoint.exists()
        if resuming and not resume:
            raise OutputError(f"{self.path} already holds a run: resume it, or choose another folder")
        about = self._about(data)
        if resuming:
            about = self._checked(recipe, about)
        if write:
            save_recipe(recipe, self.path / RECIPE)
            self.write_json(ABOUT, about)
        return resuming

    def _about(self, data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        leg = {
            "begun": datetime.now(tz=UTC).isoformat(timespec="seconds"),
            "command": sys.argv,
            "versions": {name: metadata.version(name) for name in _PACKAGES},
            "python": platform.python_version(),
            "machine": platform.platform(),
        }
        return {"legs": [leg], "data": list(data)}

    def _checked(self, recipe: Recipe, about: dict[str, Any]) -> dict[str, Any]:
        """Refuse to go on with a run by another recipe, or with other recordings, than it was begun with."""
        begun, now = plain(load_recipe(self.path / RECIPE)), plain(recipe)
        different = sorted(name for name in now if name not in _MAY_CHANGE and now[name] != begun[name])
        if different:
            raise InputError(f"{self.path} was begun with another recipe ({', '.join(different)}): choose a new folder")
        try:
            before = json.loads((self.path / ABOUT).read_text(encoding="utf-8"))
            same, legs = before["data"] == about["data"], [*before["legs"], *about["legs"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path / ABOUT}: not readable, so the run cannot be resumed: {error}") from error
        if not same:
            raise InputError(f"{self.path} was begun with other recordings: give the same, or choose a new folder")
        return {**about, "legs": legs}

    def rows(self) -> list[dict[str, str]]:
        """Give the table of the epochs so far."""
        return self._read_csv(METRICS)

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
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def write_json(self, name: str, content: object) -> None:
        """Write plain values into the folder."""
        with replacing_file(self.path / name) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
