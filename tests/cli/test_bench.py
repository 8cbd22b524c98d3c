"""``myotype bench``: figures with their range, beside what is aimed at."""

from __future__ import annotations

import json
import re
import subprocess

import numpy as np
import pytest
import torch

from myotype.cli import main
from myotype.cli.benchmarks import decoder, figures, train
from myotype.cli.benchmarks.figures import HEADER, Figure
from myotype.cli.benchmarks.plain_network import PlainNetwork
from myotype.decoding import GreedyDecoder
from myotype.decoding.decoder import check_emissions
from myotype.errors import TrainingError
from myotype.keyboard import labels_to_text
from myotype.metrics import error_rates

TINY = decoder.Sizes(greedy=200, peaky=200, flat=60, all_labels=60, minute=50, hour=600, half_hour=400, sentences=50)
TINY_TRAINING = train.Sizes(
    windows=2,
    seconds=1.0,
    network={"mlp_features": [16], "block_channels": [4, 2], "kernel_width": 8},
    repeats=2,
    recordings=1,
    minutes=0.2,
    windows_read=64,
)


def test_a_figure_is_the_median_of_its_repeats_with_their_range():
    figure = Figure("work", [1200.0, 1000.0, 5000.0], "frames/s", at_least=1100.0, others="less", note="quiet")
    assert figure.row() == (
        "work", "1,200 frames/s (1,000 to 5,000)", ">= 1,100 frames/s: reached", "less", "quiet",
    )  # fmt: skip
    told = figure.to_json()
    assert (told["median"], told["low"], told["high"], told["repeats"]) == (1200.0, 1000.0, 5000.0, 3)
    assert (told["at_least"], told["at_most"], told["reached"]) == (1100.0, None, True)


@pytest.mark.parametrize(
    ("bounds", "reached"),
    [
        ({"at_least": 2.0}, True),
        ({"at_least": 2.1}, False),
        ({"at_most": 2.0}, True),
        ({"at_most": 1.9}, False),
        ({}, None),
    ],
)
def test_a_target_is_reached_by_the_median(bounds, reached):
    assert Figure("work", [1.0, 2.0, 9.0], "s", **bounds).reached is reached


def test_work_is_timed_as_often_as_it_is_done(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 11.0])
    monkeypatch.setattr(figures.time, "perf_counter", lambda: next(clock))
    done = []
    assert figures.rates(lambda: done.append(1), 100, repeats=2) == [50.0, 100.0]
    assert len(done) == 3, "the first does not count"


def test_made_up_emissions_are_probabilities_and_peaky_ones_say_what_was_typed():
    peaky, flat = decoder.peaky(2000, seed=4), decoder.flat(500)
    for emissions in (peaky, flat):
        np.testing.assert_allclose(np.exp(check_emissions(emissions)).sum(axis=1), 1, rtol=1e-4)
    typed = labels_to_text(decoder.typed(2000 * 5 // 125, seed=4))
    (read,) = GreedyDecoder().decode(peaky)
    rates = error_rates(read.text, typed)
    assert (rates.deletions + rates.substitutions) / len(typed) < 0.25, "most keys are found, among others"
    assert np.exp(flat).max() < 0.5


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "_starts", lambda _: ())  # which compiles for seconds; tested below
        return list(decoder.measure(TINY))


def test_every_target_of_the_decoder_has_its_figure(measured):
    aims = [(figure.work, figure.unit, figure.at_least, figure.at_most) for figure in measured]
    assert [aim[1:] for aim in aims if aim[2:] != (None, None)] == [
        ("frames/s", 2_000_000, None),
        ("frames/s", 20_000, None),
        ("frames/s", 5_000, None),
        *[("ms", None, 0.2), ("ms", None, 1.0)] * 2,
        ("s", None, 15),
    ]
    assert len({aim[0] for aim in aims}) == len(aims), "each says by itself what was done"
    assert len(measured) + 2 == decoder.N_FIGURES, "with those of starts"


def test_every_figure_is_a_number_above_nothing(measured):
    for figure in measured:
        assert all(np.isfinite(figure.values)), figure
        assert min(figure.values) > 0, figure


def test_bench_prints_a_table_and_the_machine(capsys, monkeypatch, measured):
    monkeypatch.setattr(decoder, "measure", lambda: iter(measured))
    assert main(["bench", "decoder"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert "numba" in {row[0] for row in rows}
    start = rows.index(list(HEADER))
    assert rows[start + 1 :] == [list(figure.row()) for figure in measured]


def test_bench_as_json_has_figures_machine_and_versions(capsys, monkeypatch, measured):
    monkeypatch.setattr(decoder, "measure", lambda: iter(measured))
    assert main(["bench", "decoder", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["part"] == "decoder"
    assert {"processor", "cores", "python", "numpy", "numba", "myotype"} <= set(told["machine"])
    assert [one["work"] for one in told["figures"]] == [figure.work for figure in measured]


@pytest.mark.slow
def test_the_first_search_of_an_installation_compiles_and_the_next_does_not():
    first, later = decoder._starts(1)
    assert first.at_most == 10
    assert later.median < first.median


@pytest.fixture(scope="module")
def measured_training():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_memory", lambda _: ())  # which starts processes; tested below
        return list(train.measure(TINY_TRAINING))


def test_training_is_measured_against_plain_pytorch(measured_training):
    ours, plain, ratio, reading = measured_training
    assert len({figure.work for figure in measured_training}) == train.N_FIGURES - len(train._NETWORKS)
    for figure in measured_training:
        assert all(np.isfinite(figure.values)), figure
        assert min(figure.values) > 0, figure
    assert ratio.values == pytest.approx([a / b for a, b in zip(ours.values, plain.values, strict=True)])
    assert (ratio.at_least, reading.at_least) == (1.5, 1000)
    assert "simulated" in reading.work


@pytest.mark.slow
def test_the_memory_of_a_step_is_that_of_a_process_of_its_own():
    held = torch.ones(2**28)  # 1 GB here
    found = list(train._memory(TINY_TRAINING))
    assert len(found) == len(train._NETWORKS)
    for figure in found:
        assert figure.unit == "MB"
        assert 100 < figure.median < held.nbytes / 1e6, figure


@pytest.fixture
def pair():
    """Our network and the plain one in training, with the same weights."""
    ours, plain = (train.Training(kind(**TINY_TRAINING.network), TINY_TRAINING) for kind in train._NETWORKS.values())
    weights = ours.network.state_dict().values()
    plain.network.load_state_dict(dict(zip(plain.network.state_dict(), weights, strict=True)))
    return ours, plain


def test_the_plain_network_is_the_same_as_ours_in_double_precision(pair):
    emg = 20 * torch.randn(2, 32, 2000, dtype=torch.float64)
    ours, plain = (one.network.double() for one in pair)
    plain.window = torch.hann_window(64, dtype=torch.float64)
    torch.testing.assert_close(ours(emg), plain(emg), rtol=1e-9, atol=1e-9)
    assert sum(weight.numel() for weight in PlainNetwork().parameters()) == 5_293_315


def test_networks_that_compute_the_same_are_compared(pair):
    loss, gradient = train.check_equal(*pair)
    assert loss <= 1e-5
    assert 0 < gradient <= 5e-3


def test_networks_of_different_weights_are_not_compared(pair):
    with torch.no_grad():
        pair[1].network.head.bias[0] += 1
    with pytest.raises(TrainingError, match=r"do not compute the same.*: the loss is"):
        train.check_equal(*pair)


def test_networks_whose_gradients_differ_are_not_compared(pair):
    pair[1].network.mlps[0][0].weight.register_hook(lambda gradient: 1.01 * gradient)
    with pytest.raises(TrainingError, match=r"the gradient of model\.1\.mlps\.0\.mlp\.0\.weight is off by 0\.0"):
        train.check_equal(*pair)


def test_a_loss_that_is_no_number_is_not_compared(pair):
    for training in pair:
        with torch.no_grad():
            next(training.network.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingError, match="the loss is nan"):
        train.check_equal(*pair)


@pytest.mark.parametrize(
    ("code", "stderr", "reason"),
    [(1, "Traceback\nKeyError: 'x'\n", "KeyError: 'x'"), (-9, "", "it was killed, perhaps for want of memory")],
)
def test_a_process_that_fails_at_measuring_memory_says_why(monkeypatch, code, stderr, reason):
    failed = subprocess.CompletedProcess((), code, "", stderr)
    monkeypatch.setattr(train.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(TrainingError, match=re.escape(f"the memory of myotype failed ({code}): {reason}")):
        list(train._memory(TINY_TRAINING))


def test_bench_train_takes_a_batch_and_threads_and_names_torch(capsys, monkeypatch, measured_training):
    asked = []
    monkeypatch.setattr(train, "measure", lambda sizes: asked.append(sizes) or iter(measured_training))
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert main(["bench", "train", "--batch", "3", "--threads", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert asked == [2, train.Sizes(windows=3)]
    assert told["part"] == "train"
    assert told["machine"]["torch"] == torch.__version__
    assert [one["work"] for one in told["figures"]] == [figure.work for figure in measured_training]


@pytest.mark.parametrize(
    ("option", "value"), [("--batch", "0"), ("--batch", "-1"), ("--threads", "-1"), ("--threads", "1000")]
)
def test_an_impossible_batch_or_number_of_threads_is_refused(capsys, option, value):
    assert main(["bench", "train", option, value]) == 2
    assert f"{option} {value}: give a whole number" in capsys.readouterr().err


def test_what_one_part_takes_another_does_not(capsys):
    assert main(["bench", "decoder", "--batch", "3"]) == 2
    assert "--batch" in capsys.readouterr().err


def test_there_is_nothing_else_to_measure(capsys):
    assert main(["bench", "patience"]) == 2
    said = capsys.readouterr().err
    assert "decoder" in said
    assert "train" in said
