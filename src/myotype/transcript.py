"""What was typed and what was decoded, and the formats a transcript is written in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from myotype.errors import InputError
from myotype.keyboard import KEY_SYMBOLS, render


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key that a person pressed: the truth that a recording carries.

    Attributes
    ----------
    key
        The key's name as pynput gives it: ``"a"``, ``"Key.space"``; not necessarily one of the 98.
    down, up
        When it went down and came up, in seconds of the recording's clock.
    """

    key: str
    down: float
    up: float


@dataclass(frozen=True, slots=True)
class Keystroke:
    """A key that was decoded from the signal.

    Attributes
    ----------
    key
        One of the 98 names in :data:`myotype.keyboard.KEYS`.
    time
        Seconds from the first sample.
    confidence
        Probability that the decoder gives this key, 0 to 1.
    """

    key: str
    time: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Note:
    """Something about the signal that the reader of a transcript should know.

    Attributes
    ----------
    time
        Seconds from the first sample.
    message
        What was found there and what was done about it.
    """

    time: float
    message: str


@dataclass(frozen=True, slots=True)
class Update:
    """What one push of samples added.

    Attributes
    ----------
    committed
        New keystrokes that will never change.
    pending
        All keystrokes after the committed ones, as they look now; the next update replaces them.
    notes
        What was found in the signal of this push.
    """

    committed: tuple[Keystroke, ...] = ()
    pending: tuple[Keystroke, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that was decoded from one recording.

    Attributes
    ----------
    keystrokes
        In order of time.
    start
        When the first sample was taken, in unix seconds; 0 where the recording has no clock.
    duration
        Seconds from the first sample to the last.
    notes
        What was found in the signal: gaps, bad samples.
    """

    keystrokes: tuple[Keystroke, ...]
    start: float = 0.0
    duration: float = 0.0
    notes: tuple[Note, ...] = field(default=())

    @property
    def keys(self) -> str:
        """The key sequence, one symbol a key: backspace as U+232B, enter as U+23CE, shift as U+21E7."""
        return "".join(KEY_SYMBOLS[stroke.key] for stroke in self.keystrokes)

    @property
    def text(self) -> str:
        """The text that a person would see: backspaces applied, enter as a new line."""
        return render(self.keys)
