"""``myotype simulate``: make recordings of simulated typists."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from myotype.cli.console import progress_bar, say
from myotype.errors import InputError, OutputError

if TYPE_CHECKING:
    from myotype.recordings.prepared.preparing import Outcome


def run(
    text: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    *,
    text_file: Path | None = None,
    keystrokes: Path | None = None,
    minutes: float | None = None,
    people: tuple[str, ...] = ("demo",),
    seeds: tuple[int, ...] = (0,),
    session: int | None = None,
    speed: float | None = None,
    output: Path = Path("simulated"),
    overwrite: bool = False,
    benchmark: str | None = None,
    jobs: int = 1,
) -> int:
    """Make emg2qwerty HDF5 recordings of simulated typists, one for each person and seed; or the simulated benchmark.

    Parameters
    ----------
    text
        What to type.
    text_file
        A file of what to type, one prompt a line.
    keystrokes
        The events.tsv of a recording (EMG-BIDS): the same keys at the same times.
    minutes
        How long to type generated prompts.
    people
        Who types: demo (whom the bundled model reads), easy:N or realistic:N.
    seeds
        Of text, rhythm and noise.
    session
        Which time of putting the bands on; the seed if not given.
    speed
        Keys a second, pauses included; the typist's own if not given.
    output
        A folder, or for a single recording a file that ends in .hdf5.
    overwrite
        Replace recordings that exist already.
    benchmark
        v1: instead, make the corpus and the splits of myotype-sim v1 (2.9 GB; docs/simulation.md) in the output folder.
        What is there and sound is kept, so that an interrupted run goes on. tiny is for tests.
    jobs
        How many processes make the benchmark.
    """
    given = {"a text": text, "--text-file": text_file, "--keystrokes": keystrokes, "--minutes": minutes}
    named = [name for name, value in given.items() if value is not None]
    if benchmark is not None:
        asked = {"--people": people != ("demo",), "--seeds": seeds != (0,), "--session": session is not None}
        asked |= {"--speed": speed is not None, "--overwrite": overwrite}
        if named or any(asked.values()):
            named += [name for name, is_given in asked.items() if is_given]
            raise InputError(f"--benchmark says all of what is simulated; leave out {', '.join(named)}")
        return _make_benchmark(benchmark, output, jobs)
    if jobs != 1:
        raise InputError("--jobs is for --benchmark: other recordings are made one after the other")
    if len(named) != 1:
        raise InputError(f"give one of a text, --text-file, --keystrokes and --minutes; given: {named or 'none'}")
    if text_file is not None:
        text = _read_text(text_file)
    return _make_recordings(text, keystrokes, minutes, people, seeds, session, speed, output, overwrite=overwrite)


def _make_recordings(
    text: str | None,
    keystrokes: Path | None,
    minutes: float | None,
    people: tuple[str, ...],
    seeds: tuple[int, ...],
    session: int | None,
    speed: float | None,
    output: Path,
    *,
    overwrite: bool,
) -> int:
    from myotype.recordings import bids, write_hdf5
    from myotype.simulation import person, recording_name, simulate

    single = output.suffix in (".hdf5", ".h5")
    if single and len(people) * len(seeds) > 1:
        raise InputError(
            f"{output} is one file, but {len(people) * len(seeds)} recordings are asked for: give a folder"
        )
    presses = bids.read_events(keystrokes).key_presses if keystrokes is not None else None
    jobs: dict[Path, tuple[str, int]] = {}
    for name in people:
        for seed in seeds:
            file = recording_name(person(name), seed if session is None else session, seed) + ".hdf5"
            target = output if single else output / file
            if target in jobs:
                raise InputError(f"{name} with seed {seed} is asked for twice")
            if target.exists() and not overwrite:
                raise OutputError(f"{target} exists already: choose another --output, or --overwrite")
            jobs[target] = (name, seed)
    with progress_bar() as bar:
        for done, (target, (name, seed)) in enumerate(jobs.items()):
            bar.show(f"simulating {name}", done / len(jobs))
            recording = simulate(
                text,
                presses,
                typist=name,
                minutes=minutes,
                seed=seed,
                session=seed if session is None else session,
                speed=speed,
            )
            write_hdf5(target, recording)
            say(
                f"{target}: {recording.duration:.1f} s of simulated EMG, {len(recording.key_presses)} keys"
                f" by {recording.user}"
            )
    return 0


def _make_benchmark(version: str, output: Path, jobs: int) -> int:
    from myotype.simulation.benchmark import make, named

    benchmark = named(version)
    total = 60 * sum(plan.minutes for plan in benchmark.plans())
    states: Counter[str] = Counter()
    seconds, keys = 0.0, 0

    with progress_bar() as bar:

        def show(outcome: Outcome) -> None:
            nonlocal seconds, keys
            states[outcome.state] += 1
            if outcome.meta is not None:
                seconds += outcome.meta.n_samples / outcome.meta.sfreq
                keys += outcome.meta.n_keys or 0
            bar.show(f"simulating {benchmark.name}", seconds / total, f"{seconds / 60:.0f} of {total / 60:.0f} min")

        bar.show(f"simulating {benchmark.name}", 0.0)
        make(output, benchmark, jobs=jobs, progress=show)
    say(
        f"{output}: {benchmark.label}: {states.total()} recordings ({states['prepared']} made, {states['kept']} kept), "
        f"{seconds / 60:.1f} min, {keys:,} keys; splits {', '.join(split.name for split in benchmark.splits())}"
    )
    return 0


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as text: {error}") from error
