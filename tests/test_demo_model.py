"""The bundled demo model is what its card says."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

from myotype import Transcriber, simulate
from myotype.metrics import error_rates
from myotype.runtime import Bundle

FREEZE = Path(__file__).parents[1] / "scripts" / "freeze_demo"


@pytest.fixture(scope="module")
def freeze_demo():
    loader = importlib.machinery.SourceFileLoader("freeze_demo", str(FREEZE))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("freeze_demo", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bundle():
    return Bundle.open("demo")


def test_it_says_nothing_of_the_machine_that_it_was_made_on(bundle):
    for path in bundle.folder.iterdir():
        content = path.read_bytes()
        assert not any(trace in content for trace in (b"site-packages", b"stack_trace", b"/tmp/", b"/home/", b"/src/"))


def numbers(bundle, name):
    return [float(number) for number in bundle.facts.provenance.details[name].split(", ")]


def test_it_is_small_and_free_and_says_what_it_cannot_do(bundle):
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) <= 4_000_000
    assert (bundle.folder / "LICENSE").read_text().startswith("BSD 3-Clause")
    assert bundle.facts.provenance.license == "BSD-3-Clause"
    assert bundle.facts.provenance.simulated
    card = (bundle.folder / "README.md").read_text()
    assert "Trained on simulated EMG only" in card
    assert "It reads no real person" in card


def test_its_held_out_seeds_follow_from_its_weights_and_are_far_from_training(bundle, freeze_demo):
    seeds = [int(seed) for seed in numbers(bundle, "held-out seeds (also of the donning)")]
    assert seeds == freeze_demo.held_out_seeds(bundle.weights)
    last_training_seed = int(bundle.facts.provenance.details["training seeds"].split()[-1])
    assert min(seeds) > last_training_seed + 10_000


def test_its_error_rates_are_those_of_its_card_and_at_most_five_percent(bundle, freeze_demo):
    transcriber = Transcriber.from_pretrained("demo", decoder="greedy")
    found, speeds = [], []
    for seed in freeze_demo.held_out_seeds(bundle.weights):
        recording = simulate(minutes=1, typist="demo", seed=seed, session=seed, split="test", speed=freeze_demo.SPEED)
        found.append(100 * error_rates(transcriber.transcribe(recording).keys, recording.truth).cer)
        presses = recording.key_presses
        speeds.append((len(presses) - 1) / (presses[-1].down - presses[0].down))
    # Another processor may round the simulated signal, and so now and then a key, another way.
    assert found == pytest.approx(numbers(bundle, "held-out CER, greedy (%, simulated)"), abs=0.6)
    assert sum(found) / len(found) <= 5.0
    assert speeds == pytest.approx(numbers(bundle, "held-out typing speed (keys/s)"), abs=0.01)
    assert all(3.0 <= speed <= 3.5 for speed in speeds)


def test_it_reads_its_own_typist_and_no_realistic_stranger():
    transcriber = Transcriber.from_pretrained("demo", decoder="greedy")

    def read(typist):
        recording = simulate(minutes=0.5, typist=typist, seed=77, session=77, speed=3.2)
        transcript = transcriber.transcribe(recording)
        return error_rates(transcript.keys, recording.truth).cer, len(transcript.keys) / len(recording.truth)

    assert read("demo")[0] < 0.15
    for number in range(8):
        rate, share = read(f"realistic:{number}")
        assert rate > 0.5, "strangers cannot be read by a model of one typist"
        assert 0.2 < share < 2.0, "the model does read something"
