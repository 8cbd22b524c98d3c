"""The report on a recording: what was found and what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from myotype.recordings.quality.electrodes import line_share
from myotype.recordings.quality.findings import MOST_SPANS, Finding, Severity

if TYPE_CHECKING:
    import numpy.typing as npt

    from myotype.recordings.quality.clocking import Timeline
    from myotype.recordings.quality.hands import Hands
    from myotype.recordings.quality.keys import Typing
    from myotype.recordings.quality.signal import Signal

POWER_BANDS: Final = ((0, 20), (20, 60), (60, 120), (120, 250), (250, 450), (450, 850), (850, 1000))
"""Hz; the wristbands pass 20 to 850."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a recording after checking it.

    Attributes
    ----------
    name, user
        What the recording is called, and who typed.
    findings
        What was found, the worst first.
    signal, timeline
        What was measured of the signal and of its clock; None where it cannot be read.
    typing
        What was measured of the labels; None where they cannot be read.
    hands
        How bands respond to keys; None where there is too little of either to tell.
    notes
        What was noticed when the recording was opened.
    """

    name: str
    user: str
    findings: tuple[Finding, ...]
    signal: Signal | None = None
    timeline: Timeline | None = None
    typing: Typing | None = None
    hands: Hands | None = None
    notes: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity | None:
        """The worst severity of the findings; None where nothing was found."""
        return self.findings[0].severity if self.findings else None

    @property
    def duration(self) -> float:
        """Seconds of signal; 0 where there is none that can be read."""
        return 0.0 if self.timeline is None else self.timeline.n_samples / self.timeline.sfreq

    @property
    def typical_rms(self) -> float | None:
        """The median over the channels of their rms, microvolts; None where there is no signal to tell from."""
        if self.signal is None or not np.isfinite(self.signal.rms).any():
            return None
        return float(np.nanmedian(self.signal.rms))

    def as_dict(self) -> dict[str, Any]:
        """Give findings and figures as what JSON can hold; what is not a number is None."""
        known: dict[str, Any] = {
            "name": self.name,
            "user": self.user,
            "notes": list(self.notes),
            "findings": [
                {
                    "code": found.code,
                    "severity": found.severity,
                    "message": found.message,
                    "channels": list(found.channels),
                    "spans": [list(span) for span in found.spans],
                    "figures": {name: _finite(value) for name, value in found.figures.items()},
                }
                for found in self.findings
            ],
        }
        if self.timeline is not None:
            line = self.timeline
            known |= {
                "n_samples": line.n_samples,
                "sfreq": line.sfreq,
                "duration": self.duration,
                "start": _finite(line.start),
                "clock_rate": _finite(line.rate),
                "drift_ppm": _finite(line.drift),
                "n_gaps": len(line.gaps),
                "gaps": [{"sample": gap.sample, "seconds": gap.seconds} for gap in line.gaps[:MOST_SPANS]],
                "repeated_times": line.repeated,
                "unreadable_times": line.unreadable,
            }
        if self.signal is not None:
            mains, share = line_share(self.signal)
            known |= {
                "rms": _list(self.signal.rms),
                "mean": _list(self.signal.mean),
                "band_power": {f"{low}-{high}": _list(self.signal.power(low, high)) for low, high in POWER_BANDS},
                "mains": mains,
                "mains_share": _list(share),
                "bad_values": int(self.signal.bad.sum()),
            }
        if self.typing is not None:
            known |= {
                "condition": self.typing.condition,
                "key_presses": self.typing.n_keys,
                "prompts": self.typing.n_prompts,
                "keys_per_second": self.typing.speed,
                "unknown_keys": dict(self.typing.unknown),
            }
        if self.hands is not None:
            known |= {"band_delay": self.hands.delay, "response_peaks": self.hands.peaks.tolist()}
        return known


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _list(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [_finite(round(float(value), 4)) for value in values]
