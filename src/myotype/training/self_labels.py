"""Labels for recordings of which nobody knows what was typed: what is read in them with confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from myotype.recordings import Recording
from myotype.transcriber import Transcriber
from myotype.transcript import KeyPress, Keystroke

_PASSAGE: Final = 4.0  # seconds that are kept or left out together
_LONGEST: Final = 20.0  # seconds that a stretch of passages lasts, so that there are several: some are held out
_LEAST_KEYS: Final = 4  # in a passage: where fewer are read, there may be others that were not
_HELD: Final = 0.08  # seconds that a key is said to be held down: training does not use it


def read_passages(transcriber: Transcriber, recording: Recording, least_confidence: float) -> list[Recording]:
    """Give what was read with confidence as recordings with labels.

    The idea is that of CORP (Fan et al. 2023, arXiv 2311.03611): a language model corrects what the network reads, and
    the network is trained on the corrected text. Here it comes with times, and passages that the beam is not sure of
    are left out.

    Parameters
    ----------
    transcriber
        Reads them: with a language model, or there is nothing to learn.
    recording
        A recording; its own labels are not looked at.
    least_confidence
        The least mean confidence of the keys of a passage that is kept.

    Returns
    -------
    list
        A recording for each stretch of kept passages. It begins with the signal that the first frame of the first
        passage needs, which has no labels.
    """
    transcript = transcriber.transcribe(recording)
    facts = transcriber.engine.facts
    start = float(recording.times[:1][0])
    past = facts.receptive_field / facts.sfreq
    stretches = []
    for begin, end in _kept(transcript.keystrokes, recording.duration, least_confidence):
        presses = [
            KeyPress(stroke.key, start + stroke.time, start + stroke.time + _HELD)
            for stroke in transcript.keystrokes
            if begin <= stroke.time < end
        ]
        first, last = recording.samples_between(start + max(begin - past, 0.0), start + end)
        stretches.append(recording.with_key_presses(presses).stretch(first, last))
    return stretches


def _kept(keystrokes: Sequence[Keystroke], duration: float, least_confidence: float) -> list[tuple[float, float]]:
    """Give the stretches of passages that are kept, as seconds from the first sample."""
    passages = np.array([int(stroke.time // _PASSAGE) for stroke in keystrokes], dtype=np.int64)
    confidences = np.array([stroke.confidence for stroke in keystrokes])
    kept: list[tuple[float, float]] = []
    for passage in range(int(duration // _PASSAGE)):
        inside = confidences[passages == passage]
        if len(inside) < _LEAST_KEYS or inside.mean() < least_confidence:
            continue
        begin, end = passage * _PASSAGE, (passage + 1) * _PASSAGE
        if kept and kept[-1][1] == begin and end - kept[-1][0] <= _LONGEST:
            begin = kept.pop()[0]
        kept.append((begin, end))
    return kept
