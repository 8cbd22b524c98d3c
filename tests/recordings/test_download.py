"""Downloading from a server on this machine that breaks off, lies, and sends what it should not."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
import re
import shutil
import sys
import tarfile
import threading
import time
from collections import namedtuple
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from myotype.errors import InputError, OutputError, RecordingError
from myotype.recordings import Recording, write_hdf5
from myotype.recordings import download as downloads
from myotype.recordings.download import (
    ARCHIVE,
    Connection,
    GaveUpError,
    Patience,
    RemoteFile,
    Selection,
    download_bids,
    download_hdf5,
    read_manifest,
)
from myotype.recordings.download import connection as connections
from myotype.recordings.download.connection import checked_base
from myotype.recordings.download.manifest import checked_path
from myotype.recordings.download.selection import derived_files
from myotype.recordings.splits import Split, official

PATIENCE = Patience(attempts=3, pause=0.001, longest_pause=0.2, timeout=10)
HASTY = Patience(attempts=3, pause=0.001, longest_pause=0.2, timeout=0.2)
DATA = np.random.default_rng(0).bytes(300_000)
ETAG = f'"{hashlib.md5(DATA).hexdigest()}"'  # as the server has it
NAME = "sub-00000001/ses-1600000001/emg/signal.bdf"


def _file_server():
    if "file_server" not in sys.modules:
        spec = importlib.util.spec_from_file_location("file_server", Path(__file__).parents[1] / "file_server.py")
        sys.modules["file_server"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["file_server"])
    return sys.modules["file_server"]


@pytest.fixture
def server():
    server = _file_server().FileServer({NAME: DATA})
    yield server
    server.close()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def get(server, tmp_path):
    """Download what the server has, or what a manifest says; give the report."""

    def get(*manifest, patience=PATIENCE, connections=1, **options):
        files = manifest or tuple(RemoteFile(name, len(content)) for name, content in server.files.items())
        with Connection(patience, connections) as connection:
            return download_bids(tmp_path / "data", server.url, connection, manifest=files, **options)

    return get


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / NAME


def leftovers(folder):
    return sorted(path.name for path in folder.rglob(".myotype-*"))


def why(report):
    ((path, reason),) = report.failed
    assert path == NAME
    return reason


class TestAFile:
    def test_comes_whole_with_its_name_and_nothing_else(self, get, target, tmp_path):
        report = get()
        assert target.read_bytes() == DATA
        assert (report.fetched, report.present, report.failed) == ((NAME,), (), ())
        assert report.n_bytes == len(DATA)
        assert leftovers(tmp_path) == []

    def test_goes_on_where_the_connection_broke(self, server, get, target):
        server.rule("GET", times=2, cut=100_000)
        get()
        assert target.read_bytes() == DATA
        first, second, third = server.got()
        assert first.endswith("bdf")
        begun = [int(re.search(r" (\d+)-$", request)[1]) for request in (second, third)]
        assert 0 < begun[0] <= 100_000 < begun[1] <= 200_000

    def test_goes_on_for_as_long_as_there_is_more_each_time(self, server, get, target):
        server.rule("GET", cut=20_000)
        get()
        assert target.read_bytes() == DATA
        assert len(server.got()) >= 15 > PATIENCE.attempts

    def test_is_kept_in_part_when_the_server_stays_away_and_goes_on_in_the_next_run(self, server, get, target):
        server.rule("GET .*bdf$", times=1, cut=100_000)
        server.rule("GET", times=2, status=503)
        assert "the server answers 503" in why(get())
        assert not target.exists()
        assert leftovers(target.parent) == [".myotype-signal.bdf.json", ".myotype-signal.bdf.part"]
        server.requests.clear()
        get()
        assert target.read_bytes() == DATA
        assert len(server.got()) == 1
        assert server.got()[0].endswith("-")
        assert leftovers(target.parent) == []

    def test_begins_again_where_the_server_ignores_what_it_is_asked_for(self, server, get, target):
        server.rule("GET", times=1, cut=100_000)
        server.rule("GET", ignores_range=True)
        get()
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize("headers", [{}, {"ETag": None, "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}])
    def test_begins_again_where_it_has_changed_on_the_server(self, server, get, target, headers):
        server.rule("GET", times=1, cut=100_000, headers=headers)
        server.rule("GET", times=2, status=503)
        get()
        server.files[NAME] = changed = bytes(reversed(DATA))
        server.rules.clear()
        get()
        assert target.read_bytes() == changed

    def test_begins_again_where_a_server_without_conditions_shows_another_etag(self, server, get, target):
        server.rule("GET", times=1, cut=100_000, headers={"ETag": '"one"'})
        # It answers with a part although If-Range does not fit.
        server.rule("-$", times=1, status=206, headers={"ETag": '"other"', "Content-Range": "bytes 0-1/2"})
        server.rule("-$", status=416)
        get()
        assert target.read_bytes() == DATA

    def test_goes_on_by_the_time_of_its_last_change(self, server, get, target):
        server.rule("GET", cut=100_000, headers={"ETag": None, "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"})
        get()
        assert target.read_bytes() == DATA
        assert server.got()[1].endswith("-")

    @pytest.mark.parametrize("etag", [None, 'W/"weak"'])
    def test_begins_again_where_nothing_tells_that_it_is_still_the_same(self, server, get, target, etag):
        server.rule("GET", times=1, cut=100_000, headers={"ETag": etag})
        get()
        assert target.read_bytes() == DATA
        assert not server.got()[1].endswith("-")

    def test_goes_on_without_that_where_a_checksum_will_tell(self, server, get, target):
        server.rule("GET", cut=100_000, headers={"ETag": None})
        get(RemoteFile(NAME, len(DATA), sha256(DATA)))
        assert target.read_bytes() == DATA
        assert server.got()[1].endswith("-")

    def test_begins_again_where_another_part_comes_than_was_asked_for(self, server, get, target):
        server.rule("GET .*bdf$", times=1, cut=100_000)
        server.rule("GET", times=1, shift=10)
        get()
        assert target.read_bytes() == DATA

    def test_is_refused_where_a_part_comes_that_was_not_asked_for(self, server, get, target):
        server.rule("GET", status=206, headers={"Content-Range": "bytes 0-1/2"})
        assert "a part, which it was not asked for" in why(get())
        assert not target.exists()

    def test_is_refused_where_the_server_says_another_size_than_the_manifest(self, get, target):
        assert f"says that it has {len(DATA)} bytes; it should have 7" in why(get(RemoteFile(NAME, 7)))
        assert not target.exists()

    def test_is_refused_where_more_comes_than_should(self, server, get, target):
        server.rule("GET", headers={"Content-Length": None})
        assert "sends more than the 1000 bytes" in why(get(RemoteFile(NAME, 1000)))
        assert not target.exists()
        assert leftovers(target.parent) == []

    def test_is_not_given_its_name_where_less_comes_than_the_server_says(self, server, get, target):
        server.rule("", headers={"Content-Length": str(len(DATA) + 5)})
        assert "attempts" in why(get(RemoteFile(NAME), patience=HASTY))
        assert not target.exists()

    def test_is_whole_where_nobody_says_its_size(self, server, get, target):
        server.rule("", headers={"Content-Length": None})
        get(RemoteFile(NAME))
        assert target.read_bytes() == DATA

    def test_may_be_empty(self, server, get, target):
        server.files[NAME] = b""
        assert get().fetched == (NAME,)
        assert target.read_bytes() == b""

    def test_is_fetched_once_more_where_it_is_corrupt_and_then_refused(self, server, get, target):
        wanted = RemoteFile(NAME, len(DATA), sha256(DATA))
        server.rule("GET", times=1, content=b"\0" * len(DATA))
        get(wanted)
        assert target.read_bytes() == DATA
        target.unlink()
        server.rule("GET", content=b"\0" * len(DATA))
        assert "another checksum" in why(get(wanted))
        assert not target.exists()
        assert leftovers(target.parent) == []

    def test_that_is_sound_is_not_asked_for_again(self, server, get):
        wanted = RemoteFile(NAME, len(DATA), sha256(DATA))
        get(wanted)
        server.requests.clear()
        report = get(wanted)
        assert (report.present, report.fetched) == ((NAME,), ())
        assert server.requests == []

    @pytest.mark.parametrize("damaged", [DATA[:-1], b"\0" + DATA[1:]])
    def test_that_is_here_but_another_one_is_replaced_only_where_that_is_asked_for(self, get, target, damaged):
        target.parent.mkdir(parents=True)
        target.write_bytes(damaged)
        wanted = RemoteFile(NAME, len(DATA), sha256(DATA))
        assert "--overwrite" in why(get(wanted))
        assert target.read_bytes() == damaged
        assert get(wanted, overwrite=True).fetched == (NAME,)
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize(
        "note", ["", "[]", "{}", "null", '{"url": 1, "sha256": null, "validator": 2, "total": "x"}']
    )
    def test_begins_again_where_the_note_of_the_last_run_is_damaged(self, get, target, note):
        target.parent.mkdir(parents=True)
        (target.parent / ".myotype-signal.bdf.part").write_bytes(b"rubbish")
        (target.parent / ".myotype-signal.bdf.json").write_text(note)
        get()
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize("key", ["url", "sha256"])
    def test_begins_again_where_the_part_is_of_another_file(self, server, get, target, key):
        server.rule("GET .*bdf$", times=1, cut=100_000)
        server.rule("GET", times=2, status=503)
        get()
        note = target.parent / ".myotype-signal.bdf.json"
        note.write_text(json.dumps(json.loads(note.read_text()) | {key: "another"}))
        server.requests.clear()
        get()
        assert not server.got()[0].endswith("-")
        assert target.read_bytes() == DATA

    def test_does_not_go_on_through_a_link(self, server, get, target, tmp_path):
        server.rule("GET .*bdf$", times=1, cut=100_000)
        server.rule("GET", times=2, status=503)
        get()
        part = target.parent / ".myotype-signal.bdf.part"
        part.rename(tmp_path / "elsewhere")
        part.symlink_to(tmp_path / "elsewhere")
        get()
        assert target.read_bytes() == DATA
        assert not target.is_symlink()
        assert (tmp_path / "elsewhere").stat().st_size <= 100_000

    def test_begins_again_where_the_rest_is_of_a_file_of_another_size(self, server, get, target):
        server.rule("GET .*bdf$", times=1, cut=100_000)
        server.rule("-$", times=1, headers={"ETag": ETAG}, content=DATA + b"more")
        get(RemoteFile(NAME))
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize(
        "said", [f"bytes {'1' * 5000}-{'1' * 5000}/*", f"bytes 1-2/{'1' * 5000}", "bytes 1-2", "rubbish"]
    )
    def test_begins_again_where_the_server_tells_no_sensible_part(self, server, get, target, said):
        server.rule("GET .*bdf$", times=1, cut=100_000)
        server.rule("-$", times=1, headers={"Content-Range": said})
        get()
        assert target.read_bytes() == DATA

    def test_begins_again_where_the_part_is_longer_than_the_whole(self, server, get, target):
        server.rule("GET .*bdf$", times=1, cut=100_000)
        server.rule("GET", times=2, status=503)
        get()
        with (target.parent / ".myotype-signal.bdf.part").open("ab") as file:
            file.write(DATA)
        get()
        assert target.read_bytes() == DATA


class TestAServer:
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_that_is_busy_is_asked_again(self, server, get, target, status):
        server.rule("GET", times=2, status=status)
        assert not get().failed
        assert len(server.got()) == 3
        assert target.read_bytes() == DATA

    @pytest.fixture
    def pauses(self, monkeypatch):
        """The pauses between attempts, which are not made."""
        pauses = []

        class Event(threading.Event):
            def wait(self, timeout=None):
                pauses.append(timeout)
                return self.is_set()

        monkeypatch.setattr(connections, "threading", SimpleNamespace(Event=Event, Lock=threading.Lock))
        return pauses

    def test_is_given_the_time_that_it_asks_for(self, server, get, pauses):
        server.rule("GET", times=1, status=429, headers={"Retry-After": "7"})
        assert not get(patience=Patience(attempts=2)).failed
        assert pauses == [7.0]

    def test_is_left_in_peace_for_longer_each_time(self, server, get, pauses):
        server.rule("GET", status=500)
        get(patience=Patience(attempts=6, pause=1.0, longest_pause=5.0))
        assert all(longest / 2 <= pause <= longest for pause, longest in zip(pauses, [1, 2, 4, 5, 5], strict=True))
        assert len({round(pause % 0.5, 6) for pause in pauses}) > 1

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_that_asks_for_too_much_time_is_left_alone(self, server, get, form):
        in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        when = "3600" if form == "seconds" else in_an_hour
        server.rule("GET", status=503, headers={"Retry-After": when})
        assert re.search(r"503.*asks to come back in 3[56]\d\d s", why(get()))
        assert len(server.got()) == 1

    @pytest.mark.parametrize(
        "when",
        [
            "soon",
            "-1",
            "Mon, 01 Jan 2001 00:00:00 GMT",
            "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
            "Mon, 01 Jan 2001 00:00:00 +99999999999999",
            "Mon, 01 Jan 0001 00:00:00 +2359",
        ],
    )
    def test_that_asks_for_time_in_no_sensible_way_is_asked_again(self, server, get, when):
        server.rule("GET", times=1, status=503, headers={"Retry-After": when})
        assert not get().failed

    @pytest.mark.parametrize(
        ("status", "said"), [(404, "no such file"), (410, "no such file"), (403, "403"), (401, "401")]
    )
    def test_that_has_no_such_file_is_not_asked_again(self, server, get, status, said):
        server.rule("GET", status=status)
        assert said in why(get())
        assert len(server.got()) == 1

    def test_that_stalls_is_asked_for_the_rest(self, server, get, target):
        server.rule("GET", times=1, stall=1.0)
        assert not get(patience=HASTY).failed
        assert target.read_bytes() == DATA
        assert server.got()[1].endswith("-")

    def test_may_send_elsewhere(self, server, get, target):
        server.files["other"] = DATA
        server.rule(NAME, status=302, headers={"Location": "/data/other"})
        assert not get().failed
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize(
        ("location", "said"),
        [("/data/" + NAME, "redirect"), ("file:///etc/passwd", "file"), ("ftp://127.0.0.1/x", "ftp")],
    )
    def test_may_not_send_round_and_round_or_where_no_server_is(self, server, get, target, location, said):
        server.rule("GET", status=302, headers={"Location": location})
        assert said in why(get()).lower()
        assert not target.exists()
        assert len(server.got()) <= 6

    @pytest.mark.parametrize("encoding", [None, "gzip"])
    def test_is_not_listened_to_where_it_talks_while_it_sends_elsewhere(self, server, get, target, encoding):
        server.files["other"] = DATA
        server.rule(
            NAME,
            status=302,
            talks=b"no gzip",
            stall=1.0,
            headers={"Location": "/data/other", "Content-Encoding": encoding},
        )
        assert not get(patience=HASTY).failed
        assert target.read_bytes() == DATA

    def test_may_not_compress_what_it_is_asked_for_as_it_is(self, server, get, target):
        server.rule("GET", content=gzip.compress(DATA), headers={"Content-Encoding": "gzip"})
        assert "compressed" in why(get(RemoteFile(NAME)))
        assert not target.exists()

    def test_that_is_not_there_is_told(self, server, get):
        server.close()
        assert "3 attempts" in why(get())

    def test_is_not_asked_for_the_others_when_three_in_a_row_did_not_get_on(self, server, get):
        server.files |= {f"sub-1/ses-{number}/x": b"x" for number in range(9)}
        server.rule("GET", status=503)
        with pytest.raises(GaveUpError, match="3 files in a row"):
            get()
        assert len(server.got()) == 3 * PATIENCE.attempts

    def test_is_asked_for_all_where_never_three_in_a_row_did_not_get_on(self, server, get):
        server.files |= {f"sub-1/ses-{number}/x": b"x" for number in range(9)}
        server.rule("GET .*ses-[01346]/", status=503)
        report = get()
        assert (len(report.failed), len(report.fetched)) == (5, 5)

    def test_gets_no_more_requests_at_once_than_agreed(self, server, get):
        server.files |= {f"sub-1/ses-{number}/x": DATA for number in range(12)}
        server.rule("GET", stall=0.05)
        assert len(get(connections=3).fetched) == 13
        assert 1 < server.most_at_once <= 3

    @pytest.mark.parametrize(
        "base", ["ftp://x/y", "file:///x", "x", "", "https://", "https://x/y?z", "http://x:port/", "https://x/#y"]
    )
    def test_has_an_address_of_http(self, base):
        with pytest.raises(InputError):
            checked_base(base)

    @pytest.mark.parametrize(
        "base", ["http://me:secret@x/y", "https://secret@x", "http://me:secret@[::1", "x://secret@"]
    )
    def test_has_no_password_in_its_address(self, base):
        with pytest.raises(InputError, match="password") as error:
            checked_base(base)
        assert "secret" not in str(error.value)
        assert checked_base("http://x/y@z") == "http://x/y@z"

    def test_is_not_read_further_than_allowed(self, server):
        server.files["small"] = bytes(1000)
        with Connection(PATIENCE) as connection:
            assert connection.read(f"{server.url}/small", 1000) == bytes(1000)
            with pytest.raises(RecordingError, match="has more than"):
                connection.read(f"{server.url}/small", 999)

    def test_that_is_secure_does_not_lead_to_one_that_is_not(self, monkeypatch):
        import httpx2

        asked = []

        def answer(request):
            asked.append(request.url.scheme)
            return httpx2.Response(302 if request.url.scheme == "https" else 200, headers={"Location": "http://x/y"})

        with Connection(PATIENCE) as connection:
            client = httpx2.Client(transport=httpx2.MockTransport(answer))
            monkeypatch.setattr(connection, "_client", client)
            with pytest.raises(RecordingError, match="without encryption"):
                connection.read("https://x/y", 10)
        assert asked == ["https"]


class TestADownload:
    def test_checks_the_disk_first(self, server, get, target, monkeypatch):
        usage = namedtuple("usage", "total used free")  # noqa: PYI024  (as shutil's own)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 0, len(DATA) - 1))
        with pytest.raises(OutputError, match=r"GB are needed and .* free"):
            get()
        assert server.got() == []
        assert not target.exists()

    def test_counts_what_is_here_already_to_what_the_disk_needs(self, server, get, target, monkeypatch):
        server.rule("GET .*bdf$", times=1, cut=100_000)
        server.rule("GET", times=2, status=503)
        get()
        part = (target.parent / ".myotype-signal.bdf.part").stat().st_size
        usage = namedtuple("usage", "total used free")  # noqa: PYI024  (as shutil's own)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 0, len(DATA) - part))
        get()
        assert target.read_bytes() == DATA

    def test_takes_whole_recordings_in_order_up_to_a_limit(self, server, get):
        server.files = {f"sub-{user}/ses-{ses}/{name}": b"x" * 100 for user in "21" for ses in "ab" for name in "xy"}
        server.files["participants.tsv"] = b"x" * 50
        report = get(most_bytes=699)
        assert report.fetched == (
            "participants.tsv",
            *(f"sub-1/ses-{ses}/{name}" for ses in "ab" for name in "xy"),
            "sub-2/ses-a/x",
            "sub-2/ses-a/y",
        )
        assert report.left_out == ("sub-2/ses-b/x", "sub-2/ses-b/y")
        again = get(most_bytes=699)
        assert (again.fetched, again.present) == ((), report.fetched)

    def test_refuses_a_limit_that_nothing_is_within(self, get):
        with pytest.raises(InputError, match="not even one recording is within 1e-08 GB"):
            get(most_bytes=10)

    def test_refuses_a_limit_where_sizes_are_not_known(self, server, get):
        server.rule("HEAD", status=405)
        with pytest.raises(InputError, match="does not say how large"):
            get(RemoteFile(NAME), most_bytes=10**9)

    def test_may_be_tried_dry(self, server, get, tmp_path):
        report = get(RemoteFile(NAME), dry_run=True)
        assert (report.fetched, report.n_bytes) == ((NAME,), len(DATA))
        assert server.got() == []
        assert not (tmp_path / "data").exists()

    def test_is_the_only_one_in_its_folder(self, get, tmp_path):
        from filelock import FileLock

        (tmp_path / "data").mkdir()
        with (
            FileLock(tmp_path / "data" / ".lock"),
            pytest.raises(OutputError, match="another run is writing there"),
        ):
            get()

    def test_does_not_write_through_links(self, get, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "sub-00000001").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OutputError, match="link"):
            get()
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_stops_where_the_disk_cannot_be_written(self, get, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "sub-00000001").touch()
        with pytest.raises(OutputError):
            get()

    def test_tells_of_its_progress(self, server, get):
        server.files |= {f"sub-1/ses-{number}/x": DATA for number in range(3)}
        seen = []
        get(progress=seen.append)
        assert seen[-1].done == seen[-1].total == 4 * len(DATA)
        assert seen[-1].files == 4

    def test_leaves_what_it_has_when_it_is_interrupted(self, server, get, target):
        server.rule("GET", stall=0.1)

        def interrupt(_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            get(progress=interrupt)
        server.rules.clear()
        get()
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize("content", [b"", DATA])  # it falls silent after the head of its answer, or in the midst
    def test_does_not_wait_for_a_silent_server_when_it_is_interrupted(self, server, get, content):
        server.rule("GET", stall=3.0, content=content)

        def interrupt(_):
            if server.got():
                raise KeyboardInterrupt

        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            get(RemoteFile(NAME, len(DATA)), patience=Patience(attempts=1, timeout=60), progress=interrupt)
        assert time.monotonic() - began < 2.0

    def test_goes_on_with_the_others_where_one_is_missing(self, server, get):
        server.files["sub-2/ses-1/x"] = b"x"
        report = get(RemoteFile(NAME + "x", 3), RemoteFile("sub-2/ses-1/x", 1))
        assert report.fetched == ("sub-2/ses-1/x",)
        assert report.failed[0][0] == NAME + "x"


class TestASelection:
    def test_takes_what_fulfils_every_condition(self):
        selection = Selection(users=("43037958", "007"), sessions=("1608217769", "x-1600000001-y"), split=None)
        assert selection.wants("43037958", "1608217769") is True
        assert selection.wants("7", "a-1600000001") is True
        assert selection.wants("43037958", "1608220409") is False
        assert selection.wants("8", "1608217769") is False
        assert selection.wants(None, "1608217769") is None
        assert selection.wants(None, "1608220409") is False

    def test_of_a_split_takes_what_it_names_or_has_the_rest_of(self):
        selection = Selection(split=official("user0"))
        assert selection.wants("43037958", "1608217769") is True
        assert selection.wants("1", "1608217769") is False
        assert selection.wants(None, "1608217769") is True
        assert selection.wants(None, "1600000000") is False
        generic = Selection(split=official("generic"))
        assert generic.wants("11372316", "1600000000") is True
        assert generic.wants("4809769", "1600000000") is False
        assert generic.wants(None, "1600000000") is None

    def test_without_a_manifest_is_that_of_nemars_naming(self, shared):
        files = derived_files(Selection(users=("43037958",), sessions=("1608217769",)))
        assert "sub-43037958/ses-1608217769/emg/sub-43037958_ses-1608217769_task-typing_emg.bdf" in [
            f.path for f in files
        ]
        real = {
            str(path.relative_to(shared / "emg2qwerty-events")) for path in (shared / "emg2qwerty-events").rglob("*")
        }
        user, start = next((u, s) for s, u in downloads.selection.known_recordings().items()
                           if f"sub-{u:0>8}/ses-{s}" in real)  # fmt: skip
        derived = {file.path for file in derived_files(Selection(users=(user,), sessions=(start,)))}
        assert {path for path in derived if path.startswith("sub-") and not path.endswith("bdf")} <= real
        assert {path for path in derived if "/" not in path} <= real | {"README.md"}

    def test_without_a_manifest_has_all_recordings_of_the_8_people(self):
        files = derived_files(Selection(split=official("user0")))
        assert len({file.recording for file in files} - {None}) == 14
        assert len(files) == 6 + 14 * 5
        assert derived_files(Selection(users=("43037958",))) == files
        own = Split("", {"12": ("1600000001", "1600000002")}, {}, {})
        assert {file.recording for file in derived_files(Selection(split=own))} - {None} == {
            ("00000012", "1600000001"),
            ("00000012", "1600000002"),
        }

    @pytest.mark.parametrize(
        ("selection", "said"),
        [
            (Selection(), "all recordings are asked for"),
            (Selection(users=("11372316",)), "every recording of user 11372316"),
            (Selection(sessions=("1600000000",)), "recording 1600000000 is asked for"),
            (Selection(split=official("generic")), "takes every recording of some people"),
            (Selection(users=("1",), split=official("user0")), "no known recording"),
        ],
    )
    def test_that_needs_a_manifest_says_so(self, selection, said):
        with pytest.raises(InputError, match=said):
            derived_files(selection)

    def test_of_nothing_in_the_manifest_is_refused(self, get):
        with pytest.raises(InputError, match="no recording that fulfils"):
            get(selection=Selection(users=("5",)))

    def test_without_a_manifest_is_asked_for_by_its_sizes(self, server, tmp_path):
        selection = Selection(users=("43037958",), sessions=("1608217769",))
        server.files = {file.path: DATA for file in derived_files(selection) if not file.optional}
        with Connection(PATIENCE) as connection:
            report = download_bids(tmp_path, server.url, connection, selection=selection)
        assert len(report.fetched) == 6
        assert report.failed == ()  # the optional ones are not missed
        assert report.n_bytes == 6 * len(DATA)
        del server.files["dataset_description.json"]
        (tmp_path / "dataset_description.json").unlink()
        with Connection(PATIENCE) as connection:
            report = download_bids(tmp_path, server.url, connection, selection=selection)
        assert [path for path, _ in report.failed] == ["dataset_description.json"]


class TestAManifest:
    @pytest.fixture
    def read(self, tmp_path):
        def read(text):
            path = tmp_path / "manifest"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            with Connection(PATIENCE) as connection:
                return read_manifest(str(path), connection)

        return read

    def test_is_a_table_or_json(self, read):
        expected = (RemoteFile("sub-1/ses-2/x", 5, "ab" * 32), RemoteFile("README"))
        assert read(f"# of 2024\nsha256\tpath\tsize\n{'AB' * 32}\tsub-1/ses-2/x\t5\n\tREADME\t\n") == expected
        assert (
            read(json.dumps([{"path": "sub-1/ses-2/x", "size": 5, "sha256": "ab" * 32}, {"path": "README"}]))
            == expected
        )
        assert expected[0].recording == ("1", "2")
        assert expected[1].recording is None

    def test_may_lie_on_the_server(self, server):
        server.files["manifest.tsv"] = b"path\tsize\nREADME\t7\n"
        server.rule("GET", times=1, cut=5)
        with Connection(PATIENCE) as connection:
            assert read_manifest(f"{server.url}/manifest.tsv", connection) == (RemoteFile("README", 7),)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "name the columns"),
            ("size\n5\n", "name the columns"),
            ("path\tsize\nx\n", "1 columns instead of 2"),
            ("path\tsize\nx\tmany\n", "entry 1: the size of 'x'"),
            ("path\tsize\nx\t-1\n", "the size of 'x'"),
            ("path\tsha256\nx\tabc\n", "64 hexadecimal digits"),
            ("path\nx\nX\n", "X stands in it twice"),
            ("[", "not a manifest"),
            ("{}", "a list"),
            ("[1]", "entry 1: it has no path"),
            ('[{"path": "x", "size": true}]', "size"),
            ('[{"path": "x", "size": 1e400}]', "size"),
            ("[" * 100_000, "not a manifest"),
            (b"\xff\xfe", "not a manifest"),
        ],
    )
    def test_that_is_malformed_is_refused(self, read, text, said):
        with pytest.raises(RecordingError, match=said):
            read(text)

    @pytest.mark.parametrize(
        "path",
        ["", "/etc/x", "../x", "x/../../y", "x//y", "x/", "./x", "C:\\x", "c:x", "x\\..\\y", "x\n", ".ssh/x", "a/.x",
         "x\0", "x /y", " x/y", "a" * 201, "x\u202ey", "."],
    )  # fmt: skip
    def test_with_a_path_out_of_the_folder_or_a_strange_one_is_refused(self, read, path):
        with pytest.raises(ValueError, match="path"):
            checked_path(path)
        with pytest.raises(RecordingError, match="entry 1"):
            read(json.dumps([{"path": path}]))

    def test_that_is_too_large_is_none(self, read, monkeypatch):
        text = "path\nx\n"
        monkeypatch.setattr(downloads.manifest, "_LARGEST", len(text))
        assert read(text) == (RemoteFile("x"),)
        with pytest.raises(RecordingError, match="is no manifest: it has more than"):
            read(text + "\n")

    def test_with_a_password_in_its_address_is_refused(self):
        with Connection(PATIENCE) as connection, pytest.raises(InputError, match="password") as error:
            read_manifest("http://me:secret@127.0.0.1/x", connection)
        assert "secret" not in str(error.value)

    def test_that_is_not_there_is_the_askers_mistake(self, tmp_path):
        with Connection(PATIENCE) as connection, pytest.raises(InputError, match="No such file"):
            read_manifest(str(tmp_path / "none"), connection)


class TestATarball:
    @pytest.fixture(scope="class")
    @classmethod
    def members(cls, tmp_path_factory):
        """Recordings of user0, of a validation person, and of somebody whose start is in no table."""
        folder = tmp_path_factory.mktemp("members")
        users = {"1608217769": "43037958", "1608247041": "43037958", "1600000001": "11372316", "1600000002": "04809769"}
        members = {}
        for at, (start, user) in enumerate(users.items()):
            path = folder / f"2020-12-17-{start}-keystrokes-{at}.hdf5"
            emg = np.random.default_rng(at).normal(size=(500, 32)).astype(np.float32)
            write_hdf5(path, Recording(emg=emg, user=user, name=path.stem))
            members[f"emg2qwerty-data-2021-08/{path.name}"] = path.read_bytes()
        return members | {"emg2qwerty-data-2021-08/metadata.csv": b"session,user\n"}

    @pytest.fixture
    def tarball(self, members):
        return packed(members)

    @pytest.fixture
    def unpack(self, server, tmp_path, tarball):
        server.files = {ARCHIVE: tarball}

        def unpack(selection=None, **options):
            with Connection(PATIENCE) as connection:
                return download_hdf5(
                    tmp_path / "data", server.url, connection, selection=selection or Selection(), **options
                )

        return unpack

    @staticmethod
    def unpacked(tmp_path):
        return {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir() if not path.name.startswith(".")}

    @pytest.mark.parametrize("keep", [False, True])
    def test_is_unpacked_beside_each_other(self, unpack, members, tmp_path, keep, tarball):
        report = unpack(keep=keep)
        expected = {Path(name).name: content for name, content in members.items()}
        assert self.unpacked(tmp_path) == expected | ({ARCHIVE: tarball} if keep else {})
        assert len(report.fetched) == 5
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize(
        ("selection", "starts"),
        [
            (Selection(split=official("user0")), ["1608217769", "1608247041"]),
            (Selection(users=("43037958",)), ["1608217769", "1608247041"]),
            (Selection(users=("11372316",)), ["1600000001"]),  # found by looking into it
            (Selection(users=("4809769",)), ["1600000002"]),
            (Selection(split=official("generic")), ["1600000001", "1608247041"]),
            (Selection(sessions=("1608217769",)), ["1608217769"]),
        ],
    )
    def test_is_unpacked_of_what_is_wanted(self, unpack, tmp_path, selection, starts):
        unpack(selection)
        found = sorted(re.findall(r"\d{10}", " ".join(self.unpacked(tmp_path))))
        assert found == sorted(starts)
        assert leftovers(tmp_path) == []

    def test_is_read_on_where_the_connection_broke(self, server, unpack, tarball):
        server.rule("GET", cut=len(tarball) // 4)
        seen = []
        assert len(unpack(progress=seen.append).fetched) == 5
        assert len(server.got()) > 3
        assert server.got()[1].endswith("-")
        assert (seen[-1].done, seen[-1].total) == (len(tarball), len(tarball))

    def test_is_read_on_where_the_server_sends_it_from_the_start_again(
        self, server, unpack, tarball, members, tmp_path
    ):
        server.rule("GET", times=1, cut=len(tarball) // 2)
        server.rule("GET", ignores_range=True)
        unpack()
        assert self.unpacked(tmp_path) == {Path(name).name: content for name, content in members.items()}

    @pytest.mark.parametrize("headers", [{"ETag": '"other"'}, {"ETag": None}])
    def test_that_is_another_one_after_the_connection_broke_is_refused(self, server, unpack, tarball, headers):
        server.rule("GET", times=1, cut=len(tarball) // 2, headers={"ETag": None} if headers["ETag"] is None else {})
        server.rule("GET", headers=headers)
        with pytest.raises(RecordingError, match=r"whether the file is still the same.*--keep-archive"):
            unpack()

    def test_is_passed_over_where_recordings_are_here_already(self, unpack):
        assert len(unpack().fetched) == 5
        again = unpack()
        assert (len(again.fetched), len(again.present)) == (0, 5)

    def test_is_left_when_all_that_is_wanted_is_here(self, server, unpack, members):
        large = {"x/z.txt": np.random.default_rng(0).bytes(10_000_000)}
        server.files = {ARCHIVE: packed(dict(list(members.items())[:1]) | large)}
        seen = []
        unpack(Selection(sessions=("1608217769",)), progress=seen.append)
        assert seen[-1].done < 5_000_000

    def test_says_what_it_does_not_have(self, unpack):
        report = unpack(Selection(sessions=("1608217769", "1234567890")))
        assert report.failed == (("1234567890", "the tarball has no such recording"),)

    def test_is_unpacked_up_to_a_limit(self, unpack, members):
        sizes = [len(content) for content in members.values()]
        report = unpack(most_bytes=sum(sizes[:2]) + 10)
        assert len(report.fetched) == 2
        assert len(report.left_out) == 1
        looked = unpack(Selection(users=("11372316", "4809769")), most_bytes=sizes[2] + 10)
        assert len(looked.fetched) == 1
        assert len(looked.left_out) == 1

    def test_that_is_stored_goes_on_in_the_next_run(self, server, unpack, tarball):
        server.rule("GET .*gz$", times=1, cut=len(tarball) // 2)
        server.rule("GET", times=2, status=503)
        with pytest.raises(GaveUpError, match="503"):
            unpack(keep=True)
        server.requests.clear()
        assert len(unpack(keep=True).fetched) == 5
        assert server.got()[0].endswith("-")
        server.requests.clear()
        assert len(unpack(keep=True, archive=RemoteFile(ARCHIVE, len(tarball), sha256(tarball))).present) == 5
        assert server.requests == []

    @pytest.mark.parametrize("keep", [False, True])
    def test_that_is_corrupt_is_refused(self, server, unpack, tarball, tmp_path, keep):
        middle = len(tarball) // 2
        server.files[ARCHIVE] = tarball[:middle] + bytes(64) + tarball[middle + 64 :]
        with pytest.raises(RecordingError):
            unpack(keep=keep)
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize("where", [0.5, 0.99])
    def test_that_ends_early_is_refused(self, server, unpack, tarball, where):
        server.files[ARCHIVE] = tarball[: int(where * len(tarball))]
        with pytest.raises(RecordingError, match="damaged or cut off"):
            unpack()

    def test_whose_own_checksum_is_wrong_is_refused(self, server, unpack, tarball):
        server.files[ARCHIVE] = tarball[:-8] + b"\0\0\0\0" + tarball[-4:]
        with pytest.raises(RecordingError, match="CRC"):
            unpack()

    @pytest.mark.parametrize("keep", [False, True])
    def test_with_another_checksum_than_the_manifests_is_refused(self, unpack, tarball, keep):
        with pytest.raises(RecordingError, match="another checksum"):
            unpack(keep=keep, archive=RemoteFile(ARCHIVE, len(tarball), "0" * 64))

    def test_of_another_size_than_the_manifests_is_refused(self, unpack):
        with pytest.raises(RecordingError, match="it should have 5"):
            unpack(archive=RemoteFile(ARCHIVE, 5))

    def test_that_is_no_tarball_is_refused(self, server, unpack):
        for content in (b"<html>", gzip.compress(b"hello"), b""):
            server.files[ARCHIVE] = content
            with pytest.raises(RecordingError, match="damaged or cut off"):
                unpack()

    @pytest.mark.parametrize(
        ("name", "kind", "said"),
        [
            ("x/.bashrc", tarfile.REGTYPE, "no name that is written to"),
            ("x/._2020-12-17-1608217769.hdf5", tarfile.REGTYPE, "no name that is written to"),
            ("x/.DS_Store", tarfile.REGTYPE, "no name that is written to"),
            ("y/METADATA.csv", tarfile.REGTYPE, "another file of this name"),
            ("x/1600000009.hdf5", tarfile.REGTYPE, "the file is empty"),
            ("x/a.hdf5", tarfile.SYMTYPE, "no plain file"),
            ("x/a.hdf5", tarfile.LNKTYPE, "no plain file"),
            ("x/a.hdf5", tarfile.CHRTYPE, "no plain file"),
            ("x/a.hdf5", tarfile.FIFOTYPE, "no plain file"),
        ],
    )
    def test_is_unpacked_but_for_what_should_not_be_in_it(self, server, unpack, members, tmp_path, name, kind, said):
        table, *recordings = reversed(members)
        server.files[ARCHIVE] = packed({table: members[table]}, (name, kind), {key: members[key] for key in recordings})
        report = unpack()
        assert self.unpacked(tmp_path) == {Path(key).name: content for key, content in members.items()}
        ((path, why),) = report.failed
        assert path == name
        assert said in why
        assert ".myotype" not in why
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize("name", ["../evil.hdf5", "/evil.hdf5", "x/../../evil.csv", "../evil/"])
    def test_that_leads_out_of_the_folder_is_refused(self, server, unpack, tmp_path, name):
        server.files[ARCHIVE] = packed({}, (name, tarfile.REGTYPE))
        with pytest.raises(RecordingError, match="leads out of the folder"):
            unpack()
        assert self.unpacked(tmp_path) == {}
        assert not (tmp_path / "evil.hdf5").exists()

    @pytest.mark.parametrize("size", [-(2**30), 2**40, 2**62])
    @pytest.mark.parametrize("name", ["x/a.txt", "x/big.bin", "x/1600000009.hdf5"])
    def test_with_a_file_of_an_impossible_size_is_refused(self, server, unpack, tmp_path, name, size):
        server.files[ARCHIVE] = gzip.compress(header(name, size) + bytes(20_000))
        with pytest.raises(RecordingError, match=f"a file of {size} bytes"):
            unpack()
        assert self.unpacked(tmp_path) == {}

    def test_that_ends_in_a_large_file_that_is_passed_over_is_refused_at_once(self, server, unpack):
        server.files[ARCHIVE] = gzip.compress(header("x/big.bin", 10**12) + bytes(20_000))
        with pytest.raises(RecordingError, match="ends in the midst of a file"):
            unpack()

    @pytest.mark.parametrize(
        "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
    )
    def test_with_a_header_without_end_is_refused_before_it_is_read(self, server, unpack, members, kind):
        name, content = next(iter(members.items()))
        before = header(name, len(content)) + content + bytes(-len(content) % 512)
        server.files[ARCHIVE] = gzip.compress(before + header("x", 2**33, kind) + bytes(5_000_000))
        with pytest.raises(RecordingError, match="a header of more than 1 MB"):
            unpack()

    @pytest.mark.parametrize("fields", [{"GNU.sparse.size": "x"}, {"GNU.sparse.map": "1,2,x"}])
    def test_with_a_header_that_makes_no_sense_is_refused(self, server, unpack, fields):
        server.files[ARCHIVE] = packed({}, ("x/a.hdf5", tarfile.REGTYPE, fields))
        with pytest.raises(RecordingError, match="damaged or cut off"):
            unpack()

    def test_with_headers_of_headers_of_headers_is_refused(self, server, unpack):
        server.files[ARCHIVE] = gzip.compress(header("x", 0, tarfile.XHDTYPE) * 1500 + bytes(20_000))
        with pytest.raises(RecordingError, match="damaged or cut off"):
            unpack()

    def test_with_more_files_than_recordings_can_be_is_refused(self, unpack, monkeypatch):
        monkeypatch.setattr(downloads.archive, "_MOST_MEMBERS", 4)
        with pytest.raises(RecordingError, match="more than 4 files"):
            unpack()

    def test_leaves_out_large_files_that_are_no_recordings(self, server, unpack, monkeypatch, tmp_path):
        monkeypatch.setattr(downloads.archive, "_LARGEST_BESIDE", 4)
        server.files[ARCHIVE] = packed({"x/a.csv": b"1234", "x/b.csv": b"12345", "x/c.exe": b""})
        unpack()
        assert self.unpacked(tmp_path) == {"a.csv": b"1234"}

    def test_does_not_replace_what_somebody_else_has_put_there(self, unpack, members, tmp_path):
        (tmp_path / "data").mkdir()
        own = tmp_path / "data" / "metadata.csv"
        own.write_bytes(b"my own notes")
        report = unpack()
        assert own.read_bytes() == b"my own notes"
        assert [path for path, _ in report.failed] == ["emg2qwerty-data-2021-08/metadata.csv"]
        assert "--overwrite" in report.failed[0][1]
        assert len(report.fetched) == 4
        assert unpack(overwrite=True).failed == ()
        assert own.read_bytes() == members["emg2qwerty-data-2021-08/metadata.csv"]

    def test_is_not_stored_over_another_file(self, unpack, tarball, tmp_path):
        (tmp_path / "data").mkdir()
        stored = tmp_path / "data" / ARCHIVE
        stored.write_bytes(b"own")
        manifest = RemoteFile(ARCHIVE, len(tarball))
        with pytest.raises(OutputError, match="--overwrite"):
            unpack(keep=True, archive=manifest)
        assert stored.read_bytes() == b"own"
        unpack(keep=True, archive=manifest, overwrite=True)
        assert stored.read_bytes() == tarball

    def test_that_is_stored_in_half_as_nobody_says_its_size_is_removed(self, server, unpack, tarball, tmp_path):
        half = tarball[: len(tarball) // 2]
        server.rule("", times=2, content=half, headers={"Content-Length": None})  # of HEAD and GET
        with pytest.raises(RecordingError, match="does not say its size, so it is removed"):
            unpack(keep=True)
        assert ARCHIVE not in self.unpacked(tmp_path)
        assert len(unpack(keep=True).fetched) >= 1
        assert self.unpacked(tmp_path)[ARCHIVE] == tarball

    def test_that_was_stored_before_and_is_damaged_stays_and_is_told(self, unpack, tarball, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / ARCHIVE).write_bytes(tarball[:-100])
        with pytest.raises(RecordingError, match=r"damaged or cut off.*remove it to have it downloaded again"):
            unpack(keep=True)
        assert self.unpacked(tmp_path)[ARCHIVE] == tarball[:-100]

    def test_that_is_stored_in_part_needs_room_for_the_rest_only(self, server, unpack, tarball, tmp_path, monkeypatch):
        server.rule("GET .*gz$", times=1, cut=len(tarball) // 2)
        server.rule("GET", times=2, status=503)
        with pytest.raises(GaveUpError):
            unpack(keep=True)
        part = (tmp_path / "data" / f".myotype-{ARCHIVE}.part").stat().st_size
        usage = namedtuple("usage", "total used free")  # noqa: PYI024  (as shutil's own)
        for free, said in ((len(tarball) - part - 1, "GB are needed"), (len(tarball) - part, None)):
            monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(1, 0, free))
            with pytest.raises(OutputError, match=said) if said else nullcontext():
                unpack(keep=True)

    def test_unpacks_to_one_name_that_a_run_that_was_killed_may_have_left(self, unpack, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "elsewhere").write_bytes(b"own")
        (tmp_path / "data" / ".myotype-unpacking").symlink_to(tmp_path / "elsewhere")
        assert len(unpack().fetched) == 5
        assert leftovers(tmp_path) == []
        assert (tmp_path / "elsewhere").read_bytes() == b"own"

    def test_that_has_nothing_of_what_is_wanted_says_so(self, unpack):
        with pytest.raises(InputError, match="the tarball has no recording that fulfils all the conditions"):
            unpack(Selection(users=("999",)))

    def test_needs_room_on_the_disk(self, unpack, tmp_path, monkeypatch):
        usage = namedtuple("usage", "total used free")  # noqa: PYI024  (as shutil's own)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 0, 1))
        for keep in (False, True):
            with pytest.raises(OutputError, match="GB are needed"):
                unpack(keep=keep)
        assert self.unpacked(tmp_path) == {}

    def test_may_be_tried_dry(self, server, unpack, tarball, tmp_path):
        assert unpack(dry_run=True).n_bytes == len(tarball)
        assert server.got() == []
        assert not (tmp_path / "data").exists()


def packed(members, special=None, after=()):
    """Give a compressed tarball of files, then one of a name, a kind and maybe fields of pax, then other files."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz", compresslevel=1) as tar:

        def add(members):
            for name, content in dict(members).items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))

        add(members)
        if special is not None:
            name, kind, *fields = special
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "/etc/passwd"
            member.pax_headers = fields[0] if fields else {}
            tar.addfile(member)
        add(after)
    return memory.getvalue()


def header(name, size, kind=tarfile.REGTYPE):
    """Give the header of a tarball's member, whatever it claims."""
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)
