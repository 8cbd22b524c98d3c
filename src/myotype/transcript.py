"""What was typed and what was decoded, and the formats a transcript is written in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Final

from myotype.keyboard import KEY_SYMBOLS, render

MOST_READINGS: Final = 1000
"""How many readings of a recording may be asked for."""


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
        Seconds from the first sample; where the recording's clock runs backwards, time goes on from where it was.
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
class Alternative:
    """One of the readings of a recording.

    Attributes
    ----------
    keystrokes
        In order of time.
    score
        Natural logarithm: of the probability that the network gives the key sequence, with what language model and hot
        words add. Differences between alternatives count; the number itself falls with every frame. Passages between
        pauses, and stretches between gaps, are scored by themselves and added up.
    """

    keystrokes: tuple[Keystroke, ...]
    score: float

    @property
    def keys(self) -> str:
        """The key sequence, one symbol a key: backspace as U+232B, enter as U+23CE, shift as U+21E7."""
        return _symbols(self.keystrokes)

    @property
    def text(self) -> str:
        """The text that a person would see: backspaces applied, enter as a new line."""
        return render(self.keys)


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
        Seconds from the first sample to the end of the last.
    notes
        What was found in the signal: gaps, bad samples.
    alternatives
        The readings with the highest scores, best first; the first is that of `keystrokes`. No two have the same keys.
        Empty where only the best was asked for.
    """

    keystrokes: tuple[Keystroke, ...]
    start: float = 0.0
    duration: float = 0.0
    notes: tuple[Note, ...] = field(default=())
    alternatives: tuple[Alternative, ...] = ()

    @property
    def keys(self) -> str:
        """The key sequence, one symbol a key: backspace as U+232B, enter as U+23CE, shift as U+21E7."""
        return _symbols(self.keystrokes)

    @property
    def text(self) -> str:
        """The text that a person would see: backspaces applied, enter as a new line."""
        return render(self.keys)


def unlike(alternatives: Iterable[Alternative]) -> tuple[Alternative, ...]:
    """Give those that show different texts: of each text the first."""
    found: dict[str, Alternative] = {}
    for one in alternatives:
        found.setdefault(one.text, one)
    return tuple(found.values())


def _symbols(keystrokes: tuple[Keystroke, ...]) -> str:
    return "".join(KEY_SYMBOLS[stroke.key] for stroke in keystrokes)


_NEW_LINE: Final = "\n"


def _txt(transcript: Transcript) -> str:
    if transcript.alternatives:
        # A line each, to be sorted and cut: enter, which would break it, is shown as its symbol.
        readings = enumerate(unlike(transcript.alternatives), start=1)
        return "".join(f"{rank}\t{one.score:.4f}\t{one.text.replace(_NEW_LINE, '⏎')}\n" for rank, one in readings)
    text = transcript.text
    return text if not text or text.endswith("\n") else text + "\n"


def _tsv(transcript: Transcript) -> str:
    rows = ["time\tkey\tconfidence"]
    rows += [f"{stroke.time:.4f}\t{stroke.key}\t{stroke.confidence:.4f}" for stroke in transcript.keystrokes]
    return "\n".join(rows) + "\n"


def _json(transcript: Transcript) -> str:
    content = {"text": transcript.text, "keys": transcript.keys, **asdict(replace(transcript, alternatives=()))}
    content["alternatives"] = [
        {"score": one.score, "text": one.text, "keys": one.keys, "keystrokes": [asdict(key) for key in one.keystrokes]}
        for one in transcript.alternatives
    ]
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


_LONGEST_LINE: Final = 42  # characters in a subtitle
_PAUSE: Final = 1.5  # seconds without a key that end a subtitle
_LINGER: Final = 1.0  # seconds that a subtitle stays after its last key


def _srt(transcript: Transcript) -> str:
    lines = _lines(transcript)
    blocks = []
    for index, line in enumerate(lines):
        begin, end = line[0][1], line[-1][1] + _LINGER
        if index + 1 < len(lines):
            end = min(end, lines[index + 1][0][1])
        text = "".join(character for character, _ in line)
        blocks.append(f"{index + 1}\n{_srt_time(begin)} --> {_srt_time(end)}\n{text}\n")
    return "\n".join(blocks)


def _lines(transcript: Transcript) -> list[list[tuple[str, float]]]:
    """Cut the rendered text into subtitles: characters with their times."""
    text: list[tuple[str, float]] = []
    for stroke in transcript.keystrokes:
        match KEY_SYMBOLS[stroke.key]:
            case "⌫":
                del text[-1:]
            case "⇧":
                pass
            case symbol:
                text.append((symbol, max(stroke.time, text[-1][1]) if text else max(stroke.time, 0.0)))
    lines: list[list[tuple[str, float]]] = [[]]
    for character, time in text:
        line = lines[-1]
        if line and (time - line[-1][1] > _PAUSE or (character == " " and len(line) >= _LONGEST_LINE)):
            lines.append([])
        if character == "⏎":
            lines.append([])
        elif character != " " or lines[-1]:
            lines[-1].append((character, time))
    return [line for line in lines if line]


def _srt_time(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"


WRITERS: Final[Mapping[str, Callable[[Transcript], str]]] = MappingProxyType(
    {"txt": _txt, "tsv": _tsv, "json": _json, "srt": _srt}
)
"""How to write a transcript, by the name of the format: the rendered text; a table of keystrokes with their times; all
that is known; subtitles.

Where there are alternatives, the text is a line for each, best first: rank, score and text, separated by tabs, with
enter as U+23CE; of those that show the same text there is the best. Tables and subtitles have the best alone."""
