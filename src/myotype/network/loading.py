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
from myotype.network.architectures import class_of
from myotype.network.checkpoints import ORIGINAL, Checkpoint, read_checkpoint
from myotype.network.origins import settled
from myotype.network.pretrained import PretrainedNetwork
from myotype.runtime.bundle import FACTS_FILE
from myotype.runtime.hub import HubOptions
from myotype.runtime.locating import locate
from myotype.runtime.provenance import printable, tell_terms

Network = TypeVar("Network", bound=PretrainedNetwork)

_NAMES_SHOWN: Final = 8
_LONGEST_NAME: Final = 200


def expected_entries(kind: type[PretrainedNetwork], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Give the state dict that a configuration implies, as tensors without memory.

    Raises
    ------
    ModelError
        If the configuration is impossible.
    """
    with torch.device("meta"):
        return dict(kind.from_config(config).state_dict())


def load_network(model: str | os.PathLike[str], **options: Any) -> PretrainedNetwork:
    """Load whatever network a model is, with its weights.

    Parameters
    ----------
    model
        What :meth:`PretrainedNetwork.from_pretrained` takes. Weights that nothing says the architecture of are those of
        an EMG2QwertyNet.
    **options
        As :meth:`PretrainedNetwork.from_pretrained` takes them.

    Returns
    -------
    network
        In evaluation mode.

    Raises
    ------
    InputError
        If an option is not an argument of the network, or impossible.
    ModelError
        If there is no such model, it cannot be downloaded or read, or its architecture is not known.
    """
    hub = HubOptions(**{name: options.pop(name) for name in HubOptions.__annotations__ if name in options})  # type: ignore[typeddict-item]  # whose names they are
    checkpoint = _found(model, hub)
    kind = class_of(checkpoint.architecture or ORIGINAL, os.fspath(model))
    return filled(kind, checkpoint, os.fspath(model), **options)


def load(kind: type[Network], model: str | os.PathLike[str], hub: HubOptions, **overrides: Any) -> Network:
    """Find a model, read it, and build the network: see :meth:`PretrainedNetwork.from_pretrained`."""
    return filled(kind, _found(model, hub), os.fspath(model), **overrides)


def _found(model: str | os.PathLike[str], hub: HubOptions) -> Checkpoint:
    """Find a model and read it."""
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
    return checkpoint


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
        If the checkpoint is of another architecture, or weights are missing, unknown, of another shape or number
        format, or not finite.
    """
    if checkpoint.architecture is not None and checkpoint.architecture != kind.architecture:
        name = class_of(checkpoint.architecture, where).architecture
        raise ModelError(
            f"{where}: the network is {name}, not {kind.architecture}: load it with {name}.from_pretrained, or with "
            "myotype.network.load_network, which takes either"
        )
    n_outputs = overrides.pop("n_outputs", None)
    unknown = overrides.keys() - inspect.signature(kind).parameters.keys()
    if unknown:
        raise InputError(f"{kind.__name__} knows no {', '.join(sorted(unknown))}")
    weights = {kind.mapping.get(name, name): tensor for name, tensor in checkpoint.weights.items()}
    if len(weights) < len(checkpoint.weights):
        both = next(
            f"{name} and {own}" for name, own in kind.mapping.items() if {name, own} <= checkpoint.weights.keys()
        )
        raise ModelError(f"{where}: holds {both}, which are names of the same weight")
    if ("n_times" in overrides) != ("input_window_seconds" in overrides):  # one follows from the other
        overrides = {"n_times": None, "input_window_seconds": None, **overrides}
    config = {**checkpoint.config, **overrides}
    try:
        expected = expected_entries(kind, config)
    except ModelError as error:
        if not overrides:
            raise
        raise InputError(f"{where}, with other arguments than the stored: {error}") from error
    check_weights(expected, weights, where)
    network = kind.from_config(config)
    network.load_state_dict(weights)
    network.provenance = settled(checkpoint.provenance, weights)
    tell_terms(where, network.provenance)
    network.look_ahead = checkpoint.look_ahead
    before = network.get_config()["n_outputs"]
    if n_outputs is not None and n_outputs != before:
        network.reset_head(n_outputs)
        sys.stderr.write(
            f"{printable(where)}: a new head of {n_outputs} outputs, with random weights, in the place of that of "
            f"{before}\n"
        )
    return network.eval()


def check_weights(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are not those of the network.

    Raises
    ------
    ModelError
        If any are missing, unknown, of another shape or number format, not finite, or negative variances.
    """
    wrong = [f"{name} is missing" for name in expected if name not in found]
    wrong += [f"{name[:_LONGEST_NAME]} is unknown" for name in found if name not in expected]
    for name, one in expected.items():
        other = found.get(name, one)
        if one.shape != other.shape:
            wrong.append(f"{name} has shape {tuple(other.shape)}, not {tuple(one.shape)}")
        elif one.dtype != other.dtype:
            wrong.append(f"{name} is {other.dtype}, not {one.dtype}: save it so first".replace("torch.", ""))
        elif not other.is_meta and not torch.isfinite(other).all():
            wrong.append(f"{name} has values that are NaN or infinite")
        elif not other.is_meta and name.endswith("running_var") and (other < 0).any():
            wrong.append(f"{name} has negative variances")
    if not wrong:
        return
    more = f"; and {len(wrong) - _NAMES_SHOWN} more" if len(wrong) > _NAMES_SHOWN else ""
    raise ModelError(f"{where}: the weights do not fit the network: {'; '.join(wrong[:_NAMES_SHOWN])}{more}")
