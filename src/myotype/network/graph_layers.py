"""How each layer is written in ONNX.

Each function here mirrors the ``forward`` of one layer of :mod:`myotype.network.layers`, in evaluation mode and with a
full state. Between the layers the signal stands in rows, (batch * frames, features), as matrix products with a bias
want it; where time matters it is a sequence, (batch, frames, features).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from torch import nn

from myotype.errors import InputError
from myotype.network.graph_builder import FloatArray, Graph, array_of
from myotype.network.layers import (
    LogSpectrogram,
    MultiBandMLP,
    RotationInvariantMLP,
    SpectrogramNorm,
    TDSConv2dBlock,
    TDSConvEncoder,
    TDSFullyConnectedBlock,
)
from myotype.network.rolling_norm import RollingNorm
from myotype.network.splashnet import FrequencyBands

_POOLING: Final = {"mean": "ReduceMean", "max": "ReduceMax"}


def log_spectrogram(
    graph: Graph, layer: LogSpectrogram, n_chans: int, samples: str, state: str, next_state: str
) -> str:
    """Map samples to (batch, bins, frames, channels). The logarithms are natural ones; the layer's are decimal."""
    hop = layer.hop_length
    x = _after_state(graph, samples, state, next_state, layer.n_fft - hop, axis=2)
    # An image whose rows are hops, the channels side by side. A kernel as high as a window has hops, and as wide as a
    # hop, then gives a row for each frame, and in it a number for each channel.
    hops = graph.op("Transpose", graph.reshape(x, [0, 0, -1, hop]), perm=[0, 2, 1, 3])
    image = graph.reshape(hops, [0, 1, -1, n_chans * hop])
    squares = []
    for kernel in array_of(layer.basis).reshape(2, layer.n_bins, 1, layer.n_fft // hop, hop):  # cosines, then sines
        product = graph.op("Conv", image, graph.constant(kernel, np.float32), strides=[1, hop])
        squares.append(graph.op("Mul", product, product))
    power = graph.op("Add", graph.op("Add", *squares), graph.constant(layer.log_eps, np.float32))
    return graph.op("Log", power)


def spectrogram_norm(graph: Graph, layer: SpectrogramNorm, x: str) -> str:
    """Normalise (batch, bins, frames, channels) natural logarithms as decimal ones: (batch, frames, channels, bins)."""
    x = graph.op("Transpose", x, perm=[0, 2, 3, 1])
    norm = {
        name: array_of(tensor)[..., None].astype(np.float64) for name, tensor in layer.batch_norm.state_dict().items()
    }
    scale = norm["weight"] / np.sqrt(norm["running_var"] + layer.batch_norm.eps)
    shift = norm["bias"] - norm["running_mean"] * scale
    scaled = graph.op("Mul", x, graph.constant(scale / math.log(10), np.float32))
    return graph.op("Add", scaled, graph.constant(shift, np.float32))


def frequency_bands(graph: Graph, layer: FrequencyBands, n_bins: int, x: str) -> str:
    """Map (batch, bins, frames, channels) natural logarithms to (batch, frames, channels, bands) decimal ones."""
    kernel = np.zeros((layer.n_bands, n_bins, 1, 1))
    for band, (start, end) in enumerate(pairwise(layer.edges)):
        kernel[band, start:end] = 1 / math.log(10)
    bands = graph.op("Conv", x, graph.constant(kernel, np.float32))
    return graph.op("Transpose", bands, perm=[0, 2, 3, 1])


def rolling_norm(
    graph: Graph, layer: RollingNorm, x: str, n_frames: str, state: str, next_state: str, empty_frames: int
) -> str:
    """Normalise (batch, frames, channels, bands); all is computed in double precision.

    The state is that of the layer, but that it counts the first `empty_frames` too, which the state of zeros before
    them makes of nothing: they have no weight. All of the frames that settle are in one step.
    """

    def number(value: float) -> str:
        return graph.constant(value, np.float64)

    x = graph.op("Cast", x, to=onnx.TensorProto.DOUBLE)
    so_far = [graph.cut(state, 1, part, graph.constant([part + 1])) for part in range(3)]
    new_frames = graph.op("Cast", graph.op("Squeeze", n_frames), to=onnx.TensorProto.DOUBLE)
    end = graph.op("Add", new_frames, number(1 - empty_frames))
    index = graph.op("Range", number(1 - empty_frames), end, number(1))
    one = graph.constant([1])
    first_count = graph.cut(graph.cut(so_far[0], 2, 0, one), 3, 0, one)
    count = graph.op("Add", first_count, graph.reshape(index, [1, -1, 1, 1]))  # (batch, frames, 1, 1)
    weighed = graph.op("Where", graph.op("Greater", count, number(0)), x, number(0))
    settles = graph.op("Equal", count, number(layer.settling_frames))
    settling = graph.op("Less", count, number(layer.settling_frames))
    count = graph.op("Max", count, number(layer.settling_frames))
    means, ends = [], []
    for values, before in ((weighed, so_far[1]), (graph.op("Mul", weighed, weighed), so_far[2])):
        running = graph.op("Add", graph.op("CumSum", values, graph.constant(1)), before)
        ends.append(graph.cut(running, 1, -1))
        settled = graph.op("ReduceSum", graph.op("Where", settles, running, number(0)), one, keepdims=1)
        means.append(graph.op("Div", graph.op("Where", settling, settled, running), count))
    mean, square = means
    graph.op("Concat", graph.op("Add", so_far[0], new_frames), *ends, axis=1, output=next_state)
    variance = graph.op("Max", graph.op("Sub", square, graph.op("Mul", mean, mean)), number(0))
    deviation = graph.op("Sqrt", graph.op("Add", variance, number(layer.eps)))
    normed = graph.op("Div", graph.op("Sub", x, mean), deviation)
    return graph.op("Cast", normed, to=onnx.TensorProto.FLOAT)


def multi_band_mlp(graph: Graph, layer: MultiBandMLP, n_chans: int, x: str) -> str:
    """Map (batch, frames, channels, bins) to rows."""
    mlps: Any = layer.mlps
    bands = np.arange(n_chans).reshape(len(mlps), -1)
    features = [rotation_invariant_mlp(graph, mlp, band, x) for mlp, band in zip(mlps, bands, strict=True)]
    return graph.op("Concat", *features, axis=1)


def rotation_invariant_mlp(graph: Graph, layer: RotationInvariantMLP, band: npt.NDArray[np.int64], image: str) -> str:
    """Map the channels of one band in (batch, frames, channels, bins) to rows."""
    linears = [part for part in layer.mlp if isinstance(part, nn.Linear)]
    rolled = graph.constant([np.roll(band, offset) for offset in layer.offsets])
    x = graph.op("Gather", image, rolled, axis=2)  # (batch, frames, offsets, electrodes, bins)
    x = graph.reshape(x, [-1, linears[0].in_features])
    for part in layer.mlp:
        x = linear(graph, part, x) if isinstance(part, nn.Linear) else _activation(graph, part, x)
    x = graph.reshape(x, [-1, len(layer.offsets), linears[-1].out_features])
    return graph.op(_POOLING[layer.pooling], x, graph.constant([1]), keepdims=0)


def tds_encoder(
    graph: Graph, layer: TDSConvEncoder, x: str, n_frames: str, states: Iterable[str], next_states: Iterable[str]
) -> str:
    """Map rows to rows; each state is read under its name, and the one for the next step written under another."""
    pairs = zip(states, next_states, strict=True)
    blocks: Any = layer.tds_conv_blocks  # torch's containers do not say what they hold
    for block in blocks:
        if isinstance(block, TDSConv2dBlock):
            sequence = graph.reshape(x, [-1, n_frames, block.channels * block.width])
            x = tds_conv2d(graph, block, sequence, *next(pairs), n_frames)
        else:
            x = tds_fully_connected(graph, block, x)
    return x


def tds_conv2d(graph: Graph, layer: TDSConv2dBlock, x: str, state: str, next_state: str, n_frames: str) -> str:
    """Map a sequence to rows.

    A sequence is an image of one channel as it stands, whose rows are the channels of the first frame, those of the
    second, and so on: with kernels over the rows of kernel_width frames nothing need be transposed. The same kernels,
    moved down by a frame, give the next frame. Two frames at once make an odd multiple of 8 channels fill vectors of 16
    numbers, for a few multiplications by zero.
    """
    channels, past = layer.channels, layer.kernel_width - 1
    conv: Any = layer.conv2d  # whose bias torch calls optional
    at_once = 2 if channels % 16 == 8 else 1

    def kernels(weight: FloatArray) -> FloatArray:
        moved = np.zeros((at_once, channels, past + at_once, channels), np.float32)
        for frame in range(at_once):
            moved[frame, :, frame : frame + layer.kernel_width] = weight[:, :, 0].swapaxes(1, 2)
        return moved.reshape(at_once * channels, 1, -1, 1)

    image = graph.reshape(_after_state(graph, x, state, next_state, past, axis=1), [0, 1, -1, layer.width])
    y = graph.op(
        "Conv",
        image,
        graph.weight(conv.weight, kernels),
        graph.weight(conv.bias, lambda bias: np.tile(bias, at_once)),
        strides=[at_once * channels, 1],
        pads=[0, 0, (at_once - 1) * channels, 0],  # what an odd last frame is computed together with
    )
    y = graph.op("Transpose", _activation(graph, layer.activation, y), perm=[0, 2, 1, 3])
    y = graph.reshape(y, [0, -1, channels * layer.width])
    if at_once > 1:
        y = graph.cut(y, 1, 0, n_frames)
    normed = _layer_norm(graph, layer.layer_norm, graph.op("Add", y, x))
    return graph.reshape(normed, [-1, channels * layer.width])


def tds_fully_connected(graph: Graph, layer: TDSFullyConnectedBlock, x: str) -> str:
    """Map rows to rows."""
    parts: Any = layer.fc_block
    first, activation, second = parts
    y = linear(graph, second, _activation(graph, activation, linear(graph, first, x)))
    return _layer_norm(graph, layer.layer_norm, graph.op("Add", x, y))


def linear(graph: Graph, layer: nn.Linear, x: str) -> str:
    """Map rows to rows."""
    return graph.op("Gemm", x, graph.weight(layer.weight), graph.weight(layer.bias), transB=1)


def _layer_norm(graph: Graph, layer: nn.LayerNorm, x: str) -> str:
    """Normalise rows or a sequence."""
    weight, bias = graph.weight(layer.weight), graph.weight(layer.bias)
    return graph.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=layer.eps)


def _after_state(graph: Graph, x: str, state: str, next_state: str, length: int, axis: int) -> str:
    """Put a state before what is new, and the last of both into the next state."""
    if length == 0:
        graph.op("Identity", state, output=next_state)
        return x
    x = graph.op("Concat", state, x, axis=axis)
    graph.cut(x, axis, -length, output=next_state)
    return x


def _negative(graph: Graph, x: str) -> str:
    return graph.op("Neg", x)


def _clip(graph: Graph, layer: nn.Hardtanh, x: str) -> str:
    return graph.op("Clip", x, *(graph.constant(bound, np.float32) for bound in (layer.min_val, layer.max_val)))


_ACTIVATIONS: Final[dict[type[nn.Module], Callable[[Graph, Any, str], str]]] = {
    nn.CELU: lambda graph, layer, x: graph.op("Celu", x, alpha=layer.alpha),
    nn.ELU: lambda graph, layer, x: graph.op("Elu", x, alpha=layer.alpha),
    nn.GELU: lambda graph, layer, x: graph.op("Gelu", x, approximate=layer.approximate),
    nn.Hardshrink: lambda graph, layer, x: graph.op("Shrink", x, lambd=layer.lambd),
    nn.Hardsigmoid: lambda graph, _, x: graph.op("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    nn.Hardswish: lambda graph, _, x: graph.op("HardSwish", x),
    nn.Hardtanh: _clip,
    nn.Identity: lambda _graph, _layer, x: x,
    nn.LeakyReLU: lambda graph, layer, x: graph.op("LeakyRelu", x, alpha=layer.negative_slope),
    nn.LogSigmoid: lambda graph, _, x: _negative(graph, graph.op("Softplus", _negative(graph, x))),
    nn.Mish: lambda graph, _, x: graph.op("Mish", x),
    nn.RReLU: lambda graph, layer, x: graph.op("LeakyRelu", x, alpha=(layer.lower + layer.upper) / 2),
    nn.ReLU: lambda graph, _, x: graph.op("Relu", x),
    nn.ReLU6: _clip,
    nn.SELU: lambda graph, _, x: graph.op("Selu", x),
    nn.SiLU: lambda graph, _, x: graph.op("Mul", x, graph.op("Sigmoid", x)),
    nn.Sigmoid: lambda graph, _, x: graph.op("Sigmoid", x),
    nn.Softplus: lambda graph, _, x: graph.op("Softplus", x),
    nn.Softshrink: lambda graph, layer, x: graph.op("Shrink", x, lambd=layer.lambd, bias=layer.lambd),
    nn.Softsign: lambda graph, _, x: graph.op("Softsign", x),
    nn.Tanh: lambda graph, _, x: graph.op("Tanh", x),
    nn.Tanhshrink: lambda graph, _, x: graph.op("Sub", x, graph.op("Tanh", x)),
}
"""What works on every number alone and has no weights, as the layers make it: without arguments."""


def _activation(graph: Graph, layer: nn.Module, x: str) -> str:
    """Apply an activation to a tensor of any shape."""
    write = _ACTIVATIONS.get(type(layer))  # not of a subclass, which may compute anything
    if write is None:
        known = ", ".join(sorted((kind.__name__ for kind in _ACTIVATIONS), key=str.lower))
        raise InputError(
            f"activation {type(layer).__name__} cannot be written as a streaming graph; these can: {known}"
        )
    return write(graph, layer, x)
