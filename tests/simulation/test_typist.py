"""What the typist types has the rhythm, the mistakes and the shifts of real typing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from myotype.keyboard import BACKSPACE, ENTER, SHIFT, fold, keys_to_symbols, render
from myotype.simulation.hands import needs_shift, opposite, physical_key, usual_hand
from myotype.simulation.text import Sentences, TextStyle
from myotype.simulation.typist import Typist, assign_shift_hands

PANGRAM = "the quick brown fox jumps over a lazy dog"


def typist(seed=0, **options):
    return Typist(np.random.SeedSequence((1, seed)), np.random.SeedSequence((2, seed)), **options)


def presses(seed=0, speed=4.2, minutes=10.0, style=None, **options):
    prompts = typist(seed, **options).type(Sentences(seed, style=style), speed, until=60 * minutes)
    return [press for prompt in prompts for press in prompt.key_presses]


@pytest.fixture(scope="module")
def hour():
    """An hour of six people at the mean speed of the real recordings."""
    return [presses(seed) for seed in range(6)]


def test_intervals_are_those_of_real_typing(hour):
    gaps = np.concatenate([np.diff([press.down for press in one]) for one in hour])
    # Of all 1,135 recordings of emg2qwerty: the real ones mix fast and slow people, these are all of mean speed.
    found = np.percentile(gaps, [5, 25, 50, 75, 95])
    assert found == pytest.approx([0.060, 0.106, 0.164, 0.240, 0.720], rel=0.15)


def test_hold_times_are_those_of_real_typing(hour):
    holds = [press.up - press.down for one in hour for press in one]
    assert np.percentile(holds, [5, 50, 95]) == pytest.approx([0.059, 0.090, 0.165], rel=0.06)


def test_one_key_in_twenty_five_is_a_backspace(hour):
    share = np.mean([press.key == BACKSPACE for one in hour for press in one])
    assert share == pytest.approx(0.043, abs=0.006)  # 226,653 of 5,258,056


def test_some_keys_overlap_but_a_key_is_up_before_it_goes_down_again(hour):
    for one in hour:
        assert any(after.down < before.up for before, after in pairwise(one))
        last_up = {}
        for press in one:
            place = physical_key(press.key, opposite(None)) if press.key != SHIFT else SHIFT
            assert press.down > last_up.get(place, -1.0)
            last_up[place] = press.up


def test_no_two_keys_go_down_together_and_each_comes_up_later(hour):
    for one in hour:
        downs = np.array([press.down for press in one])
        assert np.diff(downs).min() >= 0.0219
        assert all(press.up > press.down for press in one)


@pytest.mark.parametrize("speed", [1.5, 3.2, 6.4, 10.0])
def test_the_speed_asked_for_is_reached_pauses_included(speed):
    for seed, minutes in [(0, 1.0), (1, 4.0)]:
        typed = presses(seed, speed=speed, minutes=minutes)
        assert len(typed) / (60 * minutes) == pytest.approx(speed, rel=0.03)
        assert typed[-1].down == pytest.approx(60 * minutes, abs=2.0 / speed)


def test_the_same_seed_types_the_same_and_another_does_not():
    assert presses(3, minutes=1) == presses(3, minutes=1)
    again = Typist(np.random.SeedSequence((1, 4)), np.random.SeedSequence((2, 3)))
    first = typist(3).type([PANGRAM] * 3, 4.0)
    assert again.type([PANGRAM] * 3, 4.0) != first


def test_without_mistakes_the_keys_are_the_text():
    (prompt,) = typist(mistakes=0.0).type([PANGRAM], 4.0)
    assert keys_to_symbols(press.key for press in prompt.key_presses) == PANGRAM + "⏎"
    assert prompt.text == PANGRAM + "⏎"


def test_most_mistakes_are_corrected():
    prompts = typist(mistakes=0.1).type([PANGRAM] * 200, 4.0)
    rendered = [render(keys_to_symbols(press.key for press in prompt.key_presses)) for prompt in prompts]
    slips = [any(press.key == BACKSPACE for press in prompt.key_presses) for prompt in prompts]
    right = [text == PANGRAM + "\n" for text in rendered]
    assert np.mean(slips) > 0.8
    assert 0.4 < np.mean(right) < 0.9  # four mistakes a prompt, 15 % of them left standing


def test_all_kinds_of_mistakes_happen():
    prompts = typist(mistakes=0.2).type([PANGRAM] * 200, 4.0)
    typed = " ".join(render(keys_to_symbols(press.key for press in prompt.key_presses)) for prompt in prompts)
    for slip in ("hte ", "quickk", "quik ", "wuick"):  # swapped, doubled, skipped, neighbour
        assert slip in typed


def test_every_prompt_ends_with_enter_and_follows_the_one_before():
    prompts = typist().type(["one two", "three"], 3.0, start=1.0)
    assert prompts[0].key_presses[0].down == pytest.approx(1.0)
    for prompt in prompts:
        assert prompt.key_presses[-1].key == ENTER
        assert prompt.start < prompt.key_presses[0].down
        assert prompt.end >= prompt.key_presses[-1].down
    assert prompts[0].end == prompts[1].start


def test_capitals_and_shifted_marks_are_typed_with_shift_held():
    typed = presses(0, minutes=5, style=TextStyle(capitals=0.1, symbols=0.5))
    shifted = [i for i, press in enumerate(typed) if needs_shift(press.key)]
    assert len(shifted) > 50
    for i in shifted:
        shift, press = typed[i - 1], typed[i]
        assert shift.key == SHIFT
        assert shift.down < press.down < press.up < shift.up
        if i + 1 < len(typed):
            assert shift.up < typed[i + 1].down
    assert sum(press.key == SHIFT for press in typed[:-1]) == len(shifted)  # the last may be cut off before its letter


def test_the_hand_that_holds_shift_is_not_the_one_that_types():
    typed = presses(0, minutes=3, style=TextStyle(capitals=0.1))
    handed = list(assign_shift_hands(typed))
    assert [press for press, _ in handed] == typed
    used = set()
    for (press, hand), after in zip(handed, typed[1:], strict=False):
        if press.key == SHIFT:
            assert hand != usual_hand(after.key)
            used.add(hand)
    assert used == {"left", "right"}


def test_symbols_of_keys_are_typed_as_keys():
    (prompt,) = typist(mistakes=0.0).type([fold("a\b ⇧")], 4.0)
    assert [press.key for press in prompt.key_presses] == ["a", BACKSPACE, "Key.space", SHIFT, ENTER]
