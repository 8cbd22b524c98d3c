"""The 98 keys, their labels, and the way from text to keys and back.

The order of the keys is that of the emg2qwerty data set (Sivakumar et al. 2024, arXiv 2410.20081): a key's label is its
index, and one more label stands for the CTC blank.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from anyascii import anyascii

from myotype.errors import InputError

BACKSPACE: Final = "Key.backspace"
ENTER: Final = "Key.enter"
SPACE: Final = "Key.space"
SHIFT: Final = "Key.shift"

KEYS: Final[tuple[str, ...]] = (
    *string.ascii_letters,
    *string.digits,
    *string.punctuation,
    BACKSPACE,
    ENTER,
    SPACE,
    SHIFT,
)
"""The names of the 98 keys, as pynput gives them; a key's label is its index."""

BLANK: Final = len(KEYS)
"""The label of the CTC blank."""

N_LABELS: Final = len(KEYS) + 1

KEY_SYMBOLS: Final[dict[str, str]] = {key: key for key in KEYS} | {BACKSPACE: "⌫", ENTER: "⏎", SPACE: " ", SHIFT: "⇧"}
"""One character a key: how a key sequence is written as text."""

SYMBOLS: Final[tuple[str, ...]] = tuple(KEY_SYMBOLS[key] for key in KEYS)

_LABEL_OF_KEY: Final = {key: label for label, key in enumerate(KEYS)}
_LABEL_OF_SYMBOL: Final = {symbol: label for label, symbol in enumerate(SYMBOLS)}
_FOLDED: Final = {
    "\n": "⏎",
    "\r": "⏎",
    "\b": "⌫",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "—": "-",
    "–": "-",
    # Symbols of keys outside the 98, and of a character that could not be read: no transliteration makes them a key.
    **dict.fromkeys("⇥⌃⌘⌥↑⇡\N{REPLACEMENT CHARACTER}", ""),
}


def fold(text: str) -> str:
    r"""Reduce any text to the symbols of the 98 keys.

    New lines and carriage returns become enter, ``\b`` becomes backspace, typographic quotes and dashes become ASCII,
    other characters their ASCII transliteration if it is a single character; what is then still outside the 98 keys
    is dropped.

    Examples
    --------
    >>> fold("café — “ok”\n")
    'cafe - "ok"⏎'
    """
    return "".join(_fold_character(character) for character in text)


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    if character in _LABEL_OF_SYMBOL:
        return character
    if character in _FOLDED:
        return _FOLDED[character]
    ascii_text = anyascii(character)
    return ascii_text if len(ascii_text) == 1 and ascii_text in _LABEL_OF_SYMBOL else ""


def key_to_label(key: str) -> int:
    """Give the label of a key by name; the key's name is taken literally, without folding.

    Raises
    ------
    InputError
        If the key is not one of the 98.
    """
    try:
        return _LABEL_OF_KEY[key]
    except KeyError:
        raise InputError(f"{key!r} is not one of the 98 keys (see myotype.keyboard.KEYS)") from None


def fold_key(key: str) -> str | None:
    """Give the one of the 98 keys that a recorded key stands for, or None where it stands for none.

    A name such as ``"Key.space"`` stands for itself or, where it is not among the 98, for nothing
    (``"Key.shift_l"``, ``"Key.ctrl"``); a character is folded like text.
    """
    if key in _LABEL_OF_KEY:
        return key
    if len(key) != 1:
        return None
    symbol = _fold_character(key)
    return KEYS[_LABEL_OF_SYMBOL[symbol]] if symbol else None


def keys_to_symbols(keys: Iterable[str]) -> str:
    """Write a sequence of recorded keys as text, one symbol a key; keys outside the 98 are dropped."""
    return "".join(KEY_SYMBOLS[folded] for key in keys if (folded := fold_key(key)) is not None)


def text_to_labels(text: str) -> npt.NDArray[np.int64]:
    """Fold a text and give the label of each of its keys."""
    return np.array([_LABEL_OF_SYMBOL[symbol] for symbol in fold(text)], dtype=np.int64)


def labels_to_text(labels: Iterable[int] | npt.NDArray[np.integer]) -> str:
    """Write labels as text, one symbol a key.

    Raises
    ------
    InputError
        If a label is not that of a key; the blank is not.
    """
    symbols = []
    for label in labels:
        if not 0 <= label < len(SYMBOLS):
            raise InputError(f"label {label} is not that of a key: 0 to {len(SYMBOLS) - 1} are")
        symbols.append(SYMBOLS[label])
    return "".join(symbols)


def render(keys: str) -> str:
    r"""Give the text that a person would see after typing a key sequence.

    Backspace deletes what stands before it (at the beginning nothing), enter becomes a new line, shift leaves no trace.

    Examples
    --------
    >>> render("teh⌫⌫he cat⏎")
    'the cat\n'
    """
    text: list[str] = []
    for symbol in keys:
        match symbol:
            case "⌫":
                del text[-1:]
            case "⏎":
                text.append("\n")
            case "⇧":
                pass
            case _:
                text.append(symbol)
    return "".join(text)
