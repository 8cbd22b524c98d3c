"""What a run takes of the recordings that it is given, what it says of the rest, and how it knows them again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from myotype.errors import InputError, LabelsError
from myotype.network import EMG2QwertyNet
from myotype.recordings import Recording, write_bids, write_hdf5
from myotype.recordings.prepared.writing import write_prepared
from myotype.training import SimulatedCorpus
from myotype.training.corpus import Corpus, simulate_corpus
from myotype.training.sources import Source, as_sources
from myotype.transcript import KeyPress

SMALL = {"hop_length": 64, "mlp_features": [8], "block_channels": [2], "kernel_width": 3}
NETWORK = EMG2QwertyNet(**SMALL)


def recording(seed: int = 0, n: int = 40_000, **given: object) -> Recording:
    random = np.random.default_rng(seed)
    presses = [
        KeyPress(str(key), 1.0 + 0.3 * at, 1.0 + 0.3 * at + 0.05)
        for at, key in enumerate(random.choice(list("abcdef"), 30))
    ]
    emg = (random.standard_normal((n, 32)) * 20).astype(np.float32)
    return Recording(**{"emg": emg, "key_presses": presses, "user": "1", "name": f"r{seed}", **given})


def fitted(training, validation, network=NETWORK):
    notes: list[str] = []
    corpus = Corpus(as_sources(training), as_sources(validation)).fit_for(network, notes.append)
    return corpus, notes


def test_what_is_of_use_is_kept_without_a_word():
    corpus, notes = fitted([recording(0), recording(1)], [recording(2)])
    assert [source.name for source in corpus.training] == ["r0", "r1"]
    assert [source.user for source in corpus.validation] == ["1"]
    assert notes == []


def test_what_is_left_out_is_said_and_counted():
    bad = [recording(seed, n=100, key_presses=()) for seed in range(1, 9)]
    corpus, notes = fitted([recording(0), *bad], [recording(20), recording(21, sfreq=1000.0)])
    assert [source.name for source in corpus.training] == ["r0"]
    assert notes[0] == "8 of 9 recordings to train on are left out"
    assert notes[1] == "  r1: 100 samples are fewer than the receptive field of 192"
    assert notes[7] == "  and 2 more: 2 x N samples are fewer than the receptive field of N"
    assert notes[8] == "1 of 2 recordings to validate with are left out"
    assert len(notes) == 10


def test_one_that_is_of_no_use_and_given_twice_counts_twice():
    bad = recording(1, n=100, key_presses=())
    _, notes = fitted([recording(0), bad, bad], [recording(2)])
    assert notes[0] == "2 of 3 recordings to train on are left out"


def test_a_file_that_cannot_be_read_is_left_out_and_said(tmp_path):
    (tmp_path / "bad.hdf5").write_bytes(b"nothing of the kind")
    notes: list[str] = []
    given = Corpus([Source("bad", "", tmp_path / "bad.hdf5"), *as_sources([recording(0)])], as_sources([recording(1)]))
    assert len(given.fit_for(NETWORK, notes.append).training) == 1
    assert notes[0] == "1 of 2 recordings to train on are left out"
    assert notes[1].startswith("  bad: ")
    assert "not an HDF5 file" in notes[1]


def test_a_recording_whose_user_cannot_be_read_is_left_out_and_said():
    def fail() -> str:
        raise LabelsError("the attribute 'user' is malformed")

    corpus, notes = fitted([recording(0), recording(1, user=fail)], [recording(2)])
    assert [source.name for source in corpus.training] == ["r0"]
    assert notes == ["1 of 2 recordings to train on are left out", "  r1: the attribute 'user' is malformed"]


@pytest.mark.parametrize("part", [0, 1])
def test_nothing_left_is_an_error_that_says_why(part):
    parts = [[recording(0)], [recording(1)]]
    parts[part] = [recording(2, sfreq=1000.0)]
    what = ("train on", "validate with")[part]
    with pytest.raises(InputError, match=f"there are no recordings to {what}: r2: 1000 samples a second"):
        fitted(*parts)
    parts[part] = []
    with pytest.raises(InputError, match=f"there are no recordings to {what}: none are given"):
        fitted(*parts)


@pytest.mark.parametrize(
    "other", [{"n_outputs": 50}, {"num_bands": 1, "electrodes_per_band": 32}, {"n_chans": 16, "electrodes_per_band": 8}]
)
def test_a_network_for_other_bands_or_keys_is_refused(other):
    with pytest.raises(InputError, match="the network is not for the recordings that there are"):
        fitted([recording(0)], [recording(1)], EMG2QwertyNet(**SMALL, **other))


def test_people_are_the_same_whatever_zeros_their_names_have(tmp_path):
    corpus, _ = fitted([recording(0, user="007"), recording(1, user="7"), recording(2, user="x07")], [recording(3)])
    assert [source.user for source in corpus.training] == ["7", "7", "x07"]


def test_those_who_are_not_named_are_told_of():
    corpus, notes = fitted([recording(0, user=""), recording(1)], [recording(2, user="")])
    assert [source.user for source in corpus.training] == ["", "1"]
    assert notes == ["1 of the recordings to train on do not say who typed: they count as one person's"]


def test_what_had_to_be_assumed_of_recordings_is_told_of_once_for_all():
    odd = [f"{'x' * at} is odd" for at in range(8)]
    notes = [(f"its unit is taken to be {seed + 1} uV", *odd[:seed]) for seed in range(8)]
    given = [recording(seed, notes=one) for seed, one in enumerate(notes)]
    _, said = fitted(given, [recording(20)])
    assert said[:2] == [
        "8 of 8 recordings to train on: its unit is taken to be N uV",
        "7 of 8 recordings to train on:  is odd",
    ]
    assert said[6:] == ["and 2 more notes on recordings to train on"]


def test_a_recording_whose_name_cannot_be_read_is_left_out_before_a_window_is_called_by_it():
    def fail() -> str:
        raise LabelsError("the attribute 'session_name' is malformed")

    _, notes = fitted([recording(0), recording(1, name=fail)], [recording(2)])
    assert notes[1] == "  a recording: the attribute 'session_name' is malformed"


def test_keys_that_have_no_place_in_the_signal_are_told_of():
    presses = list(recording(0).key_presses)
    outside = [*presses, KeyPress("a", 100.0, 100.1), KeyPress("Key.ctrl", 101.0, 101.1)]
    _, notes = fitted([recording(0, key_presses=outside)], [recording(1)])
    assert notes == [
        "1 of 31 keys in recordings to train on were pressed outside the signal or in a gap: they do not count"
    ]


def forms(tmp_path, held):
    """Write a recording in every form, as sources."""
    write_hdf5(tmp_path / "a.hdf5", held)
    write_prepared(tmp_path / "p", held, user="1", session="s", source=[], source_size=0)
    bids = write_bids(tmp_path / "bids", held).path
    return {"hdf5": tmp_path / "a.hdf5", "prepared": tmp_path / "p", "bids": bids}


@pytest.mark.parametrize("form", ["held", "hdf5", "prepared", "bids"])
def test_a_recording_given_twice_is_told_of_in_whatever_form(tmp_path, form):
    held = recording(0)
    other = as_sources([held]) if form == "held" else [Source("other", "", forms(tmp_path, held)[form])]
    notes: list[str] = []
    Corpus(as_sources([held, recording(1)]), other).fit_for(NETWORK, notes.append)
    note = notes[-1]
    assert note.startswith(f"r0 (training) and {'r0' if form == 'held' else 'other'} (validation) have the same keys")


def test_many_given_twice_are_counted():
    given = [recording(seed) for seed in range(9)]
    _, notes = fitted([*given, *given], [recording(20)])
    assert len(notes) == 7
    assert notes[0].startswith("r0 (training) and r0 (training) have the same keys")
    assert notes[-1] == "and 3 more recordings are given twice"


def test_a_fingerprint_is_that_of_the_contents_in_whatever_form(tmp_path):
    held = recording(0)
    (expected,) = Corpus(as_sources([held]), []).fingerprint()
    assert expected["part"] == "training"
    assert (expected["name"], expected["samples"], expected["keys"]) == ("r0", 40_000, 30)
    for form, path in forms(tmp_path, held).items():
        (found,) = Corpus([Source("r0", "", path)], []).fingerprint()
        if form != "bids":  # whose samples are rounded
            assert found == expected, form
        assert found["typed"] == expected["typed"]


def test_a_fingerprint_tells_of_every_change():
    base = recording(0)
    keys = list(base.key_presses)

    def at(sample: int) -> np.ndarray:
        emg = base.emg[:]
        emg[sample] += 1
        return emg

    changed = {
        "another key": {"key_presses": [dataclasses.replace(keys[0], key="z"), *keys[1:]]},
        "a key later": {"key_presses": [*keys[:-1], dataclasses.replace(keys[-1], down=keys[-1].down + 0.01)]},
        "a key fewer": {"key_presses": keys[:-1]},
        "the first sample": {"emg": at(0)},
        "the last sample": {"emg": at(39_999)},
        "another gain": {"emg": base.emg[:] * np.float32(1.01)},
        "another end": {"emg": np.concatenate([base.emg[:20_000], recording(9).emg[20_000:]])},
        "a stretch in the middle": {
            "emg": np.concatenate([base.emg[:18_000], recording(9).emg[:3000], base.emg[21_000:]])
        },
        "shorter": {"emg": base.emg[:39_999]},
        "another rate": {"sfreq": 2001.0},
        "another person": {"user": "2"},
        "another name": {"name": "r7"},
    }
    seen = []
    for given in ({}, *changed.values()):
        corpus, _ = fitted([recording(0, **given)], [recording(1)])
        seen.append(str(corpus.fingerprint()))
    assert len(set(seen)) == len(changed) + 1
    corpus, _ = fitted([recording(0)], [recording(1)])
    assert str(corpus.fingerprint()) == seen[0]


def test_a_fingerprint_follows_the_file(tmp_path):
    path = tmp_path / "a.hdf5"
    write_hdf5(path, recording(0))
    corpus = Corpus([Source("a", "", path)], [])
    before = corpus.fingerprint()
    path.unlink()
    write_hdf5(path, recording(1))
    assert corpus.fingerprint() != before


def test_a_simulated_corpus_is_spread_over_the_speeds_and_follows_its_seed():
    settings = SimulatedCorpus(
        recordings=2, minutes=0.1, validation_recordings=1, validation_minutes=0.05, speeds=(1.0, 8.0), seed=5
    )
    done: list[tuple[int, int]] = []
    corpus = simulate_corpus(settings, lambda *counts: done.append(counts))
    assert done == [(1, 3), (2, 3), (3, 3)]
    slow, fast = (len(source.held.key_presses) for source in corpus.training)
    assert fast > 2 * slow
    again = simulate_corpus(settings)
    assert again.fingerprint() == corpus.fingerprint()
    other = simulate_corpus(dataclasses.replace(settings, seed=6))
    assert other.fingerprint() != corpus.fingerprint()
