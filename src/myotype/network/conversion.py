"""From weights that somebody has, in a checkpoint, a folder or on the Hub, to a network and to a bundle."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Unpack

from myotype.network.architectures import class_of
from myotype.network.checkpoints import ORIGINAL, read_checkpoint
from myotype.network.exporting import export
from myotype.network.loading import filled, load_network
from myotype.network.pretrained import PretrainedNetwork
from myotype.runtime import Bundle, Provenance
from myotype.runtime.hub import HubOptions
from myotype.runtime.licenses import UNKNOWN, normal


def convert_checkpoint(path: str | os.PathLike[str]) -> PretrainedNetwork:
    """Make a network of an original Lightning checkpoint, or of a folder of weights; nothing in it is run.

    Parameters
    ----------
    path
        A ``.ckpt`` of the original release or of its training code; a folder with ``config.json`` and
        ``model.safetensors`` or ``pytorch_model.bin``, as braindecode writes them; or a bundle.

    Returns
    -------
    network
        An EMG2QwertyNet, or what the bundle holds: in evaluation mode, with the checkpoint's weights bit for bit. Its
        `provenance` says where they come from.

    Raises
    ------
    ModelError
        If the file is malformed, asks for anything that is not known to be harmless, or does not hold the weights of
        such a network.
    """
    checkpoint = read_checkpoint(path)
    return filled(class_of(checkpoint.architecture or ORIGINAL, str(path)), checkpoint, str(path))


def convert(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    license: str | None = None,  # noqa: A002  (what everybody calls it)
    origin: str | None = None,
    **hub: Unpack[HubOptions],
) -> Bundle:
    """Make a bundle of weights that somebody has.

    Parameters
    ----------
    source
        What `convert_checkpoint` takes, or a repository on the Hub ("owner/name").
    folder
        Where to; an existing bundle there is replaced.
    license
        SPDX identifier of the weights' licence, if not what the source says.
    origin
        A sentence on what the weights were made from, if not what the source says.
    **hub
        For the Hub: see :class:`~myotype.runtime.hub.HubOptions`.

    Raises
    ------
    InputError
        If published weights, or what was made from them, are to be given another licence.
    ModelError
        If the source cannot be read or does not hold such a network.
    OutputError
        If the folder cannot be written.
    """
    network = load_network(source, **hub)
    provenance = network.provenance or Provenance(license=UNKNOWN, source="")
    versions = {
        "changes in conversion": "none of the numbers; written as safetensors and ONNX, the head as final_layer",
        "converted": datetime.now(tz=UTC).date().isoformat(),
        "converted by": f"myotype {metadata.version('myotype')}, torch {metadata.version('torch')}",
    }
    stated = replace(
        provenance,
        license=provenance.license if license is None else normal(license),
        source=provenance.source if origin is None else origin,
        details={**provenance.details, **versions},
    )
    return export(network, folder, provenance=stated)
