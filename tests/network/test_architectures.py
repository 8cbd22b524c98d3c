"""Which network a model is: found, loaded, refused, saved."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from myotype.errors import InputError, ModelError
from myotype.network import EMG2QwertyNet, SplashNet, convert_checkpoint, export, load_network
from myotype.network.architectures import ARCHITECTURES
from myotype.network.conversion import convert
from myotype.network.verification import verify
from myotype.runtime import Bundle, Provenance

MINE = Provenance(license="MIT", source="random weights of a test")
TINY = {"mlp_features": [4], "block_channels": [2], "kernel_width": 2}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    torch.manual_seed(0)
    return {name: export(kind(**TINY), folder / name, provenance=MINE) for name, kind in ARCHITECTURES.items()}


def test_networks_are_known_by_the_names_of_their_classes():
    assert {"EMG2QwertyNet": EMG2QwertyNet, "SplashNet": SplashNet} == ARCHITECTURES


@pytest.mark.parametrize("name", ARCHITECTURES)
@torch.inference_mode()
def test_a_bundle_is_loaded_as_what_it_is(bundles, name):
    folder = bundles[name].folder
    own = ARCHITECTURES[name].from_pretrained(folder)
    x = torch.randn(1, 32, 3000)
    for found in (load_network(folder), convert_checkpoint(folder), load_network(str(folder), drop_prob=0.5)):
        assert type(found) is ARCHITECTURES[name]
        assert torch.equal(found(x), own(x))
        assert not found.training
    assert load_network(folder, drop_prob=0.5).get_config()["drop_prob"] == 0.5
    with pytest.raises(InputError, match="knows no colour"):
        load_network(folder, colour="red")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_bundle_of_another_network_is_refused_with_what_loads_it(bundles, name):
    (other,) = ARCHITECTURES.keys() - {name}
    says = f"the network is {other}, not {name}: load it with {other}.from_pretrained, or with myotype.network.load_"
    with pytest.raises(ModelError, match=says):
        ARCHITECTURES[name].from_pretrained(bundles[other].folder)


def test_the_bundled_model_is_found_by_name():
    assert type(load_network("demo")) is EMG2QwertyNet
    with pytest.raises(ModelError, match="the network is EMG2QwertyNet, not SplashNet"):
        SplashNet.from_pretrained("demo")


def test_a_network_that_is_not_known_is_refused_by_name(bundles, tmp_path):
    folder = shutil.copytree(bundles["SplashNet"].folder, tmp_path / "model")
    facts = json.loads((folder / "myotype.json").read_text())
    (folder / "myotype.json").write_text(json.dumps(facts | {"architecture": "Splash\x1b[31mNet3"}))
    says = r"its architecture is 'Splash.\[31mNet3'; this version of myotype knows EMG2QwertyNet, SplashNet"
    for ask in (
        load_network,
        SplashNet.from_pretrained,
        convert_checkpoint,
        lambda path: list(verify(Bundle.open(path))),
    ):
        with pytest.raises(ModelError, match=says) as raised:
            ask(folder)
        assert "\x1b" not in str(raised.value)


def test_a_folder_that_does_not_say_is_taken_at_its_readers_word(bundles, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(bundles["SplashNet"].folder / name, tmp_path)
    assert type(SplashNet.from_pretrained(tmp_path)) is SplashNet
    with pytest.raises(ModelError, match="EMG2QwertyNet knows no channel_masking"):
        load_network(tmp_path)  # as braindecode writes such folders


def test_an_original_checkpoint_is_no_splashnet(golden):
    assert type(load_network(golden / "lightning_tiny.ckpt")) is EMG2QwertyNet
    with pytest.raises(ModelError, match="the network is EMG2QwertyNet, not SplashNet"):
        SplashNet.from_pretrained(golden / "lightning_tiny.ckpt")


@torch.inference_mode()
def test_hands_that_were_unshared_are_saved_and_loaded_apart(tmp_path):
    network = SplashNet(**TINY).eval()
    network.unshare()
    network.encoders[1].mlp.mlp[0].weight.mul_(2)
    network.provenance = MINE
    network.save_pretrained(tmp_path / "model")
    loaded = SplashNet.from_pretrained(tmp_path / "model")
    assert loaded.get_config() == network.get_config()
    assert loaded.state_dict().keys() == network.state_dict().keys()
    x = torch.randn(1, 32, 3000) * 20
    assert torch.equal(loaded(x), network(x))
    assert Bundle.open(tmp_path / "model").facts.parameters == sum(weight.numel() for weight in loaded.parameters())
    again = convert(tmp_path / "model", tmp_path / "again")
    assert again.facts.architecture == "SplashNet"
    assert "settling_frames" in json.loads((again.folder / "myotype.json").read_text())


def test_a_subclass_is_written_as_the_network_that_it_descends_from(tmp_path):
    class Own(SplashNet):
        pass

    bundle = export(Own(**TINY), tmp_path / "model", provenance=MINE)
    assert bundle.facts.architecture == "SplashNet"
    assert type(Own.from_pretrained(tmp_path / "model")) is Own


@pytest.mark.parametrize("shared", [True, False])
def test_a_sound_splashnet_passes_every_check(tmp_path, shared):
    bundle = export(SplashNet(**TINY, shared=shared), tmp_path / "model", provenance=MINE)
    checks = {check.name: check for check in verify(bundle)}
    assert {check.verdict for check in checks.values()} == {"ok", "shown"}
    assert checks["settling frames"].found == "128"
    assert checks["output for (1, 32, 8000)"].found == "(1, 496, 99)"


def test_settling_frames_that_are_not_the_networks_are_found_out(bundles, tmp_path):
    folder = shutil.copytree(bundles["SplashNet"].folder, tmp_path / "model")
    facts = json.loads((folder / "myotype.json").read_text())
    del facts["settling_frames"]
    (folder / "myotype.json").write_text(json.dumps(facts))
    failed = {check.name for check in verify(Bundle.open(folder)) if check.verdict == "FAILED"}
    assert failed == {"settling frames"}
