"""``myotype bench``: figures with their range, beside what is aimed at."""

from __future__ import annotations

import json

import numpy as np
import pytest

from myotype.cli import main
from myotype.cli.benchmarks import decoder, figures
from myotype.cli.benchmarks.figures import HEADER, Figure
from myotype.decoding import GreedyDecoder
from myotype.decoding.decoder import check_emissions
from myotype.keyboard import labels_to_text
from myotype.metrics import error_rates

TINY = decoder.Sizes(greedy=200, peaky=200, flat=60, all_labels=60, minute=50, hour=600, half_hour=400, sentences=50)


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


def test_there_is_nothing_else_to_measure(capsys):
    assert main(["bench", "patience"]) == 2
    assert "decoder" in capsys.readouterr().err
