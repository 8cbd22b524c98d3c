"""Samples as they come become continuous ones, or it is said where they are not."""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.errors import InputError
from myotype.recordings.continuity import Continuity, Counts

SFREQ = 2000.0
T0 = 1627403025.123456


def signal(n_samples, n_channels=32):
    """Values that tell sample and channel."""
    return (np.arange(n_samples)[:, None] + np.arange(n_channels) / 100).astype(np.float32)


def clock(n_samples, start=T0):
    return start + np.arange(n_samples) / SFREQ


def run(samples, times=None, **settings):
    """Push all at once."""
    continuity = Continuity(**settings)
    segments = continuity.push(samples, times)
    notes = [note for segment in segments for note in segment.notes] + [*continuity.finish()]
    return continuity, segments, notes


class TestAGoodSignal:
    @pytest.mark.parametrize("times", [None, T0, clock(5000)], ids=["no times", "the first time", "all times"])
    def test_comes_out_as_it_went_in(self, times):
        continuity, [segment], notes = run(signal(5000), times)
        np.testing.assert_array_equal(segment.samples, signal(5000))
        np.testing.assert_allclose(segment.times, clock(5000, T0 if times is not None else 0.0), atol=1e-6, rtol=0)
        assert continuity.start == (0.0 if times is None else T0)
        assert not segment.restart
        assert not notes
        assert continuity.counts == Counts()

    def test_keeps_its_times_exactly(self):
        times = clock(5000)
        np.testing.assert_array_equal(run(signal(5000), times)[1][0].times, times)

    def test_is_not_changed_when_the_caller_reuses_the_buffer(self):
        buffer = signal(10)
        [segment] = Continuity().push(buffer)
        buffer[:] = 0
        np.testing.assert_array_equal(segment.samples, signal(10))

    def test_may_come_as_nothing(self):
        continuity = Continuity()
        assert continuity.push(np.zeros((0, 32)), np.zeros(0)) == []
        assert continuity.finish() == ()

    def test_may_come_as_lists_of_whole_numbers(self):
        [segment] = Continuity(n_channels=2).push([[1, 2], [3, 4]], 5)
        assert segment.samples.dtype == np.float32
        np.testing.assert_array_equal(segment.times, [5, 5 + 1 / SFREQ])

    @pytest.mark.parametrize(
        "times",
        [
            np.repeat(clock(5008)[::16], 16)[:5000],  # one stamp for 16 samples, that of the first
            np.repeat(clock(5000)[499::500], 500),  # one stamp for a quarter of a second, that of the last
            clock(5000) + np.random.default_rng(0).uniform(-1.2e-4, 1.2e-4, 5000),  # jitter of a quarter period
            T0 + np.arange(5000) / (SFREQ * 1.015),  # a clock that is 1.5 % off
            T0 + np.arange(5000) / (SFREQ * 0.985),
        ],
        ids=["blocks", "large blocks", "jitter", "fast", "slow"],
    )
    def test_may_have_an_uneven_clock(self, times):
        continuity, [segment], _ = run(signal(5000), times)
        assert len(segment.samples) == 5000
        assert continuity.counts == Counts(repeated_times=int((np.diff(times) == 0).sum()))


class TestGaps:
    @pytest.mark.parametrize("n_missing", [1, 2, 37, 100])
    def test_of_up_to_50_ms_are_bridged_by_straight_lines(self, n_missing):
        keep = np.r_[0:500, 500 + n_missing : 2000]
        continuity, [segment], [note] = run(signal(2000)[keep], clock(2000)[keep])
        np.testing.assert_allclose(segment.samples, signal(2000), rtol=1e-6)
        np.testing.assert_allclose(segment.times, clock(2000), atol=1e-6, rtol=0)
        assert continuity.counts == Counts(bridged=n_missing)
        assert note.time == pytest.approx(499 / SFREQ, abs=1e-6)
        assert f"{n_missing} missing sample" in note.message
        assert "before sample 500" in note.message

    @pytest.mark.parametrize("n_missing", [101, 200, 100_000])
    def test_of_more_restart_the_stream(self, n_missing):
        times = clock(2000)
        times[500:] += n_missing / SFREQ
        continuity, [before, after], [note] = run(signal(2000), times)
        assert (before.restart, after.restart) == (False, True)
        np.testing.assert_array_equal(before.samples, signal(2000)[:500])
        np.testing.assert_array_equal(after.samples, signal(2000)[500:])
        np.testing.assert_array_equal(after.times, times[500:])
        assert after.notes == (note,)
        assert note.time == pytest.approx(499 / SFREQ, abs=1e-6)
        assert f"{n_missing / SFREQ:.4g} s of samples are missing before sample 500" in note.message
        assert continuity.counts == Counts(restarts=1)

    @pytest.mark.parametrize("n_missing", [40, 400])
    def test_between_pushes_are_found_by_the_time_of_the_first_sample(self, n_missing):
        continuity = Continuity()
        continuity.push(signal(300), T0)
        [segment] = continuity.push(signal(300), T0 + (300 + n_missing) / SFREQ)
        assert segment.restart == (n_missing == 400)
        assert len(segment.samples) == (340 if n_missing == 40 else 300)
        assert segment.times[-1] == pytest.approx(T0 + (599 + n_missing) / SFREQ, abs=1e-6)

    def test_are_found_after_a_long_push_with_one_time(self):
        continuity = Continuity()
        continuity.push(signal(50_000), 0.0)
        assert continuity.push(signal(10), 50_000 / SFREQ + 3)[0].restart

    def test_in_a_stream_stamped_by_blocks_are_bridged(self):
        blocks = np.repeat(clock(2000)[::16], 16)
        keep = np.r_[0:800, 832:2000]
        continuity, [segment], _ = run(signal(2000)[keep], blocks[keep])
        assert continuity.counts.bridged == 32
        np.testing.assert_allclose(segment.samples, signal(2000), rtol=1e-5)

    def test_of_huge_values_are_bridged_without_overflow(self):
        samples = np.full((4, 32), 3e38, dtype=np.float32)
        samples[2:] *= -1
        _, [segment], _ = run(samples, np.array([0, 1, 4, 5]) / SFREQ)
        assert len(segment.samples) == 6
        assert np.isfinite(segment.samples).all()


class TestTimeRunningBackwards:
    @pytest.mark.parametrize("step", [-0.001, -0.25, -1e9])
    def test_restarts_the_stream(self, step):
        times = clock(2000)
        times[500:] += step
        continuity, [before, after], [note] = run(signal(2000), times)
        assert (len(before.samples), len(after.samples)) == (500, 1500)
        assert after.restart
        assert continuity.counts == Counts(restarts=1)
        assert "time runs back" in note.message
        assert "sample 500" in note.message
        assert note.time == pytest.approx(499 / SFREQ, abs=1e-6)

    def test_is_found_between_pushes_by_the_time_of_the_first_sample(self):
        continuity = Continuity()
        continuity.push(signal(300), T0)
        assert continuity.push(signal(300), T0 - 1)[0].restart

    def test_by_a_little_is_patiently_taken_from_pushes_with_one_time(self):
        continuity = Continuity()
        continuity.push(signal(300), T0)
        [segment] = continuity.push(signal(300), T0 + 300 / SFREQ - 0.02)
        assert not segment.restart
        assert continuity.counts == Counts()

    def test_by_a_little_is_jitter(self):
        times = clock(100)
        times[50] -= 0.7 / SFREQ  # 0.3 periods after the one before
        assert run(signal(100), times)[0].counts == Counts()


class TestBadValues:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
    def test_become_the_channels_last_good_value(self, value):
        samples = signal(100).astype(np.float64)
        samples[40:43, 7] = value
        continuity, [segment], [note] = run(samples, clock(100))
        expected = signal(100)
        expected[40:43, 7] = expected[39, 7]
        np.testing.assert_array_equal(segment.samples, expected)
        assert continuity.counts == Counts(bad_values=3)
        assert note.time == pytest.approx(40 / SFREQ, abs=1e-6)
        assert note.message.startswith("3 values of one channel not finite or absurd in samples 40 to 42")

    def test_from_the_beginning_are_zero_until_a_good_one(self):
        samples = signal(10)
        samples[:5, 3] = np.nan
        continuity = Continuity()
        emitted = np.concatenate([continuity.push(samples[at : at + 2])[0].samples for at in range(0, 10, 2)])
        np.testing.assert_array_equal(emitted[:, 3], [0, 0, 0, 0, 0, *samples[5:, 3]])

    def test_that_go_on_make_one_note_and_others_a_second_later_another(self):
        samples = signal(10_000)
        samples[10:3000:100, 2] = np.nan
        samples[20:3000:100, 5] = np.nan
        samples[6000, 5] = np.nan
        _, _, notes = run(samples, clock(10_000))
        assert [note.message.split(" not ")[0] for note in notes] == [
            "60 values of 2 channels",
            "1 value of one channel",
        ]
        assert "samples 10 to 2920" in notes[0].message

    def test_are_noted_a_second_after_the_last(self):
        samples = signal(100)
        samples[50, 0] = np.nan
        continuity = Continuity()
        notes = [
            (push, note)
            for push in range(40)
            for segment in continuity.push(samples if push == 0 else signal(100))
            for note in segment.notes
        ]
        assert [push for push, _ in notes] == [20]

    @pytest.mark.parametrize("distance", [1999, 2000, 2001])
    @pytest.mark.parametrize("cut", [-1, 0, 1, 2])
    def test_a_second_apart_make_the_same_notes_wherever_the_input_is_cut(self, distance, cut):
        samples = signal(2 * distance)
        samples[[5, 5 + distance], 0] = np.nan
        _, _, expected = run(samples)
        continuity = Continuity()
        at = 5 + distance + cut
        segments = continuity.push(samples[:at]) + continuity.push(samples[at:])
        assert [note for segment in segments for note in segment.notes] + [*continuity.finish()] == expected
        assert len(expected) == (2 if distance > 2000 else 1)

    def test_are_not_replaced_by_what_the_caller_does_to_earlier_segments(self):
        continuity = Continuity()
        continuity.push(signal(10))[0].samples[:] = 7
        np.testing.assert_array_equal(continuity.push(np.full((1, 32), np.nan))[0].samples[0], signal(10)[9])


class TestTimesThatAreNotNumbers:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
    def test_are_counted_from_the_last_good_one(self, value):
        times = clock(100)
        times[40:45] = value
        continuity, [segment], [note] = run(signal(100), times)
        np.testing.assert_allclose(segment.times, clock(100), atol=1e-6, rtol=0)
        assert continuity.counts == Counts(unreadable_times=5)
        assert "5 times not finite in samples 40 to 44" in note.message

    def test_at_the_beginning_are_counted_back_from_the_first_good_one(self):
        times = clock(100)
        times[:3] = np.nan
        continuity, [segment], _ = run(signal(100), times)
        assert continuity.start == pytest.approx(T0, abs=1e-6)
        np.testing.assert_allclose(segment.times, clock(100), atol=1e-6, rtol=0)

    def test_are_not_repeated_by_the_next_one(self):
        continuity, _, _ = run(signal(4), np.array([0, np.nan, 1, 2]) / 1024, sfreq=1024.0)
        assert continuity.counts == Counts(unreadable_times=1)

    def test_do_not_hide_a_gap(self):
        times = clock(100)
        times[50:] += 1
        times[45:52] = np.nan
        continuity, segments, _ = run(signal(100), times)
        assert [len(segment.samples) for segment in segments] == [52, 48]
        assert continuity.counts == Counts(unreadable_times=7, restarts=1)


def test_repeated_times_are_counted_and_their_samples_kept():
    times = clock(100)
    times[51:60] = times[50]
    continuity, [segment], [note] = run(signal(100), times)
    np.testing.assert_array_equal(segment.samples, signal(100))
    np.testing.assert_array_equal(segment.times, times)
    assert continuity.counts == Counts(repeated_times=9)
    assert note.message.startswith("9 repeated times in samples 51 to 59")


def test_a_clock_that_falls_behind_for_good_hides_no_later_gap():
    times = clock(20_000)
    times[100:] -= 99 / SFREQ
    times[100] = times[99]
    times = np.maximum.accumulate(times)
    times[15_000:] += 0.06
    continuity, segments, _ = run(signal(20_000), times)
    assert continuity.counts.restarts == 1
    assert len(segments[0].samples) == 15_000


def test_a_hopeless_clock_makes_few_notes():
    times = clock(20_000)[::-1]
    continuity, segments, notes = run(signal(20_000), times)
    assert continuity.counts.restarts == len(segments) - 1 == 19_999
    assert len(notes) == 2
    assert "19998 more such breaks up to sample 19999" in notes[1].message


@pytest.mark.parametrize(
    ("samples", "times", "message"),
    [
        (np.zeros((3, 31)), None, r"samples have shape \(3, 31\); \(n, 32\)"),
        (np.zeros(32), None, "samples have shape"),
        (np.zeros((3, 32), dtype=complex), None, "samples have to be numbers"),
        (np.zeros((3, 32)), np.zeros(2), r"shape \(2,\)"),
        (np.zeros((3, 32)), "now", "times are an array of"),
    ],
)
def test_impossible_input_is_refused(samples, times, message):
    with pytest.raises(InputError, match=message):
        Continuity().push(samples, times)


def test_a_copy_goes_on_independently():
    samples = signal(300)
    samples[100, 3] = np.nan
    continuity = Continuity()
    continuity.push(samples[:150], clock(300)[:150])
    twin = copy.deepcopy(continuity)
    twin.push(signal(10), 0.0)
    [segment] = continuity.push(samples[150:], clock(300)[150:])
    np.testing.assert_array_equal(segment.samples, samples[150:])
    assert (continuity.counts.restarts, twin.counts.restarts) == (0, 1)


steps = st.sampled_from([1.0] * 12 + [0.0, 0.0, 0.6, 1.4, 1.6, 2.0, 4.0, 6.0, 7.0, 500.0, -0.3, -1.0, -40.0, np.nan])


@st.composite
def streams(draw):
    """A stream with faults of every kind, at a low rate so that half a second and a second are few samples."""
    sfreq = draw(st.sampled_from([20.0, 100.0, 2000.0]))
    periods = np.array(draw(st.lists(steps, min_size=1, max_size=120)))
    missing = np.isnan(periods)
    times = draw(st.sampled_from([0.0, T0])) + np.cumsum(np.where(missing, 1.0, periods)) / sfreq
    times[missing] = np.nan
    samples = signal(len(times), 3)
    for row, channel, value in draw(
        st.lists(
            st.tuples(
                st.integers(0, len(times) - 1), st.integers(0, 2), st.sampled_from([np.nan, np.inf, -np.inf, 3e38])
            ),
            max_size=8,
        )
    ):
        samples[row, channel] = value
    cuts = sorted(draw(st.lists(st.integers(0, len(times)), max_size=12)))
    return sfreq, samples, times, [0, *cuts, len(times)]


def joined(pushes):
    """Join segments where they continue each other."""
    runs = []
    for segment in (segment for segments in pushes for segment in segments):
        assert len(segment.samples) == len(segment.times) > 0
        assert np.isfinite(segment.samples).all()
        if segment.restart or not runs:
            runs.append([])
        runs[-1].append(segment)
    return [
        (np.concatenate([part.samples for part in parts]), np.concatenate([part.times for part in parts]))
        for parts in runs
    ]


@settings(max_examples=150, deadline=None)
@given(streams())
def test_the_result_does_not_depend_on_how_the_input_is_cut(stream):
    sfreq, samples, times, cuts = stream
    if np.isnan(times[0]):  # what comes before the first time is dated by what its push knows
        times[0] = T0 - 1e3
    whole, parts = (Continuity(sfreq, n_channels=3) for _ in range(2))
    at_once = [whole.push(samples, times)]
    cut = [parts.push(samples[a:b], times[a:b]) for a, b in pairwise(cuts)]

    expected, found = joined(at_once), joined(cut)
    assert len(expected) == len(found)
    for (left, left_times), (right, right_times) in zip(expected, found, strict=True):
        np.testing.assert_array_equal(left, right)
        np.testing.assert_array_equal(left_times, right_times)
    noted = [
        [note for segments in pushes for segment in segments for note in segment.notes] + [*continuity.finish()]
        for pushes, continuity in ((at_once, whole), (cut, parts))
    ]
    assert noted[0] == noted[1]
    assert whole.counts == parts.counts
    assert whole.start == parts.start
    assert sum(len(run) for run, _ in expected) == len(samples) + whole.counts.bridged


@settings(max_examples=60, deadline=None)
@given(n_samples=st.integers(1, 300), cuts=st.lists(st.integers(0, 300), max_size=8), bad=st.integers(0, 299))
def test_one_time_a_push_gives_what_one_a_sample_gives(n_samples, cuts, bad):
    samples = signal(n_samples)
    samples[min(bad, n_samples - 1), 5] = np.nan
    times = clock(n_samples)
    cuts = [0, *sorted(min(cut, n_samples) for cut in cuts), n_samples]
    live = Continuity()
    pushes = [live.push(samples[a:b], times[a] if a < b else None) for a, b in pairwise(cuts)]
    [(found, found_times)] = joined(pushes)
    _, [segment], notes = run(samples, times)
    np.testing.assert_array_equal(found, segment.samples)
    np.testing.assert_allclose(found_times, segment.times, atol=1e-6, rtol=0)
    assert [note.message for note in live.finish()] == [note.message for note in notes]
