"""Checkpoints from elsewhere: read bit for bit, said where they come from, refused when they contradict themselves."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import zipfile
from collections import OrderedDict, defaultdict
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from myotype.errors import ModelError
from myotype.network import EMG2QwertyNet, export
from myotype.network.checkpoints import read_checkpoint
from myotype.runtime import Provenance, published
from myotype.runtime.bundle import bundled_models
from myotype.runtime.provenance import provenance_metadata

HEAD = {"final_layer.weight": "model.4.weight", "final_layer.bias": "model.4.bias"}
SMALL = {"n_chans": 4, "num_bands": 2, "electrodes_per_band": 2, "n_fft": 16, "mlp_features": [6, 4]}
SMALL |= {"block_channels": [2, 4], "kernel_width": 3, "n_outputs": 5}
PARAMETERS = {"in_features": 18, "mlp_features": [6, 4], "block_channels": [2, 4], "kernel_width": 3}
OMEGACONF = ("omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata", "omegaconf.dictconfig.DictConfig")
OMEGACONF += ("omegaconf.listconfig.ListConfig", "omegaconf.nodes.AnyNode")
MINE = Provenance(license="CC0-1.0", source="a test", simulated=True, citation="nobody", details={"seeds": [1, 2]})


def original_weights(**config):
    torch.manual_seed(3)
    weights = EMG2QwertyNet(**config).state_dict()
    return OrderedDict((HEAD.get(name, name), tensor) for name, tensor in weights.items())


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name
    return True


def save(path, **changes):
    content = {
        "epoch": 3,
        "global_step": 40,
        "pytorch-lightning_version": "1.8.6",
        "state_dict": original_weights(**SMALL),
        "hyper_parameters": dict(PARAMETERS),
    }
    torch.save(content | changes, path)
    return path


def message(path):
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    return str(caught.value).replace(f"{path}/", "").removeprefix(f"{path}: ")


@pytest.fixture(scope="module")
def golden_config(golden):
    config = json.loads((golden / "braindecode_tiny" / "config.json").read_text())
    del config["braindecode_version"]
    return config


def test_an_original_is_read_as_its_braindecode_twin_bit_for_bit(golden, golden_config):
    checkpoint = read_checkpoint(golden / "lightning_tiny.ckpt")
    assert json.dumps(checkpoint.config) == json.dumps(golden_config)
    twin = load_file(golden / "braindecode_tiny" / "model.safetensors")
    renamed = {EMG2QwertyNet.mapping.get(name, name): tensor for name, tensor in checkpoint.weights.items()}
    assert same(renamed, twin)
    assert {"model.4.weight", "model.4.bias"} <= checkpoint.weights.keys()
    assert checkpoint.look_ahead == 0.1


def test_an_original_stands_under_the_terms_of_the_release(golden):
    path = golden / "lightning_tiny.ckpt"
    provenance = read_checkpoint(path).provenance
    assert provenance == Provenance(
        license="CC-BY-NC-SA-4.0",
        source="Converted from an original checkpoint of emg2qwerty.",
        citation=published.CITATION,
        details={
            "made by": published.MADE_BY,
            "source file": "lightning_tiny.ckpt",
            "source size": 516491,
            "source SHA-256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "epoch": 2,
            "global step": 6,
            "pytorch-lightning": "2.6.6",
        },
    )


def test_an_original_is_read_as_the_safe_mode_of_torch_reads_it(golden):
    class Inert:
        def __setstate__(self, state):
            self.state = state

    allowed: list[Any] = [(type(name, (Inert,), {}), name) for name in OMEGACONF]
    allowed += [dict, int, list, defaultdict, (Inert, "typing.Any")]
    with torch.serialization.safe_globals(allowed):
        content = torch.load(golden / "lightning_tiny.ckpt", weights_only=True)
    assert same(read_checkpoint(golden / "lightning_tiny.ckpt").weights, content["state_dict"])


def test_originals_are_read_where_their_libraries_are_not_installed():
    assert importlib.util.find_spec("omegaconf") is None
    assert importlib.util.find_spec("pl_bolts") is None


@pytest.mark.parametrize("left", ["model.safetensors", "pytorch_model.bin"])
def test_a_braindecode_folder_is_read_from_either_file(golden, golden_config, tmp_path, left):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("config.json", "README.md", left):
        shutil.copyfile(golden / "braindecode_tiny" / name, folder / name)
    checkpoint = read_checkpoint(folder)
    assert checkpoint.config == golden_config
    assert same(checkpoint.weights, load_file(golden / "braindecode_tiny" / "model.safetensors"))
    assert checkpoint.provenance == Provenance(
        license="CC-BY-NC-SA-4.0",
        source="Loaded from a braindecode folder, whose card states the licence.",
        citation=published.CITATION,
        details={
            "source file": left,
            "source size": (folder / left).stat().st_size,
            "source SHA-256": hashlib.sha256((folder / left).read_bytes()).hexdigest(),
        },
    )


def fake_omegaconf(monkeypatch):
    """Classes that pickle under the names of OmegaConf, and a function that wraps values as it does."""
    monkeypatch.setitem(sys.modules, "omegaconf", ModuleType("omegaconf"))
    classes = {}
    for name in OMEGACONF:
        module, _, kind = name.rpartition(".")
        monkeypatch.setitem(sys.modules, module, sys.modules.get(module) or ModuleType(module))
        classes[kind] = type(kind, (), {"__module__": module})
        setattr(sys.modules[module], kind, classes[kind])

    def node(kind, **state):
        made = classes[kind]()
        made.__dict__.update(state)
        return made

    def wrapped(value):
        is_container = isinstance(value, (list, dict))
        kind, held = ("ContainerMetadata", type(value)) if is_container else ("Metadata", None)
        about = node(kind, ref_type=Any, object_type=held, key_type=int, resolver_cache=defaultdict(dict))
        if isinstance(value, list):
            return node("ListConfig", _metadata=about, _parent=None, _content=[*map(wrapped, value)])
        if isinstance(value, dict):
            content = {key: wrapped(entry) for key, entry in value.items()}
            return node("DictConfig", _metadata=about, _parent=None, _content=content)
        return node("AnyNode", _metadata=about, _parent=None, _val=value)

    return wrapped


def test_a_full_size_original_is_read_without_its_optimiser(tmp_path):
    weights = original_weights()
    path = tmp_path / "generic.ckpt"
    with pytest.MonkeyPatch.context() as patch:
        wrapped = fake_omegaconf(patch)
        moments = {
            index: {"step": torch.tensor(9.0), "exp_avg": tensor * 1.5, "exp_avg_sq": tensor * 2.5}
            for index, tensor in enumerate(weights.values())
            if tensor.is_floating_point()
        }
        parameters = {"in_features": 528, "kernel_width": wrapped(32), "optimizer": wrapped({"lr": 1e-3})}
        parameters |= {"mlp_features": wrapped([384]), "block_channels": wrapped([24] * 4)}
        content = {
            "state_dict": weights,
            "hyper_parameters": parameters,
            "optimizer_states": [{"state": moments}],
            "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(5.0)}},
        }
        torch.save(content, path)
    assert "omegaconf.nodes" not in sys.modules
    assert path.stat().st_size > 63_000_000
    saved = bytearray(path.read_bytes())
    bias = (weights["model.4.bias"] * 2.5).numpy().tobytes()
    saved[saved.index(bias)] ^= 1  # whoever reads the optimiser's record finds it damaged
    path.write_bytes(saved)
    checkpoint = read_checkpoint(path)
    assert same(checkpoint.weights, weights)
    network = EMG2QwertyNet()
    defaults = network.get_config() | {"n_times": 8000}
    assert checkpoint.config == defaults
    assert checkpoint.provenance.details.keys() == {"made by", "source file", "source size", "source SHA-256"}


def test_the_configuration_follows_from_shapes_and_parameters(tmp_path):
    config = read_checkpoint(save(tmp_path / "a.ckpt")).config
    assert config == EMG2QwertyNet(**SMALL, n_times=8000).get_config()


def test_configurations_of_two_checkpoints_share_nothing(tmp_path):
    path = save(tmp_path / "a.ckpt")
    read_checkpoint(path).config["rotation_offsets"].append(5)
    assert read_checkpoint(path).config["rotation_offsets"] == [-1, 0, 1]


def test_the_published_checkpoint_is_known_by_size_and_digest(tmp_path, monkeypatch):
    path = save(tmp_path / "a.ckpt")
    monkeypatch.setattr(published, "CHECKPOINT_SIZE", path.stat().st_size)
    assert "an original checkpoint" in read_checkpoint(path).provenance.source
    monkeypatch.setattr(published, "CHECKPOINT_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    source = read_checkpoint(path).provenance.source
    assert source == "Converted from the published generic checkpoint of emg2qwerty."


def test_facts_of_the_wrong_kind_are_left_out(tmp_path):
    strange = {"epoch": "third", "global_step": -1, "pytorch-lightning_version": "\x1b[2J"}
    details = read_checkpoint(save(tmp_path / "a.ckpt", **strange)).provenance.details
    assert details.keys() == {"made by", "source file", "source size", "source SHA-256"}


def test_a_file_name_that_is_no_text_does_no_harm(tmp_path):
    path = save(tmp_path / "a.ckpt").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.ckpt"))
    details = read_checkpoint(path).provenance.details
    assert details["source file"] == "?.ckpt"


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        (
            {"kernel_width": 32},
            "hyper_parameters say kernel_width 32, but model.3.tds_conv_blocks.0.conv2d.weight has 3",
        ),
        ({"in_features": 19}, "hyper_parameters say in_features 19, but model.1.mlps.0.mlp.0.weight has 18"),
        ({"mlp_features": [6]}, "hyper_parameters say mlp_features [6], but model.1.mlps.0.mlp has [6, 4]"),
        (
            {"block_channels": [2, 2]},
            "hyper_parameters say block_channels [2, 2], but model.3.tds_conv_blocks.*.conv2d has [2, 4]",
        ),
        ({"kernel_width": None}, "its hyper_parameters say no kernel_width: expected a whole number"),
        ({"kernel_width": 3.0}, "its hyper_parameters say no kernel_width: expected a whole number"),
        ({"kernel_width": True}, "its hyper_parameters say no kernel_width: expected a whole number"),
        ({"kernel_width": "???"}, "its hyper_parameters say no kernel_width: expected a whole number"),
        ({"kernel_width": 10**500}, f"hyper_parameters say kernel_width 1{'0' * 59}..., but model.3.tds_conv_blocks.0"),
        ({"mlp_features": 6}, "its hyper_parameters say no mlp_features: expected a list of whole numbers"),
        ({"mlp_features": []}, "its hyper_parameters say no mlp_features: expected a list of whole numbers"),
        ({"mlp_features": [6, "4"]}, "its hyper_parameters say no mlp_features: expected a list of whole numbers"),
        ({"mlp_features": [6] * 10**5}, "its hyper_parameters say no mlp_features: expected a list of whole numbers"),
    ],
)
def test_parameters_that_contradict_the_weights_are_refused_with_both(tmp_path, parameters, found):
    path = save(tmp_path / "a.ckpt", hyper_parameters=PARAMETERS | parameters)
    assert message(path).startswith(found)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"model.0.batch_norm.weight": None},
            "has no model.0.batch_norm.weight: these are not the weights of an original",
        ),
        (
            {"model.4.weight": None},
            "has no model.4.weight: these are not the weights of an original emg2qwerty network",
        ),
        ({"model.1.mlps.0.mlp.0.weight": None}, "has no model.1.mlps.0.mlp.0.weight: these are not"),
        (
            {"model.3.tds_conv_blocks.0.conv2d.weight": None},
            "has no model.3.tds_conv_blocks.0.conv2d.weight: these are",
        ),
        (
            {"model.3.tds_conv_blocks.0.conv2d.weight": (2, 3)},
            "model.3.tds_conv_blocks.0.conv2d.weight has shape (2, 3);",
        ),
        ({"model.4.weight": (0, 8)}, "model.4.weight has shape (0, 8); expected 2 axes, none of them empty"),
        ({"model.0.batch_norm.weight": (5,)}, "5 channels cannot be shared out among 2 bands"),
        ({"model.0.batch_norm.weight": (8,)}, "18 in_features cannot be shared out among 4 electrodes"),
        ({"model.0.batch_norm.weight": (2,)}, None),
        ({"model.0.batch_norm.weight": (36,)}, "n_fft is 0; expected a whole number from 1 to 4096"),
        ({"model.0.batch_norm.weight": (12,)}, "3 bins an electrode are a window shorter than its hop of 16 samples"),
        (
            {"model.1.mlps.0.mlp.2.weight": (5, 6)},
            "hyper_parameters say mlp_features [6, 4], but model.1.mlps.0.mlp has",
        ),
    ],
)
def test_weights_of_another_network_are_refused_by_what_is_wrong(tmp_path, changes, found):
    weights = original_weights(**SMALL)
    for name, shape in changes.items():
        if shape is None:
            del weights[name]
        else:
            weights[name] = torch.zeros(shape)
    path = save(tmp_path / "a.ckpt", state_dict=weights)
    if found is None:
        assert read_checkpoint(path).config["n_fft"] == 34
    else:
        assert message(path).startswith(found)


def test_a_window_beyond_all_measure_is_refused_before_a_network_is_built(tmp_path):
    # Four megabytes of weights could otherwise ask for a transform of a million samples, whose table has 10^12 numbers.
    weights = original_weights(**SMALL)
    weights["model.0.batch_norm.weight"] = torch.ones(2)
    weights["model.1.mlps.0.mlp.0.weight"] = torch.zeros(6, 500_001)
    parameters = PARAMETERS | {"in_features": 500_001}
    path = save(tmp_path / "a.ckpt", state_dict=weights, hyper_parameters=parameters)
    assert message(path) == "n_fft is 1000000; expected a whole number from 1 to 4096"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([1, 2], "holds no weights: expected a Lightning checkpoint"),
        (torch.ones(3), "holds no weights: expected a Lightning checkpoint"),
        ({"state_dict": [1], "hyper_parameters": {}}, "holds no weights: expected a Lightning checkpoint"),
        (
            {"state_dict": {}},
            "has no hyper_parameters, so that nothing says what network the weights are for: give the Lightning",
        ),
        (
            {"w": torch.ones(3)},
            "has no state_dict and no hyper_parameters, so that nothing says what network the weights",
        ),
        ({"state_dict": {}, "hyper_parameters": 5}, "has no sound hyper_parameters, so that nothing says what network"),
        (
            {"state_dict": {}, "hyper_parameters": PARAMETERS},
            "has no model.0.batch_norm.weight: these are not the weights",
        ),
        ({"state_dict": {5: torch.ones(1)}, "hyper_parameters": {}}, "5 is no name of a weight"),
        ({"state_dict": {"\x1b[2J": torch.ones(1)}, "hyper_parameters": {}}, r"'\x1b[2J' is no name of a weight"),
        ({"state_dict": {"w" * 500: torch.ones(1)}, "hyper_parameters": {}}, f"'{'w' * 59}... is no name of a weight"),
        (
            {"state_dict": {"w": 5}, "hyper_parameters": {}},
            "w is no plain dense tensor but int: save the weights of an",
        ),
    ],
)
def test_what_is_no_checkpoint_of_the_original_is_refused_with_what_to_do(tmp_path, content, found):
    torch.save(content, tmp_path / "a.ckpt")
    assert message(tmp_path / "a.ckpt").startswith(found)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_original_with_any_bytes_in_its_pickle_is_read_or_refused(tmp_path, golden, data):
    with zipfile.ZipFile(golden / "lightning_tiny.ckpt") as file:
        records = {name: file.read(name) for name in file.namelist()}
    content = bytearray(records["archive/data.pkl"])
    start = data.draw(st.sampled_from([0, content.index(b"hyper_parameters")]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(start, len(content)))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    with zipfile.ZipFile(tmp_path / "a.ckpt", "w") as file:
        for name, record in (records | {"archive/data.pkl": bytes(content)}).items():
            file.writestr(name, record)
    with suppress(ModelError):
        read_checkpoint(tmp_path / "a.ckpt")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_original_that_was_cut_off_or_spoilt_is_refused_or_read_as_it_was(tmp_path, golden, data):
    content = bytearray((golden / "lightning_tiny.ckpt").read_bytes())
    parts = st.one_of(st.integers(0, 20_000), st.integers(len(content) - 10_000, len(content) - 1))
    if data.draw(st.booleans()):
        del content[data.draw(parts) :]
    else:
        content[data.draw(parts)] ^= data.draw(st.integers(1, 255))
    (tmp_path / "a.ckpt").write_bytes(content)
    with suppress(ModelError):
        found = read_checkpoint(tmp_path / "a.ckpt")
        expected = read_checkpoint(golden / "lightning_tiny.ckpt")
        assert same(found.weights, expected.weights)
        assert found.config == expected.config


def test_weights_alone_are_told_where_their_network_may_be_said(tmp_path):
    torch.save(original_weights(**SMALL), tmp_path / "a.ckpt")
    assert message(tmp_path / "a.ckpt").endswith(
        "give the Lightning checkpoint that they were taken from, or put them as pytorch_model.bin into a folder with "
        "the network's config.json"
    )
    shutil.move(tmp_path / "a.ckpt", tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    assert same(read_checkpoint(tmp_path).weights, original_weights(**SMALL))


@pytest.mark.parametrize("name", ["nothing", "n" * 5000, "null\0byte", "/dev/null"])
def test_what_is_neither_file_nor_folder_is_refused(name):
    with pytest.raises(ModelError, match="no such file or folder"):
        read_checkpoint(name)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert message(tmp_path / "pipe") == "no such file or folder"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    network = EMG2QwertyNet(**SMALL)
    path.mkdir()
    (path / "config.json").write_text(json.dumps(network.get_config() | {"braindecode_version": "1.8.1"}))
    save_file(network.state_dict(), path / "model.safetensors")
    return path


def test_a_bundle_says_where_it_comes_from_and_when_its_keys_were_pressed(tmp_path):
    torch.manual_seed(4)
    network = EMG2QwertyNet(**SMALL)
    bundle = export(network, tmp_path / "bundle", provenance=MINE, look_ahead=0.25)
    checkpoint = read_checkpoint(tmp_path / "bundle")
    assert checkpoint.provenance == bundle.facts.provenance
    assert checkpoint.provenance.source == "a test"
    assert checkpoint.provenance.details["seeds"] == [1, 2]
    assert "source file" not in checkpoint.provenance.details
    assert checkpoint.look_ahead == 0.25
    assert checkpoint.config == network.get_config()
    assert same(checkpoint.weights, network.state_dict())


def test_weights_outlive_their_file(folder):
    weights = read_checkpoint(folder).weights
    before = {name: tensor.clone() for name, tensor in weights.items()}
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(10)
    assert same(weights, before)


def test_metadata_of_the_weights_come_before_the_card(folder):
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    digests = {}
    for metadata in (None, {"format": "pt"}, provenance_metadata(MINE)):
        save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", metadata)
        provenance = read_checkpoint(folder).provenance
        digests[provenance.license] = provenance.details["source SHA-256"]
    assert provenance.source == "a test"
    assert provenance.simulated
    assert provenance.details["seeds"] == [1, 2]
    assert digests.keys() == {"MIT", "CC0-1.0"}
    assert digests["CC0-1.0"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_metadata_that_name_the_source_are_kept_as_they_are(folder):
    told = Provenance(license="MIT", source="a test", details={"source file": "generic.ckpt", "source size": 5})
    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", provenance_metadata(told))
    assert read_checkpoint(folder).provenance == told


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"provenance": "{"}, "model.safetensors: the metadata's provenance is not readable as JSON"),
        ({"provenance": "[]"}, "model.safetensors: provenance: expected a JSON object, found list"),
        ({"provenance": '{"source": ""}'}, "model.safetensors: provenance: license is missing"),
    ],
)
def test_malformed_metadata_are_refused(folder, metadata, found):
    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", metadata)
    assert message(folder).startswith(found)


@pytest.mark.parametrize(
    ("card", "license_"),
    [
        ("---\nlibrary_name: braindecode\nlicense: cc-by-nc-sa-4.0\ntags:\n- a\n---\n", "CC-BY-NC-SA-4.0"),
        ("---\r\nlicense: 'apache-2.0'\r\n---\r\n", "Apache-2.0"),
        ('---\nlicense: "BSD-3-clause"  # as ours\n---\n', "BSD-3-Clause"),
        ("\ufeff---\nlicense: mit\n---\n", "MIT"),
        ("---\nlicense: other\n---\n", "unknown"),
        ("---\nlicense: other\nlicense_name: lab-1\n---\n", "lab-1"),
        ("---\nlicense: gpl-3.0\n---\n", "GPL-3.0-only"),
        ("---\nlicense: openrail++\n---\n", "openrail++"),
        ("---\ntags: []\n---\nlicense: mit\n", "unknown"),
        ("license: mit\n", "unknown"),
        ("---\nlicense: \x1b[2J\n---\n", "unknown"),
        ("---\nlicense: " + "x" * 200 + "\n---\n", "unknown"),
        ("---\nlicense:\n- mit\n---\n", "unknown"),
        ("---" + "\n" * 100_000 + "license: mit\n---\n", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_licence_of_a_folder_is_what_its_card_says(folder, card, license_):
    if card is not None:
        (folder / "README.md").write_text(card, newline="")
    provenance = read_checkpoint(folder).provenance
    assert provenance.license == license_
    assert provenance.citation == (published.CITATION if license_ == "CC-BY-NC-SA-4.0" else "")
    assert provenance.source.startswith("Loaded from a braindecode folder, ")


def test_a_folder_without_a_part_is_refused_by_name(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    assert message(folder) == "has no weights: neither model.safetensors nor pytorch_model.bin"
    assert message(tmp_path) == "has no config.json: give a bundle, a braindecode folder, or a checkpoint's file"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"n_fft": 5000}, "config.json: n_fft is 5000; expected a whole number from 1 to 4096"),
        ({"n_fft": 64.0}, "config.json: n_fft is 64.0; expected a whole number from 1 to 4096"),
        ({"n_outputs": 10**12}, "config.json: n_outputs is 1000000000000; expected a whole number from 1 to 1000000"),
        ({"kernel_width": 0}, "config.json: kernel_width is 0; expected a whole number from 1 to 1000000"),
        ({"num_bands": True}, "config.json: num_bands is True; expected a whole number from 1 to 64"),
        ({"hop_length": "\x1b"}, r"config.json: hop_length is '\x1b'; expected a whole number from 1 to 1000000"),
        ({"n_chans": [[]]}, "config.json: n_chans is a list; expected a whole number from 1 to 4096"),
        ({"mlp_features": 6}, "config.json: mlp_features is 6; expected a list of 1 to 100 numbers"),
        ({"mlp_features": {"6": 4}}, "config.json: mlp_features is a dict; expected a list of 1 to 100 numbers"),
        ({"mlp_features": []}, "config.json: mlp_features is []; expected a list of 1 to 100 numbers"),
        ({"block_channels": [1] * 10**5}, "config.json: block_channels is [1, 1, 1,"),
        ({"block_channels": [0]}, "config.json: block_channels has 0; expected whole numbers from 1 to 1000000"),
        ({"rotation_offsets": [10**9]}, "config.json: rotation_offsets has 1000000000; expected whole numbers from -1"),
    ],
)
def test_a_configuration_beyond_all_measure_is_refused_before_a_network_is_built(folder, change, found):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    assert message(folder).startswith(found)


def test_a_configuration_nested_without_end_is_refused(folder):
    for depth in (500, 990, 100_000):
        (folder / "config.json").write_text('{"n_chans": ' + "[" * depth + "]" * depth + "}")
        assert message(folder).startswith("config.json: ")


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda content: content[:-1], "copy it again"),
        (lambda content: content[:100], "not a safetensors file"),
        (lambda content: content.replace(b'"F32"', b'"F33"', 1), "not a sound safetensors file: copy it again"),
        (lambda content: content.replace(b"[6,18]", b"[6,19]", 1), "not a sound safetensors file: copy it again"),
        (lambda content: content.replace(b"final_layer.bias", b"final_laye\\u001b", 1), "is no name of a weight"),
    ],
)
def test_spoilt_weights_in_a_folder_are_refused(folder, spoil, found):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(spoil(content))
    assert spoil(content) != content
    assert found in message(folder)


def test_hostile_pickled_weights_in_a_folder_are_refused(folder, tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'canary'}",)

    (folder / "model.safetensors").unlink()
    torch.save({"w": Hostile()}, folder / "pytorch_model.bin")
    assert message(folder).startswith(
        "pytorch_model.bin: asks for posix.system, which is not among the names known to be"
    )
    torch.save([1], folder / "pytorch_model.bin")
    assert message(folder) == "pytorch_model.bin: holds no weights: expected a state dict"
    assert not (tmp_path / "canary").exists()


def test_the_bundled_models_can_be_read(monkeypatch):
    from myotype.runtime import Bundle

    for name in bundled_models():
        bundle = Bundle.open(name)
        checkpoint = read_checkpoint(bundle.folder)
        assert checkpoint.provenance == bundle.facts.provenance
        assert checkpoint.look_ahead == bundle.facts.look_ahead
