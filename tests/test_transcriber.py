"""The pipeline: the same for every way of cutting the input, with the right times, through gaps and faults."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotype import Transcriber, recordings, simulate
from myotype.decoding import BeamDecoder, GreedyDecoder, NGram
from myotype.decoding.bundled import bundled_lm
from myotype.decoding.defaults import DecoderDefaults, lm_digest
from myotype.decoding.passages import PassageStream
from myotype.errors import InputError, LanguageModelError, ModelError, RecordingError
from myotype.metrics import error_rates
from myotype.recordings import Recording
from myotype.runtime import Bundle, Engine
from myotype.runtime.bundle import write_decoder_defaults
from myotype.transcriber import _best_sums, _NBestStream, _Reading
from myotype.transcript import Keystroke

SFREQ = 2000.0


@pytest.fixture(scope="module", params=["greedy", "beam"])
def transcriber(request):
    return Transcriber.from_pretrained("demo", decoder=request.param, lm=None)


@pytest.fixture(scope="module")
def recording():
    return simulate("the quick brown fox jumps over the lazy dog", seed=21, session=21)


@pytest.fixture(scope="module")
def signal(recording):
    return recording.emg[:], recording.times[:]


@pytest.fixture(scope="module")
def whole(transcriber, recording):
    return transcriber.transcribe(recording)


def assert_same(strokes, expected, confidence=1e-3):
    assert [stroke.key for stroke in strokes] == [stroke.key for stroke in expected]
    np.testing.assert_allclose([s.time for s in strokes], [s.time for s in expected], atol=1e-6)
    np.testing.assert_allclose([s.confidence for s in strokes], [s.confidence for s in expected], atol=confidence)


def test_simulated_typing_becomes_text(whole, recording):
    assert error_rates(whole.keys, recording.key_text()).cer < 0.25
    assert "fox" in whole.text
    assert whole.start == recording.times[:1][0]
    assert whole.duration == pytest.approx(recording.duration)
    assert whole.notes == ()


def test_keystrokes_come_close_to_the_presses(whole, recording):
    presses = np.array([press.down for press in recording.key_presses]) - whole.start
    nearest = [np.abs(presses - stroke.time).min() for stroke in whole.keystrokes]
    assert np.median(nearest) < 0.05
    assert all(0 < stroke.confidence <= 1 for stroke in whole.keystrokes)
    assert [s.time for s in whole.keystrokes] == sorted(s.time for s in whole.keystrokes)


@given(cuts=st.lists(st.integers(0, 30_000), max_size=40))
@settings(max_examples=15, deadline=None)
def test_a_stream_in_any_pieces_equals_the_whole_recording(transcriber, signal, whole, cuts):
    samples, times = signal
    stream, strokes = transcriber.stream(), []
    bounds = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    for start, end in pairwise(bounds):
        strokes += stream.push(samples[start:end], times[start:end]).committed
    strokes += stream.finish().committed
    assert_same(strokes, whole.keystrokes)
    assert stream.start == whole.start


def test_live_pieces_without_times_give_the_same_keystrokes(transcriber, signal, whole):
    stream, strokes = transcriber.stream(), []
    for start in range(0, len(signal[0]), 16):
        strokes += stream.push(signal[0][start : start + 16]).committed
    strokes += stream.finish().committed
    assert_same(strokes, whole.keystrokes)
    assert stream.start == 0


def test_a_copied_stream_goes_on_by_itself(transcriber, signal, whole):
    samples, times = signal
    stream = transcriber.stream()
    first = stream.push(samples[:9000], times[:9000]).committed
    twin = stream.copy()
    stream.push(np.zeros((4000, 32)))
    stream.finish()
    rest = twin.push(samples[9000:], times[9000:]).committed + twin.finish().committed
    assert_same(first + rest, whole.keystrokes)


def test_streams_of_one_transcriber_do_not_touch_each_other(transcriber, signal, whole):
    streams = [transcriber.stream() for _ in range(2)]
    strokes = [[], []]
    for start in range(0, len(signal[0]), 2500):
        for i in (0, 1):
            strokes[i] += streams[i].push(signal[0][start : start + 2500]).committed
    for i in (0, 1):
        strokes[i] += streams[i].finish().committed
        assert_same(strokes[i], whole.keystrokes)


def test_finishing_twice_gives_nothing_and_a_finished_stream_takes_nothing(transcriber, signal):
    stream = transcriber.stream()
    stream.push(signal[0])
    stream.finish()
    assert stream.finish().committed == ()
    with pytest.raises(InputError, match="finished"):
        stream.push(signal[0])


def test_after_a_long_gap_decoding_begins_anew_and_times_stay_true(transcriber, signal, whole):
    samples, times = signal
    later = times + np.where(np.arange(len(times)) >= 12_000, 5.0, 0.0)
    gapped = transcriber.transcribe(Recording(emg=samples, times=later))
    assert len(gapped.notes) == 1
    assert gapped.notes[0].time == pytest.approx(11_999 / SFREQ, abs=1e-6)
    before = [stroke for stroke in gapped.keystrokes if stroke.time < 12_000 / SFREQ]
    # The search is as sure of a key as the second after it makes it, which the gap cuts short for the last ones.
    sure = [stroke for stroke in before if stroke.time < 12_000 / SFREQ - 1.2]
    assert len(sure) > 5
    assert_same(sure, whole.keystrokes[: len(sure)])
    assert_same(before, whole.keystrokes[: len(before)], confidence=0.05)
    warm_up = transcriber.engine.facts.receptive_field / SFREQ
    after = [stroke for stroke in gapped.keystrokes if stroke.time > 12_000 / SFREQ + 5.0]
    expected = [s for s in whole.keystrokes if s.time > 12_000 / SFREQ + warm_up]
    assert [s.key for s in after][-len(expected) :] == [s.key for s in expected]
    np.testing.assert_allclose([s.time - 5.0 for s in after][-len(expected) :], [s.time for s in expected], atol=1e-6)
    assert gapped.duration == pytest.approx(whole.duration + 5.0)


def test_bad_samples_are_repaired_and_noted_with_their_place(transcriber, signal, whole):
    samples = signal[0].copy()
    samples[8000:8003, 4] = np.nan
    samples[9000, 20] = np.inf
    repaired = transcriber.transcribe(Recording(emg=samples))
    assert error_rates(repaired.keys, whole.keys).cer < 0.1
    (note,) = repaired.notes  # faults of a kind that lie close together make one note
    assert note.time == pytest.approx(4.0)
    assert "4 values of 2 channels" in note.message
    assert "samples 8000 to 9000" in note.message


def test_where_the_clock_runs_backwards_time_goes_on_and_keystrokes_stay_in_order(transcriber, signal, whole):
    samples, times = signal
    backwards = times - np.where(np.arange(len(times)) >= 12_000, 3600.0, 0.0)
    found = transcriber.transcribe(Recording(emg=samples, times=backwards))
    assert "time runs back" in found.notes[0].message
    assert found.duration == pytest.approx(whole.duration)
    strokes = [stroke.time for stroke in found.keystrokes]
    assert strokes == sorted(strokes)
    warm_up = transcriber.engine.facts.receptive_field / SFREQ
    late = [stroke for stroke in whole.keystrokes if stroke.time > 12_000 / SFREQ + warm_up]
    assert len(late) > 5
    # A beam's probabilities know of what was typed before, which a new beginning does not.
    assert_same(found.keystrokes[-len(late) :], late, confidence=2e-2)


class Watched:
    """An engine that looks at everything that goes through it."""

    def __init__(self, engine):
        self._engine = engine
        self.n_frames = 0

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def step(self, streams, chunks):
        assert all(np.isfinite(chunk).all() for chunk in chunks)
        emissions = self._engine.step(streams, chunks)
        assert all(np.isfinite(frames).all() for frames in emissions)
        self.n_frames += sum(map(len, emissions))
        return emissions


@pytest.fixture
def watched(transcriber):
    engine = Watched(transcriber.engine)
    return engine, Transcriber(engine, transcriber.decoder)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -1e30])
def test_no_signal_however_odd_makes_emissions_that_are_not_finite(watched, value):
    engine, transcriber = watched
    transcriber.transcribe(Recording(emg=np.full((6000, 32), value, np.float32)))
    assert engine.n_frames > 100


def test_a_signal_full_of_faults_is_read_as_far_as_it_goes(watched, signal, whole):
    engine, transcriber = watched
    samples, times = signal[0].copy(), signal[1].copy()
    samples[::501, 3] = np.nan
    samples[7000:7010] = np.inf
    times[15_000:] += 0.03
    times[16_000] = np.nan
    found = transcriber.transcribe(Recording(emg=samples, times=times))
    assert engine.n_frames > 500
    assert error_rates(found.keys, whole.keys).cer < 0.5
    assert {note.message.split(" ", 1)[1][:10] for note in found.notes} >= {"values of ", "missing sa", "time not f"}


def test_a_recording_too_short_for_the_model_is_empty_and_says_why(transcriber):
    found = transcriber.transcribe(Recording(emg=np.zeros((100, 32))))
    assert found.text == ""
    assert "shorter than" in found.notes[0].message


def test_a_recording_at_another_rate_is_refused(transcriber):
    with pytest.raises(RecordingError, match="1000 samples a second; the model takes 2000"):
        transcriber.transcribe(Recording(emg=np.zeros((5000, 32)), sfreq=1000.0))


@pytest.mark.parametrize("shape", [(100, 31), (32,), (1, 100, 32)])
def test_samples_of_another_shape_are_refused(transcriber, shape):
    with pytest.raises(InputError, match="shape"):
        transcriber.stream().push(np.zeros(shape))


def test_progress_is_reported(transcriber, recording, whole):
    shares, strokes = [], []

    def note(share, update):
        shares.append(share)
        strokes.extend(update.committed)

    transcriber.transcribe(recording, progress=note)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert_same(strokes, whole.keystrokes)


def test_a_model_of_other_channels_or_labels_is_refused(transcriber, tmp_path):
    bundle = transcriber.engine.bundle
    engine = Watched(transcriber.engine)
    engine.n_labels = 50
    with pytest.raises(ModelError, match="scores 50 labels; there are 99"):
        Transcriber(engine)
    engine.n_labels = 99
    engine.facts = dataclasses.replace(bundle.facts, n_chans=16)
    with pytest.raises(RecordingError, match="nice: 32 channels; the model takes 16"):
        Transcriber(engine).transcribe(Recording(emg=np.zeros((5000, 32)), name="nice"))


def test_a_model_or_decoder_that_does_not_exist_is_refused():
    with pytest.raises(ModelError, match="no such model"):
        Transcriber.from_pretrained("nobody")
    with pytest.raises(InputError, match="decoder 'psychic' is not known"):
        Transcriber.from_pretrained("demo", decoder="psychic")


def test_a_recording_of_the_release_goes_through_the_network_of_a_reference_checkpoint(golden, tmp_path):
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    from safetensors.torch import load_file

    from myotype.network import EMG2QwertyNet, export
    from myotype.runtime import Provenance

    folder = golden / "braindecode_tiny"  # the weights of golden/lightning_tiny.ckpt
    network = EMG2QwertyNet.from_config(json.loads((folder / "config.json").read_text())).eval()
    network.load_state_dict(load_file(folder / "model.safetensors"))
    export(network, tmp_path / "tiny", provenance=Provenance(license="CC-BY-NC-SA-4.0", source="the reference's tests"))
    found = Transcriber.from_pretrained(tmp_path / "tiny", decoder="greedy").transcribe(golden / "session_small.hdf5")
    with recordings.open(golden / "session_small.hdf5") as session, torch.inference_mode():
        emissions = network(torch.from_numpy(session.emg[:]).T[None])[0].log_softmax(-1).numpy()
        start = session.times[:1][0]
    (expected,) = GreedyDecoder().decode(emissions)
    assert len(expected.labels) > 100
    assert found.keys == expected.text
    assert found.start == start
    times = (expected.frames * 16 + network.receptive_field) / SFREQ - 0.1
    np.testing.assert_allclose([stroke.time for stroke in found.keystrokes], times, atol=2e-3)


BROKEN_AT_OPEN = [
    "missing_group",
    "missing_field_emg_right",
    "missing_field_time",
    "left_has_15_channels",
    "empty_timeseries",
    "truncated",
    "not_hdf5",
    "zero_bytes",
]


@pytest.mark.parametrize("name", BROKEN_AT_OPEN)
def test_files_that_cannot_be_transcribed_are_refused_at_open(golden, name):
    with pytest.raises(RecordingError, match=name):
        recordings.open(golden / "corrupt" / f"{name}.hdf5")


def test_every_other_broken_file_goes_through_finite_and_noted(golden, watched):
    engine, transcriber = watched
    paths = [path for path in sorted((golden / "corrupt").glob("*.hdf5")) if path.stem not in BROKEN_AT_OPEN]
    assert len(paths) == 22 - len(BROKEN_AT_OPEN)
    for path in paths:
        before = engine.n_frames
        found = transcriber.transcribe(path)
        assert engine.n_frames > before, path
        damaged = path.stem in {
            "nan_samples", "inf_sample", "nan_timestamp", "gap_half_second", "nonmonotonic_swap",
            "nonmonotonic_jump_back", "repeated_timestamps",
        }  # fmt: skip
        assert bool(found.notes) == damaged, (path, found.notes)


def test_decoders_and_language_models_are_chosen_by_name(recording, tmp_path):
    lines = ["the quick brown fox jumps over the lazy dog"] * 5
    model = NGram.estimate(lines, 4)
    model.save_arpa(tmp_path / "fox.arpa")
    read = {
        lm: Transcriber.from_pretrained("demo", decoder="beam", lm=given).transcribe(recording).keys
        for lm, given in {"file": tmp_path / "fox.arpa", "model": model, "english": "english", "none": None}.items()
    }
    assert read["file"] == read["model"]
    assert error_rates(read["file"], recording.key_text()).cer <= error_rates(read["none"], recording.key_text()).cer
    assert error_rates(read["english"], recording.key_text()).cer < 0.1


def test_a_language_model_that_is_none_is_refused(tmp_path):
    (tmp_path / "not.arpa").write_text("not a language model\n")
    with pytest.raises(LanguageModelError, match=r"not\.arpa"):
        Transcriber.from_pretrained("demo", decoder="beam", lm=tmp_path / "not.arpa")
    with pytest.raises(LanguageModelError, match="nowhere"):
        Transcriber.from_pretrained("demo", decoder="beam", lm="nowhere")


def test_a_key_of_a_stream_is_committed_after_two_seconds_at_any_frame_rate(transcriber):
    beam = Transcriber.from_pretrained("demo", decoder="beam", lm=None).decoder
    assert beam.commit_delay == round(2 * transcriber.engine.facts.frame_rate)


@given(cuts=st.lists(st.integers(0, 30_000), max_size=40))
@settings(max_examples=10, deadline=None)
def test_times_stay_true_where_a_model_begins_only_with_many_frames(transcriber, settling, signal, whole, cuts):
    samples, times = signal
    stream, strokes = settling.stream(), []
    bounds = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    for start, end in pairwise(bounds):
        strokes += stream.push(samples[start:end], times[start:end]).committed
    strokes += stream.finish().committed
    assert_same(strokes, whole.keystrokes)


@pytest.fixture(scope="module")
def settling(transcriber, tmp_path_factory):
    """The same transcriber, of a model that takes its first 150 frames in one piece."""
    folder = tmp_path_factory.mktemp("settling") / "model"
    shutil.copytree(Bundle.open("demo").folder, folder)
    facts = json.loads((folder / "myotype.json").read_text()) | {"settling_frames": 150}
    (folder / "myotype.json").write_text(json.dumps(facts))
    return Transcriber(Engine(Bundle.open(folder)), transcriber.decoder)


def test_beam_search_with_the_bundled_language_model_is_the_default():
    decoder = Transcriber.from_pretrained("demo").decoder
    assert isinstance(decoder, BeamDecoder)
    assert decoder.lm is bundled_lm()


def test_a_model_that_was_tuned_is_searched_with_its_own_weights(tmp_path):
    defaults = DecoderDefaults(
        lm="english", lm_sha256=lm_digest(bundled_lm()), lm_weight=1.125, insertion_bonus=2.5, beam_size=33,
        cer_before=0.1, cer_after=0.09, cer_greedy=0.2, keys=5000, recordings=4, simulated=True,
    )  # fmt: skip
    write_decoder_defaults(Bundle.open("demo"), defaults, copy_to=tmp_path / "tuned")
    decoder = Transcriber.from_pretrained(tmp_path / "tuned").decoder
    assert (decoder.lm_weight, decoder.insertion_bonus, decoder.beam_size) == (1.125, 2.5, 33)
    assert Transcriber.from_pretrained(tmp_path / "tuned", lm=None).decoder.beam_size == 50


def test_hot_words_are_given_by_name_and_only_to_decoders_made_by_name():
    assert Transcriber.from_pretrained("demo", hotwords={"fox": 1.5}).decoder.hotwords == {"fox": 1.5}
    with pytest.raises(InputError, match="hot words need the beam search"):
        Transcriber.from_pretrained("demo", decoder="greedy", hotwords={"fox": 1.5})
    with pytest.raises(InputError, match="has its own language model, hot words"):
        Transcriber.from_pretrained("demo", decoder=BeamDecoder(), hotwords={"fox": 1.5})
    for options in ({"lm": "mine.npz"}, {"lm_weight": 1.0}, {"beam_size": 5}):
        with pytest.raises(InputError, match="has its own language model"):
            Transcriber.from_pretrained("demo", decoder=BeamDecoder(), **options)
    assert Transcriber.from_pretrained("demo", lm_weight=0.5, beam_size=9).decoder.beam_size == 9
    assert Transcriber.from_pretrained("demo", hotwords=["fox"]).decoder.hotwords == {"fox": 1.5}


@pytest.fixture(scope="module")
def beam():
    return Transcriber.from_pretrained("demo", lm=None)


def test_the_network_alone_says_what_the_decoder_reads(transcriber, recording, whole):
    shares = []
    found = transcriber.emissions(recording, progress=shares.append)
    (emissions,) = found.stretches
    assert emissions.dtype == np.float32
    (expected,) = GreedyDecoder().decode(emissions)
    greedy = Transcriber(transcriber.engine).transcribe(recording)
    assert greedy.keys == expected.text
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_network_alone_begins_anew_after_a_gap_and_notes_it(transcriber, signal, recording):
    samples, times = signal
    later = times + np.where(np.arange(len(times)) >= 12_000, 5.0, 0.0)
    found = transcriber.emissions(Recording(emg=samples, times=later))
    facts = transcriber.engine.facts
    before = transcriber.emissions(recording).stretches[0]
    n_before = (12_000 - facts.receptive_field) // facts.hop_length + 1
    assert [len(stretch) for stretch in found.stretches] == [
        n_before, (len(samples) - 12_000 - facts.receptive_field) // facts.hop_length + 1,
    ]  # fmt: skip
    np.testing.assert_allclose(found.stretches[0], before[:n_before], atol=1e-3)
    assert len(found.notes) == 1
    with pytest.raises(RecordingError, match="1000 samples a second; the model takes 2000"):
        transcriber.emissions(Recording(emg=np.zeros((5000, 32)), sfreq=1000.0))


def by_hand(beam, recording, n_best):
    """Give the best sums of the readings of all passages of all stretches: keys with their scores."""
    best, rate, n_passages = {"": 0.0}, beam.engine.facts.frame_rate, 0
    for emissions in beam.emissions(recording).stretches:
        stream = beam.decoder.stream(commit_delay=round(20 * rate))
        passages = PassageStream(stream, n_best, round(rate / 2), round(2 * rate))
        passages.push(emissions)
        passages.finish()
        for passage in passages.take_passages():
            n_passages += any(one.text for one in passage)
            sums = sorted(((best[keys] + one.score, keys + one.text) for keys in best for one in passage), reverse=True)
            best = {}
            for score, keys in sums:
                best.setdefault(keys, score)
            best = dict(list(best.items())[:n_best])
    return best, n_passages


def test_several_readings_are_the_best_sums_of_those_of_all_passages(beam, pausing):
    found = beam.transcribe(pausing, n_best=12)
    expected, n_passages = by_hand(beam, pausing, 12)
    assert n_passages > 3
    assert [one.keys for one in found.alternatives] == list(expected)
    scores = [one.score for one in found.alternatives]
    np.testing.assert_allclose(scores, list(expected.values()), rtol=1e-5)
    assert scores == sorted(scores, reverse=True)
    assert found.alternatives[0].keystrokes == found.keystrokes
    assert len({one.keys for one in found.alternatives}) == 12
    differ = {
        next(i for i, (a, b) in enumerate(zip(one.keys, found.keys, strict=False)) if a != b)
        for one in found.alternatives[1:]
    }
    assert max(differ) - min(differ) > len(found.keys) / 3, "not at the end alone"
    for one in found.alternatives:
        times = [stroke.time for stroke in one.keystrokes]
        assert times == sorted(times)


@pytest.fixture(scope="module")
def pausing():
    return simulate(minutes=0.7, seed=23, session=23, speed=6.0)


def test_readings_across_a_gap_are_the_best_sums_of_those_on_its_sides(beam, signal):
    samples, times = signal
    later = times + np.where(np.arange(len(times)) >= 12_000, 5.0, 0.0)
    gapped = Recording(emg=samples, times=later)
    expected, _ = by_hand(beam, gapped, 12)
    found = beam.transcribe(gapped, n_best=12)
    assert [one.keys for one in found.alternatives] == list(expected)
    np.testing.assert_allclose([one.score for one in found.alternatives], list(expected.values()), rtol=1e-5)
    assert found.alternatives[0].keystrokes == found.keystrokes
    after = [stroke.time for stroke in found.alternatives[-1].keystrokes if stroke.time > 12_000 / SFREQ + 1]
    assert min(after) > 12_000 / SFREQ + 5.0


@given(cuts=st.lists(st.integers(0, 30_000), max_size=10), at=st.integers(0, 10))
@settings(max_examples=8, deadline=None)
def test_several_readings_are_the_same_for_every_way_of_cutting_the_input(beam, signal, recording, cuts, at):
    samples, times = signal
    expected = beam.transcribe(recording, n_best=5)
    stream, strokes = _NBestStream(beam, 5), []
    bounds = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        strokes += stream.push(samples[start:end], times[start:end]).committed
        if number == at:
            stream = stream.copy()
    strokes += stream.finish().committed
    assert_same(strokes, expected.keystrokes)
    for found, one in zip(stream.alternatives, expected.alternatives, strict=True):
        assert_same(found.keystrokes, one.keystrokes)
        assert found.score == pytest.approx(one.score, abs=1e-2)


def test_readings_of_which_the_keys_are_the_same_are_given_once():
    one, later, none = (Keystroke("a", 1.0, 0.5),), (Keystroke("a", 9.0, 0.5),), ()
    nothing = [_Reading(0.0, hashlib.blake2b(), (), None)]
    before = _best_sums(nothing, [(-1.0, one), (-2.0, none)], 4)
    found = _best_sums(before, [(-1.5, later), (-2.0, none)], 4)
    keys = [reading.keystrokes() for reading in found]
    assert [reading.score for reading in found] == [-2.5, -3.0, -4.0]
    assert keys == [(*one, *later), one, none], "of two that read the same, the more probable"
    assert [reading.score for reading in _best_sums(before, [(-1.5, later), (-2.0, none)], 2)] == [-2.5, -3.0]


def test_there_is_one_reading_of_nothing(beam):
    found = beam.transcribe(Recording(emg=np.zeros((100, 32))), n_best=5)
    assert [one.keys for one in found.alternatives] == [""]


def test_alternatives_are_given_when_they_are_asked_for(transcriber, whole):
    assert whole.alternatives == ()


def test_the_number_of_readings_may_be_of_any_whole_type(beam, recording):
    assert len(beam.transcribe(recording, n_best=np.int64(3)).alternatives) == 3


@pytest.mark.parametrize("n_best", [0, -1, 2.5, 1.0, None, 1001])
def test_an_impossible_number_of_readings_is_refused(beam, recording, n_best):
    with pytest.raises(InputError, match="n_best"):
        beam.transcribe(recording, n_best=n_best)


def test_greedy_decoding_has_one_reading(beam, recording):
    with pytest.raises(InputError, match="only the beam search"):
        Transcriber(beam.engine).transcribe(recording, n_best=2)
