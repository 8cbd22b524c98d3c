"""The 98 keys, and folding text to them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myotype.errors import InputError
from myotype.keyboard import (
    BLANK,
    KEY_SYMBOLS,
    KEYS,
    N_LABELS,
    SYMBOLS,
    fold,
    fold_key,
    key_to_label,
    keys_to_symbols,
    labels_to_text,
    render,
    text_to_labels,
)

# What anyascii writes otherwise than Unidecode, of the characters in the reference: ours, the reference's.
TRANSLITERATED_OTHERWISE = {
    "\N{LEFTWARDS ARROW WITH HOOK}": ("", "-"),
    "\N{OPEN BOX}": ("_", ""),
    "\N{DOUBLE LOW-9 QUOTATION MARK}": ('"', ""),
    "\N{SINGLE LOW-9 QUOTATION MARK}": ("'", ","),
    "\N{HORIZONTAL BAR}": ("-", ""),
    "\N{MIDDLE DOT}": ("-", "*"),
    "\N{YEN SIGN}": ("Y", ""),
    "\N{MULTIPLICATION SIGN}": ("*", "x"),
    "\N{SECTION SIGN}": ("S", ""),
    "\N{ZERO WIDTH SPACE}": ("", " "),
    "\N{LINE SEPARATOR}": (" ", ""),
    "\N{PARAGRAPH SEPARATOR}": (" ", ""),
    "\N{CYRILLIC SMALL LETTER IO}": ("e", ""),
    "\N{HEBREW LETTER ALEF}": ("'", "A"),
    "\N{REGIONAL INDICATOR SYMBOL LETTER F}\N{REGIONAL INDICATOR SYMBOL LETTER R}": ("FR", ""),
    "\N{RIGHTWARDS ARROW}": (">", "-"),
    "\N{LEFTWARDS ARROW}": ("<", "-"),
    "\N{CHECK MARK}": ("v", ""),
}


@pytest.fixture(scope="session")
def charset(golden):
    return json.loads((golden / "charset.json").read_text())


def test_the_keys_have_the_order_and_symbols_of_the_reference(charset):
    assert [entry["key"] for entry in charset["classes"]] == [*KEYS]
    assert [entry["label_to_char"] for entry in charset["classes"]] == [*SYMBOLS]
    assert "".join(SYMBOLS) == charset["all_classes_string"]
    assert charset["blank_label"] == BLANK == 98
    assert charset["num_classes_including_blank"] == N_LABELS == 99


def test_text_is_folded_as_in_the_reference_but_for_what_is_listed(charset):
    found = {}
    for case in charset["strings"]:
        text = case["input"]
        if fold(text) != case["clean_str"]:
            found[text] = (fold(text), case["clean_str"])
            continue
        assert text_to_labels(text).tolist() == case["str_to_labels"]
        assert [KEYS[label] for label in text_to_labels(text)] == case["str_to_keys"]
    assert found == TRANSLITERATED_OTHERWISE
    assert len(charset["strings"]) == 198


def test_key_names_are_folded_as_in_the_reference(charset):
    assert len(charset["keys"]) == 47
    for case in charset["keys"]:
        folded = fold_key(case["key"])
        assert ([] if folded is None else [folded]) == case["clean_keys"]
        assert keys_to_symbols([case["key"]]) == case["from_key_text"]
        assert (case["key"] in KEYS) == case["in_charset"]


def test_key_names_have_the_labels_of_the_reference_or_none(charset):
    for case in charset["keys"]:
        if isinstance(case["key_to_label"], int):
            assert key_to_label(case["key"]) == case["key_to_label"]
        else:
            with pytest.raises(InputError, match="not one of the 98 keys"):
                key_to_label(case["key"])


def test_key_sequences_are_folded_as_in_the_reference(charset):
    for case in charset["key_sequences"]:
        assert keys_to_symbols(case["keys"]) == case["text_of_clean"]
        assert text_to_labels(case["text_of_clean"]).tolist() == case["labels_of_clean"]


def test_labels_are_written_as_in_the_reference(charset):
    case = charset["label_roundtrip"]
    assert labels_to_text(case["labels"]) == case["labels_to_str"]


@pytest.mark.parametrize("label", [98, 99, -1])
def test_labels_of_no_key_are_refused_also_the_blank(label):
    with pytest.raises(InputError, match=f"label {label} is not that of a key"):
        labels_to_text([0, label])


@given(st.lists(st.integers(0, 97)))
def test_labels_survive_being_written_as_text(labels):
    assert text_to_labels(labels_to_text(np.array(labels, dtype=np.int64))).tolist() == labels


@given(st.text())
def test_folding_leaves_only_symbols_and_folding_again_changes_nothing(text):
    folded = fold(text)
    assert set(folded) <= set(SYMBOLS)
    assert fold(folded) == folded


@given(st.text(), st.text())
def test_folding_goes_character_by_character(left, right):
    assert fold(left + right) == fold(left) + fold(right)


@given(st.sampled_from(KEYS))
def test_every_key_has_a_label_and_stands_for_itself(key):
    assert KEYS[key_to_label(key)] == key
    assert fold_key(key) == key
    assert keys_to_symbols([key]) == KEY_SYMBOLS[key]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("", ""),
        ("⌫⌫a", "a"),
        ("ab⌫c", "ac"),
        ("ab⏎⌫c", "abc"),
        ("⇧a", "a"),
        ("a⇧⌫b", "b"),
        ("a b⏎", "a b\n"),
    ],
)
def test_rendering_applies_backspaces(keys, text):
    assert render(keys) == text


symbols = st.text(SYMBOLS)


@given(symbols, st.integers(0, 5))
def test_typing_and_deleting_leaves_what_was_there(keys, n):
    assert render(keys + "x" * n + "⌫" * n) == render(keys)


@given(symbols)
def test_rendered_text_holds_no_key_symbols(keys):
    text = render(keys)
    assert not set(text) & set("⌫⏎⇧")
    assert len(text) <= len(keys)
    assert fold(text) == text.replace("\n", "⏎")
