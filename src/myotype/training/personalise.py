"""Personalising: from a model and some minutes of a person's typing to a model of that person."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from myotype.decoding import GreedyDecoder
from myotype.errors import InputError
from myotype.metrics import ErrorRates, error_rates
from myotype.network import export, load_network
from myotype.network.pretrained import PretrainedNetwork
from myotype.network.splashnet import SplashNet
from myotype.recordings import Recording
from myotype.runtime import Bundle, Provenance
from myotype.training.callbacks import Note, Progress
from myotype.training.corpus import Corpus
from myotype.training.initial import masked
from myotype.training.module import whole_emissions
from myotype.training.recipes import Recipe
from myotype.training.run_folder import RunFolder
from myotype.training.sources import as_sources
from myotype.training.train import train
from myotype.training.trainer import Machine

HELD_OUT: Final = 0.2
"""Share of what was typed that chooses the best epoch, where no recordings are given for that."""

_LEAST_HELD_OUT: Final = 15.0  # seconds: less says nothing about an error rate
_LEAST: Final = 30.0  # seconds to train on
_SEEN: Final = 24_000.0  # seconds of signal that a run goes through, over and over
_EPOCHS: Final = (25, 120)
_VALIDATIONS: Final = 12  # in a run
_PATIENCE: Final = 6


@dataclass(frozen=True, slots=True)
class Personalised:
    """A personal model and what it is worth.

    Attributes
    ----------
    bundle
        The model.
    before, after
        Errors of greedy decoding on what was held out, by the model as it was and by `bundle`. What was held out chose
        the best epoch too, so that `after` is a little too good; test on other recordings.
    seconds
        Of signal that it was trained on.
    """

    bundle: Bundle
    before: ErrorRates
    after: ErrorRates
    seconds: float

    @property
    def improved(self) -> bool:
        """Whether training came to anything; if not, `bundle` is the model as it was."""
        return self.after.errors < self.before.errors


def recipe_for(network: PretrainedNetwork, seconds: float, *, seed: int = 0) -> Recipe:
    """Give the settings that suit an amount of data; ``docs/training.md`` has the measurements behind them.

    Parameters
    ----------
    network
        What is to be personalised.
    seconds
        Of signal to train on.
    seed
        Of order and augmentation.
    """
    fewest, most = _EPOCHS
    epochs = round(min(max(_SEEN / seconds, fewest), most))
    switch = "channel_masking" if isinstance(network, SplashNet) else "spec_augment"
    return Recipe(
        architecture="SplashNet" if isinstance(network, SplashNet) else "EMG2QwertyNet",
        network={switch: True},
        # No later than a network has the signal after the key, and a frame more.
        latest=0.12,
        batch_size=16,
        epochs=epochs,
        learning_rate=2e-3,
        first_learning_rate=1e-5,
        warmup_epochs=1.0,
        schedule="step",
        gradient_clip=2.0,
        ema=0.99,
        validate_every=max(epochs // _VALIDATIONS, 1),
        patience=_PATIENCE,
        plateau=1.0,
        seed=seed,
    )


def personalise(
    model: str | os.PathLike[str],
    recordings: Sequence[Recording],
    folder: str | os.PathLike[str],
    *,
    minutes: float | None = None,
    validation: Sequence[Recording] = (),
    license: str | None = None,  # noqa: A002  (what it is called everywhere)
    recipe: Recipe | None = None,
    unshare: bool = False,
    seed: int | None = None,
    resume: bool = False,
    machine: Machine | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
) -> Personalised:
    """Train a model further on one person's typing.

    Parameters
    ----------
    model
        What to begin with: anything that :func:`myotype.network.load_network` takes.
    recordings
        Of the person, typed on a keyboard, in order of time.
    folder
        Of the run: see :func:`myotype.training.train`.
    minutes
        Of signal to take, from the beginning; None for all.
    validation
        What chooses the best epoch; without any, the last fifth of each recording is held out.
    license
        SPDX identifier of the licence that the personal weights will have, if not the model's.
    recipe
        Settings, if not those of :func:`recipe_for`; its network arguments are masks only.
    unshare
        Give each hand of a SplashNet an encoder of its own.
    seed
        Of order and augmentation; 0 if not given, and not together with `recipe`, which says it.
    resume, machine, progress, note
        See :func:`myotype.training.train`.

    Returns
    -------
    Personalised
        The personal model; the model as it was where nothing better came out.

    Raises
    ------
    InputError
        If there is too little to train on or to hold out, several people typed, or the recipe is for another network.
    """
    note = note or (lambda _: None)
    if recipe is not None and seed is not None:
        raise InputError("the recipe says the seed: give one of them")
    RunFolder(folder).check(resume=resume)
    network = load_network(model)
    parts = divide(recordings, minutes, validation)
    users = {recording.user for part in parts for recording in part}
    if len(users) > 1:
        raise InputError(f"{len(users)} people typed ({', '.join(sorted(users))}): a personal model is one person's")
    corpus = Corpus(*map(as_sources, parts)).fit_for(network, note)
    training, held_out = ([source.held for source in part if source.held is not None] for part in corpus)
    seconds = sum(recording.duration for recording in training)
    chosen = recipe or recipe_for(network, seconds, seed=seed or 0)
    initial = masked(network, chosen)
    provenance = _inherited(network, recordings, license)
    if unshare:
        if not isinstance(initial, SplashNet):
            raise InputError("the hands of this network share no encoder: leave out `unshare`")
        initial.unshare()
    before = greedy_errors(network, held_out)
    bundle = train(
        chosen,
        folder,
        training=training,
        validation=held_out,
        initial=initial,
        provenance=provenance,
        resume=resume,
        machine=machine,
        progress=progress,
        note=note,
    )
    after = trained = greedy_errors(load_network(bundle.folder), held_out)
    if trained.errors >= before.errors:
        note(
            f"personalising made it no better ({100 * before.cer:.1f} % errors before, {100 * trained.cer:.1f} % "
            f"after, on {before.target_length} keys), so the model stays as it was: more typing, or another model to "
            "begin with, may help"
        )
        bundle, after = export(network, bundle.folder), before
    RunFolder(folder).write_json("personalised.json", _figures(before, trained, seconds))
    return Personalised(bundle, before, after, seconds)


def divide(
    recordings: Sequence[Recording], minutes: float | None = None, validation: Sequence[Recording] = ()
) -> tuple[list[Recording], list[Recording]]:
    """Part recordings into what is trained on and what is held out.

    Parameters
    ----------
    recordings
        In order of time.
    minutes
        Of signal to take, from the beginning; None for all.
    validation
        What is held out; without any it is the last fifth of what is taken of each recording.

    Raises
    ------
    InputError
        If there is too little of either.
    """
    if minutes is not None and not minutes > 0:
        raise InputError(f"minutes={minutes}: give a number above 0")
    left = float("inf") if minutes is None else minutes * 60
    training: list[Recording] = []
    held_out = list(validation)
    for recording in recordings:
        taken = min(recording.n_samples, round(min(left, recording.duration) * recording.sfreq))
        if taken < recording.sfreq:  # less than a second: what is left of the minutes
            continue
        left -= taken / recording.sfreq
        kept = taken if validation else round(taken * (1 - HELD_OUT))
        training.append(recording.stretch(0, kept))
        if not validation:
            held_out.append(recording.stretch(kept, taken))
    seconds, seconds_held_out = (sum(one.duration for one in part) for part in (training, held_out))
    if seconds < _LEAST or seconds_held_out < _LEAST_HELD_OUT:
        raise InputError(
            f"{seconds:.0f} s to train on and {seconds_held_out:.0f} s to choose the best epoch by are too little: "
            f"record at least {(_LEAST / (1 - HELD_OUT)) / 60 + 0.75:.1f} minutes"
        )
    return training, held_out


def greedy_errors(network: PretrainedNetwork, recordings: Sequence[Recording]) -> ErrorRates:
    """Count the errors of greedy decoding on whole recordings."""
    network.eval()
    total = ErrorRates()
    for recording in recordings:
        runs = whole_emissions(network, recording)
        total += error_rates("".join(GreedyDecoder().decode(run)[0].text for run in runs), recording.truth)
    return total


def _inherited(network: PretrainedNetwork, recordings: Sequence[Recording], license: str | None) -> Provenance:  # noqa: A002
    """Say where the weights will come from: the model, and who typed."""
    before = network.provenance
    if before is None:
        raise InputError("nothing is known of where the model comes from: save it as a bundle that says so")
    users = ", ".join(sorted({recording.user for recording in recordings}))
    simulated = before.simulated and all(recording.user.startswith("simulated") for recording in recordings)
    return dataclasses.replace(
        before,
        license=license or before.license,
        source=f"Trained further by `myotype personalise` on typing of {users}. Before: {before.source}",
        simulated=simulated,
        details={name: value for name, value in before.details.items() if name not in _OF_BEFORE},
    )


_OF_BEFORE: Final = frozenset({"validation CER (%)", "best epoch", "minutes of training", "date", "myotype", "torch"})


def _figures(before: ErrorRates, after: ErrorRates, seconds: float) -> dict[str, float | str]:
    return {
        "seconds of training data": round(seconds, 1),
        "keys held out": before.target_length,
        "CER before (%)": round(100 * before.cer, 2),
        "CER after (%)": round(100 * after.cer, 2),
        "kept": "the personal model" if after.errors < before.errors else "the model as it was",
    }
