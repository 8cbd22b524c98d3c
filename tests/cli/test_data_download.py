"""``myotype data download`` as a person uses it, from a server on this machine."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path

import pytest

from myotype import cli

USER0 = "sub-43037958/ses-1608217769/emg/sub-43037958_ses-1608217769_task-typing_emg.json"
SOMEBODY = "sub-00000007/ses-1600000001/emg/x.json"
FILES = {"dataset_description.json": b"{}", USER0: b"a" * 2000, SOMEBODY: b"b" * 3000}


@pytest.fixture
def server():
    if "file_server" not in sys.modules:
        spec = importlib.util.spec_from_file_location("file_server", Path(__file__).parents[1] / "file_server.py")
        sys.modules["file_server"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["file_server"])
    server = sys.modules["file_server"].FileServer(FILES)
    yield server
    server.close()


@pytest.fixture
def run(capsys, tmp_path, server):
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text("path\tsize\n" + "".join(f"{path}\t{len(content)}\n" for path, content in FILES.items()))

    def call(*arguments, base=server.url, manifest=manifest, accept=("--accept-licence",)):
        where = [*(("--base", base) if base else ()), *(("--manifest", manifest) if manifest else ())]
        code = cli.main(["data", "download", "-o", *map(str, [tmp_path / "data", *where, *accept, *arguments])])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def downloaded(tmp_path):
    folder = tmp_path / "data"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_everything_comes_with_its_terms(run, tmp_path):
    code, out, err = run()
    assert code == 0
    assert downloaded(tmp_path) == FILES
    assert out == "downloaded\t3 files\nhere already\t0 files\ntogether\t0.000 GB\n"
    assert "CC BY-NC-SA 4.0" in err
    assert "arXiv 2410.20081" in err
    assert run()[1].startswith("downloaded\t0 files\nhere already\t3 files\n")


def test_nothing_comes_without_accepting_the_terms(run, server, tmp_path):
    code, out, err = run(accept=())
    assert (code, out) == (1, "")
    assert "--accept-licence" in err
    assert server.requests == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("YES\n", 0), ("\n", 1), ("n\n", 1), ("", 1)])
def test_the_terms_are_asked_about_at_a_terminal(run, monkeypatch, tmp_path, answer, code):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setenv("FORCE_COLOR", "1")  # which makes rich take standard error for a terminal
    assert run(accept=())[0] == code
    assert (downloaded(tmp_path) == FILES) is (code == 0)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        (["--users", "7"], SOMEBODY),
        (["--split", "user0"], USER0),
        (["--sessions", "1608217769", "1600000009"], USER0),
        (["--max-gb", "0.0000035"], SOMEBODY),  # the first in order
    ],
)
def test_only_what_is_chosen_comes(run, tmp_path, options, path):
    assert run(*options)[0] == 0
    assert downloaded(tmp_path).keys() == {"dataset_description.json", path}


def test_a_split_may_be_a_file(run, tmp_path):
    from myotype.recordings.splits import Split

    Split("mine", {"7": ("1600000001",)}, {}, {}).save(tmp_path / "split.yaml")
    assert run("--split", tmp_path / "split.yaml")[0] == 0
    assert SOMEBODY in downloaded(tmp_path)
    assert USER0 not in downloaded(tmp_path)


def test_what_would_come_is_said_without_downloading_or_accepting(run, server, tmp_path):
    code, out, _ = run("--dry-run", accept=())
    assert code == 0
    assert out.startswith("to download\t3 files\n")
    assert server.got() == []
    assert not (tmp_path / "data").exists()


def test_files_that_could_not_be_had_are_told_and_are_a_failure(run, server, tmp_path):
    server.rule("GET .*00000007", status=404)
    code, _, err = run()
    assert code == 1
    assert f"{SOMEBODY}: {server.url}/{SOMEBODY}: there is no such file on the server (404)" in err
    assert USER0 in downloaded(tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base": None}, "give --base, the address that the BIDS files are below"),
        ({"base": "ftp://x"}, "is no address of a server"),
        ({"manifest": "/nonexistent/manifest"}, "the manifest cannot be read"),
        ({"manifest": None}, "give --manifest"),
        ({"arguments": ["--split", "user8"]}, "--split user8: neither a file nor one of generic, user0"),
        ({"arguments": ["--max-gb", "0"]}, "--max-gb is a positive number"),
        ({"arguments": ["--timeout", "nan"]}, "a timeout is a positive number"),
        ({"arguments": ["--timeout", "inf"]}, "at most a day"),
        ({"arguments": ["--timeout", "1e10"]}, "at most a day"),
        ({"base": "http://me:secret@127.0.0.1"}, "a user name or password"),
        ({"arguments": ["--connections", "0"]}, "at least one connection"),
        ({"arguments": ["--keep-archive"]}, "--keep-archive belongs to --form hdf5"),
        ({"arguments": ["--form", "hdf5"]}, "the manifest does not have emg2qwerty-data-2021-08.tar.gz"),
        ({"arguments": ["--users", "1"]}, "no recording that fulfils"),
    ],
)
def test_what_cannot_be_done_is_misuse(run, server, options, said):
    code, out, err = run(*options.pop("arguments", ()), **options)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
    assert server.requests == []


def test_a_file_of_ones_own_is_replaced_only_where_that_is_said(run, tmp_path):
    own = tmp_path / "data" / "dataset_description.json"
    own.parent.mkdir()
    own.write_text("my own")
    code, _, err = run()
    assert code == 1
    assert "dataset_description.json: another file of this name is here" in " ".join(err.split())
    assert own.read_text() == "my own"
    assert run("--dry-run")[0] == 1
    assert run("--overwrite")[0] == 0
    assert downloaded(tmp_path) == FILES


def test_the_tarball_is_unpacked(run, server, tmp_path):
    import tarfile

    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as tar:
        member = tarfile.TarInfo("emg2qwerty-data-2021-08/metadata.csv")
        member.size = 7
        tar.addfile(member, io.BytesIO(b"session"))
    server.files = {"emg2qwerty-data-2021-08.tar.gz": memory.getvalue()}
    code, out, _ = run("--form", "hdf5", manifest=None)
    assert code == 0
    assert out.startswith("downloaded\t1 files\n")
    assert downloaded(tmp_path) == {"metadata.csv": b"session"}


def test_the_help_says_what_has_been_tried(capsys):
    assert cli.main(["data", "download", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "have not been tried" in said
