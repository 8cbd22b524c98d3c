"""Several processes that train one network: what they have to share besides gradients."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn

from myotype.network.pretrained import PretrainedNetwork


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation by the statistics of a batch that lies in several processes.

    For inputs that no gradient goes to, as none goes to the spectrogram: so sums are all that has to be exchanged, and
    it runs wherever processes can talk, also on CPUs.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels, height, width); shape unchanged."""
        if not (self.training and distributed.is_initialized()):
            return super().forward(x)
        exact = x.detach().double()
        count = torch.full_like(exact[0, :, 0, 0], x.numel() / x.shape[1])
        sums = torch.stack([exact.sum((0, 2, 3)), exact.square().sum((0, 2, 3)), count])
        distributed.all_reduce(sums)
        mean = sums[0] / sums[2]
        variance = (sums[1] / sums[2] - mean.square()).clamp(min=0)
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            unbiased = variance * sums[2] / (sums[2] - 1)
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        shape = (1, -1, 1, 1)
        scale = (variance + self.eps).rsqrt().to(x.dtype)
        normed = (x - mean.to(x.dtype).view(shape)) * scale.view(shape)
        return normed * self.weight.view(shape) + self.bias.view(shape)


def share_statistics(network: PretrainedNetwork) -> None:
    """Make a network's batch normalisations take their statistics over all processes; weights and names stay."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d
