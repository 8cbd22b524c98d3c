"""The beam search against the reference runs, and against the search written down plainly."""

from __future__ import annotations

import json
import os
import pickle
import runpy
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.decoding import Decoder, GreedyDecoder, beam_compiling, beam_kernels
from myotype.decoding.automaton import Automaton, end, step
from myotype.decoding.beam import BeamDecoder
from myotype.errors import InputError
from myotype.keyboard import BLANK, N_LABELS, text_to_labels

reference = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("reference_search.py"))))

OPTIONS = {
    "beam_size": st.sampled_from([1, 2, 3, 5, 20]),
    "labels_per_frame": st.sampled_from([None, 1, 2, 4, 10]),
    "lm_weight": st.sampled_from([0.0, 0.5, 2.0]),
    "insertion_bonus": st.sampled_from([-1.0, 0.0, 2.0]),
    "backspace": st.booleans(),
    "confidence_delay": st.sampled_from([0, 2, 16]),
}
EMISSIONS = st.builds(
    reference.random_emissions,
    st.integers(0, 2**32),
    st.integers(0, 30),
    st.sampled_from(["noisy", "tied", "impossible", "peaky", "deleting"]),
)
MODELS = st.none() | st.builds(reference.random_model, st.integers(0, 2**32))
HOT_WORDS = st.builds(reference.random_hotwords, st.integers(0, 2**32))


def uniform(n_frames, labels=range(N_LABELS)):
    """Give emissions in which some labels are equally probable and the others impossible."""
    emissions = np.full((n_frames, N_LABELS), -np.inf)
    emissions[:, list(labels)] = -np.log(len(labels))
    return emissions


def spoken(text, probability=0.6, rival="x"):
    """Give emissions of a text, a frame a key and a blank after it, with a rival of every key."""
    emissions = np.full((2 * len(text), N_LABELS), np.log(1e-6))
    labels, other = text_to_labels(text), text_to_labels(rival)
    emissions[::2, other] = np.log(1 - probability - 1e-4)
    emissions[np.arange(0, 2 * len(text), 2), labels] = np.log(probability)
    emissions[1::2, BLANK] = np.log(1 - 1e-4)
    return emissions


@pytest.fixture(scope="module")
def reuters(golden):
    return reference.TinyModel(reference.Arpa.load(golden / "reuters-3-gram-char-lm.arpa"))


def decoder_of(run, lm, **options):
    n_labels = run["max_labels_per_timestep"]
    given = {"lm_weight": run.get("lm_weight"), "insertion_bonus": run.get("insertion_bonus")}
    return BeamDecoder(
        run["beam_size"],
        None if n_labels < 0 else n_labels,
        lm if run["lm"] else None,
        backspace=run["delete_key"] is not None,
        **{name: value for name, value in given.items() if value is not None},
        **options,
    )


@pytest.mark.parametrize("stage", ["decode", "finish"])
def test_every_reference_run_is_reproduced(golden, reuters, stage):
    cases = json.loads((golden / "decoding.json").read_text())["cases"]
    compared = 0
    with np.load(golden / "decoding.npz") as arrays:
        for case in cases:
            emissions, timestamps = arrays[f"emissions_{case['name']}"], arrays[f"timestamps_{case['name']}"]
            for run in case["runs"]:
                # single precision is what the reference may have accumulated in
                tolerance = {"float64": 1e-4, "float32": 1e-3}[run["emissions_dtype"]]
                decoder = decoder_of(run, reuters, end_of_word=stage == "finish")
                found = decoder.decode(emissions, n_best=5)
                expected = run[stage]
                assert found[0].text == expected["text"], (case["name"], run)
                assert timestamps[found[0].frames].tolist() == expected["timestamps"]
                alive = [beam for beam in expected["top5"] if beam["p_total"] != "-inf"]
                assert len(found) == len(alive)
                for hypothesis, beam in zip(found, alive, strict=True):
                    assert hypothesis.labels.tolist() == beam["labels"], (case["name"], run)
                    assert timestamps[hypothesis.frames].tolist() == beam["timestamps"]
                    assert hypothesis.score == pytest.approx(beam["p_total"], abs=tolerance)
                compared += 1
    assert compared == 411


def test_every_reference_stream_is_reproduced(golden, reuters):
    cases = json.loads((golden / "decoding.json").read_text())["cases"]
    compared = 0
    with np.load(golden / "decoding.npz") as arrays:
        for case in cases:
            emissions, timestamps = arrays[f"emissions_{case['name']}"], arrays[f"timestamps_{case['name']}"]
            for run in case["streaming"]:
                stream = decoder_of(run, reuters, commit_delay=None).stream()
                labels, frames = [], []
                for (start, stop), expected in zip(run["chunks"], run["after_each_chunk"], strict=True):
                    decoded = stream.push(emissions[start:stop])
                    labels += decoded.committed.labels.tolist()
                    frames += decoded.committed.frames.tolist()
                    assert labels + decoded.pending.labels.tolist() == expected["labels"], case["name"]
                    seen = frames + decoded.pending.frames.tolist()
                    assert timestamps[seen].tolist() == expected["timestamps"]
                labels += stream.finish().committed.labels.tolist()
                assert labels == text_to_labels(run["finish_text"]).tolist()
                compared += 1
    assert compared == 60


@given(emissions=EMISSIONS, arpa=MODELS, options=st.fixed_dictionaries(OPTIONS), end_of_word=st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_search_is_that_of_the_plain_one(emissions, arpa, options, end_of_word):
    search = reference.Search(lm=arpa, **options)
    for row in emissions:
        search.step(row)
    if end_of_word:
        search.finish()
    model = arpa and reference.TinyModel(arpa)
    found = BeamDecoder(lm=model, **options, end_of_word=end_of_word).decode(emissions, n_best=100)
    assert [hypothesis.labels.tolist() for hypothesis in found] == [list(reading.labels) for reading in search.beam]
    for hypothesis, reading in zip(found, search.beam, strict=True):
        assert hypothesis.frames.tolist() == list(reading.frames)
        assert hypothesis.score == pytest.approx(reading.total, rel=1e-9, abs=1e-9)
        assert ((hypothesis.confidences >= 0) & (hypothesis.confidences <= 1 + 1e-9)).all()
    labels, frames, confidences = search.pending()
    assert found[0].labels.tolist() == search.committed_labels + labels
    assert found[0].frames.tolist() == search.committed_frames + frames
    assert found[0].confidences == pytest.approx(search.committed_confidences + confidences, rel=1e-9)


@given(
    emissions=EMISSIONS,
    arpa=MODELS,
    options=st.fixed_dictionaries(OPTIONS | {"labels_per_frame": st.sampled_from([2, 4, 10])}),
    end_of_word=st.booleans(),
    hotwords=HOT_WORDS,
)
@settings(max_examples=100, deadline=None)
def test_the_search_with_hot_words_is_that_of_the_plain_one(emissions, arpa, options, end_of_word, hotwords):
    emissions = emissions[:16]
    search = reference.Search(lm=arpa, **options, hotwords=hotwords)
    for row in emissions:
        search.step(row)
    search.finish(end_of_word=end_of_word)
    decoder = BeamDecoder(lm=arpa and reference.TinyModel(arpa), **options, end_of_word=end_of_word, hotwords=hotwords)
    found = decoder.decode(emissions, n_best=100)
    assert [hypothesis.labels.tolist() for hypothesis in found] == [list(reading.labels) for reading in search.beam]
    for hypothesis, reading in zip(found, search.beam, strict=True):
        assert hypothesis.frames.tolist() == list(reading.frames)
        assert hypothesis.score == pytest.approx(reading.total, rel=1e-9, abs=1e-9)


def test_equal_emissions_go_by_label_and_equal_scores_by_where_they_come_from():
    found = BeamDecoder(beam_size=4, labels_per_frame=None).decode(uniform(1), n_best=4)
    assert [hypothesis.text for hypothesis in found] == ["", "a", "b", "c"]  # staying comes first, then label by label
    found = BeamDecoder(beam_size=50, labels_per_frame=3).decode(uniform(1), n_best=50)
    assert [hypothesis.text for hypothesis in found] == ["a", "b", "c"]  # the blank has the last label of all


def test_hypotheses_of_probability_zero_are_not_kept():
    found = BeamDecoder(labels_per_frame=None).decode(uniform(3, [text_to_labels("a")[0], BLANK]), n_best=50)
    assert {hypothesis.text for hypothesis in found} == {"", "a", "aa"}
    (only,) = BeamDecoder().decode(uniform(3, [BLANK]), n_best=50)
    assert only.text == ""
    assert only.score == 0


def test_a_beam_of_all_hypotheses_sums_up_all_alignments():
    emissions = np.log(np.random.default_rng(0).dirichlet(np.ones(N_LABELS), 2))
    found = BeamDecoder(beam_size=20_000, labels_per_frame=None).decode(emissions, n_best=20_000)
    assert len(found) == 1 + 98 + 98 * 97  # a key twice needs a blank in between, and so three frames
    assert sum(np.exp(hypothesis.score) for hypothesis in found) == pytest.approx(1)


def test_one_hypothesis_of_one_label_is_greedy_decoding():
    emissions = reference.random_emissions(3, 200, "peaky")
    (found,) = BeamDecoder(1, 1).decode(emissions)
    (greedy,) = GreedyDecoder().decode(emissions)
    assert found.text == greedy.text
    assert found.score == pytest.approx(greedy.score)


def abc_model(**log10):
    """Give a model of `a`, `b` and `c` in which bigrams have given probabilities."""
    ngrams = {("<s>",): -99.0, ("<unk>",): -2.0, ("</s>",): -1.0, ("a",): -1.0, ("b",): -1.0, ("c",): -1.0}
    ngrams |= {tuple({"^": "<s>", "$": "</s>"}.get(key, key) for key in pair): value for pair, value in log10.items()}
    return reference.TinyModel(reference.Arpa(ngrams, {}))


def score_of(text, **options):
    """Give what the language model adds to a text that is certain."""
    labels = text_to_labels(text)
    emissions = np.full((2 * len(labels), N_LABELS), -np.inf)
    emissions[np.arange(0, 2 * len(labels), 2), labels] = 0
    emissions[1::2, BLANK] = 0
    (found,) = BeamDecoder(**options).decode(emissions)
    assert found.text == text
    return found.score


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab", 2 * (-0.5 - 0.25) + 2 * 2),  # "a" after <s>, "b" after "a"
        ("abZ", 2 * (-0.5 - 0.25 - 1) + 3 * 2),  # the key outside the vocabulary ends the word
        ("Z", 2 * -2 + 2),  # and is unknown where there is none
        ("ZZab", 2 * (-2 - 2 - 0.5 - 0.25) + 4 * 2),
        ("ac⌫b", 2 * (-0.5 - 0.25) + 2 * 2),  # a backspace takes back what the key was given
        ("aZ⌫b", 2 * (-0.5 - 0.25) + 2 * 2),  # also the end of a word: it is open again
        ("⌫⌫a⌫⌫ab", 2 * (-0.5 - 0.25) + 2 * 2),  # where nothing is to be seen it costs nothing
        ("ab⌫⌫Z", 2 * -2 + 2),
    ],
)
def test_a_language_model_scores_what_is_to_be_seen(text, expected):
    model = abc_model(**{"^a": -0.5, "ab": -0.25})
    assert score_of(text, lm=model, end_of_word=False) == pytest.approx(expected)


def test_an_open_word_pays_for_ending_at_the_end_and_a_closed_one_does_not():
    model = abc_model(**{"^a": -0.5, "a$": -0.75})
    options = {"lm": model, "lm_weight": 1.0, "insertion_bonus": 0.0}
    assert score_of("a", **options) == pytest.approx(-0.5 - 0.75)
    assert score_of("a", **options, end_of_word=False) == pytest.approx(-0.5)
    assert score_of("aZ", **options) == pytest.approx(-0.5 - 0.75)
    assert score_of("a⌫", **options) == pytest.approx(0)


def test_without_backspace_handling_backspace_is_a_key_like_any_other():
    options = {"lm": abc_model(), "lm_weight": 1.0, "insertion_bonus": 0.5, "end_of_word": False}
    assert score_of("a⌫", **options, backspace=False) == pytest.approx(-1 - 1 + 2 * 0.5)
    assert score_of("a⌫", **options) == pytest.approx(0)


def test_a_language_model_changes_what_is_read():
    model = abc_model(**{"^a": -0.1, "ab": -0.1, "bc": -0.1})
    emissions = spoken("axc", rival="b")
    assert BeamDecoder().decode(emissions)[0].text == "axc"
    assert BeamDecoder(lm=model).decode(emissions)[0].text == "abc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann", 0),  # the end takes back what is not whole
        ("anna", 4),
        ("⇧Anna", 4),
        ("annb", 0),
        ("annb⌫a", 4),  # a backspace goes back to where the word was
        ("anna⌫⌫⌫⌫b", 0),
        ("annaz⌫ anna", 8),  # what was taken back comes back
        ("b⌫anna", 4),  # the beginning of the word is there again
        ("⌫⌫anna", 4),
        ("banna", 0),
    ],
)
@pytest.mark.parametrize("end_of_word", [True, False])
def test_hot_words_score_what_is_to_be_seen(text, expected, end_of_word):
    hotwords = {"Anna": 1.0, "annabel": 0.5}
    assert score_of(text, hotwords=hotwords, end_of_word=end_of_word) == pytest.approx(expected)
    plain = {"lm": abc_model(), "end_of_word": end_of_word}
    with_model = score_of(text, **plain, hotwords=hotwords) - score_of(text, **plain)
    assert with_model == pytest.approx(expected)


def test_without_backspace_handling_a_backspace_parts_words():
    options = {"backspace": False, "hotwords": {"anna": 1.0}}
    assert score_of("b⌫anna⌫", **options) == pytest.approx(4)
    assert score_of("annb⌫a", **options) == pytest.approx(0)


def test_a_hot_word_changes_what_is_read_where_it_stands():
    emissions = np.concatenate([spoken("axc ", rival="b"), spoken("xaxc", rival="b")])
    for model in (None, abc_model(**{"^a": -0.1})):
        assert BeamDecoder(lm=model, lm_weight=0.1).decode(emissions)[0].text == "axc xaxc"
        decoder = BeamDecoder(lm=model, lm_weight=0.1, hotwords={"abc": 1.0})
        assert decoder.decode(emissions)[0].text == "abc xaxc"


def test_hot_words_of_no_weight_change_nothing():
    emissions = reference.random_emissions(4, 100, "noisy")
    model = reference.TinyModel(reference.random_model(5))
    expected = BeamDecoder(lm=model).decode(emissions, n_best=50)
    for hotwords in ({}, {"abc": 0, "a b": 0.0}):
        found = BeamDecoder(lm=model, hotwords=hotwords).decode(emissions, n_best=50)
        assert [(each.text, each.score) for each in found] == [(each.text, each.score) for each in expected]


def test_two_keys_may_share_a_word():
    model = abc_model(**{"^a": -0.5, "ab": -0.25})
    model.key_words[text_to_labels("AB")] = model.key_words[text_to_labels("ab")]
    assert score_of("AB", lm=model, end_of_word=False) == score_of("ab", lm=model, end_of_word=False)


def test_what_no_ngram_has_is_all_but_impossible():
    model = reference.TinyModel(
        reference.Arpa({("<s>",): -99.0, ("<unk>",): -np.inf, ("a",): -1.0, ("</s>",): -1.0}, {})
    )
    assert step(model.automaton, 0, 1000) == (-99.0, 0)
    assert end(model.automaton, 0, 1000) == -99.0
    assert score_of("Z", lm=model, lm_weight=1.0, insertion_bonus=0.0) == -1000.0


def test_confidences_are_shares_of_probability():
    emissions = spoken("abc", probability=0.75)
    (found,) = BeamDecoder(labels_per_frame=None).decode(emissions)
    assert found.text == "abc"
    np.testing.assert_allclose(found.confidences, 0.75, atol=0.01)


@pytest.mark.parametrize("temperature", [0.5, 1, 3.0])
def test_a_temperature_tells_how_far_confidences_are_believed(temperature):
    shares = np.array([0.75, 0.25]) ** (1 / temperature)
    labels = [text_to_labels("a")[0], text_to_labels("b")[0]]
    emissions = np.full((1, N_LABELS), -np.inf)
    emissions[0, labels] = np.log([0.75, 0.25])
    found = BeamDecoder(confidence_temperature=temperature).decode(emissions, n_best=2)
    assert [each.confidences[0] for each in found] == pytest.approx(shares / shares.sum())
    assert [each.score for each in found] == pytest.approx(np.log([0.75, 0.25]))


def test_a_reading_that_is_too_improbable_to_tell_has_no_confidence():
    emissions = np.full((2, N_LABELS), -np.inf)
    emissions[0, text_to_labels("ab")] = [0, -2000]
    emissions[1, text_to_labels("c")] = 0
    found = BeamDecoder(confidence_delay=0).decode(emissions, n_best=2)
    assert [(each.text, each.confidences.tolist()) for each in found] == [("ac", [1, 1]), ("bc", [0, 0])]


def test_empty_emissions_give_the_empty_hypothesis():
    (found,) = BeamDecoder(lm=abc_model()).decode(np.zeros((0, N_LABELS)), n_best=5)
    assert found.text == ""
    assert found.score == 0


def test_layout_and_type_of_the_emissions_do_not_matter():
    emissions = reference.random_emissions(1, 40, "noisy").astype(np.float32)
    expected = BeamDecoder().decode(emissions)[0]
    fixed = emissions.copy()
    fixed.flags.writeable = False
    strided = np.repeat(emissions, 2, axis=1)[:, ::2]
    for same in (fixed, np.asfortranarray(emissions), strided, emissions.astype(np.float64), emissions.tolist()):
        assert BeamDecoder().decode(same)[0].score == expected.score


def test_threads_may_share_a_decoder():
    decoder = BeamDecoder(lm=reference.TinyModel(reference.random_model(5)))
    emissions = [reference.random_emissions(seed, 400, "noisy") for seed in range(4)]
    expected = [decoder.decode(each)[0].score for each in emissions]
    found = [0.0] * 4

    def work(i):
        for _ in range(5):
            found[i] = decoder.decode(emissions[i])[0].score

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_a_decoder_can_be_pickled():
    model = SimpleNamespace(**vars(abc_model(ab=-0.1)))
    decoder = BeamDecoder(lm=model, lm_weight=1.5, hotwords={"abc": 0.5})
    twin = pickle.loads(pickle.dumps(decoder))
    emissions = reference.random_emissions(1, 40, "noisy")
    assert twin.decode(emissions)[0].score == decoder.decode(emissions)[0].score


def test_it_is_a_decoder():
    decoder: Decoder = BeamDecoder()
    assert decoder.stream().copy().finish().n_settled == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size=0: expected 1 to 100000"),
        ({"beam_size": 2.5}, "beam_size=2.5: expected 1 to 100000"),
        ({"labels_per_frame": 0}, "labels_per_frame=0: expected 1 to 99"),
        ({"labels_per_frame": 100}, "labels_per_frame=100: expected 1 to 99"),
        ({"lm_weight": -1}, "lm_weight=-1"),
        ({"lm_weight": 1e306}, "lm_weight=1e[+]306: expected a number from 0 to 1000"),
        ({"lm_weight": 10**400}, "lm_weight=10{400}: expected a finite number"),
        ({"insertion_bonus": -1e308}, "insertion_bonus=-1e[+]308: expected a number from -1000 to 1000"),
        ({"beam_size": 10**6}, "beam_size=1000000: expected 1 to 100000"),
        ({"hotwords": "anna"}, "hotwords='anna': expected words"),
        ({"hotwords": 5}, "hotwords=5: expected words"),
        ({"hotwords": [5]}, "hotwords: expected words"),
        ({"hotwords": {5: 1.0}}, "hot word 5: expected text"),
        ({"hotwords": {"anna": 10**400}}, "hot word 'anna' has weight 1000"),
        ({"lm_weight": np.nan}, "lm_weight=nan: expected a finite number"),
        ({"insertion_bonus": np.inf}, "insertion_bonus=inf: expected a finite number"),
        ({"insertion_bonus": "two"}, "insertion_bonus='two': expected a finite number"),
        ({"commit_delay": -1}, "commit_delay=-1"),
        ({"confidence_delay": None}, "confidence_delay=None"),
        ({"confidence_temperature": 0}, "confidence_temperature=0: expected a number above 0"),
        ({"confidence_temperature": -1.0}, "confidence_temperature=-1.0: expected a number above 0"),
        ({"confidence_temperature": np.inf}, "confidence_temperature=inf: expected a finite number"),
        ({"hotwords": {"a⌫": 1}}, "hot word 'a⌫' has a backspace"),
        ({"hotwords": {"anna": -1}}, "hot word 'anna' has weight -1: expected a number from 0 to 100"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        BeamDecoder(**options)


@pytest.mark.parametrize("n_best", [0, -1, None, 1.5])
def test_an_impossible_number_of_hypotheses_is_refused(n_best):
    with pytest.raises(InputError, match="n_best"):
        BeamDecoder().decode(np.zeros((0, N_LABELS)), n_best=n_best)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"begin": 99}, "begins in state 99 of"),
        ({"end_word": -1}, "ends words with -1"),
        ({"key_words": np.zeros(5, np.int32)}, "words for 5 keys; there are 98"),
        ({"automaton": Automaton(*(np.zeros(3) for _ in Automaton._fields))}, r"lengths \[3, 3, 3, 3, 3, 3\]"),
        ({"automaton": Automaton(*(np.zeros((2, 2)) for _ in Automaton._fields))}, r"child_start .* shape \(2, 2\)"),
        ({"automaton": Automaton(np.zeros(2), *(np.zeros(1) for _ in range(5)))}, "do not share out"),
    ],
)
def test_language_models_that_do_not_hang_together_are_refused(change, message):
    model = SimpleNamespace(**(vars(abc_model()) | change))
    with pytest.raises(InputError, match=message):
        BeamDecoder(lm=model)


@pytest.mark.parametrize(
    ("emissions", "message"),
    [
        (np.full((4, 98), -np.log(98)), r"shape \(4, 98\)"),
        (np.full((3, 99), np.nan), "frame 0 has a value that is NaN or above 0"),
        (np.vstack([uniform(2), np.full((1, 99), 3.0)]), "frame 2 has a value"),
        (np.vstack([uniform(9000), np.full((1, 99), -5.5)]), "the probabilities of frame 9000 sum to 0.405"),
        (np.zeros((1, 99)), "the probabilities of frame 0 sum to 99"),
        (np.full((1, 99), -np.inf), "sum to 0"),
        (np.zeros((1, 99), np.int64), "type int64; expected floating-point"),
    ],
)
def test_what_are_no_log_probabilities_is_refused(emissions, message):
    for decode in (BeamDecoder().decode, BeamDecoder().stream().push, GreedyDecoder().decode):
        with pytest.raises(InputError, match=message):
            decode(emissions)


def test_where_nothing_can_be_written_the_search_is_compiled_every_time(monkeypatch):
    asked = []

    def njit(**options):
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(beam_compiling, "njit", njit)
    assert beam_compiling.entry(abs) is abs
    assert [options.get("cache", False) for options in asked] == [True, False]


def test_a_numba_without_the_options_that_save_time_will_do(monkeypatch):
    def njit(**options):
        if set(options) - {"cache", "nogil"}:
            raise KeyError("Unrecognized options")
        return lambda function: function

    monkeypatch.setattr(beam_compiling, "njit", njit)
    assert beam_compiling.compiled(abs) is abs
    assert beam_compiling.entry(abs) is abs


def test_whether_the_search_is_compiled_can_be_told_without_compiling(monkeypatch, tmp_path):
    BeamDecoder().decode(uniform(1))
    assert beam_kernels.is_compiled()

    def found(**there):
        monkeypatch.setattr(beam_kernels, "advance", SimpleNamespace(**there))
        return beam_kernels.is_compiled()

    kept = SimpleNamespace(cache_path=str(tmp_path))
    assert not found(overloads={}, stats=kept)
    index = tmp_path / f"beam_kernels._advance.locals.advance-1.py{sys.version_info.major}{sys.version_info.minor}.nbi"
    index.touch()
    assert found(overloads={}, stats=kept)
    os.utime(index, (0, 0))
    assert not found(overloads={}, stats=kept)  # of sources that are no more
    assert not found(overloads={}, stats=SimpleNamespace(cache_path=None))  # there is no place to keep it
    assert found()  # nothing is ever compiled


def test_the_version_of_the_sources_changes_with_any_of_them():
    assert beam_compiling.version("beam_frame.py") != beam_compiling.version("beam_frame.py", "beam_nodes.py")
    assert beam_compiling.version("no_such_file.py") == 0
