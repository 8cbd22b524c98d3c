"""What every command shows on stderr: progress and notes; plain text where it is not a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from myotype.transcript import Note

stderr = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show bars while the block runs, where stderr is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        yield bar


def say(message: str) -> None:
    """Print a line on stderr."""
    stderr.print(escape(message))


def warn(message: str) -> None:
    """Print a line on stderr that should be seen."""
    stderr.print(f"[yellow]{escape(message)}[/yellow]")


def show_notes(name: str, notes: Sequence[Note]) -> None:
    """Print what was found in a signal, with its place."""
    for note in notes:
        warn(f"{name}: at {note.time:.3f} s: {note.message}")
