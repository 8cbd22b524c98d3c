"""SpecAugment as the baseline uses it."""

from __future__ import annotations

import torch

from myotype.network.spec_augment import SpecAugment

SHAPE = (400, 120, 4, 33)


def masked(**settings):
    torch.manual_seed(5)
    return (SpecAugment(**settings).train()(torch.ones(SHAPE)) == 0).transpose(1, 2)  # (batch, channels, frames, bins)


def runs(mask):
    """Give the number of masked positions along the last axis."""
    return mask.sum(-1)


def test_time_masks_are_narrower_than_their_parameter_and_reach_it():
    mask = masked(n_time_masks=1, n_freq_masks=0).all(-1)
    widths = runs(mask)
    assert widths.max() == 24
    assert set(widths.unique().tolist()) == set(range(25))
    assert ((mask[..., 1:] & ~mask[..., :-1]).sum(-1) <= 1).all(), "one mask is one stretch"


def test_frequency_masks_are_narrower_than_their_parameter_and_reach_it():
    mask = masked(n_time_masks=0, n_freq_masks=1).all(-2)
    assert set(runs(mask).unique().tolist()) == {0, 1, 2, 3}


def test_counts_are_drawn_once_a_window_and_places_for_every_electrode():
    mask = masked(n_time_masks=1, n_freq_masks=0).all(-1)
    touched = mask.any(-1)  # (batch, channels)
    untouched_windows = (~touched).all(-1).float().mean()
    assert 0.42 < untouched_windows < 0.58, "half of the windows draw no mask"
    starts = mask.int().argmax(-1)[touched.all(-1)]
    assert (starts != starts[:, :1]).any(-1).float().mean() > 0.9, "electrodes share no place"


def test_counts_reach_from_none_to_the_most():
    mask = masked(n_time_masks=3, time_mask_param=2, n_freq_masks=0).all(-1)
    assert runs(mask).max() == 3


def test_prob_leaves_windows_alone():
    mask = masked(prob=0.25)
    assert 0.1 < mask.flatten(1).any(1).float().mean() < 0.25


def test_nothing_is_masked_outside_training():
    x = torch.randn(2, 50, 4, 33)
    assert SpecAugment().eval()(x) is x


def test_masks_wider_than_the_signal_fit():
    torch.manual_seed(0)
    y = SpecAugment(time_mask_param=25).train()(torch.ones(8, 5, 2, 33))
    assert y.shape == (8, 5, 2, 33)
    assert y.isfinite().all()
