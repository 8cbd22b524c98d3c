"""The language model that comes with myotype."""

from __future__ import annotations

import mmap
import re
import subprocess
import sys
from importlib import resources
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from myotype.decoding.automaton import end, step
from myotype.decoding.bundled import bundled_lm
from myotype.decoding.ngram import NGram
from myotype.keyboard import BACKSPACE, KEYS, text_to_labels
from myotype.simulation.text import Sentences, TextStyle, split_of

ROOT = Path(__file__).resolve().parents[2]
REUTERS = ROOT.parent / "shared" / "golden" / "reuters-3-gram-char-lm.arpa"
FOLDER = resources.files("myotype") / "assets" / "lm"


def state_after(model, text):
    """Give the state that a text leads to from the begin."""
    state = model.begin
    for label in text_to_labels(text):
        _, state = step(model.automaton, state, int(model.key_words[label]))
    return state


def bits_per_key(model, prompts):
    scores = np.concatenate([model.score(prompt) for prompt in prompts])
    return -scores.mean() / np.log10(2)


@pytest.fixture(scope="module")
def unseen():
    """Give prompts that the model is not made from: their splits are apart."""
    style = TextStyle(capitals=0.002, digits=0.002, symbols=0.02)
    prompts = list(islice(Sentences(11, "test", style), 400))
    assert split_of("the same words are never in two splits") == "train"
    return [prompt + "⏎" for prompt in prompts]


def test_it_opens_once_and_is_shared():
    assert bundled_lm() is bundled_lm()
    assert isinstance(bundled_lm(), NGram)


def test_its_file_stays_small_and_its_licence_stands_beside_it():
    assert len((FOLDER / "english.npz").read_bytes()) <= 4_000_000
    licence = (FOLDER / "LICENSE.txt").read_text(encoding="utf-8")
    for source in ("symspellpy", "Google Books Ngram", "Creative Commons Attribution 3.0", "SCOWL", "Kevin Atkinson"):
        assert source in licence


def test_every_key_but_backspace_is_a_word_of_it():
    model = bundled_lm()
    assert {key for key, word in zip(KEYS, model.key_words, strict=True) if word < 0} == {BACKSPACE}
    assert set(model.words) == {*KEYS, "<s>", "</s>", "<unk>"} - {BACKSPACE}


def test_it_looks_back_over_more_than_a_word():
    assert bundled_lm().order >= 8


def test_it_says_nothing_of_the_machine_that_made_it():
    content = (FOLDER / "english.npz").read_bytes()
    assert not re.search(rb"/(home|root|work|tmp|usr)/", content)
    assert b"\x00\x00!\x00" in content  # dated 1980, as every file is that is to have the same bytes


@pytest.mark.parametrize("context", ["", "t", "the ", "see you tomorrow⏎", "don'", "zqx", "I ⇧", "a@b", "what is th"])
def test_the_probabilities_after_a_context_sum_to_one(context):
    model = bundled_lm()
    state = state_after(model, context)
    words = [int(word) for word in model.key_words if word >= 0] + [model.words.index("<unk>")]
    total = sum(10.0 ** step(model.automaton, state, word)[0] for word in words)
    total += 10.0 ** end(model.automaton, state, model.end_word)
    assert total == pytest.approx(1.0, abs=2e-5)


def test_it_expects_english_across_words():
    model = bundled_lm()
    for likely, unlikely in [
        ("thank you", "thank yak"),
        ("i don't know", "i don't knwo"),
        ("what is this?⏎", "what is this?,"),
        ("there are two⏎the", "there are two⏎ th"),
        ("as soon as", "as soon sa"),
    ]:
        assert model.score(likely).sum() > model.score(unlikely).sum(), likely


@pytest.mark.parametrize("word", ["female", "japanese", "movies", "metamorphosis"])
def test_it_knows_words_that_no_prompt_shows(word):
    table = np.load(FOLDER.parent / "text" / "words.npz", allow_pickle=False)
    assert word not in table["words"].tobytes().decode("ascii").split("\n")
    assert bundled_lm().score(f"the {word} ")[4:].sum() > -8.5


def test_no_key_is_out_of_the_question():
    model = bundled_lm()
    for key in "QZ7~`|^{}⇧":
        assert model.score("some word" + key)[-1] > -7


def test_a_rare_mark_does_not_make_it_lose_the_line():
    plain = bundled_lm().score("the other people of the world")
    marked = bundled_lm().score("the other #people of the world")
    assert marked[-6:].sum() == pytest.approx(plain[-6:].sum(), abs=0.5)


def test_it_expects_unseen_prompts_better_than_a_model_of_letter_triples(unseen):
    ours = bits_per_key(bundled_lm(), unseen)
    assert ours < 2.1
    if not REUTERS.exists():
        pytest.skip(f"the reference model is not at hand: {REUTERS} (only our own figure was tested)")
    assert ours < bits_per_key(NGram.load(REUTERS), unseen) - 1.0


def test_opening_it_makes_none_of_its_text_again():
    code = (
        "import sys; from myotype.decoding.bundled import bundled_lm; bundled_lm();"
        "assert not {'myotype.simulation', 'torch', 'symspellpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_it_is_mapped_into_memory_and_not_read():
    array = bundled_lm().automaton.child_word
    while isinstance(array, np.ndarray):
        array = array.base
    assert isinstance(array, mmap.mmap)


@pytest.mark.slow
def test_the_script_makes_the_same_bytes_every_time(tmp_path):
    made = []
    for name in ("once.npz", "twice.npz"):
        file = tmp_path / name
        command = [sys.executable, str(ROOT / "scripts" / "build_lm"), "--millions", "0.05", "--output", str(file)]
        subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
        made.append(file.read_bytes())
    assert made[0] == made[1]
    assert set(NGram.load(file).words) == set(bundled_lm().words)
