"""The command line as a person uses it: exit codes, what goes where, what is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import time

import numpy as np
import pytest

from myotype import Recording, recordings, simulate
from myotype.cli import COMMANDS, main
from myotype.decoding import BeamDecoder, beam_kernels
from myotype.decoding.defaults import DecoderDefaults
from myotype.recordings import bids, write_hdf5
from myotype.runtime import Bundle
from myotype.runtime.bundle import write_decoder_defaults


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for name, text in (("one", "hello world"), ("two", "good morning")):
        write_hdf5(folder / f"{name}.hdf5", simulate(text, seed=5, session=5))
    (folder / "broken.hdf5").write_bytes(b"nothing")
    BeamDecoder().decode(np.full((1, 99), -np.log(99)))  # compiled: the first search would say so
    return folder


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_without_arguments_the_commands_are_listed(capsys):
    code, out, _ = run(capsys)
    assert code == 0
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"myotype {command}" in out


def test_an_unknown_command_is_refused(capsys):
    code, out, err = run(capsys, "type")
    assert (code, out) == (2, "")
    assert "there is no such command" in err


def test_the_version_is_printed(capsys):
    assert run(capsys, "--version")[1].strip() == "0.1.0"


def test_text_goes_to_stdout_and_nothing_else(capsys, files):
    code, out, _ = run(capsys, "transcribe", files / "one.hdf5")
    assert code == 0
    assert out.endswith("\n")
    assert "world" in out


def test_several_files_give_their_texts_in_order(capsys, files):
    code, out, _ = run(capsys, "transcribe", files / "two.hdf5", files / "one.hdf5")
    assert code == 0
    assert out.index("morning") < out.index("world")


def test_a_file_that_fails_is_reported_and_the_others_go_on(capsys, files):
    code, out, err = run(capsys, "transcribe", files / "broken.hdf5", files / "one.hdf5", files / "absent.hdf5")
    assert code == 1
    assert "world" in out
    assert "broken.hdf5" in err
    assert "absent.hdf5" in err
    assert "2 of 3 recordings failed" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("form", "expected"), [("txt", "world"), ("tsv", "confidence"), ("json", "{"), ("srt", "-->")])
def test_output_is_written_in_the_format_asked_for(capsys, files, tmp_path, form, expected):
    code, out, _ = run(capsys, "transcribe", files / "one.hdf5", "--format", form, "--output", tmp_path / "new")
    assert (code, out) == (0, "")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"one.{form}"]
    assert expected in (tmp_path / "new" / f"one.{form}").read_text()


def test_an_output_that_cannot_be_written_is_an_error_and_leaves_nothing(capsys, files, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("here first")
    code, _, err = run(capsys, "transcribe", files / "one.hdf5", "--output", blocked)
    assert code == 1
    assert "cannot write" in err
    assert blocked.read_text() == "here first"
    assert list(tmp_path.iterdir()) == [blocked]


def test_two_recordings_of_one_name_are_not_written_over_each_other(capsys, files, tmp_path):
    (tmp_path / "one.hdf5").write_bytes((files / "one.hdf5").read_bytes())
    code, _, err = run(capsys, "transcribe", files / "one.hdf5", tmp_path / "one.hdf5", "--output", tmp_path / "out")
    assert code == 2
    assert "would both be written to" in err
    assert not (tmp_path / "out").exists()


def test_beam_search_takes_a_language_model_or_none(capsys, files):
    one = files / "one.hdf5"
    for lm in ("english", "none"):
        code, out, err = run(capsys, "transcribe", one, "--decoder", "beam", "--lm", lm)
        assert (code, err) == (0, "")
        assert out
    code, _, err = run(capsys, "transcribe", one, "--decoder", "beam", "--lm", "nowhere.arpa")
    assert code == 1
    assert "nowhere.arpa" in err


def test_several_readings_are_a_line_each_or_all_that_is_known(capsys, files):
    code, out, _ = run(capsys, "transcribe", files / "one.hdf5", "--n-best", "3")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [float(row[1]) for row in rows] == sorted((float(row[1]) for row in rows), reverse=True)
    assert "world" in rows[0][2]
    code, out, _ = run(capsys, "transcribe", files / "one.hdf5", "--n-best", "3", "--format", "json")
    told = json.loads(out)["alternatives"]
    assert [f"{reading['score']:.4f}" for reading in told] == [row[1] for row in rows]
    assert told[0]["text"].replace("\n", "⏎") == rows[0][2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n-best", "0"], "--n-best 0: give 1 to 1000"),
        (["--n-best", "1001"], "--n-best 1001: give 1 to 1000"),
        (["--decoder", "greedy", "--lm", "nowhere.arpa"], "a language model needs the beam search"),
        (["--decoder", "greedy", "--beam-size", "5"], "weights and beam sizes are those of the beam search"),
        (["--lm-weight", "-1"], "lm_weight=-1"),
        (["--insertion-bonus", "1e308"], "insertion_bonus=1e+308"),
        (["--beam-size", "0"], "beam_size=0"),
        (["--n-best", "2", "--format", "tsv"], "tsv has room for one reading"),
        (["--n-best", "2", "--format", "srt"], "srt has room for one reading"),
        (["--n-best", "2", "--decoder", "greedy"], "greedy decoding has one reading"),
        (["--hotwords", "WORDS", "--decoder", "greedy"], "hot words need the beam search"),
        (["--hotwords", "absent.txt"], "absent.txt"),
        (["--hotwords", "BROKEN"], "line 2"),
    ],
)
def test_what_a_decoder_cannot_do_is_misuse_before_any_work(capsys, files, tmp_path, arguments, message):
    (tmp_path / "words.txt").write_text("wort\n")
    (tmp_path / "broken.txt").write_text("wort\nwort\tmany\n")
    names = {"WORDS": tmp_path / "words.txt", "BROKEN": tmp_path / "broken.txt"}
    code, out, err = run(capsys, "transcribe", files / "one.hdf5", *(names.get(name, name) for name in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_hot_words_change_what_is_read(capsys, files, tmp_path):
    (tmp_path / "words.txt").write_text("# what nobody would type\nwprld\t30\n")
    code, out, err = run(capsys, "transcribe", files / "one.hdf5", "--hotwords", tmp_path / "words.txt")
    assert (code, err) == (0, "")
    assert "wprld" in out
    assert "world" in run(capsys, "transcribe", files / "one.hdf5")[1]


def test_weights_and_beam_size_can_be_given(capsys, files):
    one = files / "one.hdf5"
    usual = run(capsys, "transcribe", one)[1]
    assert (
        run(capsys, "transcribe", one, "--lm-weight", "1.5", "--insertion-bonus", "2", "--beam-size", "50")[1] == usual
    )
    assert run(capsys, "transcribe", one, "--insertion-bonus", "-20")[1] != usual
    assert run(capsys, "transcribe", one, "--lm-weight", "30")[1] != usual


def test_weights_that_were_tuned_with_another_language_model_are_told_of(capsys, files, tmp_path):
    defaults = DecoderDefaults(
        lm="mine.npz", lm_sha256="ab" * 32, lm_weight=9.0, insertion_bonus=-9.0, beam_size=1, cer_before=0.1,
        cer_after=0.5, cer_greedy=0.1, keys=100, recordings=1, simulated=True,
    )  # fmt: skip
    write_decoder_defaults(Bundle.open("demo"), defaults, copy_to=tmp_path / "tuned")
    one, message = files / "one.hdf5", "tuned with the language model mine.npz, and this is another one"
    code, out, err = run(capsys, "transcribe", one, "--model", tmp_path / "tuned")
    assert (code, out) == (0, run(capsys, "transcribe", one)[1])
    assert message in err
    assert message not in run(capsys, "transcribe", one, "--model", tmp_path / "tuned", "--lm", "none")[2]
    assert message not in run(capsys, "transcribe", one, "--model", tmp_path / "tuned", "--decoder", "greedy")[2]


def test_a_list_without_hot_words_is_told_of(capsys, files, tmp_path):
    (tmp_path / "words.txt").write_text("# none yet\n")
    code, _, err = run(capsys, "transcribe", files / "one.hdf5", "--hotwords", tmp_path / "words.txt")
    assert code == 0
    assert "words.txt: there are no hot words in it" in err


def test_several_texts_are_as_many_as_were_asked_for_and_no_two_the_same(capsys, files):
    out = run(capsys, "transcribe", files / "one.hdf5", "--n-best", "20")[1]
    texts = [line.split("\t")[2] for line in out.splitlines()]
    assert len(set(texts)) == len(texts) == 20


def test_compiling_is_told_of_where_it_lies_ahead(capsys, files, monkeypatch):
    monkeypatch.setattr(beam_kernels, "is_compiled", lambda: False)
    message = "compiling the search"
    assert message in run(capsys, "transcribe", files / "one.hdf5")[2]
    assert message not in run(capsys, "transcribe", files / "one.hdf5", "--decoder", "greedy")[2]
    monkeypatch.setattr(beam_kernels, "is_compiled", lambda: True)
    assert message not in run(capsys, "transcribe", files / "one.hdf5")[2]


def test_a_model_that_does_not_exist_is_an_error(capsys, files):
    code, _, err = run(capsys, "transcribe", files / "one.hdf5", "--model", "nobody")
    assert code == 1
    assert "nobody: no such model" in err


def test_nothing_to_transcribe_is_misuse(capsys):
    code, _, err = run(capsys, "transcribe")
    assert code == 2
    assert "give at least one recording" in err


def test_several_recordings_do_not_make_one_document(capsys, files):
    code, out, err = run(capsys, "transcribe", files / "one.hdf5", files / "two.hdf5", "--format", "json")
    assert (code, out) == (2, "")
    assert "give a folder by --output" in err


def test_the_output_of_a_single_recording_may_be_a_file(capsys, files, tmp_path):
    assert run(capsys, "transcribe", files / "one.hdf5", "--output", tmp_path / "a.txt")[0] == 0
    assert "world" in (tmp_path / "a.txt").read_text()
    code, _, err = run(capsys, "transcribe", files / "one.hdf5", files / "two.hdf5", "--output", tmp_path / "b.txt")
    assert code == 2
    assert "is one file" in err


def test_what_a_file_says_of_itself_cannot_command_the_terminal(capsys, tmp_path):
    name = "\x1b[31m[bold]:warning: red[/wrong]"
    write_hdf5(tmp_path / "a.hdf5", Recording(emg=np.zeros((9000, 32)), name=name, user=name))
    code, out, _ = run(capsys, "info", tmp_path / "a.hdf5")
    assert code == 0
    assert "�[31m[bold]:warning: red[/wrong]" in out
    assert "\x1b" not in out
    code, _, err = run(capsys, "transcribe", tmp_path / "[/b]:warning:.hdf5")
    assert code == 1
    assert "[/b]:warning:.hdf5" in err


@pytest.mark.parametrize("arguments", [("--threads", "-3"), ("--threads", "99999"), ("--model", "m" * 5000)])
def test_impossible_options_are_errors(capsys, files, arguments):
    code, _, err = run(capsys, "transcribe", files / "one.hdf5", *arguments)
    assert code in (1, 2)
    assert len(err.splitlines()) == 1


def test_recordings_are_not_simulated_over_each_other(capsys, tmp_path):
    target = tmp_path / "a.hdf5"
    assert run(capsys, "simulate", "one", "--output", target)[0] == 0
    before = target.read_bytes()
    code, _, err = run(capsys, "simulate", "two", "--output", target)
    assert code == 1
    assert "exists already" in err
    assert target.read_bytes() == before
    assert run(capsys, "simulate", "two", "--output", target, "--overwrite")[0] == 0
    assert target.read_bytes() != before


def test_the_same_recording_twice_is_misuse_before_any_work(capsys, tmp_path):
    code, _, err = run(capsys, "simulate", "hi", "--people", "easy:1", "easy:1", "--output", tmp_path)
    assert code == 2
    assert "easy:1 with seed 0 is asked for twice" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("--epochs", "0"), ("--seed", "-1"), ("--threads", "-1"), ("--license", "MIT")])
def test_impossible_training_is_misuse_before_any_work(capsys, tmp_path, arguments):
    code, _, err = run(capsys, "train", *arguments, "--output", tmp_path / "run")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_demo_of_an_empty_text_is_misuse(capsys, tmp_path):
    assert run(capsys, "demo", "--text", "", "--output", tmp_path)[0] == 2


@pytest.mark.parametrize("pace", ["0", "-1", "nan"])
def test_a_demo_at_no_pace_is_refused(capsys, tmp_path, pace):
    assert run(capsys, "demo", "--pace", pace, "--output", tmp_path)[0] == 2


def in_a_terminal(*arguments, columns=70):
    """Run the command line in a pseudo-terminal; give its exit code and what it showed."""
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "myotype", *map(str, arguments)]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal closes with its last writer
            while piece := os.read(master, 65536):
                shown += piece
        os.close(master)
        return process.wait(120), shown.decode(errors="replace")


def test_every_command_that_draws_works_in_a_terminal(files, tmp_path):
    code, shown = in_a_terminal("simulate", "hi you", "--output", tmp_path / "a.hdf5")
    assert code == 0, shown
    assert (tmp_path / "a.hdf5").exists()
    code, shown = in_a_terminal("transcribe", files / "one.hdf5")
    assert code == 0, shown
    assert "world" in shown
    code, shown = in_a_terminal("info", "demo", columns=40)
    assert code == 0, shown
    code, shown = in_a_terminal("demo", "--text", "hi", "--pace", "1000", "--output", tmp_path / "demo")
    assert code == 0, shown
    assert "typed by the simulated hands" in shown


def test_an_output_without_colour_marks_the_errors(capsys, tmp_path):
    out = run(capsys, "demo", "--text", "hello world", "--model", "demo", "--output", tmp_path)[1]
    assert "wrong ^" in out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")  # noqa: PTH110
@pytest.mark.parametrize("command", [["--version"], ["info"], ["transcribe"]])
def test_a_full_standard_output_is_an_error_and_no_crash(files, command):
    if command == ["transcribe"]:
        command = [*command, str(files / "one.hdf5")]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        result = subprocess.run(
            [sys.executable, "-m", "myotype", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1
    assert "cannot write to standard output" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_encoding_without_our_symbols_is_no_crash(files):
    result = subprocess.run(
        [sys.executable, "-m", "myotype", "transcribe", str(files / "one.hdf5"), "--format", "json"],
        capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert result.returncode == 0
    assert "⏎" in result.stdout.decode()


def test_a_terminated_run_leaves_no_temporary_files(tmp_path):
    command = [sys.executable, "-m", "myotype", "simulate", "--minutes", "120", "--output", str(tmp_path / "a.hdf5")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        for _ in range(600):
            if list(tmp_path.iterdir()):
                break
            time.sleep(0.1)
        process.terminate()
        assert process.wait(60) == 143
    assert list(tmp_path.iterdir()) == []


def test_simulate_writes_a_recording_of_a_text(capsys, tmp_path):
    code, out, err = run(capsys, "simulate", "a nice day", "--output", tmp_path / "day.hdf5", "--seeds", "4")
    assert (code, out) == (0, "")
    assert "simulated EMG" in err
    with recordings.open(tmp_path / "day.hdf5") as recording:
        assert "simulated" in recording.user
        assert "day" in recording.key_text()


def test_simulate_writes_a_file_for_each_person_and_seed(capsys, tmp_path):
    code, _, _ = run(
        capsys, "simulate", "--minutes", "0.1", "--people", "easy:1", "realistic:2", "--seeds", "1", "2",
        "--output", tmp_path,
    )  # fmt: skip
    assert code == 0
    assert len(list(tmp_path.glob("*.hdf5"))) == 4


def test_simulate_types_a_text_file(capsys, tmp_path):
    (tmp_path / "text").write_text("first line\nsecond line\n")
    assert run(capsys, "simulate", "--text-file", tmp_path / "text", "--output", tmp_path / "a.hdf5")[0] == 0
    with recordings.open(tmp_path / "a.hdf5") as recording:
        assert [prompt.text for prompt in recording.prompts] == ["first line⏎", "second line⏎"]


def test_simulate_repeats_the_keystrokes_of_a_real_log(capsys, shared, tmp_path):
    events = min((shared / "emg2qwerty-events").glob("sub-66727638/*/emg/*_events.tsv"))
    assert run(capsys, "simulate", "--keystrokes", events, "--output", tmp_path / "a.hdf5")[0] == 0
    expected = bids.read_events(events).key_presses
    with recordings.open(tmp_path / "a.hdf5") as recording:
        assert [press.key for press in recording.key_presses] == [press.key for press in expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of a text"),
        (["hello", "--minutes", "1"], "give one of a text"),
        (["hello", "--people", "nobody"], "nobody"),
        (["hello", "--text-file", "absent.txt"], "give one of"),
        (["--text-file", "absent.txt"], "absent.txt"),
        (["--keystrokes", "absent.tsv"], "absent.tsv"),
        (["--minutes", "-1"], "minutes"),
        (["hello", "--seeds", "1", "2", "--output", "a.hdf5"], "give a folder"),
    ],
)
def test_simulate_refuses_what_cannot_be_typed(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "simulate", *arguments)
    assert code in (1, 2)
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_demo_shows_what_was_typed_and_what_was_read(capsys, tmp_path):
    code, out, _ = run(capsys, "demo", "--text", "hello world", "--output", tmp_path)
    assert code == 0
    assert "character error rate" in out
    assert "(simulated EMG)" in out
    assert "real time" in out
    (path,) = tmp_path.glob("*.hdf5")
    assert str(path) in out.replace("\n", "")
    assert run(capsys, "transcribe", path)[0] == 0


def test_training_by_command_gives_a_model_that_transcribes(capsys, files, tmp_path):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    code, _, err = run(
        capsys, "train", files / "one.hdf5", "--validation", files / "two.hdf5", "--recipe", "demo", "--epochs", "1",
        "--license", "CC0-1.0", "--source", "two simulated recordings", "--output", tmp_path / "run", "--threads", "1",
    )  # fmt: skip
    assert code == 0, err
    assert "validation CER" in err
    facts = json.loads((tmp_path / "run" / "model" / "myotype.json").read_text())
    assert facts["provenance"]["license"] == "CC0-1.0"
    assert run(capsys, "transcribe", files / "one.hdf5", "--model", tmp_path / "run" / "model")[0] == 0


def test_training_asks_for_a_licence(capsys, files, tmp_path):
    code, _, err = run(capsys, "train", files / "one.hdf5", "--output", tmp_path / "run")
    assert code == 2
    assert "--license" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--simulated.minutes", "3"), "--simulated options are for simulated recordings"),
        (("--network", "kernel_width=2020-02-30"), "--network kernel_width=2020-02-30: day is out of range"),
        (("--learning-rate", "nan"), "learning_rate=nan: give a number above 0"),
    ],
)
def test_settings_that_would_do_nothing_or_cannot_be_are_errors(capsys, files, tmp_path, options, message):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    given = ("--validation", files / "two.hdf5", "--license", "CC0-1.0", "--source", "s", "--output", tmp_path / "run")
    code, _, err = run(capsys, "train", files / "one.hdf5", *given, *options)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "run").exists()


def test_a_reader_that_leaves_early_is_no_crash(files):
    command = [sys.executable, "-m", "myotype", "transcribe", str(files / "one.hdf5"), "--format", "json"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 1
    assert "Traceback" not in err
