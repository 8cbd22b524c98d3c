"""The command line: ``myotype COMMAND``. Each command is a file of its own and is imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Final

from myotype.errors import MyotypeError

COMMANDS: Final = {
    "demo": "simulate somebody typing, and watch the text being read from their muscles",
    "transcribe": "read what was typed in recordings",
    "simulate": "make recordings of simulated typists",
    "train": "train a model",
    "info": "say what a model, a recording or this installation is",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name and give the exit code: 0 well, 1 failed, 2 misused, 130 interrupted."""
    command, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if command in ("-h", "--help"):
        print(_usage())
        return 0
    if command == "--version":
        print(metadata.version("myotype"))
        return 0
    if command not in COMMANDS:
        print(f"myotype: there is no command {command!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    try:
        return _run(command, rest)
    except MyotypeError as error:
        message, code = str(error), 1
    except KeyboardInterrupt:
        message, code = "interrupted", 130
    except BrokenPipeError:
        # Whoever read the output has left. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message, code = "the output was closed", 1
    print(f"myotype {command}: {message}", file=sys.stderr)
    return code


def _run(command: str, arguments: list[str]) -> int:
    import tyro

    run = importlib.import_module(f"myotype.cli.{command}").run
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagConversionOff)
    try:
        result: int = tyro.cli(run, args=arguments, prog=f"myotype {command}", config=config)
    except SystemExit as stop:  # tyro's way out of --help and of arguments that do not parse
        return stop.code if isinstance(stop.code, int) else 2
    return result


def _usage() -> str:
    lines = ["usage: myotype COMMAND [ARGUMENTS]", "", "commands:"]
    lines += [f"  {name:<11} {purpose}" for name, purpose in COMMANDS.items()]
    lines += ["", "myotype COMMAND --help says more; myotype --version says which version this is"]
    return "\n".join(lines)
