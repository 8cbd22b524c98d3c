"""What the demo keeps of a stream: what is shown when, and when it is settled."""

from __future__ import annotations

from myotype import Transcriber, simulate
from myotype.cli.demo import _CHUNK, _Reading
from myotype.transcript import Keystroke, Update


def strokes(keys):
    return tuple(Keystroke(key, float(place), 0.5) for place, key in enumerate(keys))


def test_a_key_is_shown_when_it_first_stands_as_it_stays_and_settled_when_it_is_committed():
    reading = _Reading()
    reading.add(Update((), strokes("ca")), 1.0, 0.5)
    reading.add(Update((), strokes("cot")), 2.0, 0.5)
    assert (reading.keys, reading.shown) == ("cot", [1.5, 2.5, 2.5])
    reading.add(Update(strokes("c"), strokes("at")), 3.0, 0.5)
    assert (reading.keys, reading.shown, reading.settled) == ("cat", [1.5, 3.5, 3.5], [3.5])
    reading.add(Update((), strokes("a")), 4.0, 0.5)
    assert (reading.keys, reading.shown) == ("ca", [1.5, 3.5])
    reading.add(Update(strokes("ar")), 5.0, 0.5)
    assert (reading.keys, reading.shown, reading.settled) == ("car", [1.5, 3.5, 5.5], [3.5, 5.5, 5.5])
    assert reading.pending == ()
    assert reading.computing == 2.5


def test_what_is_settled_was_shown_before_and_is_what_the_transcriber_reads():
    transcriber = Transcriber.from_pretrained("demo")
    recording = simulate("hello there", seed=4, session=4)
    reading, stream = _Reading(), transcriber.stream()
    chunk = round(_CHUNK * recording.sfreq)
    for start in range(0, recording.n_samples, chunk):
        end = min(start + chunk, recording.n_samples)
        reading.add(stream.push(recording.emg[start:end], recording.times[start:end]), end / recording.sfreq, 0.0)
    reading.add(stream.finish(), recording.duration, 0.0)
    assert reading.keys == transcriber.transcribe(recording).keys
    assert len(reading.shown) == len(reading.settled) == len(reading.keystrokes)
    assert all(shown <= settled for shown, settled in zip(reading.shown, reading.settled, strict=True))
    assert min(settled - shown for shown, settled in zip(reading.shown[:5], reading.settled[:5], strict=True)) > 0.5
