"""Augmentation of batches of samples, in the order of the emg2qwerty baseline (SpecAugment lives in the network)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from myotype.training.windows import Batch


def rotate_bands(
    emg: Tensor, offsets: Sequence[int], num_bands: int, generator: torch.Generator | None = None
) -> Tensor:
    """Roll the electrodes of every band of every window by a random offset round their ring.

    Parameters
    ----------
    emg
        (batch, channels, samples)
    offsets
        What to draw from, in electrodes.
    num_bands
        The channels are this many rings in turn.
    generator
        Source of the draws.
    """
    batch, channels, _ = emg.shape
    electrodes = channels // num_bands
    drawn = torch.tensor(offsets)[torch.randint(len(offsets), (batch, num_bands, 1), generator=generator)]
    source = (torch.arange(electrodes) - drawn) % electrodes  # (batch, bands, electrodes): where each comes from
    source = (source + torch.arange(num_bands).unsqueeze(1) * electrodes).flatten(1)
    return emg.gather(1, source.to(emg.device).unsqueeze(2).expand_as(emg))


def shift_hands(batch: Batch, largest: int, generator: torch.Generator | None = None) -> Batch:
    """Shift the left band against the right by a random number of samples, up to `largest` either way.

    |offset| samples are cut from opposite ends of the two bands, so windows become that much shorter.
    """
    if not largest:
        return batch
    half = batch.emg.shape[1] // 2
    offsets = torch.randint(-largest, largest + 1, (len(batch.emg),), generator=generator).tolist()
    shifted = torch.zeros_like(batch.emg)
    lengths = batch.emg_lengths.clone()
    for index, offset in enumerate(offsets):
        length = int(lengths[index]) - abs(offset)
        if length <= 0:  # a window shorter than the shift stays as it is
            shifted[index] = batch.emg[index]
            continue
        left, right = max(offset, 0), max(-offset, 0)
        shifted[index, :half, :length] = batch.emg[index, :half, left : left + length]
        shifted[index, half:, :length] = batch.emg[index, half:, right : right + length]
        lengths[index] = length
    return batch._replace(emg=shifted[:, :, : int(lengths.max())], emg_lengths=lengths)


def repeat_into_padding(batch: Batch) -> Batch:
    """Fill what follows the shorter windows with their own signal, over and over.

    The loss does not see it, but the batch normalisation does, and silence is not what it will see when it is used.
    """
    samples = torch.arange(batch.emg.shape[2], device=batch.emg.device)
    source = samples % batch.emg_lengths.to(batch.emg.device).unsqueeze(1)  # (batch, samples)
    return batch._replace(emg=batch.emg.gather(2, source.unsqueeze(1).expand_as(batch.emg)))
