"""Making splits for corpora that have none.

Who and what is drawn depends on the seed and the names alone: not on the order of the corpus, nor on the version of a
random number generator; and a person's draw does not depend on who else is in the corpus.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from myotype.errors import InputError, RecordingError
from myotype.recordings.splits.split import Split, entry_key, user_key

if TYPE_CHECKING:
    from myotype.recordings.corpus import Corpus


def held_out(
    corpus: Corpus,
    people: int,
    *,
    validation: int = 2,
    seed: int = 0,
    without: Sequence[str] = (),
    name: str | None = None,
) -> Split:
    """Hold people out: they are tested on, and the others train and validate.

    Parameters
    ----------
    corpus
        What to divide.
    people
        How many people to test on, with all of their recordings.
    validation
        Recordings of each of the others that are validated on.
    seed
        Another one draws other people and recordings.
    without
        Users to leave out altogether.
    name
        What to call it.

    Raises
    ------
    InputError
        If there are too few people, or people with too few recordings.
    RecordingError
        If a recording is in the corpus twice, or does not say who typed.
    """
    _at_least_one(people, "people held out")
    _at_least_one(validation, "validation recordings")
    sessions = _sessions_by_user(corpus)
    for user in map(user_key, without):
        if sessions.pop(user, None) is None:
            raise InputError(f"there is no user {user} in the corpus to leave out")
    if people >= len(sessions):
        raise InputError(f"{people} of {len(sessions)} people cannot be held out: somebody has to be trained on")
    tested = _drawn(sessions, people, seed, "people")
    others = {user: theirs for user, theirs in sessions.items() if user not in tested}
    few = sorted(user for user, theirs in others.items() if len(theirs) <= validation)
    if few:
        raise InputError(
            f"{len(few)} people have too few recordings for {validation} to validate on and one to train on: "
            f"{', '.join(few)}; leave them out, or validate on fewer"
        )
    validated = {user: _drawn(theirs, validation, seed, user) for user, theirs in others.items()}
    return Split(
        name or f"held-out-{people}-seed{seed}",
        train={user: tuple(set(theirs) - set(validated[user])) for user, theirs in others.items()},
        validation=validated,
        test={user: tuple(sessions[user]) for user in tested},
        description=f"{people} of {len(sessions)} people are tested on; the others train the model",
        made={
            "method": "held-out",
            "people": people,
            "validation": validation,
            "seed": seed,
            **({"without": " ".join(sorted(map(user_key, without)))} if without else {}),
        },
    )


def personal(
    corpus: Corpus, user: str, *, test: int = 2, validation: int = 2, seed: int = 0, name: str | None = None
) -> Split:
    """Divide the recordings of one person.

    Parameters
    ----------
    corpus
        Where their recordings are; those of others do not matter.
    user
        Who.
    test, validation
        How many of their recordings to test and to validate on. The others train.
    seed
        Another one draws other recordings.
    name
        What to call it.

    Raises
    ------
    InputError
        If the person is not there, or has too few recordings.
    RecordingError
        If a recording is in the corpus twice, or does not say who typed.
    """
    _at_least_one(test, "test recordings")
    _at_least_one(validation, "validation recordings")
    user = user_key(user)
    theirs = _sessions_by_user(corpus).get(user, [])
    if not theirs:
        raise InputError(f"there is no user {user} in the corpus")
    if len(theirs) <= test + validation:
        raise InputError(
            f"user {user} has {len(theirs)} recordings: too few to test on {test}, validate on {validation} "
            "and train on one"
        )
    # Drawn together, so that with one seed another number to validate on leaves the tested ones as they are.
    drawn = _drawn(theirs, test + validation, seed, user)
    return Split(
        name or f"user-{user}-seed{seed}",
        train={user: tuple(set(theirs) - set(drawn))},
        validation={user: drawn[test:]},
        test={user: drawn[:test]},
        kind="personal",
        description=f"recordings of user {user}",
        made={"method": "personal", "user": user, "test": test, "validation": validation, "seed": seed},
    )


def _sessions_by_user(corpus: Corpus) -> dict[str, list[str]]:
    sessions: dict[str, list[str]] = defaultdict(list)
    for entry in corpus:
        if not entry.user:
            raise RecordingError(f"{entry.path}: it does not say who typed: people cannot be told apart; name the user")
        user, session = entry_key(entry)
        if session in sessions[user]:
            raise RecordingError(f"recording {session} of user {user} is in the corpus twice: remove one of them")
        sessions[user].append(session)
    return dict(sessions)


def _drawn(names: Iterable[str], count: int, seed: int, purpose: str) -> tuple[str, ...]:
    """Draw names: those whose hash with the seed comes first."""

    def rank(name: str) -> bytes:
        return hashlib.sha256("\0".join((str(seed), purpose, name)).encode("utf-8", "surrogatepass")).digest()

    return tuple(sorted(names, key=rank)[:count])


def _at_least_one(number: int, what: str) -> None:
    if number < 1:
        raise InputError(f"the number of {what} is at least 1, not {number}")
