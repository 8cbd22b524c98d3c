"""The step that values are multiples of, and what a BDF header makes of it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.recordings.bids.bdf_writing import record_length
from myotype.recordings.bids.resolution import (
    LARGEST_DIGITAL,
    LARGEST_PHYSICAL,
    choose_range,
    is_multiple,
    rounding_range,
)
from myotype.recordings.multiples import bounds_of_step, distinct


def multiples(step, *, seed=0, n=5000, bits=12):
    """Values of a converter, as float32 has them."""
    counts = np.random.default_rng(seed).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), n)
    return (counts * float(step)).astype(np.float32)


def range_of(values):
    return choose_range(distinct(values), float(np.abs(values).max()))


@pytest.mark.parametrize(
    "step", ["825/256", "1/16", "1", "100", "1/10", "39/200", "1611/500", "1/3", "1/4096", "305/1000", "7"]
)
def test_the_bounds_hold_the_step_of_a_converter_and_little_else(step):
    low, high = bounds_of_step(distinct(multiples(Fraction(step))), LARGEST_DIGITAL)
    assert low <= Fraction(step) <= high
    assert high - low < 1e-7 * high


def assert_exact(values):
    chosen = range_of(values)
    assert chosen.lossless
    assert Fraction(chosen.physical_text) == chosen.physical
    assert len(f"-{chosen.physical_text}") <= 8
    assert chosen.digital <= LARGEST_DIGITAL
    digital = np.rint(values.astype(np.float64) / chosen.step)
    assert np.abs(digital).max() <= chosen.digital
    np.testing.assert_array_equal((digital * chosen.step).astype(np.float32), values)
    return chosen


@pytest.mark.parametrize("step", ["825/256", "1/16", "1/10", "39/200", "100", "1/4096", "1/3"])
def test_a_header_of_eight_characters_holds_a_simple_step_itself(step):
    chosen = assert_exact(multiples(Fraction(step)))
    assert Fraction(chosen.physical_text) / chosen.digital == Fraction(step)


@pytest.mark.parametrize("seed", range(40))
def test_a_header_holds_a_step_of_12_bits_that_is_no_short_decimal(seed):
    step = float(np.exp(np.random.default_rng(seed).uniform(np.log(1e-3), np.log(10))))
    assert_exact(multiples(step))


@pytest.mark.parametrize("volts", [1.2, 2.5, 3.3, 4.5, 5.0])
@pytest.mark.parametrize("gain", [6, 200, 1000])
@pytest.mark.parametrize("levels", [4095, 4096])
def test_a_header_holds_the_steps_of_common_converters(volts, gain, levels):
    counts = np.random.default_rng(0).integers(-2048, 2048, 5000).astype(np.float32)
    assert_exact(counts * np.float32(volts * 1e6 / gain / levels))


def test_a_header_holds_the_step_of_24_bits_with_offsets_of_the_electrodes():
    rng = np.random.default_rng(0)
    counts = rng.normal(0, 2000, (5000, 32)).round() + rng.integers(-300_000, 300_000, 32)
    assert_exact((counts * (4.5e6 / 24 / LARGEST_DIGITAL)).astype(np.float32))


def test_values_without_a_step_have_none():
    values = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    assert bounds_of_step(distinct(values), LARGEST_DIGITAL) is None
    assert not range_of(values).lossless


def test_a_signal_of_zeros_has_a_step_too():
    assert range_of(np.zeros(10, dtype=np.float32)).step == 1


@pytest.mark.parametrize("values", [[1e-30, 1e6], [1e-42], [1e-42, 3.5]])
def test_values_too_far_apart_or_too_small_are_rounded(values):
    assert not range_of(np.array(values, dtype=np.float32)).lossless


def test_values_that_fit_a_step_are_told():
    values = np.array([0.0, 0.3, -0.9, 0.31], dtype=np.float32)
    assert is_multiple(values, 0.1).tolist() == [True, True, True, False]


@settings(max_examples=200, deadline=None)
@given(largest=st.floats(0, LARGEST_PHYSICAL, width=32))
def test_any_range_that_is_rounded_covers_the_values_and_fits_the_header(largest):
    chosen = rounding_range(largest)
    assert not chosen.lossless
    assert Fraction(chosen.physical_text) == chosen.physical >= Fraction(largest)
    assert len(f"-{chosen.physical_text}") <= 8
    # 24 bits of the largest value, but for what rounding up costs.
    assert chosen.step <= max(largest, 1e-3) * 1.02 / LARGEST_DIGITAL


def test_a_step_too_fine_for_24_bits_is_not_used():
    assert not choose_range(np.array([2**-14], dtype=np.float32), 4000.0).lossless


@pytest.mark.parametrize(
    ("sfreq", "length"),
    [(2000.0, (2000, "1")), (1000.5, (2001, "2")), (0.25, (1, "4")), (1999.123, (1999, "0.999938"))],
)
def test_a_record_has_whole_samples_in_a_duration_that_the_header_can_hold(sfreq, length):
    assert record_length(sfreq) == length
