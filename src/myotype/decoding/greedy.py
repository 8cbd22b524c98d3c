"""Greedy CTC decoding: the best label of every frame, repeats collapsed, blanks dropped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from myotype.decoding.decoder import Decoded, Hypothesis, Labels, check_emissions
from myotype.errors import InputError
from myotype.keyboard import BLANK


class GreedyDecoder:
    """Best-path decoding (Graves et al. 2006): one pass, and every key is committed in its first frame.

    A key's confidence is the probability of its label in that frame.
    """

    def decode(self, emissions: npt.NDArray[np.floating], n_best: int = 1) -> list[Hypothesis]:
        """Decode whole emissions.

        Parameters
        ----------
        emissions
            (frames, labels) natural-log probabilities.
        n_best
            Must be 1: the best path is the only one that a greedy search knows.

        Returns
        -------
        list
            The one hypothesis; its score is the log-probability of the best path.

        Raises
        ------
        InputError
            If the emissions are not log-probabilities, or more than one hypothesis is asked for.
        """
        if n_best != 1:
            raise InputError(f"n_best={n_best}: greedy decoding has one hypothesis; use the beam search for more")
        stream = self.stream()
        found = stream.push(emissions).committed
        return [Hypothesis(found.labels, found.frames, found.confidences, stream.score)]

    def stream(self) -> GreedyStream:
        """Begin a new stream."""
        return GreedyStream()


class GreedyStream:
    """Greedy decoding of emissions as they come.

    Attributes
    ----------
    score
        Log-probability of the best path so far.
    """

    def __init__(self) -> None:
        self.score = 0.0
        self._n_frames = 0
        self._last_label = BLANK

    def push(self, emissions: npt.NDArray[np.floating]) -> Decoded:
        """Decode the next emissions, (frames, labels) natural-log probabilities; any number of frames."""
        emissions = check_emissions(emissions)
        if not len(emissions):
            return Decoded(n_settled=self._n_frames)
        best = emissions.argmax(axis=1)
        best_score = emissions[np.arange(len(best)), best].astype(np.float64)
        before = np.concatenate([[self._last_label], best[:-1]])
        begins = np.flatnonzero((best != BLANK) & (best != before))
        found = Labels(best[begins], begins + self._n_frames, np.exp(np.minimum(best_score[begins], 0.0)))
        self.score += float(best_score.sum())
        self._n_frames += len(best)
        self._last_label = int(best[-1])
        return Decoded(committed=found, n_settled=self._n_frames)

    def finish(self) -> Decoded:
        """Commit what is pending: nothing ever is."""
        return Decoded(n_settled=self._n_frames)

    def copy(self) -> GreedyStream:
        """Give an independent stream that goes on from the same point."""
        twin = GreedyStream()
        twin.score, twin._n_frames, twin._last_label = self.score, self._n_frames, self._last_label
        return twin
