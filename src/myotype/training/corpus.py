"""Recordings to train on, made by the simulator in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

import numpy as np

from myotype.recordings import Recording
from myotype.simulation import simulate
from myotype.training.recipes import SimulatedCorpus

_VALIDATION_SEED = 500


class Corpus(NamedTuple):
    """What a run trains on and what it chooses its best epoch by."""

    training: list[Recording]
    validation: list[Recording]


def simulate_corpus(
    settings: SimulatedCorpus, *, processes: int, progress: Callable[[int, int], None] | None = None
) -> Corpus:
    """Simulate a corpus.

    Parameters
    ----------
    settings
        What to simulate.
    processes
        How many recordings are simulated at a time.
    progress
        Called with the numbers of recordings done and asked for.
    """
    jobs = []
    for seed, count, minutes in (
        (settings.seed, settings.recordings, settings.minutes),
        (settings.seed + _VALIDATION_SEED, settings.validation_recordings, settings.validation_minutes),
    ):
        speeds = np.linspace(*settings.speeds, num=count) if count > 1 else [np.mean(settings.speeds)]
        for index, speed in enumerate(speeds):
            jobs.append((settings.typist, minutes, float(speed), seed + index))
    recordings: list[Recording | None] = [None] * len(jobs)
    # Fresh processes: a fork of one that has threads, as torch does, may hang.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(_simulate, *job): index for index, job in enumerate(jobs)}
        for done, future in enumerate(as_completed(futures), start=1):
            recordings[futures[future]] = future.result()
            if progress is not None:
                progress(done, len(jobs))
    whole = [recording for recording in recordings if recording is not None]
    return Corpus(whole[: settings.recordings], whole[settings.recordings :])


def _simulate(typist: str, minutes: float, speed: float, seed: int) -> Recording:
    # The seed is that of the donning too: every recording is made with the bands put on anew.
    return simulate(minutes=minutes, typist=typist, speed=speed, seed=seed, session=seed)
