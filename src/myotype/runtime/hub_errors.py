"""What can go wrong between here and the Hugging Face Hub, said so that one knows what to do."""
# ruff: noqa: D102, PLC0415  (each sentence says itself what it is; huggingface_hub reads its environment at import)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import responses
from json import JSONDecodeError
from typing import TYPE_CHECKING, Final, cast

from myotype.errors import ModelError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

LOG_IN: Final = "log in (`hf auth login`) or set HF_TOKEN"


@dataclass(frozen=True, slots=True)
class Transfer:
    """What goes from or to the Hub, as errors have to tell it; this one is an upload."""

    repo_id: str
    revision: str | None

    @property
    def named_revision(self) -> str:
        return repr(self.revision or "main")

    def unreachable(self, endpoint: str, why: str) -> str:
        return f"cannot reach {endpoint} ({why}): connect, and run it again"

    def broken(self, endpoint: str, why: str) -> str:
        return f"the connection to {endpoint} broke ({why}): run it again"

    def forbidden_by(self, switch: str) -> str:
        return f"nothing can be uploaded while {switch} is set"

    def unknown_revision(self) -> str:
        return f"it has no branch {self.named_revision}: make it on the Hub first, or leave the revision out"

    def unknown_repository(self, endpoint: str) -> str:
        return f"{endpoint} does not let it be written to without a token that may: {LOG_IN}"

    def forbidden(self, endpoint: str) -> str:
        return f"the token may not write to it: make one that may at {endpoint}/settings/tokens"

    def failed_file(self, why: str) -> str:
        return f"cannot read what is to be uploaded: {why}"


@contextmanager
def explained(transfer: Transfer) -> Iterator[None]:
    """Turn what huggingface_hub raises for reasons outside of the program into an error of ours; the rest passes."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    # The HTTP library differs between versions of huggingface_hub; the base of its errors is a base of this one.
    outside = cast("tuple[type[Exception], ...]", (OSError, *HfHubHTTPError.__bases__))
    caught: tuple[type[Exception], ...] = (*outside, ValueError, RuntimeError)
    try:
        yield
    except caught as error:
        cause: BaseException = error
        answered = isinstance(error, HfHubHTTPError) and not isinstance(error, LocalEntryNotFoundError)
        wraps = isinstance(error, (LocalEntryNotFoundError, ValueError, RuntimeError)) and not answered
        if wraps and error.__cause__ is not None:
            cause = error.__cause__
        # hf_xet, which moves large files, raises plain RuntimeErrors. All other errors of these kinds are mistakes.
        if not isinstance(cause, (*outside, JSONDecodeError, UnicodeEncodeError)) and type(cause) is not RuntimeError:
            raise
        # What keeps huggingface_hub from looking a file up comes wrapped in these, what breaks a download off does not.
        looking = isinstance(error, (LocalEntryNotFoundError, ValueError))
        raise ModelError(f"{transfer.repo_id}: {_reason(transfer, cause, looking=looking)}") from error


def _reason(transfer: Transfer, error: BaseException, *, looking: bool) -> str:  # noqa: PLR0911  (one a kind)
    """Say what went wrong, and what to do."""
    from huggingface_hub import constants, errors

    endpoint = constants.ENDPOINT
    why = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, errors.OfflineModeIsEnabled):
        return transfer.forbidden_by("HF_HUB_OFFLINE")
    if isinstance(error, errors.LocalEntryNotFoundError):  # (which versions before 1.0 take for an answer of the Hub)
        return transfer.forbidden_by("local_files_only")
    if isinstance(error, errors.HfHubHTTPError):
        return _refusal(transfer, error, endpoint)
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"token=True, but there is no token: {LOG_IN}"
    if isinstance(error, UnicodeEncodeError):  # of all that is sent only the token is not made sure of
        return "the token has characters that no token has: mend HF_TOKEN, or log in anew (`hf auth login`)"
    if isinstance(error, (errors.FileMetadataError, JSONDecodeError)):
        return f"{endpoint} does not answer like a Hub: check HF_ENDPOINT, and whether a proxy or a login page answers"
    network = isinstance(error, (ConnectionError, TimeoutError))
    if isinstance(error, OSError) and error.errno is not None and not network:
        return transfer.failed_file(f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror))
    # By the names of classes, which are the same in all HTTP libraries: ConnectError, ConnectTimeout, ProxyError.
    if looking or type(error).__name__.startswith(("Connect", "Proxy")):
        return transfer.unreachable(endpoint, why)
    return transfer.broken(endpoint, why)


def _refusal(transfer: Transfer, error: HfHubHTTPError, endpoint: str) -> str:  # noqa: PLR0911  (one a kind)
    """Say what a server's answer means."""
    from huggingface_hub import errors

    status = error.response.status_code
    said = " ".join((error.server_message or responses.get(status, "")).split())
    if isinstance(error, errors.GatedRepoError):
        return f"access has to be asked for at {endpoint}/{transfer.repo_id}; when it is granted, {LOG_IN}"
    if isinstance(error, errors.DisabledRepoError):
        return f"it is disabled on the Hub: {endpoint}/{transfer.repo_id} may say why"
    if isinstance(error, errors.RevisionNotFoundError):
        return transfer.unknown_revision()
    if status == 401 and "authorization" in error.response.request.headers:
        return f"{endpoint} refuses the token: log in anew (`hf auth login`), or mend HF_TOKEN"
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        return transfer.unknown_repository(endpoint)
    if status == 403:
        return f"{transfer.forbidden(endpoint)} ({said})"
    if status == 429:
        return f"{endpoint} has had too many requests from here: wait some minutes, or {LOG_IN}"
    if status >= 500:
        return f"{endpoint} is in trouble ({status} {said}): try again later"
    return f"{endpoint} does not take it ({status} {said})"
