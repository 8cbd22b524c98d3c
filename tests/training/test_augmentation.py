"""Augmentation of samples: what is drawn for a window is done to it."""

from __future__ import annotations

import torch

from myotype.training.augmentation import repeat_into_padding, rotate_bands, shift_hands
from myotype.training.windows import Batch


def numbered(batch: int, samples: int) -> torch.Tensor:
    """Give samples that say where they are: 1000 * channel + sample."""
    return (torch.arange(32).float()[:, None] * 1000 + torch.arange(samples)).expand(batch, 32, samples).clone()


def batch_of(emg: torch.Tensor, lengths: list[int] | None = None, shifts: list[int] | None = None) -> Batch:
    n = len(emg)
    none = torch.zeros(n, 1, dtype=torch.long)
    return Batch(
        emg,
        torch.tensor(lengths or [emg.shape[2]] * n),
        none,
        none[:, 0] + 1,
        none,
        torch.zeros(n, 2, dtype=torch.long),
        torch.tensor(shifts or [0] * n),
        [""] * n,
    )


def test_each_band_rolls_round_its_own_ring():
    x = numbered(3, 4)
    rotations = torch.tensor([[-1, 1], [0, 2], [1, 0]])
    rotated = rotate_bands(x, rotations)
    for window, offsets in zip(rotated, rotations.tolist(), strict=True):
        assert torch.equal(window[:16], x[0, :16].roll(offsets[0], dims=0))
        assert torch.equal(window[16:], x[0, 16:].roll(offsets[1], dims=0))


def test_shifting_cuts_opposite_ends_of_the_two_hands():
    shifts = [0, 120, -120, 7]
    batch = batch_of(numbered(4, 1000), shifts=shifts)
    shifted = shift_hands(batch)
    for window, length, shift in zip(shifted.emg, shifted.emg_lengths.tolist(), shifts, strict=True):
        left, right = max(shift, 0), max(-shift, 0)
        assert length == 1000 - left - right
        assert torch.equal(window[:16, :length], batch.emg[0, :16, left : left + length])
        assert torch.equal(window[16:, :length], batch.emg[0, 16:, right : right + length])
        assert window[:, length:].eq(0).all()
    assert shifted.emg.shape[2] == 1000


def test_shifting_keeps_to_the_samples_of_padded_windows():
    emg = numbered(2, 500) + 1
    emg[1, :, 300:] = 0
    shifted = shift_hands(batch_of(emg, [500, 300], [50, -50]))
    assert shifted.emg_lengths.tolist() == [450, 250]
    assert not shifted.emg[1, :16, :250].eq(0).any()


def test_a_window_shorter_than_its_shift_stays_as_it_is():
    batch = batch_of(numbered(1, 100), shifts=[120])
    assert torch.equal(shift_hands(batch).emg, batch.emg)


def test_a_window_is_not_cut_below_what_the_network_needs():
    emg = numbered(2, 300)
    shifted = shift_hands(batch_of(emg, [300, 250], [100, -100]), least=200)
    assert shifted.emg_lengths.tolist() == [200, 250]
    assert torch.equal(shifted.emg[1], emg[1, :, :250])


def test_nothing_is_done_where_nothing_was_drawn():
    batch = batch_of(numbered(2, 50))
    assert shift_hands(batch) is batch
    assert torch.equal(rotate_bands(batch.emg, batch.rotations), batch.emg)


def test_padding_is_filled_with_the_windows_own_signal():
    emg = numbered(2, 10)
    emg[1, :, 4:] = 0
    filled = repeat_into_padding(batch_of(emg, [10, 4])).emg
    assert torch.equal(filled[0], emg[0])
    assert filled[1, 3].tolist() == [3000, 3001, 3002, 3003, 3000, 3001, 3002, 3003, 3000, 3001]
