"""``myotype lm`` as a person uses it."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from myotype import cli
from myotype.decoding.ngram import NGram

TEXT = "The cat sat on the mat.\nthe hat\n\nthat cat, this hat\n"


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "lm", "build, measure, inspect and prune language models")

    def call(*arguments):
        code = cli.main(["lm", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def same(one, other):
    return one.words == other.words and all(
        np.array_equal(a, b) for a, b in zip(one.automaton, other.automaton, strict=True)
    )


@pytest.mark.parametrize("name", ["lm.npz", "lm.arpa", "lm.arpa.gz"])
def test_a_model_is_built_in_the_form_that_its_name_says(run, text, tmp_path, name):
    output = tmp_path / name
    code, out, err = run("build", text, "-o", output, "--order", 4)
    assert (code, out) == (0, "")
    expected = NGram.estimate(TEXT.splitlines(), 4)
    assert f"{output}: {expected.n_ngrams:,} n-grams of order 1 to 4" in err
    assert same(NGram.load(output), expected)


def test_several_texts_are_read_also_compressed_ones(run, text, tmp_path):
    other = tmp_path / "more.txt.gz"
    other.write_bytes(gzip.compress("\ufeffdon’t\n".encode()))
    assert run("build", text, other, "-o", tmp_path / "lm.npz", "--order", 3)[0] == 0
    assert same(NGram.load(tmp_path / "lm.npz"), NGram.estimate([*TEXT.splitlines(), "don't"], 3))


def test_a_model_of_single_words_is_built(run, text, tmp_path):
    assert run("build", text, "-o", tmp_path / "lm.npz", "--order", 3, "--words")[0] == 0
    letters = "abcdefghijklmnopqrstuvwxyz"
    expected = NGram.estimate(TEXT.lower().splitlines(), 3, vocabulary=letters)
    assert same(NGram.load(tmp_path / "lm.npz"), expected)


def test_smoothing_can_be_chosen(run, text, tmp_path):
    path = tmp_path / "lm.npz"
    assert run("build", text, "-o", path, "--order", 3, "--smoothing", "witten-bell", "--novelty", 2)[0] == 0
    assert same(NGram.load(path), NGram.estimate(TEXT.splitlines(), 3, smoothing="witten-bell", novelty=2.0))


def test_counts_and_pruning_make_it_smaller(run, text, tmp_path):
    path = tmp_path / "lm.npz"
    assert run("build", text, "-o", path, "--order", 3, "--min-counts", 1, 1, 2)[0] == 0
    assert same(NGram.load(path), NGram.estimate(TEXT.splitlines(), 3, min_counts=(1, 1, 2)))
    assert run("build", text, "-o", path, "--order", 3, "--prune", 1e-3, "--overwrite")[0] == 0
    assert same(NGram.load(path), NGram.estimate(TEXT.splitlines(), 3).prune(1e-3))


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "lm.arpa"
    NGram.estimate(TEXT.splitlines(), 4).save_arpa(path)
    return path


def test_pruning_writes_another_model_or_another_form(run, model, tmp_path):
    output = tmp_path / "small.npz"
    code, _, err = run("prune", model, "-o", output, "--threshold", 1e-3)
    assert code == 0
    assert "n-grams" in err
    assert same(NGram.load(output), NGram.load(model).prune(1e-3))
    assert run("prune", model, "-o", output, "--threshold", 0, "--overwrite")[0] == 0
    assert same(NGram.load(output), NGram.load(model))


def test_scores_say_how_well_texts_are_predicted(run, model, text, tmp_path):
    strange = tmp_path / "strange.txt"
    strange.write_text("the dog's\n")
    code, out, err = run("score", model, text, strange)
    assert (code, err) == (0, "")
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == ["text", "lines", "keys", "outside", "log10", "bits/key", "perplexity"]
    lm = NGram.load(model)
    log10 = sum(lm.score(line, end=True).sum() for line in TEXT.splitlines() if line)
    assert rows[1][:4] == [str(text), "3", "51", "0"]
    assert float(rows[1][4]) == pytest.approx(log10, abs=1e-4)
    assert float(rows[1][6]) == pytest.approx(10 ** (-log10 / 51), rel=1e-3)
    assert rows[2][1:4] == ["1", "10", "3"]


def test_scores_can_be_had_as_json(run, model, text, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    code, out, _ = run("score", model, text, empty, "--json")
    assert code == 0
    full, none = (json.loads(line) for line in out.splitlines())
    assert full["bits_per_key"] == pytest.approx(np.log2(full["perplexity"]))
    assert (none["keys"], none["perplexity"]) == (0, None)


def test_info_says_what_a_model_is(run, model):
    code, out, err = run("info", model)
    assert (code, err) == (0, "")
    rows = dict(line.split("\t") for line in out.splitlines())
    assert rows["order"] == "4"
    assert rows["keys"] == "14: acehimnostT,.␣"
    assert "<s>" in rows["other words"]
    known = json.loads(run("info", model, "--json")[1])
    lm = NGram.load(model)
    assert known["ngrams"] == list(lm.counts)
    assert known["bytes"] == model.stat().st_size
    assert known["bytes_in_memory"] == lm.n_bytes
    assert "Key.space" in known["keys"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "TEXT", "-o", "lm.bin"], 2, "must end in .npz, .arpa or .arpa.gz"),
        (["build", "TEXT", "-o", "TEXT.npz", "--order", "0"], 2, "order 0"),
        (["build", "TEXT", "-o", "TEXT.npz", "--words", "--vocabulary", "abc"], 2, "not both"),
        (["build", "TEXT", "-o", "TEXT.npz", "--memory", "0"], 2, "0 GB"),
        (["build", "TEXT", "-o", "MODEL"], 1, "exists already"),
        (["build", "-o", "TEXT.npz"], 2, "at least one file of text"),
        (["build", "none.txt", "-o", "TEXT.npz"], 2, "No such file"),
        (["build", "BINARY", "-o", "TEXT.npz"], 2, "line 2: not text in UTF-8"),
        (["build", "BROKEN", "-o", "TEXT.npz"], 2, "not readable as text"),
        (["build", "DAMAGED", "-o", "TEXT.npz"], 2, "not readable as text"),
        (["build", "TEXT", "-o", "TEXT.npz", "--prune", "-1"], 2, "--prune -1"),
        (["score", "MODEL"], 2, "at least one file of text"),
        (["score", "TEXT", "TEXT"], 1, "not an ARPA file"),
        (["info", "none.arpa"], 1, "No such file"),
        (["prune", "MODEL", "-o", "MODEL"], 1, "exists already"),
        (["prune", "MODEL", "-o", "TEXT.npz", "--threshold", "-1"], 2, "threshold"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(run, model, text, tmp_path, arguments, code, message):
    (tmp_path / "binary").write_bytes(b"text\n\xff\xfe\n")
    (tmp_path / "broken.gz").write_bytes(gzip.compress(b"text\n" * 1000)[:40])
    damaged = bytearray(gzip.compress(bytes(range(32, 127)) * 3))
    damaged[10:30] = b"\xff" * 20
    (tmp_path / "damaged.gz").write_bytes(damaged)
    names = {"TEXT": text, "MODEL": model, "BINARY": tmp_path / "binary", "BROKEN": tmp_path / "broken.gz"}
    names["DAMAGED"] = tmp_path / "damaged.gz"
    names["TEXT.npz"] = tmp_path / "lm.npz"
    found, _, err = run(*(names.get(argument, argument) for argument in arguments))
    assert found == code
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "lm.npz").exists()
