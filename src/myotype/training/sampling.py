"""Which windows make an epoch, in which order, and what is drawn for each: all of it from the seed and the epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from myotype.errors import InputError


class Draw(NamedTuple):
    """A window to read, and what was drawn for it."""

    window: int
    shift: int = 0  # samples that it is moved on
    rotations: tuple[int, ...] = ()  # electrodes that each band is rolled by
    hand_shift: int = 0  # samples that the left hand is moved against the right


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is drawn for windows.

    Attributes
    ----------
    shift
        Windows are moved by less than so many samples.
    rotation
        Offsets that bands are rolled by.
    num_bands
        How many bands there are.
    hand_shift
        The largest shift of the hands against each other, samples.
    seed
        Of all draws.
    """

    shift: int = 1
    rotation: tuple[int, ...] = (0,)
    num_bands: int = 2
    hand_shift: int = 0
    seed: int = 0


class TrainingWindows(Sampler[Draw]):
    """The windows of an epoch, in batches that processes divide among each other.

    People, or whatever groups of windows are given, take equal turns. A window is not drawn again before all others of
    its group were, over epochs too. The draws are made here and depend on seed and epoch alone: however many processes
    read and train, a step has the same windows, of which process r of n takes every n-th from the r-th on.

    Parameters
    ----------
    groups
        For each window the group that it belongs to.
    batch_size
        Windows in a step, over all processes. The last batch is left out if it is not whole, unless it is the only one:
        then windows are taken twice.
    drawing
        What is drawn for each window.
    per_epoch
        Windows in an epoch; None for as many as there are.
    rank, processes
        Which of how many processes this is.
    """

    def __init__(
        self,
        groups: Sequence[int],
        batch_size: int,
        drawing: Drawing,
        *,
        per_epoch: int | None = None,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        if batch_size % processes:
            raise InputError(f"a batch of {batch_size} windows does not part among {processes} processes")
        members = defaultdict(list)
        for window, group in enumerate(groups):
            members[group].append(window)
        self._members = [np.array(windows) for _, windows in sorted(members.items())]
        wanted = len(groups) if per_epoch is None else per_epoch
        self._per_epoch = max(wanted // batch_size, 1) * batch_size
        self._drawing = drawing
        self._rank = rank
        self._processes = processes
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the draws of an epoch; Lightning calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._per_epoch // self._processes

    def __iter__(self) -> Iterator[Draw]:
        drawing, n = self._drawing, self._per_epoch
        random = np.random.default_rng([drawing.seed, self._epoch])
        order = random.permutation(np.concatenate([self._turns(group) for group in range(len(self._members))]))
        shifts = random.integers(drawing.shift, size=n)
        rotations = random.choice(np.array(drawing.rotation), size=(n, drawing.num_bands))
        hands = random.integers(-drawing.hand_shift, drawing.hand_shift, size=n, endpoint=True)
        for place in range(self._rank, n, self._processes):
            yield Draw(int(order[place]), int(shifts[place]), tuple(rotations[place].tolist()), int(hands[place]))

    def _turns(self, group: int) -> npt.NDArray[np.int64]:
        """Give the windows of a group in this epoch: the next ones of its endless row of permutations."""
        members, n_groups = self._members[group], len(self._members)
        first, last = ((epoch * self._per_epoch + group) // n_groups for epoch in (self._epoch, self._epoch + 1))
        cycles = range(first // len(members), -(-last // len(members)))
        row = [np.random.default_rng([self._drawing.seed, group, cycle, 1]).permutation(members) for cycle in cycles]
        skipped = cycles.start * len(members)
        return np.concatenate([*row, members[:0]])[first - skipped : last - skipped]
