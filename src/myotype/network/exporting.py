"""From a network in PyTorch to a bundle that runs without it."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Final

import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor

from myotype.errors import InputError, ModelError
from myotype.network.emg2qwerty import EMG2QwertyNet
from myotype.network.graph import streaming_graph
from myotype.runtime import Bundle, Provenance
from myotype.runtime.bundle import GRAPH_FILE, WEIGHTS_FILE, Facts, writing_bundle
from myotype.runtime.provenance import UNKNOWN, provenance_metadata

DIGEST: Final = "weights SHA-256"
"""The detail of a provenance that says which weights it tells of."""

_NOT_STATED: Final = Provenance(
    license=UNKNOWN,
    source="Nobody has said what these weights were made from: ask whoever made them before you use them.",
)


def export(
    network: EMG2QwertyNet,
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
        If the network's window is not a whole number of hops, its activation cannot be written, or the provenance has
        a licence that is no name or texts beyond all measure.
    OutputError
        If the folder cannot be written.
    """
    if next(network.parameters()).dtype != torch.float32:
        network = copy.deepcopy(network).float()
    graph = streaming_graph(network)  # which says what cannot be exported: before anything is written
    spectrogram = network.spectrogram
    weights = {name: tensor.detach().contiguous() for name, tensor in network.state_dict().items()}
    provenance = _checked(provenance or _own_provenance(network, weights), weights)
    facts = Facts(
        architecture=type(network).__name__,
        sfreq=network.sfreq,
        n_chans=network.n_chans,
        hop_length=network.hop_length,
        receptive_field=network.receptive_field,
        warmup_frames=network.context_frames + spectrogram.n_fft // spectrogram.hop_length - 1,
        look_ahead=network.look_ahead if look_ahead is None else look_ahead,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        multiply_adds=network.multiply_adds,
        precision="float32",
        provenance=provenance,
    )
    with writing_bundle(folder, network.get_config(), facts) as temporary:
        save_file(weights, temporary / WEIGHTS_FILE, metadata=provenance_metadata(provenance))
        onnx.save(graph, str(temporary / GRAPH_FILE))
    return Bundle.open(folder)


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """Give the SHA-256 of weights: of names, number formats, shapes and bytes, whatever file they lie in."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _checked(provenance: Provenance, weights: Mapping[str, Tensor]) -> Provenance:
    """Note which weights a provenance tells of, and refuse one that could not be read again."""
    try:
        Provenance.from_json(asdict(provenance), "provenance")
    except ModelError as error:
        raise InputError(str(error)) from error
    return replace(provenance, details={**provenance.details, DIGEST: digest_of(weights)})


def _own_provenance(network: EMG2QwertyNet, weights: Mapping[str, Tensor]) -> Provenance:
    """Give what a network says of itself, which is not the whole truth if its weights were changed since."""
    if network.provenance is None:
        return _NOT_STATED
    loaded = network.provenance.details.get(DIGEST)
    return network.provenance if loaded in (None, digest_of(weights)) else network.provenance.after_change()
