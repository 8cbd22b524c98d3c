"""A training run: from recordings to a bundle."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from torch.utils.data import DataLoader

from myotype.decoding import GreedyDecoder
from myotype.errors import InputError, OutputError, TrainingError
from myotype.files import replacing_file
from myotype.keyboard import KEYS
from myotype.metrics import timing_errors
from myotype.network import EMG2QwertyNet, export
from myotype.recordings import Recording
from myotype.runtime import Bundle, Provenance, published
from myotype.training.corpus import Corpus, simulate_corpus
from myotype.training.module import CTCModule, whole_emissions
from myotype.training.recipes import Recipe, SimulatedCorpus
from myotype.training.windows import Batch, ShuffledWindows, Windows
from myotype.transcriber import RATE_TOLERANCE
from myotype.transcript import Keystroke

_FIGURES: Final = ("train/loss", "val/CER", "val/deletions", "val/insertions", "val/substitutions")

Progress = Callable[[str, float, dict[str, float]], None]
"""Called with the stage ("simulating", "training"), the share of it that is done, and the latest figures."""


def train(
    recipe: Recipe,
    folder: str | os.PathLike[str],
    *,
    training: Sequence[Recording] = (),
    validation: Sequence[Recording] = (),
    provenance: Provenance | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Bundle:
    """Train a network and write it as a bundle.

    Parameters
    ----------
    recipe
        What to do.
    folder
        Of the run: it gets ``recipe.json``, ``metrics.csv``, ``checkpoints/`` and, at the end, the bundle ``model/``.
    training, validation
        Recordings; none for those that the recipe simulates.
    provenance
        Where the recordings come from and under which licence the weights stand; needed unless they are simulated.
    resume
        Go on from the run's last checkpoint where it has one.
    progress
        Called as the run goes on.

    Returns
    -------
    Bundle
        The network of the best validated epoch.

    Raises
    ------
    InputError
        If there is nothing to train on or to validate with.
    OutputError
        If the folder holds another run and `resume` is not asked for.
    """
    run = Path(folder)
    last_checkpoint = run / "checkpoints" / "last.ckpt"
    resuming = resume and last_checkpoint.exists()
    if last_checkpoint.exists() and not resume:
        raise OutputError(f"{run} already holds a run: resume it, or choose another folder")
    if resuming:
        _check_same_recipe(recipe, run / "recipe.json")
    with replacing_file(run / "recipe.json") as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(recipe), indent=2) + "\n", encoding="utf-8")
    began = time.monotonic()
    corpus, provenance = _corpus(recipe, Corpus(list(training), list(validation)), provenance, progress)
    lightning.seed_everything(recipe.seed, verbose=False)
    module = CTCModule(EMG2QwertyNet(**recipe.network), recipe)
    _check_corpus(corpus, module.network)

    metrics = _MetricsFile(run / "metrics.csv", began)
    with _quiet_lightning():
        trainer = _trainer(recipe, run, metrics, progress)
        try:
            trainer.fit(
                module,
                *_loaders(recipe, module.network, corpus),
                ckpt_path=str(last_checkpoint) if resuming else None,
                weights_only=True,
            )
        except SystemExit:
            if trainer.interrupted:  # how Lightning passes on an interrupt
                raise KeyboardInterrupt from None
            raise
    best_epoch, best_cer = metrics.best()
    best_path = last_checkpoint.parent / f"epoch{best_epoch - 1:03d}.ckpt"  # Lightning counts from 0
    if not best_path.is_file():
        raise TrainingError(f"{best_path}: the checkpoint of the best epoch is missing: train anew")
    best = torch.load(best_path, weights_only=True)
    network = EMG2QwertyNet(**recipe.network)
    prefix = "network."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in best["state_dict"].items() if k.startswith(prefix)})
    details = {
        **provenance.details,
        "validation CER (%)": round(best_cer, 2),
        "best epoch": f"{best_epoch} of {recipe.epochs}",
        "minutes of training": round(metrics.minutes, 1),
        published.INITIAL_WEIGHTS: published.RANDOM,
        "date": datetime.now(tz=UTC).date().isoformat(),
        "myotype": metadata.version("myotype"),
        "torch": metadata.version("torch"),
    }
    return export(
        network,
        run / "model",
        provenance=dataclasses.replace(provenance, details=details),
        look_ahead=_look_ahead(network, corpus.validation, recipe.future),
    )


def _check_same_recipe(recipe: Recipe, path: Path) -> None:
    """Refuse to go on with a run by another recipe than it was begun with, but for the number of epochs."""
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable, so the run cannot be resumed: {error}") from error
    now = json.loads(json.dumps(dataclasses.asdict(recipe)))
    different = sorted(name for name in now if name != "epochs" and now[name] != begun.get(name))
    if different:
        raise InputError(f"{path.parent} was begun with another recipe ({', '.join(different)}): choose a new folder")


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


def _check_corpus(corpus: Corpus, network: EMG2QwertyNet) -> None:
    """Find before the first epoch what would end the run after it."""
    for recording in [*corpus.training, *corpus.validation]:
        if abs(recording.sfreq / network.sfreq - 1) > RATE_TOLERANCE:
            raise InputError(
                f"{recording.name}: {recording.sfreq:g} samples a second; the network takes {network.sfreq:g}"
            )
        if recording.n_samples < network.receptive_field:
            raise InputError(
                f"{recording.name}: {recording.n_samples} samples are fewer than the receptive field of "
                f"{network.receptive_field}; leave this recording out"
            )
    for recording in corpus.validation:
        if not recording.truth:
            raise InputError(f"{recording.name}: nothing was typed in it, so it validates nothing; leave it out")


def _look_ahead(network: EMG2QwertyNet, recordings: Sequence[Recording], longest: float) -> float:
    """Measure how long after a key's press the network reads it, so that the times it gives are right in the median.

    It was given `longest` seconds, but may have learned to need fewer.
    """
    network.eval()
    errors: list[float] = []
    for recording in recordings:
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


def _loaders(recipe: Recipe, network: EMG2QwertyNet, corpus: Corpus) -> tuple[DataLoader[Any], DataLoader[Any]]:
    future = round(recipe.future * network.sfreq)
    # The first frame of a window then ends just after its first sample could be a key's press.
    needed = network.receptive_field - network.hop_length - future
    past = needed if recipe.past is None else round(recipe.past * network.sfreq)
    windows = Windows(corpus.training, length=round(recipe.window * network.sfreq), context=(max(past, 0), future))
    sampler = ShuffledWindows(windows, recipe.seed)
    training = DataLoader(
        windows,
        batch_size=recipe.batch_size,
        sampler=sampler,
        collate_fn=Batch.of,
        generator=torch.Generator(),  # for what a loader draws itself; the global one is seeded for every epoch
        drop_last=len(windows) > recipe.batch_size,
    )
    validation: DataLoader[Any] = DataLoader(corpus.validation, batch_size=None)  # type: ignore[arg-type]  # a list is a map-style data set
    return training, validation


def _trainer(recipe: Recipe, run: Path, metrics: Callback, progress: Progress | None) -> lightning.Trainer:
    checkpoint = ModelCheckpoint(
        run / "checkpoints",
        filename="epoch{epoch:03d}",
        auto_insert_metric_name=False,
        monitor="val/CER",
        mode="min",
        save_last=True,
    )
    callbacks: list[Callback] = [checkpoint, metrics]
    if progress is not None:
        callbacks.append(_Report(progress))
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        accelerator="auto",
        logger=False,
        callbacks=callbacks,
        gradient_clip_val=recipe.gradient_clip,
        check_val_every_n_epoch=min(recipe.validate_every, recipe.epochs),
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Hold back what Lightning says of hardware and of choices that are made here on purpose."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in (
                ".*does not have many workers.*",  # windows are cut from memory
                ".*isinstance.treespec, LeafSpec.*",  # Lightning's own use of torch
                "Checkpoint directory .* exists and is not empty",  # a resumed run
                "The dirpath has changed from .*",  # a run whose folder was moved: the table knows the best epoch
            ):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logger.setLevel(level)


class _Report(Callback):
    """Tells the caller how far the run is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report after every step."""
        share = (trainer.global_step) / max(float(trainer.estimated_stepping_batches), 1.0)
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if "/" in name}
        figures["loss"] = float(outputs["loss"])
        self._progress("training", min(share, 1.0), figures)


class _MetricsFile(Callback):
    """Keeps a table with a row an epoch, which a resumed run goes on with.

    Attributes
    ----------
    minutes
        How long the run has taken up to its last epoch, over all its legs.
    """

    def __init__(self, path: Path, began: float) -> None:
        self._path = path
        self._began = began
        rows = self._rows()
        self._minutes_before = self.minutes = float(rows[-1]["minutes"]) if rows else 0.0

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add the epoch's row; validation is over by now."""
        epoch = trainer.current_epoch + 1
        rows = [row for row in self._rows() if int(row["epoch"]) < epoch]
        self.minutes = self._minutes_before + (time.monotonic() - self._began) / 60
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name in _FIGURES}
        if epoch % (trainer.check_val_every_n_epoch or 1):
            figures = {"train/loss": figures["train/loss"]}  # the others are of an earlier epoch
        row = {
            "epoch": epoch,
            "step": trainer.global_step,
            "minutes": round(self.minutes, 3),
            "learning rate": trainer.optimizers[0].param_groups[0]["lr"],
            **dict.fromkeys(_FIGURES, ""),
            **figures,
        }
        with replacing_file(self._path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            writer.writeheader()
            writer.writerows([*rows, row])

    def best(self) -> tuple[int, float]:
        """Give the first of the epochs with the lowest validation error, counted from 1, and that error in percent."""
        validated = [(float(row["val/CER"]), int(row["epoch"])) for row in self._rows() if row["val/CER"]]
        cer, epoch = min(validated)
        return epoch, cer

    def _rows(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        with self._path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
