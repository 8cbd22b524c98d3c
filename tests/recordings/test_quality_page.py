"""The page that shows what was found: whole in itself, safe, bounded, and true to the reports."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from myotype import simulate
from myotype.errors import OutputError
from myotype.recordings import Recording
from myotype.recordings.quality import CODES, Finding, Report, check
from myotype.recordings.quality.page import Page

_EMPTY = {"meta", "br", "hr", "link", "img"}


class Reader(HTMLParser):
    """Follows the tags of a page: they have to be closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.tags, self.words = [], [], [], set(), []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def good():
    return simulate(minutes=0.75, speed=5.0)


@pytest.fixture(scope="module")
def broken(good):
    emg = good.emg[:]
    emg[5000, 4], emg[:, 9] = np.nan, 0
    times = good.times[:]
    times[40_000:] += 2.0
    name, user = "<script>alert(1)</script> & \x07\u202e'\"", "</bdi><img src=x>"
    return check(Recording(emg=emg, times=times, key_presses=good.key_presses, name=name, user=user))


def written(tmp_path, *reports, strays=()):
    page = Page()
    for at, report in enumerate(reports):
        page.add(report, f"folder/{at}.hdf5")
    path = tmp_path / "page.html"
    page.write(path, strays)
    text = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return text, reader


def pictures(text):
    return [ET.fromstring(picture) for picture in re.findall(r"<svg.*?</svg>", text)]


def test_the_page_needs_nothing_else_and_runs_nothing(tmp_path, good, broken):
    text, reader = written(tmp_path, check(good), broken)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|url\(|@import|src=(?!')", re.sub("&lt;img src=x&gt;", "", text))
    assert all(link.startswith("#") for link in reader.links)


def test_names_from_files_are_shown_as_text(tmp_path, broken):
    text, _ = written(tmp_path, broken)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; ��&#x27;&quot;" in text
    assert "<script" not in text
    assert "<img" not in text
    assert "\u202e" not in text


def test_every_row_leads_to_its_recording(tmp_path, good, broken):
    _, reader = written(tmp_path, check(good), broken, broken)
    assert [link.removeprefix("#") for link in reader.links] == ["r1", "r2", "r3"]
    assert {"r1", "r2", "r3"} <= set(reader.ids)
    assert len(set(reader.ids)) == len(reader.ids)


def test_findings_are_told_with_the_way_to_leave_them_out(tmp_path, broken):
    text, _ = written(tmp_path, broken)
    assert {"not-finite", "flat-channel", "gap"} <= {found.code for found in broken.findings}
    for found in broken.findings:
        assert f"--ignore {found.code}</code>" in text
    for code in CODES:
        assert f"<code>{code}</code>" in text


def test_the_overview_has_all_channels_with_what_is_wrong_marked(tmp_path, good, broken):
    clean, marked = (pictures(written(tmp_path, report)[0])[0] for report in (check(good), broken))
    kinds = [[path.get("class") for path in picture.iter("path") if path.get("class", "").startswith("fill")]
             for picture in (clean, marked)]  # fmt: skip
    assert kinds[0] == ["fill left"] * 16 + ["fill right"] * 16 + ["fill accent"]
    assert [channel for channel, kind in enumerate(kinds[1]) if kind == "fill bad"] == [4, 9]
    labels = [element.text for element in marked.iter("text")]
    assert {"4 !", "9 !", "gap", "not-finite"} <= set(labels)
    assert [path.get("d") for path in marked.iter("path") if path.get("class") == "gap"]
    assert not [path for path in clean.iter("path") if path.get("class") == "gap"]


def test_the_envelope_is_that_of_the_signal(tmp_path):
    emg = np.zeros((20 * 2000, 32), dtype=np.float32)
    emg[:, :] = 10 * np.sign(np.sin(np.arange(len(emg)) * 0.6))[:, np.newaxis]
    emg[20_000:24_000, 3] *= 0.5
    report = check(Recording(emg=emg, user="u", name="n"))
    overview = pictures(written(tmp_path, report)[0])[0]
    (row,) = [path for path in overview.iter("path") if path.get("class", "").startswith("fill")][3:4]
    tops = re.match(r"M0(-?\d+)h\.5l((?:1-?\d+|1 -?\d+| 1-?\d+| 1 -?\d+)*)h", row.get("d").replace("M0 ", "M0"))
    steps = [int(step) for step in re.findall(r"1 ?(-?\d+)(?= 1|$)", tops[2])]
    heights = -np.cumsum([int(tops[1]), *steps])
    assert len(heights) == 400
    quiet = np.flatnonzero(heights < heights.max())
    assert (quiet[0], quiet[-1]) == (200, 239)  # of 20 columns a second
    assert heights[220] == pytest.approx(heights.max() / 2, abs=1)


def test_the_page_of_fifty_recordings_stays_below_20_mb(tmp_path, good):
    made = check(simulate(minutes=4, typist="realistic:1"))
    text, _ = written(tmp_path, made)
    assert 50 * len(text.encode()) < 20e6


@pytest.mark.parametrize("value", [0.0, np.nan, 1e30])
def test_what_cannot_be_measured_leaves_no_marks_in_pictures(tmp_path, value):
    emg = np.full((30_000, 32), value, dtype=np.float32)
    text, _ = written(tmp_path, check(Recording(emg=emg, user="u", name="n")))
    assert not re.search(r"\bnan\b|\binf\b", " ".join(re.findall(r"<svg.*?</svg>", text)))
    assert all(picture.get("viewBox") for picture in pictures(text))


def test_a_recording_that_cannot_be_read_stands_on_the_page(tmp_path):
    unreadable = Report(name="a.hdf5", user="", findings=(Finding("unreadable", "the file is cut off <here>"),))
    text, reader = written(tmp_path, unreadable)
    assert "the file is cut off &lt;here&gt;" in text
    assert "svg" not in reader.tags


def test_strays_stand_on_the_page(tmp_path, good):
    text, _ = written(tmp_path, check(good), strays=[("sub-1/<emg>", "it belongs to no session")])
    assert "sub-1/&lt;emg&gt;</bdi>: it belongs to no session" in text


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OutputError, match=r"page\.html"):
        Page().write(tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
