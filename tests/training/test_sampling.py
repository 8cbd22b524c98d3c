"""Which windows an epoch has: from seed and epoch alone, whoever reads and trains."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.errors import InputError
from myotype.training.sampling import Drawing, TrainingWindows

DRAWING = Drawing(shift=100, rotation=(-1, 0, 1), hand_shift=5, seed=1)


def epochs(sampler, n):
    found = []
    for epoch in range(n):
        sampler.set_epoch(epoch)
        found.append(list(sampler))
    return found


def test_an_epoch_has_every_window_once_and_depends_on_seed_and_epoch_alone():
    first, second = epochs(TrainingWindows([0] * 10, 2, DRAWING), 2)
    assert sorted(draw.window for draw in first) == list(range(10))
    assert all(0 <= draw.shift < 100 and abs(draw.hand_shift) <= 5 for draw in first)
    assert {offset for draw in first for offset in draw.rotations} == {-1, 0, 1}
    assert first != second
    assert epochs(TrainingWindows([0] * 10, 2, DRAWING), 2) == [first, second]
    assert epochs(TrainingWindows([0] * 10, 2, Drawing(shift=100, seed=2)), 1) != [first]


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    batch=st.sampled_from([2, 4, 12]),
    processes=st.sampled_from([1, 2]),
    per_epoch=st.none() | st.integers(1, 60),
)
@settings(max_examples=60, deadline=None)
def test_processes_share_the_batches_of_one(sizes, batch, processes, per_epoch):
    groups = [group for group, size in enumerate(sizes) for _ in range(size)]
    whole = TrainingWindows(groups, batch, DRAWING, per_epoch=per_epoch)
    shares = [
        TrainingWindows(groups, batch, DRAWING, per_epoch=per_epoch, rank=rank, processes=processes)
        for rank in range(processes)
    ]
    for epoch in range(3):
        for sampler in (whole, *shares):
            sampler.set_epoch(epoch)
        drawn = list(whole)
        assert len(drawn) == len(whole)
        assert len(drawn) % batch == 0
        assert [list(share) for share in shares] == [drawn[rank::processes] for rank in range(processes)]


@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=4), per_epoch=st.integers(4, 40))
@settings(max_examples=60, deadline=None)
def test_people_take_equal_turns_and_no_window_comes_again_before_all_others(sizes, per_epoch):
    groups = [group for group, size in enumerate(sizes) for _ in range(size)]
    sampler = TrainingWindows(groups, 1, DRAWING, per_epoch=per_epoch)
    seen: list[Counter[int]] = [Counter() for _ in sizes]
    for drawn in epochs(sampler, 6):
        turns = Counter(groups[draw.window] for draw in drawn)
        assert max(turns.values()) - min(turns.get(group, 0) for group in range(len(sizes))) <= 1
        for draw in drawn:
            seen[groups[draw.window]][draw.window] += 1
        for counts, size in zip(seen, sizes, strict=True):
            if counts:
                fewest = min(counts.values()) if len(counts) == size else 0
                assert max(counts.values()) - fewest <= 1


def test_a_single_batch_that_is_not_whole_takes_windows_twice():
    (drawn,) = epochs(TrainingWindows([0] * 3, 8, DRAWING), 1)
    assert len(drawn) == 8
    assert {draw.window for draw in drawn} == {0, 1, 2}


def test_a_batch_that_does_not_part_among_processes_is_refused():
    with pytest.raises(InputError, match="does not part among 2 processes"):
        TrainingWindows([0] * 10, 5, DRAWING, processes=2)
