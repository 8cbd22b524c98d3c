"""``myotype data inspect``: look into one recording."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from myotype.cli.console import progress_bar, show_table

if TYPE_CHECKING:
    from myotype.recordings.quality import Report
    from myotype.recordings.quality.signal import Signal

_FIRST_DATE = 1e8  # seconds: a clock below counts from something else than 1970


@dataclass
class Inspect:
    """Look into one recording: who typed, when, how much and how fast, and what may be wrong with it.

    Attributes
    ----------
    recording
        Any recording that `myotype transcribe` takes.
    as_json
        Print all that is known as a JSON object.
    """

    recording: Annotated[Path, tyro.conf.Positional]
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False

    def run(self) -> int:
        """Do it, and give the exit code."""
        from myotype import recordings
        from myotype.recordings.quality import check

        with progress_bar() as bar, recordings.open(self.recording) as recording:
            report = check(recording, progress=lambda share: bar.show(f"reading {self.recording.name}", share))
        if self.as_json:
            print(json.dumps({"path": str(self.recording), **report.as_dict()}, indent=2))
        else:
            show_table(_rows(self.recording, report))
        return 0


def _rows(path: Path, report: Report) -> list[tuple[str, str]]:
    rows = [("file", str(path)), ("recording", report.name), ("user", report.user)]
    if (line := report.timeline) is not None:
        if line.start > _FIRST_DATE:
            rows.append(("start", datetime.fromtimestamp(line.start, UTC).isoformat(sep=" ", timespec="milliseconds")))
        rows += [
            ("length", f"{report.duration / 60:.2f} minutes, {line.n_samples:,} samples"),
            (
                "rate",
                f"{line.sfreq:g} Hz; by the clock {line.rate:.8g} Hz ({line.drift:+.1f} ppm), {len(line.gaps)} gaps",
            ),
        ]
    if (typing := report.typing) is not None:
        rows += [
            ("condition", typing.condition),
            ("key presses", f"{typing.n_keys:,}, {typing.speed:.2f} a second"),
            ("keys outside the 98", ", ".join(f"{key} ({count})" for key, count in typing.unknown.items()) or "none"),
            ("prompts", f"{typing.n_prompts:,}"),
        ]
    if report.signal is not None:
        rows += _about_signal(report.signal)
    rows += [("note", note) for note in report.notes]
    rows += [(f"{found.severity}: {found.code}", found.message) for found in report.findings]
    return rows if report.findings else [*rows, ("findings", "none")]


def _about_signal(signal: Signal) -> list[tuple[str, str]]:
    from myotype.recordings.quality.electrodes import line_share
    from myotype.recordings.quality.signal import PER_BAND

    mains, share = line_share(signal)
    bands = {"left": slice(0, PER_BAND), "right": slice(PER_BAND, None)}
    return [
        *(
            (f"rms, {side} band", " ".join(f"{rms:.3g}" for rms in signal.rms[band]) + " µV")
            for side, band in bands.items()
        ),
        ("mains hum", f"{mains:.0f} Hz, up to {100 * share.max():.0f} % of a channel's power"),
    ]
