"""Models by name, from the Hub too: downloaded, converted once, kept."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from importlib import metadata

import filelock
import pytest
import torch
from huggingface_hub import constants, hf_hub_download
from safetensors.torch import load_file, save

from myotype import Transcriber, simulate
from myotype.errors import InputError, MissingExtraError, ModelError
from myotype.models import open_model
from myotype.network import EMG2QwertyNet
from myotype.runtime import Bundle, Provenance, provenance, published
from myotype.runtime import hub as hub_module

SMALL = {"mlp_features": [4], "block_channels": [2], "kernel_width": 2}


@pytest.fixture(autouse=True)
def _nobody_was_told(monkeypatch):
    monkeypatch.setattr(provenance, "_told", set())
    monkeypatch.setattr(hub_module, "_told", set())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    torch.manual_seed(6)
    network = EMG2QwertyNet(**SMALL)
    network.provenance = Provenance(license="MIT", source="random weights of a test")
    return network.save_pretrained(tmp_path_factory.mktemp("bundle") / "model")


@pytest.fixture
def plain(bundle):
    """The files of a folder as braindecode writes it."""
    return {
        "config.json": (bundle.folder / "config.json").read_bytes(),
        "model.safetensors": save(load_file(bundle.weights)),
        "README.md": b"---\nlicense: mit\n---\n# weights\n",
    }


def all_of(bundle):
    return {path.name: path.read_bytes() for path in bundle.folder.iterdir()}


def test_a_bundle_on_the_hub_is_used_as_it_is(hub, bundle):
    hub.add("somebody/bundle", {"main": all_of(bundle)})
    opened = open_model("somebody/bundle")
    assert opened.facts == bundle.facts
    assert opened.graph.read_bytes() == bundle.graph.read_bytes()


def test_plain_weights_on_the_hub_are_converted_once_and_the_bundle_is_kept(hub, plain, monkeypatch):
    hub.add("somebody/plain", {"main": plain})
    first = open_model("somebody/plain")
    assert first.facts.provenance.license == "MIT"
    assert first.facts.provenance.details["Hub repository"] == "somebody/plain"
    monkeypatch.setitem(sys.modules, "torch", None)  # what is there already needs no PyTorch
    monkeypatch.delitem(sys.modules, "myotype.network.conversion")
    again = open_model("somebody/plain")
    assert again == first


@pytest.fixture
def unlockable(monkeypatch):
    """Do as a cache of somebody else's, in which nothing can be written, when called."""

    def acquire(self):
        raise PermissionError(13, "Permission denied", self.lock_file)

    return lambda: monkeypatch.setattr(filelock.FileLock, "__enter__", acquire)


def test_a_kept_bundle_in_a_cache_that_cannot_be_written_is_used(hub, plain, unlockable):
    hub.add("somebody/plain", {"main": plain})
    first = open_model("somebody/plain")
    unlockable()
    assert open_model("somebody/plain") == first


def test_a_cache_in_which_nothing_can_be_kept_is_told_with_what_to_do(hub, plain, unlockable):
    hub.add("somebody/plain", {"main": plain})
    unlockable()
    says = r"^somebody/plain: no folder for the converted model: .*Permission denied.*; set HF_HOME or HF_ASSETS_CACHE"
    with pytest.raises(ModelError, match=says):
        open_model("somebody/plain")


def test_another_version_converts_anew(hub, plain, monkeypatch):
    hub.add("somebody/plain", {"main": plain})
    first = open_model("somebody/plain")
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "9.8.7" if name == "myotype" else version(name))
    second = open_model("somebody/plain")
    assert second.folder != first.folder
    assert open_model("somebody/plain") == second


def test_what_was_converted_without_the_card_is_converted_anew_with_it(hub, plain, monkeypatch, capsys):
    card = b"---\nlicense: cc-by-nc-4.0\n---\n"
    hub.add("somebody/plain", {"main": plain | {"README.md": card}})
    for name in ("config.json", "model.safetensors"):  # as a program does that needs no more
        hf_hub_download("somebody/plain", name)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert open_model("somebody/plain").facts.provenance.license == provenance.UNKNOWN
    assert EMG2QwertyNet.from_pretrained("somebody/plain").provenance.license == provenance.UNKNOWN
    assert capsys.readouterr().err.count("somebody/plain: its card is not in the cache") == 1
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert open_model("somebody/plain").facts.provenance.license == "CC-BY-NC-4.0"
    told = capsys.readouterr().err
    assert "no commercial use" in told
    assert "not in the cache" not in told


def test_another_commit_is_converted_anew(hub, plain):
    hub.add("somebody/plain", {"main": plain, "older": plain | {"README.md": b"---\nlicense: apache-2.0\n---\n"}})
    assert open_model("somebody/plain").facts.provenance.license == "MIT"
    assert open_model("somebody/plain", revision="older").facts.provenance.license == "Apache-2.0"


def test_a_kept_bundle_that_is_broken_is_made_again(hub, plain):
    hub.add("somebody/plain", {"main": plain})
    kept = open_model("somebody/plain")
    facts = kept.folder / "myotype.json"
    facts.write_text(facts.read_text().replace('"format_version": 1', '"format_version": 0'))
    assert open_model("somebody/plain").facts == kept.facts


def test_conversion_without_pytorch_names_the_extra(hub, plain):
    hub.add("somebody/plain", {"main": plain})
    code = """
        import sys
        sys.modules["torch"] = None
        from myotype import Transcriber
        try:
            Transcriber.from_pretrained("somebody/plain")
        except Exception as error:
            print(type(error).__name__, error)
        """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, check=True, timeout=120, env=hub.environment,
    )  # fmt: skip
    assert result.stdout.startswith(MissingExtraError.__name__)
    assert "pip install 'myotype[train]'" in result.stdout


def test_the_whole_way_from_the_hub_to_text(hub, bundle, plain, capsys):
    hub.add(published.HUB_ID, {"main": {name: plain[name] for name in ("config.json", "model.safetensors")}})
    transcriber = Transcriber.from_pretrained(published.HUB_ID)
    assert transcriber.engine.facts.provenance.license == published.LICENSE
    assert transcriber.engine.facts.provenance.citation
    assert re.search(r"under CC-BY-NC-SA-4\.0.*no commercial use", capsys.readouterr().err)
    recording = simulate("hello", seed=1)
    assert transcriber.transcribe(recording) == Transcriber.from_pretrained(bundle.folder).transcribe(recording)


def test_a_network_from_the_hub_says_so_and_goes_back(hub, plain):
    commits = hub.add("somebody/plain", {"main": plain})
    network = EMG2QwertyNet.from_pretrained("somebody/plain")
    assert network.provenance.details["Hub repository"] == "somebody/plain"
    assert network.provenance.details["Hub commit"] == commits["main"]
    url = network.push_to_hub("somebody/back", token="hf_whoMayReadAndWriteEverything")
    assert url.startswith(hub.url)
    back = EMG2QwertyNet.from_pretrained("somebody/back")
    assert all(torch.equal(back.state_dict()[name], tensor) for name, tensor in network.state_dict().items())
    assert back.provenance == network.provenance
    assert isinstance(open_model("somebody/back"), Bundle)


def test_a_repository_that_is_not_there_is_refused(hub):
    with pytest.raises(ModelError, match="somebody/nothing"):
        open_model("somebody/nothing")


def test_a_folder_comes_before_a_repository_of_its_name(hub, bundle, tmp_path, monkeypatch):
    (tmp_path / "somebody").mkdir()
    (tmp_path / "somebody" / "model").symlink_to(bundle.folder)
    monkeypatch.chdir(tmp_path)
    assert open_model("somebody/model").facts == bundle.facts
    assert not hub.requests


def test_a_folder_of_plain_weights_is_refused_with_what_to_do(plain, tmp_path):
    for name, content in plain.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match="myotype convert"):
        open_model(tmp_path)


def test_a_folder_that_cannot_be_read_is_an_error_that_says_so(bundle, monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.is_file", forbidden)
    with pytest.raises(ModelError, match="cannot be read: Permission denied"):
        open_model(bundle.folder)


def test_a_revision_of_what_is_on_this_machine_is_refused(bundle):
    with pytest.raises(InputError, match="leave the revision out"):
        open_model(bundle.folder, revision="main")
