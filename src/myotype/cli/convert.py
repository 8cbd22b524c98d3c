"""``myotype convert``: turn existing weights into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from myotype.cli.console import say
from myotype.errors import extra_for
from myotype.runtime.licenses import spdx


def run(
    source: Annotated[str, tyro.conf.Positional],
    /,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    license: str | None = None,  # noqa: A002  (the option's name)
    origin: str | None = None,
    revision: str | None = None,
) -> int:
    """Make a bundle of an original emg2qwerty checkpoint, a braindecode folder, or a repository on the Hub.

    Nothing in the source is run. Its weights are kept bit for bit; licence and citation travel with them.

    Parameters
    ----------
    source
        A Lightning checkpoint (.ckpt); a folder with config.json and model.safetensors or pytorch_model.bin; or a
        repository of the Hugging Face Hub (owner/name).
    output
        The bundle's folder; a bundle that stands there is replaced.
    license
        SPDX identifier of the weights' licence, if not what the source says.
    origin
        A sentence on what the weights were made from, if not what the source says.
    revision
        Branch, tag or commit on the Hub.
    """
    with extra_for("converting weights", "train"):
        from myotype.network.conversion import convert

    if license is not None and spdx(license) is None:
        say(f"{license}: not an SPDX identifier that the Hugging Face Hub knows; kept as it is written")
    bundle = convert(source, output, license=license, origin=origin, revision=revision)
    facts = bundle.facts
    say(f"{bundle.folder}: {facts.parameters:,} parameters, licence {facts.provenance.license}")
    return 0
