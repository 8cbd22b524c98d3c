"""Tuning finds the weights that make the fewest errors, as trying each by hand does."""

from __future__ import annotations

import threading
from itertools import product

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from myotype.decoding import GreedyDecoder, NGram
from myotype.decoding.choosing import Weights, named_decoder
from myotype.decoding.tuning import TOLERANCE, Sample, Trial, Tuning, tune
from myotype.errors import InputError
from myotype.keyboard import BLANK, N_LABELS, labels_to_text, text_to_labels
from myotype.metrics import ErrorRates, error_rates

LINES = ["the cat sat on the mat", "the hat is on the cat", "that mat is his", "she has the hat"]


@pytest.fixture(scope="module")
def lm():
    return NGram.estimate(LINES, 4)


def emissions_of(text, seed, doubt=3.0):
    """Make up what a network says of a text: each key beside three rivals, with a blank between keys."""
    random = np.random.default_rng(seed)
    labels = text_to_labels(text)
    logits = random.normal(0, 1, (2 * len(labels), N_LABELS))
    logits[0::2, BLANK] += 2
    logits[np.arange(0, 2 * len(labels), 2), labels] += 5
    for _ in range(3):
        logits[np.arange(0, 2 * len(labels), 2), random.integers(0, 26, len(labels))] += 5 * random.random() * doubt / 3
    logits[1::2, BLANK] += 12
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


@pytest.fixture(scope="module")
def samples():
    return [Sample([emissions_of(line, seed)], line) for seed, line in enumerate(LINES)]


BEFORE = Weights(0.0, -9.0, 8)  # which lose keys
RATE = 10  # frames a second: keys are committed before the end of a line


def by_hand(decoder, samples):
    total = ErrorRates()
    for sample in samples:
        total += error_rates(read(decoder, sample), sample.truth)
    return total


def read(decoder, sample):
    keys = ""
    for piece in sample.emissions:
        stream = decoder.stream()
        keys += "".join(labels_to_text(stream.push(row[np.newaxis]).committed.labels) for row in piece)
        keys += labels_to_text(stream.finish().committed.labels)
    return keys


def search(lm, weights):
    weight, bonus, size = weights
    return named_decoder("beam", lm, RATE, lm_weight=weight, insertion_bonus=bonus, beam_size=size)


@pytest.fixture(scope="module")
def found(samples, lm):
    return tune(
        samples,
        lm,
        frame_rate=RATE,
        before=BEFORE,
        lm_weights=(0.5, 2.0, 8.0),
        insertion_bonuses=(-2.0, 0.0, 4.0),
        beam_sizes=(8, 1, 20),
    )


def test_every_pair_of_the_grid_is_tried_and_has_the_errors_that_it_makes(found, samples, lm):
    tried = {trial.weights: trial.rates for trial in found.trials}
    assert {Weights(*pair, 8) for pair in product((0.5, 2.0, 8.0), (-2.0, 0.0, 4.0))} <= set(tried)
    assert len({rates.errors for rates in tried.values()}) > 3, "these samples can tell weights apart"
    for weights, rates in tried.items():
        assert rates == by_hand(search(lm, weights), samples)
    assert found.greedy == by_hand(GreedyDecoder(), samples)
    assert (found.before.weights, found.before.rates) == (BEFORE, by_hand(search(lm, BEFORE), samples))


def test_what_lies_half_way_round_the_best_is_tried_and_nothing_else(found):
    coarse = {(trial.weights[:2]): trial for trial in found.trials if trial.weights[0] in (0.5, 2.0, 8.0)}
    coarse = {pair: trial for pair, trial in coarse.items() if pair[1] in (-2.0, 0.0, 4.0)}
    best = min(coarse.values(), key=lambda trial: (trial.rates.errors, trial.weights)).weights
    assert best[:2] == (2.0, 0.0)
    finer = {trial.weights[:2] for trial in found.trials} - set(coarse)
    assert finer == set(product((1.25, 2.0, 5.0), (-1.0, 0.0, 2.0))) - {(2.0, 0.0)}


def test_the_best_makes_the_fewest_errors_and_the_lowest_weights_of_equals_are_taken(found):
    best = min(found.trials, key=lambda trial: (trial.rates.errors, trial.weights))
    assert found.best.weights[:2] == best.weights[:2]


def test_the_smallest_beam_is_taken_that_is_hardly_worse_than_the_best(found, samples, lm):
    assert [trial.weights.beam_size for trial in found.beams] == [1, 8, 20]
    for trial in found.beams:
        assert trial.rates == by_hand(search(lm, trial.weights), samples)
        assert trial.frames_per_second > 0
    least = min(trial.rates.cer for trial in found.beams)
    assert found.beams[0].rates.cer > least + TOLERANCE, "a beam of one is no search"
    fine = [trial for trial in found.beams if trial.rates.cer <= least + TOLERANCE]
    assert found.best == fine[0]


def test_how_many_keys_are_read_otherwise_than_before_is_told(found, samples, lm):
    pairs = [[read(search(lm, trial.weights), sample) for sample in samples] for trial in (found.before, found.best)]
    assert found.differing == sum(map(Levenshtein.distance, *pairs)) > 0
    assert found.is_better


def test_weights_that_nothing_betters_stay(samples, lm, found):
    best = found.best.weights
    again = tune(
        samples,
        lm,
        frame_rate=RATE,
        before=best,
        lm_weights=(0.5, best.lm_weight / 1.25),
        insertion_bonuses=(-9.0, best.insertion_bonus),
        beam_sizes=(1, best.beam_size),
    )
    assert min(trial.rates.errors for trial in again.beams) >= found.best.rates.errors
    assert (again.best, again.differing) == (again.before, 0)
    assert not again.is_better
    assert not again.is_certain
    assert again.edges == ()


@pytest.mark.parametrize(
    ("before", "after", "differing", "certain"),
    [(20, 10, 24, True), (20, 10, 25, False), (4, 0, 4, False), (5, 0, 5, True)],
)
def test_a_gain_is_certain_beyond_twice_the_root_of_what_differs(before, after, differing, certain):
    first, best = (Trial(BEFORE, ErrorRates(substitutions=errors, target_length=500)) for errors in (before, after))
    assert Tuning(ErrorRates(), first, (), (best,), best, differing).is_certain == certain


def test_the_number_of_threads_changes_nothing(found, samples, lm):
    again = tune(
        samples, lm, frame_rate=RATE, before=BEFORE, lm_weights=(0.5, 2.0, 8.0), insertion_bonuses=(-2.0, 0.0, 4.0),
        beam_sizes=(8, 1, 20), threads=3,
    )  # fmt: skip
    assert again == found


def test_stretches_between_gaps_are_decoded_by_themselves(lm):
    pieces = [emissions_of("the c", 1), emissions_of("at sat", 2)]
    sample = Sample(pieces, "the cat sat")
    found = tune(
        [sample], lm, frame_rate=RATE, before=BEFORE, lm_weights=(1.0,), insertion_bonuses=(1.0,), beam_sizes=(8,)
    )
    assert found.best.rates == by_hand(search(lm, (1.0, 1.0, 8)), [sample])
    assert len(found.trials) == 1, "of single values there is nothing half-way"


def test_the_edge_of_what_was_tried_is_told(samples, lm):
    def edges(weights, bonuses):
        return tune(
            samples, lm, frame_rate=RATE, before=BEFORE, lm_weights=weights, insertion_bonuses=bonuses, beam_sizes=(8,)
        ).edges  # fmt: skip

    assert edges((1.0, 2.0, 8.0), (-2.0, 0.0, 4.0)) == ()
    assert edges((6.0, 8.0), (0.0,)) == ("lm_weight 6 is the lowest that was tried",)
    assert edges((0.01, 0.5), (0.0,)) == ("lm_weight 0.5 is the highest that was tried",)
    assert edges((2.0,), (-9.0, -2.0)) == ("insertion_bonus -2 is the highest that was tried",)


def test_no_weight_of_the_language_model_at_all_is_no_edge(samples):
    against = NGram.estimate(["zzzz qqqq xxxx"], 3)  # a language model that only misleads
    found = tune(
        samples,
        against,
        frame_rate=RATE,
        before=BEFORE,
        lm_weights=(0.0, 8.0),
        insertion_bonuses=(0.0,),
        beam_sizes=(8,),
    )
    assert found.best.weights.lm_weight == 0
    assert found.edges == ()


def test_progress_is_told_for_every_stage_from_the_thread_that_asked(samples, lm):
    told = []

    def note(what, done, whole):
        assert threading.current_thread() is threading.main_thread()
        told.append((what, done, whole))

    tune(
        samples, lm, frame_rate=RATE, before=BEFORE, lm_weights=(1.0, 2.0), insertion_bonuses=(1.0,), beam_sizes=(4, 8),
        threads=2, progress=note,
    )  # fmt: skip
    stages = list(dict.fromkeys(what for what, _, _ in told))
    assert stages == ["decoding", "weights", "finer weights", "beam sizes"]
    for stage in stages:
        counts = [(done, whole) for what, done, whole in told if what == stage]
        assert [done for done, _ in counts] == list(range(1, counts[0][1] + 1))


def test_an_interrupt_stops_it_and_leaves_no_thread(samples, lm):
    def interrupt(what, done, whole):
        if what == "weights":
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        tune(samples, lm, frame_rate=RATE, before=BEFORE, threads=2, progress=interrupt)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lm_weights": ()}, "at least one value of each"),
        ({"beam_sizes": range(1, 1000)}, "at most 10000 combinations"),
        ({"lm_weights": (-1.0, 1.0)}, "lm_weight=-1"),
        ({"insertion_bonuses": (float("nan"),)}, "insertion_bonus=nan"),
        ({"beam_sizes": (0, 5)}, "beam_size=0"),
        ({"beam_sizes": (5, 200_000)}, "beam_size=200000: expected 1 to 100000"),
        ({"lm_weights": (2000.0,)}, "lm_weight=2000.0: expected a number from 0 to 1000"),
        ({"insertion_bonuses": (-2000.0, 1.0)}, "insertion_bonus=-2000.0: expected a number from -1000 to 1000"),
    ],
)
def test_what_no_search_takes_is_refused_before_the_work(samples, lm, options, message):
    with pytest.raises(InputError, match=message):
        tune(samples, lm, frame_rate=RATE, before=BEFORE, progress=lambda *_: pytest.fail("it went to work"), **options)


@pytest.mark.parametrize("truths", [[], [""]])
def test_without_keys_there_is_nothing_to_tune_with(lm, truths):
    with pytest.raises(InputError, match="no keys to tune with"):
        tune([Sample([emissions_of("a", 0)], truth) for truth in truths], lm, frame_rate=RATE)
