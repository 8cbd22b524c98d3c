"""A training run: from recordings to a bundle."""

from __future__ import annotations

import dataclasses
import json
import os
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader

from myotype.errors import InputError, OutputError
from myotype.files import replacing_file
from myotype.network import EMG2QwertyNet, export
from myotype.recordings import Recording
from myotype.runtime import Bundle, Provenance
from myotype.training.corpus import Corpus, simulate_corpus
from myotype.training.module import CTCModule
from myotype.training.recipes import Recipe
from myotype.training.windows import Batch, ShuffledWindows, Windows

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
    if last_checkpoint.exists() and not resume:
        raise OutputError(f"{run} already holds a run: resume it, or choose another folder")
    simulated = not training
    if simulated:
        if recipe.simulated is None or validation:
            raise InputError("there are no recordings to train on, and the recipe simulates none")
        threads = os.cpu_count() or 1
        training, validation = simulate_corpus(
            recipe.simulated,
            processes=threads,
            progress=lambda done, of: progress("simulating", done / of, {}) if progress else None,
        )
    elif not validation:
        raise InputError("there are no recordings to validate with: the best epoch is chosen by them")
    if provenance is None:
        if not simulated:
            raise InputError("say by `provenance` where the recordings come from and which licence the weights have")
        provenance = _simulated_provenance(recipe)
    with replacing_file(run / "recipe.json") as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(recipe), indent=2) + "\n", encoding="utf-8")

    started = time.monotonic()
    lightning.seed_everything(recipe.seed, verbose=False)
    module = CTCModule(EMG2QwertyNet(**recipe.network), recipe)
    trainer, checkpoint = _trainer(recipe, run, progress)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        trainer.fit(
            module,
            *_loaders(recipe, module.network, Corpus(list(training), list(validation))),
            ckpt_path=str(last_checkpoint) if resume and last_checkpoint.exists() else None,
            weights_only=True,
        )
    if trainer.interrupted:
        raise KeyboardInterrupt
    best = torch.load(checkpoint.best_model_path, weights_only=True)
    network = EMG2QwertyNet(**recipe.network)
    prefix = "network."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in best["state_dict"].items() if k.startswith(prefix)})
    details = {
        **provenance.details,
        "validation CER (%)": round(float(checkpoint.best_model_score or float("nan")), 2),
        "best epoch": int(best["epoch"]) + 1,
        "minutes of training": round((time.monotonic() - started) / 60, 1),
        "date": datetime.now(tz=UTC).date().isoformat(),
        "torch": metadata.version("torch"),
    }
    return export(
        network,
        run / "model",
        provenance=dataclasses.replace(provenance, details=details),
        look_ahead=recipe.future,
    )


def _simulated_provenance(recipe: Recipe) -> Provenance:
    if recipe.simulated is None:
        raise InputError("the recipe simulates nothing")
    corpus = recipe.simulated
    return Provenance(
        license="BSD-3-Clause",
        source="Trained by `myotype train` on simulated EMG only: "
        f"{corpus.recordings} recordings of {corpus.minutes:g} minutes by the simulated typist {corpus.typist!r}, every recording with the bands put on anew.",
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
        drop_last=len(windows) > recipe.batch_size,
    )
    validation: DataLoader[Any] = DataLoader(corpus.validation, batch_size=None)  # type: ignore[arg-type]  # a list is a map-style data set
    return training, validation


def _trainer(recipe: Recipe, run: Path, progress: Progress | None) -> tuple[lightning.Trainer, ModelCheckpoint]:
    checkpoint = ModelCheckpoint(
        run / "checkpoints",
        filename="epoch{epoch:03d}",
        auto_insert_metric_name=False,
        monitor="val/CER",
        mode="min",
        save_last=True,
    )
    callbacks: list[Callback] = [checkpoint]
    if progress is not None:
        callbacks.append(_Report(progress))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_epochs=recipe.epochs,
            accelerator="auto",
            logger=CSVLogger(run, name=None, version=""),
            callbacks=callbacks,
            gradient_clip_val=recipe.gradient_clip,
            check_val_every_n_epoch=recipe.validate_every,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1_000_000,  # figures are logged once an epoch
        )
    return trainer, checkpoint


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
