"""The beam search on emissions as they come: what is committed, when, and what a stream remembers."""

from __future__ import annotations

import io
import pickle
import runpy
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype import Transcriber, simulate
from myotype.decoding import beam_layout
from myotype.decoding.beam import BeamDecoder
from myotype.errors import InputError
from myotype.keyboard import BLANK, N_LABELS, text_to_labels

reference = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("reference_search.py"))))

OPTIONS = {
    "beam_size": st.sampled_from([1, 2, 3, 5, 20]),
    "labels_per_frame": st.sampled_from([None, 2, 4, 10]),
    "backspace": st.booleans(),
    "confidence_delay": st.sampled_from([0, 2, 16]),
    "commit_delay": st.sampled_from([None, 0, 1, 3, 8, 20]),
}
EMISSIONS = st.builds(
    reference.random_emissions,
    st.integers(0, 2**32),
    st.integers(0, 40),
    st.sampled_from(["noisy", "tied", "impossible", "peaky", "deleting"]),
)
MODELS = st.none() | st.builds(reference.random_model, st.integers(0, 2**32))
HOT_WORDS = st.builds(reference.random_hotwords, st.integers(0, 2**32))
CUTS = st.lists(st.integers(0, 40), max_size=8)


class Collected:
    """What a stream has committed so far."""

    def __init__(self):
        self.labels, self.frames, self.confidences = [], [], []

    def add(self, found):
        self.labels += found.labels.tolist()
        self.frames += found.frames.tolist()
        self.confidences += found.confidences.tolist()


def pieces(emissions, cuts):
    bounds = [0, *sorted(min(cut, len(emissions)) for cut in cuts), len(emissions)]
    return [emissions[start:end] for start, end in pairwise(bounds)]


def certain(text, gap=1):
    """Give emissions of a text without a doubt: a frame a key, and blanks after it."""
    labels = text_to_labels(text)
    emissions = np.full(((gap + 1) * len(labels), N_LABELS), -np.inf)
    emissions[:, BLANK] = 0
    begins = np.arange(0, len(emissions), gap + 1)
    emissions[begins, BLANK] = -np.inf
    emissions[begins, labels] = 0
    return emissions


def doubtful(n_frames, seed=0, every=25, keys=26):
    """Give emissions of a key every so often, with a second one nearly as probable, and some noise."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1, (n_frames, N_LABELS))
    logits[:, BLANK] += 12
    begins = np.arange(0, n_frames, every)
    for labels, strength in ((random.integers(0, keys, len(begins)), 14), (random.integers(0, keys, len(begins)), 13)):
        logits[begins, labels] += strength
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@given(emissions=EMISSIONS, arpa=MODELS, options=st.fixed_dictionaries(OPTIONS), cuts=CUTS)
@settings(max_examples=150, deadline=None)
def test_what_is_committed_when_is_what_the_rules_say_however_the_emissions_come(emissions, arpa, options, cuts):
    search = reference.Search(lm=arpa, **options)
    stream = BeamDecoder(lm=arpa and reference.TinyModel(arpa), **options).stream()
    got = Collected()
    for piece in pieces(emissions, cuts):
        for row in piece:
            search.step(row)
        before = 0 if search.n_frames == len(piece) else decoded.n_settled  # noqa: F821  (of the piece before)
        decoded = stream.push(piece)
        got.add(decoded.committed)
        assert got.labels == search.committed_labels
        assert got.frames == search.committed_frames
        assert got.confidences == pytest.approx(search.committed_confidences, rel=1e-9)
        labels, frames, confidences = search.pending()
        assert decoded.pending.labels.tolist() == labels
        assert decoded.pending.frames.tolist() == frames
        assert decoded.pending.confidences == pytest.approx(confidences, rel=1e-9)
        assert decoded.n_settled == search.n_settled
        # what the transcriber builds upon
        assert all(before <= frame < search.n_frames for frame in decoded.committed.frames)
        assert all(decoded.n_settled <= frame < search.n_frames for frame in decoded.pending.frames)
        assert decoded.n_settled >= before
    search.finish()
    labels, frames, confidences = search.pending()
    decoded = stream.finish()
    assert decoded.committed.labels.tolist() == labels
    assert decoded.committed.frames.tolist() == frames
    assert decoded.committed.confidences == pytest.approx(confidences, rel=1e-9)
    assert decoded.n_settled == len(emissions)


@given(
    emissions=EMISSIONS,
    arpa=MODELS,
    options=st.fixed_dictionaries(OPTIONS | {"labels_per_frame": st.sampled_from([2, 4, 10])}),
    hotwords=HOT_WORDS,
    cut=st.integers(0, 20),
)
@settings(max_examples=100, deadline=None)
def test_what_is_committed_with_hot_words_is_what_the_rules_say(emissions, arpa, options, hotwords, cut):
    emissions = emissions[:20]
    search = reference.Search(lm=arpa, **options, hotwords=hotwords)
    stream = BeamDecoder(lm=arpa and reference.TinyModel(arpa), **options, hotwords=hotwords).stream()
    got = Collected()
    for piece in pieces(emissions, [cut]):
        for row in piece:
            search.step(row)
        decoded = stream.push(piece)
        got.add(decoded.committed)
        assert got.labels == search.committed_labels
        assert got.frames == search.committed_frames
        assert decoded.pending.labels.tolist() == search.pending()[0]
    search.finish()
    labels, frames, confidences = search.pending()
    last = stream.finish().committed
    assert last.labels.tolist() == labels
    assert last.frames.tolist() == frames
    assert last.confidences == pytest.approx(confidences, rel=1e-9)


@pytest.mark.parametrize("seed", range(16))
def test_hot_words_know_their_way_back_over_what_is_committed(seed):
    hotwords = {"ab": 1.0, "ba": 0.5, "abba": 2.0, "a": 0.25}
    options = {"beam_size": 8, "labels_per_frame": 4, "commit_delay": 2 + seed % 5, "hotwords": hotwords}
    emissions = reference.random_emissions(seed, 40, "deleting")
    search = reference.Search(**options)
    for row in emissions:
        search.step(row)
    stream = BeamDecoder(**options).stream()
    assert stream.push(emissions).committed.labels.tolist() == search.committed_labels
    totals = stream._state.beam["total"][: stream._state.counts["readings"][0]]
    assert totals == pytest.approx([reading.total for reading in search.beam], rel=1e-9)


def test_a_backspace_over_a_committed_key_goes_back_into_the_hot_word():
    stream = BeamDecoder(commit_delay=0, hotwords={"anna": 1.0}).stream()
    scores = []
    for key in "annnnn⌫⌫⌫a ⌫b⌫":
        stream.push(certain(key))
        scores.append(stream._state.beam["total"][0])
    assert scores == [1, 2, 3, 0, 0, 0, 0, 0, 3, 4, 4, 4, 0, 4]


@pytest.mark.parametrize("seed", range(16))
def test_a_language_model_knows_its_way_back_over_what_is_committed(seed):
    arpa, options = reference.random_model(seed), {"beam_size": 8, "labels_per_frame": 4, "commit_delay": 2 + seed % 5}
    emissions = reference.random_emissions(seed, 40, "deleting")
    search = reference.Search(lm=arpa, **options)
    for row in emissions:
        search.step(row)
    stream = BeamDecoder(lm=reference.TinyModel(arpa), **options).stream()
    assert stream.push(emissions).committed.labels.tolist() == search.committed_labels
    totals = stream._state.beam["total"][: stream._state.counts["readings"][0]]
    assert totals == pytest.approx([reading.total for reading in search.beam], rel=1e-9)


@given(emissions=EMISSIONS, arpa=MODELS, cuts=CUTS)
@settings(max_examples=50, deadline=None)
def test_without_a_bound_a_stream_commits_exactly_what_decoding_the_whole_gives(emissions, arpa, cuts):
    decoder = BeamDecoder(lm=arpa and reference.TinyModel(arpa), commit_delay=None)
    (whole,) = decoder.decode(emissions)
    stream, got = decoder.stream(), Collected()
    for piece in pieces(emissions, cuts):
        got.add(stream.push(piece).committed)
    got.add(stream.finish().committed)
    assert got.labels == whole.labels.tolist()
    assert got.frames == whole.frames.tolist()
    assert got.confidences == whole.confidences.tolist()


@given(emissions=EMISSIONS, options=st.fixed_dictionaries(OPTIONS), cuts=CUTS, others=CUTS, hotwords=HOT_WORDS)
@settings(max_examples=50, deadline=None)
def test_pieces_of_any_length_give_the_same_to_the_last_bit(emissions, options, cuts, others, hotwords):
    hotwords = {word: weight / 3 for word, weight in hotwords.items()}
    decoder = BeamDecoder(lm=reference.TinyModel(reference.random_model(1)), **options, hotwords=hotwords)
    results = []
    for each in (cuts, others):
        stream, got = decoder.stream(), Collected()
        for piece in pieces(emissions, each):
            got.add(stream.push(piece).committed)
        got.add(stream.finish().committed)
        results.append((got.labels, got.frames, got.confidences))
    assert results[0] == results[1]


@pytest.mark.parametrize("commit_delay", [0, 10, 125])
def test_a_key_is_committed_no_later_than_the_bound(commit_delay):
    emissions = doubtful(2000)
    stream = BeamDecoder(beam_size=10, commit_delay=commit_delay).stream()
    n_committed, latest = 0, 0
    for frame, row in enumerate(emissions):
        decoded = stream.push(row[np.newaxis])
        n_committed += len(decoded.committed)
        latest = max([latest, *(frame - decoded.committed.frames)])
        assert all(frame - decoded.pending.frames < commit_delay)
    assert n_committed > 60
    assert latest <= commit_delay


def test_keys_that_only_poor_hypotheses_have_do_not_keep_frames_unsettled():
    emissions = doubtful(3000, every=5000)  # a key at the beginning, and then silence
    stream = BeamDecoder(commit_delay=100).stream()
    settled = [stream.push(row[np.newaxis]).n_settled for row in emissions]
    assert all(frame - n_settled <= 200 for frame, n_settled in enumerate(settled))


@pytest.mark.parametrize(("seed", "beam_size", "commit_delay"), [(119, 20, 3), (251, 20, 3), (555, 20, 2)])
def test_frames_never_decrease_where_another_hypothesis_takes_over(seed, beam_size, commit_delay):
    random = np.random.default_rng(seed)
    emissions = np.full((14, N_LABELS), -np.inf)
    emissions[:, [0, 1, BLANK]] = np.log(random.dirichlet(np.ones(3), 14))
    search = reference.Search(beam_size=beam_size, commit_delay=commit_delay)
    stream, frames = BeamDecoder(beam_size, commit_delay=commit_delay).stream(), []
    for row in emissions:
        search.step(row)
        decoded = stream.push(row[np.newaxis])
        frames += decoded.committed.frames.tolist()
        assert [*frames, *decoded.pending.frames] == search.committed_frames + search.pending()[1]
        assert decoded.n_settled == search.n_settled
    assert 0 in np.diff([*frames, *decoded.pending.frames])  # a key that began before the committed one begins with it


def test_what_is_committed_is_as_good_as_what_the_whole_gives():
    emissions = doubtful(5000, seed=4)
    (whole,) = BeamDecoder().decode(emissions)
    stream, got = BeamDecoder().stream(), Collected()
    got.add(stream.push(emissions).committed)
    got.add(stream.finish().committed)
    assert got.labels == whole.labels.tolist()


def test_a_stream_that_was_finished_gives_nothing_more_and_takes_nothing():
    stream = BeamDecoder().stream()
    pending = stream.push(doubtful(60)).pending
    last = stream.finish()
    assert len(last.pending) == 0
    assert last.committed.labels.tolist() == pending.labels.tolist()
    assert len(last.committed) == 3
    again = stream.finish()
    assert len(again.committed) == len(again.pending) == 0
    assert again.n_settled == 60
    with pytest.raises(InputError, match="was finished"):
        stream.push(certain("c"))


def test_nothing_pushed_is_nothing_decoded():
    stream = BeamDecoder().stream()
    decoded = stream.push(np.zeros((0, N_LABELS)))
    assert len(decoded.committed) == len(decoded.pending) == decoded.n_settled == 0
    assert len(stream.finish().committed) == 0


def through_file(stream):
    """Give what is left of a stream's state in a file."""
    file = io.BytesIO()
    np.savez(file, **stream.get_state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("at", [0, 1, 60, 700])
@pytest.mark.parametrize("way", ["copy", "pickle", "file"])
def test_a_stream_goes_on_from_a_copy_or_a_file_as_if_nothing_had_happened(at, way):
    model = SimpleNamespace(**vars(reference.TinyModel(reference.random_model(2))))
    decoder = BeamDecoder(lm=model, commit_delay=50, hotwords={"abc": 0.7, "c'a": 1.0, "bcabacab": 2.0})
    emissions = doubtful(1000, seed=1, every=5, keys=3)
    stream = decoder.stream()
    stream.push(emissions[:at])
    twin = {
        "copy": stream.copy,
        "pickle": lambda: pickle.loads(pickle.dumps(stream)),
        "file": lambda: decoder.resume(through_file(stream)),
    }[way]()
    results = []
    for each in (stream, twin):
        got = Collected()
        got.add(each.push(emissions[at:]).committed)
        got.add(each.finish().committed)
        results.append((got.labels, got.frames, got.confidences))
    assert results[0] == results[1]
    assert len(results[0][0]) > 40


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("beam"), "has the arrays keys, onsets, beam, history, counts; got"),
        (lambda state: state.update(beam=state["beam"][:3]), "'beam' of a stream's state has shape"),
        (lambda state: state.update(keys=np.zeros(3)), "'keys' of a stream's state has shape .* type float64"),
        (lambda state: state["counts"].__setitem__("root_key", 10**6), "points outside itself"),
        (lambda state: state["counts"].__setitem__("readings", 0), "points outside itself"),
        (lambda state: state["beam"]["key"].__setitem__(0, -7), "points outside itself"),
        (lambda state: state["keys"]["parent"].__setitem__(slice(None), 0), "points outside itself"),
        (lambda state: state["onsets"]["parent"].__setitem__(slice(None), -1), "points outside itself"),
        (lambda state: state["keys"]["context"].__setitem__(slice(None), 99), "points outside itself"),
        (lambda state: state["keys"]["match"].__setitem__(slice(None), 2), "points outside itself"),
        (lambda state: state["history"]["match"].__setitem__(3, -1), "points outside itself"),
        (lambda state: state["counts"]["commit_delay"].__setitem__(0, -2), "points outside itself"),
        (lambda state: state["keys"]["sibling"].__setitem__(slice(None), 1), "points outside itself"),
        (
            lambda state: state["keys"]["child"].__setitem__(slice(None), state["counts"]["root_key"][0]),
            "points outside",
        ),
        (lambda state: state["keys"]["references"].__setitem__(slice(None), 0), "points outside itself"),
        (lambda state: state["keys"]["reading"].__setitem__(slice(None), 0), "points outside itself"),
        (lambda state: state["onsets"]["references"].__iadd__(1), "points outside itself"),
        (lambda state: state["counts"]["free_keys"].__iadd__(1), "points outside itself"),
        (lambda state: state["counts"].__setitem__("free_onset", state["counts"]["root_onset"][0]), "points outside"),
        (lambda state: state.pop("fingerprint"), "is of a decoder with other options, .* or is none"),
        (lambda state: state["fingerprint"].__setitem__(0, state["fingerprint"][0] ^ 1), "other options"),
    ],
)
def test_a_state_that_is_none_is_refused(change, message):
    decoder = BeamDecoder()
    stream = decoder.stream()
    stream.push(doubtful(200))
    state = stream.get_state()
    change(state)
    with pytest.raises(InputError, match=message):
        decoder.resume(state)


@pytest.mark.parametrize(
    "other",
    [
        {"beam_size": 21},
        {"labels_per_frame": None},
        {"lm": None},
        {"lm": reference.TinyModel(reference.random_model(3))},
        {"lm_weight": 1.5},
        {"insertion_bonus": 1.0},
        {"backspace": False},
        {"end_of_word": False},
        {"commit_delay": None},
        {"confidence_delay": 3},
        {"confidence_temperature": 2.0},
        {"hotwords": None},
        {"hotwords": {"anna": 1.5}},
        {"hotwords": {"hanna": 1.0}},
    ],
)
def test_the_state_of_another_decoder_is_refused(other):
    def made(**change):
        model = SimpleNamespace(**vars(reference.TinyModel(reference.random_model(2))))
        return BeamDecoder(**({"beam_size": 20, "lm": model, "hotwords": {"anna": 1.0}} | change))

    stream = made().stream()
    stream.push(doubtful(200))
    state = stream.get_state()
    assert made(hotwords={"Anna": 1}).resume(state).finish().n_settled == 200  # the same in all that matters
    with pytest.raises(InputError, match="other options, another language model or other hot words"):
        made(**other).resume(state)


def test_a_stream_may_have_a_commit_delay_of_its_own():
    decoder, emissions = BeamDecoder(beam_size=10, commit_delay=20), doubtful(1000)
    streams = {delay: decoder.stream(commit_delay=delay) for delay in (None, 5, 20)} | {"own": decoder.stream()}
    pending = {name: len(stream.push(emissions[:800]).pending) for name, stream in streams.items()}
    assert pending[5] <= pending[20] == pending["own"] < pending[None]
    for name, stream in streams.items():
        twin = decoder.resume(stream.get_state())
        assert len(twin.push(emissions[800:]).pending) == len(stream.push(emissions[800:]).pending), name
    with pytest.raises(InputError, match="commit_delay=-1"):
        decoder.stream(commit_delay=-1)


@given(emissions=EMISSIONS, arpa=MODELS, hotwords=HOT_WORDS, cuts=CUTS, n_best=st.integers(1, 60))
@settings(max_examples=50, deadline=None)
def test_a_stream_without_a_bound_ends_in_the_readings_that_decoding_the_whole_gives(
    emissions, arpa, hotwords, cuts, n_best
):
    decoder = BeamDecoder(lm=arpa and reference.TinyModel(arpa), hotwords=hotwords)
    stream, got = decoder.stream(commit_delay=None), Collected()
    for piece in pieces(emissions, cuts):
        got.add(stream.push(piece).committed)
    found, expected = stream.finish_n_best(n_best), decoder.decode(emissions, n_best)
    assert [got.labels + each.labels.tolist() for each in found] == [each.labels.tolist() for each in expected]
    assert [got.frames + each.frames.tolist() for each in found] == [each.frames.tolist() for each in expected]
    assert [each.score for each in found] == [each.score for each in expected]


def test_the_readings_at_the_end_follow_what_was_committed():
    decoder, emissions = BeamDecoder(commit_delay=60), doubtful(1000)
    stream, twin = decoder.stream(), decoder.stream()
    twin.push(emissions)
    assert len(stream.push(emissions).committed) > 30
    found = stream.finish_n_best(5)
    assert len({each.text for each in found}) == 5
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    best = twin.finish().committed
    assert best.labels.tolist() == found[0].labels.tolist()
    assert best.confidences.tolist() == found[0].confidences.tolist()
    (whole,) = decoder.decode(emissions)
    assert found[0].score == pytest.approx(whole.score, rel=0.01)  # what was committed is in it


def test_a_stream_that_was_finished_has_no_more_readings():
    stream = BeamDecoder().stream()
    stream.push(doubtful(60))
    with pytest.raises(InputError, match="n_best=0"):
        stream.finish_n_best(0)
    assert len(stream.finish_n_best(2)) == 2
    assert stream.finish_n_best(2) == []
    assert len(stream.finish().committed) == 0
    with pytest.raises(InputError, match="was finished"):
        stream.push(certain("c"))


@given(emissions=EMISSIONS, arpa=MODELS, n_best=st.integers(1, 30), delay=st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_readings_that_are_settled_are_those_of_the_beam_up_to_a_frame_and_the_best_is_committed(
    emissions, arpa, n_best, delay
):
    options = {"beam_size": 20, "commit_delay": None}
    search = reference.Search(lm=arpa, **options)
    stream = BeamDecoder(lm=arpa and reference.TinyModel(arpa), **options).stream()
    for row in emissions:
        search.step(row)
    stream.push(emissions)
    horizon, n = len(emissions) - 1 - delay, search.n_committed
    last = max([-1, *search.committed_frames])
    expected = {}
    for reading in search.beam:
        frames = np.maximum.accumulate([last, *reading.frames[n:]])[1:]
        keys = reading.labels[n : n + int(np.searchsorted(frames, horizon, side="right"))]
        expected.setdefault(keys, reading.total)
    decoded, found = stream.settle_n_best(n_best, delay)
    assert [tuple(each.labels.tolist()) for each in found] == list(expected)[:n_best]
    assert [each.score for each in found] == pytest.approx(list(expected.values())[:n_best], rel=1e-9)
    if last < horizon:
        assert decoded.committed.labels.tolist() == found[0].labels.tolist()
        assert decoded.committed.frames.tolist() == found[0].frames.tolist()
        assert decoded.committed.confidences.tolist() == found[0].confidences.tolist()
    twin = stream.copy()
    assert twin.push(emissions[:0]).pending.labels.tolist() == decoded.pending.labels.tolist()
    twin.push(emissions)
    assert twin.finish().n_settled == 2 * len(emissions)


def test_a_finished_stream_settles_nothing_more():
    stream = BeamDecoder().stream()
    with pytest.raises(InputError, match="n_best=0"):
        stream.settle_n_best(0, 5)
    with pytest.raises(InputError, match="delay=-1"):
        stream.settle_n_best(1, -1)
    stream.finish()
    with pytest.raises(InputError, match="was finished"):
        stream.settle_n_best(1, 5)


def test_memory_does_not_grow_with_time():
    decoder = BeamDecoder(lm=reference.TinyModel(reference.random_model(2)), commit_delay=60)
    stream = decoder.stream()
    sizes = []
    for seed in range(12):
        stream.push(doubtful(2500, seed=seed, every=4, keys=3))
        sizes.append(sum(array.nbytes for array in stream.get_state().values()))
    assert sizes[-1] == sizes[3]
    assert sizes[-1] < 300_000


def test_backspaces_reach_back_over_what_is_committed():
    ngrams = {("<s>",): -99.0, ("<unk>",): -2.0, ("</s>",): -1.0, ("a",): -1.0, ("b",): -1.0, ("a", "b"): -0.25}
    decoder = BeamDecoder(lm=reference.TinyModel(reference.Arpa(ngrams, {})), lm_weight=1, insertion_bonus=0)
    stream = decoder.stream()
    stream.push(certain("a" + 200 * "ba"))
    assert stream._state.counts["depth"][0] > 300  # keys of the history, which are committed
    before = stream.copy()
    stream.push(certain(300 * "⌫"))
    stream.push(certain("b"))
    # what is seen now is a, (ba) 50 times, b
    assert stream._state.beam["total"][0] == pytest.approx(-1 + 50 * (-0.25 - 1) - 0.25)
    before.push(certain("b"))
    assert before._state.beam["total"][0] == pytest.approx(-1 + 200 * (-0.25 - 1) - 0.25)


def test_backspaces_that_reach_beyond_what_is_remembered_find_nothing_to_delete(monkeypatch):
    monkeypatch.setattr(beam_layout, "HISTORY_LENGTH", 3)
    ngrams = {("<s>",): -99.0, ("<unk>",): -2.0, ("</s>",): -1.0, ("a",): -1.0, ("<s>", "a"): -0.5}
    model = reference.TinyModel(reference.Arpa(ngrams, {}))
    stream = BeamDecoder(lm=model, lm_weight=1, insertion_bonus=0, commit_delay=0).stream()
    stream.push(certain("aaaaa"))
    scores = []
    for key in "⌫⌫⌫⌫⌫aa⌫⌫":
        stream.push(certain(key))
        scores.append(stream._state.beam["total"][0])
    remembered = -0.5 - 1  # the first two keys, which stay
    expected = [remembered + more for more in (-2, -1, 0, 0, 0, -0.5, -1.5, -0.5, 0)]
    assert scores == pytest.approx(expected)


def test_hot_words_begin_anew_where_what_came_before_is_forgotten(monkeypatch):
    monkeypatch.setattr(beam_layout, "HISTORY_LENGTH", 3)
    stream = BeamDecoder(commit_delay=0, hotwords={"anna": 1.0}).stream()
    scores = []
    for keys in ("banna", "⌫⌫", "anna", "⌫⌫⌫", "anna"):
        stream.push(certain(keys))
        scores.append(stream._state.beam["total"][0])
    assert scores == [0, 0, 0, 0, 4]


def test_a_transcriber_reads_with_it():
    transcriber = Transcriber.from_pretrained("demo", decoder=BeamDecoder(commit_delay=30))
    recording = simulate("hello from the wrist", seed=1)
    transcript = transcriber.transcribe(recording)
    assert transcript.text == "hello from the wrist\n"
    stream, keystrokes = transcriber.stream(), []
    for start in range(0, recording.n_samples, 777):
        update = stream.push(recording.emg[start : start + 777])
        keystrokes += update.committed
        assert all(0 <= keystroke.time <= stream.elapsed for keystroke in update.pending)
    keystrokes += stream.finish().committed
    assert [keystroke.key for keystroke in keystrokes] == [keystroke.key for keystroke in transcript.keystrokes]
    times = [[keystroke.time for keystroke in each] for each in (keystrokes, transcript.keystrokes)]
    assert times[0] == pytest.approx(times[1], abs=1e-6)
    assert all(0.3 < keystroke.confidence <= 1 for keystroke in keystrokes)
