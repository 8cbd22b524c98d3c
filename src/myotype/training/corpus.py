"""What a run trains on and validates with: recordings that are of use, and those that the simulator makes."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from myotype.errors import InputError, RecordingError
from myotype.keyboard import fold_key
from myotype.network.streaming import StreamingNetwork
from myotype.recordings import Recording
from myotype.recordings.bids.names import plain_user
from myotype.recordings.prepared.placing import place_keys
from myotype.simulation import Split, TextStyle, simulate
from myotype.training.filters import reason_against
from myotype.training.recipes import VALIDATION_SEED, SimulatedCorpus, check_layout
from myotype.training.sources import Source, as_sources

_LISTED: Final = 6  # recordings that are left out are named one by one up to so many
_PIECES, _PIECE = 16, 1000  # places in a recording, and samples at each, that tell it from others
_NUMBER: Final = re.compile(r"\d[\d.]*")


class Corpus(NamedTuple):
    """What a run trains on and what it chooses its best epoch by."""

    training: list[Source]
    validation: list[Source]

    def fit_for(self, network: StreamingNetwork, note: Callable[[str], None]) -> Corpus:
        """Leave out what is of no use for a network, and say so; say, too, what is there twice or cannot be placed.

        Raises
        ------
        InputError
            If the network is not for two bands and the keys, or nothing is left to train on or to validate with.
        """
        check_layout(network)
        kept = Corpus(
            *(
                _useful(part, network, f"recordings to {what}", note)
                for part, what in zip(self, ("train on", "validate with"), strict=True)
            )
        )
        _tell_of_copies(kept, note)
        anonymous = sum(not source.user for source in kept.training)
        if anonymous:
            note(f"{anonymous} of the recordings to train on do not say who typed: they count as one person's")
        return kept

    def fingerprint(self) -> list[dict[str, Any]]:
        """Tell by their contents which recordings these are: an entry each, of plain values.

        What was typed is in it as a whole, of the samples what lies at places spread over all of the recording.
        """
        return [
            {"part": part, "name": source.name, "user": source.user, **(source.contents or _contents(source))}
            for part, sources in zip(self._fields, self, strict=True)
            for source in sources
        ]


def _useful(
    sources: Sequence[Source], network: StreamingNetwork, what: str, note: Callable[[str], None]
) -> list[Source]:
    kept: list[Source] = []
    against: list[tuple[str, str]] = []
    assumed: Counter[str] = Counter()
    n_typed = 0
    for source in sources:
        try:
            with source.open() as recording:
                reason = reason_against(recording, network)
                if reason is None:
                    user = source.user or plain_user(recording.user)
                    kept.append(replace(source, user=user, contents=_contents_of(recording)))
                    assumed.update(_NUMBER.sub("N", one) for one in recording.notes)
                    n_typed += sum(fold_key(press.key) is not None for press in recording.key_presses)
        except RecordingError as error:
            reason = str(error)
        if reason is not None:
            against.append((source.name, reason))
    if not kept:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in against[:_LISTED])
        raise InputError(f"there are no {what}: {reasons or 'none are given'}")
    n_placed = sum(source.contents["keys"] for source in kept if source.contents)
    for line in (*_left_out(against, len(sources), what), *_assumed(assumed, len(kept), what)):
        note(line)
    if n_placed < n_typed:
        lost = f"{n_typed - n_placed} of {n_typed} keys in {what}"
        note(f"{lost} were pressed outside the signal or in a gap: they do not count")
    return kept


def _left_out(against: Sequence[tuple[str, str]], n_sources: int, what: str) -> Iterator[str]:
    if against:
        yield f"{len(against)} of {n_sources} {what} are left out"
    yield from (f"  {name}: {reason}" for name, reason in against[:_LISTED])
    kinds = Counter(_NUMBER.sub("N", reason) for _, reason in against[_LISTED:])
    if kinds:
        yield f"  and {kinds.total()} more: {'; '.join(f'{n} x {kind}' for kind, n in kinds.most_common(3))}"


def _assumed(notes: Counter[str], n_kept: int, what: str) -> Iterator[str]:
    yield from (f"{n} of {n_kept} {what}: {text}" for text, n in notes.most_common(_LISTED))
    if len(notes) > _LISTED:
        yield f"and {len(notes) - _LISTED} more notes on {what}"


def _tell_of_copies(corpus: Corpus, note: Callable[[str], None]) -> None:
    """Say which recordings are there twice, also as files of different forms."""
    seen: dict[Any, str] = {}
    copies: list[str] = []
    for entry in corpus.fingerprint():
        one = f"{entry['name']} ({entry['part']})"
        key = entry["samples"], entry["typed"]
        if key in seen:
            copies.append(f"{seen[key]} and {one}")
        seen.setdefault(key, one)
    for copy in copies[:_LISTED]:
        note(f"{copy} have the same keys and are of the same length: probably one recording, given twice")
    if len(copies) > _LISTED:
        note(f"and {len(copies) - _LISTED} more recordings are given twice")


def _contents(source: Source) -> dict[str, Any]:
    with source.open() as recording:
        return _contents_of(recording)


def _contents_of(recording: Recording) -> dict[str, Any]:
    samples, labels = place_keys(recording)
    typed = hashlib.sha256(labels.astype("<i8").tobytes())
    digest = hashlib.sha256(samples.astype("<i8").tobytes())
    for start in np.unique(np.linspace(0, max(recording.n_samples - _PIECE, 0), _PIECES).astype(int)).tolist():
        digest.update(recording.emg[start : start + _PIECE].astype("<f4").tobytes())
    return {
        "samples": recording.n_samples,
        "rate": recording.sfreq,
        "keys": len(samples),
        "typed": typed.hexdigest(),
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
