"""A typist: text in, key presses in time out, with human rhythm, mistakes and backspaces, and shift for capitals.

The distributions are fitted to what is known of real typing (the intervals and hold times of the emg2qwerty recordings,
docs/simulation.md): a log-normal rhythm, pauses at the borders of words and prompts, keys that overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import numpy as np
import numpy.typing as npt

from myotype.keyboard import BACKSPACE, ENTER, KEY_SYMBOLS, SHIFT, SPACE
from myotype.simulation.hands import PLACES, USUAL, Hand, needs_shift, opposite, physical_key, usual_hand
from myotype.transcript import KeyPress

_Floats = npt.NDArray[np.float64]

MISTAKES: Final = 0.029
"""Mistakes a character: about 4 % of all keys are then backspaces, as in real typing."""

_NOTICED: Final = 0.85
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz")
_KEY_OF_SYMBOL: Final = {symbol: key for key, symbol in KEY_SYMBOLS.items()}

_RHYTHM_LOG_SD: Final = 0.56
_DIGRAPH_LOG_SD: Final = 0.12
_SHORTEST: Final = 0.022
"""Seconds between two presses, at least: there is always an order."""
_SHORTEST_SAME_FINGER: Final = 0.055
_UP_BEFORE_AGAIN: Final = 0.02
"""Seconds that a key is up before it goes down again."""
_SHORTEST_HOLD: Final = 0.025


@dataclass(frozen=True, slots=True)
class TimedPrompt:
    """A prompt and the key presses that answer it, in seconds from the beginning."""

    text: str
    start: float
    end: float
    key_presses: tuple[KeyPress, ...]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A key to be pressed; `hold_for_next` where it is a shift that the next key needs."""

    key: str
    pause: float
    hold_for_next: bool = False


class Typist:
    """Types prompt after prompt.

    Parameters
    ----------
    seed
        Of rhythm and mistakes.
    habits
        Of what is this person's own: the rhythm of each pair of keys, and how long keys are held.
    mistakes
        Mistakes a character.
    """

    def __init__(
        self, seed: np.random.SeedSequence, habits: np.random.SeedSequence, mistakes: float = MISTAKES
    ) -> None:
        self._rng = np.random.default_rng(seed)
        own = np.random.default_rng(habits)
        keys = sorted(PLACES)
        self._row = {key: row for row, key in enumerate(keys)}
        self._own_rhythm = np.exp(_DIGRAPH_LOG_SD * own.standard_normal((len(keys), len(keys))))
        self._hold = math.exp(0.05 * own.standard_normal())
        self._mistakes = mistakes

    def type(
        self, prompts: Iterable[str], speed: float, start: float = 0.0, until: float | None = None
    ) -> list[TimedPrompt]:
        """Type prompts, each ended with enter.

        Parameters
        ----------
        prompts
            Folded texts, without the enter at the end.
        speed
            Keys a second from first to last, pauses included; what comes out is exact but for rounding.
        start
            When the first key goes down, seconds.
        until
            Stop typing at this time, even inside a prompt; needed where there is no end to the prompts.

        Returns
        -------
        list of TimedPrompt
            In order.
        """
        wanted = math.inf if until is None else max(round((until - start) * speed), 1)
        slots: list[list[_Slot]] = []
        texts: list[str] = []
        count = 0
        for text in prompts:
            if count >= wanted:
                break
            slots.append(list(self._slots(text)))
            texts.append(text)
            count += len(slots[-1])
        flat = [slot for prompt in slots for slot in prompt][: None if until is None else int(wanted)]
        downs = self._downs(flat, speed, start)
        ups = self._ups(flat, downs)
        presses = [KeyPress(slot.key, down, up) for slot, down, up in zip(flat, downs, ups, strict=True)]

        out: list[TimedPrompt] = []
        position, shown = 0, max(start - 0.5, 0.0)
        for text, prompt in zip(texts, slots, strict=True):
            own = tuple(presses[position : position + len(prompt)])
            position += len(prompt)
            if own:
                # The next prompt is shown as soon as enter is down.
                end = own[-1].down + 0.05 if position < len(presses) else own[-1].up + 0.05
                out.append(TimedPrompt(text + "⏎", shown, end, own))
                shown = end
        return out

    def _slots(self, text: str) -> Iterator[_Slot]:
        """Give the keys of one prompt, mistakes included, with how long each is waited for, in ordinary intervals."""
        rng = self._rng
        fresh = True
        for key, correction in self._with_mistakes([_KEY_OF_SYMBOL[symbol] for symbol in text]):
            pause = 0.0
            if fresh:
                pause = 8.0 * math.exp(0.45 * rng.standard_normal())
                fresh = False
            elif correction:
                pause = 1.5 * math.exp(0.5 * rng.standard_normal())
            elif rng.random() < (0.1 if key == SPACE else 0.015):
                pause = 4.6 * math.exp(0.5 * rng.standard_normal())
            if needs_shift(key):
                yield _Slot(SHIFT, pause, hold_for_next=True)
                yield _Slot(key, 0.0)
            else:
                yield _Slot(key, pause)
        yield _Slot(ENTER, 1.2 * math.exp(0.6 * rng.standard_normal()))

    def _with_mistakes(self, keys: list[str]) -> Iterator[tuple[str, bool]]:
        """Give keys as they are really typed, and which of them follow a moment of noticing."""
        rng = self._rng
        i = 0
        while i < len(keys):
            key = keys[i]
            if key not in _LETTERS or rng.random() >= self._mistakes * 1.25:  # letters are four keys in five
                yield key, False
                i += 1
                continue
            typed, meant, right = self._mistake(keys, i)
            late = min(int(rng.geometric(0.65)) - 1, 4) + (not typed)
            after = keys[i + meant : i + meant + late]
            after = after[: next((n for n, k in enumerate(after) if k not in _LETTERS and k != SPACE), len(after))]
            yield from ((k, False) for k in typed)
            if rng.random() < _NOTICED and (typed or after):
                yield from ((k, False) for k in after)
                for n in range(len(typed) + len(after) - right):
                    yield BACKSPACE, n == 0
                i += right
            else:
                i += meant

    def _mistake(self, keys: list[str], i: int) -> tuple[list[str], int, int]:
        """Give what is typed by mistake, for how many of the keys from i on, and how many of these it has right."""
        key = keys[i]
        following = keys[i + 1] if i + 1 < len(keys) else ""
        match self._rng.choice(4, p=(0.5, 0.2, 0.15, 0.15)):
            case 1 if following in _LETTERS and following != key:
                return [following, key], 2, 0
            case 2:
                return [key, key], 1, 1
            case 3:
                return [], 1, 0
            case _:
                return [self._neighbour(key)], 1, 0

    def _neighbour(self, key: str) -> str:
        """Give a letter beside this one."""
        x, y = PLACES[key]
        near = [k for k in sorted(_LETTERS) if k != key and math.hypot(PLACES[k][0] - x, PLACES[k][1] - y) < 1.3]
        return near[self._rng.integers(len(near))]

    def _downs(self, slots: list[_Slot], speed: float, start: float) -> list[float]:
        """Give the times at which keys go down."""
        if not slots:
            return []
        noise = np.exp(_RHYTHM_LOG_SD * self._rng.standard_normal(len(slots)))
        steps = [0.0]
        least = [0.0]
        before = physical_key(slots[0].key)
        for slot, factor in zip(slots[1:], noise[1:], strict=True):
            place = physical_key(slot.key)
            steps.append(self._digraph(before, place) * float(factor) + slot.pause)
            same = before is not None and place is not None and USUAL[before][:2] == USUAL[place][:2]
            least.append(_SHORTEST_SAME_FINGER if same else _SHORTEST)
            before = place
        intervals = _scaled(np.array(steps), np.array(least), (len(slots) - 1) / speed)
        return [float(down) for down in start + np.cumsum(intervals)]

    def _digraph(self, before: str | None, place: str | None) -> float:
        """Tell how long this person takes from one key to the next, in ordinary intervals."""
        if before is None or place is None:
            return 1.0
        first, second = USUAL[before], USUAL[place]
        if before == place:
            factor = 1.0
        elif first.hand != second.hand:
            factor = 0.85
        elif first.finger == second.finger:
            factor = 1.35
        else:
            factor = 1.0
        return factor * float(self._own_rhythm[self._row[before], self._row[place]])

    def _ups(self, slots: list[_Slot], downs: list[float]) -> list[float]:
        """Give the times at which keys come up."""
        # A shifted log-normal with 5, 50 and 95 % at 59, 90 and 165 ms.
        holds = self._hold * (0.033 + 0.057 * np.exp(0.48 * self._rng.standard_normal(len(slots))))
        ups = [down + float(hold) for down, hold in zip(downs, holds, strict=True)]
        again: dict[str, float] = {}
        for i in range(len(slots) - 1, -1, -1):
            key = slots[i].key
            place = physical_key(key) or key
            free = again.get(place, math.inf) - _UP_BEFORE_AGAIN
            following = downs[i + 2] if i + 2 < len(downs) else math.inf
            if slots[i].hold_for_next and i + 1 < len(slots):
                # Shift outlasts the key it is for, and is up before the key after that.
                ups[i + 1] = min(ups[i + 1], following - 0.012)
                ups[i + 1] = max(ups[i + 1], downs[i + 1] + 0.008)
                ups[i] = min(ups[i + 1] + 0.01 + 0.04 * float(holds[i]) / 0.1, following - 0.002)
                ups[i] = max(ups[i], ups[i + 1] + 0.001)
            else:
                ups[i] = max(min(ups[i], free), downs[i] + min(_SHORTEST_HOLD, max(free - downs[i], 0.005)))
            again[place] = downs[i]
        return ups


def _scaled(steps: _Floats, least: _Floats, total: float) -> _Floats:
    """Scale steps so that, none being shorter than its least, they add up to a total."""
    scale = total / max(float(steps.sum()), 1e-9)
    for _ in range(20):
        out = np.maximum(steps * scale, least)
        short = out > steps * scale
        rest = total - float(out[short].sum())
        free = float(steps[~short].sum())
        if free <= 0.0 or rest <= 0.0:
            break
        wanted = rest / free
        if abs(wanted - scale) < 1e-9 * scale:
            break
        scale = wanted
    scaled: _Floats = np.maximum(steps * scale, least)
    return scaled


def assign_shift_hands(key_presses: Iterable[KeyPress]) -> Iterator[tuple[KeyPress, Hand]]:
    """Tell for every ``"Key.shift"`` which hand holds it: the one that does not type the key after it."""
    presses = list(key_presses)
    for press, after in zip_longest(presses, presses[1:]):
        yield press, opposite(None if after is None else usual_hand(after.key)) if press.key == SHIFT else "left"
