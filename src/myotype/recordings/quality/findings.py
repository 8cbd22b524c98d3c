"""What can be wrong with a recording: the codes, their severities, and a finding of one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from myotype.errors import InputError

Severity = Literal["error", "warning", "info"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""From the worst on: an error spoils what is read from the recording or trained on it, a warning may, info does not."""


MOST_SPANS: Final = 200
"""Places that a finding tells one by one; the others are counted."""


class Code(NamedTuple):
    """What a code stands for."""

    severity: Severity
    meaning: str


CODES: Final[dict[str, Code]] = {
    "unreadable": Code("error", "the file cannot be opened, or its samples cannot be read"),
    "labels-unreadable": Code("error", "the user, the condition, the key presses or the prompts cannot be read"),
    "labels-missing": Code("error", "nothing is known of what was typed"),
    "short": Code("info", "less than 10 s of signal: most properties cannot be judged"),
    "sampling-rate": Code("warning", "the sampling rate is not the 2000 Hz that models are made for"),
    "clock-backwards": Code("error", "the times run backwards"),
    "unreadable-times": Code("error", "times are not finite numbers"),
    "repeated-times": Code("info", "samples carry the same time as the one before"),
    "gap": Code("warning", "samples are missing between two others"),
    "clock-drift": Code("warning", "the clock runs faster or slower than the samples by more than 500 ppm"),
    "clock-uneven": Code("warning", "apart from gaps, times lie more than 20 ms off the straight line"),
    "not-finite": Code("error", "values are not finite numbers, or absurdly large"),
    "unit-suspicious": Code("error", "the amplitude fits no microvolts"),
    "flat-channel": Code("error", "a channel keeps one value for 0.1 s or longer"),
    "low-amplitude": Code("warning", "a channel is much weaker than the others of its band, or hardly above noise"),
    "high-amplitude": Code("warning", "a channel is much stronger than the others of its band"),
    "saturated": Code("warning", "a channel stays at its largest or smallest value: the amplifier clips"),
    "baseline": Code(
        "warning", "most of a channel's power is below 20 Hz: an offset, movement, or no high-pass filter"
    ),
    "line-noise": Code("warning", "more than a third of a channel's power is mains hum of 50 or 60 Hz"),
    "dead-channel": Code("warning", "an electrode shows nothing of what its neighbours in the ring show"),
    "bridged-channels": Code("warning", "channels show one and the same signal"),
    "inverted-channel": Code("warning", "a channel has the opposite sign of its neighbours in the ring"),
    "swapped-channels": Code("error", "electrodes fit better into the ring in another order"),
    "bands-swapped": Code("error", "the keys of each hand drive the other hand's band"),
    "bands-misaligned": Code("error", "one band runs more than 40 ms behind the other"),
    "keys-misaligned": Code("error", "the muscles act much earlier or later than the keys say"),
    "keys-unrelated": Code("warning", "no muscle activity goes with the key presses"),
    "keys-outside-signal": Code("warning", "keys are pressed before or after the signal, or where samples are missing"),
    "unsorted-keys": Code("error", "key presses are not in order of pressing"),
    "duplicated-keys": Code("warning", "the same key is pressed twice at the same time"),
    "released-early": Code("warning", "keys come up before they go down"),
    "unknown-keys": Code("info", "keys outside the 98 are pressed: they are left out of the text"),
    "few-keys": Code("warning", "less than one key in two seconds"),
    "many-keys": Code("warning", "more than 10 keys a second"),
}
"""Every code, with what it stands for. They are stable: scripts may rely on them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a recording, or worth knowing.

    Attributes
    ----------
    code
        One of :data:`CODES`; a recording has at most one finding of each.
    message
        A sentence: what, where, and what to do.
    channels
        Which channels it concerns, 0 to 31; none where it concerns no channel in particular.
    spans
        Where, in seconds of signal: samples from the first one divided by the sampling rate. Start and end; of more
        than :data:`MOST_SPANS` places, the first.
    figures
        What was measured.
    """

    code: str
    message: str
    channels: tuple[int, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code].severity


def checked_codes(codes: Iterable[str]) -> frozenset[str]:
    """Give the codes as a set.

    Raises
    ------
    InputError
        If one is no code.
    """
    wanted = (codes,) if isinstance(codes, str) else tuple(codes)
    for code in wanted:
        if code not in CODES:
            near = difflib.get_close_matches(code, CODES, 1)
            raise InputError(
                f"there is no finding {code!r}" + (f"; {near[0]!r} is one" if near else f": {', '.join(CODES)} are")
            )
    return frozenset(wanted)


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Write a number of things."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(channels: Iterable[int]) -> str:
    """Write channels as text, neighbours as ranges."""
    runs: list[list[int]] = []
    for channel in sorted(channels):
        if runs and channel == runs[-1][-1] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    parts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    one = len(runs) == 1 and len(runs[0]) == 1
    return f"channel {parts[0]}" if one else f"channels {', '.join(parts)}"
