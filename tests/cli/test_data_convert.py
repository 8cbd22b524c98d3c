"""``myotype data convert`` as a person uses it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from filelock import FileLock

from myotype import cli, recordings
from myotype.recordings import Prompt, Recording, write_hdf5
from myotype.transcript import KeyPress

START = 1_600_000_000.0


def recording(user="123", name="one", start=START, seed=0):
    return Recording(
        emg=0.5 * np.random.default_rng(seed).integers(-100, 100, (5000, 32)),
        times=start + np.arange(5000) / 2000,
        key_presses=(KeyPress('"', start + 1, start + 1.1),),
        prompts=(Prompt("hi⏎", start, start + 2),),
        user=user,
        name=name,
    )


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = cli.main(["data", "convert", *map(str, arguments)])
        captured = capsys.readouterr()
        assert captured.out == ""
        return code, captured.err

    return call


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    write_hdf5(folder / "one.hdf5", recording())
    write_hdf5(folder / "two.hdf5", recording("456", "two", seed=1))
    return folder


def test_a_corpus_goes_to_bids_and_back(run, corpus, tmp_path):
    code, err = run(corpus, "-o", tmp_path / "tree", "--to", "bids", "--license", "CC-BY-4.0", "--authors", "A", "B")
    assert code == 0
    assert f"{tmp_path / 'tree'}: 2 written" in err
    assert "lossless" in err
    description = json.loads((tmp_path / "tree" / "dataset_description.json").read_text())
    assert (description["License"], description["Authors"]) == ("CC-BY-4.0", ["A", "B"])
    assert run(tmp_path / "tree", "-o", tmp_path / "back", "--to", "hdf5")[0] == 0
    for name in ("one", "two"):
        with (
            recordings.open(corpus / f"{name}.hdf5") as before,
            recordings.open(tmp_path / "back" / f"{name}.hdf5") as after,
        ):
            np.testing.assert_array_equal(after.emg[:], before.emg[:])
            np.testing.assert_allclose(after.times[:], before.times[:], rtol=0, atol=1e-6)
            assert (after.key_presses, after.prompts) == (before.key_presses, before.prompts)
            assert (after.user, after.name, after.condition) == (before.user, before.name, before.condition)


def test_a_conversion_goes_on_where_it_was_interrupted(run, corpus, tmp_path):
    tree = tmp_path / "tree"
    run(corpus / "one.hdf5", "-o", tree, "--to", "bids")
    (first,) = tree.glob("**/*.bdf")
    before = first.stat().st_mtime_ns
    code, err = run(corpus, "-o", tree, "--to", "bids")
    assert code == 0
    assert "1 written, 1 there already" in err
    assert first.stat().st_mtime_ns == before
    assert run(corpus, "-o", tree, "--to", "bids")[1] == f"{tree}: 2 there already\n"


def test_what_is_there_and_another_recording_is_not_replaced_unless_asked(run, corpus, tmp_path):
    write_hdf5(tmp_path / "out" / "one.hdf5", recording(user="789"))
    code, err = run(corpus, "-o", tmp_path / "out", "--to", "hdf5")
    assert code == 1
    assert "one.hdf5 is there already, and is another recording: see --overwrite" in err
    assert "1 written, 1 failed" in err
    assert run(corpus, "-o", tmp_path / "out", "--to", "hdf5", "--overwrite")[0] == 0
    with recordings.open(tmp_path / "out" / "one.hdf5") as after:
        assert after.user == "123"


def test_what_is_there_and_damaged_is_not_replaced_unless_asked(run, corpus, tmp_path):
    tree = tmp_path / "tree"
    run(corpus / "one.hdf5", "-o", tree, "--to", "bids")
    (path,) = tree.glob("**/*.bdf")
    path.write_bytes(path.read_bytes()[:-1])
    code, err = run(corpus / "one.hdf5", "-o", tree, "--to", "bids")
    assert code == 1
    assert "is there already, and cannot be read: see --overwrite" in err
    assert run(corpus / "one.hdf5", "-o", tree, "--to", "bids", "--overwrite")[0] == 0
    with recordings.open(path) as after:
        np.testing.assert_array_equal(after.emg[:], recording().emg[:])


def test_what_fails_is_told_of_and_the_rest_goes_on(run, corpus, tmp_path):
    (corpus / "bad.hdf5").write_bytes(b"x" * 100)
    code, err = run(corpus, tmp_path / "nowhere.hdf5", "-o", tmp_path / "tree", "--to", "bids")
    assert code == 1
    assert "bad.hdf5: this is not an HDF5 file" in err
    assert "there is no file" in err
    assert "2 written, 2 failed" in err
    assert len([*tmp_path.glob("tree/**/*.bdf")]) == 2


def test_two_recordings_with_one_id_are_refused_before_anything_is_written(run, corpus, tmp_path):
    write_hdf5(corpus / "again.hdf5", recording(seed=2))
    code, err = run(corpus / "one.hdf5", corpus / "again.hdf5", "-o", tmp_path / "tree", "--to", "bids")
    assert code == 2
    assert "they have one id" in err
    write_hdf5(corpus / "sub" / "one.hdf5", recording(seed=2))
    code, err = run(corpus, "-o", tmp_path / "tree", "--to", "bids")
    assert code == 2
    assert "have the same user and session" in err
    assert not (tmp_path / "tree").exists()


def test_sessions_of_one_name_go_to_files_with_their_users(run, corpus, tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "out"
    write_hdf5(corpus / "other" / "one.hdf5", recording("789", seed=2))
    assert run(corpus, "-o", tree, "--to", "bids")[0] == 0
    assert run(tree, "-o", out, "--to", "hdf5")[0] == 0
    assert sorted(path.name for path in out.glob("*.hdf5")) == ["123-one.hdf5", "789-one.hdf5", "two.hdf5"]
    with recordings.open(out / "789-one.hdf5") as after:
        np.testing.assert_array_equal(after.emg[:], recording(seed=2).emg[:])
        assert (after.user, after.name) == ("789", "one")


def test_names_of_other_scripts_are_converted_and_failures_name_their_file(run, tmp_path):
    write_hdf5(tmp_path / "in" / "a.hdf5", recording("Иван", "запись"))
    write_hdf5(tmp_path / "in" / "b.hdf5", recording("", "-", start=START + 60))
    assert run(tmp_path / "in", "-o", tmp_path / "tree", "--to", "bids")[0] == 0
    assert {path.name for path in (tmp_path / "tree").glob("sub-*")} == {"sub-Ivan", "sub-unknown"}
    code, err = run(tmp_path / "in", "-o", tmp_path / "out", "--to", "hdf5")
    assert code == 1
    assert f"{tmp_path / 'in' / 'b.hdf5'}: a recording is called '-'" in err


@pytest.mark.parametrize("to", ["bids", "hdf5"])
def test_two_conversions_into_one_folder_do_not_run_at_once_and_the_next_clears_what_a_killed_one_left(
    run, corpus, tmp_path, to
):
    out = tmp_path / "out"
    left = out / ("sub-00000123/ses-1600000000" if to == "bids" else ".") / ".myotype-abc.part"
    left.mkdir(parents=True)
    (left / "half").touch()
    (out / ".myotype-def.part").touch()
    with FileLock(out / ".lock"):
        code, err = run(corpus, "-o", out, "--to", to)
    assert code == 1
    assert "another run is writing there" in err
    assert left.exists()
    assert run(corpus, "-o", out, "--to", to)[0] == 0
    assert not [*out.rglob(".myotype-*")]


@pytest.mark.parametrize("to", ["bids", "hdf5"])
def test_a_name_that_is_too_long_for_a_file_fails_alone(run, corpus, tmp_path, to):
    write_hdf5(corpus / "long.hdf5", recording(name="n" * 300, start=1.0))
    code, err = run(corpus, "-o", tmp_path / "out", "--to", to)
    assert code == 1
    assert "File name too long" in err
    assert "2 written, 1 failed" in err


def test_a_name_that_leads_elsewhere_stays_in_the_folder(run, tmp_path):
    write_hdf5(tmp_path / "in.hdf5", recording(name="../../evil / name"))
    assert run(tmp_path / "in.hdf5", "-o", tmp_path / "out", "--to", "hdf5")[0] == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "evil-name.hdf5"]
    assert not (tmp_path / "evil").exists()


def test_units_can_be_said(run, tmp_path):
    tree = tmp_path / "tree"
    write_hdf5(tmp_path / "in.hdf5", recording())
    run(tmp_path / "in.hdf5", "-o", tree, "--to", "bids")
    (table,) = tree.glob("**/*_channels.tsv")
    table.write_text(table.read_text().replace("\tuV\t", "\tmV\t"))
    (sidecar,) = tree.glob("**/*_emg.json")
    sidecar.write_text('{"SamplingFrequency": 2000, "RecordingDuration": 2.5}')
    code, err = run(tree, "-o", tmp_path / "out", "--to", "hdf5")
    assert code == 1
    assert "declared as mV" in err
    assert "say the unit with units= (`myotype data convert --units`)" in err
    assert run(tree, "-o", tmp_path / "out", "--to", "hdf5", "--units", "uV")[0] == 0
    (path,) = (tmp_path / "out").glob("*.hdf5")
    with recordings.open(path) as after:
        np.testing.assert_array_equal(after.emg[:], recording().emg[:])


def test_what_is_mended_is_told(run, tmp_path):
    emg = np.full((5000, 32), 3.5)
    emg[7, 7] = np.nan
    write_hdf5(tmp_path / "in.hdf5", Recording(emg=emg, user="1", name="one"))
    code, err = run(tmp_path / "in.hdf5", "-o", tmp_path / "tree", "--to", "bids")
    assert code == 0
    assert "1 values that were not finite or absurd were replaced" in err
    assert "1 values that were not finite" in run(tmp_path / "tree", "-o", tmp_path / "out", "--to", "hdf5")[1]


def test_nothing_to_convert_is_misuse(run, tmp_path):
    assert run("-o", tmp_path / "out", "--to", "hdf5")[0] == 2
