"""The model card: what a person should know before using a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from myotype.runtime.bundle import Facts

_SIMULATED = """\
> **Trained on simulated EMG only.** This model reads the simulated typist it was trained on. It reads no real person:
> expect noise from a real wristband.
"""


def model_card(name: str, config: Mapping[str, Any], facts: Facts) -> str:
    """Write a model's card in Markdown, with the front matter that the Hugging Face Hub reads."""
    provenance = facts.provenance
    parts = [
        "---",
        "library_name: myotype",
        f"license: {provenance.license.lower()}",
        "tags: [emg, surface-electromyography, typing, ctc]",
        "---",
        f"# {name}",
        "",
        "Reads keystrokes from the surface EMG of both wrists, with myotype.",
        "",
    ]
    if provenance.simulated:
        parts += [_SIMULATED]
    parts += [
        "| | |",
        "|---|---|",
        f"| input | {facts.n_chans} channels at {facts.sfreq:g} Hz, microvolts |",
        f"| output | log-probabilities of {config['n_outputs']} labels, {facts.frame_rate:g} frames a second |",
        f"| receptive field | {facts.receptive_field / facts.sfreq:.3f} s, causal |",
        f"| look-ahead | {facts.look_ahead:g} s after a key's press |",
        f"| parameters | {facts.parameters:,} |",
        f"| licence | {provenance.license} |",
        "",
        "## Where it comes from",
        "",
        provenance.source,
        "",
    ]
    if provenance.details:
        parts += ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in provenance.details.items()), ""]
    if provenance.citation:
        parts += ["## Citation", "", "```", provenance.citation.strip(), "```", ""]
    return "\n".join(parts)
