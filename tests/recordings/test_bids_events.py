"""The events of BIDS recordings."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype.errors import LabelsError
from myotype.recordings import Prompt
from myotype.recordings.bids import read_events
from myotype.transcript import KeyPress

HEAD = "onset\tduration\tsample\tvalue\tkey\tprompt_text\n"


def write(folder, *rows, head=HEAD, newline="\n"):
    path = folder / "events.tsv"
    path.write_bytes((head + "".join(row + "\n" for row in rows)).replace("\n", newline).encode())
    return path


def test_key_presses_and_prompts_are_read(tmp_path):
    path = write(
        tmp_path,
        r"3.81	11.682	7620	prompt	n/a	the quick brown\n",
        "4.5\t0.25\t9000\tkeystroke_t\tt\tn/a",
        "4.5\t0.5\t9000\tkeystroke_Key.space\tKey.space\tn/a",
        "5\t0\t10000\tstimulus\tn/a\tn/a",
        "6\t1\t12000\tprompt\tn/a\tn/a",
    )
    events = read_events(path)
    assert events.key_presses == (KeyPress("t", 4.5, 4.75), KeyPress("Key.space", 4.5, 5.0))
    assert events.prompts == (Prompt("the quick brown⏎", 3.81, 3.81 + 11.682), Prompt(None, 6.0, 7.0))


def test_every_row_of_all_real_files_is_kept(shared):
    paths = sorted((shared / "emg2qwerty-events").glob("sub-*/ses-*/emg/*_events.tsv"))
    assert len(paths) == 23
    for path in paths:
        content = path.read_bytes()
        n_keystrokes = content.count(b"\tkeystroke_")
        events = read_events(path)
        assert len(events.key_presses) == n_keystrokes
        assert len(events.prompts) == content.count(b"\tprompt\t")
        assert len(events.key_presses) + len(events.prompts) == content.count(b"\n") - 1
        assert all(prompt.text.endswith("⏎") and "\\" not in prompt.text for prompt in events.prompts)
        downs = [press.down for press in events.key_presses]
        assert downs == sorted(downs)
        assert all(press.up >= press.down for press in events.key_presses)


@pytest.mark.parametrize(("person", "key"), [("sub-11372316", '"'), ("sub-66727638", "\x16"), ("sub-66727638", "\x03")])
def test_quotes_and_control_characters_are_keys_like_any_other(shared, person, key):
    paths = (shared / "emg2qwerty-events" / person).glob("**/*_events.tsv")
    assert any(press.key == key for path in paths for press in read_events(path).key_presses)


keys = st.sampled_from(
    ['"', "'", "\r", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", " ", "\\", "#", "\ufeff", "n/a"]
)


@settings(max_examples=50, deadline=None)
@given(typed=st.lists(keys | st.sampled_from(string.printable.replace("\n", "").replace("\t", ""))))
def test_whatever_is_typed_is_read_back(tmp_path_factory, typed):
    rows = [f"{at}\t0.5\t{at * 2000}\tkeystroke_{key}\t{key}\tn/a" for at, key in enumerate(typed)]
    path = write(tmp_path_factory.mktemp("events"), *rows)
    assert [press.key for press in read_events(path).key_presses] == typed


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path):
    path = write(tmp_path, "1\t1\t0\tprompt\tn/a\thi\\n", head="\ufeff" + HEAD, newline="\r\n")
    assert read_events(path).prompts == (Prompt("hi⏎", 1.0, 2.0),)


def test_columns_may_stand_in_another_order_and_be_more(tmp_path):
    path = write(tmp_path, "1\t1\ta\tkeystroke_a\tn/a\t7", head="onset\tduration\tkey\tvalue\tprompt_text\textra\n")
    assert read_events(path).key_presses == (KeyPress("a", 1.0, 2.0),)


GOOD = "1\t1\t0\tkeystroke_a\ta\tn/a"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1\t1\t0\tkeystroke_a\ta", "line 3: it has 5 fields, the first line has 6"),
        ("", "line 3: it has 1 fields"),
        ("n/a\t1\t0\tkeystroke_a\ta\tn/a", "line 3: the onset is no number of seconds: 'n/a'"),
        ("1\tnan\t0\tkeystroke_a\ta\tn/a", "line 3: the duration is no number of seconds"),
        ("1\t-1\t0\tprompt\tn/a\thi", "line 3: the duration is negative"),
        ("1\t1\t0\tkeystroke_a\tb\tn/a", "line 3: the value 'keystroke_a' and the key 'b' do not agree"),
        ("1\t1\t0\tkeystroke_\t\tn/a", "line 3: the value"),
        ("0.5\t1\t0\tkeystroke_a\ta\tn/a", "line 3: its onset is before that of the key press ahead of it"),
    ],
)
def test_malformed_rows_are_named_by_their_line(tmp_path, row, message):
    path = write(tmp_path, GOOD, row)
    with pytest.raises(LabelsError, match=message) as caught:
        read_events(path)
    assert str(path) in str(caught.value)


def test_what_is_not_utf_8_is_named_by_its_line(tmp_path):
    path = write(tmp_path, GOOD)
    path.write_bytes(path.read_bytes() + b"1\t1\t0\tkeystroke_\xff\t\xff\tn/a\n")
    with pytest.raises(LabelsError, match="line 3: it is not UTF-8"):
        read_events(path)


@pytest.mark.parametrize("head", ["", "onset\tduration\n", "onset,duration,sample,value,key,prompt_text\n"])
def test_a_missing_column_is_named(tmp_path, head):
    with pytest.raises(LabelsError, match="no column"):
        read_events(write(tmp_path, head=head))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(LabelsError, match="there is no file"):
        read_events(tmp_path / "events.tsv")
    with pytest.raises(LabelsError, match="cannot be read"):
        read_events(tmp_path)
