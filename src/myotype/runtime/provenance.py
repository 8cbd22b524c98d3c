"""Where weights come from, under which licence they stand, and who is told so."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

from myotype.errors import ModelError
from myotype.runtime.licenses import UNKNOWN, is_noncommercial, license_url

_LONGEST_LICENSE: Final = 100
_LONGEST_TEXT: Final = 20_000
_METADATA: Final = "provenance"
_CHANGED: Final = "changed from"
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
        return is_noncommercial(self.license)

    def after_change(self) -> Self:
        """Give the provenance of weights that were changed after they had been loaded: trained further, or cut down.

        The licence stays; what was known of the unchanged weights alone becomes a part of the details.
        """
        if _CHANGED in self.details:
            return replace(self, details={_CHANGED: self.details[_CHANGED]})
        before = {key: value for key, value in asdict(self).items() if key not in ("license", "citation") and value}
        source = f"Changed after loading, for example by fine-tuning. Before: {self.source}"
        return replace(self, source=source[:_LONGEST_TEXT], simulated=False, details={_CHANGED: before})

    @classmethod
    def from_json(cls, content: object, where: str) -> Self:
        """Take what a file says of its origin, strictly.

        Parameters
        ----------
        content
            A JSON object with the attributes as names.
        where
            Place of the object, for messages.

        Raises
        ------
        ModelError
            If a name is missing, unknown, or has a value of the wrong kind or beyond all measure.
        """
        if not isinstance(content, dict):
            raise ModelError(f"{where}: expected a JSON object, found {type(content).__name__}")
        unknown = content.keys() - cls.__dataclass_fields__.keys()
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise ModelError(f"{where}: {min(unknown)[:_LONGEST_LICENSE]!a} is not known; known are {known}")
        for name, kind in _KINDS.items():
            if name not in content and name in _REQUIRED:
                raise ModelError(f"{where}: {name} is missing")
            value = content.get(name)
            if name in content and not isinstance(value, kind):
                raise ModelError(f"{where}: {name} is no {kind.__name__}")
            if isinstance(value, str) and len(value) > _LONGEST_TEXT:
                raise ModelError(f"{where}: {name} has {len(value)} characters; at most {_LONGEST_TEXT} are read")
        license_ = content["license"]
        if not license_ or not license_.isprintable() or len(license_) > _LONGEST_LICENSE:
            raise ModelError(
                f"{where}: license is {license_[:_LONGEST_LICENSE]!a}; expected an SPDX identifier, or {UNKNOWN!r}"
            )
        return cls(**content)


_KINDS: Final = {"license": str, "source": str, "simulated": bool, "citation": str, "details": dict}
_REQUIRED: Final = ("license", "source")


def provenance_metadata(provenance: Provenance) -> dict[str, str]:
    """Give the metadata of a safetensors file that carries where its weights come from.

    It is one entry only: safetensors writes several in any order, and equal models are to be equal files.
    """
    return {_METADATA: json.dumps(asdict(provenance), ensure_ascii=False, allow_nan=False)}


def provenance_of_metadata(metadata: Mapping[str, str], where: str) -> Provenance | None:
    """Read what `provenance_metadata` writes.

    Parameters
    ----------
    metadata
        Of a safetensors file.
    where
        The file, for messages.

    Returns
    -------
    Provenance or None
        None where the metadata say nothing of it.

    Raises
    ------
    ModelError
        If what they say is malformed.
    """
    if _METADATA not in metadata:
        return None
    try:
        content = json.loads(metadata[_METADATA])
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where}: the metadata's {_METADATA} is not readable as JSON: {error}") from error
    return Provenance.from_json(content, f"{where}: {_METADATA}")


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
    parts = provenance.license.upper().split("-")
    then = ""
    if "SA" in parts:
        then = ", and what is made from them is under the same licence"
    elif "ND" in parts:
        then = ", and changed versions must not be shared"
    cite = "; whom to cite: `myotype info`" if provenance.citation else ""
    url = f" ({license_url(provenance.license)})" if license_url(provenance.license) else ""
    sys.stderr.write(
        f"{printable(name)}: the weights are under {provenance.license}{url}: no commercial use{then}{cite}\n"
    )


def printable(text: str) -> str:
    """Show a text that a user or a file gave on one line, with nothing in it that a terminal obeys."""
    return "".join(character if character.isprintable() else "�" for character in text)
