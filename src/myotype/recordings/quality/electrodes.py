"""What a signal says about electrodes: broken, weak, clipped, noisy, inverted or in the wrong order.

Neighbours in the ring see the same muscles, so they correlate; where they do not in general, as in noise, nothing is
said about the order. Thresholds were chosen on 32 simulated recordings of 29 people, so that none of them has a
finding: there, the rms of a channel is 0.34 to 3.4 of its band's median, mains hum 0.21 of a channel's power at most,
and neighbours correlate by 0.5 to 0.8. No exchange of two electrodes of a band raises the sum of these correlations;
where two have been exchanged (7,680 cases), undoing that raises it most, by more than 0.1 in all cases but one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.recordings.quality.findings import Finding, counted, listed
from myotype.recordings.quality.signal import PER_BAND, STRETCHES, Signal
from myotype.recordings.recording import N_CHANNELS

if TYPE_CHECKING:
    import numpy.typing as npt

PLAUSIBLE: Final = (0.5, 2000.0)
"""Microvolts that the rms of a typing forearm may have."""

_WEAKEST: Final = 2.0  # microvolts: amplifiers have as much noise
_WEAK: Final = 0.15  # of the median of the band
_STRONG: Final = 7.0
_CLIPPED: Final = 10  # samples
_SHARE: Final = 0.5  # of a channel's power
_NEIGHBOURS: Final = 0.3  # correlation of neighbours from which a band is taken for a ring
_ALONE: Final = 0.15  # correlation with every other channel below which an electrode shows nothing but noise
_BETTER: Final = 0.1  # sum of correlations that another order has to gain
_MOST_SPANS: Final = 200
_FEWEST: Final = 8  # channels that make a ring

Channels = tuple[int, ...]


def electrode_findings(signal: Signal) -> Iterator[Finding]:
    """Say what is wrong with the electrodes."""
    yield from _about_values(signal)
    if not np.isfinite(signal.rms).any():
        return
    broken = frozenset(_channels(~(signal.rms > 0)) + _flat_channels(signal))
    yield from _about_flatness(signal)
    yield from _about_amplitude(signal, broken)
    drowned = tuple(_about_spectrum(signal, broken))
    yield from drowned
    # Of muscles these show too little to be compared with their neighbours.
    yield from _about_ring(signal, broken.union(*(finding.channels for finding in drowned)))


def _about_values(signal: Signal) -> Iterator[Finding]:
    bad = signal.bad
    if bad.any():
        channels = _channels(bad.any(axis=0))
        first = int(bad.any(axis=1).argmax())
        yield Finding(
            "not-finite",
            f"{listed(channels)}: {counted(int(bad.sum()), 'value is', 'values are')} not finite or absurdly large, "
            f"first in second {first}; the last good value takes their place; look for what went wrong in recording",
            channels,
            _spans(bad.any(axis=1), signal),
            {"count": int(bad.sum())},
        )
    # A recording has many values: a few may be equal at the extreme by chance.
    clipped = np.where(signal.clipped.sum(axis=0) >= _CLIPPED, signal.clipped, 0)
    if clipped.any():
        channels = _channels(clipped.any(axis=0))
        worst = int(clipped.sum(axis=0).argmax())
        level = float(np.maximum(np.abs(signal.low), np.abs(signal.high)).max(axis=0, initial=0.0)[worst])
        yield Finding(
            "saturated",
            f"{listed(channels)}: {counted(int(clipped.sum()), 'value stays', 'values stay')} at the largest or "
            f"smallest of the channel ({level:.0f} µV in channel {worst}); the amplifier clips: lower its gain, or "
            f"look for a loose electrode",
            channels,
            _spans(clipped.any(axis=1), signal),
            {"count": int(clipped.sum())},
        )


def _flat_channels(signal: Signal) -> Channels:
    """Give the channels that are flat most of the time."""
    return _channels(signal.flat.mean(axis=0) > 0.5) if len(signal.flat) else ()


def _about_flatness(signal: Signal) -> Iterator[Finding]:
    flat = signal.flat.copy()
    flat[1:-1] &= signal.flat[:-2] | signal.flat[2:]  # two stretches in a row: one may be chance
    flat[:1] &= signal.flat[1:2]
    flat[-1:] &= signal.flat[-2:-1]
    if not flat.any():
        return
    channels = _channels(flat.any(axis=0))
    whole = _flat_channels(signal)
    seconds = flat.any(axis=1).sum() / STRETCHES
    if whole:
        what = f"{listed(whole)}: one value most of the time: mend or leave out"
    elif len(channels) == N_CHANNELS:
        what = f"all channels keep one value for {seconds:.3g} s in all: samples were lost and filled in"
    else:
        what = f"{listed(channels)}: one value for {seconds:.3g} s in all; see that the electrodes touch the skin"
    yield Finding(
        "flat-channel",
        what,
        channels,
        _spans(flat.any(axis=1), signal, STRETCHES),
        {"seconds": float(seconds)},
    )


def _about_amplitude(signal: Signal, broken: frozenset[int]) -> Iterator[Finding]:
    rms = np.where([channel in broken for channel in range(N_CHANNELS)], np.nan, signal.rms)
    if not np.isfinite(rms).any():
        return
    overall = float(np.nanmedian(rms))
    if not PLAUSIBLE[0] <= overall <= PLAUSIBLE[1]:
        units = {1e6: "volts", 1e3: "millivolts", 1e-3: "nanovolts", 1e-6: "picovolts"}
        fits = [
            f"the numbers look like {unit}"
            for by, unit in units.items()
            if PLAUSIBLE[0] <= overall * by <= PLAUSIBLE[1]
        ]
        yield Finding(
            "unit-suspicious",
            f"half of the channels have an rms above {overall:.3g}, which is no typing forearm in microvolts: "
            f"{fits[0] if fits else 'the unit is unknown'}; convert them",
            figures={"rms": overall},
        )
    medians = np.repeat([_median_of(rms[:PER_BAND]), _median_of(rms[PER_BAND:])], PER_BAND)
    floor = _WEAKEST if overall >= PLAUSIBLE[0] else 0.0
    usual = f"where the bands have {medians[0]:.3g} (left) and {medians[-1]:.3g} (right)"
    weak = _channels((rms < _WEAK * medians) | (rms < floor))
    if weak:
        least = float(np.nanmin(rms))
        yield Finding(
            "low-amplitude",
            f"{listed(weak)}: an rms down to {least:.3g} microvolts, {usual}; see that the electrodes touch the skin",
            weak,
            figures={"rms": least},
        )
    strong = _channels(rms > _STRONG * medians)
    if strong:
        most = float(np.nanmax(rms))
        yield Finding(
            "high-amplitude",
            f"{listed(strong)}: an rms up to {most:.4g} microvolts, {usual}; look for loose electrodes",
            strong,
            figures={"rms": most},
        )


def _about_spectrum(signal: Signal, broken: frozenset[int]) -> Iterator[Finding]:
    total = signal.power(0.0, np.inf)
    usable = np.array([channel not in broken for channel in range(N_CHANNELS)]) & (total > 0)
    if not usable.any():
        return
    share = np.divide(signal.power(0.0, 20.0), total, out=np.zeros(N_CHANNELS), where=usable)
    slow = _channels(share > _SHARE)
    if slow:
        yield Finding(
            "baseline",
            f"{listed(slow)}: {100 * share.max():.0f} % of the power is below 20 Hz; models are made for signals "
            f"high-passed at 40 Hz; filter the recording",
            slow,
            figures={"share": float(share.max())},
        )
    mains, share = line_share(signal)
    share = np.where(usable, share, 0.0)
    humming = _channels(share > _SHARE)
    if humming:
        yield Finding(
            "line-noise",
            f"{listed(humming)}: {100 * share.max():.0f} % of the power is mains hum of {mains:.0f} Hz and its "
            f"harmonics; see that the electrodes touch the skin, and keep away from power supplies",
            humming,
            figures={"share": float(share.max()), "mains": mains},
        )


def line_share(signal: Signal) -> tuple[float, npt.NDArray[np.float64]]:
    """Give the share that mains hum has of each channel's power above 20 Hz, shape (32,), and its frequency.

    The frequency, 50 or 60 Hz, is that of the channel that hums most.
    """
    if len(signal.frequencies) == 0 or signal.frequencies[-1] < 100:
        return 50.0, np.zeros(N_CHANNELS)
    total = signal.power(20.0, np.inf)
    shares = np.stack([
        np.divide(signal.line_power(mains), total, out=np.zeros(N_CHANNELS), where=total > 0) for mains in (50.0, 60.0)
    ])  # fmt: skip
    return (50.0, 60.0)[int(shares.max(axis=1).argmax())], shares.max(axis=0)


def _about_ring(signal: Signal, broken: frozenset[int]) -> Iterator[Finding]:
    correlation = np.nan_to_num(signal.correlation)
    strength = np.abs(correlation - np.diag(np.diag(correlation)))
    rings: list[list[int]] = []
    for first in (0, PER_BAND):
        ring = [channel for channel in range(first, first + PER_BAND) if channel not in broken]
        if len(ring) >= _FEWEST and np.median(_beside(strength, ring)) >= _NEIGHBOURS:
            rings.append(ring)
    dead = tuple(channel for ring in rings for channel in ring if strength[channel].max() < _ALONE)
    if dead:
        yield Finding(
            "dead-channel",
            f"{listed(dead)}: nothing of what other electrodes show; without contact there is only noise: mend or "
            f"leave out",
            dead,
        )
    rings = [[channel for channel in ring if channel not in dead] for ring in rings]
    rings = [ring for ring in rings if len(ring) >= _FEWEST]
    swaps = _swaps(strength, rings)
    moved = frozenset(channel for swap in swaps for channel in swap)
    inverted = tuple(
        ring[place]
        for ring in rings
        for place in range(len(ring))
        if ring[place] not in moved
        and max(correlation[ring[place], ring[place - 1]], correlation[ring[place], ring[(place + 1) % len(ring)]])
        < -_NEIGHBOURS
    )
    if inverted:
        yield Finding(
            "inverted-channel",
            f"{listed(inverted)}: the opposite sign of both neighbours; exchange the two contacts of the electrode, or "
            f"turn the sign",
            inverted,
        )
    if swaps:
        pairs = ", ".join(f"{one} and {other}" for one, other in swaps)
        yield Finding(
            "swapped-channels",
            f"electrodes fit better into their rings in another order: exchange channels {pairs}; look at the cables",
            tuple(sorted(moved)),
            figures={"pairs": len(swaps)},
        )


def _swaps(strength: npt.NDArray[np.float64], rings: Sequence[list[int]]) -> list[tuple[int, int]]:
    """Give the exchanges of two channels that raise the sum of the correlations of neighbours, the best first."""
    rings = [[*ring] for ring in rings]
    typical = [float(np.median(_beside(strength, ring))) for ring in rings]
    places = [(ring, place) for ring in range(len(rings)) for place in range(len(rings[ring]))]
    swaps: list[tuple[int, int]] = []
    while len(swaps) < PER_BAND:
        fit = sum(_beside(strength, ring).sum() for ring in rings)
        best, gain = None, _BETTER
        for (one, i), (other, j) in combinations(places, 2):
            rings[one][i], rings[other][j] = rings[other][j], rings[one][i]
            beside = [_beside(strength, ring) for ring in rings]
            better = float(sum(links.sum() for links in beside) - fit)
            # Both have to fit where they come to: a weak electrode gains by being moved away from between good ones.
            fits = all(
                beside[ring][place - 1] + beside[ring][place] >= typical[ring] for ring, place in ((one, i), (other, j))
            )
            if better > gain and fits:
                best, gain = ((one, i), (other, j)), better
            rings[one][i], rings[other][j] = rings[other][j], rings[one][i]
        if best is None:
            break
        (one, i), (other, j) = best
        rings[one][i], rings[other][j] = rings[other][j], rings[one][i]
        swaps.append((min(rings[one][i], rings[other][j]), max(rings[one][i], rings[other][j])))
    return swaps


def _beside(strength: npt.NDArray[np.float64], ring: list[int]) -> npt.NDArray[np.float64]:
    """Give the correlation of each channel with the next one in the ring."""
    links: npt.NDArray[np.float64] = strength[ring, [*ring[1:], ring[0]]]
    return links


def _median_of(values: npt.NDArray[np.float64]) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def _channels(which: npt.NDArray[np.bool_] | np.bool_) -> Channels:
    return tuple(int(channel) for channel in np.flatnonzero(which))


def _spans(
    rows: npt.NDArray[np.bool_] | np.bool_, signal: Signal, per_second: int = 1
) -> tuple[tuple[float, float], ...]:
    """Give the runs of rows as seconds of signal; the first of very many."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.atleast_1d(rows), [False]]).astype(np.int8)))
    row = signal.second / signal.sfreq / per_second
    return tuple((start * row, stop * row) for start, stop in edges.reshape(-1, 2)[:_MOST_SPANS].tolist())
