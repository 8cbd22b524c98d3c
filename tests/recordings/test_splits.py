"""Splits: the official ones, those of people's own, and what they must not leak."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myotype.errors import InputError, OutputError, RecordingError
from myotype.recordings import Recording, splits, write_hdf5
from myotype.recordings.corpus import Corpus, Entry
from myotype.recordings.splits import Missing, Split


def corpus(*recordings, form="bids"):
    """A corpus of which only the names are there: "user session"."""
    entries = [Entry(Path(f"{user}/{session}"), form, user, session) for user, session in map(str.split, recordings)]
    return Corpus(Path(), tuple(entries))


def many(people=6, sessions=5):
    return corpus(
        *(f"{user} {1_600_000_000 + 10_000 * user + session}" for user in range(people) for session in range(sessions))
    )


def names(entries):
    return [f"{entry.user} {entry.session}" for entry in entries]


@pytest.fixture(scope="session")
def facts(shared):
    return json.loads((shared / "official_splits.json").read_text())


class TestTheOfficialSplit:
    @pytest.mark.parametrize("name", [f"user{number}" for number in range(8)])
    def test_of_a_person_is_the_published_one(self, facts, name):
        split, published = splits.official(name), facts["personalised"][name]
        for part, key in (("train", "train"), ("validation", "val"), ("test", "test")):
            assert split.part(part) == {published["user"]: tuple(sorted(published[key]))}
        assert split.kind == "personal"

    def test_of_all_others_is_the_published_one_and_is_tested_on_the_8(self, facts):
        split = splits.official("generic")
        published = {user.lstrip("0"): tuple(sorted(found)) for user, found in facts["generic_validation"].items()}
        assert split.validation == published
        assert set(split.train_rest) == set(published)
        assert split.train == {}
        assert split.test == {
            user["user"].lstrip("0"): tuple(sorted(user["test"])) for user in facts["personalised"].values()
        }
        assert not {user.lstrip("0") for user in facts["excluded_users"]} & set(split.users)

    def test_takes_every_other_recording_of_its_people_to_train_on(self):
        found = corpus("06950380 1616588305", "06950380 1616000000", "04809769 1620336043", "43037958 1608247041")
        validation = splits.official("generic").validation["6950380"][0]
        found = Corpus(found.root, (*found, *corpus(f"6950380 {validation}")))
        division = splits.official("generic").of(found)
        assert names(division.train) == ["06950380 1616588305", "06950380 1616000000"]
        assert names(division.validation) == [f"6950380 {validation}"]
        assert names(division.test) == ["43037958 1608247041"]
        assert names(division.unused) == ["04809769 1620336043"]  # one of the four in no part
        assert len([missing for missing in division.missing if missing.part == "validation"]) == 191
        assert len([missing for missing in division.missing if missing.part == "test"]) == 15
        assert Missing("train", "11372316", None) in division.missing
        assert not any(missing.user == "6950380" and missing.part == "train" for missing in division.missing)

    def test_holds_for_hdf5_files_by_the_start_in_their_names(self):
        name = "2020-12-17-1608217769-keystrokes-dca-study@1-0efbe614-9ae6-4131-9192-4398359b4f5f"
        division = splits.official("user0").of(corpus(f"43037958 {name}", f"1 {name}", form="hdf5"))
        assert names(division.train) == [f"43037958 {name}"]
        assert names(division.unused) == [f"1 {name}"]
        assert Missing("test", "43037958", "1608247041") in division.missing
        assert len(division.missing) == 13

    def test_has_the_names_that_it_has(self):
        with pytest.raises(InputError, match=r"no official split 'user8'.*generic, user0"):
            splits.official("user8")


class TestASplit:
    def test_that_names_a_recording_in_two_parts_is_refused_whatever_the_zeros(self):
        with pytest.raises(InputError, match="recording 1600000001 of user 7 is in train and in test"):
            Split("", {"07": ("1600000001",)}, {}, {"7": ("x-1600000001",)}, kind="personal")

    @pytest.mark.parametrize("parts", [({"1": ("a",)}, {}), ({}, {"1": ("a",)})])
    def test_that_is_tested_on_somebody_it_has_seen_is_refused_unless_it_is_personal(self, parts):
        with pytest.raises(InputError, match=r"user 1 is in (train|validation) and in test"):
            Split("", *parts, {"1": ("b",)})
        assert Split("", *parts, {"1": ("b",)}, kind="personal").users == ("1",)

    def test_that_trains_on_all_the_rest_of_somebody_it_tests_on_is_refused(self):
        with pytest.raises(InputError, match="user 1 is in train and in test"):
            Split("", {}, {}, {"1": ("a",)}, train_rest=("01",))

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"train": {}}, "names none"),
            ({"train": {"1": ("a", "a")}}, "train names recording a of user 1 twice"),
            ({"train": {"1": ("a",), "01": ("b",)}}, "train names user 01 twice"),
            ({"train": {"": ("a",)}}, "by nothing"),
            ({"train": {"1": ("",)}}, "by nothing"),
            ({"train": {"1": ("a",)}, "kind": "other"}, "generic or personal, not 'other'"),
        ],
    )
    def test_that_says_nothing_sensible_is_refused(self, given, said):
        with pytest.raises(InputError, match=said):
            Split("", **({"validation": {}, "test": {}} | given))

    def test_is_not_applied_to_a_corpus_that_has_one_recording_under_two_names(self):
        split = splits.official("user0")
        twice = corpus("43037958 1608217769", "43037958 a-1608217769-b")
        with pytest.raises(
            RecordingError, match=r"43037958/a-1608217769-b are both recording 1608217769 of user 43037958"
        ):
            split.of(twice)
        assert len(split.of(corpus("1 1608217769", "1 a-1608217769-b")).unused) == 2  # not its business

    def test_tells_the_runs_of_a_session_apart_and_knows_both_forms_of_a_name(self):
        runs = corpus("1 1600000000_task-typing_run-1", "1 1600000000_task-typing_run-2")
        split = Split("", {"1": ("1600000000_task-typing_run-1",)}, {}, {"2": ("2020-12-17-1600000001-keys",)})
        division = split.of(Corpus(Path(), (*runs, *corpus("2 1600000001"))))
        assert names(division.train) == ["1 1600000000_task-typing_run-1"]
        assert names(division.unused) == ["1 1600000000_task-typing_run-2"]
        assert names(division.test) == ["2 1600000001"]


@pytest.mark.parametrize(
    ("session", "start"),
    [
        ("2020-12-18-1608244656-keystrokes-dca-study@1-0efbe614-9ae6-4131-9192-4398359012b", "1608244656"),
        ("2020-12-18-1608244656-a4398359012b-1700000000", "1608244656"),
        ("9999999999-1608244656", "1608244656"),
        ("0123456789", None),
        ("a1608244656", None),
        ("1608244656b_x", None),
        ("1608244656_task-typing", "1608244656"),
        ("plain", None),
    ],
)
def test_the_start_in_a_name_is_the_first_time_that_can_be_one(session, start):
    assert Entry(Path(), "hdf5", "1", session).start == start


class TestAFile:
    def test_that_would_come_back_changed_is_not_written(self, tmp_path):
        with pytest.raises(InputError, match="user 1 is called 'the rest'"):
            Split("", {"1": ("the rest",)}, {}, {"2": ("a",)}).save(tmp_path / "split.yaml")
        assert not (tmp_path / "split.yaml").exists()

    def test_that_is_too_large_is_not_read(self, tmp_path):
        path = tmp_path / "split.yaml"
        splits.official("user0").save(path)
        with path.open("a") as file:
            file.write("#" * 2**20)
        with pytest.raises(RecordingError, match="more than 1 MB"):
            splits.load(path)

    @pytest.mark.parametrize("name", splits.OFFICIAL)
    def test_gives_back_what_was_written(self, tmp_path, name):
        splits.official(name).save(tmp_path / "split.yaml")
        assert splits.load(tmp_path / "split.yaml") == splits.official(name)

    def test_gives_back_strange_names(self, tmp_path):
        split = Split(
            "no", {"0x1F": ("1_000", "12:30"), "é\x07": ("\ud800", "~")}, {"1": ("null",)}, {"on": ("- a: #",)},
            train_rest=("0x1F",), description="a\nb: c", made={"seed": -3, "method": "12"},
        )  # fmt: skip
        split.save(tmp_path / "split.yaml")
        assert splits.load(tmp_path / "split.yaml") == split

    def test_is_readable_and_may_be_written_by_hand(self, tmp_path):
        path = tmp_path / "split.yaml"
        path.write_text(
            "version: 1\nname: mine\ntrain:\n  04809769: [1620336043, plain]\n  17: the rest\n"
            "validation:\ntest:\n  010: \n  - 1600000002\n"
        )
        assert splits.load(path) == Split(
            "mine", {"4809769": ("1620336043", "plain")}, {}, {"10": ("1600000002",)}, train_rest=("17",)
        )

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "the file is empty"),
            ("[", "line 1: not YAML"),
            ("a: b: c", "line 1: not YAML"),
            ("\x00", "not YAML"),
            ('"\\Uffffffff"', "not YAML"),
            ("- 1", "line 1: a split has to be a list of names with values"),
            ("version: 1\nname: x\ntrain: {}\ntest: {}\n", "'validation' is missing"),
            ("version: 2\nname: x\ntrain: {}\nvalidation: {}\ntest: {}\n", "line 1: this myotype reads .* version 1"),
            ("version: 1\nname: x\ntrain: {}\nvalidation: {}\ntest: {}\ntrian: {}", "line 6: 'trian' is not known"),
            ("version: 1\nname: x\ntrain: {}\nvalidation: {}\ntest: {}\n", "names none"),
            ("version: 1\nname: x\ntrain:\n  1: a\nvalidation: {}\ntest: {}\n", "line 4: user 1 in train needs a list"),
            ("version: 1\nname: x\ntrain:\n  1: []\nvalidation: {}\ntest: {}\n", "line 4: .* without a name, or none"),
            ("version: 1\nname: x\ntrain: {1: [{}]}\nvalidation: {}\ntest: {}\n", "line 3: a session of user 1"),
            ("version: 1\nname: x\ntrain: {1: [a], 1: [b]}\nvalidation: {}\ntest: {}\n", "line 3: '1' stands twice"),
            ("version: 1\nname: x\ntrain: {1: &a [b]}\nvalidation: {2: *a}\ntest: {}\n", r"line 4: references \(\*\)"),
            (
                "version: 1\nname: x\ntrain: {1: [a]}\nvalidation: {}\ntest: {1: [b]}\n",
                "user 1 is in train and in test",
            ),
            ("version: 1\nname: x\ntrain: {}\nvalidation: {}\ntest: {1: the rest}\n", "line 5: .* needs a list"),
            ("version: 1\nname: x\ntrain: {}\nvalidation: {}\ntest: {1: [the rest]}\n", "line 5: only train"),
            ("[" * 100_000, "line 1: nested too deeply"),
            ("!!python/object/apply:os.system [exit 1]", "line 1: a split has to be"),
        ],
    )
    def test_that_is_wrong_is_refused_with_the_place(self, tmp_path, text, said):
        path = tmp_path / "split.yaml"
        path.write_text(text)
        with pytest.raises(RecordingError, match=rf"split\.yaml.*{said}"):
            splits.load(path)

    def test_that_is_not_there_or_no_text_is_refused(self, tmp_path):
        (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
        for name, said in (("none.yaml", "No such file"), ("bytes.yaml", "not UTF-8"), (".", "directory")):
            with pytest.raises(RecordingError, match=said):
                splits.load(tmp_path / name)

    def test_that_cannot_be_written_leaves_nothing(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError):
            splits.official("user0").save(tmp_path / "file" / "split.yaml")


class TestHoldingPeopleOut:
    def test_tests_on_people_whom_the_others_never_meet(self):
        split = splits.held_out(many(), 2, validation=1, seed=3)
        assert len(split.test) == 2
        assert {len(sessions) for sessions in split.test.values()} == {5}
        assert set(split.train) == set(split.validation) == set(map(str, range(6))) - set(split.test)
        assert {len(sessions) for sessions in split.train.values()} == {4}
        division = split.of(many())
        assert (len(division.train), len(division.validation), len(division.test)) == (16, 4, 10)
        assert not division.missing
        assert not division.unused
        assert split.made == {"method": "held-out", "people": 2, "validation": 1, "seed": 3}

    def test_does_not_depend_on_the_order_of_the_corpus(self):
        there, back = many(), Corpus(Path(), tuple(reversed(many().entries)))
        assert splits.held_out(there, 2) == splits.held_out(back, 2)
        assert splits.personal(there, "3", test=1, validation=1) == splits.personal(back, "3", test=1, validation=1)

    def test_draws_the_same_for_ever(self):
        split = splits.held_out(many(), 2, validation=1, seed=0)
        assert split.test.keys() == {"2", "3"}
        assert split.validation == {
            "0": ("1600000001",),
            "1": ("1600010003",),
            "4": ("1600040002",),
            "5": ("1600050002",),
        }

    def test_draws_others_with_another_seed(self):
        assert len({tuple(splits.held_out(many(20, 3), 3, seed=seed).test) for seed in range(10)}) > 5
        assert len({str(splits.held_out(many(), 1, seed=seed).validation) for seed in range(10)}) > 5

    def test_draws_of_a_person_the_same_whoever_else_is_there(self):
        small, large = splits.held_out(many(6), 1), splits.held_out(many(9), 1)
        common = set(small.validation) & set(large.validation)
        assert common
        assert {user: small.validation[user] for user in common} == {user: large.validation[user] for user in common}

    def test_leaves_people_out_who_are_named(self):
        few = Corpus(Path(), (*many(), *corpus("007 1600000001")))
        with pytest.raises(InputError, match=r"1 people have too few recordings .*: 7; leave them out"):
            splits.held_out(few, 1)
        split = splits.held_out(few, 1, without=("07",))
        assert "7" not in split.users
        assert split.made["without"] == "7"

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"people": 6}, "6 of 6 people cannot be held out"),
            ({"people": 0}, "at least 1, not 0"),
            ({"people": 1, "validation": 0}, "at least 1, not 0"),
            ({"people": 1, "validation": 5}, "5 people have too few recordings for 5"),
            ({"people": 1, "without": ("9",)}, "no user 9"),
        ],
    )
    def test_refuses_what_cannot_be_done(self, options, said):
        with pytest.raises(InputError, match=said):
            splits.held_out(many(), **options)

    def test_refuses_a_corpus_that_does_not_say_who_typed(self):
        nobody = Entry(Path("somewhere/a.hdf5"), "hdf5", "", "a")
        for make in (lambda c: splits.held_out(c, 1), lambda c: splits.personal(c, "1")):
            with pytest.raises(RecordingError, match=r"somewhere/a\.hdf5: it does not say who typed"):
                make(Corpus(Path(), (*many(), nobody)))

    def test_refuses_a_corpus_that_has_a_recording_twice(self):
        with pytest.raises(RecordingError, match="recording 1600000001 of user 1 is in the corpus twice"):
            splits.held_out(corpus("1 1600000001", "1 x-1600000001", "2 a"), 1)


class TestDividingAPersonsRecordings:
    def test_gives_as_many_as_asked_and_trains_on_the_rest(self):
        split = splits.personal(many(), "04", test=2, validation=1)
        assert [len(split.part(part)["4"]) for part in splits.PARTS] == [2, 1, 2]
        assert split.kind == "personal"
        division = split.of(many())
        assert not division.missing
        assert len(division.unused) == 25

    def test_keeps_the_tested_ones_whatever_is_validated_on(self):
        one, two = (splits.personal(many(), "4", test=2, validation=number) for number in (1, 2))
        assert one.test == two.test

    @pytest.mark.parametrize(
        ("user", "options", "said"),
        [
            ("9", {}, "no user 9"),
            ("1", {"test": 3}, "user 1 has 5 recordings: too few to test on 3, validate on 2"),
            ("1", {"test": 0}, "at least 1"),
        ],
    )
    def test_refuses_what_cannot_be_done(self, user, options, said):
        with pytest.raises(InputError, match=said):
            splits.personal(many(), user, **options)


class TestLeaks:
    """Recordings are looked into: what names do not tell."""

    @pytest.fixture
    def write(self, tmp_path):
        def write(user, session, *, start=None, seconds=4.0, seed=0, emg=None):
            n_samples = round(2000 * seconds)
            emg = np.random.default_rng(seed).normal(size=(n_samples, 32)) if emg is None else emg
            path = tmp_path / user / f"{session}.hdf5"
            path.parent.mkdir(exist_ok=True)
            times = None if start is None else start + np.arange(n_samples) / 2000
            write_hdf5(path, Recording(emg=emg, times=times, user=user, name=session))
            return Entry(path, "hdf5", user, session)

        return write

    @staticmethod
    def divide(*entries):
        """Train on the first, test on the second and so on."""
        parts = [{entry.user: (entry.session,)} for entry in entries]
        parts = [parts[0], parts[2] if len(parts) > 2 else {}, parts[1]]
        return Split("", *parts, kind="personal").of(Corpus(Path(), entries))

    def test_are_recordings_with_the_same_samples_under_two_names_and_users(self, write):
        division = self.divide(write("1", "a"), write("2", "b"))
        (leak,) = splits.find_leaks(division)
        assert leak.parts == ("train", "test")
        assert "same samples at the beginning" in leak.reason
        with pytest.raises(RecordingError, match=r"a\.hdf5 \(train\) and .*b\.hdf5 \(test\) have the same samples"):
            splits.refuse_leaks(division)

    def test_are_recordings_of_one_person_that_overlap_in_time(self, write):
        division = self.divide(write("1", "a", start=1.6e9), write("1", "b", start=1.6e9 + 2, seed=1))
        (leak,) = splits.find_leaks(division)
        assert "user 1 cannot have typed both for 2.0 s" in leak.reason

    def test_are_found_by_the_start_in_the_name_where_the_clock_begins_at_nothing(self, write):
        division = self.divide(write("1", "x-1600000000"), write("1", "1600000002", seed=1))
        assert "for 2.0 s" in splits.find_leaks(division)[0].reason

    def test_are_none_in_recordings_that_follow_each_other_or_are_of_different_people(self, write):
        follows = self.divide(write("1", "1600000000"), write("1", "1600000003", seed=1), write("1", "b", seed=2))
        splits.refuse_leaks(follows)
        others = self.divide(write("1", "1600000000"), write("2", "1600000001", seed=1))
        splits.refuse_leaks(others)

    @pytest.mark.parametrize(
        ("cut", "where"), [(slice(100, None), "end"), (slice(None, -100), "beginning")], ids=["first", "last"]
    )
    def test_are_found_in_copies_that_are_cut_at_one_end_and_rescaled(self, write, cut, where):
        emg = np.round(np.random.default_rng(5).normal(size=(8000, 32)) * 8)
        division = self.divide(write("1", "a", emg=emg), write("2", "b", emg=1.001 * emg[cut]))
        (leak,) = splits.find_leaks(division)
        assert f"same samples at the {where}" in leak.reason

    def test_are_recordings_of_two_people_that_start_together_by_their_clocks(self, write):
        start = 1_600_000_000.25
        together = self.divide(write("1", "a", start=start), write("2", "b", start=start + 0.0004, seed=1))
        (leak,) = splits.find_leaks(together)
        assert leak.parts == ("train", "test")
        assert "start at the same time" in leak.reason
        splits.refuse_leaks(self.divide(write("1", "c", start=start), write("2", "d", start=start + 0.002, seed=1)))
        # Names have whole seconds: of these, two people may well have the same.
        splits.refuse_leaks(self.divide(write("1", "1600000000"), write("2", "1600000000", seed=1)))

    def test_are_none_in_signals_that_only_rise(self, write):
        rising = np.arange(8000.0)[:, np.newaxis] * np.ones(32)
        splits.refuse_leaks(self.divide(write("1", "a", emg=rising), write("2", "b", emg=rising**2 / 8000)))

    def test_are_none_within_a_part(self, write):
        entries = write("1", "a"), write("1", "b"), write("2", "c", seed=1)
        split = Split("", {"1": ("a", "b")}, {}, {"2": ("c",)})
        assert splits.find_leaks(split.of(Corpus(Path(), entries))) == ()

    def test_are_none_in_signals_without_anything(self, write):
        nothing = np.zeros((8000, 32))
        splits.refuse_leaks(self.divide(write("1", "a", emg=nothing), write("2", "b", emg=nothing)))

    def test_are_looked_for_in_recordings_of_any_length(self, write):
        short = np.random.default_rng(0).normal(size=(5, 32))
        assert splits.find_leaks(self.divide(write("1", "a", emg=short), write("2", "b", emg=short)))

    def test_are_told_with_their_number(self, write):
        division = self.divide(write("1", "a"), write("2", "b"), write("3", "c"))
        with pytest.raises(RecordingError, match=r"and 2 more\): put both into the same part"):
            splits.refuse_leaks(division)

    def test_are_found_in_what_has_been_looked_at_already(self, write):
        division = self.divide(write("1", "a"), write("2", "b", seed=1))
        glances = {entry: splits.glance(entry) for _, entry in division}
        assert glances[division.train[0]].duration == 4.0
        assert splits.find_leaks(division, glances) == ()
        alike = dict.fromkeys(glances, replace(glances[division.train[0]]))
        assert len(splits.find_leaks(division, alike)) == 1
