"""What a run runs on, and the Lightning trainer that runs it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, WeightAveraging
from pytorch_lightning.loggers import Logger

from myotype.errors import InputError, OutputError, TrainingError
from myotype.training.callbacks import Finite, Guard, Note, Patience, Progress, Report, Table
from myotype.training.checkpoints import WholeCheckpoints
from myotype.training.recipes import Recipe
from myotype.training.run_folder import CHECKPOINTS, RunFolder

_GONE: Final = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out waiting", "NCCL")
"""How torch says that another process does not answer."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a run runs on; the result does not depend on it but for rounding (and for masks, which processes draw).

    Attributes
    ----------
    accelerator
        What computes: as Lightning has it, such as ``"cpu"`` or ``"cuda"``; ``"auto"`` takes the best that there is.
    devices, nodes
        Processes on each machine, and machines. With more than one, windows of a step are divided among them.
    workers
        Processes that read windows, for each process that computes; 0 for none but that one.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = 0

    def __post_init__(self) -> None:
        for name, least in (("devices", 1), ("nodes", 1), ("workers", 0)):
            if not least <= getattr(self, name) <= 65536:
                raise InputError(f"{name}={getattr(self, name)}: give a whole number from {least} on")

    @property
    def processes(self) -> int:
        """How many compute."""
        return self.devices * self.nodes


def make_trainer(
    recipe: Recipe,
    run: RunFolder,
    machine: Machine,
    table: Table,
    loggers: Sequence[Logger],
    progress: Progress | None,
    note: Note,
) -> lightning.Trainer:
    """Make the trainer of a run.

    Raises
    ------
    InputError
        If the recipe does not fit the machine, or there is no such machine.
    """
    _check(recipe, machine)
    best = ModelCheckpoint(
        run.path / CHECKPOINTS,
        filename="epoch{epoch:03d}",
        auto_insert_metric_name=False,
        monitor="val/CER",
        mode="min",
        # A run may be killed before it has written its last checkpoint, and the epoch may come out otherwise when it is
        # gone through again (with more epochs to go, say): then its file is replaced, and the best before is there yet.
        save_top_k=2,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(
        run.path / CHECKPOINTS,
        filename=run.last_checkpoint.stem,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [best, last, table, Finite(), Guard(recipe, note)]
    if progress is not None:
        callbacks.append(Report(progress))
    if recipe.ema is not None:
        callbacks.append(WeightAveraging(use_buffers=True, avg_fn=_running_average(recipe.ema)))
    if recipe.patience is not None:
        callbacks.append(Patience("val/CER", patience=recipe.patience, mode="min"))
    strategy: Any = "auto" if machine.processes == 1 else "ddp"
    try:
        with quiet_lightning():
            return lightning.Trainer(
                default_root_dir=run.path,
                max_epochs=recipe.epochs,
                accelerator=machine.accelerator,
                devices=machine.devices,
                num_nodes=machine.nodes,
                strategy=strategy,
                use_distributed_sampler=False,  # our own divides what is drawn once for all
                precision=recipe.precision,
                accumulate_grad_batches=recipe.accumulate,
                logger=list(loggers) or False,
                log_every_n_steps=1,
                callbacks=callbacks,
                plugins=[WholeCheckpoints()],
                gradient_clip_val=recipe.gradient_clip,
                check_val_every_n_epoch=min(recipe.validate_every, recipe.epochs),
                num_sanity_val_steps=0,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
    except (MisconfigurationException, ValueError, RuntimeError) as error:  # of devices that are not there
        raise InputError(f"this machine cannot train so (accelerator={machine.accelerator}): {error}") from error


def _check(recipe: Recipe, machine: Machine) -> None:
    pieces = machine.processes * recipe.accumulate
    if recipe.batch_size % pieces:
        raise InputError(
            f"batch_size={recipe.batch_size} does not part among {machine.processes} processes of "
            f"accumulate={recipe.accumulate} pieces"
        )
    on_cpu = machine.accelerator == "cpu" or (machine.accelerator == "auto" and not torch.accelerator.is_available())
    if recipe.precision == "16-mixed" and on_cpu:
        raise InputError("precision 16-mixed is for GPUs: take 32-true or, where the processor has it, bf16-mixed")


def _running_average(decay: float) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor | int], torch.Tensor]:
    """Give how the running average of the weights takes in new ones.

    At first it follows them closely, as it would else hold on to the random ones for a thousand steps.
    """

    def average(averaged: torch.Tensor, current: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        if not averaged.is_floating_point():
            return current
        n = float(count)
        return averaged.lerp(current.to(averaged.dtype), 1 - min(decay, (1 + n) / (10 + n)))

    return average


@contextmanager
def readable_errors(run: RunFolder, machine: Machine) -> Iterator[None]:
    """Say how to go on where a run could not write or read, or another process is gone."""
    try:
        yield
    except OutputError as error:
        raise OutputError(f"{error}; the last good checkpoint is kept: make room, and resume") from error
    except OSError as error:  # of a recording: what the run writes, it writes with errors of ours
        raise TrainingError(f"the run broke off: {error}; the last good checkpoint is kept: resume it") from error
    except RuntimeError as error:
        if machine.processes > 1 and any(sign in str(error) for sign in _GONE):
            raise TrainingError(
                f"one of the {machine.processes} processes that train together has ended, so the run cannot go on; "
                f"what it said stands above. {run.path} keeps the last checkpoint: resume the run"
            ) from error
        raise


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Hold back what Lightning says of hardware and of choices that are made here on purpose."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in (
                "You have overridden `on_after_batch_transfer`.*",  # which is where batches are augmented
                ".*does not have many workers.*",  # prepared windows are read fast enough
                ".*isinstance.treespec, LeafSpec.*",  # Lightning's own use of torch
                "It is recommended to use .* when logging on epoch.*",  # counts are added up before they are logged
                "Checkpoint directory .* exists and is not empty",  # a resumed run
                "The dirpath has changed from .*",  # a run whose folder was moved: the table knows the best epoch
            ):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logger.setLevel(level)
