"""The Hugging Face Hub: models come from it into its own cache, and bundles go to it.

Cache, tokens, revisions, offline mode and mirrors are huggingface_hub's, with its environment variables (``HF_HOME``,
``HF_TOKEN``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT`` and the others). Nothing that is downloaded is executed or unpickled
here.
"""
# ruff: noqa: PLC0415  (huggingface_hub is heavy, and reads its environment when it is imported)

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final, TypedDict

from myotype.errors import InputError, ModelError
from myotype.runtime.bundle import (
    CARD_FILE,
    CONFIG_FILE,
    FACTS_FILE,
    FORMAT_VERSION,
    GRAPH_FILE,
    LICENSE_FILE,
    WEIGHTS_FILE,
    Bundle,
)
from myotype.runtime.hub_errors import LOG_IN, Transfer, explained

PICKLE_FILE: Final = "pytorch_model.bin"
"""Weights of repositories that are older than safetensors: a pickle, fetched only where there is nothing better."""

_BUNDLE_FILES: Final = (CONFIG_FILE, FACTS_FILE, CARD_FILE, LICENSE_FILE, GRAPH_FILE, WEIGHTS_FILE)

# As the Hub has it: letters, digits, "_", "-" and "."; the last two neither at an end nor doubled.
_PART: Final = r"\w(?:[\w.-]{0,94}\w)?"
_REPO_ID: Final = re.compile(rf"(?!.*(?:--|\.\.))(?!.*\.git$){_PART}/{_PART}", re.ASCII)

_ELSEWHERE: Final = "or download its files elsewhere and give their folder"

_told: set[tuple[str, str]] = set()


class HubOptions(TypedDict, total=False):
    """How to fetch a model from the Hub; the names and defaults are those of huggingface_hub.

    Attributes
    ----------
    revision
        A branch, a tag or a commit; by default the branch "main".
    token
        What to log in with; by default ``HF_TOKEN`` or what ``hf auth login`` has stored. True insists on one of these,
        False sends none.
    cache_dir
        Where downloads are kept; by default the Hub's own cache.
    local_files_only
        Whether to look into the cache only.
    force_download
        Whether to download what is in the cache already.
    """

    revision: str | None
    token: str | bool | None
    cache_dir: str | os.PathLike[str] | None
    local_files_only: bool
    force_download: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model of the Hub, as it was at one commit.

    Attributes
    ----------
    folder
        Where its files lie in the cache. There may be others than those that were asked for.
    repo_id
        Its repository, "owner/name".
    commit
        The commit's hash.
    whole
        Whether each file that the folder lacks is known to be absent. It is not where another program has filled the
        cache with what it needed itself, and the Hub cannot be asked for the rest.
    """

    folder: Path
    repo_id: str
    commit: str
    whole: bool = True


def is_repo_id(name: str) -> bool:
    """Say whether a name can be that of a repository: "owner/name", as the Hub allows it.

    A relative path of two parts looks the same: look for a folder of that name first.
    """
    return _REPO_ID.fullmatch(name) is not None


def download(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> Snapshot:
    """Download a model: configuration, weights, card and licence, and of a bundle the graph. No other file is fetched.

    What the cache has is not downloaded again. Where the Hub cannot be reached, the cache alone is used; if that lacks
    the card, which may say under which licence plain weights stand, stderr says so.

    Parameters
    ----------
    repo_id
        The repository, "owner/name".
    revision, token, cache_dir, local_files_only, force_download
        See :class:`HubOptions`.

    Returns
    -------
    snapshot
        Holds ``config.json`` and the weights: ``model.safetensors``, or ``pytorch_model.bin`` in repositories that have
        nothing else.

    Raises
    ------
    InputError
        If the arguments contradict each other or the token is none.
    ModelError
        If there is no such repository, revision or file, or it cannot be downloaded.
    """
    if not is_repo_id(repo_id):
        raise ModelError(f"{repo_id}: not the name of a repository on the Hugging Face Hub; expected owner/name")
    if force_download and local_files_only:
        raise InputError("force_download and local_files_only contradict each other: choose one")
    _check_token(token)
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE if cache_dir is None else cache_dir).expanduser()
    source = _Source(repo_id, revision, token, cache, local_files_only, force_download)
    config = source.fetch(CONFIG_FILE)
    if config is None:
        raise ModelError(
            f"{repo_id}: no model that myotype can read: revision {source.named_revision} has no {CONFIG_FILE}"
        )
    commit = config.parent.name
    # The weights come last: where they are in the cache, everything else has been asked for.
    for name in (CARD_FILE, LICENSE_FILE):
        source.fetch(name, commit)
    facts = source.fetch(FACTS_FILE, commit)
    if facts is not None:
        source.fetch(GRAPH_FILE, commit)
    if source.fetch(WEIGHTS_FILE, commit) is None and source.fetch(PICKLE_FILE, commit) is None:
        missing = f"revision {source.named_revision} has neither {WEIGHTS_FILE} nor {PICKLE_FILE}"
        raise ModelError(f"{repo_id}: no model that myotype can read: {missing}")
    if facts is None and CARD_FILE in source.unknown:
        _tell_missing_card(repo_id, commit)
    return Snapshot(config.parent, repo_id, commit, whole=not source.unknown)


def _tell_missing_card(repo_id: str, commit: str) -> None:
    """Say on stderr, once in a process, that nobody knows what the card says."""
    if (repo_id, commit) in _told:
        return
    _told.add((repo_id, commit))
    sys.stderr.write(
        f"{repo_id}: its card is not in the cache and the Hub cannot be asked, so what it says of the weights' licence "
        f"is not known: run it once with a connection\n"
    )


def converted_folder(snapshot: Snapshot) -> Path:
    """Give the folder in which the bundle made from a snapshot is kept, beside the Hub's cache; it may be empty.

    Each version of myotype has its own, and so has what was made without all that the Hub may have.

    Raises
    ------
    ModelError
        If there can be no such folder.
    """
    from huggingface_hub import cached_assets_path

    name = f"{snapshot.commit}-{FORMAT_VERSION}-{metadata.version('myotype')}"
    name += "" if snapshot.whole else "-partial"
    try:
        return cached_assets_path("myotype", namespace=snapshot.repo_id, subfolder=name)
    except (OSError, ValueError) as error:  # a ValueError says that a file stands in the way
        raise no_converted_folder(snapshot, error) from error


def no_converted_folder(snapshot: Snapshot, error: Exception) -> ModelError:
    """Make the error that says why what is made from a snapshot cannot be kept, and what to do."""
    why = str(error).removesuffix(".")
    way_out = "set HF_HOME or HF_ASSETS_CACHE to a folder that can be written"
    return ModelError(f"{snapshot.repo_id}: no folder for the converted model: {why}; {way_out}")


def upload(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    commit_message: str = "Upload a myotype model",
    create_pr: bool = False,
) -> str:
    """Put a bundle on the Hub, in one commit: its files, and nothing else that may lie in the folder.

    Parameters
    ----------
    folder
        The bundle's folder.
    repo_id
        The repository, "owner/name", or "name" for one of the user's own. It is made if there is none.
    private
        Whether a repository that is made is private; by default as the owner has set it on the Hub.
    token
        What to log in with; see :class:`HubOptions`.
    revision
        The branch; by default "main".
    commit_message
        The first line of what the commit is called.
    create_pr
        Whether to propose the commit as a pull request.

    Returns
    -------
    url
        Of the commit, or of the pull request.

    Raises
    ------
    InputError
        If the token is none.
    ModelError
        If the folder holds no bundle, or it cannot be uploaded.
    """
    path = Path(folder)
    Bundle.open(path)
    if not is_repo_id(repo_id if "/" in repo_id else f"me/{repo_id}"):
        raise ModelError(f"{repo_id}: no name for a repository on the Hugging Face Hub; expected owner/name")
    _check_token(token)
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(token=token, library_name="myotype", library_version=metadata.version("myotype"))
    with explained(Transfer(repo_id, revision)):
        # Not upload_folder: that one walks through the whole folder, and may split it into several commits.
        files = [CommitOperationAdd(name, path / name) for name in _BUNDLE_FILES if (path / name).is_file()]
        repository = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        commit = api.create_commit(
            repository, files, commit_message=commit_message, revision=revision, create_pr=create_pr
        )
    return commit.pr_url or commit.commit_url


def _check_token(token: object) -> None:
    """Refuse what cannot be sent as a token, before an error shows it."""
    if isinstance(token, str) and re.fullmatch(r"[!-~]+", token) is None:
        raise InputError("token: empty, or with characters that no token has: copy it again, or leave it out")


@dataclass(frozen=True, slots=True)
class _Source(Transfer):
    """A repository to download from.

    Attributes
    ----------
    unknown
        The files that were asked for of which nobody can say whether the repository has them.
    """

    token: str | bool | None
    cache: Path
    local_files_only: bool
    force_download: bool
    unknown: set[str] = field(default_factory=set)

    def fetch(self, name: str, commit: str | None = None) -> Path | None:
        """Give a file's path in the cache, downloaded if need be; None where there is none, or it is unknown.

        Without a commit the revision is looked up first, which is the only request if all files are in the cache.
        """
        from huggingface_hub import _CACHED_NO_EXIST, hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        if commit is not None and not self.force_download and self._cached(name, commit) is _CACHED_NO_EXIST:
            return None
        with explained(self):
            try:
                path = hf_hub_download(
                    self.repo_id,
                    name,
                    revision=commit or self.revision,
                    token=self.token,
                    cache_dir=self.cache,
                    local_files_only=self.local_files_only,
                    force_download=self.force_download,
                    library_name="myotype",
                    library_version=metadata.version("myotype"),
                )
            except EntryNotFoundError as error:
                if not isinstance(error, LocalEntryNotFoundError):
                    return None
                # Without the Hub nobody knows whether it has the file. Another program may have filled the cache with
                # what it needed itself: that is enough if the weights are there.
                if commit is None or not self._has_weights(commit):
                    raise
                self.unknown.add(name)
                return None
        return Path(path)

    def _cached(self, name: str, commit: str) -> object:
        from huggingface_hub import try_to_load_from_cache

        return try_to_load_from_cache(self.repo_id, name, cache_dir=self.cache, revision=commit)

    def _has_weights(self, commit: str) -> bool:
        return any(isinstance(self._cached(name, commit), str) for name in (WEIGHTS_FILE, PICKLE_FILE))

    def unreachable(self, endpoint: str, why: str) -> str:
        cached = (
            "" if self.force_download else f", and revision {self.named_revision} is not in the cache ({self.cache})"
        )
        return f"cannot reach {endpoint} ({why}){cached}: connect once, {_ELSEWHERE}"

    def broken(self, endpoint: str, why: str) -> str:
        return f"the connection to {endpoint} broke ({why}): run it again; files that have come whole are kept"

    def forbidden_by(self, switch: str) -> str:
        if self.force_download:
            return f"force_download and {switch} contradict each other: choose one"
        missing = f"revision {self.named_revision} is not (or not all of it) in the cache ({self.cache})"
        return f"{missing}, and {switch} forbids to download it: run it once without, {_ELSEWHERE}"

    def unknown_revision(self) -> str:
        return f"it has no revision {self.named_revision}: give a branch, a tag or a commit's whole hash"

    def unknown_repository(self, endpoint: str) -> str:
        return f"there is no such model at {endpoint}, or it is private: check the name, or {LOG_IN}"

    def forbidden(self, endpoint: str) -> str:
        return f"{endpoint} forbids to read it: {LOG_IN}, with a token that may"

    def failed_file(self, why: str) -> str:
        return f"cannot use the cache ({self.cache}): {why}; mend that, or set HF_HOME to another folder"
