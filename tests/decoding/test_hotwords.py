"""Hot words: how they are written down, and what they add to a sequence of keys."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.decoding import hotwords
from myotype.decoding.beam_hotwords import BEGIN, new_hotwords
from myotype.decoding.hotwords import DEFAULT_WEIGHT, folded_hotwords, read_hotwords, weighted_hotwords
from myotype.errors import InputError
from myotype.keyboard import text_to_labels

reference = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("reference_search.py"))))


def written(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def added(text, weights, *, ended=False):
    """Give what hot words add to a text."""
    table = new_hotwords(folded_hotwords(weights))
    state, total = BEGIN, 0.0
    for label in text_to_labels(text):
        column = table.column[label]
        assert table.gain[state, column] <= table.most[state]
        total += table.gain[state, column]
        state = table.after[state, column]
    return total + (table.ending[state] if ended else 0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", 1),  # it may become "anna"
        ("ann", 3),
        ("anna", 4),
        ("anno", 0),  # it did not
        ("anna ", 4),
        ("anna, anna", 8),
        ("annals", 0),  # it is another word
        ("anna's", 0),
        ("hanna", 0),  # it began otherwise
        ("x-anna", 4),  # a word begins after whatever is no part of one
        ("⇧Anna", 4),
        ("AN⇧NA", 4),
        ("new", 3),
        ("new york", 8 + 4),  # each beginning counts by itself, and "york" may go on
        ("new york.", 8),
        ("new yorker", 0),
        ("new yo anna", 4),
        ("new anna", 4),  # a word of the phrase may begin another one
        ("york minster", 12),
        ("new york minster", 8 + 12),
        ("new york m", 8 + 6),
        ("new york mo", 8),
        ("c++", 3),
        ("c++11", 3),  # what is no letter ends by itself
    ],
)
def test_a_hot_word_adds_its_weight_for_each_key_that_may_yet_be_its_own(text, expected):
    words = ["Anna", "new york", "york minster", "c++"]
    assert added(text, dict.fromkeys(words, 1)) == expected
    assert added(text, dict.fromkeys(words, 0.25)) == expected / 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann", 3 * 5),  # the heaviest that it may become
        ("anna", 4 * 5),
        ("anna ", 4 * 1),
        ("annabel", 7 * 5),
        ("annabel lee", 7 * 5),  # the phrase gives less than the word that it begins with
        ("annabelle", 0),
    ],
)
def test_of_hot_words_that_begin_at_one_place_the_one_that_gives_most_counts(text, expected):
    assert added(text, {"anna": 1, "annabel": 5, "annabel lee": 0.5}) == expected


@pytest.mark.parametrize(("text", "expected"), [("ann", 0), ("anna", 4), ("new", 0), ("new anna", 4), ("anna ", 4)])
def test_the_end_takes_back_what_is_not_whole(text, expected):
    assert added(text, {"anna": 1, "new anna x": 1}, ended=True) == expected


@given(
    text=st.text("aabbcE '⇧-1.", max_size=30),
    weights=st.builds(reference.random_hotwords, st.integers(0, 2**32)),
    ended=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_the_automaton_adds_what_the_definition_says(text, weights, ended):
    assert added(text, weights, ended=ended) == reference.bias(text, weights, ended=ended)


def test_many_hot_words_take_memory_in_proportion_to_their_keys():
    words = {f"{number:05d}"[::-1]: 1.0 for number in range(2000)}
    table = new_hotwords(words)
    assert len(table.ending) <= 2 + 5 * len(words)
    assert table.gain.shape == table.after.shape == (len(table.ending), 3 + 10)


def test_a_file_has_a_word_or_phrase_a_line(tmp_path):
    content = "\ufeff# people\nAnna\n\n  \nNew York\t3.5\r\nZoë\t 1 \r\n# places\nC#\t0\nanna"
    expected = {"Anna": DEFAULT_WEIGHT, "New York": 3.5, "Zoë": 1.0, "C#": 0.0}
    assert read_hotwords(written(tmp_path / "words.txt", content)) == expected
    assert read_hotwords(str(written(tmp_path / "none.txt", ""))) == {}
    content = "  # indented\n\\#tag\nnew  york\t2\nwindows 11\t1\nc++11\nx-2\n"
    expected = {"#tag": DEFAULT_WEIGHT, "new  york": 2, "windows 11": 1, "c++11": DEFAULT_WEIGHT, "x-2": DEFAULT_WEIGHT}
    assert read_hotwords(written(tmp_path / "more.txt", content)) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("anna\nbob\tmuch\n", "line 2: hot word 'bob' has weight 'much': expected a number from 0 to 100"),
        ("anna\t\n", "line 1: hot word 'anna' has weight '': expected a number"),
        ("anna\tnan\n", "line 1: hot word 'anna' has weight 'nan'"),
        ("anna\tinf\n", "line 1: hot word 'anna' has weight 'inf'"),
        ("anna\t-1\n", "line 1: hot word 'anna' has weight '-1'"),
        ("anna\t101\n", "line 1: hot word 'anna' has weight '101'"),
        ("anna\t1\t2\n", r"line 1: hot word 'anna' has weight '1\\t2'"),
        ("#\n\nanna\t1\nAnna\t2\n", "line 4: 'Anna' has weight 2, but 1 in line 3"),
        ("anna\n日本\n", "line 2: hot word '日本' has characters that no key types: 日本"),
        ("Straße\n", "line 1: hot word 'Straße' has characters that no key types: ß"),
        ("anna 2.5\n", "line 1: 'anna 2.5' ends in a number: put a tab before the weight"),
        ("\nanna,2\n", "line 2: 'anna,2' ends in a number"),
        ("new york ; 3\n", "line 1: 'new york ; 3' ends in a number"),
        (3_000_000 * "a" + "\t-1", "line 1: hot word 'a{60}[.]{3}' has weight '-1'"),
        ("⇧\n", "line 1: hot word '⇧' has none of the 98 keys"),
        ("\t3\n", "line 1: hot word '' has none of the 98 keys"),
        ("an\bna\n", r"line 1: hot word 'an\\x08na' has a backspace"),
        (b"anna\nzo\xeb\n", "line 2: is not UTF-8"),
    ],
)
def test_a_line_that_is_none_is_refused_by_its_number(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"words\.txt, {message}"):
        read_hotwords(written(tmp_path / "words.txt", content))


def test_a_file_that_is_no_list_is_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"nothing\.txt cannot be read: No such file"):
        read_hotwords(tmp_path / "nothing.txt")
    with pytest.raises(InputError, match=r"utf16\.txt has NUL characters, as UTF-16 has: save it as UTF-8"):
        read_hotwords(written(tmp_path / "utf16.txt", "anna\n".encode("utf-16-le")))
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_hotwords(tmp_path)
    monkeypatch.setattr(hotwords, "_MOST_BYTES", 100)
    with pytest.raises(InputError, match="has more than 100 bytes: it is no list of hot words"):
        read_hotwords(written(tmp_path / "large.txt", 101 * "a"))


def test_words_are_compared_by_the_keys_that_type_them():
    assert folded_hotwords({" Café—Nero ⇧": 2, "it’s": 1, "x\ny": 1}) == {"cafe-nero": 2, "it's": 1, "x⏎y": 1}
    assert folded_hotwords({"anna": 2, "ANNA": 2.0}) == {"anna": 2.0}
    assert folded_hotwords({"new  york": 1, "New york": 1}) == {"new york": 1}


@pytest.mark.parametrize(
    "words", [["anna", "bob"], ("anna", "bob"), iter(["anna", "bob"]), {"anna": 0, "bob": 0}.keys()]
)
def test_words_without_weights_have_the_default_weight(words):
    assert weighted_hotwords(words) == {"anna": DEFAULT_WEIGHT, "bob": DEFAULT_WEIGHT}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"anna": 1, "Anna": 2}, "hot word 'Anna' has weight 2, but 1 in another spelling"),
        ({"anna": None}, "hot word 'anna' has weight None: expected a number from 0 to 100"),
        ({"anna": np.nan}, "hot word 'anna' has weight nan"),
        ({"": 1}, "hot word '' has none of the 98 keys"),
        ({"a⌫": 1}, "hot word 'a⌫' has a backspace"),
        ({f"{number:06d}": 1 for number in range(20_000)}, "have 120,000 keys in all; 100,000 are the most"),
    ],
)
def test_impossible_hot_words_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        folded_hotwords(weights)
