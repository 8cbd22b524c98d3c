"""The clock of BIDS recordings: what is fitted, and what comes back."""

from __future__ import annotations

import numpy as np
import pytest

from myotype.errors import RecordingError
from myotype.recordings.bids.events import Gap
from myotype.recordings.bids.timing import (
    MOST_STRETCHES,
    ClockFit,
    Stretch,
    StretchedTimes,
    format_stretches,
    largest_deviation,
    parse_stretches,
)

START = 1_627_403_025.25


def fitted(times, sfreq=2000.0, block=3000):
    fit = ClockFit(sfreq)
    for at in range(0, len(times), block):
        fit.push(times[at : at + block])
    stretches = fit.stretches()
    restored = StretchedTimes(len(times), fit.start, stretches)
    return stretches, restored, largest_deviation(times, restored[slice(0, len(times))])


def test_a_regular_clock_is_one_line_and_comes_back_within_a_microsecond():
    times = START + np.arange(50_000) / 2000
    stretches, _, deviation = fitted(times)
    assert stretches == (Stretch(0, 0.0, 2000.0),)
    assert deviation < 1e-6


def test_a_clock_that_runs_fast_is_fitted_by_its_own_rate():
    times = START + np.arange(100_000) / 2000.05
    (stretch,), _, deviation = fitted(times)
    assert stretch.sfreq == pytest.approx(2000.05, rel=1e-8)
    assert deviation < 1e-6


def test_jitter_and_outliers_do_not_move_the_line_and_the_deviation_is_told():
    rng = np.random.default_rng(0)
    # Jitter well under a quarter of a sample; a thousandth of the times are late by another quarter.
    late = 0.000_1 * (rng.random(200_000) < 0.001)
    times = START + np.arange(200_000) / 2000 + rng.uniform(-2e-5, 2e-5, 200_000) + late
    (stretch,), restored, deviation = fitted(times)
    assert stretch.sfreq == pytest.approx(2000, rel=1e-7)
    middle = restored[slice(0, 200_000)] - (START + np.arange(200_000) / 2000)
    assert np.abs(middle).max() < 2e-5
    assert 5e-5 < deviation < 2e-4


def test_gaps_part_the_clock_and_are_told():
    elapsed = np.concatenate([np.arange(10_000), 12_000 + np.arange(10_000), 22_030 + np.arange(10_000)]) / 2000
    stretches, times, deviation = fitted(START + elapsed)
    assert [stretch.first for stretch in stretches] == [0, 10_000, 20_000]
    assert deviation < 1e-6
    # The second gap is short enough to be bridged: its times come back, but it is no gap to tell of.
    (gap,) = times.gaps()
    assert gap.sample == 10_000
    assert (gap.start, gap.end) == (pytest.approx(5.0), pytest.approx(6.0))


def test_a_clock_that_runs_back_comes_back_too():
    elapsed = np.concatenate([np.arange(10_000), 4_000 + np.arange(10_000)]) / 2000
    stretches, times, deviation = fitted(START + elapsed)
    assert len(stretches) == 2
    assert deviation < 1e-6
    assert times.gaps() == []


def test_the_cut_into_blocks_makes_no_difference():
    rng = np.random.default_rng(1)
    elapsed = np.concatenate([np.arange(10_000), 12_000 + np.arange(30_000)]) / 2000.01
    times = START + elapsed + rng.uniform(-2e-5, 2e-5, 40_000)
    assert fitted(times, block=40_000)[0] == fitted(times, block=777)[0]


def test_times_that_are_no_numbers_do_not_count():
    times = START + np.arange(10_000) / 2000
    times[[5, 300]] = np.nan, np.inf
    stretches, _, deviation = fitted(times)
    assert len(stretches) == 1
    assert deviation < 1e-6


def test_times_stamped_by_blocks_lie_on_a_line_in_their_middle():
    times = START + np.arange(100_000) // 16 * 16 / 2000
    stretches, _, deviation = fitted(times)
    assert len(stretches) == 1
    assert deviation < 8.5 / 2000


def test_an_event_lies_at_the_nearest_sample():
    times = StretchedTimes(20_000, START, (Stretch(0, 0.0, 2000.0), Stretch(10_000, 7.0, 2000.0)))
    cases = {0.0: 0, 0.0004: 1, 2.5: 5000, 6.0: 9999, 7.0: 10_000, 11.9995: 19_999, 12.5: None, -0.1: None}
    assert {elapsed: times.sample_at(elapsed) for elapsed in cases} == cases
    assert times.gaps() == [Gap(5.0, 7.0, 10_000)]


def test_stretches_are_read_as_they_are_written():
    stretches = (Stretch(0, 0.0, 2000.0), Stretch(10, 7.25, 1999.9999))
    assert parse_stretches(format_stretches(stretches), 20, "here") == stretches


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        [None],
        [{}],
        [{"FirstSample": 0, "Onset": 0.0, "SamplingFrequency": 0.0}],
        [{"FirstSample": 0, "Onset": float("nan"), "SamplingFrequency": 2000.0}],
        [{"FirstSample": 0, "Onset": 10**400, "SamplingFrequency": 2000.0}],
        [{"FirstSample": 0, "Onset": 0.0, "SamplingFrequency": 1e-320}],
        [{"FirstSample": 0.5, "Onset": 0.0, "SamplingFrequency": 2000.0}],
        [{"FirstSample": 1, "Onset": 0.0, "SamplingFrequency": 2000.0}],
        [{"FirstSample": at, "Onset": 0.0, "SamplingFrequency": 2000.0} for at in (0, 5, 5)],
        [{"FirstSample": at, "Onset": 0.0, "SamplingFrequency": 2000.0} for at in (0, 100)],
        ["abc"],
    ],
)
def test_malformed_stretches_are_refused(content):
    with pytest.raises(RecordingError, match="here: "):
        parse_stretches(content, 20, "here")


def test_more_stretches_than_a_clock_has_are_refused():
    content = format_stretches([Stretch(at, at / 2000, 2000.0) for at in range(MOST_STRETCHES + 1)])
    assert len(parse_stretches(content[:-1], 10**6, "here")) == MOST_STRETCHES
    with pytest.raises(RecordingError, match="here: the stretches of its clock are no list of 1 to 20000"):
        parse_stretches(content, 10**6, "here")
