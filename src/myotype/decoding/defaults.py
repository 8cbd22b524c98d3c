"""What a model's beam search was tuned to: weights that belong to one language model, and how they were found."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from myotype.errors import ModelError

if TYPE_CHECKING:
    from myotype.decoding.automaton import LanguageModel  # compiled

LARGEST_BEAM: Final = 100_000
LARGEST_WEIGHT: Final = 1000.0

LONGEST_NAME: Final = 200
"""Characters of a language model's name."""

_MOST: Final = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderDefaults:
    """The beam search that suits a model, measured with one language model and meant for no other.

    Attributes
    ----------
    lm
        What the language model was called: "english" for the bundled one, or a file's name.
    lm_sha256
        Which one it was: see `lm_digest`.
    lm_weight, insertion_bonus, beam_size
        As `BeamDecoder` takes them.
    cer_before, cer_after
        Character error rates with the weights that were used before, and with these, on the recordings that these were
        chosen by; 0.05 is 5 %.
    cer_greedy
        That of greedy decoding, on the same recordings.
    keys, recordings
        How many keys were typed, in how many recordings.
    simulated
        Whether all of the recordings were simulated.
    """

    lm: str
    lm_sha256: str
    lm_weight: float
    insertion_bonus: float
    beam_size: int
    cer_before: float
    cer_after: float
    cer_greedy: float
    keys: int
    recordings: int
    simulated: bool

    @classmethod
    def from_json(cls, content: object, where: str) -> Self:
        """Take what a file says, strictly.

        Parameters
        ----------
        content
            A JSON object with the attributes as names.
        where
            Place of the object, for messages.

        Raises
        ------
        ModelError
            If a name is missing, unknown, or has a value of the wrong kind or beyond all measure.
        """
        if not isinstance(content, dict):
            raise ModelError(f"{where}: expected a JSON object, found {type(content).__name__}")
        names = cls.__dataclass_fields__.keys()
        for name in sorted(content.keys() - names):
            raise ModelError(f"{where}: {name[:LONGEST_NAME]!a} is not known; known are {', '.join(names)}")
        for name in names:
            if name not in content:
                raise ModelError(f"{where}: {name} is missing")
        name = content["lm"]
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
            raise ModelError(f"{where}: lm is {str(name)[:LONGEST_NAME]!a}; expected the name of a language model")
        if not isinstance(content["lm_sha256"], str) or not re.fullmatch("[0-9a-f]{64}", content["lm_sha256"]):
            raise ModelError(f"{where}: lm_sha256 is no SHA-256 in hexadecimal digits")
        if not isinstance(content["simulated"], bool):
            raise ModelError(f"{where}: simulated is no bool")
        numbers = {name: _number(content[name], *bounds, f"{where}: {name}") for name, bounds in _RANGES.items()}
        return cls(**(content | numbers))


_RANGES: Final[dict[str, tuple[float, float, type]]] = {
    "lm_weight": (0, LARGEST_WEIGHT, float),
    "insertion_bonus": (-LARGEST_WEIGHT, LARGEST_WEIGHT, float),
    "beam_size": (1, LARGEST_BEAM, int),
    "cer_before": (0, _MOST, float),
    "cer_after": (0, _MOST, float),
    "cer_greedy": (0, _MOST, float),
    "keys": (1, _MOST, int),
    "recordings": (1, _MOST, int),
}


def _number(value: Any, low: float, high: float, kind: type, what: str) -> Any:
    fits = isinstance(value, (int, kind)) and not isinstance(value, bool)
    if not fits or not low <= value <= high:
        number = "a whole number" if kind is int else "a number"
        raise ModelError(f"{what} is {str(value)[:LONGEST_NAME]!a}; expected {number} from {low:g} to {high:g}")
    return kind(value)


def lm_digest(lm: LanguageModel) -> str:
    """Tell language models apart by their arrays, in whichever kind of file they are kept.

    The same n-grams in another order make other arrays: an ARPA file of shuffled lines has another digest.

    Returns
    -------
    str
        SHA-256 of the model's arrays and of the numbers that a search starts and ends with.
    """
    digest = hashlib.sha256()
    arrays = lm.automaton._asdict() | {
        "key_words": lm.key_words,
        "ends": np.array([lm.begin, lm.end_word], np.int64),
        "unk_log10": np.array([lm.unk_log10], np.float64),
    }
    for name, array in arrays.items():
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{name} {plain.dtype.str} {plain.size}\n".encode())
        digest.update(plain.view(np.uint8).data)
    return digest.hexdigest()
