"""Networks to go on from: with the masks of a recipe, and told apart by their weights."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

from myotype.errors import InputError
from myotype.network.pretrained import PretrainedNetwork
from myotype.training.recipes import MASKS, Recipe


def masked(network: PretrainedNetwork, recipe: Recipe) -> PretrainedNetwork:
    """Give a network with its weights and with a recipe's masks, which are no part of it.

    Raises
    ------
    InputError
        If the recipe is for another network: of another architecture, or with arguments that are not its.
    """
    if recipe.architecture != network.architecture:
        raise InputError(
            f"the recipe is for the architecture {recipe.architecture}, and the model to go on from has "
            f"{network.architecture}"
        )
    switch, strengths = MASKS[recipe.architecture]
    config = network.get_config()
    other = [
        f"{name}={value}" + (f" (it has {_listed(config[name])})" if name in config else "")
        for name, value in recipe.network.items()
        if name not in (switch, *strengths) and (name not in config or _listed(config[name]) != _listed(value))
    ]
    if other:
        raise InputError(
            f"the model to go on from is not of the recipe's network: {', '.join(other)}; "
            "a recipe may only set its masks"
        )
    again = type(network).from_config({**config, **recipe.network})
    again.load_state_dict(network.state_dict())
    again.provenance, again.look_ahead = network.provenance, network.look_ahead
    return again


def digest(network: PretrainedNetwork) -> str:
    """Tell by its arguments and weights which network it is."""
    found = hashlib.sha256(json.dumps(network.get_config(), sort_keys=True, default=str).encode())
    for name, weight in sorted(network.state_dict().items()):
        found.update(name.encode())
        found.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, (list, tuple)) else value
