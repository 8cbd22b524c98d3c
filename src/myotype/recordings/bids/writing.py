"""Writing recordings as EMG-BIDS, as NEMAR nm000104 is laid out."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from anyascii import anyascii

from myotype.errors import InputError, OutputError, RecordingError
from myotype.files import alone_in, replacing_folder
from myotype.recordings import labels
from myotype.recordings.bids import dataset
from myotype.recordings.bids.bdf_writing import BdfWriter
from myotype.recordings.bids.edf import HIGHEST_RATE
from myotype.recordings.bids.events import format_events
from myotype.recordings.bids.names import OWN, entities
from myotype.recordings.bids.resolution import (
    LARGEST_PHYSICAL,
    Range,
    choose_range,
    is_multiple,
    rounding_range,
)
from myotype.recordings.bids.sidecars import NOT_AVAILABLE, read_json
from myotype.recordings.bids.timing import (
    LARGEST_TIME,
    MOST_STRETCHES,
    ClockFit,
    Stretch,
    StretchedTimes,
    format_stretches,
    largest_deviation,
)
from myotype.recordings.continuity import LARGEST, carry_last_good
from myotype.recordings.multiples import distinct
from myotype.recordings.recording import N_CHANNELS, Recording
from myotype.transcript import KeyPress

VERSION: Final = 1
"""Of what stands in ``emg.json`` under `Myotype`."""

_BLOCK: Final = 2**14  # samples
_LOOKED_AT: Final = 5  # windows of a second that tell the step of the values
_MOST_TRIES: Final = 8  # at writing exactly, each time with the values that the one before did not fit
_WAIT: Final = 60  # seconds, for another process that adds to the same tree
_UNNAMED: Final = "unknown"  # the label of what has no letters and digits
_UNIX: Final = (1e9, 1e10)  # seconds: a clock that begins within these shows unix time


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes
    ----------
    path
        The signal, which :func:`myotype.recordings.open` takes.
    lossless
        Whether every value will be read back exactly as it was.
    largest_deviation
        Seconds that a time will be off when it is read back, at most.
    notes
        What could not be kept as it was.
    """

    path: Path
    lossless: bool
    largest_deviation: float
    notes: tuple[str, ...]


def write_bids(
    root: str | os.PathLike[str],
    recording: Recording,
    *,
    user: str | None = None,
    session: str | None = None,
    task: str = "typing",
    name: str = "Typing with two EMG wristbands",
    license: str | None = None,  # noqa: A002  (as SPDX, BIDS and model cards have it)
    authors: Sequence[str] = (),
    overwrite: bool = False,
) -> Written:
    """Add a recording to a BIDS tree, which begins with the first.

    The signal is BDF in microvolts. Values that are multiples of one step, as those of converters are, come back
    exactly where the eight characters of a header can hold a step that fits; others are rounded to 24 bits of the
    largest. Values that are not finite are replaced by the last good one of their channel, and counted. Times come back
    within a microsecond where the clock is regular; otherwise straight lines are fitted between its breaks. Whatever is
    not kept exactly is said in the notes.

    Parameters
    ----------
    root
        The folder of the tree. What it says of itself already stays as it is.
    recording
        What to write; it is read block by block, twice or more.
    user, session
        The labels, letters and digits. If not given, they follow from the recording's user (numbers filled up to eight
        digits) and its start (unix seconds) or name, written in ASCII; "unknown" where nothing is left of them.
    task
        What was done: letters and digits.
    name, license, authors
        What the description of a new tree says; the licence by its name in SPDX, such as ``"CC-BY-4.0"``.
    overwrite
        Replace the session, if it is there already.

    Raises
    ------
    InputError
        If the recording has no samples or an absurd rate, a label is not of letters and digits, or a text cannot be
        written in UTF-8.
    OutputError
        If the session is there already, or it cannot be written; nothing of it is left then.
    RecordingError
        If the recording cannot be read, its values are beyond 10 volts, or its times are no clock.
    """
    if recording.n_samples == 0:
        raise InputError("the recording has no samples: there is nothing to write")
    if recording.sfreq > HIGHEST_RATE:
        raise InputError(f"{recording.sfreq:g} samples a second are more than any recording of muscles has")
    for what in ("user", "name", "condition"):
        labels.check_storable(getattr(recording, what), what)
    for text in (name, license or "", *authors):
        labels.check_storable(text, "data set's description")
    root = Path(root)
    user, session, task = labels_of(recording, user, session, task)
    path = signal_path(root, user, session, task)
    folder, signal = path.parent, path.name
    stem = f"sub-{user}_ses-{session}"
    if folder.exists() and not overwrite:
        raise OutputError(f"{folder} exists already; give another session, or overwrite it")
    _check_person(folder.parents[1], recording.user)

    survey = _Survey.of(recording)
    times = StretchedTimes(recording.n_samples, survey.start, survey.stretches)
    events = _events(recording, times, survey.start)
    sidecars = {
        f"{stem}_electrodes.tsv": dataset.electrodes_table(),
        f"{stem}_task-{task}_channels.tsv": dataset.channels_table(),
        f"{stem}_task-{task}_events.tsv": events,
    }
    description = f"{stem}_task-{task}_emg.json"
    with (
        _no_empty_folders(root, folder),
        replacing_folder(folder, may_hold=frozenset({signal, description, *sidecars})) as temporary,
    ):
        values, deviation = _write_signal(temporary / signal, recording, survey, times)
        for file, text in sidecars.items():
            (temporary / file).write_text(text, encoding="utf-8", newline="")
        facts = _facts(recording, task, survey, deviation)
        (temporary / description).write_text(dataset.json_text(facts), encoding="utf-8", newline="")
        with alone_in(root, wait=_WAIT):
            dataset.write_dataset(
                root, task=task, name=name, license_name=license, authors=authors, participant=f"sub-{user}"
            )
    return Written(path, values.lossless, deviation, tuple(survey.notes(values, deviation)))


def labels_of(
    recording: Recording, user: str | None = None, session: str | None = None, task: str = "typing"
) -> tuple[str, str, str]:
    """Give the labels of user, session and task that a recording is written under.

    Raises
    ------
    InputError
        If one is not of letters and digits.
    """
    if user is None:
        user = recording.user.zfill(8) if _is_number(recording.user) else _as_label(recording.user)
    if session is None:
        named = re.findall(r"(?<!\d)\d{10}(?!\d)", recording.name)
        start = float(recording.times[:1][0])
        unnamed = str(int(start)) if _is_unix(start) else _as_label(recording.name)
        session = named[-1] if named else unnamed
    for what, label in (("user", user), ("session", session), ("task", task)):
        if not re.fullmatch(r"[A-Za-z0-9]+", label):
            raise InputError(f"a {what} has a label of letters and digits in BIDS, not {label!r}")
    return user, session, task


def signal_path(root: Path, user: str, session: str, task: str) -> Path:
    """Give where a recording with these labels is written to."""
    stem = f"sub-{user}_ses-{session}"
    return root / f"sub-{user}" / f"ses-{session}" / "emg" / f"{stem}_task-{task}_emg.bdf"


@dataclass(slots=True)
class _Survey:
    """What has to be known of a recording before the first sample is written.

    `magnitudes` are those of some of its values, enough to find the step that all are probably multiples of.
    """

    start: float
    stretches: tuple[Stretch, ...]
    magnitudes: npt.NDArray[np.float32]
    largest: float
    replaced: int
    replaced_times: int

    @classmethod
    def of(cls, recording: Recording) -> _Survey:
        magnitudes = distinct(_looked_at(recording))
        guess = choose_range(magnitudes, float(magnitudes.max(initial=0)))
        clock = ClockFit(recording.sfreq)
        largest, bad = 0.0, 0
        for start in range(0, recording.n_samples, _BLOCK):
            samples = recording.emg[start : start + _BLOCK]
            clock.push(recording.times[start : start + _BLOCK])
            if clock.n_stretches > MOST_STRETCHES:
                raise RecordingError(
                    f"{recording.name}: its clock breaks more than {MOST_STRETCHES:,} times, so it tells no times; give"
                    " the recording other ones, or none"
                )
            good = np.abs(samples) <= LARGEST  # what is no number fails this too
            bad += int(good.size - good.sum())
            samples[~good] = 0
            largest = max(largest, float(np.abs(samples).max()))
            misfits = samples[~is_multiple(samples, guess.step)] if guess.lossless else samples[:0]
            if misfits.size:
                magnitudes = np.union1d(magnitudes, distinct(misfits))
                guess = choose_range(magnitudes, largest)
        if largest > LARGEST_PHYSICAL:
            raise RecordingError(
                f"{recording.name}: it has a value of {largest:.3g} microvolts; BDF has room for {LARGEST_PHYSICAL:,}"
            )
        if clock.n_unreadable == recording.n_samples:
            raise RecordingError(
                f"{recording.name}: none of its times is a number of seconds below {LARGEST_TIME:g}, so nothing says"
                " when it begins; if they are milliseconds, divide them"
            )
        return cls(clock.start, clock.stretches(), magnitudes, largest, bad, clock.n_unreadable)

    def notes(self, values: Range, deviation: float) -> Iterator[str]:
        if not values.lossless:
            yield (
                "the values are no multiples of a step that a BDF header can hold: rounded to within"
                f" {values.step / 2:.2g} microvolts"
            )
        if self.replaced:
            yield replaced_note(self.replaced)
        if self.replaced_times:
            yield times_note(self.replaced_times)
        if deviation > 1e-6:
            yield deviation_note(deviation)


def replaced_note(count: int) -> str:
    """Say that values were replaced when a file was written."""
    return f"{count} values that were not finite or absurd were replaced by the last good one of their channel"


def times_note(count: int) -> str:
    """Say that times were replaced when a file was written."""
    return f"{count} times that were no numbers of seconds were counted from the others"


def deviation_note(deviation: float) -> str:
    """Say that times are not as they were."""
    return (
        f"the clock was irregular: times are those of straight lines fitted to it, up to {1e3 * deviation:.3g} ms off"
    )


def _looked_at(recording: Recording) -> npt.NDArray[np.float32]:
    """Give some windows of a recording; what is bad in them counts as 0."""
    window = min(recording.n_samples, max(1, round(recording.sfreq)))
    starts = np.unique(np.linspace(0, recording.n_samples - window, _LOOKED_AT).astype(np.int64))
    samples = np.concatenate([recording.emg[int(start) : int(start) + window] for start in starts])
    samples[~(np.abs(samples) <= LARGEST)] = 0
    return samples


def _write_signal(path: Path, recording: Recording, survey: _Survey, times: StretchedTimes) -> tuple[Range, float]:
    """Write the samples, exactly if a step is found that fits all; give how, and how far times are off at most."""
    magnitudes = survey.magnitudes
    for _ in range(_MOST_TRIES):
        values = choose_range(magnitudes, survey.largest)
        if not values.lossless:
            break
        written = _write_values(path, recording, survey, times, values)
        if isinstance(written, float):
            return values, written
        magnitudes = np.union1d(magnitudes, distinct(written))
    values = rounding_range(survey.largest)
    written = _write_values(path, recording, survey, times, values)
    assert isinstance(written, float)  # noqa: S101  (what is rounded always fits)
    return values, written


def _write_values(
    path: Path, recording: Recording, survey: _Survey, times: StretchedTimes, values: Range
) -> float | npt.NDArray[np.float32]:
    """Write the samples in one way; give how far times are off at most, or samples that would not come back exactly."""
    deviation = 0.0
    last_good = np.zeros(N_CHANNELS, dtype=np.float32)
    with BdfWriter(
        path,
        labels=dataset.channel_labels(),
        sfreq=recording.sfreq,
        values=values,
        n_samples=recording.n_samples,
        start=survey.start if _is_unix(survey.start) else None,
    ) as file:
        for start in range(0, recording.n_samples, _BLOCK):
            stop = min(start + _BLOCK, recording.n_samples)
            samples = recording.emg[start:stop]
            if survey.replaced:
                carry_last_good(samples, np.abs(samples) <= LARGEST, last_good)
                last_good = samples[-1]
            if values.lossless and not (fits := is_multiple(samples, values.step)).all():
                return samples[~fits]
            file.write(samples)
            deviation = max(deviation, largest_deviation(recording.times[start:stop], times[slice(start, stop)]))
    return deviation


def _events(recording: Recording, times: StretchedTimes, start: float) -> str:
    return format_events(
        (KeyPress(press.key, press.down - start, press.up - start) for press in recording.key_presses),
        (
            type(prompt)(prompt.text, prompt.start - start, prompt.end - start, prompt.name, prompt.has_payload)
            for prompt in recording.prompts
        ),
        times.gaps(),
        times.sample_at,
    )


def _facts(recording: Recording, task: str, survey: _Survey, deviation: float) -> dict[str, Any]:
    return {
        "TaskName": task,
        "TaskDescription": "Typing on a keyboard with an EMG wristband on each forearm",
        "SamplingFrequency": recording.sfreq,
        "PowerLineFrequency": NOT_AVAILABLE,
        "HardwareFilters": NOT_AVAILABLE,
        "SoftwareFilters": NOT_AVAILABLE,
        "RecordingType": "discontinuous" if len(survey.stretches) > 1 else "continuous",
        "RecordingDuration": recording.duration,
        "EMGChannelCount": N_CHANNELS,
        "EMGPlacementScheme": "Other",
        "EMGPlacementSchemeDescription": "Two wristbands of 16 electrodes, one on each forearm; see channels.tsv",
        "EMGReference": "bipolar",
        "EMGGround": NOT_AVAILABLE,
        OWN: {
            "Description": (
                "What BIDS has no place for. Sample i of a stretch was taken at Start + Onset + (i - FirstSample) /"
                " SamplingFrequency seconds; the file has SampleCount samples, what follows them fills the last record"
            ),
            "FormatVersion": VERSION,
            "User": recording.user,
            "Name": recording.name,
            "Condition": recording.condition,
            "SampleCount": recording.n_samples,
            "Start": survey.start,
            "Stretches": format_stretches(survey.stretches),
            "LargestDeviation": deviation,
            "ReplacedValues": survey.replaced,
            "ReplacedTimes": survey.replaced_times,
        },
    }


def _check_person(folder: Path, user: str) -> None:
    """See that a person's folder is not that of another, whose name makes the same label."""
    for path in sorted(folder.glob("ses-*/emg/*_emg.json")):
        try:
            content = read_json(path).get(OWN)
        except RecordingError:  # it does not say whose it is, and may be what is to be replaced
            continue
        other = content.get("User") if isinstance(content, dict) else None
        if other is not None and other != user:
            label = entities(path).get("sub")
            raise OutputError(
                f"{path}: sub-{label} is {other!r} there, and this recording's user is {user!r}: write it to another"
                " tree, or with user= under another label"
            )


@contextlib.contextmanager
def _no_empty_folders(root: Path, folder: Path) -> Iterator[None]:
    """Clear away the folders above a session's that were made for it, if it did not come to be."""
    new = [parent for parent in folder.parents if parent.is_relative_to(root) and not parent.exists()]
    try:
        yield
    except BaseException:
        for parent in new:  # the innermost first
            with contextlib.suppress(OSError):  # what is not empty stays
                parent.rmdir()
        raise


def _is_unix(seconds: float) -> bool:
    return _UNIX[0] <= seconds < _UNIX[1]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _as_label(text: str) -> str:
    """Make a label of a name: what other scripts and accents are in ASCII, without all but letters and digits."""
    return re.sub(r"[^A-Za-z0-9]", "", anyascii(text)) or _UNNAMED
