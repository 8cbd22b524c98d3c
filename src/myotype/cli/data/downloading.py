"""``myotype data download``: fetch the emg2qwerty recordings, or some of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from myotype.cli.console import progress_bar, say, show_table, stderr, warn
from myotype.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from myotype.recordings.download import Connection, Progress, RemoteFile, Report, Selection
    from myotype.recordings.splits import Split

_SHOWN = 10  # failures that are told one by one
_LONGEST_TIMEOUT = 24 * 3600.0  # seconds


@dataclass
class Download:
    """Fetch the emg2qwerty recordings, or some of them. Run it again to go on where it was broken off.

    As BIDS, files are fetched one by one from an address base; as HDF5, they are taken out of the tarball of the
    original release as it comes. Everything is tested with a server on the same machine that breaks off, sends wrong
    files and so on; the real servers, their addresses and the naming of their files have not been tried.

    Attributes
    ----------
    output
        The folder to download into.
    form
        bids or hdf5.
    users
        Only recordings of these people.
    sessions
        Only these recordings: their starts in unix seconds, or their names.
    split
        Only recordings of a split: generic, user0 to user7, or a file of `myotype data split`. Conditions add up.
    max_gb
        Stop before the recording with which there would be more.
    base
        The address that the files are below. For bids there is none by default: see the data set's page.
    manifest
        A list of the server's files, as a file or an address: a table with tabs and the columns path, size and sha256,
        or JSON. Without it, BIDS files are those of recordings that the official splits name.
    keep_archive
        With hdf5: store the tarball too. Then a later run goes on where this one was broken off; otherwise it begins
        anew, and passes over what is here.
    connections
        How many files to fetch at once, as BIDS.
    timeout
        Seconds without a byte after which a connection counts as broken.
    accept_licence
        Accept the terms without being asked.
    overwrite
        Replace files in the folder that are not what they should be: damaged ones, or your own of the same names.
    dry_run
        Only say what would be downloaded.
    """

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    form: Literal["bids", "hdf5"] = "bids"
    users: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    split: str | None = None
    max_gb: float | None = None
    base: str | None = None
    manifest: str | None = None
    keep_archive: bool = False
    connections: int = 4
    timeout: float = 30.0
    accept_licence: bool = False
    overwrite: bool = False
    dry_run: bool = False

    def run(self) -> int:
        """Do it, and give the exit code."""
        from myotype.recordings.download import HDF5_BASE, Connection, Patience, Selection
        from myotype.recordings.download.terms import BIDS_HOME

        if not 0 < self.timeout <= _LONGEST_TIMEOUT:
            raise InputError(f"a timeout is a positive number of seconds, at most a day, not {self.timeout}")
        if self.max_gb is not None and not self.max_gb > 0:
            raise InputError(f"--max-gb is a positive number of gigabytes, not {self.max_gb}")
        if self.keep_archive and self.form != "hdf5":
            raise InputError("--keep-archive belongs to --form hdf5: BIDS files are not in a tarball")
        base = self.base or (HDF5_BASE if self.form == "hdf5" else None)
        if base is None:
            raise InputError(f"give --base, the address that the BIDS files are below; {BIDS_HOME} tells of it")
        selection = Selection(self.users, self.sessions, _split(self.split))
        if not self.dry_run and not self._accepted():
            return 1
        with Connection(Patience(timeout=self.timeout), self.connections) as connection, _shown() as progress:
            report = self._download(base, connection, selection, progress)
        return self._tell(report)

    def _download(
        self, base: str, connection: Connection, selection: Selection, progress: Callable[[Progress], None]
    ) -> Report:
        from myotype.recordings.download import ARCHIVE, download_bids, download_hdf5, read_manifest

        manifest = read_manifest(self.manifest, connection) if self.manifest is not None else None
        most_bytes = None if self.max_gb is None else self.max_gb * 1e9
        if self.form == "bids":
            return download_bids(
                self.output,
                base,
                connection,
                selection=selection,
                manifest=manifest,
                most_bytes=most_bytes,
                overwrite=self.overwrite,
                dry_run=self.dry_run,
                progress=progress,
            )
        return download_hdf5(
            self.output,
            base,
            connection,
            selection=selection,
            archive=_archive(manifest, ARCHIVE) if manifest is not None else None,
            keep=self.keep_archive,
            most_bytes=most_bytes,
            overwrite=self.overwrite,
            dry_run=self.dry_run,
            progress=progress,
        )

    def _accepted(self) -> bool:
        from myotype.recordings.download import TERMS

        say(TERMS.rstrip())
        if self.accept_licence:
            return True
        if sys.stdin is not None and sys.stdin.isatty() and stderr().is_terminal:
            print("Do you accept this? [y/N] ", end="", file=sys.stderr, flush=True)
            if sys.stdin.readline().strip().lower() in ("y", "yes"):
                return True
        say("Nothing is downloaded without accepting these terms: --accept-licence")
        return False

    def _tell(self, report: Report) -> int:
        verb = "to download" if self.dry_run else "downloaded"
        show_table([
            (verb, f"{len(report.fetched)} files"),
            ("here already", f"{len(report.present)} files"),
            ("together", f"{report.n_bytes / 1e9:.3f} GB"),
            *([("beyond --max-gb", f"{len(report.left_out)} files")] if report.left_out else []),
        ])  # fmt: skip
        for path, why in report.failed[:_SHOWN]:
            warn(f"{path}: {why}")
        if len(report.failed) > _SHOWN:
            warn(f"... and {len(report.failed) - _SHOWN} more files could not be had")
        return 1 if report.failed else 0


def _split(name: str | None) -> Split | None:
    from myotype.recordings import splits

    if name is None:
        return None
    if name not in splits.OFFICIAL and not Path(name).exists():
        raise InputError(f"--split {name}: neither a file nor one of {', '.join(splits.OFFICIAL)}")
    return splits.official(name) if name in splits.OFFICIAL else splits.load(name)


def _archive(manifest: tuple[RemoteFile, ...], name: str) -> RemoteFile:
    found = next((file for file in manifest if file.path == name), None)
    if found is None:
        raise InputError(f"the manifest does not have {name}")
    return found


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """Show a bar with bytes and speed."""
    with progress_bar() as bar:
        began: list[tuple[float, int]] = []

        def show(progress: Progress) -> None:
            began.append((time.monotonic(), progress.done)) if not began else None
            seconds = time.monotonic() - began[0][0]
            speed = (progress.done - began[0][1]) / seconds / 1e6 if seconds > 0 else 0.0
            total = f" of {progress.total / 1e9:.2f}" if progress.total is not None else ""
            bar.show(
                f"downloading, {progress.files} files here",
                progress.done / progress.total if progress.total else 0.0,
                f"{progress.done / 1e9:.2f}{total} GB, {speed:.1f} MB/s",
            )

        yield show
