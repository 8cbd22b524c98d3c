"""Error rates."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myotype.errors import InputError
from myotype.metrics import ErrorRates, align, error_rates, rendered_error_rates, word_error_rates


@pytest.fixture(scope="session")
def metrics(golden):
    return json.loads((golden / "metrics.json").read_text())


def in_reference_terms(rates):
    try:
        return rates.in_reference_terms()
    except InputError:
        return None


def test_counts_and_rates_are_those_of_the_reference_pair_by_pair_and_added_up(metrics):
    total = ErrorRates()
    assert len(metrics["pairs"]) == 53
    for pair in metrics["pairs"]:
        rates = error_rates(pair["prediction"], pair["target"])
        assert rates.deletions == pair["upstream_insertions"]  # the reference names these two the other way round
        assert rates.insertions == pair["upstream_deletions"]
        assert rates.substitutions == pair["upstream_substitutions"]
        assert rates.target_length == pair["target_len"]
        assert rates.errors == pair["distance"]
        total += rates
        for found, expected in ((rates, pair["metrics"]), (total, pair["accumulated_after_this_pair"])):
            if "error" in expected:
                assert in_reference_terms(found) is None
            else:
                assert in_reference_terms(found) == pytest.approx(expected, abs=1e-9)
    assert in_reference_terms(total) == pytest.approx(metrics["accumulated_all"]["metrics"], abs=1e-9)


def test_a_deletion_is_a_missing_key_and_an_insertion_an_extra_one():
    assert error_rates("ct", "cat") == ErrorRates(deletions=1, target_length=3)
    assert error_rates("caat", "cat") == ErrorRates(insertions=1, target_length=3)
    assert error_rates("cut", "cat") == ErrorRates(substitutions=1, target_length=3)


def test_rates_are_fractions_of_the_target():
    rates = error_rates("xbcdee", "abcdef")
    assert rates.cer == pytest.approx(2 / 6)
    assert rates.substitution_rate == pytest.approx(2 / 6)
    assert rates.deletion_rate == rates.insertion_rate == 0


def test_an_empty_target_has_counts_but_no_rate():
    rates = error_rates("abc", "")
    assert rates == ErrorRates(insertions=3)
    with pytest.raises(InputError, match="the target is empty"):
        _ = rates.cer
    assert (rates + error_rates("ab", "ab")).cer == 1.5


def test_rates_of_several_recordings_are_those_of_all_their_keys():
    parts = [error_rates("a", "b"), error_rates("x" * 99, "x" * 99)]
    assert sum(parts, ErrorRates()).cer == 0.01


def test_adding_something_else_is_refused():
    with pytest.raises(TypeError):
        _ = ErrorRates() + 1


def test_the_rendered_text_forgives_corrected_mistakes():
    assert error_rates("teh⌫⌫he", "the").errors > 0
    assert rendered_error_rates("teh⌫⌫he⏎", "the⏎") == ErrorRates(target_length=4)


def test_words_are_compared_as_they_are_read():
    assert word_error_rates("the cat⌫r sat⏎down", "the cat sat⏎down") == ErrorRates(substitutions=1, target_length=4)


texts = st.text("abc⌫ ", max_size=30)


@given(texts, texts)
def test_an_alignment_spells_both_texts_and_has_as_many_errors_as_are_counted(prediction, target):
    pairs = align(prediction, target)
    rates = error_rates(prediction, target)
    assert "".join(left for left, _ in pairs if left is not None) == prediction
    assert "".join(right for _, right in pairs if right is not None) == target
    assert sum(left is None for left, _ in pairs) == rates.deletions
    assert sum(right is None for _, right in pairs) == rates.insertions
    assert sum(None not in pair and pair[0] != pair[1] for pair in pairs) == rates.substitutions


@given(texts, texts)
def test_errors_the_other_way_round_swap_deletions_and_insertions(prediction, target):
    assert error_rates(prediction, target).errors == error_rates(target, prediction).errors
    assert error_rates(prediction, prediction).errors == 0


def test_the_text_of_hours_can_be_compared():
    text = "the quick brown fox " * 2000
    rates = error_rates(text[::2], text)
    assert rates.target_length == 40_000
    assert rates.deletions - rates.insertions == 20_000
    assert rates.errors >= 20_000
