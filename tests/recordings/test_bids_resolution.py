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
    common_divisor,
    find_step,
    is_multiple,
)


def multiples(step, *, seed=0, n=5000):
    """Values of a 12-bit converter, as float32 has them."""
    counts = np.random.default_rng(seed).integers(-2048, 2048, n)
    return (counts * float(step)).astype(np.float32)


@pytest.mark.parametrize(
    "step", ["825/256", "1/16", "1", "100", "1/10", "39/200", "1611/500", "1/3", "1/4096", "305/1000", "7"]
)
def test_the_step_of_a_converter_is_found_exactly(step):
    step = Fraction(step)
    values = multiples(step)
    found = find_step(values)
    assert is_multiple(values, found).all()
    assert found == pytest.approx(step, rel=1e-6)


@pytest.mark.parametrize("step", ["825/256", "1/16", "1/10", "39/200", "100", "1/4096"])
def test_a_header_of_eight_characters_holds_the_step_exactly(step):
    values = multiples(Fraction(step))
    chosen = choose_range(find_step(values), float(np.abs(values).max()))
    assert chosen.lossless
    assert Fraction(chosen.physical_text) / chosen.digital == Fraction(step)
    assert len(f"-{chosen.physical_text}") <= 8
    assert chosen.digital <= LARGEST_DIGITAL
    digital = np.rint(values.astype(np.float64) / chosen.step)
    assert np.abs(digital).max() <= chosen.digital
    np.testing.assert_array_equal((digital * chosen.step).astype(np.float32), values)


def test_values_without_a_step_have_none():
    assert find_step(np.random.default_rng(0).normal(size=5000).astype(np.float32)) is None


def test_a_signal_of_zeros_has_a_step_too():
    assert find_step(np.zeros(10, dtype=np.float32)) == 1


def test_values_too_far_apart_have_no_common_divisor():
    assert common_divisor(np.array([1e-30, 1e9])) is None


@settings(max_examples=200, deadline=None)
@given(largest=st.floats(0, LARGEST_PHYSICAL, width=32))
def test_any_range_that_is_rounded_covers_the_values_and_fits_the_header(largest):
    chosen = choose_range(None, largest)
    assert not chosen.lossless
    assert Fraction(chosen.physical_text) == chosen.physical >= Fraction(largest)
    assert len(f"-{chosen.physical_text}") <= 8
    # 24 bits of the largest value, but for what rounding up costs.
    assert chosen.step <= max(largest, 1e-3) * 1.02 / LARGEST_DIGITAL


def test_a_step_too_fine_for_24_bits_is_not_used():
    assert not choose_range(Fraction(1, 2**14), 4000.0).lossless


@pytest.mark.parametrize(
    ("sfreq", "length"),
    [(2000.0, (2000, "1")), (1000.5, (2001, "2")), (0.25, (1, "4")), (1999.123, (1999, "0.999938"))],
)
def test_a_record_has_whole_samples_in_a_duration_that_the_header_can_hold(sfreq, length):
    assert record_length(sfreq) == length
