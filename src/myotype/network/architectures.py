"""The networks that there are, by the names that bundles call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from myotype.errors import ModelError
from myotype.network.emg2qwerty import EMG2QwertyNet
from myotype.network.pretrained import PretrainedNetwork
from myotype.network.splashnet import SplashNet
from myotype.runtime.provenance import printable

ARCHITECTURES: Final[Mapping[str, type[PretrainedNetwork]]] = {
    kind.architecture: kind for kind in (EMG2QwertyNet, SplashNet)
}


def class_of(architecture: str, where: str) -> type[PretrainedNetwork]:
    """Give a network's class by its name.

    Parameters
    ----------
    architecture
        What a bundle calls it.
    where
        What the user calls the bundle, for messages.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ModelError(
            f"{where}: its architecture is {printable(architecture)[:60]!r}; this version of myotype knows {known}"
        )
    return ARCHITECTURES[architecture]
