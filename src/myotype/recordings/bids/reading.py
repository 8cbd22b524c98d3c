"""Opening EMG-BIDS recordings: BDF and EDF, with or without the sidecars that belong to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from myotype.errors import LabelsError, RecordingError
from myotype.recordings.bids.channels import Channel, Layout, layout
from myotype.recordings.bids.edf import ANNOTATIONS, HIGHEST_RATE, EdfFile
from myotype.recordings.bids.events import Events, read_events
from myotype.recordings.bids.names import OWN, entities, is_bids_name, plain_user, start_of
from myotype.recordings.bids.sidecars import facts_of, finite_number, nearest
from myotype.recordings.bids.timing import LARGEST_TIME, REGULAR, Stretch, StretchedTimes, parse_stretches
from myotype.recordings.bids.units import checked_units, correction, robust_rms, unit_of
from myotype.recordings.bids.writing import VERSION, deviation_note, replaced_note, times_note
from myotype.recordings.recording import N_CHANNELS, ON_KEYBOARD, Prompt, Recording
from myotype.transcript import KeyPress

PROMPTED: Final = "prompted"
"""The condition of a recording whose events have prompts and no keystrokes, and which does not say how it was typed."""

_LOOKED_AT: Final = 0.25  # seconds of each window that tells whether the numbers can be in the declared unit
_RATE_TOLERANCE: Final = 1e-3  # between what a header and a sidecar say


class SignalFile(Protocol):
    """A file of signals, whatever its format."""

    @property
    def channels(self) -> Sequence[Channel]:
        """The signals that are no texts."""
        ...

    @property
    def n_samples(self) -> int:
        """How many samples each of the chosen channels has."""
        ...

    @property
    def sfreq(self) -> float:
        """Samples a second of the chosen channels."""
        ...

    @property
    def block(self) -> int:
        """How many of their last samples may be there only to fill the file up."""
        ...

    @property
    def start(self) -> float | None:
        """Unix seconds of the first sample, if the file says."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What is odd about the file."""
        ...

    def choose(self, order: Sequence[int]) -> None:
        """Say which channels are to be read, before anything else is asked."""
        ...

    def read(self, scale: npt.NDArray[np.float64], start: int, stop: int) -> npt.NDArray[np.float32]:
        """Read the chosen channels, multiplied by a factor each."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def open_bids(path: str | os.PathLike[str], *, units: str | None = None) -> Recording:
    """Open a BDF or EDF file with the sidecars of EMG-BIDS that belong to it; samples are read when asked for.

    A file that has a name of BIDS (``sub-.._emg.bdf``) needs its ``emg.json`` and ``channels.tsv``; any other is taken
    as it is. Times are in seconds of what the file's own clock says, if :func:`myotype.recordings.write_bids` wrote it;
    else they count from the start that the session's label has (unix seconds), or the header's date, or 0.

    Parameters
    ----------
    path
        The signal. It stays open until the recording is closed.
    units
        What its numbers are in (V, mV, uV, nV), whatever it declares.

    Returns
    -------
    Recording
        What had to be assumed stands in its notes. Events that are missing or malformed raise
        :class:`~myotype.errors.LabelsError` when they are asked for, not here.

    Raises
    ------
    RecordingError
        If a signal or a sidecar is missing, malformed or contradicts another.
    InputError
        If there is no such unit.
    """
    return open_signal(Path(path), _Edf, units=units)


def open_signal(path: Path, reader: Callable[[Path], SignalFile], *, units: str | None = None) -> Recording:
    """Open a file of signals with the sidecars that belong to it.

    Parameters and errors are those of :func:`open_bids`; `reader` opens the file.
    """
    unit = checked_units(units)
    facts, described = facts_of(path)
    table = nearest(path, "_channels.tsv")
    if is_bids_name(path):
        for sidecar, ending in ((described, "emg.json"), (table, "channels.tsv")):
            if sidecar is None:
                raise RecordingError(f"{path}: its {ending} is missing: copy or download it to where the signal is")
    file = reader(path)
    try:
        signal = _Signal(path, file, facts, described, layout(file.channels, table, facts, str(path), unit), unit)
        labels = _Labels(path, signal)
        return Recording(
            emg=signal,
            times=signal.times,
            sfreq=signal.sfreq,
            key_presses=labels.key_presses,
            prompts=labels.prompts,
            user=signal.own.user if signal.own else plain_user(entities(path).get("sub", "")),
            name=signal.own.name if signal.own else path.stem.removesuffix("_emg"),
            condition=signal.own.condition if signal.own else labels.condition,
            notes=signal.notes,
            close=file.close,
        )
    except BaseException:
        file.close()
        raise


@dataclass(frozen=True, slots=True)
class Own:
    """What :func:`myotype.recordings.write_bids` has written about a recording, checked."""

    user: str
    name: str
    condition: str
    n_samples: int
    start: float
    stretches: tuple[Stretch, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, facts: dict[str, Any], where: str) -> Own | None:
        """Read it from the content of an ``emg.json``; None where it has nothing of the kind."""
        content = facts.get(OWN)
        if content is None:
            return None
        version = content.get("FormatVersion") if isinstance(content, dict) else None
        if version != VERSION:
            raise RecordingError(
                f"{where}: what stands under {OWN} is of version {version!r}, and this myotype reads {VERSION}"
            )
        kinds: dict[str, Any] = {
            "User": str, "Name": str, "Condition": str, "SampleCount": int, "Start": (int, float),
            "LargestDeviation": (int, float), "ReplacedValues": int, "ReplacedTimes": int,
        }  # fmt: skip
        for key, kind in kinds.items():
            value = content.get(key)
            if not isinstance(value, kind) or (kind is not str and finite_number(value) is None):
                raise RecordingError(f"{where}: {OWN}.{key} is missing or malformed: {value!r}")
        if abs(content["Start"]) > LARGEST_TIME or content["SampleCount"] < 1:
            raise RecordingError(f"{where}: {OWN} has an absurd start or number of samples")
        n_samples = content["SampleCount"]
        notes = []
        if content["LargestDeviation"] > REGULAR:
            notes.append(deviation_note(content["LargestDeviation"]))
        if content["ReplacedValues"]:
            notes.append(replaced_note(content["ReplacedValues"]))
        if content["ReplacedTimes"]:
            notes.append(times_note(content["ReplacedTimes"]))
        stretches = parse_stretches(content.get("Stretches"), n_samples, where)
        return cls(
            user=content["User"],
            name=content["Name"],
            condition=content["Condition"],
            n_samples=n_samples,
            start=float(content["Start"]),
            stretches=stretches,
            notes=tuple(notes),
        )


class _Signal:
    """The samples and times of a file, in microvolts and seconds."""

    def __init__(
        self,
        path: Path,
        file: SignalFile,
        facts: dict[str, Any],
        described: Path | None,
        found: Layout,
        unit: str | None,
    ) -> None:
        where = str(described or path)
        self._file = file
        self.own = Own.of(facts, where)
        file.choose(found.order)
        self.sfreq = _sampling_rate(file.sfreq, facts, str(path))
        self._scale = np.array(found.microvolts)
        n_samples, notes = self._true_count(facts, where)
        self.shape = (n_samples, N_CHANNELS)
        notes = [*file.notes, *found.notes, *(self.own.notes if self.own else ()), *notes]
        if unit is None and self.own is None:  # whoever wrote the numbers here knew what they are in
            rms = robust_rms(lambda a, b: self[slice(a, b)], n_samples, max(1, round(_LOOKED_AT * self.sfreq)))
            factor, note = correction(rms, found.declared, str(path))
            self._scale = self._scale * factor
            notes += [note] if note else []
        self.notes = tuple(notes)
        if self.own:
            self.start, stretches = self.own.start, self.own.stretches
        else:
            label = start_of(entities(path).get("ses", ""))
            self.start = next((start for start in (label, file.start) if start is not None), 0.0)
            stretches = (Stretch(0, 0.0, self.sfreq),)
        self.times = StretchedTimes(n_samples, self.start, stretches)

    def __getitem__(self, window: slice) -> npt.NDArray[np.float32]:
        if window.start >= window.stop:
            return np.empty((0, N_CHANNELS), dtype=np.float32)
        return self._file.read(self._scale, window.start, window.stop)

    def _true_count(self, facts: dict[str, Any], where: str) -> tuple[int, list[str]]:
        """Give how many samples are real: those after them fill the last record up."""
        held, block = self._file.n_samples, self._file.block
        if self.own is not None:
            if not held - block < self.own.n_samples <= held:
                raise RecordingError(f"{where}: the recording has {self.own.n_samples} samples, its file {held}")
            return self.own.n_samples, []
        duration = finite_number(facts.get("RecordingDuration"))
        if duration is None or not 0 < duration < 1e9:
            return held, []
        wanted = round(duration * self.sfreq)
        # Some take the time of the last sample for the duration, which is a sample less.
        if wanted in (held, held - 1):
            return held, []
        if held - block < wanted < held:
            filling = self._file.read(self._scale, wanted, held)
            if (filling == filling[0]).all():
                return wanted, []
            cut = f"{held - wanted} samples at the end are not used, though they differ"
            return wanted, [f"{cut}: emg.json gives the duration as {duration:g} s, so they only fill the last record"]
        return held, [
            f"emg.json gives the duration as {duration:g} s; the file has {held / self.sfreq:g} s, and all is used"
        ]


class _Labels:
    """What the events of a recording say, read when it is asked for."""

    def __init__(self, path: Path, signal: _Signal) -> None:
        self._path = path
        self._start = signal.start
        self._n_samples = signal.shape[0]
        self._duration = self._n_samples / signal.sfreq

    @cached_property
    def _events(self) -> Events:
        path = nearest(self._path, "_events.tsv")
        if path is None:
            raise LabelsError(
                f"{self._path}: its events.tsv is missing. The signal does not need it: the recording can still be"
                " transcribed."
            )
        return read_events(path, n_samples=self._n_samples, duration=self._duration)

    def key_presses(self) -> tuple[KeyPress, ...]:
        start = self._start
        return tuple(KeyPress(press.key, start + press.down, start + press.up) for press in self._events.key_presses)

    def prompts(self) -> tuple[Prompt, ...]:
        start = self._start
        return tuple(
            Prompt(prompt.text, start + prompt.start, start + prompt.end, prompt.name, prompt.has_payload)
            for prompt in self._events.prompts
        )

    def condition(self) -> str:
        events = self._events
        return PROMPTED if events.prompts and not events.key_presses else ON_KEYBOARD


class _Edf:
    """A BDF or EDF file as a file of signals."""

    def __init__(self, path: Path) -> None:
        self._file = EdfFile(path)
        self._signals = [signal for signal in self._file.signals if signal.label not in ANNOTATIONS]
        self._chosen = self._signals
        self.channels = [Channel(signal.label, unit_of(signal.dimension)) for signal in self._signals]
        self.start = self._file.start
        self.notes = self._file.notes
        self.close = self._file.close
        self.block = self.n_samples = 0
        self.sfreq = 0.0

    def choose(self, order: Sequence[int]) -> None:
        self._chosen = [self._signals[at] for at in order]
        rates = sorted({signal.samples for signal in self._chosen})
        if len(rates) > 1:
            raise RecordingError(f"{self._file.path}: its EMG channels have different rates: {rates} samples a record")
        (self.block,) = rates
        self.n_samples = self._file.n_records * self.block
        self.sfreq = self.block / self._file.record_seconds

    def read(self, scale: npt.NDArray[np.float64], start: int, stop: int) -> npt.NDArray[np.float32]:
        return self._file.read(self._chosen, scale, start, stop)


def _sampling_rate(found: float, facts: dict[str, Any], where: str) -> float:
    if found > HIGHEST_RATE:
        raise RecordingError(f"{where}: its header has {found:g} samples a second, more than any recording of muscles")
    said = facts.get("SamplingFrequency")
    if said is None:
        return float(f"{found:.6g}")
    declared = finite_number(said)
    if declared is None or not abs(declared / found - 1) <= _RATE_TOLERANCE:
        raise RecordingError(f"{where}: its header has {found:g} samples a second, its emg.json {said!r}")
    return declared
