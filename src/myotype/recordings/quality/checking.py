"""Checking a recording: one pass over it, block by block, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.errors import LabelsError
from myotype.recordings.quality.clocking import ClockMeter, Timeline
from myotype.recordings.quality.electrodes import electrode_findings
from myotype.recordings.quality.findings import CODES, SEVERITIES, Finding, checked_codes
from myotype.recordings.quality.hands import relate
from myotype.recordings.quality.keys import Typing, typing_of
from myotype.recordings.quality.report import Report
from myotype.recordings.quality.signal import BINS, Signal, SignalMeter

if TYPE_CHECKING:
    from myotype.recordings.recording import Recording

_BLOCK: Final = 16  # seconds that are read at a time


def check(
    recording: Recording,
    *,
    ignore: Iterable[str] = (),
    progress: Callable[[float], None] | None = None,
) -> Report:
    """Look for what is wrong with a recording.

    It is read once, in blocks of 16 s.

    Parameters
    ----------
    recording
        An open recording.
    ignore
        Codes of findings to leave out (see :data:`CODES`).
    progress
        Called with the share of the recording that has been read, 0 to 1.

    Returns
    -------
    Report
        What was found, the worst first, and what was measured.

    Raises
    ------
    InputError
        If something that is no code is to be ignored.
    RecordingError
        If the samples cannot be read. Labels that cannot be are a finding.
    """
    ignored = checked_codes(ignore)
    signal, timeline = _measured(recording, progress or (lambda _: None))
    findings = [*timeline.findings(), *electrode_findings(signal)]
    typing, about_labels = _labels(recording, timeline)
    findings += about_labels
    hands = None
    if typing is not None and typing.n_keys:
        placed = np.isfinite(typing.places)
        bins = (typing.places[placed] * recording.sfreq * BINS / signal.second).astype(np.int64)
        keys = [press.key for press, known in zip(recording.key_presses, placed, strict=True) if known]
        hands = relate(signal.envelope, keys, bins)
        if hands is not None:
            findings += hands.findings()
    order = {code: (SEVERITIES.index(CODES[code].severity), at) for at, code in enumerate(CODES)}
    return Report(
        name=recording.name,
        user=_user(recording),
        findings=tuple(
            sorted((found for found in findings if found.code not in ignored), key=lambda found: order[found.code])
        ),
        signal=signal,
        timeline=timeline,
        typing=typing,
        hands=hands,
        notes=recording.notes,
    )


def _measured(recording: Recording, progress: Callable[[float], None]) -> tuple[Signal, Timeline]:
    meter = SignalMeter(recording.n_samples, recording.sfreq)
    clock = ClockMeter(recording.sfreq, meter.second // BINS)
    block = _BLOCK * meter.second
    for start in range(0, recording.n_samples, block):
        meter.add(recording.emg[start : start + block])
        clock.add(recording.times[start : start + block])
        progress(min(1.0, (start + block) / recording.n_samples))
    return meter.result(), clock.result()


def _labels(recording: Recording, timeline: Timeline) -> tuple[Typing | None, list[Finding]]:
    try:
        _ = recording.user
        return typing_of(recording.key_presses, recording.prompts, recording.condition, timeline)
    except LabelsError as error:
        return None, [Finding("labels-unreadable", str(error))]


def _user(recording: Recording) -> str:
    try:
        return recording.user
    except LabelsError:
        return ""
