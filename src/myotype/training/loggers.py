"""Other programs that follow a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from myotype.errors import InputError, MissingExtraError

Tracker = Literal["tensorboard", "wandb"]


def trackers(names: Sequence[Tracker], run: Path) -> list[Logger]:
    """Give what follows a run, by name; its files lie in the run's folder.

    Raises
    ------
    InputError
        If there is none of the name.
    MissingExtraError
        If its package is not installed.
    """
    made: list[Logger] = []
    for name in names:
        if name not in get_args(Tracker):
            raise InputError(f"{name!r} follows no run: choose among {', '.join(get_args(Tracker))}")
        try:
            if name == "tensorboard":
                made.append(TensorBoardLogger(run, name="", version="tensorboard"))
            else:
                made.append(WandbLogger(project="myotype", name=run.name, save_dir=run))
        except ModuleNotFoundError as error:
            package = {"tensorboard": "tensorboardX", "wandb": "wandb"}[name]
            raise MissingExtraError(f"following a run by {name} needs its package: pip install {package}") from error
    return made
