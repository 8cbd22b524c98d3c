"""Augmentation of batches of samples, in the order of the emg2qwerty baseline (SpecAugment lives in the network)."""

from __future__ import annotations

import torch
from torch import Tensor

from myotype.training.windows import Batch


def rotate_bands(emg: Tensor, rotations: Tensor) -> Tensor:
    """Roll the electrodes of every band of every window round their ring.

    Parameters
    ----------
    emg
        (batch, channels, samples)
    rotations
        (batch, bands): by how many electrodes. The channels are this many rings in turn.
    """
    batch, channels, _ = emg.shape
    n_bands = rotations.shape[1]
    electrodes = channels // n_bands
    # (batch, bands, electrodes): where each comes from
    source = (torch.arange(electrodes, device=emg.device) - rotations.unsqueeze(2)) % electrodes
    source += torch.arange(n_bands, device=emg.device).unsqueeze(1) * electrodes
    return emg[torch.arange(batch, device=emg.device).unsqueeze(1), source.flatten(1)]


def shift_hands(batch: Batch, least: int = 1) -> Batch:
    """Shift the left band of each window against the right by what was drawn for it.

    |shift| samples are cut from opposite ends of the two bands, so windows become that much shorter; one that would
    be left with fewer than `least` samples stays as it is.
    """
    if not batch.hand_shifts.any():
        return batch
    half = batch.emg.shape[1] // 2
    shifted = torch.zeros_like(batch.emg)
    lengths = batch.emg_lengths.clone()
    # A loop over windows: each is two copies of whole rows, where a gather would look at every sample.
    for index, shift in enumerate(batch.hand_shifts.tolist()):
        length = int(lengths[index]) - abs(shift)
        if length < least:
            shifted[index] = batch.emg[index]
            continue
        left, right = max(shift, 0), max(-shift, 0)
        shifted[index, :half, :length] = batch.emg[index, :half, left : left + length]
        shifted[index, half:, :length] = batch.emg[index, half:, right : right + length]
        lengths[index] = length
    return batch._replace(emg=shifted[:, :, : int(lengths.max())], emg_lengths=lengths)


def repeat_into_padding(batch: Batch) -> Batch:
    """Fill what follows the shorter windows with their own signal, over and over.

    The loss does not see it, but the batch normalisation does, and silence is not what it will see when it is used.
    """
    samples = batch.emg.shape[2]
    if bool((batch.emg_lengths == samples).all()):
        return batch
    emg = batch.emg.clone()
    for row, length in zip(emg, batch.emg_lengths.tolist(), strict=True):
        while length < samples:
            more = min(length, samples - length)
            row[:, length : length + more] = row[:, :more]
            length += more  # noqa: PLW2901  (what is filled by now)
    return batch._replace(emg=emg)
