"""Models from and to the Hugging Face Hub, held against a stand-in on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import termios
from importlib import metadata
from pathlib import Path

import pytest
from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from myotype.errors import InputError, ModelError
from myotype.runtime import Bundle
from myotype.runtime import hub as hub_module
from myotype.runtime.hub import Snapshot, converted_folder, download, is_repo_id, upload

HEADER = b'{"a":{"dtype":"F32","shape":[50000],"data_offsets":[0,200000]}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(range(200)) * 1000
PLAIN = {"config.json": b"{}", "model.safetensors": WEIGHTS, "README.md": b"# a model\n"}
OTHERS = {
    "modeling.py": b"raise SystemExit",
    "pytorch_model.bin": b"pickle",
    "training_args.bin": b"pickle",
    "onnx/stream.onnx": b"another",
    "model.safetensors.index.json": b"{}",
    "nested/config.json": b"another",
    "events.out.tfevents": b"log",
}
CONFIG = {"n_outputs": 99, "n_chans": 32, "sfreq": 2000, "hop_length": 16}
FACTS = {
    "format_version": 1,
    "architecture": "EMG2QwertyNet",
    "sfreq": 2000,
    "n_chans": 32,
    "hop_length": 16,
    "receptive_field": 288,
    "warmup_frames": 17,
    "look_ahead": 0.1,
    "parameters": 1000,
    "multiply_adds": 5000,
    "precision": "float32",
    "provenance": {"license": "BSD-3-Clause", "source": "a test"},
}
BUNDLE = {
    "config.json": json.dumps(CONFIG).encode(),
    "model.safetensors": WEIGHTS,
    "stream.onnx": b"a graph\0" * 100,
    "myotype.json": json.dumps(FACTS).encode(),
    "README.md": b"---\nlicense: bsd-3-clause\n---\n# a bundle\n",
    "LICENSE": b"do what you like\n",
}


@pytest.fixture(autouse=True)
def _nobody_was_told(monkeypatch):
    monkeypatch.setattr(hub_module, "_told", set())


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def put(folder, files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def python(hub, code, **environment):
    """Run code in a process of its own, which reads the environment as a user's does, with stderr on a terminal.

    Gives what is on stdout and on stderr.
    """
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    command = [sys.executable, "-c", f"import sys\nfrom myotype.runtime.hub import download\n{code}"]
    environment = hub.environment | environment
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=slave, text=True) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal closes with its last writer
            while piece := os.read(master, 65536):
                shown += piece
        os.close(master)
        return process.stdout.read().strip(), shown.decode()


def refused(says, repo_id="owner/name", **options):
    """Check that a download ends in an error of these words."""
    with pytest.raises(ModelError, match=f"^{re.escape(repo_id)}: {says}"):
        download(repo_id, **options)


# What can be the name of a repository


@pytest.mark.parametrize(
    "name",
    [
        "owner/name",
        "a/b",
        "braindecode/emg2qwerty-generic",
        "Owner_1/na.me-2",
        "_a/b_",
        "0/1",
        f"{'o' * 96}/{'n' * 96}",
    ],
)
def test_names_of_repositories_are_recognised(name):
    validate_repo_id(name)
    assert is_repo_id(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "demo", "a/", "/a", "/a/b", "./b", "./a/b", "../b", "a/..", "a/.", "~/x", "~a/b", "a/b/c", "a//b"),
        *("a/b/", "a\\b", "C:/x", "a b/c", "a/b ", "a/b\n", "-a/b", "a/b-", ".a/b", "a./b", "a/b.", "a/b--c", "a--b/c"),
        *("a/b..c", "a/b.git", "é/b", "a/文", "a/b?x", "a/b#x", "a/b@v1", "https://huggingface.co/a/b", "a/%2e%2e"),
        *(f"{'o' * 97}/n", f"o/{'n' * 97}"),
    ],
)
def test_paths_and_other_things_are_no_names_of_repositories(name):
    if "/" in name:  # the Hub also knows repositories without an owner
        with pytest.raises(HFValidationError):
            validate_repo_id(name)
    assert not is_repo_id(name)


@pytest.mark.parametrize("name", ["./a/b", "nowhere", "a/b/c"])
def test_downloading_what_can_be_no_repository_is_refused(hub, name):
    with pytest.raises(ModelError, match=f"^{re.escape(name)}: not the name of a repository .*; expected owner/name$"):
        download(name)
    assert hub.requests == []


# Downloads


def test_a_model_is_downloaded_with_nothing_but_the_files_that_are_needed(hub):
    commit = hub.add("owner/name", {"main": PLAIN | OTHERS})["main"]
    snapshot = download("owner/name")
    assert snapshot == Snapshot(snapshot.folder, "owner/name", commit)
    assert contents(snapshot.folder) == PLAIN
    assert sorted(hub.asked("GET")) == sorted(PLAIN)
    assert set(hub.asked("HEAD")) == {*PLAIN, "myotype.json", "LICENSE"}


def test_of_a_bundle_all_is_downloaded(hub):
    hub.add("owner/name", {"main": BUNDLE | OTHERS})
    assert contents(download("owner/name").folder) == BUNDLE
    assert sorted(hub.asked("GET")) == sorted(BUNDLE)


def test_a_pickle_is_downloaded_only_where_there_is_nothing_else(hub):
    files = {"config.json": b"{}", "pytorch_model.bin": b"pickle", "optimizer.bin": b"pickle"}
    hub.add("owner/name", {"main": files})
    assert contents(download("owner/name").folder) == {"config.json": b"{}", "pytorch_model.bin": b"pickle"}


def test_what_is_in_the_cache_is_not_downloaded_again_nor_is_what_is_not_there_looked_for_again(hub):
    hub.add("owner/name", {"main": PLAIN})
    first = download("owner/name")
    hub.requests.clear()
    assert download("owner/name") == first
    assert [str(request) for request in hub.requests] == ["HEAD /owner/name/resolve/main/config.json"]


def test_a_commit_that_is_in_the_cache_is_not_asked_for_at_all(hub):
    commit = hub.add("owner/name", {"main": PLAIN})["main"]
    first = download("owner/name")
    hub.requests.clear()
    assert download("owner/name", revision=commit) == first
    assert hub.requests == []


def test_everything_is_downloaded_again_on_demand(hub):
    hub.add("owner/name", {"main": PLAIN})
    first = download("owner/name")
    (first.folder / "model.safetensors").resolve().write_bytes(b"spoiled")
    hub.requests.clear()
    assert contents(download("owner/name", force_download=True).folder) == PLAIN
    assert sorted(hub.asked("GET")) == sorted(PLAIN)


def test_a_revision_is_a_branch_a_tag_or_a_commit(hub):
    files = {name: PLAIN | {"README.md": name.encode()} for name in ("main", "v1.0", "feature/new")}
    commits = hub.add("owner/name", files)
    for revision, commit in [
        *commits.items(),
        *((commit, commit) for commit in commits.values()),
        (None, commits["main"]),
    ]:
        snapshot = download("owner/name", revision=revision)
        assert snapshot.commit == commit
        assert commits[(snapshot.folder / "README.md").read_text()] == commit


def test_a_branch_that_moves_on_is_followed(hub):
    old = hub.add("owner/name", {"main": PLAIN})["main"]
    assert download("owner/name").commit == old
    new = hub.add("owner/name", {"main": BUNDLE})["main"]
    snapshot = download("owner/name")
    assert snapshot.commit == new
    assert contents(snapshot.folder) == BUNDLE
    assert contents(download("owner/name", revision=old).folder) == PLAIN


def test_a_model_that_changes_meanwhile_is_not_mixed_from_two_commits(hub, monkeypatch):
    old = hub.add("owner/name", {"main": PLAIN})["main"]
    answer = type(hub).answer

    def answer_and_move_on(self, request):
        answered = answer(self, request)
        if request.path.endswith("README.md"):
            self.add("owner/name", {"main": BUNDLE})
        return answered

    monkeypatch.setattr(type(hub), "answer", answer_and_move_on)
    snapshot = download("owner/name")
    assert snapshot.commit == old
    assert contents(snapshot.folder) == PLAIN


def test_a_cache_of_ones_own_is_used_alone(hub, tmp_path):
    hub.add("owner/name", {"main": PLAIN})
    assert download("owner/name", cache_dir=tmp_path / "mine").folder.is_relative_to(tmp_path / "mine")
    assert not (hub.home / "hub").exists()


def test_the_token_goes_to_the_hub_and_not_to_the_storage(hub):
    hub.add("owner/name", {"main": PLAIN}, private=True)
    assert contents(download("owner/name", token="hf_whoMayReadAndWriteEverything").folder) == PLAIN
    sent = {(request.server, request.headers.get("authorization")) for request in hub.requests}
    assert sent == {("hub", "Bearer hf_whoMayReadAndWriteEverything"), ("storage", None)}


def test_the_hub_is_told_what_asks(hub):
    hub.add("owner/name", {"main": PLAIN})
    download("owner/name")
    assert all(re.match(r"myotype/\d", request.headers["user-agent"]) for request in hub.requests)


# As a process of its own, with the environment that users know


def test_the_environment_is_heeded_and_progress_goes_to_stderr(hub, tmp_path):
    hub.add("owner/name", {"main": PLAIN}, private=True)
    code, cache = "print(download('owner/name').folder)", {"HF_HUB_CACHE": str(tmp_path / "cache")}
    folder, shown = python(hub, code, HF_TOKEN="hf_whoMayReadAndWriteEverything", **cache)
    assert folder.startswith(str(tmp_path / "cache"))
    assert contents(Path(folder)) == PLAIN
    assert "model.safetensors: 100%" in shown
    assert python(hub, code, HF_TOKEN="hf_whoMayReadAndWriteEverything", **cache) == (folder, "")
    hub.close()
    assert python(hub, code, HF_HUB_OFFLINE="1", **cache) == (folder, "")


def test_progress_bars_can_be_turned_off(hub):
    hub.add("owner/name", {"main": PLAIN})
    assert python(hub, "download('owner/name')", HF_HUB_DISABLE_PROGRESS_BARS="1") == ("", "")
    assert sorted(hub.asked("GET")) == sorted(PLAIN)


def test_the_stored_token_is_used(hub):
    hub.add("owner/name", {"main": PLAIN}, private=True)
    (hub.home / "token").write_text("hf_whoMayReadAndWriteEverything\n")
    assert contents(download("owner/name").folder) == PLAIN
    refused("there is no such model .* or it is private", token=False, force_download=True)


def test_neither_torch_nor_huggingface_hub_is_imported_before_it_is_needed(hub):
    code = "print({'torch', 'huggingface_hub'} & {*sys.modules})"
    hub.add("owner/name", {"main": PLAIN})
    assert python(hub, f"{code}\ndownload('owner/name')\n{code}")[0] == "set()\n{'huggingface_hub'}"


# Without a connection


@pytest.fixture
def offline(monkeypatch):
    """Do as HF_HUB_OFFLINE=1 does, when called."""
    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("files", [PLAIN, BUNDLE], ids=["plain", "bundle"])
@pytest.mark.parametrize("how", ["HF_HUB_OFFLINE", "local_files_only", "server gone", "server in trouble"])
def test_what_is_in_the_cache_works_without_the_hub(hub, offline, capfd, files, how):
    commit = hub.add("owner/name", {"main": files})["main"]
    first = download("owner/name")
    hub.requests.clear()
    if how == "HF_HUB_OFFLINE":
        offline()
    elif how == "server gone":
        hub.close()
    elif how == "server in trouble":
        hub.fail(".", status=503)
    capfd.readouterr()
    for revision in (None, "main", commit):
        assert download("owner/name", revision=revision, local_files_only=how == "local_files_only") == first
    assert capfd.readouterr() == ("", "")
    assert contents(first.folder) == files
    assert how == "server in trouble" or hub.requests == []


def test_a_cache_that_another_program_has_filled_with_what_it_needed_is_enough(hub, offline):
    for name, weights in (("owner/new", "model.safetensors"), ("owner/old", "pytorch_model.bin")):
        hub.add(name, {"main": {"config.json": b"{}", weights: b"weights"}})
        cached_by_another_program(name, "config.json", weights)
    offline()
    assert contents(download("owner/new").folder) == {"config.json": b"{}", "model.safetensors": b"weights"}
    assert contents(download("owner/old").folder) == {"config.json": b"{}", "pytorch_model.bin": b"weights"}


def cached_by_another_program(repo_id, *names):
    from huggingface_hub import hf_hub_download

    for name in names:
        hf_hub_download(repo_id, name)


@pytest.mark.parametrize("how", ["HF_HUB_OFFLINE", "local_files_only", "server gone"])
def test_a_card_that_cannot_be_looked_up_is_told_once(hub, offline, capfd, how):
    hub.add("owner/name", {"main": PLAIN})
    cached_by_another_program("owner/name", "config.json", "model.safetensors")
    if how == "HF_HUB_OFFLINE":
        offline()
    elif how == "server gone":
        hub.close()
    capfd.readouterr()
    snapshots = [download("owner/name", local_files_only=how == "local_files_only") for _ in range(2)]
    assert [snapshot.whole for snapshot in snapshots] == [False, False]
    told = capfd.readouterr().err
    assert told.startswith("owner/name: its card is not in the cache and the Hub cannot be asked, so what it says of")
    assert told.count("\n") == 1


def test_a_cache_without_the_card_is_made_whole_by_a_connection(hub, capfd):
    hub.add("owner/name", {"main": PLAIN})
    cached_by_another_program("owner/name", "config.json", "model.safetensors")
    capfd.readouterr()
    assert download("owner/name").whole
    assert download("owner/name", local_files_only=True).whole
    assert capfd.readouterr() == ("", "")


def test_a_card_that_is_there_or_not_needed_is_not_told_to_be_missing(hub, offline, capfd):
    hub.add("owner/plain", {"main": PLAIN})
    cached_by_another_program("owner/plain", *PLAIN)  # which leaves open whether there is more
    hub.add("owner/bundle", {"main": BUNDLE})
    cached_by_another_program("owner/bundle", "config.json", "model.safetensors", "myotype.json", "stream.onnx")
    offline()
    capfd.readouterr()
    assert not download("owner/plain").whole
    assert not download("owner/bundle").whole
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("revision", [None, "v1", "0" * 40])
def test_in_offline_mode_what_is_not_in_the_cache_is_refused_with_two_ways_out(hub, offline, revision):
    hub.add("owner/name", {"main": PLAIN})
    download("owner/name") if revision else None
    offline()
    named = re.escape(f"{revision or 'main'!r} is not (or not all of it) in the cache ({hub.home / 'hub'})")
    says = f"^owner/name: revision {named}, and HF_HUB_OFFLINE forbids to download it: run it once without, or download"
    with pytest.raises(ModelError, match=says):
        download("owner/name", revision=revision)


def test_if_only_the_cache_may_be_used_what_it_lacks_is_refused(hub):
    hub.add("owner/name", {"main": PLAIN})
    refused("revision 'main' is not .* local_files_only forbids to download it", local_files_only=True)
    assert hub.requests == []


def test_without_a_connection_what_is_not_in_the_cache_is_refused_with_two_ways_out(hub):
    hub.close()
    says = rf"cannot reach {hub.url} \(.*refused.*\), and revision 'v1' is not in the cache \(.*\): connect once, or "
    refused(says + "download its files elsewhere and give their folder$", revision="v1")


def test_a_new_download_and_no_connection_contradict_each_other(hub, offline):
    hub.add("owner/name", {"main": PLAIN})
    download("owner/name")
    with pytest.raises(InputError, match="force_download and local_files_only contradict each other"):
        download("owner/name", force_download=True, local_files_only=True)
    offline()
    refused("force_download and HF_HUB_OFFLINE contradict each other", force_download=True)


def test_a_new_download_without_a_connection_is_refused_and_leaves_the_old_one(hub):
    hub.add("owner/name", {"main": PLAIN})
    first = download("owner/name")
    hub.close()
    refused(r"cannot reach .* \(.*refused.*\): connect once", force_download=True)
    assert contents(first.folder) == PLAIN


# What the Hub refuses


@pytest.mark.parametrize("token", [None, "hf_whoMayReadPublicThings"])
def test_an_unknown_or_private_repository_is_refused_with_how_to_log_in(hub, token):
    hub.add("owner/secret", {"main": PLAIN}, private=True)
    says = f"there is no such model at {hub.url}, or it is private: check the name, or log in .*hf auth login.*HF_TOKEN"
    for repo_id in ("owner/secret", "owner/nothing"):
        refused(says, repo_id, token=token)


def test_a_token_that_the_hub_does_not_know_is_refused(hub):
    hub.add("owner/name", {"main": PLAIN})
    refused(f"{hub.url} refuses the token: log in anew", token="hf_unknown")


def test_a_token_that_is_wanted_and_not_there_is_missed(hub):
    refused("token=True, but there is no token: log in", token=True)


@pytest.mark.parametrize("token", ["", "hf_two words", "hf_line\n", "hf_ü"])
def test_what_can_be_no_token_is_refused_without_showing_it(hub, tmp_path, token):
    with pytest.raises(InputError, match=r"^token: empty, or with characters that no token has") as caught:
        download("owner/name", token=token)
    assert "hf_" not in str(caught.value)
    with pytest.raises(InputError, match=r"^token: "):
        upload(put(tmp_path / "bundle", BUNDLE), "owner/name", token=token)
    assert hub.requests == []


def test_a_token_in_the_environment_with_other_characters_is_refused(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_ü")
    refused("the token has characters that no token has: mend HF_TOKEN")


@pytest.mark.parametrize("token", [None, "hf_whoMayReadPublicThings"])
def test_a_gated_repository_is_refused_with_where_to_ask(hub, token):
    hub.add("owner/name", {"main": PLAIN}, gated=True)
    refused(f"access has to be asked for at {hub.url}/owner/name; when it is granted, log in", token=token)


def test_an_unknown_revision_is_named(hub):
    hub.add("owner/name", {"main": PLAIN})
    download("owner/name")
    refused("it has no revision 'v9': give a branch, a tag or a commit's whole hash", revision="v9")


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_repository_that_is_no_model_is_refused_by_what_it_lacks(hub, missing):
    files = {name: content for name, content in PLAIN.items() if name != missing}
    hub.add("owner/name", {"main": files | {"model.ckpt": b"pickle"}, "v1": files})
    lacks = {"config.json": "no config.json", "model.safetensors": "neither model.safetensors nor pytorch_model.bin"}
    for revision in ("main", "v1"):
        says = f"no model that myotype can read: revision '{revision}' has {lacks[missing]}$"
        refused(says, revision=revision)
    assert set(hub.asked("GET")) <= {"config.json", "README.md"}


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (500, {}, r"{url} is in trouble \(500 Internal Server Error\): try again later"),
        (503, {"X-Error-Message": "at  work"}, r"{url} is in trouble \(503 at work\): try again later"),
        (429, {}, "{url} has had too many requests from here: wait some minutes"),
        (403, {"X-Error-Message": "Not for you."}, r"{url} forbids to read it: log in .* \(Not for you.\)"),
        (
            403,
            {"X-Error-Message": "Access to this resource is disabled."},
            "it is disabled on the Hub: {url}/owner/name",
        ),
        (451, {}, r"{url} does not take it \(451 "),
        (404, {}, "there is no such model at {url}"),
        (200, {"ETag": '"login"'}, "{url} does not answer like a Hub: check HF_ENDPOINT, and whether a proxy"),
    ],
)
def test_what_the_server_answers_is_explained(hub, status, headers, says):
    hub.add("owner/name", {"main": PLAIN})
    hub.fail("^HEAD", status=status, headers=headers)
    refused(says.format(url=hub.url))


def test_a_storage_in_trouble_is_told_as_such(hub):
    hub.add("owner/name", {"main": PLAIN})
    hub.fail("^GET .*model.safetensors", status=502)
    refused(f"{hub.url} is in trouble \\(502 Bad Gateway\\): try again later")


# Downloads that break off


@pytest.mark.parametrize("gently", [True, False])
def test_a_download_that_breaks_off_can_be_run_again_and_nothing_half_is_used(hub, gently):
    hub.add("owner/name", {"main": PLAIN})
    hub.fail("^GET .*model.safetensors", cut=100_000, gently=gently)
    refused(rf"the connection to {hub.url} broke \(.+\): run it again; files that have come whole are kept$")
    assert not [*hub.home.rglob("*.incomplete")]
    assert try_to_load_from_cache("owner/name", "model.safetensors") is None
    assert try_to_load_from_cache("owner/name", "config.json") is not None
    hub.heal()
    hub.requests.clear()
    assert contents(download("owner/name").folder) == PLAIN
    assert hub.asked("GET") == ["model.safetensors"]


def test_half_a_model_is_not_used_without_the_hub(hub, offline):
    hub.add("owner/name", {"main": PLAIN})
    hub.fail("^GET .*model.safetensors", cut=100_000)
    refused("the connection to .* broke")
    offline()
    refused("revision 'main' is not [(]or not all of it[)] in the cache")


def test_a_connection_that_is_closed_on_the_way_is_resumed(hub, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    hub.add("owner/name", {"main": PLAIN})
    hub.fail("^GET .*model.safetensors", cut=55_000, times=2, gently=True)
    assert contents(download("owner/name").folder) == PLAIN
    ranges = [request.headers.get("range") for request in hub.requests if request.server == "storage"]
    assert ranges == [None, "bytes=50000-", "bytes=100000-"]


def test_a_full_disk_is_told_as_such(hub):
    hub.add("owner/name", {"main": PLAIN})
    # A limit to the size of files: the write fails in the midst of the weights, as on a full disk.
    code = (
        "import resource, signal; from myotype.errors import ModelError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: download('owner/name')\n"
        "except ModelError as error: print(error)"
    )
    said, _ = python(hub, code)
    where = re.escape(str(hub.home / "hub"))
    says = rf"owner/name: cannot use the cache \({where}\): File too large; mend that, or set HF_HOME to another folder"
    assert re.fullmatch(says, said)
    assert not [file for file in hub.home.rglob("*") if file.is_file() and file.stat().st_size == 100_000]


def test_a_cache_that_cannot_be_written_is_told_as_such(hub, tmp_path):
    hub.add("owner/name", {"main": PLAIN})
    (tmp_path / "cache").write_text("a file")
    refused(r"cannot use the cache \(.*cache\): Not a directory: '?.*", cache_dir=tmp_path / "cache")


def test_errors_of_the_program_itself_are_not_explained_away(hub, monkeypatch):
    for error in (ValueError("a mistake"), TypeError("a mistake"), RecursionError("a mistake")):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
        with pytest.raises(type(error), match="a mistake"):
            download("owner/name")


def test_errors_of_the_storage_that_the_hub_has_beside_http_are_explained(hub, monkeypatch):
    for error in (RuntimeError("Task error: CAS"), PermissionError("CAS"), TimeoutError("CAS")):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
        refused(r"the connection to .* broke \((Task error: )?CAS\): run it again")


# The folder of converted models


def test_a_converted_model_is_kept_by_commit_and_version_beside_the_hubs_cache(hub, tmp_path):
    folders = {
        converted_folder(Snapshot(tmp_path, "owner/name", commit, whole))
        for commit in ("a" * 40, "b" * 40)
        for whole in (True, False)
    }
    assert len(folders) == 4
    for folder in folders:
        assert folder.relative_to(hub.home).parts[:3] == ("assets", "myotype", "owner--name")
        assert folder.name[40:].removesuffix("-partial") == f"-1-{metadata.version('myotype')}"
        assert [*folder.iterdir()] == []


def test_a_folder_of_converted_models_that_cannot_be_made_is_told_as_such(hub, tmp_path):
    (hub.home / "assets").write_text("a file")
    with pytest.raises(
        ModelError, match=r"^owner/name: no folder for the converted model: .*; set HF_HOME or HF_ASSET"
    ):
        converted_folder(Snapshot(tmp_path, "owner/name", "a" * 40))


# Uploads

OWNER = {"token": "hf_whoMayReadAndWriteEverything"}


@pytest.fixture
def bundle(tmp_path):
    return put(tmp_path / "bundle", BUNDLE)


def test_what_is_uploaded_is_the_bundle_and_nothing_else(hub, bundle):
    put(bundle, {"notes.txt": b"mine", "train.py": b"mine", ".env": b"HF_TOKEN=mine"})
    put(bundle / "runs", {"config.json": b"mine"})
    url = upload(bundle, "owner/name", commit_message="First try", **OWNER)
    assert hub.files("owner/name") == BUNDLE | {".gitattributes": hub.files("owner/name")[".gitattributes"]}
    assert hub.messages("owner/name")[1:] == ["First try"]
    assert re.fullmatch(rf"{hub.url}/owner/name/commit/[0-9a-f]{{40}}", url)
    sent = {(request.server, request.headers.get("authorization")) for request in hub.requests}
    assert sent == {("hub", f"Bearer {OWNER['token']}"), ("storage", None)}
    assert not any(b"mine" in request.body for request in hub.requests)


def test_what_was_uploaded_can_be_downloaded_and_uploaded_elsewhere(hub, bundle):
    upload(bundle, "owner/name", **OWNER)
    snapshot = download("owner/name")
    assert contents(snapshot.folder) == BUNDLE
    assert Bundle.open(snapshot.folder).config == CONFIG
    upload(snapshot.folder, "owner/copy", **OWNER)  # links into the cache, whose content is what counts
    assert contents(download("owner/copy").folder) == BUNDLE


@pytest.mark.parametrize("private", [True, False, None])
def test_a_repository_can_be_made_private(hub, bundle, private):
    upload(bundle, "owner/name", private=private, **OWNER)
    assert hub.is_private("owner/name") == bool(private)


def test_a_name_alone_is_one_of_the_users_own(hub, bundle):
    assert upload(bundle, "name", **OWNER).startswith(f"{hub.url}/somebody/name/commit/")


def test_an_upload_into_a_repository_that_exists_leaves_its_other_files(hub, bundle):
    hub.add("owner/name", {"main": {"other.txt": b"theirs", "README.md": b"old"}})
    upload(bundle, "owner/name", **OWNER)
    assert hub.files("owner/name") == BUNDLE | {"other.txt": b"theirs"}


def test_an_upload_of_what_is_there_already_makes_no_commit(hub, bundle):
    first = upload(bundle, "owner/name", **OWNER)
    assert upload(bundle, "owner/name", **OWNER) == first
    assert len(hub.messages("owner/name")) == 2


def test_an_upload_can_go_to_a_branch_or_into_a_pull_request(hub, bundle):
    hub.add("owner/name", {"main": {"README.md": b"old"}, "next": {"README.md": b"old"}})
    upload(bundle, "owner/name", revision="next", **OWNER)
    assert hub.files("owner/name", "next") == BUNDLE
    assert upload(bundle, "owner/name", create_pr=True, **OWNER) == f"{hub.url}/owner/name/discussions/1"
    assert hub.files("owner/name", "refs/pr/1") == BUNDLE
    assert hub.files("owner/name") == {"README.md": b"old"}


def not_uploaded(says, bundle, repo_id="owner/name", **options):
    with pytest.raises(ModelError, match=f"^{re.escape(repo_id)}: {says}"):
        upload(bundle, repo_id, **options)


def test_an_upload_without_a_token_is_refused_with_how_to_log_in(hub, bundle):
    not_uploaded(f"{hub.url} does not let it be written to without a token that may: log in .*hf auth login", bundle)


def test_an_upload_with_a_token_that_only_reads_is_refused(hub, bundle):
    hub.add("owner/name", {"main": {}})
    says = rf"the token may not write to it: make one that may at {hub.url}/settings/tokens \(.+\)"
    for repo_id in ("owner/name", "owner/new"):
        not_uploaded(says, bundle, repo_id, token="hf_whoMayReadPublicThings")


def test_an_upload_to_an_unknown_branch_is_refused(hub, bundle):
    not_uploaded("it has no branch 'next': make it on the Hub first", bundle, revision="next", **OWNER)


def test_an_upload_that_breaks_off_is_told_as_such_and_can_be_run_again(hub, bundle):
    hub.fail("^PUT", cut=0)
    not_uploaded(rf"the connection to {hub.url} broke \(.+\): run it again", bundle, **OWNER)
    assert list(hub.files("owner/name")) == [".gitattributes"]
    hub.heal()
    upload(bundle, "owner/name", **OWNER)
    assert hub.files("owner/name").items() >= BUNDLE.items()


def test_an_upload_without_a_connection_is_refused(hub, bundle, offline):
    hub.close()
    not_uploaded(rf"cannot reach {hub.url} \(.*refused.*\): connect, and run it again", bundle, **OWNER)
    offline()
    not_uploaded("nothing can be uploaded while HF_HUB_OFFLINE is set", bundle, **OWNER)


def test_a_server_that_is_no_hub_is_not_uploaded_to(hub, bundle):
    hub.fail(".", status=200, body=b"<html>Log in to the network</html>")
    not_uploaded(f"{hub.url} does not answer like a Hub", bundle, **OWNER)


def test_a_card_that_the_hub_does_not_take_is_told_with_its_reason(hub, bundle):
    said = json.dumps({"errors": [{"message": '"license" must be one of'}], "warnings": []}).encode()
    hub.fail("validate-yaml", status=400, headers={"Content-Type": "application/json"}, body=said)
    not_uploaded(f'{hub.url} does not take it \\(400 "license" must be one of\\)', bundle, **OWNER)


@pytest.mark.parametrize("name", ["./owner/name", "a/b/c", "../x", "-", ""])
def test_what_can_be_no_repository_is_not_uploaded_to(hub, bundle, name):
    with pytest.raises(ModelError, match="no name for a repository on the Hugging Face Hub; expected owner/name"):
        upload(bundle, name)
    assert hub.requests == []


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "stream.onnx", "myotype.json"])
def test_what_is_no_bundle_is_not_uploaded(hub, bundle, missing):
    (bundle / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        upload(bundle, "owner/name", **OWNER)
    assert hub.requests == []


def test_a_folder_that_is_called_like_a_bundled_model_is_not_mistaken_for_it(hub, bundle, monkeypatch):
    bundle.rename(bundle.with_name("demo"))
    monkeypatch.chdir(bundle.parent)
    upload("demo", "owner/name", **OWNER)
    assert hub.files("owner/name").items() >= BUNDLE.items()
    Path("demo/config.json").unlink()
    with pytest.raises(ModelError, match=r"demo: .*config\.json"):
        upload("demo", "owner/name", **OWNER)


def test_tests_cannot_reach_the_real_hub():
    assert os.environ["HF_ENDPOINT"] == constants.ENDPOINT == "http://127.0.0.1:9"
