"""From a network in PyTorch to a bundle that runs without it."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from myotype.errors import InputError
from myotype.network.emg2qwerty import EMG2QwertyNet
from myotype.runtime import Bundle, Provenance
from myotype.runtime.bundle import GRAPH_FILE, WEIGHTS_FILE, Facts, writing_bundle
from myotype.runtime.provenance import UNKNOWN

_NOT_STATED: Final = Provenance(
    license=UNKNOWN,
    source="Nobody has said what these weights were made from: ask whoever made them before you use them.",
)


class _StreamingStep(nn.Module):
    """One step of the stream as a pure function of tensors, which is what a graph can hold."""

    def __init__(self, network: EMG2QwertyNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, samples: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        output, state = self.network.forward_with_state(samples, state)
        return output.log_softmax(-1), state


def full_state(network: EMG2QwertyNet, batch: int) -> list[Tensor]:
    """Give a state of zeros as long as a state ever needs to be.

    The first frames after it are made of zeros as well as samples: the engine drops them.

    Returns
    -------
    list
        (batch, channels, n_fft - hop) samples, then (batch, kernel_width - 1, features) for each convolution.
    """
    parameter = next(network.parameters())
    samples = parameter.new_zeros(batch, network.n_chans, network.spectrogram.n_fft - network.hop_length)
    config = network.get_config()
    shape = (batch, config["kernel_width"] - 1, network.n_features)
    return [samples, *(parameter.new_zeros(shape) for _ in config["block_channels"])]


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
        If the network's window is not a whole number of hops.
    OutputError
        If the folder cannot be written.
    """
    spectrogram = network.spectrogram
    if spectrogram.n_fft % spectrogram.hop_length:
        raise InputError(
            f"hop_length={spectrogram.hop_length} does not divide n_fft={spectrogram.n_fft}: a stream needs whole hops"
        )
    provenance = provenance or network.provenance or _NOT_STATED
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
    was_training = network.training
    network.eval()
    try:
        with writing_bundle(folder, network.get_config(), facts) as temporary:
            weights = {name: tensor.detach().contiguous() for name, tensor in network.state_dict().items()}
            save_file(weights, temporary / WEIGHTS_FILE)
            _write_graph(network, temporary / GRAPH_FILE)
    finally:
        network.train(was_training)
    return Bundle.open(folder)


def _write_graph(network: EMG2QwertyNet, path: Path) -> None:
    """Write one step of the stream as an ONNX graph: batch and number of hops are free, states go in and out."""
    hop, batch_size, hops = network.hop_length, 2, 5
    samples = torch.zeros(batch_size, network.n_chans, hops * hop)
    state = full_state(network, batch_size)
    batch = torch.export.Dim("batch")
    dynamic: Any = ({0: batch, 2: hop * torch.export.Dim("hops")}, [{0: batch} for _ in state])
    names = [f"state_{index}" for index in range(len(state))]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            _StreamingStep(network).eval(),
            (samples, state),
            dynamo=True,
            dynamic_shapes=dynamic,
            input_names=["samples", *names],
            output_names=["emissions", *(f"next_{name}" for name in names)],
            verbose=False,
        )
    if program is None:  # pragma: no cover - the exporter's own signature allows it
        raise RuntimeError("torch.onnx.export returned nothing")
    onnx.save(_without_traces(program.model_proto), str(path))


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take out what the exporter notes of every node's source: the paths of whoever exports are nobody's business."""
    graph = model.graph
    noted = (graph.node, graph.value_info, graph.input, graph.output, graph.initializer)
    for part in (model, graph, *(entry for entries in noted for entry in entries)):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return model
