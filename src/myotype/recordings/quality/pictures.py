"""Pictures of a recording as inline SVG: plain text, small, in the colours of the page that they stand in.

Only numbers and codes go into them: nothing that a file says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.recordings.quality.findings import MOST_SPANS, SEVERITIES
from myotype.recordings.quality.signal import PER_BAND, STRETCHES
from myotype.recordings.recording import N_CHANNELS

if TYPE_CHECKING:
    import numpy.typing as npt

    from myotype.recordings.quality.hands import Hands
    from myotype.recordings.quality.report import Report
    from myotype.recordings.quality.signal import Signal

_COLUMNS: Final = 420  # of the overview, at most: with more, 50 recordings would not fit into 20 MB
_POINTS: Final = 300  # of a line, at most
_WIDTH: Final = 900.0
_MARGIN: Final = 128.0
_ROW: Final = 17.0
_LANE: Final = 16.0
_FINE: Final = 4  # steps of a picture's unit, so that paths are whole numbers


def overview(report: Report) -> str:
    """Draw all channels over the whole recording, with keys, gaps and findings; nothing where there is no signal."""
    signal = report.signal
    if signal is None or report.timeline is None or not len(signal.low):
        return ""
    n_seconds = len(signal.low) / STRETCHES * signal.second / signal.sfreq
    columns = _Columns(signal)
    bad = frozenset(
        channel
        for found in report.findings
        if found.severity != SEVERITIES[-1] and 0 < len(found.channels) < N_CHANNELS
        for channel in found.channels
    )
    parts = []
    for channel in range(N_CHANNELS):
        kind = "bad" if channel in bad else "left" if channel < PER_BAND else "right"
        middle = _row(channel)
        mark = " !" if channel in bad else ""
        parts.append(
            f'<text class="{kind}" x="{_MARGIN - 8}" y="{middle + 4:g}" text-anchor="end">{channel}{mark}</text>'
            f'<path class="fill {kind}" transform="translate({_MARGIN} {middle:g}) '
            f'scale({_WIDTH / columns.count:.5g} {1 / _FINE})" d="{columns.path(channel)}"/>'
        )
    for band, first in (("left band", 0), ("right band", PER_BAND)):
        parts.append(f'<text x="0" y="{_row(first) + 4:g}">{band}</text>')
    bottom = _row(N_CHANNELS - 1) + _ROW
    if report.typing is not None and report.typing.n_keys:
        parts.append(_speed(report.typing.places, n_seconds, bottom + 8))
        bottom += 56
    for found in report.findings:
        if found.spans:
            bottom += _LANE
            marks = "".join(
                f'<rect x="{_at(start, n_seconds):.1f}" y="{bottom - 10:g}" '
                f'width="{max(2.0, _at(end, n_seconds) - _at(start, n_seconds)):.1f}" height="10"/>'
                for start, end in found.spans
                if start <= n_seconds + 1
            )
            parts.append(
                f'<text class="{found.severity}" x="{_MARGIN - 8}" y="{bottom:g}" text-anchor="end">{found.code}</text>'
                f'<g class="fill {found.severity}">{marks}</g>'
            )
    for gap in report.timeline.gaps[:MOST_SPANS]:
        x = _at(gap.sample / report.timeline.sfreq, n_seconds)
        parts.append(f'<path class="gap" d="M{x:.1f} 4V{bottom:g}"/>')
    bottom += 6
    parts.append(_time_axis(n_seconds, bottom))
    height = bottom + 34
    scale = f"a row is ±{columns.scale:g} µV"
    parts.append(f'<text x="{_MARGIN + _WIDTH}" y="{height - 2:g}" text-anchor="end">{scale}</text>')
    return _svg(
        _MARGIN + _WIDTH + 8,
        height,
        f"All 32 channels over {n_seconds / 60:.1f} minutes, {scale}",
        "".join(parts),
        "wide",
    )


class _Columns:
    """The smallest and largest value of each channel in each column of the picture."""

    def __init__(self, signal: Signal) -> None:
        self.count = min(_COLUMNS, len(signal.low))
        starts = np.linspace(0, len(signal.low), self.count, endpoint=False).astype(np.int64)
        low = np.minimum.reduceat(signal.low, starts, axis=0)
        high = np.maximum.reduceat(signal.high, starts, axis=0)
        middle = (low + high) / 2
        usual = float(np.percentile((high - low) / 2, 80))
        self.scale = _round_number(1.2 * usual) if usual > 0 else 1.0
        # An offset is not what this picture is for; a value beyond the neighbouring rows would hide them.
        centre = np.median(middle, axis=0)
        unit = _FINE * _ROW / 2 / self.scale
        limit = _FINE * _ROW * 0.75
        self._top = np.rint(np.clip((high - centre) * unit, -limit, limit)).astype(np.int64)
        self._bottom = np.rint(np.clip((low - centre) * unit, -limit, limit)).astype(np.int64)

    def path(self, channel: int) -> str:
        top, bottom = -self._top[:, channel], -self._bottom[:, channel]
        bottom = np.maximum(bottom, top + 1)  # a flat channel is a thin line
        there = "".join(f" 1 {step}" for step in np.diff(top).tolist())
        back = "".join(f" -1 {step}" for step in np.diff(bottom[::-1]).tolist())
        return f"M0 {top[0]}h.5l{there.lstrip() or '0 0'}h.5V{bottom[-1]}h-.5l{back.lstrip() or '0 0'}h-.5z".replace(
            " -", "-"
        )


def spectrum(report: Report) -> str:
    """Draw the spectrum of each channel."""
    signal = report.signal
    if signal is None or not np.isfinite(signal.spectrum).any():
        return ""
    n_points = min(_POINTS, len(signal.frequencies) - 1)
    starts = np.linspace(1, len(signal.frequencies), n_points, endpoint=False).astype(np.int64)
    power = np.maximum.reduceat(signal.spectrum, starts, axis=0)
    with np.errstate(divide="ignore"):
        level = 10 * np.log10(power)
    usable = np.isfinite(level)
    if not usable.any():
        return ""
    high = np.ceil(level[usable].max() / 10) * 10
    low = max(np.floor(np.percentile(level[usable], 1) / 10) * 10, high - 80)
    bad = frozenset(channel for found in report.findings if len(found.channels) < 8 for channel in found.channels)
    chart = _Chart((0.0, float(signal.frequencies[-1])), (float(low), float(high)))
    for channel in sorted(range(N_CHANNELS), key=bad.__contains__):
        kind = "bad" if channel in bad else "left" if channel < PER_BAND else "right"
        chart.line(signal.frequencies[starts], np.nan_to_num(level[:, channel], neginf=low), f"thin {kind}")
    return chart.svg("Spectrum of each channel", "Hz", "dB of 1 µV²/Hz", ("left", "right"))


def clock(report: Report) -> str:
    """Draw how far the clock is ahead of the count of samples."""
    line = report.timeline
    if line is None or len(line.anchors) < 2:
        return ""
    every = max(1, len(line.anchors) // _POINTS)
    ahead = 1000 * line.deviation[::every]
    seconds = line.anchor_step * np.arange(len(line.anchors))[::every] / line.sfreq
    reach = max(1.0, float(np.abs(ahead).max()) * 1.1)
    low = -reach if ahead.min() < -0.1 * reach else -0.1 * reach
    high = reach if ahead.max() > 0.1 * reach else 0.1 * reach
    chart = _Chart((0.0, float(seconds[-1])), (low, high))
    chart.line(seconds, ahead, "accent")
    return chart.svg("Clock ahead of the count of samples", "s of signal", "ms", ())


def responses(hands: Hands | None) -> str:
    """Draw how the bands respond to the keys of either hand."""
    if hands is None:
        return ""
    shown = np.abs(hands.lags) <= (0.5 if np.abs(hands.peaks.diagonal()).max() < 0.4 else 1.0)
    lags = 1000 * hands.lags[shown]
    values = hands.responses[:, :, shown]
    reach = float(np.abs(values).max()) * 1.1 or 1.0
    chart = _Chart((float(lags[0]), float(lags[-1])), (min(0.0, float(values.min()) * 1.1), reach))
    for hand, side in enumerate(("left", "right")):
        for band in (0, 1):
            chart.line(lags, values[hand, band], side if hand == band else f"{side} crossed")
    return chart.svg(
        "What a key press adds to the bands",
        "ms after key-down",
        "log of the envelope",
        ("left", "right"),
        crossed=True,
    )


class _Chart:
    """A small picture of lines."""

    _size = (360.0, 232.0)
    _frame = (44.0, 342.0, 36.0, 190.0)  # left, right, top, bottom

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self._x, self._y = x, y
        self._parts: list[str] = []

    def _to(self, value: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
        low, high = (self._x, self._y)[axis]
        left, right, top, bottom = self._frame
        start, end = (left, right) if axis == 0 else (bottom, top)
        return start + np.clip((value - low) / ((high - low) or 1.0), 0, 1) * (end - start)

    def line(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], kind: str) -> None:
        points = " ".join(f"{a:.0f} {b:.0f}" for a, b in zip(self._to(x, 0), self._to(y, 1), strict=True))
        self._parts.append(f'<path class="line {kind}" d="M{points}"/>')

    def svg(self, title: str, across: str, up: str, legend: tuple[str, ...], *, crossed: bool = False) -> str:
        left, right, top, bottom = self._frame
        parts = [f'<text class="title" x="{left}" y="12">{title}</text>']
        for value in _ticks(*self._x):
            x = float(self._to(np.array(value), 0))
            parts.append(f'<path class="grid" d="M{x:.0f} {top}V{bottom}"/>')
            parts.append(f'<text x="{x:.0f}" y="{bottom + 14}" text-anchor="middle">{value:g}</text>')
        for value in _ticks(*self._y):
            y = float(self._to(np.array(value), 1))
            parts.append(f'<path class="grid" d="M{left} {y:.0f}H{right}"/>')
            parts.append(f'<text x="{left - 5}" y="{y + 4:.0f}" text-anchor="end">{value:g}</text>')
        parts += self._parts
        parts.append(f'<text x="{right}" y="{bottom + 30}" text-anchor="end">{across}</text>')
        parts.append(f'<text x="{left}" y="28">{up}</text>')
        for at, side in enumerate(legend):
            x = right - 122 + 62 * at
            parts.append(f'<path class="line {side}" d="M{x} 24h16"/><text x="{x + 20}" y="28">{side}</text>')
        if crossed:
            parts.append(f'<text x="{left}" y="{bottom + 30}">dashed: other hand’s keys</text>')
        return _svg(*self._size, title, "".join(parts), "chart")


def _speed(places: npt.NDArray[np.float64], n_seconds: float, top: float) -> str:
    """Draw the keys a second as an area 40 high."""
    bins = max(1, min(_COLUMNS, int(n_seconds / 2)))
    counts, _ = np.histogram(places[np.isfinite(places)], bins, (0.0, n_seconds))
    speed = counts * bins / n_seconds
    largest = max(float(speed.max()), 1.0)
    heights = np.rint(40 * _FINE * speed / largest).astype(np.int64)
    steps = "".join(f"V{-height}h1" for height in heights.tolist())
    return (
        f'<text x="{_MARGIN - 8}" y="{top + 26:g}" text-anchor="end">keys/s, to {largest:.0f}</text>'
        f'<path class="fill accent" transform="translate({_MARGIN} {top + 40:g}) '
        f'scale({_WIDTH / bins:.5g} {1 / _FINE})" d="M0 0{steps}V0z"/>'
    )


def _time_axis(n_seconds: float, top: float) -> str:
    unit, name = (60.0, "min") if n_seconds > 180 else (1.0, "s")
    parts = [f'<path class="grid" d="M{_MARGIN} {top:g}h{_WIDTH}"/>']
    for value in _ticks(0.0, n_seconds / unit, 10):
        x = _at(value * unit, n_seconds)
        parts.append(f'<path class="grid" d="M{x:.1f} {top:g}v5"/>')
        parts.append(f'<text x="{x:.1f}" y="{top + 18:g}" text-anchor="middle">{value:g}</text>')
    parts.append(f'<text x="{_MARGIN - 8}" y="{top + 18:g}" text-anchor="end">{name} of signal</text>')
    return "".join(parts)


def _row(channel: int) -> float:
    return 14.0 + _ROW * channel + (10.0 if channel >= PER_BAND else 0.0)


def _at(seconds: float, n_seconds: float) -> float:
    return _MARGIN + _WIDTH * min(seconds / n_seconds, 1.0)


def _round_number(value: float) -> float:
    """Give the next larger one of 1, 2, 5, 10, 20 and so on."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9)))


def _ticks(low: float, high: float, count: int = 5) -> Iterable[float]:
    step = _round_number(max((high - low) / count, 1e-12))
    return [float(round(at * step, 12)) for at in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _svg(width: float, height: float, title: str, content: str, kind: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{content}</svg>"
    )
