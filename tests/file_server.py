"""A server of files, on this machine, that misbehaves as it is told."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Rule:
    """What happens to requests whose "METHOD /path" the pattern is found in.

    Attributes
    ----------
    pattern
        A regular expression.
    times
        How often; None for always.
    status
        What to answer instead, without the file.
    talks
        The content of that answer.
    headers
        Instead of, or beside, those that are right; one with None is left out.
    content
        What to send instead.
    cut
        Break the connection off after so many bytes of the content.
    ignores_range
        Send the whole file whatever is asked for.
    shift
        Bytes that a range begins too late.
    stall
        Seconds to wait in the midst of the content.
    """

    pattern: str
    times: int | None = None
    status: int | None = None
    talks: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    content: bytes | None = None
    cut: int | None = None
    ignores_range: bool = False
    shift: int = 0
    stall: float = 0.0


class FileServer:
    """The server and what it holds; files by path."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.requests: list[str] = []  # "GET /path 100-" with the first byte that was asked for
        self.most_at_once = 0
        self.at_once = 0
        self.rules: list[Rule] = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"server_of_files": self})
        self._server = _Quiet(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/data"

    def rule(self, pattern: str, **behaviour: object) -> None:
        self.rules.append(Rule(pattern, **behaviour))

    def got(self, name: str = "") -> list[str]:
        """Give the requests for contents."""
        return [request for request in self.requests if request.startswith("GET") and name in request]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rule_for(self, request: str) -> Rule:
        with self.lock:
            for rule in self.rules:
                if rule.times != 0 and re.search(rule.pattern, request):
                    rule.times = None if rule.times is None else rule.times - 1
                    return rule
        return Rule("")


def serve_folder(folder: Path) -> dict[str, bytes]:
    """Give the files below a folder as the server has them."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that break off."""


class _Handler(BaseHTTPRequestHandler):
    server_of_files: FileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        try:
            self._answer()
        except OSError:  # the client has gone
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def _answer(self) -> None:
        server = self.server_of_files
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        request = f"{self.command} {self.path}" + (f" {span[1]}-" if span else "")
        server.requests.append(request)
        rule = server.rule_for(request)
        whole = server.files.get(self.path.removeprefix("/data/")) if rule.content is None else rule.content
        if rule.status is not None or whole is None:
            self._send(rule.status or 404, rule.talks, rule.headers, rule)
            return
        headers = {"ETag": f'"{hashlib.md5(whole).hexdigest()}"'} | dict(rule.headers)
        condition = self.headers.get("If-Range")
        fits = condition is None or condition in headers.values()
        if span is None or rule.ignores_range or not fits:
            self._send(200, whole, headers, rule)
            return
        start = int(span[1]) + rule.shift
        if start >= len(whole):
            self._send(416, b"", {"Content-Range": f"bytes */{len(whole)}"}, rule)
            return
        said = {"Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"}
        self._send(206, whole[start:], said | headers, rule)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str | None], rule: Rule) -> None:
        self._count(1)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | dict(headers)).items():
            if value is not None:
                self.send_header(name, value)
        if headers.get("Content-Length", "") is None:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            self._count(-1)
            return
        if rule.stall:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            time.sleep(rule.stall)
            content = content[len(content) // 2 :]
        self._count(-1)  # before the last byte, after which the client may begin with the next
        self.wfile.write(content[: rule.cut])
        self.wfile.flush()
        if headers.get("Content-Length", "") is None:
            self.close_connection = True
        if rule.cut is not None:
            time.sleep(0.01)  # so that what was sent is read before the reset throws it away
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True

    def _count(self, number: int) -> None:
        server = self.server_of_files
        with server.lock:
            server.at_once += number
            server.most_at_once = max(server.most_at_once, server.at_once)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""
