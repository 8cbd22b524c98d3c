"""``myotype data prepare``: make a cache of recordings that training reads fast."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from myotype.cli.console import progress_bar, say, show_table, warn
from myotype.errors import InputError

if TYPE_CHECKING:
    from myotype.recordings.prepared.preparing import Outcome


@dataclass
class Prepare:
    """Make a cache of recordings that training reads fast.

    Samples are stored as 16-bit steps where these give every sample back exactly, else as float32. Recordings that are
    in the cache already, and whose files have not changed, are kept; so an interrupted run goes on where it was.

    Attributes
    ----------
    root
        A folder of HDF5 recordings at any depth, or a BIDS tree; labels are needed to train, so each recording needs
        its events.tsv there.
    output
        The folder of the cache. Each recording in it opens like any other.
    jobs
        How many processes to use; as many as there are cores if not given.
    cluster
        The address of a Dask scheduler to use instead, such as tcp://127.0.0.1:8786. Its workers must see the same
        files under the same names.
    precision
        auto as above; float16 takes half the room of float32 where 16-bit steps are not exact, and is not exact either;
        float32 for all.
    verify
        Read everything back, also what is kept, and compare it with its checksums.
    as_json
        Print what was done as a JSON object.
    """

    root: Annotated[Path, tyro.conf.Positional]
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    jobs: int | None = None
    cluster: str | None = None
    precision: Literal["auto", "float16", "float32"] = "auto"
    verify: bool = False
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False

    def run(self) -> int:
        """Do it, and give the exit code."""
        from myotype.recordings.corpus import find_recordings
        from myotype.recordings.prepared.preparing import prepare

        corpus = find_recordings(self.root)
        for stray in corpus.strays:
            if not stray.path.absolute().is_relative_to(self.output.absolute()):
                warn(f"{stray.path}: not counted: {stray.reason}")
        entries = [entry for entry in corpus if entry.form != "prepared"]
        if not entries:
            raise InputError(f"{self.root}: all that is there is prepared already")
        began = time.monotonic()
        with progress_bar() as bar:
            n_done = 0

            def show(outcome: Outcome) -> None:
                nonlocal n_done
                n_done += 1
                if outcome.meta is None:
                    warn(f"{outcome.entry.path}: not prepared: {outcome.problem}")
                elif outcome.state == "prepared":
                    for note in outcome.meta.notes:
                        warn(f"{outcome.entry.path}: {note}")
                bar.show("preparing", n_done / len(entries), f"{n_done} of {len(entries)}")

            bar.show("preparing", 0.0, f"0 of {len(entries)}")
            outcomes = prepare(
                entries,
                self.output,
                jobs=_cores() if self.jobs is None else self.jobs,
                cluster=self.cluster,
                precision=self.precision,
                verified=self.verify,
                progress=show,
            )
        done = _summary(outcomes, time.monotonic() - began)
        if self.as_json:
            print(json.dumps({"cache": str(self.output), **done}, indent=2))
        else:
            _show(done)
            say(f"{self.output}: {done['recordings']} recordings")
        return 1 if done["failed"] else 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _summary(outcomes: tuple[Outcome, ...], seconds: float) -> dict[str, Any]:
    states = Counter(outcome.state for outcome in outcomes)
    stored = [outcome.meta for outcome in outcomes if outcome.meta is not None]
    new = [outcome.meta for outcome in outcomes if outcome.meta is not None and outcome.state == "prepared"]
    return {
        "recordings": len(stored),
        "prepared": states["prepared"],
        "kept": states["kept"],
        "failed": {str(outcome.entry.path): outcome.problem for outcome in outcomes if outcome.state == "failed"},
        "minutes": sum(meta.n_samples / meta.sfreq for meta in stored) / 60,
        "stored_as": dict(Counter(meta.stored for meta in stored)),
        "largest_error": max((meta.largest_error for meta in stored), default=0.0),
        "source_bytes": sum(meta.source_size for meta in stored),
        "cache_bytes": sum(file.size for meta in stored for file in meta.files.values()),
        "seconds": seconds,
        "times_real_time": sum(meta.n_samples / meta.sfreq for meta in new) / seconds,
        "source_bytes_a_second": sum(meta.source_size for meta in new) / seconds,
    }


def _show(done: dict[str, Any]) -> None:
    source, cache = done["source_bytes"], done["cache_bytes"]
    rows = [
        ("prepared", str(done["prepared"])),
        ("kept", str(done["kept"])),
        ("failed", str(len(done["failed"]))),
        ("signal", f"{done['minutes']:.1f} min"),
        ("stored as", ", ".join(f"{stored}: {count}" for stored, count in done["stored_as"].items())),
        ("largest error", f"{done['largest_error']:g} microvolts"),
        ("source", f"{source / 1e6:.1f} MB"),
        ("cache", f"{cache / 1e6:.1f} MB" + (f", {cache / source:.2f} of the source" if source else "")),
    ]
    if done["prepared"]:
        speed = f"{done['source_bytes_a_second'] / 1e6:.0f} MB/s, {done['times_real_time']:,.0f} times real time"
        rows.append(("speed", f"{done['seconds']:.1f} s, {speed}"))
    show_table(rows)
