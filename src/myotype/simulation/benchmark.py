"""The simulated benchmark: a corpus that anybody can make again, and its splits.

``myotype-sim v1`` is frozen: another value of anything below, or a simulator that gives other samples, is another
version. All of its people are of the preset ``realistic``, and all of its results are called simulated.

==========  =========================  =====================  ====================================  ===========
use         people                     recordings of each     prompts                               keys/s
==========  =========================  =====================  ====================================  ===========
train       24: realistic:100 to 123   2 of 5 minutes         train; in the second 30 % scrambled   2.5 to 5.5
validation  4: realistic:200 to 203    1 of 3 minutes         validation                            3 to 5
calibration 8: realistic:300 to 307    2 of 5 minutes         train                                 3 to 5
test        the same 8                 2 of 2 minutes         test                                  3 to 5
==========  =========================  =====================  ====================================  ===========

- Every recording has a donning of its own: those of a person are their sessions 0, 1, 2, ... in the order above.
- Speed: a group's person i = 0, 1, ... gets the place (0.5 + 0.618 i) mod 1 of the range, 0.1 away from its ends; their
  recordings are 0.1 keys/s slower and faster than that, in turn.
- Seeds: 1,000,000 + 10 x the person's number + the session. ``tiny``, a sibling of seconds for tests whose results are
  never reported, begins at 9,000,000.
- Prompts have the default :class:`~myotype.simulation.text.TextStyle`, and are typed with natural mistakes.

The splits: ``zero-shot`` trains on the people to train on and tests on the recordings to test on; ``personal-300`` to
``personal-307`` train on the calibration of one person (the first minutes of it, where fewer are wanted), validate on
nothing and test on the same recordings as ``zero-shot``.

Text and keys are the same on every machine, and so are their times, to the quarter of a microsecond that a float64 of
unix seconds resolves. Samples are the same to float tolerance, which the 12-bit converter turns into a step here and
there. Tests pin two recordings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from myotype.errors import InputError, OutputError, RecordingError
from myotype.files import alone_in
from myotype.recordings import Corpus, Recording, find_recordings, splits
from myotype.recordings.corpus import Entry
from myotype.recordings.prepared import processes
from myotype.recordings.prepared.layout import Meta, read_meta
from myotype.recordings.prepared.preparing import Outcome
from myotype.recordings.prepared.reading import verify
from myotype.recordings.prepared.writing import write_prepared
from myotype.simulation.presets import REALISTIC, Person, Preset, person
from myotype.simulation.simulate import simulate
from myotype.simulation.text import Split, TextStyle

if TYPE_CHECKING:
    import os

Use = Literal["train", "validation", "calibration", "test"]

ZERO_SHOT: Final = "zero-shot"
"""The split that tests on people whom the model has never seen."""

_TEXT: Final[dict[Use, Split]] = {
    "train": "train",
    "validation": "validation",
    "calibration": "train",
    "test": "test",
}
_PACE: Final = 0.1  # keys a second by which a recording is slower or faster than its person
_GOLDEN: Final = 0.618  # multiples of it, modulo 1, spread evenly however many there are
_SEEDS_OF_A_PERSON: Final = 10


@dataclass(frozen=True, slots=True)
class Sitting:
    """What each of a group of people types in one go.

    Attributes
    ----------
    use
        What the recording is for.
    minutes
        How long it is.
    scrambled
        Share of its prompts whose letters are shuffled.
    """

    use: Use
    minutes: float
    scrambled: float = 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """People who take the same part.

    Attributes
    ----------
    numbers
        Which of the preset's people.
    speeds
        Keys a second, from the slowest to the fastest recording.
    sittings
        What each of them types, a donning for each.
    """

    numbers: range
    speeds: tuple[float, float]
    sittings: tuple[Sitting, ...]

    def speed_of(self, index: int) -> float:
        """Give the keys a second of the group's person of an index."""
        low, high = self.speeds[0] + _PACE, self.speeds[1] - _PACE
        return round(low + (high - low) * ((0.5 + _GOLDEN * index) % 1.0), 2)


@dataclass(frozen=True, slots=True)
class Plan:
    """A recording of a benchmark before it is made.

    Attributes
    ----------
    person
        Who types, at the speed that is theirs in this benchmark.
    name
        What the recording is called in the corpus, such as ``"calibration-1"``.
    use
        What it is for.
    session
        Which donning.
    seed
        Of text, rhythm, mistakes and noise.
    minutes
        How long it is.
    speed
        Keys a second, near the person's.
    scrambled
        Share of its prompts whose letters are shuffled.
    """

    person: Person
    name: str
    use: Use
    session: int
    seed: int
    minutes: float
    speed: float
    scrambled: float

    def simulate(self) -> Recording:
        """Make it, in memory."""
        return simulate(
            minutes=self.minutes,
            typist=self.person,
            seed=self.seed,
            session=self.session,
            speed=self.speed,
            split=_TEXT[self.use],
            style=TextStyle(scrambled=self.scrambled),
        )


@dataclass(frozen=True, slots=True)
class Benchmark:
    """People, what they type, and the seeds of it.

    Attributes
    ----------
    version
        Which one.
    first_seed
        What all seeds are counted from.
    groups
        The people.
    preset
        What they are drawn from.
    """

    version: str
    first_seed: int
    groups: tuple[Group, ...]
    preset: Preset = REALISTIC

    @property
    def name(self) -> str:
        """What it is called."""
        return f"myotype-sim {self.version}"

    @property
    def label(self) -> str:
        """What stands beside every result on it."""
        return f"{self.name}, simulated"

    def plans(self) -> tuple[Plan, ...]:
        """Give its recordings, person by person."""
        plans = []
        for group in self.groups:
            for index, number in enumerate(group.numbers):
                who = replace(person(f"{self.preset.name}:{number}"), speed=group.speed_of(index))
                counts: dict[Use, int] = defaultdict(int)
                for session, sitting in enumerate(group.sittings):
                    counts[sitting.use] += 1
                    plan = Plan(
                        person=who,
                        name=f"{sitting.use}-{counts[sitting.use]}",
                        use=sitting.use,
                        session=session,
                        seed=self.first_seed + _SEEDS_OF_A_PERSON * number + session,
                        minutes=sitting.minutes,
                        speed=round(who.speed + (_PACE if session % 2 else -_PACE), 2),
                        scrambled=sitting.scrambled,
                    )
                    plans.append(plan)
        return tuple(plans)

    def splits(self) -> tuple[splits.Split, ...]:
        """Give its splits: the one over people, then one for each who has a calibration."""
        by_use: dict[Use, dict[str, tuple[str, ...]]] = defaultdict(dict)
        people: dict[str, int] = {}
        for plan in self.plans():
            of_use, user = by_use[plan.use], plan.person.name
            of_use[user] = (*of_use.get(user, ()), plan.name)
            people[user] = plan.person.number
        zero_shot = splits.Split(
            ZERO_SHOT,
            train=by_use["train"],
            validation=by_use["validation"],
            test=by_use["test"],
            description=f"{self.label}: people whom the model has never seen",
            made={"method": self.name, "label": self.label},
        )
        return (
            zero_shot,
            *(
                splits.Split(
                    f"personal-{people[user]}",
                    train={user: sessions},
                    validation={},
                    test={user: by_use["test"][user]},
                    kind="personal",
                    description=f"{self.label}: one person, after calibration",
                    made={"method": self.name, "label": self.label},
                )
                for user, sessions in by_use["calibration"].items()
            ),
        )


def _benchmark(
    version: str, first_seed: int, people: tuple[int, int, int], long: float, mid: float, short: float
) -> Benchmark:
    train, validation, test = people
    return Benchmark(
        version,
        first_seed,
        groups=(
            Group(range(100, 100 + train), (2.5, 5.5), (Sitting("train", long), Sitting("train", long, scrambled=0.3))),
            Group(range(200, 200 + validation), (3.0, 5.0), (Sitting("validation", mid),)),
            Group(
                range(300, 300 + test),
                (3.0, 5.0),
                (*[Sitting("calibration", long)] * 2, *[Sitting("test", short)] * 2),
            ),
        ),
    )


V1: Final = _benchmark("v1", 1_000_000, people=(24, 4, 8), long=5.0, mid=3.0, short=2.0)
TINY: Final = _benchmark("tiny", 9_000_000, people=(2, 1, 2), long=0.2, mid=0.1, short=0.1)
"""For tests: never reported."""

BENCHMARKS: Final = {benchmark.version: benchmark for benchmark in (V1, TINY)}


def named(version: str) -> Benchmark:
    """Find a benchmark by its version.

    Raises
    ------
    InputError
        If there is none.
    """
    if version not in BENCHMARKS:
        raise InputError(f"there is no benchmark myotype-sim {version!r}; there are {', '.join(BENCHMARKS)}")
    return BENCHMARKS[version]


def make(
    folder: str | os.PathLike[str],
    version: str | Benchmark = "v1",
    *,
    jobs: int = 1,
    progress: Callable[[Outcome], None] | None = None,
) -> Corpus:
    """Make a benchmark's recordings and splits, as a corpus in the prepared form.

    Recordings that are there and sound are kept, so that a run that was interrupted goes on where it was. The splits
    are written last, each under its name: ``zero-shot.yaml`` and so on.

    Parameters
    ----------
    folder
        Where to. Version 1 takes 2.9 GB.
    version
        Which benchmark: ``"v1"``, or ``"tiny"`` for tests.
    jobs
        How many processes to use.
    progress
        Called with what became of each recording.

    Returns
    -------
    Corpus
        The recordings; :meth:`Split.of <myotype.recordings.splits.Split.of>` divides them.

    Raises
    ------
    InputError
        If there is no such benchmark.
    OutputError
        If the folder cannot be written, is being written by another run, or has recordings of another benchmark.
    """
    benchmark = version if isinstance(version, Benchmark) else named(version)
    if jobs < 1:
        raise InputError(f"{jobs} processes cannot simulate anything; at least 1 is needed")
    root = Path(folder).absolute()
    work = [_Job(benchmark.name, plan, root / plan.person.name / plan.name) for plan in benchmark.plans()]
    with alone_in(root, unfinished=("*",)):
        with closing(processes.do(work, jobs)) as done:
            for outcome in done:
                if progress is not None:
                    progress(outcome)
        for split in benchmark.splits():
            split.save(root / f"{split.name}.yaml")
    return find_recordings(root)


@dataclass(frozen=True, slots=True)
class _Job:
    """A recording to make; it is sent to other processes."""

    benchmark: str
    plan: Plan
    folder: Path

    def __call__(self, go_on: Callable[[], None]) -> Outcome:
        """Make it, unless it is there."""
        go_on()
        entry = Entry(self.folder, "prepared", self.plan.person.name, self.plan.name)
        kept = self._present()
        if kept is not None:
            return Outcome(entry, "kept", kept)
        recording = self.plan.simulate()
        meta = write_prepared(
            self.folder,
            recording,
            user=entry.user,
            session=entry.session,
            source=self._source,
            source_size=0,
            go_on=go_on,
        )
        return Outcome(entry, "prepared", meta)

    @property
    def _source(self) -> list[list[str | int]]:
        return [[self.benchmark], [repr(self.plan)]]

    def _present(self) -> Meta | None:
        """Give what is there, if it is this recording and sound."""
        try:
            meta = read_meta(self.folder)
            if meta.source[:1] == self._source[:1]:
                verify(self.folder)
                return meta if meta.source == self._source else None
        except RecordingError:
            return None
        raise OutputError(f"{self.folder} is a recording that does not belong to {self.benchmark}: choose a new folder")
