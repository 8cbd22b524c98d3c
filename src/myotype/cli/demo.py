"""``myotype demo``: simulate somebody typing, and watch the text being read from their muscles."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from myotype.metrics import align, error_rates, timing_errors
from myotype.transcript import Keystroke, Transcript

if TYPE_CHECKING:
    from myotype.recordings import Recording
    from myotype.transcriber import Transcriber

PASSAGE: Final = """\
every key you press begins in your forearm.
the muscles move before the finger does, and a band on the wrist can hear them.
these lines were typed by simulated hands, and read from their muscles alone.
"""

_CHUNK: Final = 0.05  # seconds of signal in a push, about what a wristband sends


@dataclass
class _Reading:
    """What came out of the stream, and how long it took."""

    keystrokes: list[Keystroke] = field(default_factory=list)
    computing: float = 0.0

    @property
    def keys(self) -> str:
        return Transcript(tuple(self.keystrokes)).keys


def run(
    *,
    text: str | None = None,
    seed: int = 7,
    speed: float | None = None,
    pace: float = 4.0,
    model: str = "demo",
    output: Path = Path("myotype-demo"),
) -> int:
    """Simulate the demo typist, read the text from the simulated EMG, and compare.

    Parameters
    ----------
    text
        What to type, if not a passage that the model never saw.
    seed
        Of rhythm, mistakes, noise, and of how the bands sit.
    speed
        Keys a second, pauses included; the typist's own if not given.
    pace
        How many times faster than real the signal is shown on a terminal; elsewhere it is not slowed down.
    model
        A bundle's folder, or the name of a bundled model.
    output
        The folder that the recording is left in.
    """
    from myotype.recordings import write_hdf5
    from myotype.simulation import simulate
    from myotype.transcriber import Transcriber

    console = Console(highlight=False)
    transcriber = Transcriber.from_pretrained(model)
    recording = simulate(text or PASSAGE, seed=seed, session=seed, speed=speed)
    path = output / f"{recording.name}.hdf5"
    write_hdf5(path, recording)
    console.print(f"[bold]{recording.duration:.0f} s of simulated EMG[/bold], two wristbands, 32 channels at 2 kHz:")
    console.print(f"  {path}\n", soft_wrap=True)
    reading = _read(console, transcriber, recording, pace)
    console.print(_screen(recording, reading, recording.duration), "")
    typed = recording.key_text()
    console.print(_comparison(typed, reading.keys, console.width))
    console.print(_figures(transcriber, recording, reading))
    console.print("\nTry it on the file:")
    console.print(f"  myotype transcribe {path}", soft_wrap=True)
    console.print(f"  myotype transcribe {path} --format tsv", soft_wrap=True)
    return 0


def _read(console: Console, transcriber: Transcriber, recording: Recording, pace: float) -> _Reading:
    """Push the recording in small chunks, as a wristband would; on a terminal show the text as it comes."""
    reading = _Reading()
    stream = transcriber.stream()
    chunk = round(_CHUNK * recording.sfreq)
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    with live or contextlib.nullcontext():
        began = time.perf_counter()
        for start in range(0, recording.n_samples, chunk):
            end = min(start + chunk, recording.n_samples)
            samples, times = recording.emg[start:end], recording.times[start:end]
            before = time.perf_counter()
            update = stream.push(samples, times)
            reading.computing += time.perf_counter() - before
            reading.keystrokes += update.committed
            if live is not None:
                live.update(_screen(recording, reading, end / recording.sfreq), refresh=True)
                time.sleep(max(began + end / recording.sfreq / pace - time.perf_counter(), 0.0))
        reading.keystrokes += stream.finish().committed
    return reading


def _screen(recording: Recording, reading: _Reading, now: float) -> Group:
    start = float(recording.times[:1][0])
    typed = recording.key_text(end=start + now)
    return Group(
        Panel(Text(_broken(typed)), title="typed by the simulated hands", title_align="left", border_style="dim"),
        Panel(Text(_broken(reading.keys)), title="read from their EMG", title_align="left", border_style="cyan"),
    )


def _broken(keys: str) -> str:
    """Break lines after enter, keeping its symbol."""
    return keys.replace("⏎", "⏎\n").rstrip("\n")


def _comparison(typed: str, read: str, width: int) -> Group:
    """Lay what was read below what was typed, with errors in colour."""
    rows: list[Text] = []
    top, bottom = Text(style="dim"), Text()
    for predicted, target in align(read, typed):
        if predicted == target:
            style = ""
        elif predicted is None:
            style = "black on yellow"
        elif target is None:
            style = "white on magenta"
        else:
            style = "white on red"
        top.append(target or "·")
        bottom.append(predicted or "·", style)
        if target == "⏎" or len(top) >= width - 8:
            rows += [Text("typed ") + top, Text("read  ") + bottom, Text()]
            top, bottom = Text(style="dim"), Text()
    if top:
        rows += [Text("typed ") + top, Text("read  ") + bottom, Text()]
    legend = Text.assemble(
        ("wrong", "white on red"), " ", ("missing", "black on yellow"), " ", ("extra", "white on magenta")
    )
    return Group(*rows, legend, Text())


def _figures(transcriber: Transcriber, recording: Recording, reading: _Reading) -> Table:
    typed = recording.key_text()
    rates = error_rates(reading.keys, typed)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("character error rate", f"{rates.cer:.1%} of {rates.target_length} keys (simulated EMG)")
    table.add_row("errors", f"{rates.substitutions} wrong, {rates.deletions} missing, {rates.insertions} extra")
    table.add_row("typing speed", f"{_speed(recording):.1f} keys/s")
    start = float(recording.times[:1][0])
    errors = timing_errors(reading.keystrokes, recording.key_presses, start)
    if errors:
        # A keystroke's time lies the look-ahead before the end of the signal that it was read from.
        median, late = np.percentile(errors, [50, 95]) + transcriber.engine.facts.look_ahead
        table.add_row("delay", f"{median * 1000:.0f} ms median, {late * 1000:.0f} ms 95 %, from key-down to being read")
    table.add_row("speed", f"{recording.duration / reading.computing:.0f}x real time on one core, in 50 ms pieces")
    return table


def _speed(recording: Recording) -> float:
    presses = recording.key_presses
    return (len(presses) - 1) / max(presses[-1].down - presses[0].down, 1e-9)
