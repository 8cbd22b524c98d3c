"""How far a decoded text is from the true one: Levenshtein distance, split into kinds of errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from myotype.errors import InputError
from myotype.keyboard import fold_key, keys_to_symbols, render
from myotype.transcript import KeyPress, Keystroke


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """The errors in one or more decoded texts, named as in speech recognition.

    Counts of several recordings are added with ``+`` (or ``sum(rates, ErrorRates())``), so that long recordings weigh
    more than short ones.

    Attributes
    ----------
    deletions
        Symbols of the target that are missing from the prediction.
    insertions
        Symbols of the prediction that are not in the target.
    substitutions
        Symbols of the target that are others in the prediction.
    target_length
        Symbols of the target.
    """

    deletions: int = 0
    insertions: int = 0
    substitutions: int = 0
    target_length: int = 0

    def __add__(self, other: ErrorRates) -> ErrorRates:
        if not isinstance(other, ErrorRates):
            return NotImplemented
        return ErrorRates(
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.substitutions + other.substitutions,
            self.target_length + other.target_length,
        )

    @property
    def errors(self) -> int:
        """All errors: the Levenshtein distance."""
        return self.deletions + self.insertions + self.substitutions

    @property
    def cer(self) -> float:
        """Errors per symbol of the target: 0.05 is 5 %; more than 1 where much was inserted.

        Raises
        ------
        InputError
            If the target is empty: there is no rate then.
        """
        return self._rate(self.errors)

    @property
    def deletion_rate(self) -> float:
        """Deletions per symbol of the target; undefined as :attr:`cer` is."""
        return self._rate(self.deletions)

    @property
    def insertion_rate(self) -> float:
        """Insertions per symbol of the target; undefined as :attr:`cer` is."""
        return self._rate(self.insertions)

    @property
    def substitution_rate(self) -> float:
        """Substitutions per symbol of the target; undefined as :attr:`cer` is."""
        return self._rate(self.substitutions)

    def in_reference_terms(self) -> dict[str, float]:
        """Give the rates in percent under the names of the emg2qwerty reference, for comparison with its output.

        It names deletions and insertions the other way round than speech recognition does: its IER is the rate of
        keys that are missing from the prediction, its DER that of extra keys.
        """
        return {
            "CER": 100 * self.cer,
            "IER": 100 * self.deletion_rate,
            "DER": 100 * self.insertion_rate,
            "SER": 100 * self.substitution_rate,
        }

    def _rate(self, count: int) -> float:
        if self.target_length == 0:
            raise InputError("the target is empty: there is no error rate of it, only counts")
        return count / self.target_length


def error_rates(prediction: str, target: str) -> ErrorRates:
    """Compare two key sequences (or any texts), symbol by symbol.

    Backspaces are symbols like any other; compare what :func:`myotype.keyboard.render` gives to apply them. Where
    several splits into kinds of errors have the same sum, the one of the emg2qwerty reference is given.

    Parameters
    ----------
    prediction
        What was decoded, one symbol a key.
    target
        What was typed, one symbol a key.

    Examples
    --------
    >>> error_rates("teh cat", "the cats").cer
    0.375
    """
    return _counted(prediction, target)


def rendered_error_rates(prediction: str, target: str) -> ErrorRates:
    """Compare the texts that a person would see after two key sequences: backspaces applied, enter as a new line."""
    return _counted(render(prediction), render(target))


def word_error_rates(prediction: str, target: str) -> ErrorRates:
    """Compare the words that a person would see after two key sequences; `cer` of the result is errors per word."""
    return _counted(render(prediction).split(), render(target).split())


def align(prediction: str, target: str) -> list[tuple[str | None, str | None]]:
    """Lay two key sequences side by side.

    Returns
    -------
    list of (predicted symbol or None, true symbol or None)
        None on the left is a missing key, None on the right an extra one, two different symbols are a substitution;
        the left side joined is the prediction, the right side the target.

    Examples
    --------
    >>> align("cta", "cat")
    [('c', 'c'), (None, 'a'), ('t', 't'), ('a', None)]
    """
    pairs: list[tuple[str | None, str | None]] = []
    for block in Levenshtein.opcodes(prediction, target):
        left, right = prediction[block.src_start : block.src_end], target[block.dest_start : block.dest_end]
        match block.tag:
            case "delete":
                pairs += [(symbol, None) for symbol in left]
            case "insert":
                pairs += [(None, symbol) for symbol in right]
            case _:
                pairs += zip(left, right, strict=True)
    return pairs


def _counted(prediction: str | list[str], target: str | list[str]) -> ErrorRates:
    # These operations edit the prediction into the target: they insert what is missing and delete what is extra.
    tags = [operation.tag for operation in Levenshtein.editops(prediction, target)]
    return ErrorRates(
        deletions=tags.count("insert"),
        insertions=tags.count("delete"),
        substitutions=tags.count("replace"),
        target_length=len(target),
    )


def timing_errors(keystrokes: Sequence[Keystroke], key_presses: Sequence[KeyPress], start: float) -> list[float]:
    """Give how much later than its press each key was decoded, in seconds, where the right key was.

    Parameters
    ----------
    keystrokes
        What was decoded, in order.
    key_presses
        What was typed, in order; keys outside the 98 are left out.
    start
        When the first sample was taken, in the clock of the key presses.
    """
    presses = [press for press in key_presses if fold_key(press.key) is not None]
    errors = []
    decoded, typed = iter(keystrokes), iter(presses)
    prediction = keys_to_symbols(stroke.key for stroke in keystrokes)
    for symbol, true_symbol in align(prediction, keys_to_symbols(press.key for press in presses)):
        stroke = next(decoded) if symbol is not None else None
        press = next(typed) if true_symbol is not None else None
        if stroke is not None and press is not None and symbol == true_symbol:
            errors.append(stroke.time - (press.down - start))
    return errors
