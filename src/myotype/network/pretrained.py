"""What every network can do with weights: take them, say where they are from, be loaded, saved and shared."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from torch import nn

from myotype.errors import ModelError
from myotype.runtime import Provenance


class PretrainedNetwork(nn.Module):
    """Base of the networks.

    Attributes
    ----------
    mapping
        Names of weights in the original release, where they differ, and their names here.
    provenance
        Where the weights come from; None for random ones and for those that nobody has said anything of.
    look_ahead
        Seconds from a key's press to the end of the signal that the network reads it from.
    """

    mapping: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.provenance: Provenance | None = None
        self.look_ahead = 0.1
        self._config: dict[str, Any] = {}

    def get_config(self) -> dict[str, Any]:
        """Give the constructor's arguments as JSON values."""
        return dict(self._config)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the network, with random weights, from the arguments that `get_config` gives.

        Raises
        ------
        ModelError
            If the configuration has a name that the network does not know, or an impossible value.
        """
        arguments = {name: value for name, value in config.items() if name != "braindecode_version"}
        unknown = arguments.keys() - inspect.signature(cls).parameters.keys()
        if unknown:
            raise ModelError(f"config.json: {cls.__name__} knows no {', '.join(sorted(unknown))}")
        try:
            return cls(**arguments)
        except (TypeError, ValueError) as error:
            raise ModelError(f"config.json: {error}") from error
