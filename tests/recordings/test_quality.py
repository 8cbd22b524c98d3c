"""What a check finds in recordings that are broken on purpose, and that it finds nothing in those that are not."""

from __future__ import annotations

import json
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from myotype import recordings, simulate
from myotype.errors import InputError, LabelsError
from myotype.recordings import Prompt, Recording
from myotype.recordings.bids import read_events
from myotype.recordings.quality import CODES, check, checking
from myotype.transcript import KeyPress

SECONDS = 45


def typed(typist, seed=0):
    """Give what a person typed, as arrays: fast, so that a short time has enough keys."""
    made = simulate(minutes=SECONDS / 60, typist=typist, seed=seed, session=seed, speed=5.0)
    return SimpleNamespace(
        emg=made.emg[: SECONDS * 2000], times=made.times[: SECONDS * 2000], keys=made.key_presses, prompts=made.prompts
    )


@pytest.fixture(scope="module")
def whole():
    return typed("demo")


@pytest.fixture
def parts(whole):
    """Give the parts of a good recording, to be broken."""
    return SimpleNamespace(emg=whole.emg.copy(), times=whole.times.copy(), keys=[*whole.keys], prompts=whole.prompts)


def recording_of(parts, **other):
    # A function, as files have it: what the constructor would refuse can come from there.
    given = {"user": "somebody", "name": "one", "prompts": parts.prompts, "key_presses": lambda: tuple(parts.keys)}
    return Recording(emg=parts.emg, times=parts.times, **(given | other))


def codes_of(report):
    return {found.code for found in report.findings}


def found(report, code):
    (finding,) = (finding for finding in report.findings if finding.code == code)
    return finding


def hum(n, mains):
    return np.sin(2 * np.pi * mains * np.arange(n) / 2000)


def rows_missing(parts, start, stop):
    parts.emg = np.delete(parts.emg, slice(start, stop), axis=0)
    parts.times = np.delete(parts.times, slice(start, stop))


def exchanged(parts, order, wanted):
    parts.emg[:, order] = parts.emg[:, wanted]


def later(parts, seconds, keys=slice(None)):
    parts.keys[keys] = [KeyPress(press.key, press.down + seconds, press.up + seconds) for press in parts.keys[keys]]


def noise(parts, channels):
    parts.emg[:, channels] = 8 * np.random.default_rng(1).standard_normal((len(parts.emg), len(channels)))


def band_later(parts, band, seconds):
    channels = slice(16 * band, 16 * band + 16)
    parts.emg[:, channels] = np.roll(parts.emg[:, channels], round(2000 * seconds), axis=0)


def clipped(parts, channel):
    limit = 16 * 3.2227 * np.ceil(parts.emg[:, channel].std() * 2 / (16 * 3.2227))
    parts.emg[:, channel] = np.clip(4 * parts.emg[:, channel], -limit, limit)


def stretched(parts, ppm):
    start = parts.times[0]

    def moved(time):
        return start + (time - start) * (1 + 1e-6 * ppm)

    parts.times = moved(parts.times)
    parts.keys = [KeyPress(press.key, moved(press.down), moved(press.up)) for press in parts.keys]


def uneven(parts):
    parts.times += 0.05 * np.sin((parts.times - parts.times[0]) / 5)


def held_up(parts):
    press = parts.keys[30]
    parts.keys[30] = KeyPress(press.key, press.down, press.down - 0.05)


def shuffled(parts):
    downs = np.sort(np.random.default_rng(2).uniform(parts.times[0], parts.times[-1], len(parts.keys)))
    parts.keys = [
        KeyPress(press.key, down, down + 0.05) for press, down in zip(parts.keys, downs.tolist(), strict=True)
    ]


def too_many(parts):
    parts.keys = sorted(
        (KeyPress(key, press.down + at * 1e-3, press.up) for press in parts.keys for at, key in enumerate("abc")),
        key=lambda press: press.down,
    )


def put(array, at, value):
    array[at] = value


BROKEN = {
    "not-finite": lambda p: put(p.emg, (slice(5000, 5003), 4), np.nan),
    "flat-channel": lambda p: put(p.emg, (slice(None), 7), 0),
    "flat-channel of lost samples": lambda p: put(p.emg, slice(40100, 40300), p.emg[40099]),
    "low-amplitude": lambda p: put(p.emg, (slice(None), 2), 0.05 * p.emg[:, 2]),
    "high-amplitude": lambda p: put(p.emg, (slice(None), 2), 30 * p.emg[:, 2]),
    "saturated": lambda p: clipped(p, 20),
    "saturated before a spike": lambda p: clipped(p, 20) or put(p.emg, (80_000, 20), 6000),
    "low-amplitude of all in coarse levels": lambda p: put(
        p.emg, slice(None), 3.2 * np.rint(0.2 * p.emg / p.emg.std(axis=0))
    ),
    "unit-suspicious": lambda p: put(p.emg, slice(None), 1e-6 * p.emg),
    "baseline of an offset": lambda p: put(p.emg, slice(None), p.emg + 300),
    "baseline of movement": lambda p: put(p.emg, (slice(None), 3), p.emg[:, 3] + 90 * hum(len(p.emg), 3)),
    "line-noise of one channel": lambda p: put(p.emg, (slice(None), 14), p.emg[:, 14] + 60 * hum(len(p.emg), 50)),
    "line-noise of less than half": lambda p: put(
        p.emg, (slice(None), 7), p.emg[:, 7] + 1.25 * p.emg[:, 7].std() * hum(len(p.emg), 60)
    ),
    "line-noise": lambda p: put(p.emg, slice(None), p.emg + 60 * hum(len(p.emg), 60)[:, np.newaxis]),
    "dead-channel": lambda p: noise(p, [9]),
    "dead-channel twice": lambda p: noise(p, [9, 11]),
    "dead-channel every other": lambda p: noise(p, [*range(0, 16, 2)]),
    "bridged-channels": lambda p: put(p.emg, (slice(None), 5), p.emg[:, 4]),
    "inverted-channel of two neighbours": lambda p: put(p.emg, (slice(None), [3, 4]), -p.emg[:, [3, 4]]),
    "inverted-channel": lambda p: put(p.emg, (slice(None), 12), -p.emg[:, 12]),
    "swapped-channels side by side": lambda p: exchanged(p, [3, 4], [4, 3]),
    "swapped-channels of a band": lambda p: exchanged(p, [20, 28], [28, 20]),
    "swapped-channels of a whole band": lambda p: exchanged(
        p, [*range(16)], [8, 1, 10, 3, 12, 5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15]
    ),
    "swapped-channels of two bands": lambda p: exchanged(p, [3, 19], [19, 3]),
    "bands-swapped": lambda p: put(p.emg, slice(None), np.roll(p.emg, 16, axis=1)),
    "bands-misaligned": lambda p: band_later(p, 0, 0.06),
    "bands-misaligned by much": lambda p: band_later(p, 1, 0.6),
    "keys-misaligned": lambda p: later(p, 0.4, slice(0, -5)) or p.keys.__delitem__(slice(-5, None)),
    "keys-unrelated": shuffled,
    "keys-unrelated by a band": lambda p: band_later(p, 0, 5.0),
    "clock-drift": lambda p: stretched(p, 1000),
    "clock-uneven": uneven,
    "unreadable-times": lambda p: put(p.times, 7000, np.nan),
    "repeated-times": lambda p: put(p.times, slice(None), np.repeat(p.times[::16], 16)[: len(p.times)]),
    "keys-outside-signal": lambda p: later(p, 60.0, slice(-3, None)),
    "unsorted-keys": lambda p: p.keys.insert(3, p.keys.pop(40)),
    "duplicated-keys": lambda p: p.keys.insert(40, p.keys[40]),
    "released-early": held_up,
    "unknown-keys": lambda p: put(p.keys, 30, KeyPress("Key.left", p.keys[30].down, p.keys[30].up)),
    "few-keys": lambda p: p.keys.__delitem__(slice(20, None)),
    "many-keys": too_many,
    "labels-missing": lambda p: p.keys.clear(),
}


@pytest.mark.parametrize("typist", ["demo", "easy:3", "realistic:0", "realistic:5", "realistic:11"])
def test_nothing_is_found_in_a_good_recording(typist):
    report = check(recording_of(typed(typist, seed=7)))
    assert report.findings == ()
    assert report.severity is None
    assert report.hands is not None


def test_nothing_is_found_where_a_real_log_drives_the_muscles(shared):
    log = shared / "emg2qwerty-events/sub-80587505/ses-1620432166/emg"
    presses = read_events(next(log.glob("*_events.tsv"))).key_presses
    made = simulate(key_presses=[press for press in presses if press.down < presses[0].down + SECONDS])
    assert codes_of(check(made)) == set()


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_found_and_nothing_else(parts, case):
    code = case.split()[0]
    BROKEN[case](parts)
    report = check(recording_of(parts))
    assert codes_of(report) == {code}
    assert report.severity == CODES[code].severity


def test_every_code_but_those_of_files_is_tried_here():
    elsewhere = {"unreadable", "labels-unreadable", "short", "sampling-rate", "gap", "clock-backwards"}
    assert {case.split()[0] for case in BROKEN} | elsewhere == set(CODES)


def test_a_gap_is_found_with_its_place_and_the_keys_in_it(parts):
    lost = [press for press in parts.keys if 10 < press.down - parts.times[0] < 12.5]
    rows_missing(parts, 20_000, 25_000)
    rows_missing(parts, 50_000, 50_020)
    report = check(recording_of(parts))
    assert codes_of(report) == {"gap", "keys-outside-signal"}
    gap = found(report, "gap")
    assert gap.figures == pytest.approx({"count": 2, "seconds": 2.51, "longest": 2.5}, abs=1e-5)
    assert gap.spans == ((10.0, 10.0), (25.0, 25.0))
    assert found(report, "keys-outside-signal").figures["count"] == len(lost) > 0


def test_time_that_runs_backwards_is_found(parts):
    parts.times[40_000:] -= 3.0
    report = check(recording_of(parts))
    backwards = found(report, "clock-backwards")
    assert backwards.figures["seconds"] == pytest.approx(3.0, abs=1e-3)
    assert backwards.spans == ((20.0, 20.0),)


def test_a_finding_says_where_it_is(parts):
    parts.emg[5000:5003, 4] = np.nan
    parts.emg[30_000:40_000, 9] = 5.0
    report = check(recording_of(parts))
    bad, flat = found(report, "not-finite"), found(report, "flat-channel")
    assert (bad.channels, bad.spans, bad.figures) == ((4,), ((2.0, 3.0),), {"count": 3})
    assert (flat.channels, flat.spans) == ((9,), ((15.0, 20.0),))
    assert "channel 4: 3 values are not finite" in bad.message


@pytest.mark.parametrize("seconds", [-0.3, -0.1, 0.1, 0.3])
def test_the_delay_between_the_bands_is_measured(parts, seconds):
    band_later(parts, 0, seconds)
    assert check(recording_of(parts)).hands.delay == pytest.approx(seconds, abs=0.011)


def test_several_exchanges_are_undone(parts):
    exchanged(parts, [3, 9, 20, 24], [9, 3, 24, 20])
    swapped = found(check(recording_of(parts)), "swapped-channels")
    assert swapped.channels == (3, 9, 20, 24)
    assert "exchange channels" in swapped.message
    assert "3 and 9" in swapped.message
    assert "20 and 24" in swapped.message


def test_findings_are_ordered_from_the_worst_on(parts):
    parts.emg[5000, 4] = np.inf
    noise(parts, [9])
    parts.keys[30] = KeyPress("Key.left", parts.keys[30].down, parts.keys[30].up)
    report = check(recording_of(parts))
    assert [finding.severity for finding in report.findings] == ["error", "warning", "info"]
    assert report.severity == "error"


def test_findings_can_be_left_out_by_code(parts):
    parts.emg[5000, 4] = np.nan
    noise(parts, [9])
    assert codes_of(check(recording_of(parts), ignore=["not-finite"])) == {"dead-channel"}


def test_a_code_that_is_none_is_refused_with_the_one_that_was_meant(parts):
    with pytest.raises(InputError, match="no finding 'dead-chanel'; 'dead-channel' is one"):
        check(recording_of(parts), ignore=["dead-chanel"])


def test_labels_that_cannot_be_read_are_a_finding(parts):
    def fail():
        raise LabelsError("the attribute 'keystrokes' is malformed")

    for wrong in ({"key_presses": fail}, {"prompts": fail}, {"user": fail}, {"condition": fail}):
        report = check(recording_of(parts, **wrong))
        assert codes_of(report) == {"labels-unreadable"}
        assert "malformed" in report.findings[0].message
        assert report.typing is None


def test_away_from_the_keyboard_the_prompts_are_the_labels(parts):
    parts.keys = []
    assert codes_of(check(recording_of(parts, condition="on_table"))) == set()
    silent = (Prompt(None, parts.times[0], parts.times[-1]),)
    assert codes_of(check(recording_of(parts, condition="on_table", prompts=silent))) == {"labels-missing"}


def test_another_sampling_rate_is_found_and_taken_into_account(parts):
    parts.emg, parts.times = parts.emg[::2], parts.times[::2]
    report = check(recording_of(parts, sfreq=1000.0))
    assert codes_of(report) == {"sampling-rate"}
    assert report.signal.frequencies[-1] == 500.0
    assert report.duration == SECONDS


@pytest.mark.parametrize("n_samples", [0, 1, 2, 3, 20, 1999, 2000, 2001])
def test_a_recording_of_a_moment_can_be_checked(n_samples):
    report = check(Recording(emg=np.ones((n_samples, 32)), user="u", name="n"))
    assert codes_of(report) >= {"short", "labels-missing"}
    json.dumps(report.as_dict(), allow_nan=False)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1e30, 7.0])
def test_a_signal_of_one_value_can_be_checked(value):
    emg = np.full((24_000, 32), value, dtype=np.float32)
    report = check(Recording(emg=emg, user="u", name="n"))
    assert codes_of(report) & {"not-finite", "flat-channel"}
    json.dumps(report.as_dict(), allow_nan=False)


def test_times_that_are_no_numbers_at_all_can_be_checked(parts):
    parts.times[:] = np.nan
    report = check(recording_of(parts))
    assert "unreadable-times" in codes_of(report)
    json.dumps(report.as_dict(), allow_nan=False)


def test_the_cut_into_blocks_changes_nothing(parts, monkeypatch):
    parts.emg[5000, 4] = np.nan
    rows_missing(parts, 20_000, 21_000)
    wanted = check(recording_of(parts))
    monkeypatch.setattr(checking, "_BLOCK", 1)
    report = check(recording_of(parts))
    assert report.findings == wanted.findings
    np.testing.assert_allclose(report.signal.spectrum, wanted.signal.spectrum, rtol=1e-5)


def test_figures_are_those_of_the_signal():
    n = 20 * 2000
    emg = np.random.default_rng(0).standard_normal((n, 32)) * np.arange(1, 33)
    emg[:, 5] = 100 + np.sqrt(2) * 30 * hum(n, 50) + np.sqrt(2) * 40 * hum(n, 200)
    signal = check(Recording(emg=emg, user="u", name="n")).signal
    np.testing.assert_allclose(np.delete(signal.rms, 5), np.delete(np.arange(1, 33), 5), rtol=0.02)
    assert signal.rms[5] == pytest.approx(50, rel=1e-3)
    assert signal.mean[5] == pytest.approx(100, rel=1e-3)
    assert signal.power(20, 1000)[5] == pytest.approx(50**2, rel=0.01)
    assert signal.power(0, 20)[5] == pytest.approx(100**2, rel=0.01)
    assert signal.power(150, 250)[5] == pytest.approx(40**2, rel=0.01)
    assert np.delete(signal.power(20, 1001), 5) == pytest.approx(0.98 * np.delete(np.arange(1, 33), 5) ** 2, rel=0.03)
    assert signal.line_power(60)[5] < 0.01 * 50**2


def test_hum_and_its_harmonics_are_measured():
    n = 20 * 2000
    emg = 5 * np.random.default_rng(0).standard_normal((n, 32))
    emg[:, 8] += np.sqrt(2) * (20 * hum(n, 60) + 10 * hum(n, 180))
    signal = check(Recording(emg=emg, user="u", name="n")).signal
    assert signal.line_power(60)[8] == pytest.approx(20**2 + 10**2, rel=0.05)
    assert np.delete(signal.line_power(60), 8).max() < 1.0


def test_keys_and_speed_are_counted(parts):
    parts.keys[30:32] = [KeyPress("Key.left", press.down, press.up) for press in parts.keys[30:32]]
    typing = check(recording_of(parts)).typing
    assert typing.n_keys == len(parts.keys)
    assert typing.speed == pytest.approx(len(parts.keys) / SECONDS)
    assert typing.unknown == {"Key.left": 2}
    assert typing.places == pytest.approx([press.down - parts.times[0] for press in parts.keys], abs=1e-3)


def test_progress_is_told(parts):
    shares = []
    check(recording_of(parts), progress=shares.append)
    assert shares == pytest.approx([16 / 45, 32 / 45, 1.0])


def test_the_reference_files_are_judged_by_what_can_be_judged(golden):
    with recordings.open(golden / "session_small.hdf5") as recording:
        report = check(recording)
    # Eight seconds of noise, with amplitudes of 0.95 to 37.7 microvolts and keys around its edges.
    assert codes_of(report) == {"short", "low-amplitude", "high-amplitude", "keys-outside-signal", "unknown-keys"}


@pytest.mark.parametrize("n_dead", [1, 5, 9, 13, 14])
def test_every_dead_electrode_is_told_however_many_there_are(parts, n_dead):
    noise(parts, [*range(n_dead)])
    dead = [finding for finding in check(recording_of(parts)).findings if finding.code == "dead-channel"]
    assert [finding.channels for finding in dead] == [tuple(range(n_dead))]


def test_a_band_without_any_contact_is_named(parts):
    noise(parts, [*range(16, 32)])
    dead = found(check(recording_of(parts)), "dead-channel")
    assert dead.channels == tuple(range(16, 32))
    assert "the right band" in dead.message


def test_a_loud_channel_that_is_clipped_to_few_levels_is_saturated(parts):
    parts.emg[:, 21] = np.clip(np.round(20 * parts.emg[:, 21] / 64) * 64, -300, 300)
    report = check(recording_of(parts))
    assert codes_of(report) == {"saturated", "high-amplitude"}
    assert "300 µV in channel 21" in found(report, "saturated").message


def test_a_channel_that_is_clipped_after_a_silent_beginning_is_saturated(parts):
    clipped(parts, 20)
    parts.emg[:34_000] = 0
    assert found(check(recording_of(parts)), "saturated").channels == (20,)


def test_what_looked_clipped_is_none_where_the_signal_goes_higher_later(parts):
    # Both sides stay at a value in the first block, and pass it in the second.
    for at, side in ((1000, 1), (2000, -1)):
        parts.emg[at : at + 50, 20] = side * 2000
        parts.emg[36_000 + at, 20] = side * 2001
    assert "saturated" not in codes_of(check(recording_of(parts)))


def test_weak_electrodes_are_not_taken_for_some_in_the_wrong_place(parts):
    rng = np.random.default_rng(3)
    drowned = parts.emg[:, [6, 9]]
    parts.emg[:, [6, 9]] += 4 * drowned.std(axis=0) * rng.standard_normal(drowned.shape)
    assert "swapped-channels" not in codes_of(check(recording_of(parts)))


def test_places_that_are_told_are_limited(parts):
    parts.times += 0.01 * (np.arange(len(parts.times)) // 200)
    report = check(recording_of(parts))
    gap = found(report, "gap")
    assert gap.figures["count"] == 449
    assert len(gap.spans) == 200
    known = report.as_dict()
    assert (known["n_gaps"], len(known["gaps"])) == (449, 200)


def test_notes_of_the_recording_are_kept(parts):
    report = check(recording_of(parts, notes=["the units were guessed"]))
    assert report.notes == ("the units were guessed",)
    assert report.as_dict()["notes"] == ["the units were guessed"]


class Endless:
    """A signal that is made when it is read."""

    shape = (2000 * 60 * 6, 32)

    def __getitem__(self, window):
        return np.zeros((window.stop - window.start, 32), dtype=np.float32)


def test_memory_does_not_grow_with_the_signal():
    tracemalloc.start()
    check(Recording(emg=Endless(), user="u", name="n"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * 4 * np.prod(Endless.shape)
