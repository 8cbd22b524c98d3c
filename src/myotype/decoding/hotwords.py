"""Hot words: words and phrases that a person is likely to type and that a language model does not know."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, SupportsFloat

from myotype.errors import InputError
from myotype.keyboard import BACKSPACE, KEY_SYMBOLS, SHIFT, fold

DEFAULT_WEIGHT: Final = 1.5
"""Natural-log score per key of a hot word that has no weight of its own.

Measured with the bundled language model: of names that it does not know 89 % are read then instead of 56 %, which more
hardly betters, and text without them suffers nothing. Where hundreds are common words, 1 or less costs less; the
figures are those of ``benchmarks/hotwords.py``.
"""

_HEAVIEST: Final = 100.0  # per key: no network is as sure
_MOST_KEYS: Final = 100_000  # the search has a row of scores for each
_MOST_BYTES: Final = 1 << 22
_LONGEST_SHOWN: Final = 60  # characters of a word in a message
_LOOSE_WEIGHT: Final = re.compile(r"[ ,;]\s*[+-]?(\d+\.?|\d*\.\d+)$")  # at the end of a line, without a tab


def read_hotwords(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read hot words from a text file in UTF-8: a word or phrase a line.

    After it there may be a tab and its weight, in natural-log score per key of the word; without one it is
    `DEFAULT_WEIGHT`. A line that ends in a number without a tab is refused, as that may be meant for a weight: where
    the number belongs to the phrase, give it a tab and a weight. Blank lines and lines that begin with ``#`` do not
    count; a word that begins so is written with a backslash before it.

    Returns
    -------
    dict
        The weight of each, as `BeamDecoder` takes them.

    Raises
    ------
    InputError
        If the file cannot be read or is no such text; where a line is at fault, it says which.
    """
    path = Path(path)
    hotwords: dict[str, float] = {}
    seen: dict[str, tuple[float, int]] = {}
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        word, tab, weight = line.strip("\r").partition("\t")
        word = word.strip()
        if word.startswith("\\#"):
            word = word[1:]
        if not tab and _LOOSE_WEIGHT.search(word):
            message = (
                f"{_shown(word)} ends in a number: put a tab before the weight, also where the number is no weight"
            )
            raise InputError(f"{path}, line {number}: {message}")
        try:
            keys, checked = _keys(word), _weight(word, weight.strip() if tab else DEFAULT_WEIGHT)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        before, first = seen.setdefault(keys, (checked, number))
        if checked != before:
            raise InputError(
                f"{path}, line {number}: {_shown(word)} has weight {checked:g}, but {before:g} in line {first}"
            )
        if first == number:
            hotwords[word] = checked
    return hotwords


def weighted_hotwords(hotwords: Mapping[str, float] | Iterable[str] | None) -> dict[str, float]:
    """Give hot words with their weights, which are `DEFAULT_WEIGHT` where there are none.

    Raises
    ------
    InputError
        If they are neither a mapping nor several words.
    """
    if hotwords is None:
        return {}
    if isinstance(hotwords, Mapping):
        return dict(hotwords)
    if isinstance(hotwords, (str, bytes)) or not isinstance(hotwords, Iterable):
        raise InputError(f"hotwords={_shown(hotwords)}: expected words, or words with their weights")
    words = list(hotwords)
    if not all(isinstance(word, str) for word in words):
        raise InputError("hotwords: expected words, or a mapping of words to their weights")
    return dict.fromkeys(words, DEFAULT_WEIGHT)


def folded_hotwords(hotwords: Mapping[str, float]) -> dict[str, float]:
    """Give hot words as the search compares them: the symbols of their keys, letters in lower case, without shift.

    Raises
    ------
    InputError
        If a word has no keys or deletes some, a weight is not a number from 0 to 100, a word stands twice with
        different weights, or there is too much of it.
    """
    folded: dict[str, float] = {}
    for word, given in hotwords.items():
        keys, weight = _keys(word), _weight(word, given)
        if folded.setdefault(keys, weight) != weight:
            raise InputError(f"hot word {_shown(word)} has weight {weight:g}, but {folded[keys]:g} in another spelling")
    n_keys = sum(map(len, folded))
    if n_keys > _MOST_KEYS:
        message = f"the hot words have {n_keys:,} keys in all; {_MOST_KEYS:,} are the most"
        raise InputError(f"{message}: keep the likely ones, or estimate a language model from such text")
    return folded


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > _MOST_BYTES:
        raise InputError(f"{path} has more than {_MOST_BYTES:,} bytes: it is no list of hot words")
    if b"\0" in content:
        raise InputError(f"{path} has NUL characters, as UTF-16 has: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: is not UTF-8: save it as such") from None


def _keys(word: str) -> str:
    """Give a word as it is compared."""
    if not isinstance(word, str):
        raise InputError(f"hot word {_shown(word)}: expected text")
    lost = "".join(character for character in dict.fromkeys(word) if not fold(character))
    if lost:
        raise InputError(f"hot word {_shown(word)} has characters that no key types: {lost[:_LONGEST_SHOWN]}")
    keys = re.sub(" +", " ", fold(word).replace(KEY_SYMBOLS[SHIFT], "").strip().lower())
    if not keys:
        raise InputError(f"hot word {_shown(word)} has none of the 98 keys")
    if KEY_SYMBOLS[BACKSPACE] in keys:
        raise InputError(f"hot word {_shown(word)} has a backspace: give what is to be seen in the end")
    return keys


def _weight(word: str, weight: SupportsFloat | str) -> float:
    try:
        number = float(weight)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= _HEAVIEST:
        what = f"hot word {_shown(word)} has weight {_shown(weight)}"
        raise InputError(f"{what}: expected a number from 0 to {_HEAVIEST:g}")
    return number


def _shown(value: Any) -> str:
    """Write a value for a message, and not all of a long one."""
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "...")
    try:
        shown = repr(value)
    except ValueError:  # Python does not write down numbers of thousands of digits
        return type(value).__name__
    return shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "..."
