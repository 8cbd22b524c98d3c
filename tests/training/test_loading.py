"""From a corpus to batches: the same ones whoever reads and trains."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from myotype.errors import InputError
from myotype.network import EMG2QwertyNet, SplashNet
from myotype.recordings import Recording, write_hdf5
from myotype.recordings.prepared.writing import write_prepared
from myotype.training import Recipe
from myotype.training.corpus import Corpus
from myotype.training.loading import WindowData
from myotype.training.sources import Source, as_sources
from myotype.training.windows import Batch
from myotype.transcript import KeyPress

SMALL = {"hop_length": 64, "mlp_features": [8], "block_channels": [2], "kernel_width": 3}
NETWORK = EMG2QwertyNet(**SMALL)
RECIPE = Recipe(window=1.0, batch_size=4, seed=3)


def recording(seed: int = 0, n: int = 20_000, user: str = "1") -> Recording:
    emg = np.random.default_rng(seed).standard_normal((n, 32)).astype(np.float32)
    presses = [KeyPress("abcd"[at % 4], 0.2 * (at + 1), 0.2 * (at + 1) + 0.05) for at in range(int(n / 400) - 1)]
    return Recording(emg=emg, key_presses=presses, user=user, name=f"r{seed}")


def data(corpus: Corpus, recipe: Recipe = RECIPE, *, workers: int = 0, rank: int = 0, processes: int = 1) -> WindowData:
    found = WindowData(recipe, NETWORK, corpus, workers)
    found.trainer = SimpleNamespace(world_size=processes, global_rank=rank)
    return found


def batches(loader, epoch: int = 0) -> list[Batch]:
    loader.sampler.set_epoch(epoch)
    return list(loader)


def assert_same(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other) > 0
    for left, right in zip(one, other, strict=True):
        assert left.where == right.where
        for name in Batch._fields[:-1]:
            assert torch.equal(getattr(left, name), getattr(right, name)), name


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    write_hdf5(tmp_path / "a.hdf5", recording(1))
    write_prepared(tmp_path / "p", recording(2, 9_000), user="1", session="s", source=[], source_size=0)
    files = [Source("a", "1", tmp_path / "a.hdf5"), Source("p", "2", tmp_path / "p")]
    return Corpus([*as_sources([recording(0)]), *files], as_sources([recording(9), recording(8)]))


def test_any_number_of_workers_reads_the_same_batches_in_every_epoch(corpus):
    alone, together = (data(corpus, workers=workers).train_dataloader() for workers in (0, 2))
    first, second = (batches(alone, epoch) for epoch in (0, 1))
    assert_same(first, batches(together, 0))
    assert_same(second, batches(together, 1))
    assert [batch.where for batch in first] != [batch.where for batch in second]
    assert len({where.split(" from ")[0] for batch in first for where in batch.where}) == 3


def test_another_seed_reads_other_batches(corpus):
    other = Recipe(window=1.0, batch_size=4, seed=4)
    one, two = (batches(data(corpus, recipe).train_dataloader()) for recipe in (RECIPE, other))
    assert [batch.where for batch in one] != [batch.where for batch in two]


def test_processes_share_what_one_would_have_trained(corpus):
    whole = batches(data(corpus).train_dataloader())
    shares = [batches(data(corpus, rank=rank, processes=2).train_dataloader()) for rank in (0, 1)]
    for rank, share in enumerate(shares):
        assert [batch.where for batch in share] == [batch.where[rank::2] for batch in whole]


def test_pieces_are_the_batch_in_parts(corpus):
    whole = batches(data(corpus).train_dataloader())
    pieces = batches(data(corpus, Recipe(window=1.0, batch_size=4, accumulate=2, seed=3)).train_dataloader())
    assert [len(batch.where) for batch in pieces] == [2] * (2 * len(whole))
    assert [name for batch in pieces for name in batch.where] == [name for batch in whole for name in batch.where]


def test_a_batch_that_does_not_part_among_processes_is_refused(corpus):
    with pytest.raises(InputError, match="does not part among 3 processes"):
        data(corpus, processes=3).train_dataloader()


@pytest.mark.parametrize("balanced", [True, False])
def test_balanced_people_are_seen_equally_often_whatever_their_minutes(balanced):
    given = [recording(0, 60_000, "much"), recording(1, 8_000, "little"), recording(2, 4_000, "little")]
    sources = [Source(one.name, one.user, held=one) for one in given]
    recipe = Recipe(window=1.0, batch_size=4, balanced=balanced, windows_per_epoch=36)
    loader = data(Corpus(sources, []), recipe).train_dataloader()
    seen = Counter(where.split(" from ")[0] for batch in batches(loader) for where in batch.where)
    assert seen.total() == 36
    assert seen["r0"] == (18 if balanced else 30)
    assert seen["r1"] == 2 * seen["r2"]


def test_context_is_what_the_receptive_field_needs_or_what_the_recipe_says():
    held = as_sources([recording(0, 8_000)])
    for past, future, begin, end in (
        (None, 0.01, 4_000 - 108, 6_020),
        (0.25, 0.1, 3_500, 6_200),
        (0.0, 0.0, 4_000, 6_000),
    ):
        loader = data(Corpus(held, []), Recipe(window=1.0, past=past, future=future)).train_dataloader()
        bounds = loader.dataset.bounds(2)
        assert bounds[:2] == (4_000, 6_000)
        assert bounds[2:] == (begin, end), past
    # The first frame of a window ends with the first sample that its first key may have, and look-ahead.
    assert NETWORK.receptive_field - NETWORK.hop_length - 20 == 108


def test_what_is_drawn_is_what_the_recipe_says(corpus):
    recipe = Recipe(window=1.0, batch_size=4, rotation=(2,), largest_shift=0)
    for batch in batches(data(corpus, recipe).train_dataloader()):
        assert batch.rotations.eq(2).all()
        assert batch.rotations.shape == (4, 2)
        assert batch.hand_shifts.eq(0).all()
    shifts = torch.cat([batch.hand_shifts for batch in batches(data(corpus).train_dataloader())])
    assert shifts.abs().max() <= 120
    assert len(shifts.unique()) > 5


@pytest.mark.parametrize(
    ("settings", "network", "message"),
    [
        ({"window": 0.05, "future": 0.0}, NETWORK, r"window=0.05 and future=0 are 100 samples: .* need 312"),
        ({"window": 0.0555}, NETWORK, r"are 311 samples: the network and largest_shift=120 need 312"),
        ({"window": 1e-5, "future": 0.2}, NETWORK, "length=0"),
        ({"largest_shift": 2100}, NETWORK, r"are 2200 samples: the network and largest_shift=2100 need 2292"),
        ({}, SplashNet(**SMALL), r"are 2200 samples: .* need 8184"),
    ],
)
def test_windows_that_the_network_could_not_read_are_refused(settings, network, message):
    found = WindowData(Recipe(**{"window": 1.0, **settings}), network, Corpus(as_sources([recording(0)]), []))
    found.trainer = SimpleNamespace(world_size=1, global_rank=0)
    with pytest.raises(InputError, match=message):
        found.train_dataloader()


def test_windows_that_are_just_long_enough_are_taken():
    recipe = Recipe(window=0.056, batch_size=2)
    assert len(batches(data(Corpus(as_sources([recording(0)]), []), recipe).train_dataloader())) > 0


def test_recordings_shorter_than_a_window_are_padded_beside_longer_ones():
    given = Corpus(as_sources([recording(0, 1_000), recording(1, 2_000)]), [])
    (batch,) = batches(data(given, Recipe(window=1.0, batch_size=2)).train_dataloader())
    assert sorted(batch.emg_lengths.tolist()) == [1_000, 2_000]
    short = batch.emg_lengths.tolist().index(1_000)
    assert batch.emg[short, :, 1_000:].eq(0).all()
    assert not batch.emg[short, :, :1_000].eq(0).all()
    assert batch.label_lengths.tolist()[short] == 1


def test_whole_recordings_validate_each_in_one_process(corpus):
    given = corpus._replace(validation=as_sources([recording(seed) for seed in range(3)]))
    seen = [[one.name for one in data(given, rank=rank, processes=2).val_dataloader()] for rank in (0, 1)]
    assert seen == [["r0", "r2"], ["r1"]]


@pytest.mark.parametrize("choose_by", ["recordings", "windows"])
def test_a_process_without_anything_to_validate_with_gets_nothing_rather_than_no_step(corpus, choose_by):
    recipe = Recipe(window=1.0, batch_size=6, choose_by=choose_by)
    assert list(data(corpus, recipe, rank=2, processes=3).val_dataloader()) == [None]


def test_windows_that_validate_are_all_of_them_in_order_and_as_they_are(corpus):
    recipe = Recipe(window=1.0, batch_size=4, choose_by="windows")
    found = list(data(corpus, recipe).val_dataloader())
    assert [len(batch.where) for batch in found] == [4, 4, 4, 4, 4]
    assert [where.split(" from ")[0] for batch in found for where in batch.where] == ["r9"] * 10 + ["r8"] * 10
    assert sum(int(batch.label_lengths.sum()) for batch in found) == 2 * 49
    assert all(batch.hand_shifts.eq(0).all() for batch in found)
    assert found[0].emg[0, :, :100].equal(torch.from_numpy(recording(9).emg[:100]).T)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux shows them")
def test_files_are_closed_when_the_run_is_over(corpus, tmp_path):
    write_hdf5(tmp_path / "v.hdf5", recording(5))
    given = corpus._replace(validation=[Source("v", "1", tmp_path / "v.hdf5")])

    def n_open() -> int:
        return sum(
            str(tmp_path) in str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()
        )

    found = data(given)
    loaders = found.train_dataloader(), found.val_dataloader()
    batches(loaders[0])
    list(loaders[1])
    assert n_open() == 2
    found.teardown("fit")
    assert n_open() == 0
