"""``myotype demo``: simulate somebody typing, and watch the text being read from their muscles."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from myotype.cli.console import clean, show_table, tell_of_compiling
from myotype.errors import InputError
from myotype.keyboard import N_LABELS
from myotype.metrics import align, error_rates, timing_errors
from myotype.transcript import Keystroke, Transcript, Update

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
    """What came out of the stream, and how long it took.

    Attributes
    ----------
    keystrokes
        Those that are committed, in order.
    pending
        Those after them, as they look now.
    shown
        When each of all of them was first seen as it stands: the end of the signal that had been pushed, and what its
        computing took, in seconds from the first sample.
    settled
        When each of the committed ones was committed, likewise.
    computing
        Seconds of computing in all.
    """

    keystrokes: list[Keystroke] = field(default_factory=list)
    pending: tuple[Keystroke, ...] = ()
    shown: list[float] = field(default_factory=list)
    settled: list[float] = field(default_factory=list)
    computing: float = 0.0

    def add(self, update: Update, pushed: float, took: float) -> None:
        now, n_settled = pushed + took, len(self.keystrokes)
        before = self.pending
        after = (*update.committed, *update.pending)
        stays = next(
            (i for i, (one, other) in enumerate(zip(before, after, strict=False)) if one.key != other.key),
            min(len(before), len(after)),
        )
        self.shown[n_settled + stays :] = [now] * (len(after) - stays)
        self.settled += [now] * len(update.committed)
        self.keystrokes += update.committed
        self.pending = update.pending
        self.computing += took

    @property
    def keys(self) -> str:
        return Transcript((*self.keystrokes, *self.pending)).keys


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

    if not 0 < pace < float("inf"):
        raise InputError(f"--pace {pace}: give a number above 0")
    console = Console(highlight=False)
    transcriber = Transcriber.from_pretrained(model)
    recording = simulate(PASSAGE if text is None else text, seed=seed, session=seed, speed=speed)
    path = output / f"{recording.name}.hdf5"
    write_hdf5(path, recording)
    console.print(f"[bold]{recording.duration:.0f} s of simulated EMG[/bold], two wristbands, 32 channels at 2 kHz:")
    console.print(Text(f"  {clean(str(path))}\n"), soft_wrap=True)
    tell_of_compiling()
    transcriber.decoder.decode(np.full((1, N_LABELS), -np.log(N_LABELS)))  # compiled, before anything is timed
    reading = _read(console, transcriber, recording, pace)
    console.print(_screen(recording, reading, recording.duration), "")
    console.print(_comparison(recording.truth, reading.keys, console))
    show_table(_figures(recording, reading), console)
    console.print("\nTry it on the file:")
    for options in ("", " --format tsv"):
        console.print(Text(f"  {_own_command()} transcribe {shlex.quote(str(path))}{options}"), soft_wrap=True)
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
            reading.add(update, end / recording.sfreq, time.perf_counter() - before)
            if live is not None:
                live.update(_screen(recording, reading, end / recording.sfreq), refresh=True)
                time.sleep(max(began + end / recording.sfreq / pace - time.perf_counter(), 0.0))
        reading.add(stream.finish(), recording.duration, 0.0)
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


def _comparison(typed: str, read: str, console: Console) -> Group:
    """Lay what was read below what was typed, with errors in colour, or marked where there is none."""
    plain = console.color_system is None or console.no_color
    rows: list[Text] = []
    line = [Text("typed "), Text("read  "), Text("      ")]

    def end_line() -> None:
        line[2].rstrip()
        rows.extend(line[: 3 if plain else 2])
        rows.append(Text())
        line[:] = Text("typed "), Text("read  "), Text("      ")

    for predicted, target in align(read, typed):
        if predicted == target:
            style, mark = "", " "
        elif predicted is None:
            style, mark = "black on yellow", "-"
        elif target is None:
            style, mark = "white on magenta", "+"
        else:
            style, mark = "white on red", "^"
        line[0].append(target or "·", "dim")
        line[1].append(predicted or "·", style)
        line[2].append(mark)
        if target == "⏎" or len(line[0]) >= console.width - 1:
            end_line()
    if len(line[0]) > 6:
        end_line()
    legend = Text.assemble(
        ("wrong", "white on red"), " ^  " if plain else " ",
        ("missing", "black on yellow"), " -  " if plain else " ",
        ("extra", "white on magenta"), " +" if plain else "",
    )  # fmt: skip
    return Group(*rows, legend, Text())


def _figures(recording: Recording, reading: _Reading) -> list[tuple[str, str]]:
    typed = recording.truth
    rates = error_rates(reading.keys, typed)
    pace = f"{recording.duration / reading.computing:.0f}x real time on one core, in pieces of {_CHUNK * 1000:.0f} ms"
    rows = [
        ("character error rate", f"{rates.cer:.1%} of {rates.target_length} keys (simulated EMG)"),
        ("errors", f"{rates.substitutions} wrong, {rates.deletions} missing, {rates.insertions} extra"),
        ("typing speed", f"{_speed(recording):.1f} keys/s"),
        ("reading speed", pace),
    ]
    start = float(recording.times[:1][0])
    for name, known, what in (
        ("delay", reading.shown, "from key-down to the key being shown"),
        ("delay, settled", reading.settled, "until it no longer changes"),
    ):
        # The same keystrokes at the times at which they were known, not pressed: how much later that is, is the delay.
        strokes = [replace(stroke, time=time) for stroke, time in zip(reading.keystrokes, known, strict=True)]
        delays = timing_errors(strokes, recording.key_presses, start)
        if delays:
            median, late = np.percentile(delays, [50, 95]) * 1000
            rows.append((name, f"{median:.0f} ms median, {late:.0f} ms 95 %, {what}"))
    return rows


def _speed(recording: Recording) -> float:
    presses = recording.key_presses
    return (len(presses) - 1) / max(presses[-1].down - presses[0].down, 1e-9)


def _own_command() -> str:
    """Give what to type to run this same program: in a virtual environment it may not be on the path."""
    called = Path(sys.argv[0])
    found = shutil.which("myotype")
    if called.name != "myotype":
        return f"{shlex.quote(sys.executable)} -m myotype"
    return "myotype" if found and Path(found).resolve() == called.resolve() else shlex.quote(os.path.relpath(called))
