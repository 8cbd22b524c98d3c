"""A training run: from recordings to a bundle."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import pytorch_lightning as lightning
from pytorch_lightning.utilities import rank_zero_only

from myotype.decoding import GreedyDecoder
from myotype.errors import InputError
from myotype.keyboard import KEYS
from myotype.metrics import timing_errors
from myotype.network import export
from myotype.network.pretrained import PretrainedNetwork
from myotype.recordings import Recording
from myotype.runtime import Bundle, Provenance, published
from myotype.training.callbacks import Note, Progress, Table
from myotype.training.checkpoints import read_checkpoint
from myotype.training.corpus import Corpus, simulate_corpus
from myotype.training.distributed import share_statistics
from myotype.training.initial import digest, masked
from myotype.training.loading import WindowData
from myotype.training.loggers import Tracker, trackers
from myotype.training.module import CTCModule, whole_emissions
from myotype.training.recipes import Recipe, SimulatedCorpus
from myotype.training.run_folder import RunFolder
from myotype.training.sources import Source, as_sources
from myotype.training.trainer import Machine, make_trainer, quiet_lightning, readable_errors
from myotype.transcript import Keystroke


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
        A network to go on from; its arguments are then those of the run, and the recipe's `network` may only set masks.
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
        If there is nothing to train on or to validate with, a setting is impossible, or a run is to be resumed with
        another recipe, other recordings or another network to go on from.
    OutputError
        If the folder holds another run and `resume` is not asked for, or other things; or it cannot be written.
    TrainingError
        If the run cannot go on: the loss is no number, the network does not begin to read, or a checkpoint is damaged.
    """
    note = note or (lambda _: None)
    machine = machine or Machine()
    run = RunFolder(folder)
    network = masked(initial, recipe) if initial is not None else recipe.build()
    # What can be wrong with all that is seen before anything is simulated.
    if run.check(resume=resume, recipe=recipe):
        trained, _ = read_checkpoint(run.last_checkpoint, network)
        if trained > recipe.epochs:
            raise InputError(f"{run.path} has gone through {trained} epochs: epochs={recipe.epochs} is fewer")
    table = Table(run, note)
    trainer = make_trainer(recipe, run, machine, table, trackers(track, run.path), progress, note)
    corpus, provenance = _corpus(recipe, Corpus(as_sources(training), as_sources(validation)), provenance, progress)
    corpus = corpus.fit_for(network, note)
    if initial is None:
        lightning.seed_everything(recipe.seed, verbose=False)
        network = recipe.build()
    with run.alone() if _is_first() else nullcontext():
        origin = digest(initial) if initial is not None else None
        resuming = run.begin(recipe, corpus.fingerprint(), resume=resume, initial=origin, write=_is_first())
        if not recipe.augmentation:
            note("no augmentation: every window is seen as it is, over and over")
        if machine.processes > 1:
            share_statistics(network)
        with quiet_lightning(), readable_errors(run, machine):
            data = WindowData(recipe, network, corpus, machine.workers)
            _fit(trainer, CTCModule(network, recipe), data, run.last_checkpoint if resuming else None)
        if not trainer.is_global_zero:
            sys.exit(0)  # the first process does the rest
        best_epoch, best_cer = run.best()
        _, best = read_checkpoint(run.best_checkpoint(best_epoch), network)
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


def _is_first() -> bool:
    """Say whether this is the process that writes."""
    return bool(rank_zero_only(lambda: True)())


def _fit(trainer: lightning.Trainer, module: CTCModule, data: WindowData, checkpoint: Path | None) -> None:
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:
        if trainer.interrupted:  # how Lightning passes on an interrupt
            raise KeyboardInterrupt from None
        raise


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
