"""Decoders by name: whose weights they get, and what they refuse."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import myotype
from myotype.decoding import BeamDecoder, GreedyDecoder, NGram
from myotype.decoding.bundled import bundled_lm
from myotype.decoding.choosing import ENGLISH, named_decoder, why_not_tuned
from myotype.decoding.defaults import DecoderDefaults, lm_digest
from myotype.errors import InputError, LanguageModelError


@pytest.fixture(scope="module")
def lm():
    return NGram.estimate(["the cat sat on the mat"] * 3, 3)


def defaults_for(lm, name="mine.npz"):
    return DecoderDefaults(
        lm=name, lm_sha256=lm_digest(lm), lm_weight=0.75, insertion_bonus=-1.0, beam_size=30, cer_before=0.1,
        cer_after=0.09, cer_greedy=0.2, keys=5000, recordings=4, simulated=True,
    )  # fmt: skip


def weights(decoder):
    return decoder.lm_weight, decoder.insertion_bonus, decoder.beam_size


def test_the_bundled_language_model_and_others_have_weights_of_their_own(lm):
    assert weights(named_decoder("beam", ENGLISH, 125)) == (1.5, 2.0, 50)
    assert weights(named_decoder("beam", lm, 125)) == (2.0, 2.0, 50)
    assert named_decoder("beam", ENGLISH, 125).lm is bundled_lm()
    bundled = bundled_lm()
    for same in (bundled, Path(myotype.__file__).parent / "assets" / "lm" / "english.npz"):
        assert weights(named_decoder("beam", same, 125)) == (1.5, 2.0, 50), "it is what it is, whatever it is called"
    assert named_decoder("beam", None, 125).lm is None
    assert isinstance(named_decoder("greedy", ENGLISH, 125), GreedyDecoder)


@pytest.mark.parametrize("name", ["lm.npz", "lm.arpa"])
def test_what_a_model_was_tuned_to_holds_for_that_language_model_in_any_form(lm, tmp_path, name):
    (lm.save if name.endswith(".npz") else lm.save_arpa)(tmp_path / name)
    for same in (lm, tmp_path / name):
        assert weights(named_decoder("beam", same, 125, defaults=defaults_for(lm))) == (0.75, -1.0, 30)


def test_what_a_model_was_tuned_to_holds_for_no_other_language_model_of_that_name(lm):
    other = NGram.estimate(["the cat sat on the hat"] * 3, 3)
    assert weights(named_decoder("beam", other, 125, defaults=defaults_for(lm))) == (2.0, 2.0, 50)
    assert weights(named_decoder("beam", ENGLISH, 125, defaults=defaults_for(lm, ENGLISH))) == (1.5, 2.0, 50)
    assert weights(named_decoder("beam", None, 125, defaults=defaults_for(lm))) == (2.0, 2.0, 50)


def test_why_tuned_weights_do_not_count_is_told(lm):
    assert "tuned with the language model mine.npz, and this is another" in why_not_tuned(
        defaults_for(lm), bundled_lm()
    )
    assert why_not_tuned(defaults_for(lm), lm) == why_not_tuned(None, lm) == why_not_tuned(defaults_for(lm), None) == ""


def test_weights_that_are_given_take_the_place_of_others(lm):
    assert weights(named_decoder("beam", lm, 125, lm_weight=0.0, beam_size=7)) == (0.0, 2.0, 7)
    assert weights(named_decoder("beam", lm, 125, insertion_bonus=0.5, defaults=defaults_for(lm))) == (0.75, 0.5, 30)
    with pytest.raises(InputError, match="beam_size=0"):
        named_decoder("beam", lm, 125, beam_size=0)


@pytest.mark.parametrize("options", [{"lm_weight": 1.0}, {"insertion_bonus": 0.0}, {"beam_size": 5}])
def test_greedy_decoding_refuses_what_is_of_the_beam_search(lm, options):
    with pytest.raises(InputError, match="weights and beam sizes are those of the beam search"):
        named_decoder("greedy", None, 125, **options)
    for other in (lm, "nowhere.arpa"):
        with pytest.raises(InputError, match="a language model needs the beam search"):
            named_decoder("greedy", other, 125)


def test_a_key_is_committed_after_two_seconds_and_its_confidence_taken_after_one():
    for frame_rate in (62.5, 125):
        decoder = named_decoder("beam", None, frame_rate)
        assert (decoder.commit_delay, decoder.confidence_delay) == (2 * frame_rate, round(frame_rate))


def test_language_models_that_differ_anywhere_have_other_digests(lm):
    digests = {lm_digest(lm)}
    for name, array in lm.automaton._asdict().items():
        changed = array.copy()
        changed[-1] += 1
        automaton = lm.automaton._replace(**{name: changed})
        digests.add(lm_digest(NGram(automaton, lm.counts, lm.words)))
    renamed = tuple({"c": "b"}.get(word, word) for word in lm.words)
    digests.add(lm_digest(NGram(lm.automaton, lm.counts, renamed)))
    assert len(digests) == 8
    assert lm_digest(NGram(lm.automaton, lm.counts, lm.words)) in digests


def test_hot_words_come_from_a_mapping_or_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("# names\nzbigniew\t3\n")
    for given in ({"zbigniew": 3.0}, tmp_path / "names.txt", str(tmp_path / "names.txt")):
        assert named_decoder("beam", None, 125, hotwords=given).hotwords == {"zbigniew": 3.0}
    assert named_decoder("beam", None, 125).hotwords == {}


def test_greedy_decoding_refuses_hot_words():
    with pytest.raises(InputError, match="hot words need the beam search"):
        named_decoder("greedy", None, 125, hotwords={"zbigniew": 3.0})


def test_names_that_stand_for_nothing_are_refused():
    with pytest.raises(InputError, match="decoder 'psychic' is not known; there are: greedy, beam"):
        named_decoder("psychic", None, 125)
    with pytest.raises(LanguageModelError, match="nowhere"):
        named_decoder("beam", "nowhere", 125)


def test_what_was_tuned_is_taken_back_from_json_as_it_was_given(lm):
    defaults = defaults_for(lm)
    assert DecoderDefaults.from_json(dataclasses.asdict(defaults), "here") == defaults


def test_a_decoder_with_tuned_weights_searches_with_them(lm):
    emissions = np.log(np.random.default_rng(3).dirichlet(np.full(99, 0.1), 40))
    found = named_decoder("beam", lm, 125, defaults=defaults_for(lm)).decode(emissions)
    expected = BeamDecoder(30, lm=lm, lm_weight=0.75, insertion_bonus=-1.0).decode(emissions)
    assert (found[0].text, found[0].score) == (expected[0].text, expected[0].score)
