"""Checkpoints of a run: written whole or not at all, and read with errors that say what is wrong with them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, Final

import torch
from lightning_fabric.plugins.io import TorchCheckpointIO

from myotype.errors import TrainingError
from myotype.files import replacing_file
from myotype.network.pretrained import PretrainedNetwork

_PREFIX: Final = "network."  # of its weights in a checkpoint


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: Lightning's own way copies it there from another disk."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with replacing_file(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())


def read_checkpoint(path: Path, network: PretrainedNetwork) -> tuple[int, PretrainedNetwork]:
    """Read how many epochs a checkpoint has behind it, and give a network with its weights.

    Parameters
    ----------
    path
        The checkpoint.
    network
        What it is a checkpoint of: it gives the arguments, and stays as it is.

    Raises
    ------
    TrainingError
        If it is missing or damaged, or of another network.
    """
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
        weights, epochs = found["state_dict"], int(found["epoch"]) + 1
        weights = {name.removeprefix(_PREFIX): w for name, w in weights.items() if name.startswith(_PREFIX)}
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path}: {_reason(error)}") from error
    again = type(network).from_config(network.get_config())
    try:
        again.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainingError(f"{path} is a checkpoint of another network: it does not belong to this run") from error
    again.provenance = network.provenance
    return epochs, again


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the checkpoint is missing: train anew"
    if isinstance(error, OSError) and error.strerror:
        return f"the checkpoint cannot be read: {error.strerror}"
    return "the checkpoint is damaged: put back an earlier copy of it, or train anew in another folder"
