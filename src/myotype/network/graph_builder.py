"""An ONNX graph in the making."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from torch import Tensor, nn

FloatArray = npt.NDArray[np.float32]
Tensors = tuple[Sequence[int | str], np.dtype[Any]]
"""Shape and number format of what goes into a graph, or comes out of it; sizes with names are free."""

_OPSET: Final = 20
_IR_VERSION: Final = 9
"""The version of the file format that came with this operator set; ONNX Runtime 1.19 reads both."""

_TO_THE_END: Final = np.iinfo(np.int64).max


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
        name, array = self._names[id(tensor)], array_of(tensor)
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

    def reshape(self, x: str, shape: Sequence[int | str], **attributes: Any) -> str:
        """Give a tensor another shape.

        Of the sizes 0 keeps what there is (but not with ``allowzero=1``), -1 stands for the rest, and a name is that of
        a tensor that holds one.
        """
        if all(isinstance(size, int) for size in shape):
            return self.op("Reshape", x, self.constant(shape), **attributes)
        sizes = [size if isinstance(size, str) else self.constant([size]) for size in shape]
        return self.op("Reshape", x, self.op("Concat", *sizes, axis=0), **attributes)

    def cut(self, x: str, axis: int, start: int, end: str = "", *, output: str = "") -> str:
        """Cut a stretch out of an axis; it goes to the end unless a tensor says where to."""
        end = end or self.constant([_TO_THE_END])
        return self.op("Slice", x, self.constant([start]), end, self.constant([axis]), output=output)

    def model(self, inputs: Mapping[str, Tensors], outputs: Mapping[str, Tensors]) -> onnx.ModelProto:
        """Give the graph as a model that takes and gives tensors of these names."""
        graph = self._model.graph
        for ends, tensors in ((graph.input, inputs), (graph.output, outputs)):
            for name, (shape, dtype) in tensors.items():
                ends.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape))
        return self._model


def array_of(tensor: Tensor) -> FloatArray:
    """Give a weight in single precision."""
    array: FloatArray = tensor.detach().float().cpu().numpy()
    return array
