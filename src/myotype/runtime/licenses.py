"""Licences of weights: their names in SPDX and on the Hugging Face Hub, and where they can be read."""

from __future__ import annotations

import re
from typing import Final

_LICENSES: Final = (
    "AFL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "Artistic-2.0", "BSD-2-Clause", "BSD-3-Clause",
    "BSD-3-Clause-Clear", "BSL-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-NC-2.0", "CC-BY-NC-3.0",
    "CC-BY-NC-4.0", "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0",
    "CDLA-Sharing-1.0", "ECL-2.0", "EPL-2.0", "EUPL-1.2", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only",
    "GPL-3.0-or-later", "ISC", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT",
    "MPL-2.0", "MS-PL", "NCSA", "ODbL-1.0", "ODC-By-1.0", "OFL-1.1", "OSL-3.0", "PDDL-1.0", "PostgreSQL", "Unlicense",
    "WTFPL", "Zlib",
)  # fmt: skip
"""SPDX identifiers of the licences that the Hugging Face Hub knows; it writes them in lower case."""

_HUB_NAMES: Final = {"odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"}
"""What the Hub calls a licence where that is not its SPDX identifier."""


UNKNOWN: Final = "unknown"
"""Licence of weights of which nobody has said how they may be used."""


def spdx(name: str) -> str | None:
    """Give a licence's identifier as SPDX spells it, if the Hub knows it.

    Parameters
    ----------
    name
        As people and the Hub write it: "CC BY 4.0", "cc-by-4.0", "gpl-3.0".
    """
    wanted = "-".join(name.lower().split())
    return next((known for known in _LICENSES if wanted in (known.lower(), hub_name(known))), None)


def normal(name: str) -> str:
    """Give a licence's name as SPDX spells it where that is known; "unknown" for names that say nothing."""
    name = name.strip()
    return UNKNOWN if name.lower() in ("", UNKNOWN, "none", "other") else spdx(name) or name


def hub_name(identifier: str) -> str | None:
    """Say what the Hub calls a licence, by its SPDX identifier; None where it does not know it."""
    if identifier not in _LICENSES:
        return None
    plain = re.sub("-(only|or-later)$", "", identifier.lower())
    return _HUB_NAMES.get(plain, plain)


def is_noncommercial(license: str) -> bool:  # noqa: A002  (what everybody calls it)
    """Say whether a licence's name says that it forbids commercial use."""
    return re.search(r"(^|[^A-Z])NC($|[^A-Z])|NON.?COMMERCIAL", license.upper()) is not None


def license_url(license: str) -> str:  # noqa: A002  (what everybody calls it)
    """Say where a licence can be read, by its SPDX identifier; empty where that is not known."""
    identifier = spdx(license)
    if identifier is None:
        return ""
    if identifier == "CC0-1.0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    if identifier.startswith("CC-"):
        terms, version = identifier.removeprefix("CC-").lower().rsplit("-", 1)
        return f"https://creativecommons.org/licenses/{terms}/{version}/"
    return f"https://spdx.org/licenses/{identifier}.html"
