"""The page that shows what was found in recordings: one HTML file that needs nothing else."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.files import replacing_file
from myotype.recordings.quality import pictures
from myotype.recordings.quality.findings import CODES, MOST_SPANS, SEVERITIES, Finding, Severity, counted

if TYPE_CHECKING:
    import os

    from myotype.recordings.quality.report import Report

_STYLE: Final = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#5b6470;--edge:#d8dde3;--card:#f6f8fa;--left:#1f6feb;
--right:#1a7f37;--accent:#57606a;--error:#c1121f;--warning:#9a5b00;--info:#0a6b5e}
@media(prefers-color-scheme:dark){:root{--bg:#0e1116;--fg:#e6e9ee;--soft:#9aa4b1;--edge:#30363d;--card:#161b22;
--left:#58a6ff;--right:#56d364;--accent:#9aa4b1;--error:#ff7b72;--warning:#e3a03a;--info:#4ac2b0}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1120px;padding:1.25rem;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.2rem;margin:0}h3{font-size:1rem;margin:1.25rem 0 .25rem}
p{margin:.25rem 0}a{color:var(--left)}:focus-visible{outline:3px solid var(--left);outline-offset:2px}
td bdi,td span{white-space:nowrap}
.codes{min-width:11rem}.soft{color:var(--soft)}.error{color:var(--error)}.warning{color:var(--warning)}
.info{color:var(--info)}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;width:100%}th,td{overflow-wrap:normal;padding:.4rem .6rem;text-align:left;
border-bottom:1px solid var(--edge);
vertical-align:top}th{color:var(--soft);font-weight:600;white-space:nowrap}.n{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}
section{margin:1.5rem 0;padding:1rem;border:1px solid var(--edge);border-radius:10px;background:var(--card);
content-visibility:auto;contain-intrinsic-size:auto 1100px}
dl{display:flex;flex-wrap:wrap;gap:.25rem 1.75rem;margin:.75rem 0}dt{color:var(--soft);font-size:.85rem}dd{margin:0}
ul{list-style:none;margin:.5rem 0;padding:0}ul.findings li{padding:.5rem 0 .5rem .75rem;border-left:4px solid;
margin:.5rem 0}ul.findings span{color:var(--fg)}code{font:.9em ui-monospace,monospace;background:var(--bg);
border:1px solid var(--edge);border-radius:5px;padding:0 .3em;color:var(--fg)}
svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}svg.wide{min-width:760px}
svg text{fill:var(--soft)}svg .title{fill:var(--fg);font-weight:600}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,310px),1fr));gap:1rem}
.grid{stroke:var(--edge);fill:none}.line{fill:none;stroke-width:1.8;stroke-linejoin:round}.thin{stroke-width:1;
opacity:.6}.crossed{stroke-dasharray:5 4}.gap{stroke:var(--error);stroke-dasharray:6 3;fill:none}
.line.left{stroke:var(--left)}.line.right{stroke:var(--right)}.line.accent{stroke:var(--accent)}
.line.bad{stroke:var(--error);opacity:1}.fill.left{fill:var(--left)}.fill.right{fill:var(--right)}
.fill.accent{fill:var(--accent)}.fill.bad,text.bad{fill:var(--error)}text.left{fill:var(--left)}
text.right{fill:var(--right)}.fill.error,text.error{fill:var(--error)}.fill.warning,text.warning{fill:var(--warning)}
.fill.info,text.info{fill:var(--info)}text.bad{font-weight:700}
@media(max-width:600px){body{padding:.75rem}section{padding:.75rem}}
@media print{section{break-inside:avoid;content-visibility:visible}}
"""


class Page:
    """A page in the making: reports are added one by one, and only their text is kept.

    A recording takes up to 0.3 MB.
    """

    def __init__(self) -> None:
        self._rows: list[str] = []
        self._sections: list[str] = []
        self._counts = dict.fromkeys(SEVERITIES, 0)
        self._seconds = 0.0
        self._keys = 0

    def add(self, report: Report, path: str | os.PathLike[str]) -> None:
        """Add a recording.

        Parameters
        ----------
        report
            What was found.
        path
            Where it lies, as the reader should see it.
        """
        anchor = f"r{len(self._rows) + 1}"
        if report.severity is not None:
            self._counts[report.severity] += 1
        self._seconds += report.duration
        self._keys += report.typing.n_keys if report.typing is not None else 0
        self._rows.append(_row(report, anchor))
        self._sections.append(_section(report, anchor, str(path)))

    def write(self, path: str | os.PathLike[str], strays: Iterable[tuple[str, str]] = ()) -> None:
        """Write the page.

        Parameters
        ----------
        path
            Where to; what stands there is replaced when all is written.
        strays
            What looks like a recording and was not counted as one: where it lies, and why.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        with replacing_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(self._head(tuple(strays)))
            for section in self._sections:
                file.write(section)
            file.write(_codes())
            file.write("</body></html>\n")

    def _head(self, strays: tuple[tuple[str, str], ...]) -> str:
        noun: dict[Severity, str] = {"error": "errors", "warning": "warnings only"}
        worst = ", ".join(
            f'<span class="{severity}">{self._counts[severity]} with {what}</span>'
            for severity, what in noun.items()
            if self._counts[severity]
        )
        n_recordings = len(self._rows)
        aside = "".join(f"<li><bdi>{_text(where)}</bdi>: {_text(reason)}</li>" for where, reason in strays)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            # Nothing is fetched and nothing is run, whatever the names of recordings may hold.
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>Recordings checked by myotype</title><style>{_STYLE}</style></head><body>"
            f"<h1>Recordings checked</h1><p>{n_recordings} {'recording' if n_recordings == 1 else 'recordings'}, "
            f"{self._seconds / 60:,.0f} minutes, {self._keys:,} key presses: "
            f"{worst or 'nothing found that needs care'}.</p>"
            f'<p class="soft">Checked by <code>myotype data check</code>; '
            f"channels 0-15 are the left band, 16-31 the right one.</p>"
            + (f"<h3>Not counted as recordings</h3><ul>{aside}</ul>" if aside else "")
            + '<div class="scroll" tabindex="0" role="region" aria-label="Recordings"><table><thead><tr>'
            '<th>recording</th><th>findings</th><th>user</th><th class="n">minutes</th><th class="n">keys</th>'
            '<th class="n">keys/s</th><th class="n">rms µV</th></tr></thead>'
            f"<tbody>{''.join(self._rows)}</tbody></table></div>"
        )


def _row(report: Report, anchor: str) -> str:
    typing = report.typing
    rms = report.typical_rms
    findings = ", ".join(f'<span class="{found.severity}">{found.code}</span>' for found in report.findings)
    return (
        f'<tr><td><a href="#{anchor}"><bdi>{_text(report.name)}</bdi></a></td>'
        f'<td class="codes">{findings or "none"}</td><td><bdi>{_text(report.user)}</bdi></td>'
        f'<td class="n">{report.duration / 60:.1f}</td>'
        f'<td class="n">{f"{typing.n_keys:,}" if typing is not None else "–"}</td>'
        f'<td class="n">{f"{typing.speed:.1f}" if typing is not None else "–"}</td>'
        f'<td class="n">{"–" if rms is None else f"{rms:.3g}"}</td></tr>'
    )


def _section(report: Report, anchor: str, path: str) -> str:
    facts: list[tuple[str, str]] = [("file", path), ("user", report.user)]
    if report.timeline is not None:
        line = report.timeline
        facts += [
            ("length", f"{report.duration / 60:.2f} min"),
            ("rate", f"{line.sfreq:g} Hz"),
            (
                "clock",
                f"{line.drift:.1f} ppm off, {counted(len(line.gaps), 'gap')}" if np.isfinite(line.drift) else "–",
            ),
        ]
    if report.typing is not None:
        typing = report.typing
        facts += [
            ("condition", typing.condition),
            ("key presses", f"{typing.n_keys:,}, {typing.speed:.2f} a second"),
            ("prompts", f"{typing.n_prompts:,}"),
        ]
    facts += [("note", note) for note in report.notes]
    listed = "".join(f"<div><dt>{name}</dt><dd><bdi>{_text(value)}</bdi></dd></div>" for name, value in facts if value)
    findings = "".join(
        f'<li class="{found.severity}"><strong>{found.severity}</strong> <code>{found.code}</code> '
        f"<span>{_text(found.message.rstrip('.'))}. {_left_out(found)}"
        f'<span class="soft">Leave out with <code>--ignore {found.code}</code>.</span></span></li>'
        for found in report.findings
    )
    wide = pictures.overview(report)
    charts = "".join(
        f"<div>{chart}</div>"
        for chart in (pictures.spectrum(report), pictures.responses(report.hands), pictures.clock(report))
        if chart
    )
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}h"><h2 id="{anchor}h"><bdi>{_text(report.name)}</bdi></h2>'
        f"<dl>{listed}</dl>"
        + (f'<ul class="findings">{findings}</ul>' if findings else "<p>Nothing found.</p>")
        + (f'<div class="scroll" tabindex="0" role="region" aria-label="All channels">{wide}</div>' if wide else "")
        + (f'<div class="charts">{charts}</div>' if charts else "")
        + "</section>\n"
    )


def _left_out(found: Finding) -> str:
    """Say where marks are missing in the picture."""
    more = int(found.figures.get("count", 0)) - len(found.spans)
    full = len(found.spans) == MOST_SPANS and more > 0
    return f"Shown are the first {MOST_SPANS} places. " if full else ""


def _codes() -> str:
    rows = "".join(
        f'<tr><td><code>{code}</code></td><td class="{severity}">{severity}</td><td>{_text(meaning)}</td></tr>'
        for code, (severity, meaning) in CODES.items()
    )
    return (
        "<details><summary>What is looked for</summary>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Codes">'
        f"<table><thead><tr><th>code</th><th>severity</th><th>meaning</th></tr></thead><tbody>{rows}</tbody></table></div>"
        "</details>"
    )


def _text(text: str) -> str:
    """Escape what comes from files; characters that cannot be seen become one that can."""
    return html.escape("".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in text))
