"""From a list of n-grams to the automaton, in memory or, beyond a budget, in files."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from myotype.decoding.automaton import Automaton
from myotype.decoding.ngram_kernels import count_states, link_states
from myotype.errors import OutputError


class Workspace:
    """Where large arrays come from: memory as long as the budget lasts, then files that vanish with their arrays.

    Parameters
    ----------
    budget
        Bytes of memory for the arrays that live at any time.
    """

    def __init__(self, budget: float = float("inf")) -> None:
        self._budget = budget
        self._in_use = 0

    def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Give an array that holds anything.

        Raises
        ------
        OutputError
            If the budget is used up and there is no room for temporary files.
        """
        n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self._in_use + n_bytes > self._budget and n_bytes:
            return _in_file(shape, dtype, n_bytes)
        array: npt.NDArray[Any] = np.empty(shape, dtype)
        self._in_use += n_bytes
        weakref.finalize(array, self._give_back, n_bytes)
        return array

    def _give_back(self, n_bytes: int) -> None:
        self._in_use -= n_bytes


def _in_file(shape: int | tuple[int, ...], dtype: npt.DTypeLike, n_bytes: int) -> npt.NDArray[Any]:
    try:
        with tempfile.TemporaryFile(prefix="myotype-") as file:
            # Room is taken now: where it runs out later, writing to the mapped array would end the process.
            os.posix_fallocate(file.fileno(), 0, n_bytes)
            return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
    except OSError as error:
        message = f"no room for {n_bytes / 1e9:.1f} GB of temporary files in {tempfile.gettempdir()}: {error.strerror}"
        raise OutputError(message) from error


def build_automaton(
    child_word: npt.NDArray[np.uint16],
    child_log10: npt.NDArray[np.float32],
    entry_begin: npt.NDArray[np.int32],
    entry_backoff: npt.NDArray[np.float32],
    workspace: Workspace | None = None,
) -> Automaton:
    """Make the automaton of n-grams, given as for :func:`~myotype.decoding.ngram_kernels.link_states`.

    Parameters
    ----------
    child_log10
        (n,) log10 of their probabilities.

    Returns
    -------
    Automaton
        Its arrays are read-only, as those that are mapped from a file are: one kind of array for the kernels.
    """
    workspace = workspace or Workspace()
    n, n_states = len(child_word), count_states(entry_begin, entry_backoff)
    child_start = workspace.empty(n_states + 1, np.int64)
    child_state = workspace.empty(n, np.int32)
    backoff = workspace.empty(n_states, np.float32)
    shorter = workspace.empty(n_states, np.int32)
    link_states(child_word, entry_begin, entry_backoff, child_start, child_state, backoff, shorter)
    automaton = Automaton(child_start, child_word, child_log10, child_state, backoff, shorter)
    for array in automaton:
        array.flags.writeable = False
    return automaton
