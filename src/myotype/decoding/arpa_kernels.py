"""The inner loop of reading ARPA files: lines of bytes to numbers, as compiled functions."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from myotype.decoding.ngram_kernels import find_entry

(
    MORE,
    FULL,
    SECTION_ENDS,
    NO_NUMBER,
    POSITIVE,
    FEW_WORDS,
    UNKNOWN_WORD,
    UNKNOWN_CONTEXT,
    BAD_BACKOFF,
    MANY_COLUMNS,
) = range(10)
"""Why :func:`parse_ngrams` stopped."""

WORD_BITS: Final = 16

_NEW_LINE, _BACKSLASH, _PLUS, _MINUS, _POINT, _ZERO, _NINE = (ord(c) for c in "\n\\+-.09")
_LOWER_E, _UPPER_E = (ord(c) for c in "eE")
_BLANKS: Final = (ord(" "), ord("\t"), ord("\r"))
_MOST_DIGITS: Final = 10**17


class Vocabulary(NamedTuple):
    """Words as sorted bytes.

    Attributes
    ----------
    letters
        The bytes of all words, one word after the other.
    starts
        (words + 1,) where each begins.
    ids
        (words,) the id of each.
    single
        (256,) the id of the word that is this one byte, or -1.
    """

    letters: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    single: npt.NDArray[np.int32]


@njit(cache=True)
def _skip_blanks(data: npt.NDArray[np.uint8], at: int) -> int:
    while data[at] in _BLANKS:
        at += 1
    return at


@njit(cache=True)
def _skip_token(data: npt.NDArray[np.uint8], at: int) -> int:
    while data[at] != _NEW_LINE and data[at] not in _BLANKS:
        at += 1
    return at


@njit(cache=True)
def _digit(character: np.uint8) -> int:
    return int(np.int64(character)) - _ZERO  # signed: Numba would make a float of the difference


@njit(cache=True)
def _number(data: npt.NDArray[np.uint8], low: int, high: int) -> float:
    """Read a decimal number that fills [low, high), or give NaN; exact to a rounding or two of float64."""
    negative = low < high and data[low] == _MINUS
    if low < high and data[low] in (_MINUS, _PLUS):
        low += 1
    digits, power, seen, after_point = 0, 0, False, False
    while low < high and (_ZERO <= data[low] <= _NINE or (data[low] == _POINT and not after_point)):
        if data[low] == _POINT:
            after_point = True
        else:
            seen = True
            if digits < _MOST_DIGITS:
                digits = digits * 10 + _digit(data[low])
                power -= after_point
            else:
                power += not after_point
        low += 1
    if seen and low < high and data[low] in (_LOWER_E, _UPPER_E):
        low += 1
        down = low < high and data[low] == _MINUS
        if low < high and data[low] in (_MINUS, _PLUS):
            low += 1
        exponent, seen = 0, False
        while low < high and _ZERO <= data[low] <= _NINE:
            exponent = min(exponent * 10 + _digit(data[low]), 100_000)
            seen = True
            low += 1
        power += -exponent if down else exponent
    if not seen or low != high:
        return np.nan
    value = digits * 10.0**power if power >= -300 else digits * 10.0**-300 * 10.0 ** (power + 300)
    return -value if negative else value


@njit(cache=True)
def _word_id(vocabulary: Vocabulary, data: npt.NDArray[np.uint8], low: int, high: int) -> int:
    """Give the id of the word that stands at [low, high), or -1."""
    if high - low == 1:
        return int(vocabulary.single[data[low]])
    first, last = 0, len(vocabulary.ids)
    while first < last:
        middle = (first + last) >> 1
        start, stop = vocabulary.starts[middle], vocabulary.starts[middle + 1]
        length = min(stop - start, high - low)
        i = 0
        while i < length and vocabulary.letters[start + i] == data[low + i]:
            i += 1
        if i == stop - start and i == high - low:
            return int(vocabulary.ids[middle])
        # The word that ends where they still agree comes first.
        if i == stop - start or (i < length and vocabulary.letters[start + i] < data[low + i]):
            first = middle + 1
        else:
            last = middle
    return -1


@njit(cache=True)
def parse_ngrams(  # noqa: C901, PLR0911, PLR0912
    data: npt.NDArray[np.uint8],
    at: int,
    order: int,
    highest: bool,  # noqa: FBT001
    vocabulary: Vocabulary,
    child_word: npt.NDArray[np.uint16],
    entry_begin: npt.NDArray[np.int32],
    places: npt.NDArray[np.uint64],
    log10: npt.NDArray[np.float32],
    backoff: npt.NDArray[np.float32],
    n: int,
) -> tuple[Any, Any, Any, Any, Any]:
    """Read n-grams until the bytes, the room for them or their section ends, or something is wrong.

    Parameters
    ----------
    data
        Whole lines.
    at
        Where to begin.
    order
        Of the n-grams, 2 or more.
    highest
        Whether it is the highest: then there are no back-off weights.
    child_word, entry_begin
        The n-grams of lower orders, as in :func:`~myotype.decoding.ngram_kernels.link_states`.
    places
        Written from index n on: which n-gram the words but for the last are, and the last, in `WORD_BITS` bits.
    log10, backoff
        Written from index n on; NaN where there is no back-off weight.
    n
        How many n-grams of this order have been read before.

    Returns
    -------
    tuple
        Why it stopped; the line at which it did, as a place in `data`; how many n-grams have been read; and the bytes
        [low, high) that the reason is about.
    """
    path = np.full(order, -1, np.int64)
    ids = np.full(order, -1, np.int64)
    while at < len(data):
        if n == len(places):
            return FULL, at, n, at, at
        low = _skip_blanks(data, at)
        if data[low] in (_NEW_LINE, _BACKSLASH):
            return SECTION_ENDS, at, n, at, at
        high = _skip_token(data, low)
        value = _number(data, low, high)
        if not abs(value) < np.finfo(np.float32).max:
            return NO_NUMBER, at, n, low, high
        if value > 0.0:
            return POSITIVE, at, n, low, high
        log10[n] = value
        known = True  # whether the words so far are those of the n-gram before
        for i in range(order):
            low = _skip_blanks(data, high)
            high = _skip_token(data, low)
            if low == high:
                return FEW_WORDS, at, n, low, high
            word = _word_id(vocabulary, data, low, high)
            if word < 0:
                return UNKNOWN_WORD, at, n, low, high
            known = known and ids[i] == word
            if i + 1 < order and not known:
                ids[i] = word
                ids[i + 1] = -1
                if i == 0:
                    path[0] = word
                else:
                    path[i] = find_entry(child_word, entry_begin[path[i - 1]], entry_begin[path[i - 1] + 1], word)
                if path[i] < 0:
                    return UNKNOWN_CONTEXT, at, n, low, high
        places[n] = (np.uint64(path[order - 2]) << np.uint64(WORD_BITS)) | np.uint64(word)
        backoff[n] = np.nan
        low = _skip_blanks(data, high)
        high = _skip_token(data, low)
        if low < high:
            if highest:
                return MANY_COLUMNS, at, n, low, high
            value = _number(data, low, high)
            if not abs(value) < np.finfo(np.float32).max:
                return BAD_BACKOFF, at, n, low, high
            backoff[n] = value
            low = _skip_blanks(data, high)
            high = _skip_token(data, low)
            if low < high:
                return MANY_COLUMNS, at, n, low, high
        at = high + 1
        n += 1
    return MORE, at, n, at, at
