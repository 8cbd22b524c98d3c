"""The simulated benchmark: the same for everybody, resumable, and divided without leaks."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter

import numpy as np
import pytest

from myotype import cli
from myotype.errors import InputError, OutputError
from myotype.recordings import splits
from myotype.recordings.corpus import find_recordings
from myotype.recordings.prepared.reading import open_prepared, verify
from myotype.simulation import REALISTIC
from myotype.simulation.benchmark import BENCHMARKS, TINY, V1, make

STEP = 13200 / 4096  # microvolts of the converter


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    make(folder, "tiny")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """Give a copy to damage."""
    return shutil.copytree(made, tmp_path / "copy")


def remake(folder, **options):
    outcomes = []
    make(folder, "tiny", progress=outcomes.append, **options)
    return outcomes


def states(outcomes):
    return Counter(outcome.state for outcome in outcomes)


def samples(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.suffix == ".npy"}


def test_version_1_is_what_it_is_documented_to_be():
    plans = V1.plans()
    people = {
        use: sorted({plan.person.number for plan in plans if plan.use == use}) for use in Counter(p.use for p in plans)
    }
    assert people == {
        "train": list(range(100, 124)),
        "validation": [200, 201, 202, 203],
        "calibration": list(range(300, 308)),
        "test": list(range(300, 308)),
    }  # fmt: skip
    minutes = Counter((plan.use, plan.minutes, plan.scrambled) for plan in plans)
    assert minutes == {
        ("train", 5.0, 0.0): 24,
        ("train", 5.0, 0.3): 24,
        ("validation", 3.0, 0.0): 4,
        ("calibration", 5.0, 0.0): 16,
        ("test", 2.0, 0.0): 16,
    }
    assert sum(plan.minutes for plan in plans) == 364.0
    assert {plan.person.preset for plan in plans} == {REALISTIC}
    assert len({(plan.person.number, plan.session) for plan in plans}) == len(plans), "a donning for each"


def test_speeds_fill_their_range_and_those_of_a_person_are_near_each_other():
    for use, (low, high) in {"train": (2.5, 5.5), "test": (3.0, 5.0), "validation": (3.0, 5.0)}.items():
        speeds = [plan.speed for plan in V1.plans() if plan.use == use]
        assert low <= min(speeds) < low + 0.4
        assert high - 0.6 < max(speeds) <= high or use == "validation"
        assert all(low <= speed <= high for speed in speeds)
    for plan in V1.plans():
        assert abs(plan.speed - plan.person.speed) == pytest.approx(0.1)


def test_no_two_recordings_share_a_seed_whatever_the_version():
    seeds = [plan.seed for benchmark in BENCHMARKS.values() for plan in benchmark.plans()]
    assert len(set(seeds)) == len(seeds) == 84 + 13
    assert V1.plans()[0].seed == 1_001_000
    assert V1.plans()[-1].seed == 1_003_073


@pytest.mark.parametrize(
    ("number", "name", "truth", "n_keys", "n_samples", "key_100", "steps", "rms"),
    [
        (
            100, "train-2", "64cf855843346c42", 1224, 600_000, (23.600168, 23.684946),
            [[1, -1, -1, 0], [0, 4, 7, 1], [3, 1, -1, -1]], 28.055,
        ),
        (
            300, "test-1", "958b96fcba55868d", 462, 240_000, (23.941734, 24.026726),
            [[-1, -2, -6, -1], [0, -1, 0, 0], [21, -7, -3, -9]], 30.010,
        ),
    ],
)  # fmt: skip
def test_everybody_gets_the_same_recordings(number, name, truth, n_keys, n_samples, key_100, steps, rms):
    (plan,) = (plan for plan in V1.plans() if (plan.person.number, plan.name) == (number, name))
    recording = plan.simulate()
    assert hashlib.sha256(recording.truth.encode()).hexdigest().startswith(truth)
    assert (len(recording.key_presses), recording.n_samples) == (n_keys, n_samples)
    press, start = recording.key_presses[100], recording.times[:1][0]
    assert (press.down - start, press.up - start) == pytest.approx(key_100, abs=1e-6)
    emg = recording.emg[:]
    found = emg[[1000, 100_000, 200_000]][:, [0, 9, 20, 31]] / STEP
    np.testing.assert_allclose(found, steps, atol=1.01)  # the converter may round the other way
    assert float(np.sqrt(np.mean(np.square(emg, dtype=np.float64)))) == pytest.approx(rms, abs=2e-3)


def test_a_corpus_is_made_in_the_prepared_form_and_says_that_it_is_simulated(made):
    corpus = find_recordings(made)
    assert not corpus.strays
    assert [(entry.form, entry.user, entry.session) for entry in corpus][:2] == [
        ("prepared", "simulated-realistic-100", "train-1"),
        ("prepared", "simulated-realistic-100", "train-2"),
    ]
    for entry, plan in zip(corpus, sorted(TINY.plans(), key=lambda plan: (plan.person.name, plan.name)), strict=True):
        with open_prepared(entry.path) as recording:
            assert recording.meta.stored == "int16"
            assert recording.duration == pytest.approx(60 * plan.minutes)
            assert recording.placed_keys() is not None
            assert recording.user.startswith("simulated")
            assert recording.name.startswith("simulated")
    assert TINY.label == "myotype-sim tiny, simulated"


def test_the_splits_divide_the_corpus_and_carry_the_label(made):
    corpus = find_recordings(made)
    files = sorted(made.glob("*.yaml"))
    assert [file.stem for file in files] == ["personal-300", "personal-301", "zero-shot"]
    sessions = {}
    for file in files:
        division = splits.load(file).of(corpus)
        splits.refuse_leaks(division)
        assert not division.missing
        assert division.split.made["label"] == TINY.label
        assert TINY.label in division.split.description
        sessions[file.stem] = {
            part: [f"{entry.user[-3:]} {entry.session}" for entry in division.part(part)] for part in splits.PARTS
        }
    assert sessions["personal-301"] == {
        "train": ["301 calibration-1", "301 calibration-2"],
        "validation": [],
        "test": ["301 test-1", "301 test-2"],
    }
    assert sessions["zero-shot"] == {
        "train": ["100 train-1", "100 train-2", "101 train-1", "101 train-2"],
        "validation": ["200 validation-1"],
        "test": ["300 test-1", "300 test-2", "301 test-1", "301 test-2"],
    }


def test_version_1_has_a_split_over_people_and_one_for_each_who_is_tested():
    zero_shot, *personal = V1.splits()
    assert (zero_shot.kind, len(zero_shot.train), len(zero_shot.validation), len(zero_shot.test)) == (
        "generic", 24, 4, 8,
    )  # fmt: skip
    assert [split.name for split in personal] == [f"personal-{number}" for number in range(300, 308)]
    assert all(
        split.kind == "personal" and zero_shot.test[split.users[0]] == split.test[split.users[0]] for split in personal
    )


def test_what_is_there_and_sound_is_kept_and_what_is_damaged_is_made_again(folder, made):
    damaged = folder / "simulated-realistic-300" / "test-1" / "emg.npy"
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    (folder / "simulated-realistic-100" / "train-2" / "keys.npy").unlink()
    outcomes = remake(folder)
    again = {(outcome.entry.user, outcome.entry.session) for outcome in outcomes if outcome.state == "prepared"}
    assert again == {("simulated-realistic-300", "test-1"), ("simulated-realistic-100", "train-2")}
    assert states(outcomes) == {"kept": 11, "prepared": 2}
    assert samples(folder) == samples(made)


def test_an_interrupted_run_leaves_whole_recordings_and_no_splits_and_goes_on(tmp_path, made):
    seen = []

    def interrupt(outcome):
        seen.append(outcome)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, "tiny", progress=interrupt)
    assert not list(tmp_path.glob("*.yaml"))
    assert not list(tmp_path.rglob(".myotype-*"))
    for entry in (corpus := find_recordings(tmp_path)):
        verify(entry.path)
    assert len(corpus) == 3
    assert states(remake(tmp_path)) == {"kept": 3, "prepared": 10}
    assert samples(tmp_path) == samples(made)


@pytest.mark.slow
def test_several_processes_give_the_same(tmp_path, made):
    assert states(remake(tmp_path, jobs=2)) == {"prepared": 13}
    assert samples(tmp_path) == samples(made)


def test_a_folder_of_another_benchmark_is_left_alone(folder):
    before = samples(folder)
    with pytest.raises(OutputError, match="does not belong to myotype-sim v1: choose a new folder"):
        make(folder, "v1")
    assert samples(folder) == before


def test_a_benchmark_that_does_not_exist_and_no_process_are_refused(tmp_path):
    with pytest.raises(InputError, match="no benchmark myotype-sim 'v0'; there are v1, tiny"):
        make(tmp_path / "none", "v0")
    with pytest.raises(InputError, match="0 processes"):
        make(tmp_path / "none", "tiny", jobs=0)
    assert not (tmp_path / "none").exists()


def test_the_command_makes_it_and_says_that_it_is_simulated(capsys, folder):
    (folder / "zero-shot.yaml").unlink()
    assert cli.main(["simulate", "--benchmark", "tiny", "--output", str(folder)]) == 0
    said = capsys.readouterr().err
    assert "myotype-sim tiny, simulated: 13 recordings (0 made, 13 kept), 2.1 min" in said
    assert "splits zero-shot, personal-300, personal-301" in said
    assert splits.load(folder / "zero-shot.yaml").name == "zero-shot"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--benchmark", "v1", "--minutes", "3", "--seeds", "1", "2"], "leave out --minutes, --seeds"),
        (["hello", "--benchmark", "v1"], "leave out a text"),
        (["--benchmark", "v1", "--overwrite"], "leave out --overwrite"),
        (["--benchmark", "v2"], "no benchmark myotype-sim 'v2'"),
        (["--benchmark", "tiny", "--jobs", "0"], "0 processes"),
        (["hello", "--jobs", "2"], "--jobs is for --benchmark"),
    ],
)
def test_the_command_ignores_nothing(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["simulate", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
