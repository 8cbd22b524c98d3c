"""``myotype info``: say what a model, a recording or this installation is."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from myotype.cli.console import counted, show_table
from myotype.decoding.choosing import ENGLISH, named_lm, why_not_tuned
from myotype.errors import MyotypeError
from myotype.recordings.opening import is_recording
from myotype.recordings.recording import N_CHANNELS
from myotype.runtime.bundle import (
    CARD_FILE,
    CONFIG_FILE,
    FACTS_FILE,
    GRAPH_FILE,
    WEIGHTS_FILE,
    bundled_models,
    read_json,
)
from myotype.runtime.card import architecture_in_words
from myotype.runtime.licenses import license_url

if TYPE_CHECKING:
    from myotype.decoding.defaults import DecoderDefaults
    from myotype.runtime import Bundle, Provenance

Rows = list[tuple[str, str]]


def run(
    what: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    *,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Say what a model, a recording or this installation is.

    Parameters
    ----------
    what
        A model (a bundle's folder, a bundled model's name, or a repository of the Hugging Face Hub, owner/name) or a
        recording; nothing for this installation.
    as_json
        Print all that is known as a JSON object.
    """
    if what is None:
        rows, known = _installation()
    elif is_recording(what):
        rows, known = _recording(Path(what))
    else:
        rows, known = _model(what, _open(what))
    if as_json:
        # Python reads and writes NaN, which is no JSON. In ASCII nothing is left that a terminal would obey.
        valid = json.loads(json.dumps(known, default=str), parse_constant=lambda _: None)
        print(json.dumps(valid, indent=2))
        return 0
    show_table(rows)
    return 0


def _open(name: str) -> Bundle:
    """Open the model that a user names."""
    from myotype.models import open_model

    return open_model(name)


def _installation() -> tuple[Rows, dict[str, Any]]:
    packages: dict[str, str | None] = {}
    for package in ("numpy", "numba", "onnxruntime", "torch", "pytorch-lightning", "onnx"):
        try:
            packages[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            packages[package] = None
    known = {
        "myotype": metadata.version("myotype"),
        "python": platform.python_version(),
        "packages": packages,
        "bundled_models": bundled_models(),
    }
    rows = [
        ("myotype", metadata.version("myotype")),
        ("python", platform.python_version()),
        *((package, version or "not installed (extra `train`)") for package, version in packages.items()),
        ("bundled models", ", ".join(bundled_models()) or "none"),
    ]
    return rows, known


def _model(name: str, bundle: Bundle) -> tuple[Rows, dict[str, Any]]:
    facts, provenance = bundle.facts, bundle.facts.provenance
    content = read_json(bundle.folder / FACTS_FILE)  # `Facts` has no versions
    versions = {key: content.pop(key, None) for key in ("format_version", "myotype_version")}
    files = (WEIGHTS_FILE, GRAPH_FILE, CONFIG_FILE, FACTS_FILE, CARD_FILE)
    sizes = {file: path.stat().st_size for file in files if (path := bundle.folder / file).is_file()}
    hops = facts.receptive_field // facts.hop_length
    rows = [
        ("model", name),
        ("folder", str(bundle.folder)),
        ("architecture", facts.architecture),
        *(("layer", words) for words in architecture_in_words(bundle.config)),
        ("input", f"{facts.n_chans} channels at {facts.sfreq:g} Hz, microvolts"),
        ("emissions", f"{facts.frame_rate:g} frames a second, one every {facts.hop_length} samples"),
        (
            "receptive field",
            f"{facts.receptive_field} samples, {facts.receptive_field / facts.sfreq:.3f} s, {hops} hops",
        ),
        ("look-ahead", f"{facts.look_ahead:g} s after a key's press"),
        ("parameters", f"{facts.parameters:,}"),
        (
            "multiply-adds",
            f"{facts.multiply_adds:,} a frame, {facts.multiply_adds * facts.frame_rate / 1e6:,.1f} million a second",
        ),
        ("precision", facts.precision),
        *(_tuned(facts.decoder) if facts.decoder is not None else ()),
        *((file, f"{size:,} bytes") for file, size in sizes.items()),
        ("format", f"{versions['format_version']}, written by myotype {versions['myotype_version'] or '(not said)'}"),
        ("licence", _terms(provenance)),
        ("trained on", "simulated EMG only: it reads no real person" if provenance.simulated else "see source"),
        ("source", provenance.source),
        # A detail may have any name, also that of a row above.
        *((f"detail: {detail}", str(value)) for detail, value in provenance.details.items()),
        ("citation", provenance.citation.strip() or "none"),
    ]
    known = {
        "model": name,
        "folder": str(bundle.folder),
        **versions,
        "facts": content,
        "license_url": license_url(provenance.license) or None,
        "noncommercial": provenance.is_noncommercial,
        "config": dict(bundle.config),
        "sizes": sizes,
    }
    return rows, known


def _tuned(decoder: DecoderDefaults) -> Rows:
    weights = f"lm weight {decoder.lm_weight:g}, insertion bonus {decoder.insertion_bonus:g}"
    keys = counted(decoder.keys, "simulated key" if decoder.simulated else "key")
    keys += f" in {counted(decoder.recordings, 'recording')}"
    rates = f"CER {decoder.cer_after:.2%} of them, before {decoder.cer_before:.2%}, greedy {decoder.cer_greedy:.2%}"
    return [
        (
            "tuned with",
            f"language model {decoder.lm}, SHA-256 of its content {decoder.lm_sha256}{_out_of_use(decoder)}",
        ),
        ("tuned to", f"{weights}, beam size {decoder.beam_size}"),
        ("tuned on", f"{keys}: {rates}"),
    ]


def _out_of_use(decoder: DecoderDefaults) -> str:
    """Say that the bundled language model has changed since; others are not at hand."""
    if decoder.lm != ENGLISH:
        return ""
    return ": another than the bundled one of now, so not in use" if why_not_tuned(decoder, named_lm(ENGLISH)) else ""


def _terms(provenance: Provenance) -> str:
    parts = [provenance.license, license_url(provenance.license)]
    if provenance.is_noncommercial:
        parts.append("no commercial use")
    return ", ".join(filter(None, parts))


def _recording(path: Path) -> tuple[Rows, dict[str, Any]]:
    from myotype import recordings

    with recordings.open(path) as recording:
        known: dict[str, Any] = {
            "recording": recording.name,
            "n_samples": recording.n_samples,
            "n_chans": N_CHANNELS,
            "sfreq": recording.sfreq,
            "duration": recording.duration,
            "notes": recording.notes,
        }
        rows = [
            ("recording", recording.name),
            ("signal", f"{recording.n_samples} samples of {N_CHANNELS} channels at {recording.sfreq:g} Hz"),
            ("duration", f"{recording.duration / 60:.2f} minutes"),
            *(("note", note) for note in recording.notes),
        ]
        try:
            labels = {
                "user": recording.user,
                "condition": recording.condition,
                "key_presses": len(recording.key_presses),
                "prompts": len(recording.prompts),
            }
            known |= labels
            rows += [(name.replace("_", " "), str(value)) for name, value in labels.items()]
        except MyotypeError as error:
            known["labels_error"] = str(error)
            rows.append(("labels", f"unreadable: {error}"))
    return rows, known
