"""SpecAugment on batches, as the emg2qwerty baseline uses it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SpecAugment(nn.Module):
    """Mask random stretches of time and frequency of a log spectrogram while training (Park et al. 2019).

    Each window draws how many masks of either kind it gets, from none to the most. Every band and electrode then
    draws its own masks: a width from the whole numbers below the parameter, and a place. Masked values become 0, which
    in log power is the power 1.

    Parameters
    ----------
    n_time_masks, n_freq_masks
        The most masks of a kind that a window gets.
    time_mask_param, freq_mask_param
        Widths are drawn from 0 to this number less one, in frames and bins.
    prob
        Share of the windows that are masked at all.
    """

    def __init__(
        self,
        n_time_masks: int = 3,
        time_mask_param: int = 25,
        n_freq_masks: int = 2,
        freq_mask_param: int = 4,
        prob: float = 1.0,
    ) -> None:
        super().__init__()
        self.n_time_masks = n_time_masks
        self.time_mask_param = time_mask_param
        self.n_freq_masks = n_freq_masks
        self.freq_mask_param = freq_mask_param
        self.prob = prob

    def forward(self, x: Tensor) -> Tensor:
        """Mask (batch, frames, channels, bins); the identity in evaluation mode."""
        if not self.training:
            return x
        batch, n_frames, channels, n_bins = x.shape
        chosen = torch.rand(batch, device=x.device) < self.prob
        in_time = self._masked(n_frames, self.n_time_masks, self.time_mask_param, chosen, channels)
        in_freq = self._masked(n_bins, self.n_freq_masks, self.freq_mask_param, chosen, channels)
        return x.masked_fill(in_time.transpose(1, 2).unsqueeze(3) | in_freq.unsqueeze(1), 0.0)

    @staticmethod
    def _masked(size: int, n_masks: int, param: int, chosen: Tensor, channels: int) -> Tensor:
        """Say what is masked along one axis: (batch, channels, size) of bool."""
        batch, device = len(chosen), chosen.device
        position = torch.arange(size, device=device)
        masked = torch.zeros(batch, channels, size, dtype=torch.bool, device=device)
        count = torch.randint(n_masks + 1, (batch, 1, 1), device=device) * chosen.view(-1, 1, 1)
        for index in range(n_masks):
            width = torch.rand(batch, channels, 1, device=device) * param
            start = (torch.rand(batch, channels, 1, device=device) * (size - width).clamp(min=0)).floor()
            inside = (position >= start) & (position < start + width.floor())
            masked |= inside & (index < count)
        return masked
