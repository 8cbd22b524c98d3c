"""What the benchmarks of decoding read: simulated recordings of one typist, and the emissions of a network for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from myotype import Recording, simulate
from myotype.recordings.bids import read_events
from myotype.runtime import Engine
from myotype.simulation.text import Split

SPEEDS = (3.0, 4.5, 6.0)  # keys a second
BLOCK = 8000  # samples in a push


@dataclass
class Source:
    """A recording, and what it is called in a table."""

    name: str
    recording: Recording


def prompts(person: str, split: Split, seeds: tuple[int, ...], minutes: float) -> Iterator[Source]:
    """Simulate prompts at several speeds, once for each seed."""
    for speed in SPEEDS:
        for seed in seeds:
            recording = simulate(minutes=minutes, typist=person, seed=seed, session=seed, split=split, speed=speed)
            yield Source(f"prompts, {speed:g} keys/s", recording)


def real_logs(person: str, events: Path, minutes: float) -> Iterator[Source]:
    """Simulate typing that real keystroke logs (EMG-BIDS events) drive, with the mistakes and backspaces in them."""
    for path in sorted(events.rglob("*_events.tsv")):
        presses = read_events(path).key_presses
        presses = [press for press in presses if press.down < presses[0].down + 60 * minutes]
        if len(presses) < 60:
            continue
        rate = len(presses) / (presses[-1].down - presses[0].down)
        group = "under 3.5" if rate < 3.5 else "3.5 to 5" if rate < 5 else "over 5"
        recording = simulate(key_presses=presses, typist=person, seed=701, session=701)
        yield Source(f"real logs, {group} keys/s", recording)


def emissions_of(engine: Engine, recording: Recording) -> np.ndarray:
    """Run the network over a whole recording."""
    stream = engine.stream()
    parts = []
    for start in range(0, recording.n_samples, BLOCK):
        parts += engine.step([stream], [recording.emg[start : start + BLOCK]])
    return np.concatenate(parts)
