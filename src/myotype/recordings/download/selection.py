"""Which recordings are wanted, and which files these are where no manifest says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from myotype.errors import InputError
from myotype.recordings.download.manifest import RemoteFile
from myotype.recordings.splits.official import known_recordings, known_whole
from myotype.recordings.splits.split import PARTS, Split, session_key, user_key

_WHOLE_SET: Final = (
    RemoteFile("dataset_description.json"),
    *(
        RemoteFile(name, optional=True)
        for name in (
            "README.md",
            "participants.tsv",
            "participants.json",
            "space-leftForearm_coordsystem.json",
            "space-rightForearm_coordsystem.json",
        )
    ),
)
_OF_A_RECORDING: Final = (
    "task-typing_emg.bdf",
    "task-typing_emg.json",
    "task-typing_channels.tsv",
    "task-typing_events.tsv",
    "electrodes.tsv",
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recordings are wanted: those that fulfil every condition that is given.

    Attributes
    ----------
    users
        Of these people; of all if empty.
    sessions
        With these names or starts; all if empty.
    split
        That belong to a part of it; all if None.
    """

    users: Sequence[str] = ()
    sessions: Sequence[str] = ()
    split: Split | None = None

    @property
    def is_everything(self) -> bool:
        """Whether no condition is given."""
        return not self.users and not self.sessions and self.split is None

    def wants(self, user: str | None, session: str) -> bool | None:
        """Say whether a recording is wanted; None where that depends on who typed, which is not known."""
        session = session_key(session)
        if self.sessions and session not in map(session_key, self.sessions):
            return False
        if user is None:
            named = self.split is not None and session in _named(self.split)
            if self.users or (self.split is not None and self.split.train_rest and not named):
                return None
            return self.split is None or named
        user = user_key(user)
        if self.users and user not in map(user_key, self.users):
            return False
        if self.split is None or user in self.split.train_rest:
            return True
        return any(session in self.split.part(part).get(user, ()) for part in PARTS)

    def of(self, files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
        """Give the files of the recordings that are wanted, and those of the whole set first."""
        chosen = sorted(files, key=lambda file: (file.recording or ("", ""), file.path))
        return tuple(file for file in chosen if file.recording is None or self.wants(*file.recording))


def derived_files(selection: Selection) -> tuple[RemoteFile, ...]:
    """Give the files of a selection in NEMAR's naming, where the official splits name all recordings of it.

    Raises
    ------
    InputError
        If they do not; then a manifest is needed.
    """
    known, whole = known_recordings(), known_whole()
    lacking = None
    if selection.is_everything:
        lacking = "all recordings are asked for"
    elif not selection.sessions and selection.split is not None and selection.split.train_rest:
        lacking = f"the split {selection.split.name!r} takes every recording of some people"
    elif not selection.sessions and selection.split is None:
        unknown = sorted({user_key(user) for user in selection.users} - whole)
        lacking = f"every recording of user {unknown[0]} is asked for" if unknown else None
    unknown = [session for session in selection.sessions if session_key(session) not in known]
    if unknown:
        lacking = f"recording {unknown[0]} is asked for"
    if lacking:
        raise InputError(
            f"{lacking}, and not all of them are known by name here (those of user0 to user7 are, and 2 of each of the "
            "96 others): give --manifest, a list of what the server has"
        )
    named = selection.split
    starts = dict(known)
    if named is not None:  # a split of one's own may name others than the official ones do
        starts |= {start: user for part in PARTS for user, found in named.part(part).items() for start in found}
    wanted = sorted((user, start) for start, user in starts.items() if selection.wants(user, start))
    if not wanted:
        raise InputError("no known recording fulfils all the conditions (--users, --sessions, --split)")
    return (*_WHOLE_SET, *(file for recording in wanted for file in _files_of(*recording)))


def _files_of(user: str, start: str) -> Iterable[RemoteFile]:
    names = f"sub-{user:0>8}", f"ses-{start}"
    return (RemoteFile("/".join((*names, "emg", "_".join((*names, ending))))) for ending in _OF_A_RECORDING)


def _named(split: Split) -> frozenset[str]:
    return frozenset(session for part in PARTS for sessions in split.part(part).values() for session in sessions)
