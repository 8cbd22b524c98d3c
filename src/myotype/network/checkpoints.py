"""Checkpoints from elsewhere: weights, the network they are for, and where they come from. Nothing in them is run."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from myotype.errors import ModelError
from myotype.network.archives import SavedFile
from myotype.network.originals import brief, check_sizes, original_config, unwrapped
from myotype.runtime import Provenance, published
from myotype.runtime.bundle import (
    CARD_FILE,
    CONFIG_FILE,
    FACTS_FILE,
    WEIGHTS_FILE,
    check_weights,
    read_facts,
    read_json,
)
from myotype.runtime.hub import PICKLE_FILE
from myotype.runtime.licenses import UNKNOWN, normal
from myotype.runtime.provenance import provenance_of_metadata

ORIGINAL: Final = "EMG2QwertyNet"
"""The network of the original release, and of what braindecode writes."""

_LOOK_AHEAD: Final = 0.1  # seconds: what the original baseline was trained with

_LARGEST_CARD: Final = 1 << 16
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file or folder of weights holds.

    Attributes
    ----------
    config
        Constructor arguments of the network, as in a braindecode ``config.json``.
    weights
        Under the names that the file uses; an original's head is ``model.4``.
    provenance
        Where the weights come from.
    look_ahead
        Seconds from a key's press to the end of the signal that the network reads it from.
    architecture
        What network the weights are for; None where nothing says so.
    """

    config: dict[str, Any]
    weights: dict[str, Tensor]
    provenance: Provenance
    look_ahead: float
    architecture: str | None


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read weights and what is known of them; nothing in the file is run.

    Parameters
    ----------
    path
        A Lightning checkpoint (``.ckpt``) of the original release or of its training code; a bundle's folder; or a
        folder with ``config.json`` and ``model.safetensors`` or else ``pytorch_model.bin``, as braindecode writes them.

    Returns
    -------
    Checkpoint
        The weights bit for bit, in memory of their own.

    Raises
    ------
    ModelError
        If there is nothing, or it is malformed, contradicts itself, or asks for what is not known to be harmless.
    """
    try:
        # These two, unlike their like in pathlib, raise nothing on names that no file can have.
        if os.path.isdir(path):  # noqa: PTH112
            return _read_folder(Path(path))
        if os.path.isfile(path):  # noqa: PTH113
            return _read_original(Path(path))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    raise ModelError(f"{path}: no such file or folder")


def _read_original(path: Path) -> Checkpoint:
    with SavedFile.open(path) as file:
        content = file.content
        if not isinstance(content, dict) or not isinstance(content.get("state_dict", content), dict):
            raise ModelError(f"{path}: holds no weights: expected a Lightning checkpoint")
        parameters = unwrapped(content.get("hyper_parameters"))
        missing = [name for name in ("state_dict", "hyper_parameters") if name not in content]
        if missing or not isinstance(parameters, dict):
            raise ModelError(
                f"{path}: has no {' and no '.join(missing) or 'sound hyper_parameters'}, so that nothing says what "
                f"network the weights are for: give the Lightning checkpoint that they were taken from, or put them as "
                f"{PICKLE_FILE} into a folder with the network's {CONFIG_FILE}"
            )
        _check_names(content["state_dict"], path)
        weights = file.tensors(content["state_dict"])
        config = original_config(weights, parameters, str(path))
        provenance = _provenance_of_original(content, _facts_of_file(path, file.size, file.sha256()))
    return Checkpoint(config, weights, provenance, _LOOK_AHEAD, ORIGINAL)


def _provenance_of_original(content: Mapping[str, Any], details: dict[str, Any]) -> Provenance:
    is_published = (details["source size"], details["source SHA-256"]) == (
        published.CHECKPOINT_SIZE,
        published.CHECKPOINT_SHA256,
    )
    for name, key in (("epoch", "epoch"), ("global step", "global_step")):
        if type(content.get(key)) is int and 0 <= content[key] < 1 << 62:
            details[name] = content[key]
    version = content.get("pytorch-lightning_version")
    if isinstance(version, str) and re.fullmatch(r"[0-9A-Za-z.+_-]{1,50}", version):
        details["pytorch-lightning"] = version
    which = "the published generic checkpoint" if is_published else "an original checkpoint"
    return Provenance(
        license=published.LICENSE,
        source=f"Converted from {which} of emg2qwerty.",
        citation=published.CITATION,
        details={"made by": published.MADE_BY, **details},
    )


def _read_folder(folder: Path) -> Checkpoint:
    if not (folder / CONFIG_FILE).is_file():
        raise ModelError(f"{folder}: has no {CONFIG_FILE}: give a bundle, a braindecode folder, or a checkpoint's file")
    config = read_json(folder / CONFIG_FILE)
    config.pop("braindecode_version", None)
    check_sizes(config, str(folder / CONFIG_FILE))
    file = folder / WEIGHTS_FILE
    metadata: dict[str, str] = {}
    if file.is_file():
        metadata = check_weights(file)
        weights = _read_safetensors(file)
    elif (folder / PICKLE_FILE).is_file():
        file = folder / PICKLE_FILE
        weights = _read_pickled(file)
    else:
        raise ModelError(f"{folder}: has no weights: neither {WEIGHTS_FILE} nor {PICKLE_FILE}")
    noted = provenance_of_metadata(metadata, str(file))
    if (folder / FACTS_FILE).is_file():
        facts = read_facts(folder / FACTS_FILE, config)
        if noted is not None and noted.license != facts.provenance.license:
            raise ModelError(
                f"{folder}: {FACTS_FILE} says that the weights stand under {facts.provenance.license}, but they say "
                f"themselves that it is {noted.license}: these are not the weights of this bundle"
            )
        return Checkpoint(config, weights, facts.provenance, facts.look_ahead, facts.architecture)
    provenance = noted or _provenance_of_card(folder / CARD_FILE)
    if "source file" not in provenance.details:  # else they say of what file these weights were made
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        details = _facts_of_file(file, file.stat().st_size, digest)
        provenance = replace(provenance, details={**provenance.details, **details})
    return Checkpoint(config, weights, provenance, _LOOK_AHEAD, architecture=None)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        mapped = load_file(path)
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ModelError(f"{path}: not a sound safetensors file: copy it again") from error
    _check_names(mapped, path)
    return {name: tensor.clone() for name, tensor in mapped.items()}  # what is mapped changes when the file does


def _read_pickled(path: Path) -> dict[str, Tensor]:
    with SavedFile.open(path) as file:
        if not isinstance(file.content, dict):
            raise ModelError(f"{path}: holds no weights: expected a state dict")
        _check_names(file.content, path)
        return file.tensors(file.content)


def license_of_card(path: Path) -> str:
    """Read the licence from the front matter of a folder's README; "unknown" where there is none."""
    lines: list[str] = []
    if path.is_file():
        with path.open("rb") as file:
            lines = file.read(_LARGEST_CARD).decode("utf-8-sig", errors="replace").splitlines()
    stated = {"license": "", "license_name": ""}
    if lines and lines[0].rstrip() == "---":
        for line in takewhile(lambda line: not line.startswith("---"), lines[1:]):
            found = re.fullmatch(r"(license|license_name):\s*([\"']?)([A-Za-z0-9.+-]{1,100})\2\s*(#.*)?", line)
            if found is not None:
                stated[found[1]] = found[3]
    return normal(stated["license_name"] if stated["license"] == "other" else stated["license"])


def _provenance_of_card(path: Path) -> Provenance:
    """Say what a folder's card says: the licence; what the weights were made from is not known."""
    name = license_of_card(path)
    said = "which states no licence" if name == UNKNOWN else "whose card states the licence"
    return Provenance(
        license=name,
        source=f"Loaded from a braindecode folder, {said}.",
        # braindecode puts this licence on every network of the kind, and the network is that paper's in any case.
        citation=published.CITATION if name == published.LICENSE else "",
    )


def _check_names(weights: Iterable[object], path: Path) -> None:
    for name in weights:
        if not isinstance(name, str) or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise ModelError(f"{path}: {brief(name)} is no name of a weight")


def _facts_of_file(path: Path, size: int, digest: str) -> dict[str, Any]:
    name = path.name.encode(errors="replace").decode()  # names may hold bytes that are no text, and this becomes JSON
    return {"source file": name, "source size": size, "source SHA-256": digest}
