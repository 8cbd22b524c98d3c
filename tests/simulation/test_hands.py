"""Every key has a finger, and no two keys are struck in the same way."""

from __future__ import annotations

import string
from itertools import combinations

import numpy as np
import pytest

from myotype.keyboard import KEYS, SHIFT, SPACE
from myotype.simulation import person
from myotype.simulation.hands import (
    ALTERNATIVE,
    PLACES,
    USUAL,
    Hands,
    check_unique,
    needs_shift,
    opposite,
    physical_key,
    usual_hand,
)

BASE_LAYER = string.ascii_lowercase + string.digits + "`-=[]\\;',./"


def hands(typist):
    return Hands.of(person(typist), np.random.SeedSequence(5))


def test_every_one_of_the_98_keys_has_a_finger():
    for key in KEYS:
        assert physical_key(key) in USUAL


def test_no_two_characters_of_the_base_layer_share_a_physical_key():
    assert len({physical_key(key) for key in BASE_LAYER}) == len(BASE_LAYER)
    assert len(set(PLACES.values())) == len(PLACES)


def test_no_two_keys_are_struck_alike_whatever_habits_a_person_has():
    ways = [(key, stroke) for table in (USUAL, ALTERNATIVE) for key, stroke in table.items()]
    for (key, stroke), (other, its) in combinations(ways, 2):
        assert key == other or stroke != its


def test_sharing_a_stroke_is_noticed():
    with pytest.raises(ValueError, match="'a' and 'b' share"):
        check_unique({"a": USUAL["a"], "b": USUAL["a"]})


def test_a_capital_is_its_letter_with_shift():
    assert physical_key("A") == physical_key("a")
    assert physical_key("?") == "/"
    assert needs_shift("A")
    assert needs_shift("?")
    assert not needs_shift("a")
    assert not needs_shift(SPACE)


def test_shift_is_held_by_the_other_hand():
    assert physical_key(SHIFT, opposite(usual_hand("A"))) == "Key.shift_r"
    assert physical_key(SHIFT, opposite(usual_hand("P"))) == "Key.shift_l"


def test_keys_outside_the_98_move_a_finger_where_one_is_known():
    assert physical_key("Key.shift_r") == "Key.shift_r"
    assert physical_key("Key.left") in USUAL
    assert physical_key("Key.media_next") is None
    assert physical_key("é") is None


def test_easy_people_use_the_usual_fingers_and_realistic_people_often_others():
    assert hands("easy:3").strokes == USUAL
    others = [
        sum(
            Hands.of(person("realistic:0"), np.random.SeedSequence(n)).strokes[k] == ALTERNATIVE[k] for k in ALTERNATIVE
        )
        for n in range(60)
    ]
    assert np.mean(others) / len(ALTERNATIVE) == pytest.approx(0.3, abs=0.06)


def test_all_keys_ask_different_things_of_the_muscles():
    drawn = hands("realistic:1")
    flat = drawn.templates.reshape(len(drawn.templates), -1)
    assert (flat >= 0).all()
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    assert apart[np.triu_indices(len(flat), 1)].min() > 0.3


def test_a_finger_press_drives_its_own_flexor_most():
    plain = Hands.of(person("easy:0"), np.random.SeedSequence(0))
    mean = np.mean(
        [Hands.of(person("easy:0"), np.random.SeedSequence(n)).templates for n in range(30)], axis=0
    )  # over people, so that nobody's own way matters
    for key, flexor in {"f": 0, "k": 1, "s": 2, "a": 3, SPACE: 6}.items():
        assert mean[plain.rows[key], 1].argmax() == flexor
