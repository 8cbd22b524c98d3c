"""How each layer is written in ONNX: one step of the stream as a graph.

Each function here mirrors the ``forward`` of one layer of :mod:`myotype.network.layers`, in evaluation mode and with a
full state. Between the layers the signal stands in rows, (batch * frames, features), as matrix products with a bias
want it; where time matters it is a sequence, (batch, frames, features).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from torch import Tensor, nn

from myotype.errors import InputError
from myotype.network.emg2qwerty import EMG2QwertyNet
from myotype.network.layers import (
    LogSpectrogram,
    MultiBandMLP,
    RotationInvariantMLP,
    SpectrogramNorm,
    TDSConv2dBlock,
    TDSFullyConnectedBlock,
)

FloatArray = npt.NDArray[np.float32]
Shape = Sequence[int | str]

_OPSET: Final = 20
_IR_VERSION: Final = 9
"""The version of the file format that came with this operator set; ONNX Runtime 1.19 reads both."""

_TO_THE_END: Final = np.iinfo(np.int64).max
_POOLING: Final = {"mean": "ReduceMean", "max": "ReduceMax"}


class Graph:
    """A graph in the making: nodes in the order of their computation, and the constants that they need.

    Parameters
    ----------
    network
        Whose weights keep their names in the graph.
    """

    def __init__(self, network: nn.Module) -> None:
        self._names = {id(tensor): name for name, tensor in network.named_parameters()}
        self._constants: dict[object, str] = {}
        # Everything goes where it stays, as each list of protobuf's that is handed over is copied, weights and all.
        self._model = helper.make_model(
            helper.make_graph([], "stream", [], []),
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="myotype",
        )

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node; give the name of its output, which is made up unless it is given."""
        nodes = self._model.graph.node
        output = output or f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def weight(self, tensor: Tensor, change: Callable[[FloatArray], FloatArray] | None = None) -> str:
        """Add a weight of the network, as it is or changed; give its name."""
        name, array = self._names[id(tensor)], _array(tensor)
        return self._add(array if change is None else change(array), name)

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike = np.int64) -> str:
        """Add a constant, unless there is one like it; give its name."""
        array = np.asarray(value, dtype)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._add(array, f"constant_{len(self._constants)}")
        return self._constants[key]

    def _add(self, array: npt.NDArray[Any], name: str) -> str:
        self._model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Give a tensor another shape: 0 keeps a size, and -1 stands for the rest."""
        return self.op("Reshape", x, self.constant(shape))

    def cut(self, x: str, axis: int, start: int, end: str = "", *, output: str = "") -> str:
        """Cut a stretch out of an axis; it goes to the end unless a tensor says where to."""
        end = end or self.constant([_TO_THE_END])
        return self.op("Slice", x, self.constant([start]), end, self.constant([axis]), output=output)

    def model(self, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> onnx.ModelProto:
        """Give the graph as a model that takes and gives float32 tensors of these names and shapes."""
        graph = self._model.graph
        for ends, tensors in ((graph.input, inputs), (graph.output, outputs)):
            ends.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, tensors[name]) for name in tensors)
        return self._model


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


def streaming_graph(network: EMG2QwertyNet) -> onnx.ModelProto:
    """Write one step of the stream as an ONNX graph.

    Its inputs are ``samples``, (batch, channels, samples) of one hop or several, and ``state_0``, ``state_1`` and so
    on, shaped like those of `full_state`. Its outputs are ``emissions``, (batch, frames, classes) natural-log
    probabilities with a frame for each hop, and the states for the next step, ``next_state_0`` and so on. All are
    float32; batch and length are free. It computes what the network does in evaluation mode, whatever mode that is in.

    Raises
    ------
    InputError
        If the network's window is not a whole number of hops, or its activation cannot be written.
    """
    spectrogram, hop = network.spectrogram, network.hop_length
    if spectrogram.n_fft % hop:
        raise InputError(f"hop_length={hop} does not divide n_fft={spectrogram.n_fft}: a stream needs whole hops")
    shapes = {f"state_{index}": ("batch", *state.shape[1:]) for index, state in enumerate(full_state(network, 1))}
    states = iter(shapes)

    graph = Graph(network)
    layers: Any = network.model  # torch's containers do not say what they hold
    image = _log_spectrogram(graph, spectrogram, network.n_chans, "samples", next(states))
    image = _spectrogram_norm(graph, layers["0"], image)
    batch, n_frames = (graph.op("Shape", image, start=axis, end=axis + 1) for axis in (0, 1))

    def sequence(rows: str, features: int) -> str:
        return graph.op("Reshape", rows, graph.op("Concat", batch, n_frames, graph.constant([features]), axis=0))

    x = _multi_band_mlp(graph, layers["1"], network.n_chans, image)
    for block in layers["3"].tds_conv_blocks:
        if isinstance(block, TDSConv2dBlock):
            x = _tds_conv2d(graph, block, sequence(x, network.n_features), next(states), n_frames)
        else:
            x = _tds_fully_connected(graph, block, x)
    logits = sequence(_linear(graph, network.final_layer, x), network.n_outputs)
    graph.op("LogSoftmax", logits, axis=-1, output="emissions")

    return graph.model(
        {"samples": ("batch", network.n_chans, f"{hop}*frames")} | shapes,
        {"emissions": ("batch", "frames", network.n_outputs)} | {f"next_{name}": shapes[name] for name in shapes},
    )


def _log_spectrogram(graph: Graph, layer: LogSpectrogram, n_chans: int, samples: str, state: str) -> str:
    """Map samples to (batch, frames, channels, bins). The logarithms are natural ones; the layer's are decimal."""
    hop = layer.hop_length
    x = _after_state(graph, samples, state, layer.n_fft - hop, axis=2)
    # An image whose rows are hops, the channels side by side. A kernel as high as a window has hops, and as wide as a
    # hop, then gives a row for each frame, and in it a number for each channel.
    hops = graph.op("Transpose", graph.reshape(x, [0, 0, -1, hop]), perm=[0, 2, 1, 3])
    image = graph.reshape(hops, [0, 1, -1, n_chans * hop])
    squares = []
    for kernel in _array(layer.basis).reshape(2, layer.n_bins, 1, layer.n_fft // hop, hop):  # cosines, then sines
        product = graph.op("Conv", image, graph.constant(kernel, np.float32), strides=[1, hop])
        squares.append(graph.op("Mul", product, product))
    power = graph.op("Add", graph.op("Add", *squares), graph.constant(layer.log_eps, np.float32))
    return graph.op("Transpose", graph.op("Log", power), perm=[0, 2, 3, 1])


def _spectrogram_norm(graph: Graph, layer: SpectrogramNorm, x: str) -> str:
    """Scale and shift (batch, frames, channels, bins) natural logarithms as the layer does decimal ones."""
    norm = {
        name: _array(tensor)[..., None].astype(np.float64) for name, tensor in layer.batch_norm.state_dict().items()
    }
    scale = norm["weight"] / np.sqrt(norm["running_var"] + layer.batch_norm.eps)
    shift = norm["bias"] - norm["running_mean"] * scale
    scaled = graph.op("Mul", x, graph.constant(scale / math.log(10), np.float32))
    return graph.op("Add", scaled, graph.constant(shift, np.float32))


def _multi_band_mlp(graph: Graph, layer: MultiBandMLP, n_chans: int, x: str) -> str:
    """Map (batch, frames, channels, bins) to rows."""
    mlps: Any = layer.mlps
    bands = np.arange(n_chans).reshape(len(mlps), -1)
    features = [_rotation_invariant_mlp(graph, mlp, band, x) for mlp, band in zip(mlps, bands, strict=True)]
    return graph.op("Concat", *features, axis=1)


def _rotation_invariant_mlp(graph: Graph, layer: RotationInvariantMLP, band: npt.NDArray[np.int64], image: str) -> str:
    """Map the channels of one band in (batch, frames, channels, bins) to rows."""
    linears = [part for part in layer.mlp if isinstance(part, nn.Linear)]
    rolled = graph.constant([np.roll(band, offset) for offset in layer.offsets])
    x = graph.op("Gather", image, rolled, axis=2)  # (batch, frames, offsets, electrodes, bins)
    x = graph.reshape(x, [-1, linears[0].in_features])
    for part in layer.mlp:
        x = _linear(graph, part, x) if isinstance(part, nn.Linear) else _activation(graph, part, x)
    x = graph.reshape(x, [-1, len(layer.offsets), linears[-1].out_features])
    return graph.op(_POOLING[layer.pooling], x, graph.constant([1]), keepdims=0)


def _tds_conv2d(graph: Graph, layer: TDSConv2dBlock, x: str, state: str, n_frames: str) -> str:
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

    image = graph.reshape(_after_state(graph, x, state, past, axis=1), [0, 1, -1, layer.width])
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


def _tds_fully_connected(graph: Graph, layer: TDSFullyConnectedBlock, x: str) -> str:
    """Map rows to rows."""
    parts: Any = layer.fc_block
    first, activation, second = parts
    y = _linear(graph, second, _activation(graph, activation, _linear(graph, first, x)))
    return _layer_norm(graph, layer.layer_norm, graph.op("Add", x, y))


def _linear(graph: Graph, layer: nn.Linear, x: str) -> str:
    """Map rows to rows."""
    return graph.op("Gemm", x, graph.weight(layer.weight), graph.weight(layer.bias), transB=1)


def _layer_norm(graph: Graph, layer: nn.LayerNorm, x: str) -> str:
    """Normalise rows or a sequence."""
    weight, bias = graph.weight(layer.weight), graph.weight(layer.bias)
    return graph.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=layer.eps)


def _after_state(graph: Graph, x: str, state: str, length: int, axis: int) -> str:
    """Put a state before what is new, and the last of both into the next state."""
    if length == 0:
        graph.op("Identity", state, output=f"next_{state}")
        return x
    x = graph.op("Concat", state, x, axis=axis)
    graph.cut(x, axis, -length, output=f"next_{state}")
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


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().float().cpu().numpy()
    return array
