"""Several readings of a stream, passage by passage: what is typed between two pauses is read for itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from myotype.decoding.beam import BeamStream
from myotype.decoding.decoder import Decoded, Hypothesis, Labels, joined


class PassageStream:
    """A stream of the beam search that gives several readings of every passage.

    A passage ends in the middle of a pause of the best reading. What the best reading has up to there is committed when
    `delay` frames have passed since, and the search goes on with its context. A search that kept all readings of the
    whole would have its beam full of what was doubtful long ago. Pauses are looked for at frames that are multiples of
    a quarter of one, so that pieces of any length give the same.

    Parameters
    ----------
    stream
        A new stream of the search, with a commit delay that is much longer than a pause.
    n_best
        How many readings of a passage to give at most.
    pause
        Frames without a key that end a passage.
    delay
        Frames from the end of a passage to when it is committed.
    """

    def __init__(self, stream: BeamStream, n_best: int, pause: int, delay: int) -> None:
        self._stream, self._n_best, self._pause, self._delay = stream, n_best, pause, delay
        self._step = max(pause // 4, 1)
        self._frames = 0
        self._begun = 0  # the frame in which the passage before ended
        self._committed = Labels()  # what all readings of the passage begin with
        self._passages: list[list[Hypothesis]] = []

    def push(self, emissions: npt.NDArray[np.floating]) -> Decoded:
        """Decode the next emissions, as `BeamStream.push`; all keys of a passage that goes on count as unsettled."""
        first = self._step - self._frames % self._step
        bounds = [0, *range(first, len(emissions), self._step), len(emissions)]
        committed: list[Labels] = []
        for start, end in pairwise(bounds):
            decoded = self._stream.push(emissions[start:end])
            self._frames += end - start
            self._committed = joined([self._committed, decoded.committed])
            committed.append(decoded.committed)
            while self._frames % self._step == 0 and (end_of_passage := self._pause_in(decoded.pending)) is not None:
                decoded, readings = self._stream.settle_n_best(self._n_best, self._frames - 1 - end_of_passage)
                committed.append(decoded.committed)
                self._end(readings, readings[0].score)
                self._begun = end_of_passage
        settled = int(self._committed.frames[0]) if len(self._committed) else decoded.n_settled
        return Decoded(joined(committed), decoded.pending, settled)

    def finish(self) -> Decoded:
        """Commit what is pending: the stream has ended, and the last passage with it."""
        readings = self._stream.finish_n_best(self._n_best)
        if not readings:
            return Decoded(n_settled=self._frames)
        best = readings[0]
        self._end(readings, 0.0)
        return Decoded(Labels(best.labels, best.frames, best.confidences), Labels(), self._frames)

    def take_passages(self) -> list[list[Hypothesis]]:
        """Give the readings of every passage that has ended since this was last called, best first.

        The score of the best is 0, and that of another how much less it is; in the last passage of a stream it is that
        of the whole stream. So the sum of the scores of one reading of each passage is that of all of them together.
        """
        passages, self._passages = self._passages, []
        return passages

    def copy(self) -> PassageStream:
        """Give an independent stream that goes on from the same point."""
        twin = PassageStream.__new__(PassageStream)
        twin.__dict__.update(self.__dict__)
        twin._stream, twin._passages = self._stream.copy(), list(self._passages)
        return twin

    def _pause_in(self, pending: Labels) -> int | None:
        """Find the first pause after the committed keys that lies far enough back; give the frame in its middle."""
        last = max([self._begun, *map(int, self._committed.frames[-1:])])
        keys = [last, *map(int, pending.frames), self._frames]
        for before, after in pairwise(keys):
            middle = min(before + after, 2 * (self._frames - self._delay)) // 2
            if after - before >= self._pause and middle - before >= self._pause // 2:
                return middle
        return None

    def _end(self, readings: list[Hypothesis], nothing: float) -> None:
        """Put what all readings of the passage begin with before each of them, and let the next one begin."""
        before, wholes = self._committed, []
        for one in readings:
            labels = joined([before, Labels(one.labels, one.frames, one.confidences)])
            wholes.append(Hypothesis(labels.labels, labels.frames, labels.confidences, one.score - nothing))
        self._passages.append(wholes)
        self._committed = Labels()
