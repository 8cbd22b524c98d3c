"""N-gram models: scores against the reference's, the packed form, pruning."""

from __future__ import annotations

import io
import json
import math
import random
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.decoding.automaton import Automaton, step
from myotype.decoding.ngram import MISSING_UNK_LOG10, NGram
from myotype.decoding.ngram_kernels import PROBLEMS
from myotype.errors import InputError, LanguageModelError, OutputError
from myotype.keyboard import KEYS, text_to_labels


def text_of(n_lines, seed=3):
    """Make lines in which what comes next depends on what came before."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdef", [6, 5, 4, 3, 2, 1], k=rng.randint(1, 5))) for _ in range(30)]
    return [" ".join(rng.choices(words, [1 / (i + 1) for i in range(30)], k=rng.randint(1, 6))) for _ in range(n_lines)]


@pytest.fixture(scope="module")
def model():
    return NGram.estimate(text_of(400), 5)


@pytest.fixture(scope="module")
def reference(golden):
    """The model that the reference runs were made with, and what it said."""
    facts = json.loads((golden / "decoding.json").read_text())["lm"]
    return NGram.load(golden / "reuters-3-gram-char-lm.arpa"), facts


def test_every_step_of_the_reference_sequences_is_reproduced(reference):
    lm, facts = reference
    for sequence in facts["sequences"]:
        scores = lm.score(sequence["keys"])
        # The reference gives what a step added to a hypothesis at weight 2 and bonus 2; a deletion takes both back.
        for key, score, expected in zip(sequence["keys"], scores, sequence["steps"], strict=True):
            bonus = 0 if key == "Key.backspace" and score == 0 else -2 if key == "Key.backspace" else 2
            assert 2 * score + bonus == pytest.approx(expected["p_lm_added"], abs=2e-6), sequence["keys"]


def test_whole_words_score_as_in_kenlm(reference):
    lm, facts = reference
    for word in facts["word_scores_log10"]:
        state, log10 = lm.begin, 0.0
        for key in word["word"]:  # in KenLM an unknown word is a word like others
            number = lm.words.index(key if key in lm.words else "<unk>")
            added, state = step(lm.automaton, state, number)
            log10 += added
        assert log10 == pytest.approx(word["bos_no_eos"], abs=1e-5)
        assert log10 + step(lm.automaton, state, lm.end_word)[0] == pytest.approx(word["bos_eos"], abs=1e-5)
        if word["word"].islower():
            assert lm.score(word["word"], end=True).sum() == pytest.approx(word["bos_eos"], abs=1e-5)


def test_the_vocabulary_is_that_of_the_reference(reference):
    lm, facts = reference
    assert {key for key, word in zip(KEYS, lm.key_words, strict=True) if word >= 0} == set(facts["keys_in_lm"])
    assert all(lm.words[word] == key for key, word in zip(KEYS, lm.key_words, strict=True) if word >= 0)
    assert lm.unk_log10 == pytest.approx(facts["oov_score_log10_unk_unigram"], abs=1e-6)
    assert lm.order == facts["arpa_order"]


def test_a_model_says_what_it_is(model):
    assert repr(model) == f"NGram(order=5, n_ngrams={model.n_ngrams}, n_words=10)"
    assert model.n_bytes == sum(array.nbytes for array in model.automaton)
    assert model.words == ("<unk>", "<s>", "</s>", *"abcdef", "Key.space")
    assert not any(array.flags.writeable for array in model.automaton)


def test_keys_may_be_text_names_or_labels(model):
    expected = model.score("ab c")
    np.testing.assert_array_equal(model.score(["a", "b", "Key.space", "c"]), expected)
    np.testing.assert_array_equal(model.score(text_to_labels("ab c")), expected)
    np.testing.assert_array_equal(model.score(text_to_labels("ab c").tolist()), expected)
    assert len(model.score("")) == len(model.score([])) == len(model.score(np.zeros(0, np.int64))) == 0


@pytest.mark.parametrize(
    "keys", [[98], [-1], [0.5], ["Key.tab"], ["a", 1], np.zeros((2, 2), np.int64), [[1]], ["a", "bc"]]
)
def test_what_is_no_key_is_refused(model, keys):
    with pytest.raises(InputError):
        model.score(keys)


def test_a_key_outside_the_vocabulary_closes_the_word(model):
    end = model.score("a", end=True)[1]
    assert model.score("a!").tolist() == [model.score("a")[0], end]
    assert model.score("!").tolist() == [model.unk_log10]
    np.testing.assert_array_equal(model.score("a!!ab")[1:], [end, model.unk_log10, *model.score("ab")])


def test_backspace_takes_back_what_it_deletes(model):
    a, b = model.score("ab")
    assert model.score("ab⌫b⌫⌫⌫c").tolist() == [a, b, -b, b, -b, -a, 0.0, model.score("c")[0]]
    end = model.score("a!")[1]
    assert model.score("a!⌫b").tolist() == [a, end, -end, b]


def test_backspace_can_be_a_key_like_any_other(model):
    assert model.score("a⌫", backspace=False).tolist() == model.score("a!").tolist()
    typed = NGram.estimate(["a⌫b"] * 3, 3)
    assert typed.key_words[KEYS.index("Key.backspace")] >= 0
    assert typed.score("a⌫b", backspace=False).sum() > -1.5
    assert typed.score("a⌫")[1] == -typed.score("a")[0]


def test_a_model_of_single_keys_knows_an_open_word(tmp_path):
    """There all contexts are one state, and yet a word that was begun ends with </s>."""
    lm = NGram.estimate(["aab"], 1)
    assert lm.begin == 0
    unknown, end = lm.unk_log10, lm.score("", end=True)[0]
    assert lm.score("!a!!")[[0, 2, 3]].tolist() == [unknown, end, unknown]


def test_without_an_unknown_word_the_default_stands(tmp_path):
    path = tmp_path / "model.arpa"
    path.write_text("\\data\\\nngram 1=3\n\n\\1-grams:\n-99\t<s>\n-0.5\t</s>\n-0.25\ta\n\n\\end\\\n")
    lm = NGram.load(path)
    assert lm.unk_log10 == MISSING_UNK_LOG10 == lm.score("!")[0]


def test_a_model_without_begin_or_end_is_refused(model):
    for missing in ("<s>", "</s>"):
        words = [word.replace(missing, "x") if word == missing else word for word in model.words]
        with pytest.raises(LanguageModelError, match=missing):
            NGram(model.automaton, model.counts, words)


def test_a_packed_model_is_mapped_and_the_same(model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    packed = NGram.load(path)
    assert packed.words == model.words
    assert packed.counts == model.counts
    for mapped, original in zip(packed.automaton, model.automaton, strict=True):
        np.testing.assert_array_equal(mapped, original)
        assert mapped.dtype == original.dtype
        assert isinstance(mapped.base, np.memmap)
        assert mapped.ctypes.data % 64 == 0
        assert not mapped.flags.writeable
    np.testing.assert_array_equal(packed.score("abc ab!"), model.score("abc ab!"))
    with np.load(path, allow_pickle=False) as arrays:  # and it is what its name says
        np.testing.assert_array_equal(arrays["child_log10"], model.automaton.child_log10)
    model.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_a_model_may_replace_the_file_it_is_mapped_from(model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    packed = NGram.load(path)
    packed.prune(1e-3).save(path)
    assert NGram.load(path).n_ngrams < packed.n_ngrams == model.n_ngrams
    np.testing.assert_array_equal(packed.score("abc"), model.score("abc"))


def test_a_folder_is_not_overwritten(model, tmp_path):
    with pytest.raises(OutputError):
        model.save(tmp_path)


def members_of(model, tmp_path):
    model.save(tmp_path / "whole.npz")
    with np.load(tmp_path / "whole.npz") as arrays:
        return dict(arrays)


def meta(**changed):
    content = {"format": "myotype language model", "version": 1, "counts": [3], "words": ["<s>", "</s>", "a"]} | changed
    return np.frombuffer(json.dumps(content).encode(), np.uint8)


def put(values, at, value):
    values = values.copy()
    values[at] = value
    return values


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("child_start", lambda a: put(a, 0, 1), PROBLEMS[1]),
        ("child_start", lambda a: put(a, 3, -5), PROBLEMS[1]),
        ("child_start", lambda a: put(a, 3, 10**15), PROBLEMS[1]),
        ("child_start", lambda a: put(a, -1, 10**15), PROBLEMS[1]),
        ("child_start", lambda a: put(a, 1, 9), PROBLEMS[1]),
        ("child_start", lambda a: a[:-1], "wrong length"),
        ("child_start", lambda a: a.astype(np.int32), "type <i4; expected <i8"),
        ("child_start", lambda a: a.reshape(1, -1), "one dimension"),
        ("child_word", lambda a: put(a, 20, 60_000), PROBLEMS[2]),
        ("child_word", lambda a: put(a, 3, 2), PROBLEMS[2]),
        ("child_state", lambda a: put(a, 20, -1), PROBLEMS[3]),
        ("child_state", lambda a: put(a, -1, 10**9), PROBLEMS[3]),
        ("child_state", lambda a: put(a, 3, 3), PROBLEMS[3]),
        ("child_state", lambda a: a[1:], "wrong length"),
        ("shorter", lambda a: put(a, 0, 0), PROBLEMS[4]),
        ("shorter", lambda a: put(a, 5, 5), PROBLEMS[4]),
        ("shorter", lambda a: put(a, 5, -1), PROBLEMS[4]),
        ("child_log10", lambda a: put(a, 7, np.nan), PROBLEMS[5]),
        ("child_log10", lambda a: put(a, 7, 0.5), PROBLEMS[5]),
        ("child_log10", lambda a: put(a, 7, -np.inf), PROBLEMS[5]),
        ("backoff", lambda a: put(a, 7, np.nan), PROBLEMS[5]),
        ("backoff", lambda a: put(a, 7, np.inf), PROBLEMS[5]),
        ("backoff", lambda a: a[:0], "wrong length"),
        ("backoff", lambda a: np.array([None] * len(a)), "not a NumPy array"),
        ("meta", lambda a: a[:-1], "not JSON"),
        ("meta", meta(), PROBLEMS[6]),
        ("meta", meta(format="another"), "not a language model of myotype"),
        ("meta", meta(version=2), "version 2"),
        ("meta", meta(counts=[]), "do not fit"),
        ("meta", meta(counts=[4]), "do not fit"),
        ("meta", meta(counts=[3, -1]), "do not fit"),
        ("meta", meta(counts=[3, 1e99]), "do not fit"),
        ("meta", meta(words=["<s>", "</s>", "</s>"]), "do not fit"),
        ("meta", meta(words=["<s>", "</s>", "a b"]), "do not fit"),
        ("meta", meta(words=["<s>", "</s>", "\ud800"]), "do not fit"),
        ("meta", meta(words=["<s>", "</s>", 3]), "do not fit"),
        ("meta", np.frombuffer(b"[" * 100_000, np.uint8), "not JSON"),
        ("meta", np.frombuffer(b"3", np.uint8), "not a language model"),
    ],
)
def test_a_packed_file_that_would_mislead_is_refused(model, tmp_path, name, change, message):
    arrays = members_of(model, tmp_path)
    arrays[name] = change(arrays[name]) if callable(change) else change
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(LanguageModelError, match=message):
        NGram.load(tmp_path / "bad.npz")


def test_counts_that_only_add_up_are_refused(model, tmp_path):
    arrays = members_of(model, tmp_path)
    counts = list(model.counts)
    counts[2:4] = counts[2] + 1, counts[3] - 1
    arrays["meta"] = meta(counts=counts, words=model.words)
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(LanguageModelError, match="damaged"):
        NGram.load(tmp_path / "bad.npz")


def test_an_archive_that_numpy_has_written_is_read_although_it_cannot_be_mapped(model, tmp_path):
    np.savez(tmp_path / "again.npz", **members_of(model, tmp_path))
    for one, other in zip(NGram.load(tmp_path / "again.npz").automaton, model.automaton, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.flags.aligned
        assert not one.flags.writeable


def test_other_zip_files_are_refused(model, tmp_path):
    arrays = members_of(model, tmp_path)
    np.savez_compressed(tmp_path / "compressed.npz", **arrays)
    with pytest.raises(LanguageModelError, match=r"compressed or encrypted.*NGram.save"):
        NGram.load(tmp_path / "compressed.npz")
    del arrays["shorter"]
    np.savez(tmp_path / "incomplete.npz", **arrays)
    with pytest.raises(LanguageModelError, match=r"no shorter\.npy"):
        NGram.load(tmp_path / "incomplete.npz")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("meta.npy", "nothing")
    with pytest.raises(LanguageModelError, match="not a NumPy array"):
        NGram.load(tmp_path / "other.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LanguageModelError, match="cut short"):
        NGram.load(tmp_path / "cut.npz")


def test_an_array_that_is_longer_than_its_file_is_refused(model, tmp_path):
    arrays = members_of(model, tmp_path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            archive.writestr(f"{name}.npy", header.getvalue() if name == "child_log10" else content.getvalue())
    with pytest.raises(LanguageModelError, match="not the size that it promises"):
        NGram.load(tmp_path / "bad.npz")


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_packed_file_is_opened_or_refused_and_nothing_else(data, tmp_path_factory):
    small = NGram.estimate(["ab", "b a"], 3)
    path = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    small.save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content)] * 5 + [100, len(content) - 30]))])
    try:
        found = NGram.load(path)
    except LanguageModelError:
        return
    assert np.isfinite(found.score("ab a!⌫b" * 20, end=True)).all()


class Pruned:
    """Entropy pruning as the paper writes it, over a dictionary of n-grams."""

    def __init__(self, model, threshold):
        self.words = [word for word in model.words if word != "<s>"]
        self.p, self.weight = listed(model)
        original = dict(self.p)
        for order in range(model.order, 1, -1):
            gone = [
                gram
                for gram in self.p
                if len(gram) == order
                and not any(longer[:-1] == gram for longer in self.p)
                and self.perplexity_change(gram) < threshold
            ]
            for gram in gone:
                del self.p[gram]
        old_weight = dict(self.weight)
        self.weight = {}
        for context in sorted({gram[:-1] for gram in self.p if len(gram) > 1}, key=len):
            own = [gram[-1] for gram in self.p if gram[:-1] == context]
            rest = [word for word in self.words if word not in own]
            left = sum(look_up(original, old_weight, word, context) for word in rest)
            self.weight[context] = left / sum(look_up(self.p, self.weight, word, context[1:]) for word in rest)

    def perplexity_change(self, gram):
        context, word = gram[:-1], gram[-1]
        history = math.prod(
            look_up(self.p, self.weight, "</s>" if w == "<s>" else w, context[:i]) for i, w in enumerate(context)
        )
        rest = [w for w in self.words if (*context, w) not in self.p]
        left = sum(look_up(self.p, self.weight, w, context) for w in rest)
        below = sum(look_up(self.p, self.weight, w, context[1:]) for w in rest)
        lower = look_up(self.p, self.weight, word, context[1:])
        new = (left + self.p[gram]) / (below + lower)
        change = self.p[gram] * math.log(lower * new / self.p[gram])
        change += left * math.log(new / self.weight[context])
        return math.expm1(-history * change)


def look_up(p, weight, word, context):
    if (*context, word) in p:
        return p[*context, word]
    return weight.get(context, 1.0) * look_up(p, weight, word, context[1:])


def listed(model):
    """Give the probabilities of a model's n-grams and the weights of its contexts."""
    p, weight = {}, {}
    contexts = {0: ()}
    owned = 1
    for state in range(len(model.automaton.backoff)):
        weight[contexts[state]] = 10.0 ** float(model.automaton.backoff[state])
        for entry in range(model.automaton.child_start[state], model.automaton.child_start[state + 1]):
            gram = (*contexts[state], model.words[model.automaton.child_word[entry]])
            p[gram] = 10.0 ** float(model.automaton.child_log10[entry])
            if model.automaton.child_state[entry] == owned:
                contexts[owned] = gram
                owned += 1
    return p, weight


@pytest.mark.parametrize("threshold", [0, 1e-5, 1e-4, 1e-3, 1e-2])
def test_pruning_is_that_of_the_paper(threshold):
    original = NGram.estimate(text_of(15), 4)
    pruned = original.prune(threshold)
    expected = Pruned(original, threshold)
    p, weight = listed(pruned)
    assert set(p) == set(expected.p)
    assert sum(pruned.counts) == len(p) == pruned.n_ngrams
    for context, value in weight.items():
        if context:
            assert value == pytest.approx(expected.weight[context], rel=1e-4), context
    words = [i for i, word in enumerate(pruned.words) if word != "<s>"]
    for state in range(len(pruned.automaton.backoff)):
        total = sum(10 ** step(pruned.automaton, state, word)[0] for word in words)
        assert total == pytest.approx(1, abs=1e-6)


def test_more_pruning_leaves_less_and_predicts_worse():
    lines = text_of(300)
    models = [NGram.estimate(lines, 5).prune(threshold) for threshold in (0, 1e-5, 1e-3, 1)]
    sizes = [model.n_ngrams for model in models]
    assert sizes == sorted(sizes, reverse=True)
    assert models[-1].counts == (10,)
    lost = [-np.concatenate([model.score(line, end=True) for line in lines]).mean() for model in models]
    assert lost == sorted(lost)


@pytest.mark.parametrize("threshold", [-1e-9, math.nan])
def test_a_threshold_that_is_none_is_refused(model, threshold):
    with pytest.raises(InputError, match="threshold"):
        model.prune(threshold)


def test_a_pruned_model_survives_being_written_and_read(model, tmp_path):
    pruned = model.prune(1e-4)
    pruned.save(tmp_path / "model.npz")
    pruned.save_arpa(tmp_path / "model.arpa")
    for name in ("model.npz", "model.arpa"):
        again = NGram.load(tmp_path / name)
        assert again.counts == pruned.counts
        for one, other in zip(again.automaton, pruned.automaton, strict=True):
            np.testing.assert_array_equal(one, other)


NO_ORDER_LEFT = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t-0.2
-0.5\t</s>
-0.5\ta\t-0.3
-0.5\tb\t-0.1

\\2-grams:
-0.5\t<s> a
-0.5\ta b

\\end\\
"""
EVERY_WORD_LISTED = """\\data\\
ngram 1=4
ngram 2=3

\\1-grams:
-99\t<s>
-0.69897\t</s>
-0.52288\ta\t-0.3
-0.30103\tb

\\2-grams:
-0.60206\ta </s>
-0.30103\ta a
-0.60206\ta b

\\end\\
"""


@pytest.mark.parametrize(
    ("text", "threshold", "counts"), [(NO_ORDER_LEFT, 1.0, (4,)), (EVERY_WORD_LISTED, 0.0, (4, 3))]
)
def test_pruning_weighs_no_context_that_has_nothing_to_weigh(tmp_path, text, threshold, counts):
    (tmp_path / "model.arpa").write_text(text)
    pruned = NGram.load(tmp_path / "model.arpa").prune(threshold)
    assert pruned.counts == counts
    assert np.isfinite(pruned.automaton.backoff).all()
    for name, save in (("pruned.npz", pruned.save), ("pruned.arpa", pruned.save_arpa)):
        save(tmp_path / name)
        assert NGram.load(tmp_path / name).counts == pruned.counts


def test_the_automaton_links_each_context_to_its_longest_known_end(model):
    grams = listed(model)[0]
    continued = {gram[:-1] for gram in grams}
    contexts = {gram: state for state, gram in enumerate([(), *(gram for gram in grams if gram in continued)])}
    assert isinstance(model.automaton, Automaton)
    assert len(contexts) == len(model.automaton.shorter)
    for context, state in contexts.items():
        if context:
            expected = next(contexts[context[i:]] for i in range(1, len(context) + 1) if context[i:] in contexts)
            assert model.automaton.shorter[state] == expected
