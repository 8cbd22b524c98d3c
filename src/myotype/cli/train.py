"""``myotype train``: train a model."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from myotype.cli.console import progress_bar, say
from myotype.errors import InputError, extra_for


def run(
    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional] = (),
    /,
    *,
    recipe: Literal["demo", "baseline"] = "demo",
    output: Path,
    validation: tuple[Path, ...] = (),
    license: str = "",  # noqa: A002  (the option's name)
    source: str = "",
    epochs: int | None = None,
    seed: int | None = None,
    threads: int = 0,
    resume: bool = False,
) -> int:
    """Train a model and write it as a bundle, OUTPUT/model; the run can be interrupted and resumed.

    Parameters
    ----------
    recordings
        What to train on; with none the recipe's own simulated recordings.
    recipe
        demo: the bundled model, from simulated EMG; baseline: the emg2qwerty generic baseline, for real recordings.
    output
        The run's folder.
    validation
        Recordings that choose the best epoch.
    license
        SPDX identifier of the licence that the weights will have, which the recordings' licence decides.
    source
        A sentence on where the recordings come from.
    epochs
        How often to go through the recordings, if not as often as the recipe says.
    seed
        Of weights, order and augmentation, if not the recipe's.
    threads
        Threads for the network; 0 for as many as there are cores.
    resume
        Go on with the run in OUTPUT.
    """
    with extra_for("training", "train"):
        import torch
    from myotype import recordings as files
    from myotype.runtime import Provenance
    from myotype.runtime.engine import MOST_THREADS
    from myotype.training import RECIPES, train

    chosen = RECIPES[recipe]
    if epochs is not None:
        chosen = dataclasses.replace(chosen, epochs=epochs)
    if seed is not None:
        chosen = dataclasses.replace(chosen, seed=seed)
    if recordings and not (license and source):
        raise InputError("say by --license and --source which licence the weights will have and what they come from")
    if not recordings and (license or source):
        raise InputError(
            "--license and --source are for given recordings; weights from simulated ones are BSD-3-Clause"
        )
    if not 0 <= threads <= MOST_THREADS:
        raise InputError(f"--threads {threads}: give a whole number from 0 (as many as cores) to {MOST_THREADS}")
    if threads:
        torch.set_num_threads(threads)
    with contextlib.ExitStack() as stack, progress_bar() as bar:
        training, validating = (
            [stack.enter_context(files.open(path)) for path in paths] for paths in (recordings, validation)
        )
        shown = 0.0

        def show(stage: str, share: float, figures: dict[str, float]) -> None:
            nonlocal shown
            text = "  ".join(f"{name} {value:.3g}" for name, value in figures.items() if name in ("loss", "val/CER"))
            bar.show(stage, share, text)
            if not bar.visible and stage == "training" and share >= shown + 0.05:
                shown = share
                say(f"{stage}: {share:.0%}  {text}")

        bundle = train(
            chosen,
            output,
            training=training,
            validation=validating,
            provenance=Provenance(license=license, source=source) if recordings else None,
            resume=resume,
            progress=show,
        )
    details = bundle.facts.provenance.details
    say(f"{bundle.folder}: {bundle.facts.parameters:,} parameters, validation CER {details['validation CER (%)']} %")
    return 0
