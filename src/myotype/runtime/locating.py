"""What a model's name means: a bundled model, a path, or a repository on the Hugging Face Hub."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from myotype.errors import InputError, ModelError
from myotype.runtime.bundle import bundled_folder, bundled_models
from myotype.runtime.hub import HubOptions, Snapshot, download, is_repo_id


@dataclass(frozen=True, slots=True)
class Located:
    """Where a model lies.

    Attributes
    ----------
    path
        A folder or a checkpoint's file.
    snapshot
        What of the Hub it is, if it is of the Hub.
    """

    path: Path
    snapshot: Snapshot | None = None


def locate(model: str | os.PathLike[str], **hub: Unpack[HubOptions]) -> Located:
    """Find a model, and download it where it is on the Hub.

    Parameters
    ----------
    model
        The name of a bundled model, a file or folder, or a repository ("owner/name"). Where a folder and a repository
        have the same name, it is the folder.
    **hub
        See :class:`~myotype.runtime.hub.HubOptions`.

    Raises
    ------
    ModelError
        If there is none, or it cannot be downloaded.
    InputError
        If a revision is asked for of what is not on the Hub.
    """
    name = os.fspath(model)
    bundled = isinstance(model, str) and name in bundled_models()
    if bundled or os.path.exists(name):  # noqa: PTH110  (Path.exists raises on names that are too long)
        if hub.get("revision") is not None:
            raise InputError(f"{name} is on this machine, where there are no revisions: leave the revision out")
        return Located(bundled_folder(name) if bundled else Path(name))
    if not is_repo_id(name):
        names = ", ".join(bundled_models())
        raise ModelError(
            f"{name}: no such model; give a folder, a repository on the Hugging Face Hub (owner/name), or one of: "
            f"{names}"
        )
    try:
        snapshot = download(name, **hub)
    except ModelError as error:
        raise ModelError(f"there is no file or folder {name} here, and on the Hugging Face Hub: {error}") from error
    return Located(snapshot.folder, snapshot)
