"""Confining a loss to alignments that emit keys when they are pressed."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from myotype.keyboard import BLANK
from myotype.network.streaming import StreamingNetwork
from myotype.training.windows import Batch

_PENALTY: Final = -30.0
"""Natural log that a key emitted elsewhere costs. Not minus infinity: two keys in one frame have to go somewhere."""


def confine(emissions: Tensor, batch: Batch, network: StreamingNetwork, latest: float) -> Tensor:
    """Make it costly to emit a key in frames that end before its press, or more than `latest` after it.

    CTC (Graves et al. 2006) adds up all alignments of keys with frames. At first they are all alike, each key is spread
    over seconds, and the best answer is a blank in every frame: networks stay there long. The logs of real typing say
    when each key was pressed, so alignments that contradict them need not count. What is learned is a network for CTC
    like any other, and it emits no key later than it was allowed to.

    Parameters
    ----------
    emissions
        (batch, frames, labels) natural-log probabilities.
    batch
        What they were computed from.
    network
        What computed them.
    latest
        Seconds.

    Returns
    -------
    Tensor
        The emissions, with the cost added.
    """
    n_frames = emissions.shape[1]
    ends = torch.arange(n_frames, device=emissions.device) * network.hop_length + network.receptive_field  # samples
    since = ends.unsqueeze(1) - batch.key_samples.unsqueeze(1)  # (batch, frames, keys)
    # To the frame that ends first after the last moment: with slow frames there might be none before it.
    allowed = (since >= 0) & (since < latest * network.sfreq + network.hop_length)
    exists = torch.arange(batch.labels.shape[1], device=emissions.device) < batch.label_lengths.unsqueeze(1)
    allowed &= exists.unsqueeze(1)
    # The largest over the keys of a label; padded labels allow nothing.
    free = torch.zeros(emissions.shape, device=emissions.device, dtype=torch.bool)
    window, frame, key = allowed.nonzero(as_tuple=True)
    free[window, frame, batch.labels[window, key]] = True
    free[:, :, BLANK] = True
    return emissions + _PENALTY * ~free
