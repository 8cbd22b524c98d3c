"""The names that users build on, and what importing them costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from importlib import import_module

import pytest

# What packages offer, all of it; of plain modules what users build on.
PUBLIC = {
    "myotype": ["Keystroke", "Recording", "Transcriber", "Transcript", "Update", "simulate"],
    "myotype.recordings": [
        "Corpus", "Prompt", "Recording", "check", "find_recordings", "open", "splits", "write_bids", "write_hdf5",
    ],
    "myotype.decoding": [
        "BeamDecoder", "Decoded", "Decoder", "DecoderStream", "GreedyDecoder", "Hypothesis", "Labels", "NGram",
    ],
    "myotype.simulation": [
        "DEMO", "EASY", "LAG", "PRESETS", "REALISTIC", "Forearms", "Person", "Preset", "Sentences", "Split",
        "TextStyle", "person", "recording_name", "simulate", "simulate_emg", "split_of",
    ],
    "myotype.runtime": ["Bundle", "Engine", "EngineStream", "Provenance"],
    "myotype.network": ["EMG2QwertyNet", "SplashNet", "convert_checkpoint", "export", "load_network"],
    "myotype.training": [
        "RECIPES",
        "Batch",
        "Machine",
        "Recipe",
        "SimulatedCorpus",
        "Source",
        "Windows",
        "gather",
        "load_recipe",
        "recipe_yaml",
        "save_recipe",
        "train",
    ],
}  # fmt: skip
OF_MODULES = {
    "myotype.keyboard": ["BLANK", "KEYS", "fold", "key_to_label", "labels_to_text", "render", "text_to_labels"],
    "myotype.transcript": ["KeyPress", "Keystroke", "Transcript", "Update", "WRITERS"],
    "myotype.metrics": ["ErrorRates", "align", "error_rates", "timing_errors"],
    "myotype.recordings.bids": ["read_events"],
    "myotype.simulation.benchmark": ["BENCHMARKS", "TINY", "V1", "make", "named"],
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_stand_and_there_are_no_others(module):
    home = import_module(module)
    assert list(home.__all__) == PUBLIC[module]
    assert all(getattr(home, name) is not None for name in PUBLIC[module])


@pytest.mark.parametrize("module", OF_MODULES)
def test_names_of_modules_stand(module):
    home = import_module(module)
    assert all(getattr(home, name) is not None for name in OF_MODULES[module])


def test_what_users_build_on_takes_what_it_is_documented_to_take():
    home = import_module("myotype")
    parameters = {
        home.Transcriber.from_pretrained: [
                "model", "decoder", "lm", "hotwords", "lm_weight", "insertion_bonus", "beam_size", "threads", "hub",
            ],
        home.Transcriber.transcribe: ["self", "recording", "n_best", "progress"],
        home.simulate: [
            "text", "key_presses", "typist", "minutes", "seed", "session", "speed", "split", "style", "mistakes",
            "start",
        ],
    }  # fmt: skip
    for function, names in parameters.items():
        assert list(inspect.signature(function).parameters) == names


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        import_module("myotype").nothing  # noqa: B018


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=120
    )
    return result.stdout.strip()


HEAVY = "{'torch', 'pytorch_lightning', 'lightning_fabric', 'starlette', 'matplotlib', 'onnx', 'pandas'}"


def test_importing_myotype_loads_nothing_heavy():
    loaded = run_python(
        """
        import sys, myotype
        print(sorted({name.split(".")[0] for name in sys.modules} & {"numpy", "numba", "onnxruntime", "h5py", "torch"}))
        """
    )
    assert loaded == "[]"


def test_transcribing_loads_neither_torch_nor_lightning_nor_starlette(tmp_path):
    loaded = run_python(
        f"""
        import sys, myotype
        from myotype.cli import main
        from myotype.recordings import write_hdf5
        path = {str(tmp_path / "a.hdf5")!r}
        write_hdf5(path, myotype.simulate("hello there", seed=3))
        assert main(["transcribe", path, "--output", {str(tmp_path)!r}]) == 0
        assert main(["info"]) == 0
        print(sorted({{name.split(".")[0] for name in sys.modules}} & {HEAVY}))
        """
    )
    assert loaded.splitlines()[-1] == "[]"


def test_a_missing_extra_is_named_in_the_error():
    # None in sys.modules makes an import fail as if the package were not there.
    said = run_python(
        """
        import sys
        sys.modules["torch"] = None
        from myotype.errors import MissingExtraError
        for module in ("myotype.network", "myotype.training"):
            try:
                __import__(module)
            except MissingExtraError as error:
                print(error)
        """
    )
    assert said.count("pip install 'myotype[train]'") == 2
