"""``myotype lm tune`` as a person uses it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from myotype import Recording, Transcriber, simulate
from myotype.cli import main
from myotype.cli import tuning as cli_tuning
from myotype.decoding import NGram, tuning
from myotype.decoding.bundled import bundled_lm
from myotype.decoding.defaults import DecoderDefaults, lm_digest
from myotype.metrics import error_rates
from myotype.recordings import write_hdf5
from myotype.runtime import Bundle
from myotype.runtime.bundle import write_decoder_defaults

GRID = ("--weights", "0.5", "1.5", "--bonuses", "2", "--beam-sizes", "5", "20", "--threads", "1")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for name, text in (("one", "hello world of muscles"), ("two", "good morning to you all")):
        write_hdf5(folder / f"{name}.hdf5", simulate(text, seed=5, session=5, speed=6.0))
    write_hdf5(folder / "silent.hdf5", Recording(emg=np.zeros((4000, 32))))
    (folder / "broken.hdf5").write_bytes(b"nothing")
    return folder


@pytest.fixture
def model(tmp_path):
    """A model that was tuned badly: there is much to gain."""
    return badly_tuned(shutil.copytree(Bundle.open("demo").folder, tmp_path / "model"), bundled_lm())


def badly_tuned(model, lm):
    defaults = DecoderDefaults(
        lm="english", lm_sha256=lm_digest(lm), lm_weight=0.0, insertion_bonus=-20.0, beam_size=5, cer_before=0.1,
        cer_after=0.5, cer_greedy=0.1, keys=100, recordings=1, simulated=True,
    )  # fmt: skip
    write_decoder_defaults(Bundle.open(model), defaults)
    return model


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = main(["lm", "tune", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_best_weights_are_shown_and_kept_with_the_model(run, files, model):
    code, out, err = run(model, files / "one.hdf5", files / "two.hdf5", *GRID)
    assert code == 0, err
    decoder = Bundle.open(model).facts.decoder
    assert (decoder.lm, decoder.lm_sha256) == ("english", lm_digest(bundled_lm()))
    assert (decoder.keys, decoder.recordings, decoder.simulated) == (47, 2, True)
    lines = [line.split("\t") for line in out.splitlines()]
    assert lines[0] == [
        "CER in %, 47 simulated keys in 2 recordings; * is the best of the weights and of the beam sizes"
    ]
    assert lines[2] == ["lm weight \\ bonus", "2"]
    assert [line[0] for line in lines[3:6]] == ["0.5", "1", "1.5"]
    (best,) = [line for line in lines[3:6] if line[1].endswith(" *")]
    assert float(best[0]) == decoder.lm_weight
    assert any(line[:2] == [str(decoder.beam_size), f"{100 * decoder.cer_after:.2f} *"] for line in lines)
    assert "only 47 keys typed in these recordings: nearly all that differs between weights is chance" in err
    assert f"{model}: tuned to the language model english" in err


def test_the_error_rates_are_those_of_the_whole_pipeline(run, files, model):
    assert run(model, files / "one.hdf5", files / "two.hdf5", *GRID)[0] == 0
    decoder = Bundle.open(model).facts.decoder

    def cer(transcriber):
        found = [transcriber.transcribe(files / f"{name}.hdf5").keys for name in ("one", "two")]
        truths = ("hello world of muscles⏎", "good morning to you all⏎")
        return sum(map(error_rates, found, truths), start=error_rates("", "")).cer

    assert cer(Transcriber.from_pretrained("demo", decoder="greedy")) == decoder.cer_greedy
    tuned = Transcriber.from_pretrained(model)
    assert cer(tuned) == decoder.cer_after
    assert (tuned.decoder.lm_weight, tuned.decoder.beam_size) == (decoder.lm_weight, decoder.beam_size)


def test_a_copy_or_a_look_leaves_the_model_as_it_was(run, files, model, tmp_path):
    before = (model / "myotype.json").read_bytes()
    code, out, _ = run(model, files / "one.hdf5", *GRID, "--dry-run")
    assert code == 0
    assert "lm weight" in out
    assert (model / "myotype.json").read_bytes() == before
    (tmp_path / "tuned").mkdir()  # an empty folder is as good as none
    assert run(model, files / "one.hdf5", *GRID, "-o", tmp_path / "tuned")[0] == 0
    assert Bundle.open(tmp_path / "tuned").facts.decoder.insertion_bonus == 2
    assert (model / "myotype.json").read_bytes() == before
    code, _, err = run(model, files / "one.hdf5", *GRID, "-o", tmp_path / "tuned")
    assert code == 1
    assert "exists already: choose another --output, or --overwrite" in err
    assert run(model, files / "one.hdf5", *GRID, "-o", tmp_path / "tuned", "--overwrite")[0] == 0


def test_nothing_is_written_where_nothing_is_better(run, files, model):
    assert run(model, files / "one.hdf5", *GRID)[0] == 0
    before = (model / "myotype.json").read_bytes()
    code, out, err = run(model, files / "one.hdf5", *GRID, "--force")
    assert code == 0
    assert "nothing that was tried makes fewer errors than the weights that the model has; nothing is written" in err
    assert "best is" not in out
    assert (model / "myotype.json").read_bytes() == before


def test_a_gain_that_may_be_chance_is_written_by_force_alone(run, files, model, monkeypatch):
    monkeypatch.setattr(tuning.Tuning, "is_certain", False)
    before = (model / "myotype.json").read_bytes()
    code, _, err = run(model, files / "one.hdf5", *GRID)
    assert code == 0
    assert "no difference that these recordings can show (" in err
    assert "errors fewer" in err
    assert (model / "myotype.json").read_bytes() == before
    assert run(model, files / "one.hdf5", *GRID, "--force")[0] == 0
    assert Bundle.open(model).facts.decoder.insertion_bonus == 2


def test_weights_are_kept_for_the_language_model_that_they_are_of(run, files, model, tmp_path):
    lm = NGram.estimate(["hello world of muscles", "good morning to you all"], 4)
    lm.save(tmp_path / "mine.npz")
    badly_tuned(model, lm)
    assert run(model, files / "one.hdf5", *GRID, "--lm", tmp_path / "mine.npz")[0] == 0
    decoder = Bundle.open(model).facts.decoder
    assert (decoder.lm, decoder.lm_sha256) == ("mine.npz", lm_digest(lm))
    assert Transcriber.from_pretrained(model, lm=lm).decoder.lm_weight == decoder.lm_weight
    assert Transcriber.from_pretrained(model).decoder.lm_weight == 1.5


def test_recordings_that_fail_are_reported_and_the_others_go_on(run, files, model):
    code, _, err = run(model, files / "broken.hdf5", files / "silent.hdf5", files / "one.hdf5", *GRID)
    assert code == 1
    assert "broken.hdf5" in err
    assert "silent.hdf5: the recording does not say what was typed" in err
    assert "myotype lm: 2 of 3 recordings failed" in err
    assert "2 recordings failed (--force goes without); nothing is written" in err
    assert Bundle.open(model).facts.decoder.insertion_bonus == -20
    assert run(model, files / "broken.hdf5", files / "one.hdf5", *GRID, "--force")[0] == 1
    decoder = Bundle.open(model).facts.decoder
    assert (decoder.recordings, decoder.insertion_bonus) == (1, 2)


def test_where_all_recordings_fail_nothing_is_written(run, files, model):
    before = (model / "myotype.json").read_bytes()
    code, out, err = run(model, files / "broken.hdf5", *GRID)
    assert (code, out) == (1, "")
    assert "broken.hdf5" in err
    assert (model / "myotype.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["demo", "ONE"], 2, "demo is no folder of yours to write into: give --output NEW_FOLDER"),
        (["somebody/model", "ONE"], 2, "somebody/model is no folder of yours to write into"),
        (["MODEL"], 2, "name at least one recording"),
        (["MODEL", "ONE", "ONE"], 2, "a recording is named twice"),
        (["MODEL", "ONE", "-o", "MODEL"], 1, "exists already"),
        (["MODEL", "ONE", "-o", "ONE"], 1, "is a file: choose another --output"),
        (["MODEL", "ONE", "-o", "INSIDE"], 1, "cannot be written"),
        (["MODEL", "ONE", "-o", "/proc/x"], 1, "/proc cannot be written"),
        (["MODEL", "ONE", "-o", "new", "--dry-run"], 2, "not both"),
        (["MODEL", "ONE", "--lm", "none"], 2, "there are no weights of no language model"),
        (["MODEL", "ONE", "--lm", "absent.arpa"], 1, "absent.arpa"),
        (["MODEL", "ONE", "--beam-sizes", "0"], 2, "beam_size=0"),
        (["RECORDINGS", "ONE"], 1, "the model is incomplete"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(run, files, model, arguments, code, message):
    before = (model / "myotype.json").read_bytes()
    names = {"MODEL": model, "ONE": files / "one.hdf5", "RECORDINGS": files, "INSIDE": files / "one.hdf5" / "x"}
    found, out, err = run(*(names.get(argument, argument) for argument in arguments))
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err
    assert (model / "myotype.json").read_bytes() == before


def test_weights_that_no_search_takes_are_refused_before_the_work(run, files, model):
    code, out, err = run(model, files / "broken.hdf5", "--weights", "-1")
    assert (code, out) == (2, "")
    assert "lm_weight=-1" in err
    assert "broken.hdf5" not in err


def test_a_model_that_cannot_be_written_is_refused_before_the_work(run, files, model, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cli_tuning.tempfile, "TemporaryDirectory", refuse)
    code, out, err = run(model, files / "one.hdf5", *GRID)
    assert (code, out) == (1, "")
    assert "cannot be written (Permission denied): give --output NEW_FOLDER" in err


def test_a_model_is_tuned_again_from_where_it_was(run, files, model):
    assert run(model, files / "one.hdf5", *GRID)[0] == 0
    decoder = Bundle.open(model).facts.decoder
    out = run(model, files / "one.hdf5", *GRID)[1]
    (before,) = [line.split("\t")[1] for line in out.splitlines() if line.startswith("before")]
    assert before.startswith(f"{100 * decoder.cer_after:.2f} %")
    assert f"lm weight {decoder.lm_weight:g}, insertion bonus 2, beam size {decoder.beam_size}" in before
