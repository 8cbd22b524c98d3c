"""What a run trains on and validates with: recordings that are of use, and those that the simulator makes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from myotype.errors import InputError, RecordingError
from myotype.network.streaming import StreamingNetwork
from myotype.recordings import Recording
from myotype.recordings.prepared.placing import place_keys
from myotype.simulation import Split, TextStyle, simulate
from myotype.training.filters import reason_against
from myotype.training.recipes import VALIDATION_SEED, SimulatedCorpus
from myotype.training.sources import Source, as_sources

_LISTED: Final = 6  # recordings that are left out are named one by one up to so many
_HEAD: Final = 4000  # samples that tell recordings apart


class Corpus(NamedTuple):
    """What a run trains on and what it chooses its best epoch by."""

    training: list[Source]
    validation: list[Source]

    def fit_for(self, network: StreamingNetwork, note: Callable[[str], None]) -> Corpus:
        """Leave out what is of no use for a network, and say so.

        Raises
        ------
        InputError
            If nothing is left to train on or to validate with.
        """
        kept = [
            _useful(part, network, f"recordings to {what}", note)
            for part, what in zip(self, ("train on", "validate with"), strict=True)
        ]
        return Corpus(*kept)

    def fingerprint(self) -> list[dict[str, Any]]:
        """Tell by their contents which recordings these are: an entry each, of plain values."""
        return [
            {"part": part, **_fingerprint(source)}
            for part, sources in zip(self._fields, self, strict=True)
            for source in sources
        ]


def _useful(
    sources: Sequence[Source], network: StreamingNetwork, what: str, note: Callable[[str], None]
) -> list[Source]:
    kept, against = [], {}
    for source in sources:
        try:
            with source.open() as recording:
                reason = reason_against(recording, network)
                user = recording.user
        except RecordingError as error:
            reason = str(error)
        if reason is None:
            kept.append(Source(source.name, source.user or user, source.path, source.held))
        else:
            against[source] = reason
    if not kept:
        reasons = "; ".join(f"{source.name}: {reason}" for source, reason in list(against.items())[:_LISTED])
        raise InputError(f"there are no {what}: {reasons or 'none are given'}")
    if against:
        note(f"{len(against)} of {len(sources)} {what} are left out")
        for source, reason in list(against.items())[:_LISTED]:
            note(f"  {source.name}: {reason}")
        if len(against) > _LISTED:
            kinds = Counter(reason.split(" ", 1)[-1] for reason in list(against.values())[_LISTED:])
            note(f"  and {sum(kinds.values())} more: {'; '.join(f'{n} x {kind}' for kind, n in kinds.most_common(3))}")
    return kept


def _fingerprint(source: Source) -> dict[str, Any]:
    with source.open() as recording:
        samples, labels = place_keys(recording)
        digest = hashlib.sha256()
        for array in (samples, labels, recording.emg[:_HEAD]):
            digest.update(np.ascontiguousarray(array).tobytes())
        return {
            "name": source.name,
            "user": source.user,
            "samples": recording.n_samples,
            "keys": len(samples),
            "sha256": digest.hexdigest(),
        }


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

    def simulated(split: Split, style: TextStyle, first_seed: int, count: int, minutes: float) -> list[Source]:
        nonlocal done
        recordings: list[Recording] = []
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
        return as_sources(recordings)

    return Corpus(
        simulated("train", TextStyle(scrambled=settings.scrambled), settings.seed, counts[0], settings.minutes),
        simulated("validation", TextStyle(), settings.seed + VALIDATION_SEED, counts[1], settings.validation_minutes),
    )
