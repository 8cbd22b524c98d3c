"""Greedy decoding against the reference runs, and in pieces."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.decoding import GreedyDecoder
from myotype.errors import InputError
from myotype.keyboard import BLANK, N_LABELS


def emissions_of(labels, probability=0.9):
    """Give log-probabilities whose best label in each frame is the given one."""
    rest = (1 - probability) / (N_LABELS - 1)
    emissions = np.full((len(labels), N_LABELS), np.log(rest), np.float32)
    emissions[np.arange(len(labels)), labels] = np.log(probability)
    return emissions


def test_every_reference_run_is_reproduced(golden):
    cases = json.loads((golden / "decoding.json").read_text())["cases"]
    compared = 0
    with np.load(golden / "decoding.npz") as arrays:
        for case in cases:
            name = case["name"]
            (found,) = GreedyDecoder().decode(arrays[f"emissions_{name}"])
            timestamps = arrays[f"timestamps_{name}"]
            expected = case["greedy"]
            assert found.text == expected["text"], name
            assert found.labels.tolist() == expected["labels"], name
            np.testing.assert_allclose(
                timestamps[found.frames], expected["timestamps"], rtol=0, atol=1e-6, err_msg=name
            )
            compared += 1
    assert compared == 15


def test_repeats_collapse_and_blanks_separate():
    (found,) = GreedyDecoder().decode(emissions_of([0, 0, BLANK, 0, 1, 1, BLANK, BLANK, 2]))
    assert found.labels.tolist() == [0, 0, 1, 2]
    assert found.frames.tolist() == [0, 3, 4, 8]
    np.testing.assert_allclose(found.confidences, 0.9, rtol=1e-6)
    assert found.score == pytest.approx(9 * np.log(0.9), rel=1e-6)


@given(labels=st.lists(st.sampled_from([0, 1, 2, BLANK]), max_size=40), cuts=st.lists(st.integers(0, 40), max_size=6))
@settings(max_examples=100, deadline=None)
def test_pieces_give_the_same_as_the_whole_and_nothing_is_pending(labels, cuts):
    emissions = emissions_of(labels)
    (whole,) = GreedyDecoder().decode(emissions)
    stream = GreedyDecoder().stream()
    pieces = []
    bounds = [0, *sorted(min(cut, len(labels)) for cut in cuts), len(labels)]
    for start, end in pairwise(bounds):
        decoded = stream.push(emissions[start:end])
        assert len(decoded.pending) == 0
        assert decoded.n_settled == end
        pieces.append(decoded.committed)
    assert len(stream.finish().committed) == 0
    for field in ("labels", "frames", "confidences"):
        joined = np.concatenate([getattr(piece, field) for piece in pieces])
        np.testing.assert_array_equal(joined, getattr(whole, field))


def test_a_copied_stream_goes_on_by_itself():
    stream = GreedyDecoder().stream()
    stream.push(emissions_of([0, 0]))
    twin = stream.copy()
    stream.push(emissions_of([BLANK]))
    assert twin.push(emissions_of([0])).committed.labels.tolist() == []
    assert stream.push(emissions_of([0])).committed.frames.tolist() == [3]


def test_empty_emissions_give_an_empty_hypothesis():
    (found,) = GreedyDecoder().decode(np.zeros((0, N_LABELS)))
    assert found.text == ""
    assert found.score == 0


@pytest.mark.parametrize(
    ("emissions", "message"),
    [
        (np.zeros((5, 98)), r"shape \(5, 98\); expected \(frames, 99\)"),
        (np.zeros(99), "shape"),
        (np.full((3, 99), np.nan), "frame 0 has a value that is NaN or above 0"),
        (np.vstack([np.full((2, 99), -4.6), np.full((1, 99), 3.0)]), "frame 2"),
    ],
)
def test_what_are_no_log_probabilities_is_refused(emissions, message):
    with pytest.raises(InputError, match=message):
        GreedyDecoder().decode(emissions)


def test_more_than_one_hypothesis_is_refused():
    with pytest.raises(InputError, match="n_best=2"):
        GreedyDecoder().decode(emissions_of([0]), n_best=2)
