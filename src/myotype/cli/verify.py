"""``myotype verify``: check that a model is what it says."""

from __future__ import annotations

import dataclasses
import json as json_format
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from myotype.cli.console import progress_bar, say, show_table
from myotype.errors import extra_for
from myotype.runtime.bundle import FACTS_FILE, bundled_models

if TYPE_CHECKING:
    from myotype.runtime import Bundle


def run(
    model: Annotated[str, tyro.conf.Positional],
    /,
    *,
    json: bool = False,
    revision: str | None = None,
) -> int:
    """Check that a model is what it says: weights, outputs, graph, origin, licence. Exit code 1 if it is not.

    Parameters
    ----------
    model
        A bundle's folder, a bundled model's name or a repository of the Hugging Face Hub (owner/name); also a
        checkpoint or folder that `myotype convert` takes, which is converted for the look and then forgotten.
    json
        Print the checks as a JSON object.
    revision
        Branch, tag or commit on the Hub.
    """
    with extra_for("verifying a model", "train"):
        from myotype.network.verification import verify

    with _opened(model, revision) as bundle:
        checks = []
        with progress_bar() as bar:
            for check in verify(bundle):
                checks.append(check)
                bar.show(check.name, min(len(checks) / 20, 1.0))
        provenance = bundle.facts.provenance
    failed = [check.name for check in checks if check.verdict == "FAILED"]
    if json:
        content = {
            "model": model,
            "passed": not failed,
            "license": provenance.license,
            "source": provenance.source,
            "checks": [dataclasses.asdict(check) for check in checks],
        }
        print(json_format.dumps(content, indent=2, ensure_ascii=False))
    else:
        rows = [(check.name, check.expected, check.found, check.verdict) for check in checks]
        show_table(rows, header=("check", "expected", "found", "verdict"))
    if failed:
        say(f"{model}: {len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")
    return 1 if failed else 0


@contextmanager
def _opened(model: str, revision: str | None) -> Iterator[Bundle]:
    """Open a bundle; convert for the time being what is none."""
    from myotype.models import open_model
    from myotype.network.conversion import convert

    # These two, unlike their like in pathlib, raise nothing on names that no file can have.
    there = os.path.exists(model) and model not in bundled_models()  # noqa: PTH110
    if not there or os.path.exists(os.path.join(model, FACTS_FILE)):  # noqa: PTH110, PTH118
        yield open_model(model, revision=revision)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield convert(model, Path(folder) / "model", revision=revision)
