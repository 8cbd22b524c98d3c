"""ARPA files: read as written, by other programs too, and refused with the line that is wrong."""

from __future__ import annotations

import gzip
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.decoding import arpa
from myotype.decoding.automaton import step
from myotype.decoding.ngram import NGram
from myotype.errors import LanguageModelError, OutputError

SMALL = r"""
\data\
ngram 1=5
ngram 2=4
ngram 3=2

\1-grams:
-2.5	<unk>
-99	<s>	-0.5
-1.25	</s>
-0.5	a	-0.25
-0.75	Key.space	-0.125

\2-grams:
-0.25	<s> a	-0.0625
-0.5	a Key.space	-0.5
-1	a </s>
-0.125	Key.space a

\3-grams:
-0.375	<s> a Key.space
-0.25	a Key.space a

\end\
"""


def load(tmp_path, content, name="model.arpa"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return NGram.load(path)


def dictionary_of(content):
    """Read a well-formed file in the simplest way: words to log10 probability and log10 back-off weight."""
    ngrams, order = {}, 0
    for line in content.splitlines():
        if line.endswith("-grams:"):
            order = int(line[1:-7])
        elif order and line and not line.startswith("\\"):
            fields = line.split()
            weight = float(fields[order + 1]) if len(fields) > order + 1 else 0.0
            ngrams[tuple(fields[1 : order + 1])] = (float(fields[0]), weight)
    return ngrams


def looked_up(ngrams, word, context):
    """Give log10 P(word | context) by the definition of a back-off model."""
    if (*context, word) in ngrams:
        return ngrams[(*context, word)][0]
    if not context:
        return None
    return ngrams.get(context, (0, 0.0))[1] + looked_up(ngrams, word, context[1:])


def test_a_file_is_read_as_it_stands(tmp_path):
    model = load(tmp_path, SMALL)
    assert model.words == ("<unk>", "<s>", "</s>", "a", "Key.space")
    assert model.counts == (5, 4, 2)
    assert model.order == 3
    assert model.unk_log10 == -2.5
    # From <s>: "a" as a pair, a space as a triple, "a" as a triple, "a" after backing off from "Key.space a" and "a".
    assert model.score("a aa").tolist() == [-0.25, -0.375, -0.25, -0.25 - 0.5]
    assert model.score("a", end=True).tolist() == [-0.25, -0.0625 - 1]


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\t", "  "),
        lambda text: text.replace("ngram 1=5", "ngram  1=      5"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "anything\n",
        lambda text: "# a comment\n" + text,
        lambda text: text.replace("-1\t", "-1.\t").replace("-0.375\t", "-3.75e-1\t").replace("-0.5\ta ", "-.5\ta "),
        lambda text: text.replace("-0.25\t<s> a", "-0.2500000000000000000000000000\t<s> a"),
    ],
)
def test_other_ways_of_writing_the_same_are_read_too(tmp_path, rewrite):
    expected, found = load(tmp_path, SMALL), load(tmp_path, rewrite(SMALL))
    assert found.words == expected.words
    for one, other in zip(found.automaton, expected.automaton, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_order_of_lines_does_not_matter(tmp_path):
    lines = SMALL.split("\n")
    lines[14:18] = reversed(lines[14:18])
    lines[20:22] = reversed(lines[20:22])
    found, expected = load(tmp_path, "\n".join(lines)), load(tmp_path, SMALL)
    for one, other in zip(found.automaton, expected.automaton, strict=True):
        np.testing.assert_array_equal(one, other)


@given(seed=st.integers(0, 2**32), order=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_random_models_give_what_their_definition_says(seed, order, tmp_path_factory):
    """Also where an n-gram is there and the same without its first word is not, as in some pruned models."""
    rng = random.Random(seed)
    words = ["<unk>", "<s>", "</s>", "a", "b", "é", "Key.space"]
    levels = [[(word,) for word in words]]
    for _ in range(order - 1):
        longer = {(*rng.choice(levels[-1]), rng.choice(words)) for _ in range(rng.randint(0, 20))} if levels[-1] else {}
        levels.append(sorted(longer, key=lambda _: rng.random()))
    lines = ["\\data\\", *(f"ngram {k}={len(level)}" for k, level in enumerate(levels, start=1))]
    for k, level in enumerate(levels, start=1):
        lines += ["", f"\\{k}-grams:"]
        for gram in level:
            weight = "" if k == order else f"\t{rng.uniform(-2, 0.5) if rng.random() < 0.8 else 0:.7g}"
            lines.append(f"{rng.uniform(-6, 0):.7g}\t{' '.join(gram)}{weight}")
    content = "\n".join([*lines, "", "\\end\\", ""])
    model = load(tmp_path_factory.getbasetemp(), content)
    ngrams = dictionary_of(content)
    state, history = 0, ()
    for _ in range(60):
        word = rng.choice(words)
        log10, state = step(model.automaton, state, model.words.index(word))
        assert log10 == pytest.approx(looked_up(ngrams, word, history), abs=1e-5)
        history = (*history, word)[-(order - 1) :] if order > 1 else ()


def test_what_is_written_reads_as_the_same_model(tmp_path):
    model = load(tmp_path, SMALL)
    for name in ("again.arpa", "again.arpa.gz"):
        model.save_arpa(tmp_path / name)
        again = NGram.load(tmp_path / name)
        assert again.words == model.words
        assert again.counts == model.counts
        for one, other in zip(again.automaton, model.automaton, strict=True):
            np.testing.assert_array_equal(one, other)
    assert gzip.decompress((tmp_path / "again.arpa.gz").read_bytes()) == (tmp_path / "again.arpa").read_bytes()
    assert dictionary_of((tmp_path / "again.arpa").read_text()) == dictionary_of(SMALL)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(OutputError):
        load(tmp_path, SMALL).save_arpa(tmp_path)


def test_small_pieces_of_a_file_are_read_like_the_whole(tmp_path, monkeypatch):
    expected = load(tmp_path, SMALL)
    monkeypatch.setattr(arpa, "_CHUNK", 7)
    for one, other in zip(load(tmp_path, SMALL).automaton, expected.automaton, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_section_grows_beyond_its_first_room(tmp_path):
    words = [f"w{i}" for i in range(300)]
    pairs = [f"-1\t{a} {b}" for a in words for b in words]
    lines = ["\\data\\", f"ngram 1={len(words) + 2}", f"ngram 2={len(pairs)}", "", "\\1-grams:", "-99\t<s>", "-2\t</s>"]
    lines += [f"-2.5\t{word}\t-0.5" for word in words] + ["", "\\2-grams:", *pairs, "", "\\end\\", ""]
    model = load(tmp_path, "\n".join(lines))
    assert model.counts == (302, 90_000)
    assert (model.automaton.child_log10[302:] == -1).all()


def replaced(old, new):
    assert SMALL.count(old) == 1, old
    return SMALL.replace(old, new)


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("", 1, "empty"),
        ("\n\n", 3, "empty"),
        ("hello\n", 1, "not an ARPA file"),
        (b"\x00\xff\x80junk" * 100, 1, "not an ARPA file"),
        (SMALL[: SMALL.index("ngram 3")], 5, "ends within its header"),
        (SMALL[: SMALL.index("-0.5\ta\t")], 11, "ends within the 1-grams"),
        (SMALL[: SMALL.index("-0.5\ta Key")], 16, "ends within the 2-grams"),
        (SMALL[: SMALL.index("\\end")], 24, "before"),
        (SMALL[: SMALL.index("-0.25\ta Key.space a")], 22, "ends within the 3-grams"),
        (replaced("ngram 1=5", "ngram 1=6"), 13, "promises 6 1-grams, but there are 5"),
        (replaced("ngram 1=5", "ngram 1=4"), 12, "promises 4 1-grams, but there are more"),
        (replaced("ngram 2=4", "ngram 2=5"), 19, "promises 5 2-grams, but there are 4"),
        (replaced("ngram 2=4", "ngram 2=3"), 18, "promises 3 2-grams, but there are more"),
        (replaced("ngram 3=2", "ngram 3=1"), 22, "promises 1 3-grams, but there are more"),
        (replaced("ngram 3=2", "ngram 3=99999999999"), 5, "can be read"),
        (replaced("ngram 3=2", "ngram 3=999999999"), 23, "promises 999999999"),
        (replaced("ngram 1=5", "ngram 1=99999999999"), 3, "99999999999 different words"),
        (replaced("ngram 2=4", "ngram 2=four"), 4, "expected 'ngram 2='"),
        (replaced("ngram 2=4", "ngram 2=-4"), 4, "expected 'ngram 2='"),
        (replaced("ngram 2=4\n", ""), 4, "3-grams stands where"),
        (replaced("\\2-grams:", "\\3-grams:"), 14, r"expected \\2-grams:"),
        (replaced("\\1-grams:", "\\2-grams:"), 7, r"expected \\1-grams:"),
        (replaced("\n\\3-grams:", "\\end\\"), 19, r"expected \\3-grams:"),
        (replaced("-0.5\ta\t-0.25", "minus\ta\t-0.25"), 11, "not a number where a log-probability belongs: 'minus'"),
        (replaced("-0.5\ta\t-0.25", "nan\ta\t-0.25"), 11, "not a number"),
        (replaced("-0.5\ta\t-0.25", "-1e999\ta\t-0.25"), 11, "not a number"),
        (replaced("-0.5\ta\t-0.25", "0.5\ta\t-0.25"), 11, "above 0: '0.5'"),
        (replaced("-0.5\ta\t-0.25", "-0.5\ta\tx"), 11, "back-off weight belongs: 'x'"),
        (replaced("-0.5\ta\t-0.25", "-0.5\ta b\t-0.25"), 11, "expected a number, a word and a number"),
        (replaced("-0.5\ta\t-0.25", "-0.5"), 11, "expected a number, a word and a number"),
        (replaced("-0.5\ta\t-0.25", "-0.5\tKey.space\t-0.25"), 12, "'Key.space' stands twice"),
        (replaced("\t<s>\t", "\t<S>\t"), 13, "no 1-gram <s>"),
        (replaced("-1.25\t</s>\n", "-1.25\tx\n"), 13, "no 1-gram </s>"),
        (replaced("-1\ta </s>", "x\ta </s>"), 17, "log-probability belongs: 'x'"),
        (replaced("-1\ta </s>", "--1\ta </s>"), 17, "log-probability belongs: '--1'"),
        (replaced("-1\ta </s>", "-1e\ta </s>"), 17, "log-probability belongs: '-1e'"),
        (replaced("-1\ta </s>", "-1e99999\ta </s>"), 17, "log-probability belongs: '-1e99999'"),
        (replaced("-1\ta </s>", "1e-5\ta </s>"), 17, "above 0: '1e-5'"),
        (replaced("-1\ta </s>", "-1\ta"), 17, "fewer than 2 words"),
        (replaced("-1\ta </s>", "-1\ta b"), 17, "the word 'b' is no 1-gram"),
        (replaced("-1\ta </s>", "-1\ta </z>"), 17, "the word '</z>' is no 1-gram"),
        (replaced("-1\ta </s>", "-1\ta </s> x"), 17, "back-off weight belongs: 'x'"),
        (replaced("-1\ta </s>", "-1\ta </s> -1 -1"), 17, "more columns than a 2-gram has"),
        (replaced("-1\ta </s>", "-1\ta Key.space\t-1"), 17, "stood in line 16 already"),
        (replaced("-0.25\ta Key.space a", "-0.25\tKey.space Key.space a"), 22, "up to 'Key.space' are no n-gram"),
        (replaced("-0.25\ta Key.space a", "-0.25\ta Key.space a\t-0.5"), 22, "more columns than a 3-gram has"),
        (replaced("-0.25\ta Key.space a", "-0.375\t<s> a Key.space"), 22, "stood in line 21 already"),
        (replaced("-0.5\ta Key.space\t-0.5", "-0.5\ta Key.space"), 16, "2-gram without a back-off weight"),
        (replaced("-0.5\ta\t-0.25", "-0.5\ta"), 11, "1-gram without a back-off weight"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, content, line, message):
    with pytest.raises(LanguageModelError, match=message) as caught:
        load(tmp_path, content)
    assert f"model.arpa, line {line}: " in str(caught.value)


def test_a_word_that_is_not_utf_8_is_refused(tmp_path):
    with pytest.raises(LanguageModelError, match="line 11: a word that is not UTF-8"):
        load(tmp_path, SMALL.encode().replace(b"\ta\t-0.25", b"\t\xff\t-0.25"))


def test_a_vocabulary_of_words_rather_than_keys_is_refused(tmp_path):
    with pytest.raises(LanguageModelError, match="70000 different words; 65535 can be read"):
        load(tmp_path, replaced("ngram 1=5", "ngram 1=70000"))


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"mmap lm http://kheafield.com/code format version 5\n\0", "binary file of KenLM: give the ARPA file"),
        (b"iARPA\n\n\\data\\\n", "IRSTLM: export it as ARPA"),
    ],
)
def test_other_forms_are_refused_with_advice(tmp_path, start, message):
    with pytest.raises(LanguageModelError, match=message):
        load(tmp_path, start + bytes(1000))


def test_a_compressed_file_that_was_cut_short_is_refused(tmp_path):
    whole = gzip.compress(SMALL.encode())
    assert load(tmp_path, whole).order == 3
    for content in (whole[: len(whole) // 2], whole[:-4], whole[:40] + b"\xff" * 20 + whole[60:], b"\x1f\x8b"):
        with pytest.raises(LanguageModelError, match=r"damaged or cut short|ends within"):
            load(tmp_path, content)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path):
    with pytest.raises(LanguageModelError, match="line 3: a line of more than a million bytes"):
        load(tmp_path, gzip.compress(b"\n\\data\\\n" + b"n" * 30_000_000, 1))


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(LanguageModelError, match="No such file"):
        NGram.load(tmp_path / "none.arpa")
    with pytest.raises(LanguageModelError, match="Is a directory"):
        NGram.load(tmp_path)
    with pytest.raises(LanguageModelError, match="null"):
        NGram.load("a\0b")


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data, tmp_path_factory):
    content = bytearray(SMALL.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                content[at] = data.draw(st.sampled_from(b"\n\t \\-.0159eaK<\x00\xff"))
            case 1:
                del content[at : at + data.draw(st.integers(1, 30))]
            case _:
                content[at:at] = content[at : at + data.draw(st.integers(1, 30))]
        if not content:
            break
    try:
        model = load(tmp_path_factory.getbasetemp(), bytes(content))
    except LanguageModelError:
        return
    assert np.isfinite(model.score("a a⌫b", end=True)).all()
