"""Which recordings are of no use for training: broken logs, other rates, too short, clocks that cannot place a key."""

from __future__ import annotations

import numpy as np
import pytest

from myotype.errors import LabelsError
from myotype.network import EMG2QwertyNet, SplashNet
from myotype.recordings import Prompt, Recording
from myotype.training.filters import least_samples, reason_against
from myotype.transcript import KeyPress

NETWORK = EMG2QwertyNet(hop_length=64, mlp_features=[8], block_channels=[2], kernel_width=3)


def typed(downs: list[float], seconds: float = 60, keys: list[str] | None = None, **given: object) -> Recording:
    given = {"emg": np.zeros((round(seconds * 2000), 32), np.float32), "name": "r", **given}
    presses = [KeyPress(key, down, down + 0.05) for key, down in zip(keys or ["a"] * len(downs), downs, strict=True)]
    return Recording(key_presses=presses, **given)


def every(gap: float, n: int, first: float = 0.5) -> list[float]:
    return [first + gap * index for index in range(n)]


def together(n: int, pairs: int) -> list[float]:
    """Give the times of n keys, of which some go down in the moment of the one before."""
    return sorted([*every(0.4, n - pairs), *every(0.4, pairs)])


def test_what_is_typed_as_people_type_can_be_trained_on():
    assert reason_against(typed(every(0.15, 300)), NETWORK) is None


@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        (typed([]), "nothing was typed in it"),
        (typed(every(1, 10), keys=["Key.ctrl"] * 10), "nothing was typed in it that is among the 98 keys"),
        (typed([70.0, 71.0]), "nothing was typed in it"),
        (typed(every(1, 4)), "only 4 keys were typed in it"),
        (typed(every(1, 5)), None),
        (typed(every(1 / 11.5, 680)), "11.3 keys a second are more than anybody types"),
        (typed(every(1 / 10.5, 610)), None),
        (typed(every(1, 50), sfreq=1000.0), "1000 samples a second; the network takes 2000"),
        (typed(every(0.1, 5, 0.0), seconds=0.46), None),
        (typed(every(0.01, 5, 0.0), seconds=0.08), "160 samples are fewer than the receptive field of 192"),
        (Recording(emg=np.zeros((0, 32))), "0 samples are fewer"),
    ],
    ids=str,
)
def test_a_reason_says_what_is_wrong(recording, reason):
    found = reason_against(recording, NETWORK)
    assert found is None if reason is None else found.startswith(reason)


def test_keys_beyond_the_end_do_not_count():
    assert reason_against(typed(every(0.02, 20, 0.0), seconds=0.1), NETWORK) == (
        "50.0 keys a second are more than anybody types: its log is broken"
    )


def test_keys_in_one_moment_are_a_broken_log_where_they_are_many():
    assert reason_against(typed(together(100, 5)), NETWORK) == (
        "5.0 % of its keys went down in the same moment as the one before: its log is broken"
    )
    assert reason_against(typed(together(100, 3)), NETWORK).startswith("3.0 %")
    assert reason_against(typed(together(200, 4)), NETWORK) is None


@pytest.mark.parametrize("pairs", [1, 2])
def test_a_chord_or_two_are_no_broken_log_however_short_the_recording(pairs):
    assert reason_against(typed(together(20, pairs)), NETWORK) is None


def test_modifiers_that_go_down_with_a_key_are_no_broken_log():
    downs = sorted([*every(0.4, 100), *every(0.4, 50)])
    keys = [key for index in range(50) for key in ("Key.shift_l", "A")] + ["a"] * 50
    assert reason_against(typed(downs, keys=keys), NETWORK) is None


def test_keys_in_a_gap_do_not_make_typing_fast():
    times = np.arange(120_000) / 2000 + 300.0 * (np.arange(120_000) >= 60_000)
    downs = [*every(0.3, 50), *every(0.1, 2500, 40.0), *every(0.3, 50, 331.0)]
    assert reason_against(typed(downs, times=times), NETWORK) is None


@pytest.mark.parametrize("time", [np.nan, np.inf, 0.0])
def test_a_clock_that_cannot_place_keys_is_a_reason(time):
    times = 100 + np.arange(4000) / 2000
    times[50] = time
    reason = reason_against(typed(every(0.1, 9, 100.0), seconds=2, times=times), NETWORK)
    assert reason.startswith("the clock is no number or runs backwards after sample ")


def test_what_was_not_typed_on_a_keyboard_is_a_reason():
    recording = typed([], condition="on_table", prompts=[Prompt("hello", 1.0, 2.0)])
    assert reason_against(recording, NETWORK) == "condition 'on_table' has no key times"


@pytest.mark.parametrize("what", ["key_presses", "condition"])
def test_malformed_labels_are_a_reason(what):
    def fail():
        raise LabelsError("r: the attribute is malformed")

    assert reason_against(Recording(emg=np.zeros((4000, 32)), name="r", **{what: fail}), NETWORK) == (
        "the attribute is malformed"
    )


def test_a_network_that_has_to_settle_needs_more_samples():
    network = SplashNet(hop_length=64, settling_frames=10, mlp_features=[8], block_channels=[2], kernel_width=3)
    assert least_samples(network) == 11 * 64 > network.receptive_field
    assert least_samples(NETWORK) == NETWORK.receptive_field == 192
    keys = every(0.05, 5, 0.05)
    assert reason_against(typed(keys, 0.3515), network) == "703 samples are fewer than the receptive field of 704"
    assert "receptive field" not in (reason_against(typed(keys, 0.352), network) or "")
