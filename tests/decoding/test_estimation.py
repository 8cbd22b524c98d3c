"""Estimated language models against Chen and Goodman's formulas written out over dictionaries, and against IRSTLM."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.decoding import building, counting
from myotype.decoding.automaton import step
from myotype.decoding.estimation import FALLBACK_DISCOUNTS, estimate
from myotype.decoding.ngram import NGram
from myotype.errors import InputError, OutputError

LINES = ["the cat sat on the mat", "the dog sat", "a cat and a dog", "that hat", "hat", "a", "", "  ", "don't!"]


def tokens_of(lines, vocabulary=None):
    """Cut lines into sequences of key names between <s> and </s>."""
    sequences = []
    for line in lines:
        words = [[]]
        for character in line:
            if vocabulary is None or character in vocabulary:
                words[-1].append("Key.space" if character == " " else character)
            else:
                words.append([])
        sequences += [("<s>", *word, "</s>") for word in words if word]
    return sequences


class KneserNey:
    """Interpolated modified Kneser-Ney smoothing as the report writes it, one n-gram at a time."""

    def __init__(self, sequences, order, words, min_counts=()):
        self.order = order
        self.words = words  # all that can be predicted, <unk> and </s> included
        self.raw = {
            k: Counter(s[i : i + k] for s in sequences for i in range(len(s) - k + 1)) for k in range(1, order + 2)
        }
        least = [*min_counts, *[min_counts[-1] if min_counts else 1] * order]
        self.kept = {g for k in range(1, order + 1) for g, n in self.raw[k].items() if k == 1 or n >= least[k - 1]}
        self.counts = {}
        for k in range(1, order + 1):
            for gram, n in self.raw[k].items():
                before = {longer[0] for longer in self.raw[k + 1] if longer[1:] == gram}
                self.counts[gram] = n if k == order or gram[0] == "<s>" else len(before)
        self.counts.pop(("<s>",))
        self.discounts = {k: self._discounts(k) for k in range(1, order + 1)}

    def _discounts(self, k):
        n = Counter(count for gram, count in self.counts.items() if len(gram) == k)
        if n[1] and n[2] and n[3]:
            y = n[1] / (n[1] + 2 * n[2])
            found = (1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3])
            if all(0 < d <= i for i, d in enumerate(found, start=1)):
                return found
        return FALLBACK_DISCOUNTS

    def probability(self, word, context=()):
        """Give P(word | context) and the weight of what backs it."""
        followers = {g[-1]: c for g, c in self.counts.items() if g[:-1] == context}
        lower = 1 / len(self.words) if not context else self.probability(word, context[1:])[0]
        if not followers:
            return lower, 1.0
        total = sum(followers.values())
        own, mass = 0.0, 0.0
        for follower, count in followers.items():
            discount = self.discounts[len(context) + 1][min(count, 3) - 1]
            if (*context, follower) not in self.kept:
                discount = count
            mass += discount
            if follower == word:
                own = count - discount
        return own / total + mass / total * lower, mass / total


class WittenBell:
    """Interpolated Witten-Bell smoothing as the report writes it, one n-gram at a time."""

    def __init__(self, sequences, order, words, novelty, min_counts=()):
        self.words = words
        self.novelty = novelty
        self.counts = Counter(
            s[i : i + k] for s in sequences for k in range(1, order + 1) for i in range(len(s) - k + 1)
        )
        least = [*min_counts, *[min_counts[-1] if min_counts else 1] * order]
        self.kept = {gram for gram, n in self.counts.items() if len(gram) == 1 or n >= least[len(gram) - 1]}
        del self.counts["<s>",]

    def probability(self, word, context=()):
        """Give P(word | context) and the weight of what backs it."""
        followers = {g[-1]: c for g, c in self.counts.items() if g[:-1] == context}
        lower = 1 / len(self.words) if not context else self.probability(word, context[1:])[0]
        if not followers:
            return lower, 1.0
        total, unseen = sum(followers.values()), self.novelty * len(followers)
        shares = {w: c / (total + unseen) for w, c in followers.items() if (*context, w) in self.kept}
        weight = 1 - sum(shares.values())
        return shares.get(word, 0.0) + weight * lower, weight


def read_arpa_text(path):
    """Give the n-grams of an ARPA file: words to log10 probability and log10 back-off weight."""
    ngrams = {}
    order = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\\(\d+)-grams:", line):
            order = int(match[1])
        elif order and line and not line.startswith("\\"):
            fields = line.split("\t")
            ngrams[tuple(fields[1].split(" "))] = (float(fields[0]), float(fields[2]) if len(fields) > 2 else 0.0)
    return ngrams


def largest_deviation_from_one(model):
    """Over all states: how far the probabilities of all words but <s> are from adding up to one."""
    words = [i for i, word in enumerate(model.words) if word != "<s>"]
    return max(
        abs(sum(10 ** step(model.automaton, state, word)[0] for word in words) - 1)
        for state in range(len(model.automaton.backoff))
    )


def compare(lines, order, tmp_path, vocabulary=None, min_counts=(), novelty=None):
    exact = []
    method = {} if novelty is None else {"smoothing": "witten-bell", "novelty": novelty}
    found = estimate(lines, order, **method, vocabulary=vocabulary, min_counts=min_counts, exact=exact)
    model = NGram(*found)
    model.save_arpa(tmp_path / "model.arpa")
    ngrams = read_arpa_text(tmp_path / "model.arpa")
    sequences, words = tokens_of(lines, vocabulary), [word for word in model.words if word != "<s>"]
    if novelty is None:
        expected = KneserNey(sequences, order, words, min_counts)
    else:
        expected = WittenBell(sequences, order, words, novelty, min_counts)
    at_least_kept = {gram for gram in expected.kept if len(gram) <= order}
    assert set(ngrams) == at_least_kept | {(word,) for word in model.words}
    exact = np.concatenate(exact)
    for i, (gram, (log10, backoff)) in enumerate(ngrams.items()):
        if gram == ("<s>",):
            assert log10 == -99
        else:
            probability, _ = expected.probability(gram[-1], gram[:-1])
            assert 10**log10 == pytest.approx(probability, rel=1e-6), gram
            if not min_counts:  # else those that were dropped stand between
                assert exact[i] == pytest.approx(probability, rel=1e-9), gram
        if len(gram) < order:
            assert 10**backoff == pytest.approx(expected.probability("<unk>", gram)[1], rel=1e-6), gram
    assert largest_deviation_from_one(model) < 1e-6
    return model


@pytest.mark.parametrize("order", range(1, 9))
def test_probabilities_are_those_of_the_formulas(order, tmp_path):
    model = compare(LINES, order, tmp_path)
    assert model.order == order


def test_an_order_of_two_numbers_a_window_is_counted_alike(tmp_path):
    model = compare(["abcabcabcabcabcabcab", "bcabcabcabca"], 12, tmp_path)
    assert model.order == 12


def test_the_order_ends_where_no_line_is_longer(tmp_path):
    assert compare(["ab", "b"], 7, tmp_path).order == 4


@given(
    lines=st.lists(st.text("abc d", max_size=9), min_size=1, max_size=12).filter(any),
    order=st.integers(1, 5),
    min_counts=st.sampled_from([(), (), (1, 1, 2), (2,), (1, 2, 2, 3)]),
    novelty=st.sampled_from([None, None, 0.3, 1.0, 4.0]),
)
@settings(max_examples=60, deadline=None)
def test_random_texts_are_estimated_by_the_formulas(lines, order, min_counts, novelty, tmp_path_factory):
    compare(lines, order, tmp_path_factory.getbasetemp(), min_counts=min_counts[:order], novelty=novelty)


@pytest.mark.parametrize("order", [1, 2, 5, 8])
def test_witten_bell_probabilities_are_those_of_the_formulas(order, tmp_path):
    compare(LINES, order, tmp_path, novelty=1.0)
    compare(LINES, order, tmp_path, novelty=3.0, vocabulary="acehtz ")


def test_more_novelty_expects_more_of_what_was_never_met():
    little, much = (NGram.estimate(LINES, 4, smoothing="witten-bell", novelty=n, vocabulary="tz") for n in (0.5, 5.0))
    assert much.score("tz")[-1] > little.score("tz")[-1]


def test_novelty_is_nothing_to_kneser_ney():
    plain, other = NGram.estimate(LINES, 4), NGram.estimate(LINES, 4, novelty=7.0)
    np.testing.assert_array_equal(plain.automaton.child_log10, other.automaton.child_log10)


def test_a_witten_bell_model_bears_pruning_better_than_a_kneser_ney_model():
    text, other = zipf_text(1000, 1), zipf_text(100, 1)
    kneser_ney = NGram.estimate(text, 6)
    witten_bell = NGram.estimate(text, 6, smoothing="witten-bell")
    assert perplexity(kneser_ney, other) < 0.9 * perplexity(witten_bell, other)
    kneser_ney, witten_bell = kneser_ney.prune(2e-5), witten_bell.prune(7e-5)
    assert witten_bell.n_ngrams < kneser_ney.n_ngrams
    assert perplexity(witten_bell, other) < 0.9 * perplexity(kneser_ney, other)


def test_keys_outside_the_vocabulary_end_words(tmp_path):
    model = compare(["the cat, the hat", "1 act"], 3, tmp_path, vocabulary="acehtz")
    assert model.words == ("<unk>", "<s>", "</s>", *"acehtz")


def test_a_key_of_the_vocabulary_that_never_occurs_gets_what_an_unknown_word_gets(tmp_path):
    compare(["aab", "ba"], 2, tmp_path, vocabulary="abz")
    model = NGram.estimate(["aab", "ba"], 2, vocabulary="abz")
    log10 = dict(zip(model.words, model.automaton.child_log10, strict=False))
    assert log10["z"] == log10["<unk>"] == pytest.approx(model.unk_log10)


def test_discounts_follow_the_counts_of_counts():
    random.seed(5)
    lines = ["".join(random.choices("abcdefghij", [2.0**-i for i in range(10)], k=30)) for _ in range(60)]
    expected = KneserNey(tokens_of(lines), 4, [*"abcdefghij", "<unk>", "</s>"])
    assert expected.discounts[4] != FALLBACK_DISCOUNTS
    model = NGram.estimate(lines, 4)
    for text in lines[:3]:
        context = ("<s>",)
        for key, log10 in zip(text, model.score(text), strict=True):
            assert 10**log10 == pytest.approx(expected.probability(key, context[-3:])[0], rel=1e-6)
            context += (key,)


def test_lines_are_folded_and_their_ends_are_no_keys():
    folded = NGram.estimate(["café\r\n", "‘x’\n"], 3)
    plain = NGram.estimate(["cafe", "'x'"], 3)
    assert folded.words == plain.words
    for one, other in zip(folded.automaton, plain.automaton, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_zero_character_does_not_end_a_line():
    assert NGram.estimate(["a\0b"], 3).counts == NGram.estimate(["ab"], 3).counts


def test_pieces_and_files_of_any_size_give_the_same_model(monkeypatch):
    random.seed(8)
    lines = ["".join(random.choices("abcd e", k=random.randrange(60))) for _ in range(300)]
    whole = NGram.estimate(lines, 5)
    in_files = []
    in_file = building._in_file

    def noted(*array):
        in_files.append(array)
        return in_file(*array)

    monkeypatch.setattr(building, "_in_file", noted)
    monkeypatch.setattr(counting, "_BATCH", 50)
    monkeypatch.setattr(counting.CountedNGrams.__init__, "__defaults__", (64,))
    pieces = NGram.estimate(lines, 5, memory=10_000)
    assert in_files
    assert pieces.counts == whole.counts
    for one, other in zip(pieces.automaton, whole.automaton, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_room_for_temporary_files_is_an_error(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="No space left on device"):
        NGram.estimate(LINES, 4, memory=100)


def test_progress_tells_what_is_being_done():
    told = []
    NGram.estimate(LINES, 3, progress=lambda *report: told.append(report))
    stages = [what for what, _, _ in told]
    assert list(dict.fromkeys(stages)) == ["reading", "counting", "smoothing", "linking"]
    assert told[0][1] == 0 or told[0][1] > 50
    assert all(0 <= done <= (whole or done) for _, done, whole in told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lines": [], "order": 3}, "no text"),
        ({"lines": ["€"], "order": 3}, "no text"),
        ({"lines": ["ABC"], "order": 3, "vocabulary": "abc"}, "no text"),
        ({"lines": ["abc"], "order": 3, "vocabulary": "€"}, "none of the 98 keys"),
        ({"lines": ["abc"], "order": 0}, "order 0"),
        ({"lines": ["abc"], "order": 33}, "order 33"),
        ({"lines": "abc", "order": 3}, "lines, not one text"),
        ({"lines": ["abc"], "order": 3, "min_counts": (2, 1)}, "none below the one before"),
        ({"lines": ["abc"], "order": 2, "min_counts": (1, 1, 1)}, "at most 2 numbers"),
        ({"lines": ["abc"], "order": 2, "min_counts": (-1,)}, "min_counts"),
        ({"lines": ["abc"], "order": 2, "smoothing": "laplace"}, "there are: kneser-ney, witten-bell"),
        ({"lines": ["abc"], "order": 2, "smoothing": "witten-bell", "novelty": 0}, "novelty 0"),
        ({"lines": ["abc"], "order": 2, "smoothing": "witten-bell", "novelty": float("nan")}, "novelty nan"),
        ({"lines": ["abc"], "order": 2, "smoothing": "witten-bell", "novelty": 1e308}, "novelty 1e\\+308"),
        ({"lines": ["abc"], "order": 2, "smoothing": "witten-bell", "novelty": 1e-320}, "novelty 1e-320"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        NGram.estimate(**arguments)


def zipf_text(n_lines, seed):
    """Make lines of words, the rarer the longer the list; 28 rare keys occur after 1 to 4 different ones.

    Without these keys the counts of counts of single keys give no discounts, and IRSTLM gives up; where those of an
    order do not fall, it takes other discounts than the report's.
    """
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = [0.8**i for i in range(len(letters))]
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices(letters, weights, k=rng.randint(1, 8))) for _ in range(20_000)]
    weights = [1 / (i + 20) for i in range(len(vocabulary))]
    rng = random.Random(seed + n_lines)
    lines = [" ".join(rng.choices(vocabulary, weights, k=rng.randint(3, 10))) for _ in range(n_lines)]
    before = iter("".join("etao"[:n] * many for n, many in ((1, 12), (2, 8), (3, 5), (4, 3))))
    rare = "".join(
        key * n for key, n in zip("#$%&()*+/:;<=>?@[]^_{|}~0123", 12 * [1] + 8 * [2] + 5 * [3] + 3 * [4], strict=True)
    )
    for i, (key, letter) in enumerate(zip(rare, before, strict=True)):
        lines[i] += f"e{letter}{key}"
    return lines


IRSTLM_PERPLEXITY = {3: 10.58396526, 6: 6.646875074}
"""What IRSTLM 6.00.05 (``tlm -lm=ImprovedKneserNey -ps=no``) gives the second text after reading the first."""


def perplexity(model, lines):
    return 10 ** -np.concatenate([model.score(line, end=True) for line in lines]).mean()


@pytest.mark.parametrize("order", IRSTLM_PERPLEXITY)
def test_the_perplexity_is_that_which_irstlm_found(order):
    model = NGram.estimate(zipf_text(3000, 1), order)
    assert perplexity(model, zipf_text(500, 1)) == pytest.approx(IRSTLM_PERPLEXITY[order], rel=0.001)


@pytest.mark.parametrize("order", IRSTLM_PERPLEXITY)
def test_irstlm_agrees_where_it_is_installed(order, tmp_path):
    """Against IRSTLM itself: set IRSTLM to its folder, as its own scripts ask."""
    tool = shutil.which("tlm", path=f"{os.environ.get('IRSTLM', '/usr/lib/irstlm')}/bin")
    if tool is None:
        pytest.skip("IRSTLM is not installed, or IRSTLM does not name its folder")
    texts = {"train": zipf_text(3000, 1), "test": zipf_text(500, 1)}
    for name, lines in texts.items():
        Path(tmp_path, name).write_text("".join(" ".join(tokens) + "\n" for tokens in tokens_of(lines)))
    command = [tool, "-tr=train", f"-n={order}", "-lm=ImprovedKneserNey", "-ps=no", "-oarpa=model.arpa", "-te=test"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    theirs = float(re.search(r"PP=([\d.]+)", done.stdout + done.stderr)[1])
    assert theirs == pytest.approx(IRSTLM_PERPLEXITY[order], rel=1e-6)
    assert perplexity(NGram.load(tmp_path / "model.arpa"), texts["test"]) == pytest.approx(theirs, rel=1e-4)
    assert perplexity(NGram.estimate(texts["train"], order), texts["test"]) == pytest.approx(theirs, rel=0.001)
