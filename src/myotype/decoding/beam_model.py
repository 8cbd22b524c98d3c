"""What a beam search is to do, in the form that its compiled functions take."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from myotype.decoding.automaton import Automaton, LanguageModel
from myotype.decoding.beam_hotwords import HotWords
from myotype.decoding.beam_layout import NONE
from myotype.errors import InputError
from myotype.keyboard import KEYS

END_COLUMN: Final = 0
"""Where a row of scores has that of the end of a word."""

_TYPES: Final = {
    "child_start": np.int64,
    "child_word": np.uint16,
    "child_log10": np.float32,
    "child_state": np.int32,
    "backoff": np.float32,
    "shorter": np.int32,
}


class Language(NamedTuple):
    """A language model and its part in the search."""

    automaton: Automaton
    begin: int
    end_word: int
    key_column: npt.NDArray[np.int64]  # (98,) of each key in a row of scores, or NONE outside the vocabulary
    word_column: npt.NDArray[np.int64]  # of each word of the language model, or NONE for what no key has
    unk_log10: float
    weight: float
    bonus: float
    has_lm: bool


class Model(NamedTuple):
    """What the search is to do: shared and read-only.

    Compiled functions pass all fields on at every call, so what is called often only takes the part that it needs.
    """

    language: Language
    hotwords: HotWords
    temperature: float  # of confidences
    end_of_word: bool  # whether the end pays for the end of a word
    backspace: int  # the label that deletes, or NONE


def new_language(lm: LanguageModel | None, weight: float, bonus: float) -> Language:
    """Put a language model, or none, in the form that compiled functions take.

    Raises
    ------
    InputError
        If the language model's arrays do not go together.
    """
    begin, end_word, unk_log10 = (0, 0, 0.0) if lm is None else (int(lm.begin), int(lm.end_word), float(lm.unk_log10))
    words = [NONE] * len(KEYS) if lm is None else [int(word) for word in lm.key_words]
    if len(words) != len(KEYS):
        raise InputError(f"the language model has words for {len(words)} keys; there are {len(KEYS)}")
    columns = {end_word: END_COLUMN}
    for word in words:
        if word >= 0:
            columns.setdefault(word, len(columns))
    arrays = {name: () if lm is None else getattr(lm.automaton, name) for name in _TYPES}
    automaton = Automaton(**{name: _fixed(name, values, _TYPES[name]) for name, values in arrays.items()})
    if lm is not None:
        _check(automaton, begin, end_word)
    return Language(
        automaton=automaton,
        begin=begin,
        end_word=end_word,
        key_column=_fixed("key_words", [columns.get(word, NONE) for word in words], np.int64),
        word_column=_fixed("words", [columns.get(word, NONE) for word in range(max(columns) + 1)], np.int64),
        unk_log10=unk_log10,
        weight=weight,
        bonus=bonus,
        has_lm=lm is not None,
    )


def fingerprint(parts: tuple[Any, ...]) -> bytes:
    """Give 32 bytes that change with any of the parts: arrays, values that Python can write down, or tuples of them."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype} {part.shape} ".encode())
            digest.update(part.data)
        else:
            digest.update(fingerprint(part) if isinstance(part, tuple) else f"{part!r} ".encode())
    return digest.digest()


def _fixed(name: str, values: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Give an array as it is compiled for: contiguous, aligned, of one type, read-only; copied only where it is not."""
    array = np.require(values, dtype, ["C", "A"]).view(np.ndarray)
    if array.ndim != 1:
        raise InputError(f"{name} of the language model has shape {array.shape}; expected one dimension")
    array.flags.writeable = False
    return array


def _check(automaton: Automaton, begin: int, end_word: int) -> None:
    n_states, n_ngrams = len(automaton.backoff), len(automaton.child_word)
    lengths = [len(array) for array in automaton]
    if n_states < 1 or lengths != [n_states + 1, n_ngrams, n_ngrams, n_ngrams, n_states, n_states]:
        raise InputError(f"the language model's arrays have lengths {lengths}, which do not go together")
    if automaton.child_start[0] != 0 or automaton.child_start[-1] != n_ngrams:
        raise InputError("the language model's states do not share out its n-grams")
    if not 0 <= begin < n_states or end_word < 0:
        raise InputError(f"the language model begins in state {begin} of {n_states} and ends words with {end_word}")
