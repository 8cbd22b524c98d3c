"""Prompts are drawn from word frequencies, reproducibly, in splits that share nothing."""

from __future__ import annotations

import re
import string
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from myotype.errors import InputError
from myotype.keyboard import fold
from myotype.simulation import Sentences, TextStyle, split_of

PLAIN = TextStyle(capitals=0.0, digits=0.0, symbols=0.0, full_stop=0.0, question=0.0, comma=0.0, contraction=0.0)


def prompts(n, seed=0, split="train", style=None):
    return list(islice(Sentences(seed, split, style), n))


def words(prompt):
    return "".join(c if c in string.ascii_lowercase else " " for c in prompt.lower()).split()


def test_the_same_seed_gives_the_same_prompts_and_another_seed_gives_others():
    assert prompts(50, seed=3) == prompts(50, seed=3)
    assert not set(prompts(50, seed=3)) & set(prompts(50, seed=4))


def test_no_prompt_of_one_split_is_in_another_whatever_the_seeds():
    train = {tuple(words(p)) for seed in range(4) for p in prompts(400, seed, "train")}
    validation = {tuple(words(p)) for seed in range(4) for p in prompts(100, seed, "validation")}
    test = {tuple(words(p)) for seed in range(4) for p in prompts(100, seed, "test")}
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_a_prompt_tells_its_split_by_its_words_alone():
    for prompt in prompts(50, split="test"):
        assert split_of(prompt) == split_of(prompt.upper() + " 42!") == "test"


def test_prompts_are_already_folded():
    for prompt in prompts(300, style=TextStyle(symbols=1.0, digits=0.1)):
        assert fold(prompt) == prompt


def test_capitals_and_digits_come_at_the_rates_asked_for():
    text = "\n".join(prompts(3000))
    assert sum(c.isupper() for c in text) / len(text) == pytest.approx(0.01, rel=0.3)
    assert sum(c.isdigit() for c in text) / len(text) == pytest.approx(0.01, rel=0.3)
    richer = "\n".join(prompts(1000, style=TextStyle(capitals=0.04)))
    assert sum(c.isupper() for c in richer) / len(richer) == pytest.approx(0.04, rel=0.3)


def test_every_printable_key_can_occur():
    text = "".join(prompts(4000, style=TextStyle(symbols=1.0, capitals=0.1, digits=0.05)))
    assert set(text) == set(string.ascii_letters + string.digits + string.punctuation + " ")


def test_a_plain_style_gives_lower_case_words_only():
    text = " ".join(prompts(500, style=PLAIN))
    assert set(text) <= set(string.ascii_lowercase + " ")


def test_contractions_have_their_apostrophe():
    joined = " ".join(prompts(2000))
    assert "don't" in joined
    assert "it's" in joined


def test_prompts_have_three_to_twelve_words_and_a_few_more_where_the_last_would_dangle():
    lengths = [len(p.split()) for p in prompts(500, style=PLAIN)]
    assert min(lengths) == 3
    assert 12 <= max(lengths) <= 18


def test_frequent_letters_are_frequent():
    text = "".join(prompts(2000)).lower()
    order = sorted(set(text), key=text.count, reverse=True)
    assert order[:2] == [" ", "e"]
    assert set(order[2:9]) == set("taoinrs")
    assert min(text.count(letter) for letter in "jqxz") > len(text) / 5000


def test_a_split_that_does_not_exist_is_refused_by_name():
    with pytest.raises(InputError, match=r"'dev'.*train, validation, test"):
        Sentences(0, "dev")


def test_the_table_is_what_the_script_builds_from_its_source():
    pytest.importorskip("symspellpy", reason="the source of the table, symspellpy, is not installed")
    script = Path(__file__).parents[2] / "scripts" / "build_text"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prompts_put_nothing_indecent_together():
    words = r"teen girl boys?\b kids?\b child sex nude naked porn webcam adult women lesb strip(per|s)?\b kill drugs?\b"
    unwanted = re.compile("|".join(rf"\b{word}" for word in words.split()), re.IGNORECASE)
    for split in ("train", "validation", "test"):
        for prompt in islice(Sentences(7, split), 3000):
            assert not unwanted.search(prompt), prompt


def test_scrambled_prompts_keep_their_letters_but_not_their_words():
    plain = islice(Sentences(3, "train", TextStyle(symbols=0, digits=0, capitals=0)), 200)
    words = {word.strip(",.?") for prompt in plain for word in prompt.split()}
    style = TextStyle(symbols=0, digits=0, capitals=0, scrambled=1.0)
    scrambled = [word.strip(",.?") for p in islice(Sentences(3, "train", style), 200) for word in p.split()]
    assert sum(word in words for word in scrambled if len(word) > 3) < 0.05 * len(scrambled)
    letters = "".join(scrambled)
    assert letters.count("e") > 4 * letters.count("w"), "the letters are those of English"
