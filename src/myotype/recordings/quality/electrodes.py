"""What a signal says about electrodes: broken, weak, clipped, noisy, inverted or in the wrong order.

Neighbours in the ring see the same muscles, so they correlate; where in neither band some do, as in noise, nothing is
said about contact and order. Thresholds were chosen on 32 simulated recordings of 29 people, so that none of them has a
finding: there, the rms of a channel is 0.34 to 3.4 of its band's median, mains hum 0.21 of a channel's power at most,
neighbours correlate by 0.5 to 0.9, and those two places apart by 0.4 and more. No exchange of two electrodes of a band
raises the sum of these correlations; where two have been exchanged (7,680 cases), undoing that raises it most, by more
than 0.1 in all cases but one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.recordings.quality.findings import MOST_SPANS, Finding, counted, listed
from myotype.recordings.quality.signal import PER_BAND, STRETCHES, Signal
from myotype.recordings.recording import N_CHANNELS

if TYPE_CHECKING:
    import numpy.typing as npt

PLAUSIBLE: Final = (0.5, 2000.0)
"""Microvolts that the rms of a typing forearm may have."""

_WEAKEST: Final = 2.0  # microvolts: amplifiers have as much noise
_WEAK: Final = 0.15  # of the median of the band
_STRONG: Final = 5.0
_CLIPPED: Final = 10  # samples
_SLOW: Final = 0.5  # of a channel's power
_HUM: Final = 0.35
_NEIGHBOURS: Final = 0.3  # correlation of neighbours from which a band is taken for a ring
_ALONE: Final = 0.15  # correlation with every other channel below which an electrode shows nothing but noise
_BETTER: Final = 0.1  # sum of correlations that another order has to gain
_FEWEST: Final = 8  # channels that make a ring

_LINKS: Final = 4  # correlations of near electrodes that show a ring
_SAME: Final = 0.99  # correlation of channels that are one and the same

SIDES: Final = ("left", "right")

Channels = tuple[int, ...]


def electrode_findings(signal: Signal) -> Iterator[Finding]:
    """Say what is wrong with the electrodes."""
    yield from _about_values(signal)
    if not np.isfinite(signal.rms).any():
        return
    broken = frozenset(_channels(~(signal.rms > 0)) + _flat_channels(signal))
    yield from _about_flatness(signal)
    yield from _about_amplitude(signal, broken)
    # Of muscles these show too little for a spectrum, or to be compared with their neighbours.
    broken |= frozenset(_channels(_quiet(signal)))
    drowned = tuple(_about_spectrum(signal, broken))
    yield from drowned
    yield from _about_rings(signal, broken.union(*(finding.channels for finding in drowned)))


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
        yield Finding(
            "saturated",
            f"{listed(channels)}: {counted(int(clipped.sum()), 'value stays', 'values stay')} at the largest or "
            f"smallest of the channel ({signal.level[worst]:.0f} µV in channel {worst}); the amplifier clips: lower "
            f"its gain, or look for a loose electrode",
            channels,
            _spans(clipped.any(axis=1), signal),
            {"count": int(clipped.sum())},
        )


def _flat_channels(signal: Signal) -> Channels:
    """Give the channels that are flat most of the time."""
    return _channels(_flat(signal).mean(axis=0) > 0.5) if len(signal.flat) else ()


def _flat(signal: Signal) -> npt.NDArray[np.bool_]:
    """Tell where channels are flat, shape (20 * seconds, 32): those that are quiet never are."""
    return signal.flat & ~_quiet(signal)


def _quiet(signal: Signal) -> npt.NDArray[np.bool_]:
    """Tell which channels move by less than a level of the converter, so that they keep one value most of the time."""
    return (signal.rms > 0) & (signal.rms < signal.step)


def _about_flatness(signal: Signal) -> Iterator[Finding]:
    known = _flat(signal)
    flat = known.copy()
    flat[1:-1] &= known[:-2] | known[2:]  # two stretches in a row: one may be chance
    flat[:1] &= known[1:2]
    flat[-1:] &= known[-2:-1]
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
    slow = _channels(share > _SLOW)
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
    humming = _channels(share > _HUM)
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


def _bridged(correlation: npt.NDArray[np.float64], broken: frozenset[int]) -> list[tuple[int, int]]:
    """Give the pairs of channels that are the same."""
    usable = [channel for channel in range(N_CHANNELS) if channel not in broken]
    return [pair for pair in combinations(usable, 2) if correlation[pair] > _SAME]


def _about_rings(signal: Signal, broken: frozenset[int]) -> Iterator[Finding]:
    correlation = np.nan_to_num(signal.correlation)
    bridged = _bridged(correlation, broken)
    if bridged:
        joined = tuple(sorted({channel for pair in bridged for channel in pair}))
        yield Finding(
            "bridged-channels",
            f"{listed(joined)}: the same as another of them; gel or sweat joins the electrodes, or a channel was "
            f"stored twice: dry the skin, or leave one out",
            joined,
        )
        broken |= {other for _, other in bridged}  # one of each is enough to judge the rest by
    strength = np.abs(correlation - np.diag(np.diag(correlation)))
    bands = [
        [channel for channel in range(first, first + PER_BAND) if channel not in broken] for first in (0, PER_BAND)
    ]
    judged = {side: band for side, band in zip(SIDES, bands, strict=True) if len(band) >= _FEWEST}
    if not any(_shows_ring(strength, band) for band in judged.values()):
        return
    silent = [side for side, band in judged.items() if strength[np.ix_(band, band)].max() < _NEIGHBOURS]
    yield from _about_contact(strength, judged, silent)
    rings, jumbled = [], []
    for side, band in judged.items():
        ring = [channel for channel in band if strength[channel].max() >= _ALONE]
        if side in silent or len(ring) < _FEWEST:
            continue
        if np.median(_beside(strength, ring)) >= _NEIGHBOURS:
            rings.append(ring)
        elif np.median(strength[np.ix_(ring, ring)].max(axis=0)) >= _NEIGHBOURS:
            jumbled.append((side, ring))
    swaps, rings = _swaps(strength, rings)
    inverted = tuple(sorted(channel for ring in rings for channel in _inverted(correlation, ring)))
    if inverted:
        yield Finding(
            "inverted-channel",
            f"{listed(inverted)}: the opposite sign of the neighbours on both sides; exchange the two contacts of the "
            f"electrode, or turn the sign",
            inverted,
        )
    if swaps or jumbled:
        pairs = ", ".join(f"{one} and {other}" for one, other in swaps)
        told = [f"electrodes fit better into their rings in another order: exchange channels {pairs}"] if swaps else []
        told += [f"neighbours in the {side} band have nothing in common, though other electrodes have: they are in no "
                 f"order" for side, _ in jumbled]  # fmt: skip
        channels = {channel for swap in swaps for channel in swap} | {
            channel for _, ring in jumbled for channel in ring
        }
        yield Finding(
            "swapped-channels",
            f"{'; '.join(told)}; look at the cables",
            tuple(sorted(channels)),
            figures={"pairs": len(swaps)},
        )


def _shows_ring(strength: npt.NDArray[np.float64], band: Sequence[int]) -> bool:
    """Tell whether electrodes show what those next to them, or next to these, do: some are enough."""
    near = [pair for pair in combinations(band, 2) if min(pair[1] - pair[0], pair[0] + PER_BAND - pair[1]) <= 2]
    return sum(float(strength[pair]) >= _NEIGHBOURS for pair in near) >= _LINKS


def _about_contact(
    strength: npt.NDArray[np.float64], judged: dict[str, list[int]], silent: Sequence[str]
) -> Iterator[Finding]:
    """Say which electrodes, and which bands, show nothing of muscles, where others do."""
    dead = tuple(
        channel
        for side, band in judged.items()
        for channel in band
        if side not in silent and strength[channel].max() < _ALONE
    )
    told = [f"{listed(dead)}: nothing of what other electrodes show"] if dead else []
    told += [
        f"the {side} band: its electrodes have nothing in common, as those of the other band have" for side in silent
    ]
    if told:
        yield Finding(
            "dead-channel",
            f"{'; '.join(told)}; without contact there is only noise: mend or leave out",
            tuple(sorted({*dead, *(channel for side in silent for channel in judged[side])})),
        )


def _inverted(correlation: npt.NDArray[np.float64], ring: list[int]) -> Channels:
    """Give the channels whose sign is not that of the others of their ring: the fewer ones."""
    links = correlation[ring, [*ring[1:], ring[0]]]
    turns = [int(place) for place in np.flatnonzero(links < -_NEIGHBOURS)]
    if len(turns) % 2:  # round the ring the sign turns as often back as there: the weakest is none
        turns.remove(max(turns, key=lambda place: float(links[place])))
    turned = np.isin((np.arange(len(ring)) - 1) % len(ring), turns)
    sides = np.cumsum(turned) % 2 == 1
    fewer = sides if 2 * sides.sum() <= len(ring) else ~sides
    return tuple(channel for channel, other in zip(ring, fewer, strict=True) if other)


def _swaps(
    strength: npt.NDArray[np.float64], rings: Sequence[list[int]]
) -> tuple[list[tuple[int, int]], list[list[int]]]:
    """Give the exchanges that raise the sum of the correlations of neighbours, the best first, and the rings then."""
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
    return swaps, rings


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
    return tuple((start * row, stop * row) for start, stop in edges.reshape(-1, 2)[:MOST_SPANS].tolist())
