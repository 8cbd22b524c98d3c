"""From a network in PyTorch to a bundle that runs without it."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import onnx
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from myotype.errors import InputError, ModelError, OutputError
from myotype.network.graph import empty_frames, first_step, streaming_graph
from myotype.network.loading import check_weights, expected_entries
from myotype.network.origins import DIGEST, check_license, settled
from myotype.network.pretrained import PretrainedNetwork
from myotype.runtime import Bundle, Provenance
from myotype.runtime.bundle import GRAPH_FILE, LONGEST_LOOK_AHEAD, WEIGHTS_FILE, Facts, writing_bundle
from myotype.runtime.licenses import UNKNOWN, normal
from myotype.runtime.provenance import provenance_metadata

_NOT_STATED: Final = Provenance(
    license=UNKNOWN,
    source="Nobody has said what these weights were made from: ask whoever made them before you use them.",
)


def export(
    network: PretrainedNetwork,
    folder: str | os.PathLike[str],
    *,
    provenance: Provenance | None = None,
    look_ahead: float | None = None,
) -> Bundle:
    """Write a network as a bundle: weights, configuration, streaming graph and card.

    Parameters
    ----------
    network
        The network; what is written is its behaviour in evaluation mode.
    folder
        Where to; an existing bundle there is replaced.
    provenance
        Where the weights come from, and under which licence they stand, if not what the network says of itself.
    look_ahead
        Seconds from a key's press to the end of the signal that the network reads it from, if not the network's own.

    Returns
    -------
    Bundle
        The bundle as it lies in the folder.

    Raises
    ------
    InputError
        If the network's window is not a whole number of hops, its activation cannot be written, the provenance has a
        licence that is no name or texts beyond all measure, or it puts published weights, or what was made from them,
        under another licence.
    ModelError
        If the weights are no longer those of the configuration, or not finite.
    OutputError
        If the folder cannot be written.
    """
    if next(network.parameters()).dtype != torch.float32:
        network = copy.deepcopy(network).float()
    graph = streaming_graph(network)  # which says what cannot be exported: before anything is written
    weights = {name: tensor.detach().contiguous() for name, tensor in network.state_dict().items()}
    check_weights(expected_entries(type(network), network.get_config()), weights, str(folder))
    provenance = _provenance(network, provenance, weights)
    look_ahead = network.look_ahead if look_ahead is None else look_ahead
    if not 0 <= look_ahead <= LONGEST_LOOK_AHEAD:
        raise InputError(f"look_ahead={look_ahead}: give seconds from 0 to {LONGEST_LOOK_AHEAD}")
    facts = Facts(
        architecture=network.architecture,
        sfreq=network.sfreq,
        n_chans=network.n_chans,
        hop_length=network.hop_length,
        receptive_field=network.receptive_field,
        warmup_frames=network.context_frames + empty_frames(network),
        settling_frames=first_step(network),
        look_ahead=look_ahead,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        multiply_adds=network.multiply_adds,
        precision="float32",
        provenance=provenance,
    )
    with writing_bundle(folder, network.get_config(), facts) as temporary:
        try:
            save_file(weights, temporary / WEIGHTS_FILE, metadata=provenance_metadata(provenance))
        except SafetensorError as error:  # what it makes of a full disk
            raise OutputError(f"cannot write {folder}: {error}") from error
        onnx.save(graph, str(temporary / GRAPH_FILE))
    return Bundle.open(Path(folder).resolve())  # a path, so that a folder called as a bundled model is itself


def _provenance(network: PretrainedNetwork, stated: Provenance | None, weights: Mapping[str, Tensor]) -> Provenance:
    """Say where weights come from as they are now, and refuse what could not be read again."""
    if stated is not None:
        check_license(stated.license, network.provenance, weights)
        stated = replace(stated, details={name: value for name, value in stated.details.items() if name != DIGEST})
    provenance = settled(stated or network.provenance or _NOT_STATED, weights)
    try:
        Provenance.from_json(json.loads(json.dumps(asdict(provenance), allow_nan=False).encode()), "provenance")
    except (ModelError, TypeError, ValueError) as error:
        raise InputError(f"the provenance cannot be written: {error}") from error
    return replace(provenance, license=normal(provenance.license))
