"""Alignments confined to when keys were pressed."""

from __future__ import annotations

import torch

from myotype.keyboard import BLANK
from myotype.network import EMG2QwertyNet
from myotype.training.confinement import confine
from myotype.training.windows import Batch

NETWORK = EMG2QwertyNet(hop_length=32, mlp_features=[4], block_channels=[2], kernel_width=3)


def test_a_key_is_free_from_its_press_to_the_latest_moment_and_costs_elsewhere():
    n_frames, none = 40, torch.zeros(2, 2, dtype=torch.long)
    batch = Batch(
        torch.zeros(2, 32, 10),
        torch.tensor([10, 10]),
        torch.tensor([[5, 7], [5, 0]]),
        torch.tensor([2, 1]),
        torch.tensor([[500, 900], [700, 0]]),
        none,
        none[0],
        ["", ""],
    )
    cost = confine(torch.zeros(2, n_frames, 99), batch, NETWORK, latest=0.1)
    ends = torch.arange(n_frames) * 32 + NETWORK.receptive_field
    assert cost[:, :, BLANK].eq(0).all()
    for window, label, press in ((0, 5, 500), (0, 7, 900), (1, 5, 700)):
        free = ends[cost[window, :, label] == 0]
        assert press <= int(free.min()) < press + 32
        assert press + 200 <= int(free.max()) < press + 232
        assert cost[window, :, label].min() == -30
    # A padded label 0 is no key, and neither is what nobody typed.
    assert cost[1, :, [0, 7, 50]].eq(-30).all()
