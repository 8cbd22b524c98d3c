"""What the labels of a recording say: how much was typed, how fast, and what cannot be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from myotype.keyboard import fold_key
from myotype.recordings.quality.findings import MOST_SPANS, Finding, counted
from myotype.recordings.recording import ON_KEYBOARD, Prompt, first_out_of_order

if TYPE_CHECKING:
    import numpy.typing as npt

    from myotype.recordings.quality.clocking import Timeline
    from myotype.transcript import KeyPress

_SLOWEST: Final = 0.5  # keys a second; the 23 real logs that were looked at have 2.3 to 6.2
_FASTEST: Final = 10.0


@dataclass(frozen=True, slots=True)
class Typing:
    """What was measured of the labels.

    Attributes
    ----------
    condition
        How the person typed.
    n_keys, n_prompts
        How many key presses and prompts there are.
    speed
        Keys a second of signal.
    unknown
        Keys outside the 98, and how often each was pressed.
    places
        Where each key goes down, in seconds of signal, shape (n_keys,); not a number where there is no signal.
    """

    condition: str
    n_keys: int
    n_prompts: int
    speed: float
    unknown: Mapping[str, int]
    places: npt.NDArray[np.float64]


def typing_of(
    presses: tuple[KeyPress, ...], prompts: tuple[Prompt, ...], condition: str, timeline: Timeline
) -> tuple[Typing, list[Finding]]:
    """Measure what was typed, and say what is wrong with it."""
    downs = np.array([press.down for press in presses], dtype=np.float64)
    places = timeline.place(downs)
    lost = np.isnan(places) | timeline.in_gap(downs)
    lost_at = _spans(places[lost])
    places[lost] = np.nan
    typing = Typing(
        condition=condition,
        n_keys=len(presses),
        n_prompts=len(prompts),
        speed=len(presses) * timeline.sfreq / max(timeline.n_samples, 1),
        unknown=dict(Counter(press.key for press in presses if fold_key(press.key) is None).most_common()),
        places=places,
    )
    return typing, [*_about_order(presses, places), *_about_amount(typing, prompts, int(lost.sum()), lost_at)]


def _about_order(presses: tuple[KeyPress, ...], places: npt.NDArray[np.float64]) -> Iterator[Finding]:
    late = first_out_of_order(presses)
    if late is not None:
        yield Finding(
            "unsorted-keys",
            f"key press {late} ({presses[late].key!r}) is earlier than the one before it: sort them by their start",
            spans=_spans(places[late : late + 1]),
        )
    seen = Counter((press.key, press.down) for press in presses)
    twice = [at for at, press in enumerate(presses) if seen[press.key, press.down] > 1]
    if twice:
        surplus = sum(count - 1 for count in seen.values())
        yield Finding(
            "duplicated-keys",
            f"{counted(surplus, 'key press stands', 'key presses stand')} twice, with the same key and time, first "
            f"{presses[twice[0]].key!r} (number {twice[0]}): take them out",
            spans=_spans(places[twice]),
            figures={"count": surplus},
        )
    early = [at for at, press in enumerate(presses) if press.up < press.down]
    if early:
        yield Finding(
            "released-early",
            f"{counted(len(early), 'key comes', 'keys come')} up before going down, first {presses[early[0]].key!r} "
            f"(number {early[0]}): look at the clock that the keys were logged with",
            spans=_spans(places[early]),
            figures={"count": len(early)},
        )


def _about_amount(
    typing: Typing, prompts: tuple[Prompt, ...], n_lost: int, lost_at: tuple[tuple[float, float], ...]
) -> Iterator[Finding]:
    if typing.condition != ON_KEYBOARD:
        if not any(prompt.key_text() for prompt in prompts):
            yield Finding(
                "labels-missing",
                f"the condition is {typing.condition!r}, in which prompts say what was typed, and there are none",
            )
        return
    if not typing.n_keys:
        yield Finding("labels-missing", "there are no key presses: the recording can be transcribed, not trained on")
        return
    if n_lost:
        yield Finding(
            "keys-outside-signal",
            f"{counted(n_lost, 'key is', 'keys are')} pressed where there is no signal: before it, after it or in a "
            f"gap; no model can find them",
            spans=lost_at,
            figures={"count": n_lost},
        )
    if typing.unknown:
        n_unknown = sum(typing.unknown.values())
        names = ", ".join(f"{key!r}" for key in list(typing.unknown)[:5])
        yield Finding(
            "unknown-keys",
            f"{counted(n_unknown, 'key press is', 'key presses are')} of keys outside the 98 "
            f"({names}{', ...' if len(typing.unknown) > 5 else ''}): left out of the text",
            figures={"count": n_unknown},
        )
    if typing.speed < _SLOWEST:
        yield Finding(
            "few-keys",
            f"there are only {typing.speed:.2g} keys a second: the log may be incomplete, or the person rested",
            figures={"speed": typing.speed},
        )
    if typing.speed > _FASTEST:
        yield Finding(
            "many-keys",
            f"there are {typing.speed:.3g} keys a second, more than anybody types: keys may have been held down, or "
            f"logged twice",
            figures={"speed": typing.speed},
        )


def _spans(places: npt.NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple((place, place) for place in places[np.isfinite(places)][:MOST_SPANS].tolist())
