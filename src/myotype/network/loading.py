"""Weights into a network: strictly, and with what is known of their origin."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from myotype.errors import InputError, ModelError
from myotype.network.checkpoints import Checkpoint, read_checkpoint
from myotype.network.exporting import DIGEST, digest_of
from myotype.network.pretrained import PretrainedNetwork
from myotype.runtime import Provenance, published
from myotype.runtime.bundle import FACTS_FILE
from myotype.runtime.hub import HubOptions
from myotype.runtime.locating import locate
from myotype.runtime.provenance import tell_terms

Network = TypeVar("Network", bound=PretrainedNetwork)

_NAMES_SHOWN: Final = 8


def expected_entries(kind: type[PretrainedNetwork], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Give the state dict that a configuration implies, as tensors without memory.

    Raises
    ------
    ModelError
        If the configuration is impossible.
    """
    with torch.device("meta"):
        return dict(kind.from_config(config).state_dict())


def load(kind: type[Network], model: str | os.PathLike[str], hub: HubOptions, **overrides: Any) -> Network:
    """Find a model, read it, and build the network: see :meth:`PretrainedNetwork.from_pretrained`."""
    located = locate(model, **hub)
    checkpoint = read_checkpoint(located.path)
    if located.snapshot is not None and not (located.path / FACTS_FILE).is_file():
        repo_id, commit = located.snapshot.repo_id, located.snapshot.commit
        provenance = checkpoint.provenance
        checkpoint = replace(
            checkpoint,
            provenance=replace(
                provenance,
                source=f"Loaded from the repository {repo_id} on the Hugging Face Hub.",
                details={"Hub repository": repo_id, "Hub commit": commit, **provenance.details},
            ),
        )
    network = filled(kind, checkpoint, os.fspath(model), **overrides)
    if network.provenance is not None:
        tell_terms(os.fspath(model), network.provenance)
    return network


def filled(kind: type[Network], checkpoint: Checkpoint, where: str, **overrides: Any) -> Network:
    """Build a network and give it a checkpoint's weights: all of them, and no others.

    Parameters
    ----------
    kind
        The network's class.
    checkpoint
        Configuration and weights.
    where
        What the user calls them, for messages.
    **overrides
        Constructor arguments other than the checkpoint's. With another ``n_outputs`` the head is made anew.

    Returns
    -------
    network
        In evaluation mode.

    Raises
    ------
    InputError
        If an override is not an argument of the network, or impossible.
    ModelError
        If weights are missing, unknown, of another shape or number format, or not finite.
    """
    n_outputs = overrides.pop("n_outputs", None)
    unknown = overrides.keys() - inspect.signature(kind).parameters.keys()
    if unknown:
        raise InputError(f"{kind.__name__} knows no {', '.join(sorted(unknown))}")
    weights = {kind.mapping.get(name, name): tensor for name, tensor in checkpoint.weights.items()}
    config = {**checkpoint.config, **overrides}
    try:
        expected = expected_entries(kind, config)
    except ModelError as error:
        if not overrides:
            raise
        raise InputError(f"{where}, with other arguments than the stored: {error}") from error
    _check(expected, weights, where)
    network = kind.from_config(config)
    network.load_state_dict(weights)
    provenance = _inherited(checkpoint.provenance, weights)
    network.provenance = replace(provenance, details={**provenance.details, DIGEST: digest_of(weights)})
    network.look_ahead = checkpoint.look_ahead
    if n_outputs is not None and n_outputs != checkpoint.config["n_outputs"]:
        network.reset_head(n_outputs)
        sys.stderr.write(
            f"{where}: a new head of {n_outputs} outputs, with random weights, in the place of that of "
            f"{checkpoint.config['n_outputs']}\n"
        )
    return network.eval()


def first_layer_statistics(weights: Mapping[str, Tensor]) -> tuple[float, float] | None:
    """Give the means of the first normalisation's running mean and variance, by which published weights are known."""
    names = ("model.0.batch_norm.running_mean", "model.0.batch_norm.running_var")
    if not all(name in weights for name in names):
        return None
    mean, variance = (float(weights[name].double().mean()) for name in names)
    return mean, variance


def _inherited(provenance: Provenance, weights: Mapping[str, Tensor]) -> Provenance:
    """Give published weights their licence and citation, whatever came with them."""
    statistics = first_layer_statistics(weights)
    if not published.is_claimed(provenance) and (statistics is None or not published.are_generic(*statistics)):
        return provenance
    return replace(
        provenance, license=published.LICENSE, citation=provenance.citation or published.CITATION, simulated=False
    )


def _check(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are not those of the network."""
    wrong = [f"{name} is missing" for name in expected if name not in found]
    wrong += [f"{name} is unknown" for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        one, other = expected[name], found[name]
        if one.shape != other.shape:
            wrong.append(f"{name} has shape {tuple(other.shape)}, not {tuple(one.shape)}")
        elif one.dtype != other.dtype:
            wrong.append(f"{name} is {other.dtype}, not {one.dtype}".replace("torch.", ""))
        elif not torch.isfinite(other).all():
            wrong.append(f"{name} has values that are NaN or infinite")
    if not wrong:
        return
    more = f"; and {len(wrong) - _NAMES_SHOWN} more" if len(wrong) > _NAMES_SHOWN else ""
    raise ModelError(f"{where}: the weights do not fit the network: {'; '.join(wrong[:_NAMES_SHOWN])}{more}")
