"""Whole recordings of simulated typing."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from myotype.errors import InputError
from myotype.keyboard import fold
from myotype.recordings import Prompt, Recording
from myotype.simulation.anatomy import SFREQ
from myotype.simulation.forearm import LAG_SAMPLES, Forearms
from myotype.simulation.presets import Person, person
from myotype.simulation.text import Sentences, Split, TextStyle
from myotype.simulation.typist import MISTAKES, TimedPrompt, Typist, assign_shift_hands
from myotype.transcript import KeyPress

FIRST_KEY = 1.0
"""Seconds from the first sample to the first key of a text."""
LONGEST = 4 * 3600.0
"""Seconds of a recording, at most: it is made in memory, 0.9 GB an hour."""

REST = 1.0
"""Seconds of signal after the last key is up: a network with look-ahead still needs them."""

_FOR_TEXT, _FOR_TYPING, _FOR_HABITS = 100, 101, 102


def simulate(
    text: str | None = None,
    key_presses: Iterable[KeyPress] | None = None,
    typist: str | Person = "demo",
    minutes: float | None = None,
    seed: int = 0,
    *,
    session: int = 0,
    speed: float | None = None,
    split: Split = "test",
    style: TextStyle | None = None,
    mistakes: float | None = None,
    start: float | None = None,
) -> Recording:
    """Simulate a person with two wristbands who types.

    Give one of `text`, `key_presses` and `minutes`.

    Parameters
    ----------
    text
        What to type: one prompt a line, each ended with enter. Typed with mistakes, unless `mistakes` is 0.
    key_presses
        What was typed and when, in order of pressing; keys outside the 98 move a finger too where one is known.
    typist
        ``"demo"``, the person whom the bundled model knows; ``"easy:N"`` or ``"realistic:N"``, person N of that preset.
    minutes
        How long to type generated prompts; the last one may be left unfinished.
    seed
        Of text, rhythm, mistakes and noise. The same arguments give the same samples.
    session
        Which time of putting the bands on: they sit differently each time.
    speed
        Keys a second, pauses included; the typist's own if not given.
    split
        Which generated prompts: no prompt of one split is in another. Models bundled with this package are trained on
        ``"train"``.
    style
        Punctuation, capitals and digits of generated prompts.
    mistakes
        Mistakes a character; natural ones if not given.
    start
        When the first sample is taken, in seconds. If not given: with `key_presses` one second before the first of
        them, else a unix time that follows from typist, session and seed.

    Returns
    -------
    Recording
        In microvolts at 2 kHz; user and name begin with ``simulated``.

    Raises
    ------
    InputError
        If not exactly one thing to type is given, or it is empty or impossible, or there is no such typist.
    """
    who = person(typist)
    _check(text, key_presses, minutes, seed, session, speed, mistakes, start)
    prompts: list[TimedPrompt] = []
    if key_presses is not None:
        presses = _checked(list(key_presses))
        start = presses[0].down - FIRST_KEY if start is None else float(start)
        if presses[0].down < start:
            raise InputError(f"the first key goes down at {presses[0].down} s, before the start at {start} s")
        duration = max(press.up for press in presses) - start + REST
    else:
        start = _unix_start(who, session, seed) if start is None else float(start)
        typing = Typist(
            np.random.SeedSequence((_FOR_TYPING, who.number, seed, session)),
            np.random.SeedSequence((_FOR_HABITS, who.number)),
            MISTAKES if mistakes is None else mistakes,
        )
        speed = who.speed if speed is None else speed
        if text is not None:
            lines = [line for line in fold(text).split("⏎") if line.strip()]
            if not lines:
                raise InputError("there is nothing to type: no line of the text has more than spaces in it")
            prompts = typing.type(lines, speed, FIRST_KEY)
            duration = prompts[-1].key_presses[-1].up + REST
        else:
            duration = 60.0 * float(minutes or 0.0)
            sentences = Sentences((_FOR_TEXT, seed), split, style)
            prompts = typing.type(
                sentences, speed, min(FIRST_KEY, 0.25 * duration), until=max(duration - 0.5, 0.5 * duration)
            )
            duration = max(duration, prompts[-1].key_presses[-1].up)
        presses = [
            KeyPress(press.key, start + press.down, start + press.up)
            for prompt in prompts
            for press in prompt.key_presses
        ]
    if duration > LONGEST:
        raise InputError(
            f"typing this takes {duration / 3600:.4g} hours, the last key comes up {duration - REST:.6g} s after the "
            f"start; at most {LONGEST / 3600:g} hours are simulated at once: cut it into several recordings"
        )
    n_samples = math.ceil(duration * SFREQ)
    return Recording(
        emg=simulate_emg(presses, n_samples, who, session=session, seed=seed, start=start),
        times=start + np.arange(n_samples) / SFREQ,
        sfreq=float(SFREQ),
        key_presses=tuple(presses),
        prompts=tuple(
            Prompt(text=prompt.text, start=start + prompt.start, end=start + prompt.end) for prompt in prompts
        ),
        user=who.name,
        name=recording_name(who, session, seed),
        condition="on_keyboard",
    )


def recording_name(who: Person, session: int, seed: int) -> str:
    """Give the name that a recording of these gets."""
    return f"{who.name}-session{session}-seed{seed}"


def simulate_emg(
    key_presses: Sequence[KeyPress],
    n_samples: int,
    typist: str | Person = "demo",
    *,
    session: int = 0,
    seed: int = 0,
    start: float = 0.0,
) -> npt.NDArray[np.float32]:
    """Give the signal of key presses.

    It is what :class:`Forearms` gives for the same keys, without the lag.

    Parameters
    ----------
    key_presses
        In order of pressing, in the clock of `start`.
    n_samples
        How many samples from `start` on.
    typist, session, seed
        As in :func:`simulate`.
    start
        When the first sample is taken.

    Returns
    -------
    numpy.ndarray
        (n_samples, 32) microvolts.
    """
    forearms = Forearms(typist, session, seed)
    for press, hand in assign_shift_hands(key_presses):
        forearms.press(press.key, press.down - start, hand)
        forearms.release(press.key, press.up - start, hand)
    forearms.read(LAG_SAMPLES)
    return forearms.read(n_samples)


def _check(
    text: str | None,
    key_presses: Iterable[KeyPress] | None,
    minutes: float | None,
    seed: int,
    session: int,
    speed: float | None,
    mistakes: float | None,
    start: float | None,
) -> None:
    if sum(given is not None for given in (text, key_presses, minutes)) != 1:
        raise InputError("say what is typed by one of text, key_presses and minutes")
    if minutes is not None and not (math.isfinite(minutes) and 0.0 < 60 * minutes <= LONGEST):
        raise InputError(f"minutes is {minutes!r}: give a number above 0 and up to {LONGEST / 60:g}")
    if speed is not None and not (math.isfinite(speed) and 0.1 <= speed <= 20.0):
        raise InputError(f"speed is {speed!r}: give keys a second between 0.1 and 20")
    if speed is not None and key_presses is not None:
        raise InputError("key presses have their own times: give no speed with them")
    if mistakes is not None and not 0.0 <= mistakes <= 0.5:
        raise InputError(f"mistakes is {mistakes!r}: give mistakes a character between 0 and 0.5")
    if start is not None and not math.isfinite(start):
        raise InputError(f"start is {start!r}: give seconds")
    if seed < 0 or session < 0:
        raise InputError(f"seed and session are numbers from 0, not {seed} and {session}")


def _checked(presses: list[KeyPress]) -> list[KeyPress]:
    """Refuse key presses that no hands can have typed."""
    if not presses:
        raise InputError("there are no key presses to simulate")
    for i, press in enumerate(presses):
        if not (math.isfinite(press.down) and math.isfinite(press.up)):
            raise InputError(
                f"key press {i} ({press.key!r}) goes down at {press.down} s and up at {press.up} s: give finite times"
            )
        if press.up < press.down:
            raise InputError(
                f"key press {i} ({press.key!r}) comes up at {press.up} s, before it goes down at {press.down} s"
            )
    for i, (before, after) in enumerate(pairwise(presses), start=1):
        if after.down < before.down:
            raise InputError(
                f"key press {i} ({after.key!r}) goes down at {after.down} s, before the previous one ({before.down} s):"
                " sort them by the time of pressing"
            )
    return presses


def _unix_start(who: Person, session: int, seed: int) -> float:
    """Give a start in unix seconds, different for different recordings, as real ones have."""
    return 1_600_000_000.0 + zlib.crc32(f"{who.name}/{session}/{seed}".encode()) % 100_000_000
