"""Where weights come from, under which licence they stand, and who is told so."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

UNKNOWN: Final = "unknown"
"""Licence of weights of which nobody has said how they may be used."""

_URLS: Final = {
    "CC-BY-NC-SA-4.0": "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
}
_told: set[tuple[str, str]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where weights come from and how they may be used.

    Attributes
    ----------
    license
        SPDX identifier, or "unknown".
    source
        What the weights were made from and how, in a sentence.
    simulated
        Whether they were trained on simulated EMG alone, so that they read no real person.
    citation
        What to cite, as BibTeX or text; may be empty.
    details
        More facts, as JSON values: seeds, dates, measured error rates, the size and SHA-256 of the source file.
    """

    license: str
    source: str
    simulated: bool = False
    citation: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_noncommercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return "NC" in self.license.upper().split("-")


def tell_terms(name: str, provenance: Provenance) -> None:
    """Say on stderr, once in a process, that weights must not be used commercially and whom to cite.

    Parameters
    ----------
    name
        What the user calls the model.
    provenance
        Of the weights; nothing is said of those that may be used commercially.
    """
    key = (name, provenance.license)
    if not provenance.is_noncommercial or key in _told:
        return
    _told.add(key)
    lines = [
        f"{name}: the weights stand under {provenance.license}: no commercial use, and what is made from them stands "
        f"under the same licence. {_URLS.get(provenance.license, '')}".rstrip()
    ]
    if provenance.citation:
        lines.append(f"{name}: cite what `myotype info` names when you publish results.")
    sys.stderr.write("".join(f"{line}\n" for line in lines))
