"""Several readings of a stream, passage by passage: where passages end, and what is read in them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.decoding.beam import BeamDecoder
from myotype.decoding.passages import PassageStream
from myotype.keyboard import BLANK, N_LABELS, text_to_labels

PAUSE, DELAY = 8, 12


def spoken(*passages, pause=20, every=3):
    """Make up emissions of texts with pauses after them: each key beside a rival, the next letter."""
    rows = []
    for text in passages:
        emissions = np.full((every * len(text) + pause, N_LABELS), -9.0)
        emissions[:, BLANK] = 4
        for place, label in enumerate(text_to_labels(text)):
            emissions[every * place, [label, label + 1, BLANK]] = 5, 4 - 0.1 * place, -5
        rows.append(emissions)
    emissions = np.concatenate(rows)
    return emissions - np.log(np.exp(emissions).sum(axis=1, keepdims=True))


def begun(n_best=5, **options):
    return PassageStream(BeamDecoder(**options).stream(commit_delay=200), n_best, PAUSE, DELAY)


def texts(passages):
    return [[one.text for one in passage if one.text] for passage in passages]


def test_a_passage_ends_in_a_pause_and_has_readings_of_its_own():
    stream = begun(3)
    stream.push(spoken("abe", "mno"))
    stream.finish()
    found = [passage for passage in texts(stream.take_passages()) if len(passage) > 1]
    assert found[:2] == [["abe", "bbe", "ace"], ["mno", "nno", "moo"]]
    assert stream.take_passages() == [], "each is given once"


def test_what_is_committed_is_the_best_reading_of_every_passage_and_scores_add_up():
    emissions = spoken("abe", "mno", "gh")
    stream = begun()
    committed = stream.push(emissions).committed.labels.tolist() + stream.finish().committed.labels.tolist()
    passages = stream.take_passages()
    assert [label for passage in passages for label in passage[0].labels.tolist()] == committed
    for passage in passages[:-1]:
        assert passage[0].score == 0
        assert [one.score for one in passage] == sorted((one.score for one in passage), reverse=True)
    (whole,) = BeamDecoder().decode(emissions)
    assert whole.labels.tolist() == committed
    assert sum(passage[0].score for passage in passages) == pytest.approx(whole.score, abs=0.1)
    other = next(one for passage in passages for one in passage if one.text == "nno")
    rivals = BeamDecoder(beam_size=500).decode(emissions, n_best=500)
    score = next(one.score for one in rivals if one.text == "abennogh")
    assert other.score == pytest.approx(score - whole.score, abs=0.1)


def test_without_a_pause_there_is_one_passage():
    stream = begun()
    stream.push(spoken("abeghkmno", pause=2))
    assert stream.take_passages() == []
    stream.finish()
    assert len(stream.take_passages()) == 1


def test_all_frames_of_a_passage_that_goes_on_count_as_unsettled():
    stream, committed, settled = begun(beam_size=1), [], 0  # which commits every key at once
    emissions = spoken("abe", "mno", "gh", pause=30)
    for row in emissions:
        decoded = stream.push(row[np.newaxis])
        committed += decoded.committed.labels.tolist()
        assert decoded.n_settled >= settled
        for passage in stream.take_passages():
            assert all((one.frames >= settled).all() for one in passage)
        settled = decoded.n_settled
    assert len(committed) == 8
    assert settled > len(emissions) - 30


@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 300), max_size=10), at=st.integers(0, 10))
@settings(max_examples=60, deadline=None)
def test_pieces_of_any_length_give_the_same_passages(seed, cuts, at):
    random = np.random.default_rng(seed)
    words = ["".join(random.choice(list("abcde"), random.integers(0, 5))) for _ in range(4)]
    emissions = spoken(*words, pause=int(random.integers(5, 40)))
    emissions += random.normal(0, 0.8, emissions.shape)
    emissions -= np.log(np.exp(emissions).sum(axis=1, keepdims=True))

    def read(bounds):
        stream, passages, committed = begun(), [], []
        for number, (start, end) in enumerate(pairwise(bounds)):
            committed += stream.push(emissions[start:end]).committed.labels.tolist()
            passages += stream.take_passages()
            if number == at:
                stream = stream.copy()
        committed += stream.finish().committed.labels.tolist()
        passages += stream.take_passages()
        return committed, [[(one.text, one.frames.tolist(), one.score) for one in passage] for passage in passages]

    cut = read([0, *sorted(min(place, len(emissions)) for place in cuts), len(emissions)])
    assert cut == read([0, len(emissions)])


def test_a_finished_stream_gives_nothing_more():
    stream = begun()
    stream.push(spoken("abe"))
    assert len(stream.finish().committed) + len(stream.take_passages()) > 0
    assert len(stream.finish().committed) == 0
    assert stream.take_passages() == []
