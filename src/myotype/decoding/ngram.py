"""Character n-gram language models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from myotype.decoding.arpa import read_arpa
from myotype.decoding.arpa_writing import write_arpa
from myotype.decoding.automaton import Automaton
from myotype.decoding.automaton import end as end_log10
from myotype.decoding.counting import Progress
from myotype.decoding.estimation import Smoothing, estimate
from myotype.decoding.ngram_kernels import score_keys
from myotype.decoding.packed import read_packed, write_packed
from myotype.decoding.pruning import prune
from myotype.errors import InputError, LanguageModelError
from myotype.keyboard import BACKSPACE, KEYS, key_to_label, text_to_labels

MISSING_UNK_LOG10: Final = -100.0
"""What stands for log10 P(<unk>) where a model has no such word."""

_UNKNOWN_WORDS: Final = ("<unk>", "<UNK>")
_ZIP: Final = b"PK\x03\x04"
_DELETE: Final = -2  # among the numbers of words: backspace


class NGram:
    """A back-off model of keys: how probable each key is after the keys before it.

    Its words are the names of keys (``a``, ``'``, ``Key.space``); others may be among them and are of no use here. Keys
    that are not among them close the word (see :meth:`score`). Made by :meth:`load` and :meth:`estimate`; never
    changed, so that any number of decoders can share one.

    Attributes
    ----------
    automaton
        Its n-grams as arrays.
    words
        The vocabulary, by number.
    counts
        How many n-grams there are of each order.
    begin
        The state after ``<s>``.
    end_word
        The number of ``</s>``.
    unk_log10
        log10 probability of ``<unk>`` after nothing; `MISSING_UNK_LOG10` where the model has none.
    key_words
        (98,) the number of each key's word, -1 for keys outside the vocabulary.

    Raises
    ------
    LanguageModelError
        If ``<s>`` or ``</s>`` is not among the words.
    """

    def __init__(self, automaton: Automaton, counts: Sequence[int], words: Sequence[str]) -> None:
        self.automaton = automaton
        self.counts = tuple(counts)
        self.words = tuple(words)
        numbers = {word: number for number, word in enumerate(self.words)}
        for needed in ("<s>", "</s>"):
            if needed not in numbers:
                raise LanguageModelError(f"a language model without the word {needed}")
        # The single words stand first, each at its own number.
        self.begin = int(automaton.child_state[numbers["<s>"]])
        self.end_word = numbers["</s>"]
        unknown = next((numbers[word] for word in _UNKNOWN_WORDS if word in numbers), None)
        self.unk_log10 = MISSING_UNK_LOG10 if unknown is None else float(automaton.child_log10[unknown])
        self.key_words: npt.NDArray[np.int32] = np.array([numbers.get(key, -1) for key in KEYS], np.int32)

    def __repr__(self) -> str:
        return f"NGram(order={self.order}, n_ngrams={self.n_ngrams}, n_words={len(self.words)})"

    @property
    def order(self) -> int:
        """The length of the longest n-grams."""
        return len(self.counts)

    @property
    def n_ngrams(self) -> int:
        """How many n-grams of all orders there are."""
        return sum(self.counts)

    @property
    def n_bytes(self) -> int:
        """Bytes that the arrays take in memory."""
        return sum(array.nbytes for array in self.automaton)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NGram:
        """Open a model.

        Parameters
        ----------
        path
            An ARPA file of any order, compressed by gzip or not, or what :meth:`save` has written, which is mapped into
            memory.

        Raises
        ------
        LanguageModelError
            If it cannot be read as either; the message has the line of an ARPA file that is wrong.
        """
        file = Path(path)
        try:
            with file.open("rb") as stream:
                start = stream.read(len(_ZIP))
        except OSError as error:
            raise LanguageModelError(f"{file} cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise LanguageModelError(f"{file!s:.100}: no such name can be: {error}") from error
        return cls(*(read_packed(file) if start == _ZIP else read_arpa(file)))

    @classmethod
    def estimate(
        cls,
        lines: Iterable[str],
        order: int,
        *,
        smoothing: Smoothing = "kneser-ney",
        novelty: float = 1.0,
        vocabulary: str | None = None,
        min_counts: Sequence[int] = (),
        memory: float = 4e9,
        progress: Progress | None = None,
    ) -> NGram:
        """Estimate a model from text, by interpolated smoothing (Chen and Goodman 1998).

        Each line is folded to keys (:func:`myotype.keyboard.fold`; its line end is none of them) and stands between
        ``<s>`` and ``</s>``; lines without keys are left out. Probabilities are computed in float64, kept in float32.

        Parameters
        ----------
        lines
            Of text. They are read once, and counted as they come.
        order
            The length of the longest n-grams, 1 to 32; where no line is as long, the model's order is lower.
        smoothing
            How it expects what the text does not have: "kneser-ney", in its modified form, is the best for a model that
            stays whole; "witten-bell" for one that is to be pruned (see :meth:`prune`).
        novelty
            Of Witten-Bell smoothing: for how many occurrences of the unseen each different key after a context stands.
            Theirs is 1; more suits a text that has less in it than those that the model is for. Kneser-Ney smoothing
            takes no notice.
        vocabulary
            The keys that the model is to know; every other key ends a line and begins the next, as it does in decoding:
            with the letters alone it is a model of single words. By default all keys that occur.
        min_counts
            How often an n-gram must occur to be kept, one number for each order, none below the one before; the last
            also holds for higher orders. Single words are always kept. By default all n-grams are.
        memory
            Bytes; arrays beyond it are kept in temporary files. About 500 MB come on top of it.
        progress
            Called with what is being done, how much of it is, and of how much, 0 where that is not known.

        Returns
        -------
        NGram
            Its words are those of the vocabulary that it was given, or the keys that occur, and ``<unk>``, ``<s>`` and
            ``</s>``. ``<unk>`` gets what a key gets that never occurs.

        Raises
        ------
        InputError
            If there is nothing to count, or a parameter makes no sense.
        OutputError
            If temporary files are needed and there is no room for them.

        Notes
        -----
        Where the counts of counts of an order give no discounts (small texts, or low orders in which everything is
        frequent), the order's discounts are 0.5, 1 and 1.5 for counts of 1, 2 and more.
        """
        found = estimate(
            lines,
            order,
            smoothing=smoothing,
            novelty=novelty,
            vocabulary=vocabulary,
            min_counts=min_counts,
            memory=memory,
            progress=progress,
        )
        return cls(*found)

    def prune(self, threshold: float) -> NGram:
        """Drop the n-grams whose absence changes the model least (entropy pruning, Stolcke 1998).

        Parameters
        ----------
        threshold
            An n-gram that no longer one continues is dropped where that raises the model's perplexity on its own text
            by less than this fraction: 1e-8 drops few, 1e-6 many. The single words stay.

        Raises
        ------
        InputError
            If the threshold is negative or not a number.

        Notes
        -----
        Pruning a Kneser-Ney model costs more than its size: the probabilities of its short contexts are not true ones,
        and both what is dropped and what takes its place go by them (Chelba et al. 2010). The bundled model would need
        0.7 bits per key more. Estimate with ``smoothing="witten-bell"`` what is to be pruned, or make a Kneser-Ney
        model smaller by `min_counts`.
        """
        if not threshold >= 0:
            raise InputError(f"threshold {threshold}: a fraction of the perplexity, 0 or more")
        return NGram(*prune(self.automaton, self.counts, self.words, threshold), self.words)

    def score(
        self, keys: str | Iterable[str] | npt.NDArray[np.integer], *, end: bool = False, backspace: bool = True
    ) -> npt.NDArray[np.float64]:
        """Give log10 P(key | keys before it) of each key, from ``<s>`` on.

        A key outside the vocabulary closes the word, as in decoding: where one is open it gets log10 P(``</s>``), else
        `unk_log10`, and what follows begins at ``<s>``.

        Parameters
        ----------
        keys
            A text, which is folded to keys; names of keys; or (n,) labels.
        end
            Append log10 P(``</s>``) after the last key.
        backspace
            Backspace takes back: it gets the deleted key's score with the other sign, or 0 where nothing is left to
            delete, and what follows has the context before that key. If False it is a key like any other.

        Returns
        -------
        numpy.ndarray
            (n,) or, with `end`, (n + 1,).

        Raises
        ------
        InputError
            If a name or label is not that of a key.
        """
        labels = _labels(keys)
        words = self.key_words[labels]
        if backspace:
            words[labels == KEYS.index(BACKSPACE)] = _DELETE
        scores = np.empty(len(words) + end, np.float64)
        state = score_keys(self.automaton, words, self.begin, self.end_word, self.unk_log10, _DELETE, scores)
        if end:
            scores[-1] = end_log10(self.automaton, state, self.end_word)
        return scores

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model in the form that :meth:`load` maps into memory; its name should end in ``.npz``.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        write_packed(Path(path), self.automaton, self.counts, self.words)

    def save_arpa(self, path: str | os.PathLike[str]) -> None:
        """Write the model as an ARPA file, compressed by gzip if its name ends in ``.gz``.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        write_arpa(Path(path), self.automaton, self.counts, self.words)


def _labels(keys: str | Iterable[str] | npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    if isinstance(keys, str):
        return text_to_labels(keys)
    items = keys if isinstance(keys, np.ndarray) else list(keys)
    if len(items) and isinstance(items[0], str):
        return np.array([key_to_label(key) for key in items], np.int64)
    labels = np.asarray(items if len(items) else np.zeros(0, np.int64))
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or ((labels < 0) | (labels >= len(KEYS))).any():
        raise InputError(f"not labels of keys, which are 0 to {len(KEYS) - 1}: {labels!r:.100}")
    return labels.astype(np.int64)
