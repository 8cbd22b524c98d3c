"""``myotype data check``: look for what is wrong with recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from myotype.cli.console import ProgressBar, progress_bar, say, show_table, warn
from myotype.errors import InputError, OutputError, RecordingError

if TYPE_CHECKING:
    from myotype.recordings.corpus import Stray
    from myotype.recordings.quality import Report


@dataclass
class Check:
    """Look for what is wrong with recordings: their clocks, electrodes and labels.

    The exit code is 1 where there are errors. --codes says what is looked for.

    Attributes
    ----------
    paths
        Recordings, or folders of them.
    ignore
        Codes of findings to leave out.
    strict
        Exit with 1 where there are warnings, too.
    html
        Write a page with pictures of every recording to this file.
    open
        Open that page in a browser.
    as_json
        Print a JSON object for each recording.
    codes
        Print what is looked for, with codes and severities, and do nothing else.
    """

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    ignore: tuple[str, ...] = ()
    strict: bool = False
    html: Path | None = None
    open: bool = False
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    codes: bool = False

    def run(self) -> int:
        """Do it, and give the exit code."""
        from myotype.recordings.quality import CODES
        from myotype.recordings.quality.findings import checked_codes

        if self.codes:
            show_table([(name, *code) for name, code in CODES.items()], header=("code", "severity", "meaning"))
            return 0
        if not self.paths:
            raise InputError("name at least one recording, or a folder of them")
        if self.open and self.html is None:
            raise InputError("--open shows the page that --html FILE writes: give both")
        checked_codes(self.ignore)  # a slip is told before anything is read
        if self.html is not None and self.html.is_dir():
            raise OutputError(f"{self.html} is a folder: name the file to write, such as {self.html / 'check.html'}")

        recordings, strays = _found(self.paths)
        severities = self._check(recordings, strays)
        n_errors, n_warnings = severities.count("error"), severities.count("warning")
        say(f"{len(recordings)} checked: {n_errors} with errors, {n_warnings} with warnings only")
        return int(n_errors > 0 or (self.strict and n_warnings > 0))

    def _check(self, recordings: list[Path], strays: list[Stray]) -> list[str | None]:
        """Check and show; give the severity of each recording."""
        from myotype.recordings.quality.page import Page

        # Of each report only words are kept: a thousand of them would fill the memory.
        page = Page() if self.html is not None else None
        rows: list[tuple[str, ...]] = []
        sentences: list[tuple[str, ...]] = []
        notes: list[tuple[str, ...]] = []
        severities: list[str | None] = []
        with progress_bar() as bar:
            for path, report in self._reports(recordings, bar):
                if self.as_json:
                    print(json.dumps({"path": str(path), **report.as_dict()}))
                if page is not None:
                    page.add(report, path)
                rows.append(_row(path, report))
                sentences += [(str(path), found.severity, found.code, found.message) for found in report.findings]
                notes += [(str(path), "note", "", note) for note in report.notes]
                severities.append(report.severity)
        if not self.as_json:
            show_table(rows, header=("recording", "user", "minutes", "keys", "keys/s", "rms", "findings"))
            if sentences or notes:
                print()
                show_table([*sentences, *notes])
        for stray in strays:
            warn(f"{stray.path}: not counted as a recording: {stray.reason}")
        if page is not None and self.html is not None:
            page.write(self.html, [(str(stray.path), stray.reason) for stray in strays])
            say(f"{self.html}: a page of {self.html.stat().st_size / 1e6:.1f} MB")
            if self.open:
                import webbrowser

                webbrowser.open(self.html.resolve().as_uri())
        return severities

    def _reports(self, paths: list[Path], bar: ProgressBar) -> Iterator[tuple[Path, Report]]:
        from myotype import recordings
        from myotype.recordings.quality import Finding, Report, check

        for at, path in enumerate(paths):

            def show(share: float, at: int = at, path: Path = path) -> None:
                bar.show(f"checking {path.name}", (at + share) / len(paths), f"{at + 1} of {len(paths)}")

            try:
                with recordings.open(path) as recording:
                    yield path, check(recording, ignore=self.ignore, progress=show)
            except RecordingError as error:
                unreadable = Finding("unreadable", str(error))
                found = () if unreadable.code in self.ignore else (unreadable,)
                yield path, Report(name=path.name, user="", findings=found)


def _found(paths: tuple[Path, ...]) -> tuple[list[Path], list[Stray]]:
    """Give the recordings that the paths name, each once, and what looks like one."""
    from myotype.recordings.corpus import find_recordings

    found: list[Path] = []
    strays: list[Stray] = []
    for path in paths:
        if path.is_dir():
            corpus = find_recordings(path)
            found += [entry.path for entry in corpus]
            strays += corpus.strays
        else:
            found.append(path)
    return list(dict.fromkeys(found)), strays


def _row(path: Path, report: Report) -> tuple[str, ...]:
    """Give a recording's line of the table."""
    typing, rms = report.typing, report.typical_rms
    return (
        str(path),  # two copies may have one name
        report.user,
        f"{report.duration / 60:.1f}",
        "" if typing is None else f"{typing.n_keys}",
        "" if typing is None else f"{typing.speed:.1f}",
        "" if rms is None else f"{rms:.3g}",
        " ".join(found.code for found in report.findings) or "none",
    )
