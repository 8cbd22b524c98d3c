"""The networks in PyTorch: definition, weights, and export to the streaming graph. Needs the `train` extra."""

from myotype.errors import extra_for

with extra_for("the network in PyTorch", "train"):
    import torch as _torch  # noqa: F401  (asks once, so that every module below may import it plainly)

from myotype.network.conversion import convert_checkpoint
from myotype.network.emg2qwerty import EMG2QwertyNet
from myotype.network.exporting import export
from myotype.network.loading import load_network
from myotype.network.splashnet import SplashNet

__all__ = ["EMG2QwertyNet", "SplashNet", "convert_checkpoint", "export", "load_network"]
