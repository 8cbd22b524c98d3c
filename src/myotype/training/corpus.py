"""Recordings to train on, made by the simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from myotype.recordings import Recording
from myotype.simulation import Split, TextStyle, simulate
from myotype.training.recipes import VALIDATION_SEED, SimulatedCorpus


class Corpus(NamedTuple):
    """What a run trains on and what it chooses its best epoch by."""

    training: list[Recording]
    validation: list[Recording]


def simulate_corpus(settings: SimulatedCorpus, progress: Callable[[int, int], None] | None = None) -> Corpus:
    """Simulate a corpus.

    Parameters
    ----------
    settings
        What to simulate.
    progress
        Called with the numbers of recordings done and asked for.
    """
    counts = (settings.recordings, settings.validation_recordings)
    done = 0

    def simulated(split: Split, style: TextStyle, first_seed: int, count: int, minutes: float) -> list[Recording]:
        nonlocal done
        recordings = []
        speeds = np.linspace(*settings.speeds, num=count) if count > 1 else [np.mean(settings.speeds)]
        for seed, speed in enumerate(speeds, start=first_seed):
            # The seed is that of the donning too: for every recording the bands are put on anew.
            recordings.append(
                simulate(
                    minutes=minutes,
                    typist=settings.typist,
                    speed=float(speed),
                    seed=seed,
                    session=seed,
                    split=split,
                    style=style,
                )
            )
            done += 1
            if progress is not None:
                progress(done, sum(counts))
        return recordings

    return Corpus(
        simulated("train", TextStyle(scrambled=settings.scrambled), settings.seed, counts[0], settings.minutes),
        simulated("validation", TextStyle(), settings.seed + VALIDATION_SEED, counts[1], settings.validation_minutes),
    )
