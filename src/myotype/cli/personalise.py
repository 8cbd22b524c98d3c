"""``myotype personalise``: turn a model into one of a person."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import tyro

from myotype.cli.console import progress_bar, resumable, say, warn
from myotype.errors import InputError, extra_for


def run(
    model: Annotated[str, tyro.conf.Positional],
    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    minutes: float | None = None,
    validation: tuple[Path, ...] = (),
    recipe: Path | None = None,
    license: str = "",  # noqa: A002  (the option's name)
    unshare: bool = False,
    seed: int | None = None,
    threads: int = 0,
    resume: bool = False,
) -> int:
    """Train a model further on some minutes of one person's typing: a bundle, OUTPUT/model.

    Part of the typing is held out: it chooses the best epoch, and the error rates before and after are those on it.
    Where nothing better came out, OUTPUT/model is the model as it was. The run can be interrupted and resumed.

    Parameters
    ----------
    model
        What to begin with: a bundle, a bundled model, a checkpoint, or a repository on the Hugging Face Hub.
    recordings
        Of the person, typed on a keyboard: files, or folders of them.
    output
        The run's folder.
    minutes
        Of typing to take, from the beginning; all unless given.
    validation
        Recordings to hold out; the last fifth of each recording unless given.
    recipe
        A YAML file with other settings than those that suit the amount of data.
    license
        SPDX identifier of the licence that the weights will have, if not the model's.
    unshare
        Give each hand of a SplashNet an encoder of its own.
    seed
        Of order and augmentation, if no recipe says it; 0 unless given.
    threads
        Threads for the network; 0 for as many as there are cores.
    resume
        Go on with the run in OUTPUT.
    """
    with extra_for("personalising", "train"):
        import torch

        from myotype.training import gather, load_recipe
        from myotype.training.personalise import personalise
    from myotype.runtime.engine import MOST_THREADS

    if not 0 <= threads <= MOST_THREADS:
        raise InputError(f"--threads {threads}: give a whole number from 0 (as many as cores) to {MOST_THREADS}")
    if threads:
        torch.set_num_threads(threads)
    if not recordings:
        raise InputError("give recordings of the person")
    found = gather(recordings, validation=validation)
    for line in found.notes:
        warn(line)
    with contextlib.ExitStack() as stack, resumable(output), progress_bar() as bar:
        opened = [
            [stack.enter_context(source.open()) for source in part] for part in (found.training, found.validation)
        ]
        result = personalise(
            model,
            opened[0],
            output,
            minutes=minutes,
            validation=opened[1],
            recipe=load_recipe(recipe) if recipe is not None else None,
            license=license or None,
            unshare=unshare,
            seed=seed,
            resume=resume,
            progress=bar.follow,
            note=warn,
        )
    simulated = " (simulated)" if result.bundle.facts.provenance.simulated else ""
    say(
        f"{result.bundle.folder}: {result.seconds / 60:.1f} minutes{simulated}; CER on {result.before.target_length} "
        f"keys that were held out: {100 * result.before.cer:.1f} % before, {100 * result.after.cer:.1f} % after"
    )
    return 0
