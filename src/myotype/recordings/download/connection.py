"""Asking an HTTP server for files, or for the rest of one: with pauses, within limits, and checking what it answers."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from weakref import WeakSet

from myotype.errors import InputError
from myotype.recordings.download.patience import (
    Attempts,
    ChangedError,
    GaveUpError,
    Patience,
    RefusedError,
    StoppedError,
    TemporaryError,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import httpx2

_TEMPORARY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})  # statuses that may be another one later
_MOST_REDIRECTS: Final = 5
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)
_PASSWORD: Final = re.compile(r"[^/?#]*//[^/?#]*@")
_PLAIN: Final = frozenset({"", "identity"})  # content encodings that leave the bytes of a file as they are


@dataclass(frozen=True, slots=True)
class Identity:
    """By what the content of an address is known.

    Attributes
    ----------
    validator
        A strong ETag, or else the time of the last change; None where a server says neither.
    total
        Bytes; None where a server does not say.
    """

    validator: str | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Body:
    """Content that is on its way.

    Attributes
    ----------
    offset
        The position in the file that it begins at: the one that was asked for, or 0.
    identity
        What it is a part of.
    chunks
        The bytes.
    """

    offset: int
    identity: Identity
    chunks: Iterator[bytes]


class Connection:
    """Connections to servers; threads may share it. A context manager.

    Parameters
    ----------
    patience
        How long to try.
    connections
        How many at once.
    """

    def __init__(self, patience: Patience | None = None, connections: int = 4) -> None:
        import httpx2  # noqa: PLC0415  (importing it takes longer than myotype)

        if connections < 1:
            raise InputError(f"at least one connection is needed, not {connections}")
        self.patience = patience or Patience()
        self.connections = connections
        self.stop = threading.Event()
        self._streams: WeakSet[Any] = WeakSet()  # what the library reads from
        self._lock = threading.Lock()
        self._client = httpx2.Client(
            timeout=self.patience.timeout,
            limits=httpx2.Limits(max_connections=connections),
            headers={"Accept-Encoding": "identity", "User-Agent": "myotype"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def interrupt(self) -> None:
        """Stop all that other threads do with servers, also where they wait for one that has fallen silent."""
        self.stop.set()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            with suppress(OSError):  # of those that are closed already
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def attempts(self, url: str) -> Attempts:
        """Begin to count attempts at an address."""
        return Attempts(url, self.patience, self.stop)

    def size(self, url: str) -> int | None:
        """Ask how many bytes an address has; None where the server does not say.

        Raises
        ------
        RefusedError
            If there is no such file, or it may not be had.
        GaveUpError
            If the server cannot be reached.
        """
        attempts = self.attempts(url)
        while True:
            try:
                with self._answer("HEAD", url, {}) as response:
                    if response.status_code in (403, 405, 501):  # of servers that only know GET
                        return None
                    _check_status(url, response)
                    return _length(response)
            except TemporaryError as error:
                attempts.failed(error)

    def read(self, url: str, most: int) -> bytes:
        """Read a small file.

        Raises
        ------
        RefusedError
            If there is no such file, it may not be had, or has more than `most` bytes.
        GaveUpError
            If the server cannot be reached.
        """
        attempts = self.attempts(url)
        while True:
            content = bytearray()
            try:
                with self.open(url) as body:
                    for chunk in body.chunks:
                        content += chunk
                        if len(content) > most:
                            raise RefusedError(f"{url} has more than {most / 1e6:.0f} MB")
                return bytes(content)
            except TemporaryError as error:
                attempts.failed(error)

    @contextmanager
    def open(self, url: str, offset: int = 0, known: Identity | None = None) -> Iterator[Body]:
        """Ask for a file, or for the rest of it, once.

        Parameters
        ----------
        url
            Its address.
        offset
            Bytes that are here already. The answer may begin at 0 all the same: see :attr:`Body.offset`.
        known
            What these bytes are of.

        Raises
        ------
        TemporaryError
            If it does not go well, also in the midst of the content.
        ChangedError
            If the rest is not that of the file that was begun.
        RefusedError
            If there is no such file, or it may not be had.
        """
        headers = {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if known is not None and known.validator is not None:
                headers["If-Range"] = known.validator
        with self._answer("GET", url, headers) as response:
            if response.status_code == 416 and offset:
                raise ChangedError(f"the server has no byte {offset}")
            _check_status(url, response)
            encoding = response.headers.get("Content-Encoding", "").lower()
            if encoding not in _PLAIN and not urlsplit(url).path.endswith(".gz"):  # which some servers call encoded
                raise RefusedError(f"{url}: the server sends it compressed ({encoding}), which it was asked not to")
            if response.status_code == 206:
                identity = _checked_range(response, offset, known)
            else:
                offset, identity = 0, Identity(_validator(response), _length(response))
            yield Body(offset, identity, self._chunks(response))

    def _chunks(self, response: httpx2.Response) -> Iterator[bytes]:
        for chunk in response.iter_raw():  # as bytes come: larger chunks would be lost where the connection breaks
            if self.stop.is_set():
                raise StoppedError
            yield chunk

    @contextmanager
    def _answer(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """Ask, and turn what the library raises, also in the midst of the content, into errors of ours."""
        import httpx2  # noqa: PLC0415  (as above)

        if self.stop.is_set():
            raise StoppedError
        try:
            request = self._client.build_request(method, url, headers=headers, extensions={"trace": self._traced})
            with closing(self._followed(url, request)) as response:
                yield response
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise RefusedError(f"{url}: {_why(error)}") from error
        except httpx2.TransportError as error:
            if _is_about_certificates(error):
                raise GaveUpError(f"{url}: the server's certificate is not to be trusted: {_why(error)}") from error
            raise TemporaryError(_why(error)) from error

    def _traced(self, event: str, about: Mapping[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._streams.add(about["return_value"])

    def _followed(self, url: str, request: httpx2.Request) -> httpx2.Response:
        """Ask, also where the server leads elsewhere; what it sends with that is not read, as it may have no end."""
        secure = request.url.scheme == "https"
        for _ in range(_MOST_REDIRECTS + 1):
            if secure and request.url.scheme != "https":
                raise RefusedError(f"{url} leads to an address without encryption (on {request.url.host})")
            response = self._client.send(request, stream=True, follow_redirects=False)
            if response.next_request is None:
                return response
            response.close()
            request = response.next_request
        raise RefusedError(f"{url}: more than {_MOST_REDIRECTS} redirects, one after the other")


def checked_base(base: str) -> str:
    """Check an address that files are below, and give it without a slash at its end.

    Raises
    ------
    InputError
        If it is none of HTTP, or has a password in it.
    """
    refuse_password(base)
    try:
        parts = urlsplit(base)
        port_is_a_number = parts.port is None or parts.port >= 0
    except ValueError as error:
        raise InputError(f"{base!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_a_number:
        raise InputError(f"{base!r} is no address of a server: it has to begin with https:// or http://")
    if parts.query or parts.fragment:
        raise InputError(f"{base!r} has a query or fragment (? or #); an address that files are below has none")
    return base.rstrip("/")


def refuse_password(address: str) -> None:
    """Refuse an address with a name or password in it: addresses are shown in messages, and noted beside files.

    Raises
    ------
    InputError
        Which does not show the address.
    """
    if _PASSWORD.match(address):
        raise InputError("an address with a user name or password in it (before an @) is not taken: it would be shown")


def _check_status(url: str, response: httpx2.Response) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    said = f"the server answers {status} {response.reason_phrase}".rstrip()
    if status in _TEMPORARY:
        raise TemporaryError(said, _retry_after(response.headers.get("Retry-After", "")))
    if status in (404, 410):
        raise RefusedError(f"{url}: there is no such file on the server ({status})")
    raise RefusedError(f"{url}: {said}")


def _checked_range(response: httpx2.Response, offset: int, known: Identity | None) -> Identity:
    """Check that a part is the one that was asked for, of the file that it was asked of."""
    if not offset:
        raise RefusedError(f"{response.request.url}: the server answers with a part, which it was not asked for")
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match is None or match[1] is None or int(match[1]) != offset:
        raise ChangedError(f"the server sends another part than the one from byte {offset} on")
    total = None if match[3] == "*" else int(match[3])
    validator = _validator(response)
    if known is not None:
        if known.validator is not None and validator not in (None, known.validator):
            raise ChangedError("the file on the server has changed")
        if known.total is not None and total not in (None, known.total):
            raise ChangedError("the file on the server has another size than before")
        validator, total = known.validator or validator, known.total if total is None else total
    return Identity(validator, total)


def _validator(response: httpx2.Response) -> str | None:
    etag = response.headers.get("ETag", "")
    if etag.startswith('"') and etag.endswith('"') and len(etag) > 2:  # weak ones (W/"...") are not for ranges
        return str(etag)
    changed = response.headers.get("Last-Modified")
    return str(changed) if changed else None


def _length(response: httpx2.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _retry_after(value: str) -> float | None:
    """Give the seconds that a server asks to wait, which it says as a number or as a date."""
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, (date - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):  # the latter from years and offsets beyond what dates have
        return None


def _is_about_certificates(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _why(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
