"""Transcripts and the formats they are written in."""

from __future__ import annotations

import json

from myotype.transcript import WRITERS, Alternative, Keystroke, Note, Transcript


def typed(*pairs: tuple[str, float]) -> Transcript:
    return Transcript(tuple(Keystroke(key, time, 0.5) for key, time in pairs), start=1600000000.0, duration=9.0)


SESSION = typed(
    ("t", 1.0),
    ("e", 1.1),
    ("Key.backspace", 1.5),
    ("h", 1.7),
    ("e", 1.8),
    ("Key.space", 1.9),
    ("Key.shift", 2.0),
    ("X", 2.1),
    ("Key.enter", 2.5),
    ('"', 3.0),
)


def test_text_applies_backspaces_and_keys_show_them():
    assert SESSION.text == 'the X\n"'
    assert SESSION.keys == 'te⌫he ⇧X⏎"'


def test_txt_is_the_text_ended_with_a_new_line():
    assert WRITERS["txt"](SESSION) == 'the X\n"\n'
    assert WRITERS["txt"](typed(("a", 1.0), ("Key.enter", 2.0))) == "a\n"
    assert WRITERS["txt"](typed()) == ""


def test_tsv_has_a_row_for_every_keystroke():
    rows = WRITERS["tsv"](SESSION).splitlines()
    assert rows[0] == "time\tkey\tconfidence"
    assert rows[3] == "1.5000\tKey.backspace\t0.5000"
    assert rows[-1] == '3.0000\t"\t0.5000'
    assert len(rows) == 11


def test_json_holds_all_that_is_known():
    noted = Transcript(SESSION.keystrokes, 5.0, 9.0, (Note(2.0, "a gap"),))
    content = json.loads(WRITERS["json"](noted))
    assert content["text"] == 'the X\n"'
    assert content["keys"] == 'te⌫he ⇧X⏎"'
    assert content["start"] == 5.0
    assert content["duration"] == 9.0
    assert content["keystrokes"][0] == {"key": "t", "time": 1.0, "confidence": 0.5}
    assert content["notes"] == [{"time": 2.0, "message": "a gap"}]


def test_srt_has_a_subtitle_for_every_line():
    assert WRITERS["srt"](SESSION) == (
        '1\n00:00:01,000 --> 00:00:03,000\nthe X\n\n2\n00:00:03,000 --> 00:00:04,000\n"\n'
    )
    assert WRITERS["srt"](typed()) == ""


def test_srt_breaks_at_pauses_and_at_long_lines():
    paused = typed(("a", 1.0), ("b", 1.2), ("c", 3601.5))
    assert WRITERS["srt"](paused).split("\n\n")[1] == "2\n01:00:01,500 --> 01:00:02,500\nc\n"
    words = [("a" if i % 6 else "Key.space", 1 + i / 10) for i in range(1, 100)]
    lines = [block.split("\n")[2] for block in WRITERS["srt"](typed(*words)).split("\n\n")]
    assert len(lines) == 3
    assert all(len(line) < 50 and not line.startswith(" ") for line in lines)


def test_srt_does_not_show_what_was_deleted():
    assert "x" not in WRITERS["srt"](typed(("x", 1.0), ("Key.backspace", 1.2), ("y", 1.4)))


READINGS = (Alternative(SESSION.keystrokes, -1.25), Alternative(typed(("t", 1.0), ("Key.enter", 2.0)).keystrokes, -3.5))


def test_txt_has_a_line_for_every_alternative_with_its_rank_and_score():
    told = Transcript(SESSION.keystrokes, alternatives=READINGS)
    assert WRITERS["txt"](told) == '1\t-1.2500\tthe X⏎"\n2\t-3.5000\tt⏎\n'


def test_txt_shows_a_text_once_with_its_best_reading():
    mistaken = Alternative(typed(("u", 0.5), ("Key.backspace", 0.7), ("t", 1.0), ("Key.enter", 2.0)).keystrokes, -4.5)
    last = Alternative(typed(("u", 1.0)).keystrokes, -5.0)
    told = Transcript(SESSION.keystrokes, alternatives=(*READINGS, mistaken, last))
    assert WRITERS["txt"](told) == '1\t-1.2500\tthe X⏎"\n2\t-3.5000\tt⏎\n3\t-5.0000\tu\n'
    assert len(json.loads(WRITERS["json"](told))["alternatives"]) == 4


def test_json_has_all_of_every_alternative():
    content = json.loads(WRITERS["json"](Transcript(SESSION.keystrokes, alternatives=READINGS)))
    first, second = content["alternatives"]
    assert {name: first[name] for name in ("text", "keys", "keystrokes")} == {
        name: content[name] for name in ("text", "keys", "keystrokes")
    }
    assert second == {
        "score": -3.5,
        "text": "t\n",
        "keys": "t⏎",
        "keystrokes": [
            {"key": "t", "time": 1.0, "confidence": 0.5},
            {"key": "Key.enter", "time": 2.0, "confidence": 0.5},
        ],
    }
    assert json.loads(WRITERS["json"](SESSION))["alternatives"] == []
