"""``myotype data``: recordings and corpora of them; each command is a file of its own."""

from __future__ import annotations

from typing import Annotated

import tyro

from myotype.cli.data.checking import Check
from myotype.cli.data.converting import Convert
from myotype.cli.data.downloading import Download
from myotype.cli.data.inspecting import Inspect
from myotype.cli.data.listing import List
from myotype.cli.data.preparing import Prepare
from myotype.cli.data.splitting import Split


def run(
    command: tyro.conf.OmitSubcommandPrefixes[
        Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Inspect, tyro.conf.subcommand("inspect")]
        | Annotated[Check, tyro.conf.subcommand("check")]
        | Annotated[Convert, tyro.conf.subcommand("convert")]
        | Annotated[Split, tyro.conf.subcommand("split")]
        | Annotated[Prepare, tyro.conf.subcommand("prepare")]
        | Annotated[Download, tyro.conf.subcommand("download")]
    ],
) -> int:
    """List, check, convert, divide, prepare and download recordings."""
    return command.run()
