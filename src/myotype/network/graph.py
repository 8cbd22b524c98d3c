"""The streaming graph: one step of a network's stream in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from myotype.errors import InputError
from myotype.network.emg2qwerty import EMG2QwertyNet
from myotype.network.graph_builder import Graph, Tensors
from myotype.network.graph_layers import (
    frequency_bands,
    linear,
    log_spectrogram,
    multi_band_mlp,
    rolling_norm,
    rotation_invariant_mlp,
    spectrogram_norm,
    tds_encoder,
)
from myotype.network.pretrained import PretrainedNetwork
from myotype.network.splashnet import SplashNet


def full_state(network: PretrainedNetwork, batch: int) -> list[Tensor]:
    """Give the state of zeros that the graph begins with, as long as a state ever needs to be.

    The first frames after it are made of zeros as well as samples (see `empty_frames`), and so is the context of those
    that follow: the engine drops them.

    Returns
    -------
    list
        (batch, channels, n_fft - hop) samples. Then, for a rolling normalisation, (batch, 3, channels, frequency bands)
        statistics in double precision. Then for each convolution its last frames: (batch, kernel_width - 1, features),
        or (batch, hands, kernel_width - 1, features of a hand) where hands are encoded by themselves.
    """
    weight = next(network.parameters())
    return [
        weight.new_zeros(batch, *shape, dtype=torch.float64 if exact else weight.dtype)
        for shape, exact in _states(network)
    ]


def _states(network: PretrainedNetwork) -> list[tuple[tuple[int, ...], bool]]:
    """Give the shape of each state without its batch, and whether it is in double precision whatever the network is."""
    config = network.get_config()
    samples = (network.n_chans, network.spectrogram.n_fft - network.hop_length)
    past, blocks = config["kernel_width"] - 1, len(config["block_channels"])
    if isinstance(network, SplashNet):
        statistics = (3, network.n_chans, network.frequency_bands.n_bands)
        hands = (config["num_bands"], past, config["mlp_features"][-1])
        return [(samples, False), (statistics, True), *[(hands, False)] * blocks]
    return [(samples, False), *[((past, network.n_features), False)] * blocks]


def empty_frames(network: PretrainedNetwork) -> int:
    """Count the frames of the graph's beginning that see its state of zeros besides samples."""
    return network.spectrogram.n_fft // network.hop_length - 1


def first_step(network: PretrainedNetwork) -> int:
    """Count the frames that the first step must have at least; 0 where it may have any number."""
    return network.settling_frames + empty_frames(network) if network.settling_frames else 0


def streaming_graph(network: PretrainedNetwork) -> onnx.ModelProto:
    """Write one step of the stream as an ONNX graph.

    Its inputs are ``samples``, (batch, channels, samples) of one hop or several, and ``state_0``, ``state_1`` and so
    on, shaped like those of `full_state`. Its outputs are ``emissions``, (batch, frames, classes) natural-log
    probabilities with a frame for each hop, and the states for the next step, ``next_state_0`` and so on. All but the
    statistics of a rolling normalisation are float32; batch and length are free. It computes what the network does in
    evaluation mode, whatever mode that is in. How many frames the first step must have `first_step` says.

    Raises
    ------
    InputError
        If the network is of no known architecture, its window is not a whole number of hops, or its activation cannot
        be written.
    """
    spectrogram, hop = network.spectrogram, network.hop_length
    if spectrogram.n_fft % hop:
        raise InputError(f"hop_length={hop} does not divide n_fft={spectrogram.n_fft}: a stream needs whole hops")
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    states: dict[str, Tensors] = {
        f"state_{index}": (("batch", *shape), double if exact else single)
        for index, (shape, exact) in enumerate(_states(network))
    }
    graph = Graph(network)
    if isinstance(network, SplashNet):
        rows, n_frames = _splashnet(graph, network, list(states))
    elif isinstance(network, EMG2QwertyNet):
        rows, n_frames = _emg2qwerty(graph, network, list(states))
    else:
        raise InputError(f"{type(network).__name__} cannot be written as a streaming graph")
    logits = graph.reshape(linear(graph, network.final_layer, rows), [-1, n_frames, network.n_outputs])
    graph.op("LogSoftmax", logits, axis=-1, output="emissions")
    return graph.model(
        {"samples": (("batch", network.n_chans, f"{hop}*frames"), single), **states},
        {
            "emissions": (("batch", "frames", network.n_outputs), single),
            **{_next(name): description for name, description in states.items()},
        },
    )


def _next(state: str) -> str:
    return f"next_{state}"


def _emg2qwerty(graph: Graph, network: EMG2QwertyNet, states: list[str]) -> tuple[str, str]:
    """Map samples to rows of features, and give the number of frames."""
    layers: Any = network.model  # torch's containers do not say what they hold
    samples, *past = states
    image = log_spectrogram(graph, network.spectrogram, network.n_chans, "samples", samples, _next(samples))
    image = spectrogram_norm(graph, layers["0"], image)
    n_frames = graph.op("Shape", image, start=1, end=2)
    rows = multi_band_mlp(graph, layers["1"], network.n_chans, image)
    return tds_encoder(graph, layers["3"], rows, n_frames, past, map(_next, past)), n_frames


def _splashnet(graph: Graph, network: SplashNet, states: list[str]) -> tuple[str, str]:
    """Map samples to rows of features, and give the number of frames."""
    samples, statistics, *past = states
    spectrogram, bands = network.spectrogram, network.frequency_bands
    image = log_spectrogram(graph, spectrogram, network.n_chans, "samples", samples, _next(samples))
    image = frequency_bands(graph, bands, spectrogram.n_bins, image)
    n_frames = graph.op("Shape", image, start=1, end=2)
    image = rolling_norm(graph, network.norm, image, n_frames, statistics, _next(statistics), empty_frames(network))

    encoders: Any = network.encoders
    n_hands: int = network.get_config()["num_bands"]
    each = n_hands // len(encoders)
    electrodes, n_features = network.n_chans // n_hands, network.n_features // n_hands
    hands = np.arange(network.n_chans).reshape(n_hands, electrodes)
    batch = graph.op("Shape", image, start=0, end=1)
    if len(encoders) < n_hands:  # one for all: the hands are batched
        image = graph.op("Transpose", graph.reshape(image, [0, 0, n_hands, electrodes, -1]), perm=[0, 2, 1, 3, 4])
        image = graph.reshape(image, [-1, n_frames, electrodes, bands.n_bands])
    features: list[str] = []
    ends: list[list[str]] = []
    for index, encoder in enumerate(encoders):
        rows = rotation_invariant_mlp(graph, encoder.mlp, hands[index], image)
        n_sequences = graph.op("Mul", batch, graph.constant([each]))
        own = [state if each == n_hands else graph.cut(state, 1, index, graph.constant([index + 1])) for state in past]
        width = encoder.tds.tds_conv_blocks[0].kernel_width - 1
        folded = [graph.reshape(state, [n_sequences, width, n_features], allowzero=1) for state in own]
        ends.append([f"{_next(state)}_of_{index}" for state in past])
        rows = tds_encoder(graph, encoder.tds, rows, n_frames, folded, ends[-1])
        sequences = graph.reshape(rows, [-1, each, n_frames, n_features])
        features.append(graph.op("Transpose", sequences, perm=[0, 2, 1, 3]))
    for state, parts in zip(past, zip(*ends, strict=True), strict=True):
        unfolded = [graph.reshape(part, [batch, each, width, n_features], allowzero=1) for part in parts]
        graph.op("Concat", *unfolded, axis=1, output=_next(state))
    return graph.reshape(graph.op("Concat", *features, axis=2), [-1, network.n_features]), n_frames
