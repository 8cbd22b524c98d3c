"""What commands show: progress and notes on stderr, tables on stdout; plain text where it is not a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from myotype.transcript import Note


def clean(text: str) -> str:
    """Make control characters visible: names and labels come from files, and a terminal obeys what it is told."""
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t" else c for c in text)


class ProgressBar:
    """A bar on stderr with the latest figures beside it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=1.0, figures="")
        self._said = 0.0

    @property
    def visible(self) -> bool:
        """Whether anybody sees it."""
        return not self._progress.disable

    def show(self, what: str, share: float, figures: str = "") -> None:
        """Say what is being done, which share of it is, and what there is to tell of it."""
        self._progress.update(self._task, description=Text(clean(what)).markup, completed=share, figures=figures)

    def follow(self, stage: str, share: float, figures: Mapping[str, float]) -> None:
        """Show how far a training run is; where nobody sees the bar, say it every twentieth of the run."""
        shown = {"loss": "loss {:.3g}", "val/CER": "CER {:.3g} %", "speed": "{:.3g} s of EMG a second"}
        text = ", ".join(pattern.format(figures[name]) for name, pattern in shown.items() if name in figures)
        self.show(stage, share, text)
        if not self.visible and stage == "training" and share >= self._said + 0.05:
            self._said = share
            say(f"{stage}: {share:.0%}, {text}")


def stderr() -> Console:
    """Give a console on stderr as it is now."""
    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


@contextmanager
def progress_bar() -> Iterator[ProgressBar]:
    """Show a bar while the block runs, where stderr is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    console = stderr()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield ProgressBar(progress)


@contextmanager
def resumable(run: Path) -> Iterator[None]:
    """Say how to go on with a training run where the block is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        begun = (run / "checkpoints" / "last.ckpt").exists()
        say("the same command with --resume goes on after the last whole epoch" if begun else "no epoch was whole yet")
        raise


def say(message: str) -> None:
    """Print a line on stderr."""
    stderr().print(clean(message))


def warn(message: str) -> None:
    """Print a line on stderr that should be seen."""
    stderr().print(clean(message), style="yellow")


def tell_of_compiling() -> None:
    """Say that the first search takes seconds, where it was not compiled on this machine yet."""
    from myotype.decoding.beam_kernels import is_compiled

    if not is_compiled():
        say("compiling the search, which takes some seconds the first time")


def counted(number: int, noun: str) -> str:
    """Write a number and what there are so many of."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_notes(name: str, notes: Sequence[Note]) -> None:
    """Print what was found in a signal, with its place."""
    for note in notes:
        warn(f"{name}: at {note.time:.3f} s: {note.message}")


def show_table(
    rows: Iterable[Sequence[str]], console: Console | None = None, header: Sequence[str] | None = None
) -> None:
    """Print rows of a name and what belongs to it: in columns on a terminal, separated by tabs elsewhere."""
    console = console or Console(highlight=False)
    lines = [header, *rows] if header is not None else list(rows)
    if not console.is_terminal:
        for row in lines:
            # Not by rich, which makes spaces of tabs; a line break or tab in a value must not forge a row or column.
            console.file.write("\t".join(" ".join(clean(value).split()) for value in row) + "\n")
        return
    table = Table(show_header=header is not None, box=None, pad_edge=False)
    for index in range(max(map(len, lines), default=0)):
        table.add_column(header[index] if header is not None else "", style="" if index else "dim", overflow="fold")
    for row in lines[header is not None :]:
        table.add_row(*(Text(clean(value)) for value in row))
    console.print(table)
