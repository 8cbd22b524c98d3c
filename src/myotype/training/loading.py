"""From recordings to the batches of a run, in whichever of its processes asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as lightning
import torch
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from myotype.errors import InputError
from myotype.network.streaming import StreamingNetwork
from myotype.recordings import Recording
from myotype.training.corpus import Corpus
from myotype.training.filters import least_samples
from myotype.training.recipes import Recipe
from myotype.training.sampling import Drawing, TrainingWindows
from myotype.training.sources import Readers, Source
from myotype.training.windows import Batch, Windows


class WindowData(lightning.LightningDataModule):
    """Batches of windows to train on; whole recordings, or windows of them, to validate with.

    Parameters
    ----------
    recipe
        How windows are cut, drawn and batched.
    network
        What they are for.
    corpus
        What they are cut from.
    workers
        Processes that read windows, for each process that trains.
    """

    def __init__(self, recipe: Recipe, network: StreamingNetwork, corpus: Corpus, workers: int = 0) -> None:
        super().__init__()
        self._recipe = recipe
        self._network = network
        self._corpus = corpus
        self._workers = workers
        self._readers: list[Readers] = []

    def teardown(self, stage: str) -> None:
        """Close the files that this process has read."""
        while self._readers:
            self._readers.pop().close()

    def _read(self, sources: Sequence[Source]) -> Readers:
        readers = Readers(sources)
        self._readers.append(readers)
        return readers

    def _windows(self, readers: Readers) -> Windows:
        network, recipe = self._network, self._recipe
        length, future = (round(seconds * network.sfreq) for seconds in (recipe.window, recipe.future))
        # The first window of a recording has nothing before it, and the shift of hands takes some of it away.
        needed = least_samples(network) + recipe.largest_shift
        if length + future < needed:
            raise InputError(
                f"window={recipe.window:g} and future={recipe.future:g} are {length + future} samples: the network and "
                f"largest_shift={recipe.largest_shift} need {needed}"
            )
        # The first frame of a window then ends just after its first sample could be a key's press.
        needed = network.receptive_field - network.hop_length - future
        past = needed if recipe.past is None else round(recipe.past * network.sfreq)
        return Windows(readers, length=length, context=(max(past, 0), future))

    def train_dataloader(self) -> DataLoader[Any]:
        """Give this process' share of the windows to train on."""
        assert self.trainer is not None  # noqa: S101  (which asks)
        recipe, processes = self._recipe, self.trainer.world_size
        readers = self._read(self._corpus.training)
        windows = self._windows(readers)
        people = {user: number for number, user in enumerate(sorted({source.user for source in readers.sources}))}
        groups = [
            people[readers.sources[windows.recording_of(index)].user] if recipe.balanced else 0
            for index in range(len(windows))
        ]
        drawing = Drawing(
            shift=windows.stride,
            rotation=recipe.rotation,
            num_bands=self._network.get_config()["num_bands"],
            hand_shift=recipe.largest_shift,
            seed=recipe.seed,
        )
        sampler = TrainingWindows(
            groups,
            recipe.batch_size,
            drawing,
            per_epoch=recipe.windows_per_epoch,
            rank=self.trainer.global_rank,
            processes=processes,
        )
        return DataLoader(
            windows,
            batch_size=recipe.batch_size // processes // recipe.accumulate,
            sampler=sampler,
            collate_fn=Batch.of,
            num_workers=self._workers,
            persistent_workers=self._workers > 0,
            generator=torch.Generator(),  # for what a loader draws itself; the global one is seeded for every epoch
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """Give this process' share of what validates."""
        assert self.trainer is not None  # noqa: S101
        rank, processes = self.trainer.global_rank, self.trainer.world_size
        readers = self._read(self._corpus.validation[rank::processes])
        if self._recipe.choose_by == "recordings" or not readers:
            return DataLoader(_Whole(readers), batch_size=None)
        windows = self._windows(readers)
        return DataLoader(
            windows,
            batch_size=self._recipe.batch_size // processes // self._recipe.accumulate,
            sampler=SequentialSampler(windows),
            collate_fn=Batch.of,
        )


class _Whole(Dataset[Recording | None]):
    """Recordings as they are.

    There may be fewer than processes. One that has none gets None: without anything to validate with it would leave
    the others waiting for its counts.
    """

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def __len__(self) -> int:
        return max(len(self._readers), 1)

    def __getitem__(self, index: int) -> Recording | None:
        return self._readers[index] if len(self._readers) else None
