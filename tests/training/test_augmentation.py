"""Augmentation of samples: what is drawn, and what it does."""

from __future__ import annotations

import torch

from myotype.training.augmentation import repeat_into_padding, rotate_bands, shift_hands
from myotype.training.windows import Batch


def numbered(batch: int, samples: int) -> torch.Tensor:
    """Give samples that say where they are: 1000 * channel + sample."""
    return (torch.arange(32).float()[:, None] * 1000 + torch.arange(samples)).expand(batch, 32, samples).clone()


def batch_of(emg: torch.Tensor, lengths: list[int] | None = None) -> Batch:
    n = len(emg)
    lengths = lengths or [emg.shape[2]] * n
    return Batch(emg, torch.tensor(lengths), torch.zeros(n, 1, dtype=torch.long), torch.ones(n, dtype=torch.long))


def test_each_band_rolls_round_its_own_ring_by_an_offset_of_its_own():
    torch.manual_seed(0)
    x = numbered(200, 3)
    rotated = rotate_bands(x, (-1, 0, 1), num_bands=2)
    seen = set()
    for window in rotated:
        offsets = []
        for band in range(2):
            channels = slice(band * 16, band * 16 + 16)
            matching = [o for o in (-1, 0, 1) if torch.equal(window[channels], x[0, channels].roll(o, dims=0))]
            assert len(matching) == 1
            offsets += matching
        seen.add(tuple(offsets))
    assert len(seen) == 9


def test_shifting_cuts_opposite_ends_of_the_two_hands():
    torch.manual_seed(0)
    batch = batch_of(numbered(300, 1000))
    shifted = shift_hands(batch, 120)
    offsets = []
    for window, length in zip(shifted.emg, shifted.emg_lengths.tolist(), strict=True):
        left, right = int(window[0, 0]), int(window[16, 0]) - 16000
        assert min(left, right) == 0
        assert length == 1000 - left - right
        assert torch.equal(window[:16, :length], batch.emg[0, :16, left : left + length])
        assert torch.equal(window[16:, :length], batch.emg[0, 16:, right : right + length])
        assert window[:, length:].eq(0).all()
        offsets.append(left - right)
    assert min(offsets) < -100
    assert max(offsets) > 100
    assert max(abs(offset) for offset in offsets) <= 120
    assert shifted.emg.shape[2] == max(shifted.emg_lengths)


def test_shifting_keeps_to_the_samples_of_padded_windows():
    torch.manual_seed(0)
    emg = numbered(2, 500)
    emg[1, :, 300:] = 0
    shifted = shift_hands(batch_of(emg, [500, 300]), 50)
    assert shifted.emg_lengths[1] <= 300
    length = int(shifted.emg_lengths[1])
    assert shifted.emg[1, 1, :length].min() >= 1000, "padding moved into the signal"


def test_windows_are_not_cut_down_to_nothing():
    torch.manual_seed(0)
    batch = batch_of(numbered(200, 10))
    shifted = shift_hands(batch, 30)
    assert shifted.emg_lengths.min() >= 1
    whole = shifted.emg_lengths == 10
    assert 80 < whole.sum() < 190, "only shifts shorter than the window are carried out"
    assert torch.equal(shifted.emg[whole], batch.emg[whole])


def test_padding_repeats_the_windows_own_signal():
    emg = numbered(2, 10)
    emg[1, :, 4:] = 0
    filled = repeat_into_padding(batch_of(emg, [10, 4]))
    assert torch.equal(filled.emg[0], emg[0])
    assert filled.emg[1, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert filled.emg_lengths.tolist() == [10, 4]


def test_no_shift_changes_nothing():
    batch = batch_of(numbered(2, 50))
    assert shift_hands(batch, 0) is batch
