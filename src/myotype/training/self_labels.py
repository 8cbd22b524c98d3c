"""Adapting to a person without knowing what was typed: by statistics, and by what a language model makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch

from myotype.network.emg2qwerty import EMG2QwertyNet
from myotype.network.pretrained import PretrainedNetwork
from myotype.recordings import Recording
from myotype.transcriber import Transcriber
from myotype.transcript import KeyPress, Keystroke

_PASSAGE: Final = 4.0  # seconds that are kept or left out together
_LONGEST: Final = 20.0  # seconds that a stretch of passages lasts, so that there are several: some are held out
_LEAST_KEYS: Final = 4  # in a passage: where fewer are read, there may be others that were not
_HELD: Final = 0.08  # seconds that a key is said to be held down: training does not use it
_BLOCK: Final = 30.0  # seconds in one forward pass


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


@torch.no_grad()
def adapt_statistics(network: PretrainedNetwork, recordings: Sequence[Recording]) -> bool:
    """Replace the statistics of a batch normalisation by those of recordings, each sample counting the same.

    Parameters
    ----------
    network
        Is changed, if it has any.
    recordings
        Of a person.

    Returns
    -------
    bool
        Whether there was anything to replace: a network that is normalised by its signal so far adapts by itself.
    """
    if not isinstance(network, EMG2QwertyNet):
        return False
    count = 0
    sums, squares = torch.zeros(2, network.n_chans, dtype=torch.float64)
    for recording in recordings:
        block = int(_BLOCK * recording.sfreq)
        for start in range(0, recording.n_samples, block):
            samples = torch.from_numpy(recording.emg[start : start + block]).T.unsqueeze(0)
            frames = network.spectrogram(samples)[0].double()  # (1, frames, channels, bins)
            count += frames.shape[1] * frames.shape[3]
            sums = sums + frames.sum((0, 1, 3))
            squares = squares + frames.square().sum((0, 1, 3))
    norm: Any = network.norm.batch_norm
    mean = sums / count
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(squares / count - mean.square())
    return True
