"""The streaming engine: samples in, emissions out, on ONNX Runtime."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from myotype.errors import InputError, ModelError
from myotype.recordings.continuity import LARGEST
from myotype.runtime.bundle import Bundle

FloatArray = npt.NDArray[np.float32]
StateArray = npt.NDArray[np.float32 | np.float64]

MOST_THREADS: Final = 256

_MOST_FRAMES: Final = 256
"""Frames in one call of the graph: larger blocks need more memory and are no faster."""

_LARGEST_INPUT: Final = 64 << 20
"""Bytes that one stream may give to a call of the graph: its state, and samples of a few hops."""

_LARGEST_GRAPH: Final = (1 << 31) - 1
"""Bytes of a graph's file: what protobuf allows."""

_MOST_AXES: Final = 8
"""Axes of a state with its batch: many more than are needed, and fewer than NumPy knows."""

_STATE_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
}
"""What a state may be made of, as ONNX Runtime calls it."""

_NO_TYPE: Final[np.dtype[Any]] = np.dtype(np.bool_)
"""Stands for anything else."""

_ELSEWHERE: Final = b"location"
"""What stands in the file of every graph that keeps tensors in other files: ONNX calls their path so."""


class EngineStream:
    """The state of one signal on its way through an engine.

    Attributes
    ----------
    n_samples
        Samples that were pushed so far.
    n_frames
        Emission frames that came out so far.
    """

    def __init__(self, state: list[StateArray], warmup_frames: int, settling_frames: int) -> None:
        self.n_samples = 0
        self.n_frames = 0
        self._state = state
        self._warmup_left = warmup_frames
        self._settling_frames = settling_frames  # of the first call of the graph; 0 after it
        self._waiting: FloatArray | None = None  # samples that do not fill a hop yet

    def copy(self) -> EngineStream:
        """Give an independent stream that goes on from the same point."""
        twin = EngineStream([array.copy() for array in self._state], self._warmup_left, self._settling_frames)
        twin.n_samples = self.n_samples
        twin.n_frames = self.n_frames
        twin._waiting = self._waiting
        return twin


class Engine:
    """Runs a bundle's streaming graph; shared and read-only, while each stream owns its state.

    Parameters
    ----------
    bundle
        The model.
    threads
        Threads of one call; 0 for as many as there are cores.

    Raises
    ------
    InputError
        If the number of threads is impossible.
    ModelError
        If the graph cannot be loaded or is not one for this bundle.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or not 0 <= threads <= MOST_THREADS:
            raise InputError(f"threads={threads!r}: give a whole number from 0 (as many as cores) to {MOST_THREADS}")
        self.bundle = bundle
        self.facts = bundle.facts
        self._session = _open_session(bundle, threads)
        inputs = self._session.get_inputs()
        self._state_names = [node.name for node in inputs[1:]]
        self._state_shapes = [node.shape[1:] for node in inputs[1:]]
        self._state_types = [_STATE_TYPES.get(node.type, _NO_TYPE) for node in inputs[1:]]
        self._check_graph([(node.name, node.shape) for node in inputs])

    def _check_graph(self, inputs: list[tuple[str, list[Any]]]) -> None:
        """Refuse a graph that does not do what the bundle says: found out by its shapes and by one step."""
        states = self._state_shapes
        sizes = [size for shape in states for size in shape]
        fixed = all(isinstance(size, int) for size in sizes) and max(map(len, states), default=0) < _MOST_AXES
        outputs = len(self._session.get_outputs())
        name, shape = inputs[0] if inputs else ("", [])
        named = name == "samples" and len(shape) == 3 and shape[1] == self.facts.n_chans
        if not (named and fixed and outputs == len(inputs) and _NO_TYPE not in self._state_types):
            raise ModelError(f"{self.bundle.graph}: not a streaming graph for {self.facts.n_chans} channels")
        hops = max(3, self.facts.settling_frames)
        taken = 4 * hops * self.facts.hop_length * self.facts.n_chans
        for shape, dtype in zip(states, self._state_types, strict=True):
            taken += dtype.itemsize * math.prod(max(size, 1) for size in shape)
        if taken > _LARGEST_INPUT:
            raise ModelError(
                f"{self.bundle.graph}: the state of a stream and {hops} hops of samples take {taken} bytes; "
                f"{_LARGEST_INPUT} are the most that is run"
            )
        emissions = self._run(
            [self.stream()], np.zeros((1, hops * self.facts.hop_length, self.facts.n_chans), np.float32)
        )
        n_labels = self.bundle.config.get("n_outputs")
        if emissions.shape != (1, hops, n_labels):
            raise ModelError(
                f"{self.bundle.graph}: {hops} hops of samples give emissions of shape {emissions.shape[1:]}; "
                f"{hops} frames of {n_labels} labels were announced"
            )

    def stream(self) -> EngineStream:
        """Begin a new stream."""
        state = [
            np.zeros((1, *shape), dtype) for shape, dtype in zip(self._state_shapes, self._state_types, strict=True)
        ]
        return EngineStream(state, self.facts.warmup_frames, self.facts.settling_frames)

    def step(self, streams: Sequence[EngineStream], chunks: Sequence[npt.ArrayLike]) -> list[FloatArray]:
        """Push a chunk of samples to each of several streams; those of equal length run as one batch.

        A stream of a model with `settling_frames` gives nothing before it has so many hops; one that ends before has
        given nothing.

        Parameters
        ----------
        streams
            Different streams of this engine.
        chunks
            For each stream (any number of samples, channels), microvolts, all finite.

        Returns
        -------
        list
            For each stream (frames, labels) float32 natural-log probabilities of the frames that its chunk completed.

        Raises
        ------
        InputError
            If a chunk has another shape or a value that is not finite. No stream has then moved.
        """
        if len(streams) != len(chunks) or len({id(stream) for stream in streams}) != len(streams):
            raise InputError(
                f"{len(chunks)} chunks for {len(streams)} streams: give one chunk to each, each stream once"
            )
        checked = [self._check_chunk(chunk) for chunk in chunks]
        ready = [self._take_hops(stream, chunk) for stream, chunk in zip(streams, checked, strict=True)]
        results: list[list[FloatArray]] = [[] for _ in streams]
        done = [0] * len(streams)
        hop = self.facts.hop_length
        while active := [i for i, samples in enumerate(ready) if done[i] < len(samples)]:
            settling = [i for i in active if streams[i]._settling_frames]
            if settling:  # by themselves, with what their first call takes, which all of them have
                active, length = settling, self.facts.settling_frames * hop
            else:  # as many hops as every stream that has any left still has, so that they fit into one batch
                length = min(_MOST_FRAMES * hop, *(len(ready[i]) - done[i] for i in active))
            batch = np.stack([ready[i][done[i] : done[i] + length] for i in active])
            emissions = self._run([streams[i] for i in active], batch)
            for i, frames in zip(active, emissions, strict=True):
                results[i].append(_drop_warmup(streams[i], frames))
                done[i] += length
                streams[i]._settling_frames = 0
        empty = np.zeros((0, self.n_labels), np.float32)
        return [np.concatenate(pieces) if pieces else empty for pieces in results]

    @property
    def n_labels(self) -> int:
        """Number of labels that an emission frame scores."""
        return int(self.bundle.config["n_outputs"])

    def _check_chunk(self, chunk: npt.ArrayLike) -> FloatArray:
        samples = np.asarray(chunk, dtype=np.float32)
        if samples.ndim != 2 or samples.shape[1] != self.facts.n_chans:
            raise InputError(f"samples have shape {samples.shape}; expected (n, {self.facts.n_chans})")
        if not (np.abs(samples) <= LARGEST).all():  # NaN fails this too
            message = f"samples contain NaN, infinity or more than {LARGEST:g} microvolts"
            raise InputError(f"{message}; repair them first (the Transcriber does)")
        return samples

    def _take_hops(self, stream: EngineStream, chunk: FloatArray) -> FloatArray:
        """Give the whole hops among the waiting and the new samples, if they are enough; the rest goes on waiting."""
        stream.n_samples += len(chunk)
        samples = chunk if stream._waiting is None else np.concatenate([stream._waiting, chunk])
        hops = len(samples) // self.facts.hop_length
        whole = hops * self.facts.hop_length if hops >= stream._settling_frames else 0
        stream._waiting = samples[whole:].copy()
        return samples[:whole]

    def _run(self, streams: list[EngineStream], batch: FloatArray) -> FloatArray:
        states = zip(*(stream._state for stream in streams), strict=True)
        feed = {name: np.concatenate(arrays) for name, arrays in zip(self._state_names, states, strict=True)}
        feed["samples"] = np.ascontiguousarray(batch.transpose(0, 2, 1))
        try:
            emissions, *new_states = self._session.run(None, feed)
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            raise ModelError(f"{self.bundle.graph}: the graph cannot be run: {error}") from error
        for index, stream in enumerate(streams):
            # Copies, lest a stream that rests keep the states of the whole batch alive.
            stream._state = [array[index : index + 1].copy() for array in new_states]
        return emissions  # type: ignore[no-any-return]  # (batch, frames, labels)


def _drop_warmup(stream: EngineStream, frames: FloatArray) -> FloatArray:
    dropped = min(stream._warmup_left, len(frames))
    stream._warmup_left -= dropped
    stream.n_frames += len(frames) - dropped
    return frames[dropped:]


def _check_file(graph: Path) -> None:
    """Refuse a graph that is too large to be one, or that would have ONNX Runtime read other files.

    Its versions up to 1.23 read whatever file of this machine such a graph names. The key that the name stands under is
    looked for as bytes, anywhere: protobuf has several ways to write a length, but only one to write a text. In the
    graphs that are written here, nothing is called so.
    """
    try:
        with graph.open("rb") as file:
            size = graph.stat().st_size
            if size > _LARGEST_GRAPH:
                raise ModelError(f"{graph}: {size} bytes are too many for a graph: convert or download it again")
            if size == 0:  # which cannot be mapped
                raise ModelError(f"{graph}: not a graph that can be run: it is empty; convert or download it again")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                elsewhere = content.find(_ELSEWHERE) >= 0
    except OSError as error:
        raise ModelError(f"{graph}: the graph cannot be read: {error.strerror or error}") from error
    if elsewhere:
        raise ModelError(
            f"{graph}: the graph keeps tensors in other files, which are not read: use one that has all in itself"
        )


def _open_session(bundle: Bundle, threads: int) -> onnxruntime.InferenceSession:
    _check_file(bundle.graph)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Waiting threads sleep: a live stream is idle most of the time and must not burn the core that the rest needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            str(bundle.graph),
            options,
            providers=["CPUExecutionProvider"],
            # Its fused kernel is ten times slower than the normalisation and addition that it replaces.
            disabled_optimizers=["SkipLayerNormFusion"],
        )
    except Exception as error:  # onnxruntime's errors have no common base but Exception
        raise ModelError(
            f"{bundle.graph}: not a graph that can be run: {error}; convert or download it again"
        ) from error
