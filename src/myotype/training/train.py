"""A training run: from recordings to a bundle."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from myotype.decoding import GreedyDecoder
from myotype.errors import InputError, OutputError, TrainingError
from myotype.keyboard import KEYS
from myotype.metrics import timing_errors
from myotype.network import export
from myotype.network.pretrained import PretrainedNetwork
from myotype.recordings import Recording
from myotype.runtime import Bundle, Provenance, published
from myotype.training.callbacks import Finite, Guard, Note, Progress, Report, Table
from myotype.training.corpus import Corpus, simulate_corpus
from myotype.training.distributed import share_statistics
from myotype.training.loading import WindowData
from myotype.training.loggers import Tracker, trackers
from myotype.training.module import CTCModule, whole_emissions
from myotype.training.recipes import Recipe, SimulatedCorpus
from myotype.training.run_folder import CHECKPOINTS, RunFolder
from myotype.training.sources import Source, as_sources
from myotype.transcript import Keystroke

_GONE: Final = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out waiting", "NCCL")
"""How torch says that another process does not answer."""

_PREFIX: Final = "network."  # of its weights in a checkpoint


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


def train(
    recipe: Recipe,
    folder: str | os.PathLike[str],
    *,
    training: Sequence[Recording | Source] = (),
    validation: Sequence[Recording | Source] = (),
    initial: PretrainedNetwork | None = None,
    provenance: Provenance | None = None,
    resume: bool = False,
    machine: Machine | None = None,
    track: Sequence[Tracker] = (),
    progress: Progress | None = None,
    note: Note | None = None,
) -> Bundle:
    """Train a network and write it as a bundle.

    Parameters
    ----------
    recipe
        What to do.
    folder
        Of the run: it gets ``recipe.yaml``, ``run.json`` (versions, commands, fingerprints of the recordings),
        ``metrics.csv``, ``samples.csv``, ``figures/``, ``checkpoints/`` and, at the end, the bundle ``model/``.
    training, validation
        Recordings; none for those that the recipe simulates.
    initial
        A network to go on from, which is changed; its arguments are then those of the run, and the recipe's `network`
        may only set masks.
    provenance
        Where the recordings come from and under which licence the weights stand; needed unless they are simulated.
    resume
        Go on from the run's last checkpoint where it has one: as if it had never stopped, from the end of its last
        epoch.
    machine
        What to run on; this process alone if not given.
    track
        Other programs that are to follow the run: ``"tensorboard"``, ``"wandb"``.
    progress, note
        Called as the run goes on.

    Returns
    -------
    Bundle
        The network of the best validated epoch.

    Raises
    ------
    InputError
        If there is nothing to train on or to validate with, or a setting is impossible.
    OutputError
        If the folder holds another run and `resume` is not asked for, or it cannot be written.
    TrainingError
        If the run cannot go on: the loss is no number, or the network does not begin to read.
    """
    note = note or (lambda _: None)
    machine = machine or Machine()
    run = RunFolder(folder)
    _check_machine(recipe, machine)
    network = initial if initial is not None else recipe.build()
    if run.last_checkpoint.exists() and not resume:  # before anything is simulated
        raise OutputError(f"{run.path} already holds a run: resume it, or choose another folder")
    corpus, provenance = _corpus(recipe, Corpus(as_sources(training), as_sources(validation)), provenance, progress)
    corpus = corpus.fit_for(network, note)
    if initial is None:
        lightning.seed_everything(recipe.seed, verbose=False)
        network = recipe.build()
    resuming = run.begin(recipe, corpus.fingerprint(), resume=resume, write=bool(rank_zero_only(lambda: True)()))
    if not recipe.augmentation:
        note("no augmentation: every window is seen as it is, over and over")
    module = CTCModule(network, recipe)
    table = Table(run, note)
    if machine.processes > 1:
        share_statistics(network)
    with _quiet_lightning(), _readable_errors(run, machine):
        trainer = _trainer(recipe, run, machine, table, trackers(track, run.path), progress, note)
        try:
            trainer.fit(
                module,
                datamodule=WindowData(recipe, network, corpus, machine.workers),
                ckpt_path=str(run.last_checkpoint) if resuming else None,
                weights_only=True,
            )
        except SystemExit:
            if trainer.interrupted:  # how Lightning passes on an interrupt
                raise KeyboardInterrupt from None
            raise
    if not trainer.is_global_zero:
        sys.exit(0)  # the first process does the rest
    best_epoch, best_cer = run.best()
    best = _weights_of(run.best_checkpoint(best_epoch), network)
    details = {
        **provenance.details,
        "validation CER (%)": round(best_cer, 2),
        "best epoch": f"{best_epoch} of {recipe.epochs}",
        "minutes of training": round(table.minutes, 1),
        **({published.INITIAL_WEIGHTS: published.RANDOM} if initial is None else {}),
        "date": datetime.now(tz=UTC).date().isoformat(),
        "myotype": metadata.version("myotype"),
        "torch": metadata.version("torch"),
    }
    return export(
        best,
        run.model,
        provenance=dataclasses.replace(provenance, details=details),
        look_ahead=_look_ahead(best, corpus.validation, recipe.future),
    )


def _weights_of(checkpoint: Path, network: PretrainedNetwork) -> PretrainedNetwork:
    """Give the network with the weights of a checkpoint."""
    if not checkpoint.is_file():
        raise TrainingError(f"{checkpoint}: the checkpoint of the best epoch is missing: train anew")
    found = torch.load(checkpoint, weights_only=True, map_location="cpu")["state_dict"]
    best = type(network).from_config(network.get_config())
    best.load_state_dict({name.removeprefix(_PREFIX): w for name, w in found.items() if name.startswith(_PREFIX)})
    best.provenance = network.provenance
    return best


def _check_machine(recipe: Recipe, machine: Machine) -> None:
    pieces = machine.processes * recipe.accumulate
    if recipe.batch_size % pieces:
        raise InputError(
            f"batch_size={recipe.batch_size} does not part among {machine.processes} processes of "
            f"accumulate={recipe.accumulate} pieces"
        )
    on_cpu = machine.accelerator == "cpu" or (machine.accelerator == "auto" and not torch.accelerator.is_available())
    if recipe.precision == "16-mixed" and on_cpu:
        raise InputError("precision 16-mixed is for GPUs: take 32-true or, where the processor has it, bf16-mixed")


def _corpus(
    recipe: Recipe, given: Corpus, provenance: Provenance | None, progress: Progress | None
) -> tuple[Corpus, Provenance]:
    """Take the given recordings, or simulate those of the recipe; say where they come from."""
    if given.training:
        if not given.validation:
            raise InputError("there are no recordings to validate with: the best epoch is chosen by them")
        if provenance is None:
            raise InputError("say by `provenance` where the recordings come from and which licence the weights have")
        return given, provenance
    if given.validation:
        raise InputError("there are recordings to validate with, but none to train on")
    if recipe.simulated is None:
        raise InputError("there are no recordings to train on, and the recipe simulates none")

    def report(done: int, count: int) -> None:
        if progress is not None:
            progress("simulating", done / count, {})

    return simulate_corpus(recipe.simulated, report), provenance or _simulated_provenance(recipe.simulated)


def _look_ahead(network: PretrainedNetwork, recordings: Sequence[Source], longest: float) -> float:
    """Measure how long after a key's press the network reads it, so that the times it gives are right in the median.

    It was given `longest` seconds, but may have learned to need fewer.
    """
    network.eval()
    errors: list[float] = []
    for source in recordings:
        with source.open() as recording:
            runs = whole_emissions(network, recording)
            if len(runs) > 1:  # times after a break are the transcriber's to work out
                continue
            (found,) = GreedyDecoder().decode(runs[0])
            ends = (found.frames * network.hop_length + network.receptive_field) / network.sfreq
            strokes = [Keystroke(KEYS[label], float(time), 1.0) for label, time in zip(found.labels, ends, strict=True)]
            errors += timing_errors(strokes, recording.key_presses, float(recording.times[:1][0]))
    if not errors:
        return longest
    return round(min(max(float(np.median(errors)), 0.0), longest), 3)


def _simulated_provenance(corpus: SimulatedCorpus) -> Provenance:
    return Provenance(
        license="BSD-3-Clause",
        source=f"Trained by `myotype train` on simulated EMG only: {corpus.recordings} recordings of "
        f"{corpus.minutes:g} minutes by the simulated typist {corpus.typist!r}, each with the bands put on anew.",
        simulated=True,
        details={"training seeds": f"{corpus.seed} to {corpus.seed + corpus.recordings - 1}"},
    )


def _trainer(
    recipe: Recipe,
    run: RunFolder,
    machine: Machine,
    table: Table,
    loggers: Sequence[Logger],
    progress: Progress | None,
    note: Note,
) -> lightning.Trainer:
    best = ModelCheckpoint(
        run.path / CHECKPOINTS,
        filename="epoch{epoch:03d}",
        auto_insert_metric_name=False,
        monitor="val/CER",
        mode="min",
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
        callbacks.append(EarlyStopping("val/CER", patience=recipe.patience, mode="min"))
    strategy: Any = "auto" if machine.processes == 1 else "ddp"
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        accelerator=machine.accelerator,
        devices=machine.devices,
        num_nodes=machine.nodes,
        strategy=strategy,
        use_distributed_sampler=False,  # our own divides what is drawn once for all
        precision=recipe.precision,
        accumulate_grad_batches=recipe.accumulate,
        logger=list(loggers) or False,
        callbacks=callbacks,
        gradient_clip_val=recipe.gradient_clip,
        check_val_every_n_epoch=min(recipe.validate_every, recipe.epochs),
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


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
def _readable_errors(run: RunFolder, machine: Machine) -> Iterator[None]:
    """Say what it means that a checkpoint cannot be written, or that another process is gone."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch raises the latter in either case
        if isinstance(error, RuntimeError) and "PytorchStreamWriter" not in str(error):
            if machine.processes > 1 and any(sign in str(error) for sign in _GONE):
                raise TrainingError(
                    f"one of the {machine.processes} processes that train together has ended, so the run cannot go on; "
                    f"what it said stands above. {run.path} keeps the last checkpoint: resume the run"
                ) from error
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise OutputError(
            f"cannot write {run.path}: {reason}; the last good checkpoint is kept: make room, and resume"
        ) from error


@contextmanager
def _quiet_lightning() -> Iterator[None]:
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
