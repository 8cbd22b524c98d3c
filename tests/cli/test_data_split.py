"""``myotype data split`` as a person uses it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from myotype import cli
from myotype.recordings import Recording, splits, write_hdf5


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = cli.main(["data", "split", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def add(tmp_path):
    """Put a recording of 6 seconds into the corpus."""

    def add(user, start, seed=None):
        some = np.random.default_rng(start if seed is None else seed).normal(size=(600, 32)).astype(np.float32)
        emg = np.tile(some, (20, 1))  # which is written faster than noise
        path = tmp_path / "corpus" / f"2020-12-17-{start}-keystrokes.hdf5"
        write_hdf5(path, Recording(emg=emg, times=start + np.arange(12_000) / 2000, user=user, name=path.stem))
        return path

    return add


@pytest.fixture
def corpus(tmp_path, add):
    """Three people with three recordings each; the first are of user0, one of each part."""
    for start in (1608217769, 1608249257, 1608247041):
        add("43037958", start)
    for user in (7, 8):
        for number in range(3):
            add(str(user), 1_600_000_000 + 1000 * user + 10 * number)
    return tmp_path / "corpus"


def test_an_official_split_is_shown_with_what_is_missing(run, corpus):
    code, out, err = run(corpus, "--official", "user0")
    assert code == 0
    assert out.splitlines() == [
        "part\trecordings\tpeople\tminutes\tmissing",
        "train\t1\t1\t0.1\t9",
        "validation\t1\t1\t0.1\t1",
        "test\t1\t1\t0.1\t1",
    ]
    assert "missing in train: recording 1608220409 of user 43037958" in err
    assert "... and 1 more are missing" in err
    assert "6 recordings belong to no part" in err


def test_a_split_is_made_written_and_checked(run, corpus, tmp_path, add):
    file = tmp_path / "split.yaml"
    code, out, err = run(corpus, "--held-out", 1, "--validation", 1, "--seed", 4, "--name", "mine", "-o", file)
    assert code == 0
    assert [line.split("\t")[1:3] for line in out.splitlines()[1:]] == [["4", "2"], ["2", "2"], ["3", "1"]]
    assert f"{file}: the split 'mine'" in err
    assert splits.load(file).made["seed"] == 4
    assert run(corpus, "--check", file)[:2] == (0, out)
    next(corpus.glob("*-1600007000-*")).unlink()
    code, _, err = run(corpus, "--check", file)
    assert code == 1
    assert "recording 1600007000 of user 7" in err


def test_a_persons_recordings_are_divided(run, corpus):
    code, out, _ = run(corpus, "--personal", "7", "--test", 1, "--validation", 1, "--json")
    known = json.loads(out)
    assert code == 0
    assert known["kind"] == "personal"
    assert [(part["part"], part["recordings"], len(part["paths"])) for part in known["parts"]] == [
        ("train", 1, 1),
        ("validation", 1, 1),
        ("test", 1, 1),
    ]
    assert len(known["unused"]) == 6


def test_a_split_that_leaks_is_not_written(run, corpus, tmp_path, add):
    add("9", 1600009000, seed=1600007000)  # the same samples as one of user 7
    add("9", 1600009010)
    add("9", 1600009020)
    code, _, err = run(corpus, "--held-out", 2, "--validation", 1, "-o", tmp_path / "split.yaml")
    assert code == 1
    assert "have the same samples" in err
    assert not (tmp_path / "split.yaml").exists()


def test_recordings_of_none_of_the_parts_are_a_failure(run, corpus):
    code, _, err = run(corpus, "--official", "user5")
    assert code == 1
    assert "none of the 9 recordings" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give one of --official, --held-out, --personal, --check; given: none"),
        (["--official", "user0", "--held-out", 2], "given: --official, --held-out"),
        (["--official", "user9"], "no official split 'user9'"),
        (["--held-out", 3], "3 of 3 people"),
        (["--personal", "7", "--without", "8"], "--without belongs to --held-out"),
        (["--held-out", 1, "--test", 5], "--test belongs to --personal, not to --held-out"),
        (["--official", "user0", "--seed", 5], "--seed belongs to --held-out and --personal, not to --official"),
        (["--official", "user0", "--name", "x"], "--name belongs to"),
        (["--official", "user0", "--validation", 1], "--validation belongs to"),
        (["--personal", "7"], "too few"),
    ],
)
def test_what_cannot_be_done_is_misuse(run, corpus, arguments, said):
    code, out, err = run(corpus, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_file_is_replaced_only_when_asked(run, corpus, tmp_path):
    file = tmp_path / "split.yaml"
    file.write_text("mine")
    code, _, err = run(corpus, "--official", "user0", "-o", file)
    assert code == 1
    assert "exists already" in err
    assert file.read_text() == "mine"
    assert run(corpus, "--official", "user0", "-o", file, "--overwrite")[0] == 0
    assert splits.load(file) == splits.official("user0")
