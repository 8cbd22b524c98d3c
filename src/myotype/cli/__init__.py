"""The command line: ``myotype COMMAND``. Each command is a file of its own and is imported when it is called."""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Final

from myotype.errors import InputError, MyotypeError

COMMANDS: Final = {
    "demo": "simulate somebody typing, and watch the text being read from their muscles",
    "transcribe": "read what was typed in recordings",
    "simulate": "make recordings of simulated typists",
    "train": "train a model",
    "personalise": "turn a model into one of a person, by some minutes of typing",
    "data": "list, check, convert, divide, prepare and download recordings",
    "lm": "build, measure, prune and tune language models of keys",
    "convert": "turn existing weights into a model",
    "verify": "check that a model is what it says",
    "info": "say what a model, a recording or this installation is",
    "bench": "measure how fast this machine is, beside what is aimed at",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name.

    Returns
    -------
    int
        The exit code: 0 well, 1 failed, 2 misused, 130 interrupted.
    """
    command, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if sys.stdout is None:
        print("myotype: there is no standard output to write to", file=sys.stderr)
        return 1
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # keys have symbols that older encodings lack
    try:
        with _terminated_as_exit():
            code = _run(command, rest)
        sys.stdout.flush()
    except InputError as error:
        message, code = str(error), 2
    except MyotypeError as error:
        message, code = str(error), 1
    except KeyboardInterrupt:
        message, code = "interrupted", 130
    except OSError as error:
        if error.filename is not None:
            raise
        # Standard output: full, or its reader has left. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message, code = f"cannot write to standard output: {error.strerror}", 1
    else:
        return code
    from myotype.cli.console import clean

    print(clean(f"myotype {command}: {message}"), file=sys.stderr)
    return code


@contextmanager
def _terminated_as_exit() -> Iterator[None]:
    """Leave by an exception when asked to terminate, so that temporary files are cleared away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(command: str, arguments: list[str]) -> int:
    if command in ("-h", "--help"):
        print(_usage())
        return 0
    if command == "--version":
        print(metadata.version("myotype"))
        return 0
    if command not in COMMANDS:
        raise InputError(f"there is no such command\n\n{_usage()}")
    import tyro

    module = importlib.import_module(f"myotype.cli.{command}")
    run, registry = module.run, None
    config: tuple[tyro.conf._markers.Marker, ...] = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    if hasattr(module, "command"):  # whose options have defaults that depend on other options
        run, registry = module.command(arguments)
        config = (tyro.conf.FlagCreatePairsOff,)
    try:
        result: int = tyro.cli(run, args=arguments, prog=f"myotype {command}", config=config, registry=registry)
    except SystemExit as stop:  # tyro's way out of --help and of arguments that do not parse
        return stop.code if isinstance(stop.code, int) else 2
    return result


def _usage() -> str:
    lines = ["usage: myotype COMMAND [ARGUMENTS]", "", "commands:"]
    lines += [f"  {name:<11} {purpose}" for name, purpose in COMMANDS.items()]
    lines += ["", "myotype COMMAND --help says more; myotype --version says which version this is"]
    return "\n".join(lines)
