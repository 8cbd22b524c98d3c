"""Models by name: what the user names becomes a bundle that the engine can run."""

# ruff: noqa: PLC0415  (what only the Hub needs is imported for it)

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Unpack

from myotype.errors import ModelError, extra_for
from myotype.runtime import Bundle
from myotype.runtime.bundle import FACTS_FILE, GRAPH_FILE
from myotype.runtime.hub import HubOptions, Snapshot, converted_folder, no_converted_folder
from myotype.runtime.locating import locate
from myotype.runtime.provenance import tell_terms


def open_model(model: str | os.PathLike[str], **hub: Unpack[HubOptions]) -> Bundle:
    """Open a model as a bundle; one that lies on the Hub as plain weights is converted once, and the bundle kept.

    The licence of weights that must not be used commercially is said on stderr.

    Parameters
    ----------
    model
        The name of a bundled model, a bundle's folder, or a repository on the Hub ("owner/name").
    **hub
        For the Hub: see :class:`~myotype.runtime.hub.HubOptions`.

    Raises
    ------
    ModelError
        If there is no such model, or it is broken.
    MissingExtraError
        If it has to be converted and PyTorch is not installed.
    """
    located = locate(model, **hub)
    snapshot = located.snapshot
    if snapshot is None or all((located.path / name).is_file() for name in (FACTS_FILE, GRAPH_FILE)):
        bundle = Bundle.open(located.path)
    else:
        bundle = _converted(snapshot, hub)
    tell_terms(os.fspath(model), bundle.facts.provenance)
    return bundle


def _converted(snapshot: Snapshot, hub: HubOptions) -> Bundle:
    from filelock import FileLock

    folder = converted_folder(snapshot)
    kept = _kept(folder)
    if kept is not None:  # without the lock: it may be in a cache that is only to be read
        return kept
    with ExitStack() as stack:
        try:
            # One process converts, the others wait for it.
            stack.enter_context(FileLock(folder.with_name(f"{folder.name}.lock")))
        except (OSError, NotImplementedError) as error:  # the latter where the file system knows no locks
            raise no_converted_folder(snapshot, error) from error
        kept = _kept(folder)
        if kept is not None:
            return kept
        with extra_for("converting weights from the Hub", "train"):
            from myotype.network.conversion import convert
        at = HubOptions(revision=snapshot.commit, local_files_only=True)
        if "cache_dir" in hub:
            at["cache_dir"] = hub["cache_dir"]
        return convert(snapshot.repo_id, folder, **at)


def _kept(folder: Path) -> Bundle | None:
    """Open a converted bundle, if it is there and sound."""
    try:
        return Bundle.open(folder)
    except (ModelError, OSError):
        return None
