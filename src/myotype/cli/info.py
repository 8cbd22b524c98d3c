"""``myotype info``: say what a model, a recording or this installation is."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Annotated

import tyro

from myotype.cli.console import show_table
from myotype.errors import InputError, MyotypeError
from myotype.recordings.recording import N_CHANNELS
from myotype.runtime.bundle import bundled_models


def run(what: Annotated[str | None, tyro.conf.Positional] = None, /) -> int:
    """Say what a model, a recording or this installation is.

    Parameters
    ----------
    what
        A model (a bundle's folder or a bundled model's name) or a recording; nothing for this installation.
    """
    if what is None:
        rows = _installation()
    elif os.path.isfile(what):  # noqa: PTH113  (Path.is_file raises on names that are too long)
        rows = _recording(Path(what))
    elif what in bundled_models() or os.path.isdir(what):  # noqa: PTH112  (as above)
        rows = _model(what)
    else:
        raise InputError(f"{what}: no such file, and no model of that name; there is: {', '.join(bundled_models())}")
    show_table(rows)
    return 0


def _installation() -> list[tuple[str, str]]:
    rows = [("myotype", metadata.version("myotype")), ("python", platform.python_version())]
    for package in ("numpy", "numba", "onnxruntime", "torch", "pytorch-lightning", "onnx"):
        try:
            rows.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            rows.append((package, "not installed (extra `train`)"))
    rows.append(("bundled models", ", ".join(bundled_models()) or "none"))
    return rows


def _model(name: str) -> list[tuple[str, str]]:
    from myotype.runtime import Bundle

    bundle = Bundle.open(name)
    facts = bundle.facts
    provenance = facts.provenance
    return [
        ("folder", str(bundle.folder)),
        ("input", f"{facts.n_chans} channels at {facts.sfreq:g} Hz"),
        ("emissions", f"{facts.frame_rate:g} frames a second"),
        ("receptive field", f"{facts.receptive_field / facts.sfreq:.3f} s"),
        ("look-ahead", f"{facts.look_ahead:g} s"),
        ("parameters", f"{facts.parameters:,}"),
        ("precision", facts.precision),
        ("licence", provenance.license),
        ("trained on", "simulated EMG only: it reads no real person" if provenance.simulated else "see source"),
        ("source", provenance.source),
        *((name, str(value)) for name, value in provenance.details.items()),
    ]


def _recording(path: Path) -> list[tuple[str, str]]:
    from myotype import recordings

    with recordings.open(path) as recording:
        rows = [
            ("recording", recording.name),
            ("signal", f"{recording.n_samples} samples of {N_CHANNELS} channels at {recording.sfreq:g} Hz"),
            ("duration", f"{recording.duration / 60:.2f} minutes"),
        ]
        try:
            presses = recording.key_presses
            rows += [
                ("user", recording.user),
                ("condition", recording.condition),
                ("key presses", f"{len(presses)}"),
                ("prompts", f"{len(recording.prompts)}"),
            ]
        except MyotypeError as error:
            rows.append(("labels", f"unreadable: {error}"))
    return rows
