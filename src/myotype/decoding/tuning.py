"""Finding the weights of a language model that suit a network: by the errors that the search makes with them."""
# ruff: noqa: PLC0415  (what is compiled is imported when it is used)

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from myotype.decoding.choosing import BASELINE, Weights, beam_decoder
from myotype.decoding.decoder import Decoder, joined
from myotype.decoding.greedy import GreedyDecoder
from myotype.errors import InputError
from myotype.keyboard import labels_to_text
from myotype.metrics import ErrorRates, error_rates

if TYPE_CHECKING:
    from myotype.decoding.automaton import LanguageModel

LM_WEIGHTS: Final = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
INSERTION_BONUSES: Final = (0.0, 1.0, 2.0, 3.0, 4.0)
BEAM_SIZES: Final = (10, 20, 50, 100)

TOLERANCE: Final = 0.0005
"""How much worse than the best, in CER, a smaller and so faster beam may be."""

FEW_KEYS: Final = 1000
"""With fewer keys than these, differences between weights are mostly chance."""

_MOST_TRIALS: Final = 10_000

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a network made of a recording, and what was typed in it.

    Attributes
    ----------
    emissions
        (frames, labels) natural-log probabilities of every stretch without gaps; each is decoded by itself.
    truth
        What was typed, one symbol a key.
    """

    emissions: Sequence[npt.NDArray[np.floating]]
    truth: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What a search with some weights makes of all samples.

    Attributes
    ----------
    weights
        With which it searched.
    rates
        The errors that it made, all samples together.
    frames_per_second
        Of decoding, on one core. It is measured, so it plays no part when results are compared.
    """

    weights: Weights
    rates: ErrorRates
    frames_per_second: float = field(compare=False, default=0.0)


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was found.

    Attributes
    ----------
    greedy
        The errors of greedy decoding.
    before
        The search with the weights that were used before.
    trials
        Everything that was tried with its beam size, in the order of weights and bonuses.
    beams
        The best weights with beams of several sizes, ascending.
    best
        The one to be used: of `beams` the smallest that is hardly worse than the best of them, if it makes fewer errors
        than `before`, which otherwise stays.
    differing
        How many keys `best` reads otherwise than `before`: the edit distance between what they read.
    """

    greedy: ErrorRates
    before: Trial
    trials: tuple[Trial, ...]
    beams: tuple[Trial, ...]
    best: Trial
    differing: int

    @property
    def is_better(self) -> bool:
        """Whether anything makes fewer errors than the weights that were used before."""
        return self.best.rates.errors < self.before.rates.errors

    @property
    def is_certain(self) -> bool:
        """Whether it is better by more than chance: by more than twice the square root of the keys that differ.

        Were it a coin's toss with which weights each of these is right, the gain would be less in 97 of 100 cases.
        """
        return self.before.rates.errors - self.best.rates.errors > 2 * math.sqrt(self.differing)

    @property
    def edges(self) -> tuple[str, ...]:
        """Say where the best lies at the edge of what was tried, so that something beyond it may be better."""
        if not self.is_better:
            return ()
        found = []
        sizes = [trial.weights.beam_size for trial in self.beams]
        if len(sizes) > 1 and self.best.weights.beam_size == max(sizes):
            found.append(f"beam_size {max(sizes)} is the largest that was tried")
        for axis, what in enumerate(("lm_weight", "insertion_bonus")):
            tried = {trial.weights[axis] for trial in self.trials}
            value = self.best.weights[axis]
            if len(tried) > 1 and value == max(tried):
                found.append(f"{what} {value:g} is the highest that was tried")
            elif len(tried) > 1 and value == min(tried) and not (axis == 0 and value == 0):
                found.append(f"{what} {value:g} is the lowest that was tried")
        return tuple(found)


def tune(
    samples: Sequence[Sample],
    lm: LanguageModel,
    *,
    frame_rate: float,
    before: Weights = BASELINE,
    lm_weights: Sequence[float] = LM_WEIGHTS,
    insertion_bonuses: Sequence[float] = INSERTION_BONUSES,
    beam_sizes: Sequence[int] = BEAM_SIZES,
    threads: int = 1,
    progress: Progress | None = None,
) -> Tuning:
    """Find the weights with which a beam search makes the fewest errors, and the smallest beam that does as well.

    Every pair of weight and bonus is tried with the beam size of `before`, then those half-way between the best pair
    and its neighbours. Of pairs that make equally many errors the lower weight is taken, then the lower bonus. Then the
    best pair is tried with every beam size. If that is no better than `before`, these weights stay.

    Parameters
    ----------
    samples
        What to decode, and what it should say.
    lm
        The language model.
    frame_rate
        Emission frames a second. Everything is decoded as transcribing does, with the same time to commit a key.
    before
        The weights that are used so far.
    lm_weights, insertion_bonuses, beam_sizes
        What to try. Of a single value there is nothing half-way.
    threads
        How many samples to decode at once; 0 for as many as there are cores. The result does not depend on it.
    progress
        Called as the work goes on, from the thread that called this.

    Raises
    ------
    InputError
        If there are no keys to compare with, nothing to try, or a value that no search takes.
    """
    if not sum(len(sample.truth) for sample in samples):
        raise InputError("nothing was typed in these recordings: there are no keys to tune with")
    weights, bonuses, sizes = checked_grid(lm_weights, insertion_bonuses, beam_sizes)
    with _runner(samples, lm, frame_rate, threads, progress or _silent) as run:
        greedy, first = run("decoding", [None, before])
        pairs = set(product(weights, bonuses))
        trials = run("weights", [Weights(*pair, before.beam_size) for pair in sorted(pairs)])
        best = min(trials, key=_errors).weights
        around = product(_halfway(weights, best.lm_weight), _halfway(bonuses, best.insertion_bonus))
        finer = [Weights(*pair, before.beam_size) for pair in around if pair not in pairs]
        trials = sorted([*trials, *run("finer weights", finer)], key=lambda trial: trial.weights)
        best = min(trials, key=_errors).weights
        beams = run("beam sizes", [best._replace(beam_size=size) for size in sizes])
    least = min(trial.rates.cer for trial in beams)
    chosen = next(trial for trial in beams if trial.rates.cer <= least + TOLERANCE)
    if chosen.rates.errors >= first.rates.errors:
        return Tuning(greedy.rates, first, tuple(trials), tuple(beams), first, 0)
    readers = [beam_decoder(lm, trial.weights, frame_rate) for trial in (first, chosen)]
    read = ([_text(reader, sample.emissions) for reader in readers] for sample in samples)
    differing = sum(Levenshtein.distance(*texts) for texts in read)
    return Tuning(greedy.rates, first, tuple(trials), tuple(beams), chosen, differing)


def checked_grid(
    lm_weights: Sequence[float], insertion_bonuses: Sequence[float], beam_sizes: Sequence[int]
) -> tuple[list[float], list[float], list[int]]:
    """Give what is to be tried in order, each value once.

    Raises
    ------
    InputError
        If there is nothing, or too much, or a value that no search takes.
    """
    from myotype.decoding.beam import BeamDecoder

    weights, bonuses, sizes = sorted(set(lm_weights)), sorted(set(insertion_bonuses)), sorted(set(beam_sizes))
    if not 0 < len(weights) * len(bonuses) * len(sizes) <= _MOST_TRIALS:
        raise InputError(f"give at least one value of each to try, and at most {_MOST_TRIALS} combinations")
    for weight in weights:
        BeamDecoder(1, lm_weight=weight)
    for bonus in bonuses:
        BeamDecoder(1, insertion_bonus=bonus)
    for size in sizes:
        BeamDecoder(size)
    return weights, bonuses, sizes


def _errors(trial: Trial) -> tuple[int, Weights]:
    return trial.rates.errors, trial.weights


def _halfway(values: Sequence[float], best: float) -> list[float]:
    """Give the best value, and what lies half-way from it to its neighbours."""
    at = values.index(best)
    return [best, *((best + other) / 2 for other in (*values[max(at - 1, 0) : at], *values[at + 1 : at + 2]))]


def _silent(what: str, done: int, whole: int) -> None:
    """Tell nobody."""


Run = Callable[[str, Sequence[Weights | None]], list[Trial]]


@contextmanager
def _runner(
    samples: Sequence[Sample], lm: LanguageModel, frame_rate: float, threads: int, progress: Progress
) -> Iterator[Run]:
    """Give a function that tries weights (None: greedy decoding) on all samples, on as many threads as asked for."""
    n_frames = sum(len(piece) for sample in samples for piece in sample.emissions)
    # Long recordings first: one that is begun last would be waited for.
    longest_first = sorted(range(len(samples)), key=lambda at: -sum(map(len, samples[at].emissions)))

    def run(what: str, wanted: Sequence[Weights | None]) -> list[Trial]:
        work: dict[Future[tuple[ErrorRates, float]], int] = {}
        for number, weights in enumerate(wanted):
            decoder = GreedyDecoder() if weights is None else beam_decoder(lm, weights, frame_rate)
            work |= {pool.submit(_decoded, decoder, samples[at]): number for at in longest_first}
        sums, seconds = [ErrorRates()] * len(wanted), [0.0] * len(wanted)
        for done, future in enumerate(as_completed(work), start=1):
            rates, took = future.result()
            sums[work[future]] += rates  # sums of whole numbers, the same in any order
            seconds[work[future]] += took
            progress(what, done, len(work))
        return [
            Trial(weights or _GREEDY, rates, n_frames / max(took, 1e-9))
            for weights, rates, took in zip(wanted, sums, seconds, strict=True)
        ]

    pool = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        yield run
    finally:
        pool.shutdown(cancel_futures=True)


_GREEDY: Final = Weights(0.0, 0.0, 1)


def _decoded(decoder: Decoder, sample: Sample) -> tuple[ErrorRates, float]:
    """Compare what a decoder reads with the truth, and time it."""
    began = time.thread_time()
    read = _text(decoder, sample.emissions)
    took = time.thread_time() - began
    return error_rates(read, sample.truth), took


def _text(decoder: Decoder, emissions: Iterable[npt.NDArray[np.floating]]) -> str:
    """Read stretch by stretch, as transcribing does."""
    parts = []
    for piece in emissions:
        stream = decoder.stream()
        parts += [stream.push(piece).committed, stream.finish().committed]
    return labels_to_text(joined(parts).labels)
