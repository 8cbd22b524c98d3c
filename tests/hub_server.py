"""A stand-in for the Hugging Face Hub, on this machine: speaks as much as huggingface_hub asks of it for models."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

TOKEN = "hf_whoMayReadAndWriteEverything"
READER = "hf_whoMayReadPublicThings"
USER = "somebody"
LARGE = (".safetensors", ".onnx", ".bin")  # kept in a storage of its own, as Git LFS does

Files = dict[str, bytes]


@dataclass(frozen=True)
class Request:
    """What a client has asked for."""

    server: str  # "hub" or "storage"
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]  # names in lower case
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Repository:
    """A model's repository: commits, and the branches and tags that point to them."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, ref: str, files: Mapping[str, bytes], message: str) -> str:
        text = json.dumps([len(self.commits), message, sorted((name, sha1(data)) for name, data in files.items())])
        commit = self.refs[ref] = sha1(text.encode())
        self.commits[commit] = dict(files)
        self.messages[commit] = message
        return commit

    def resolve(self, revision: str) -> str | None:
        return self.refs.get(revision, revision if revision in self.commits else None)


@dataclass
class Fault:
    """What happens to requests whose "METHOD /path" the pattern is found in."""

    pattern: str
    status: int | None
    headers: Mapping[str, str]
    body: bytes
    cut: int | None
    gently: bool
    times: int | None


class Hub:
    """The server and what it holds.

    Attributes
    ----------
    url
        Its address, for ``HF_ENDPOINT``.
    home
        A folder for ``HF_HOME``.
    requests
        All that was asked for, in order.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.requests: list[Request] = []
        self.storage: dict[str, bytes] = {}
        self._repositories: dict[str, Repository] = {}
        self._faults: list[Fault] = []
        self._servers = {name: _serve(self, name) for name in ("hub", "storage")}
        self.url = _address(self._servers["hub"])
        self.storage_url = _address(self._servers["storage"])

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that is to use this server."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        return kept | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "*",
        }

    def add(
        self, repo_id: str, revisions: Mapping[str, Mapping[str, bytes]], *, private: bool = False, gated: bool = False
    ) -> dict[str, str]:
        """Put a repository on the server, or more commits into one: files by revision. Gives the commits' hashes."""
        repository = self._repositories.setdefault(repo_id, Repository())
        repository.private, repository.gated = private, gated
        return {name: repository.commit(name, files, f"add {name}") for name, files in revisions.items()}

    def files(self, repo_id: str, revision: str = "main") -> Files:
        """Give what a repository holds."""
        repository = self._repositories[repo_id]
        return repository.commits[repository.refs[revision]]

    def messages(self, repo_id: str) -> list[str]:
        """Give the messages of a repository's commits, in order."""
        return list(self._repositories[repo_id].messages.values())

    def is_private(self, repo_id: str) -> bool:
        """Say whether a repository is private."""
        return self._repositories[repo_id].private

    def asked(self, method: str) -> list[str]:
        """Give the names of the files that were asked for, in order; a redirection to the storage counts once."""
        found = [request for request in self.requests if request.method == method and request.server == "hub"]
        names = [re.search(r"/resolve/[^/]+/(.+)$", request.path) for request in found]
        direct = [match[1] for match in names if match]
        if method == "HEAD":
            return direct
        stored = [request for request in self.requests if request.method == method and request.server == "storage"]
        return direct + [request.path.rsplit("/", 1)[1] for request in stored]

    def fail(
        self,
        pattern: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        cut: int | None = None,
        gently: bool = False,
        times: int | None = None,
    ) -> None:
        """Let requests fail whose "METHOD /path" the pattern is found in.

        Parameters
        ----------
        pattern
            A regular expression.
        status, headers, body
            What to answer.
        cut
            Instead: answer rightly, but break the connection off after so many bytes of the content; 0 for no answer.
        gently
            Whether to break it off by closing it, which huggingface_hub takes up again by itself, not by a reset.
        times
            How often; by default until `heal` is called.
        """
        self._faults.append(Fault(pattern, status, headers or {}, body, cut, gently, times))

    def heal(self) -> None:
        """Let nothing fail any more."""
        self._faults.clear()

    def close(self) -> None:
        """Be gone: connections are refused from now on."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def fault_for(self, request: Request) -> Fault | None:
        for fault in self._faults:
            if re.search(fault.pattern, str(request)) and fault.times != 0:
                fault.times = None if fault.times is None else fault.times - 1
                return fault
        return None

    # What the server answers. Paths and headers are those of the Hub.

    def answer(self, request: Request) -> Answer:
        if request.server == "storage":
            return self._store(request)
        routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("HEAD|GET", r"/(?P<repo_id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)", self._resolve),
            ("GET", r"/api/models/(?P<repo_id>[^/]+/[^/]+)(/revision/(?P<revision>[^/]+))?", self._describe),
            ("POST", r"/api/repos/create", self._create),
            ("POST", r"/api/validate-yaml", self._validate),
            ("POST", r"/api/models/(?P<repo_id>[^/]+/[^/]+)/preupload/(?P<revision>[^/]+)", self._preupload),
            ("POST", r"/(?P<repo_id>[^/]+/[^/]+)\.git/info/lfs/objects/batch", self._batch),
            ("POST", r"/api/models/(?P<repo_id>[^/]+/[^/]+)/commit/(?P<revision>[^/]+)", self._commit),
        ]
        for method, pattern, handler in routes:
            match = re.fullmatch(pattern, request.path)
            if match and re.fullmatch(method, request.method):
                return handler(request, **{name: part and unquote(part) for name, part in match.groupdict().items()})
        return refusal(404, None, f"the stand-in does not know {request}")

    def _repository(self, request: Request, repo_id: str) -> Repository | Answer:
        """Give a repository to whom may read it."""
        token = _token(request)
        if token not in (None, TOKEN, READER):
            return refusal(401, None, "Invalid credentials in Authorization header")
        repository = self._repositories.get(repo_id)
        if repository is None or (repository.private and token != TOKEN):
            if token is None:
                return refusal(401, None, "Invalid username or password.")
            return refusal(404, "RepoNotFound", "Repository not found")
        if repository.gated and token != TOKEN:
            said = f"Access to model {repo_id} is restricted and you are not in the authorized list."
            return refusal(401 if token is None else 403, "GatedRepo", said)
        return repository

    def _resolve(self, request: Request, repo_id: str, revision: str, name: str) -> Answer:
        repository = self._repository(request, repo_id)
        if isinstance(repository, Answer):
            return repository
        commit = repository.resolve(revision)
        if commit is None:
            return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        headers = {"X-Repo-Commit": commit}
        content = repository.commits[commit].get(name)
        if content is None:
            return refusal(404, "EntryNotFound", "Entry not found", headers)
        if not name.endswith(LARGE):
            return Answer(200, content, headers | {"ETag": f'"{sha1(content)}"'})
        oid = self._keep(content)
        headers |= {"X-Linked-ETag": f'"{oid}"', "X-Linked-Size": str(len(content))}
        return Answer(302, b"", headers | {"Location": f"{self.storage_url}/{oid}/{quote(name)}"})

    def _describe(self, request: Request, repo_id: str, revision: str | None) -> Answer:
        repository = self._repository(request, repo_id)
        if isinstance(repository, Answer):
            return repository
        commit = repository.resolve(revision or "main")
        if commit is None:
            return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        siblings = [{"rfilename": name} for name in repository.commits[commit]]
        return Answer.json({"id": repo_id, "sha": commit, "private": repository.private, "siblings": siblings})

    def _create(self, request: Request) -> Answer:
        if _token(request) is None:
            return refusal(401, None, "Invalid username or password.")
        asked = json.loads(request.body)
        owner = asked["organization"] or USER
        repo_id = f"{owner}/{asked['name']}"
        answer = {"url": f"{self.url}/{repo_id}"}
        if repo_id in self._repositories:
            return Answer.json(answer | {"error": "You already created this model repo"}, 409)
        if _token(request) != TOKEN:
            return refusal(403, None, f"You don't have the rights to create a model under {owner!r}")
        self.add(repo_id, {"main": {".gitattributes": b"*.safetensors filter=lfs\n"}})
        self._repositories[repo_id].private = asked.get("visibility") == "private" or bool(asked.get("private"))
        return Answer.json(answer)

    def _validate(self, request: Request) -> Answer:
        assert json.loads(request.body)["repoType"] == "model"
        return Answer.json({"errors": [], "warnings": []})

    def _writable(self, request: Request, repo_id: str, revision: str) -> Repository | Answer:
        repository = self._repository(request, repo_id)
        if isinstance(repository, Answer):
            return repository
        if _token(request) != TOKEN:
            return refusal(403, None, "Authorization error.")
        if revision not in repository.refs:
            return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository

    def _preupload(self, request: Request, repo_id: str, revision: str) -> Answer:
        repository = self._writable(request, repo_id, revision)
        if isinstance(repository, Answer):
            return repository
        there = repository.commits[repository.refs[revision]]
        files = []
        for file in json.loads(request.body)["files"]:
            name = file["path"]
            entry = {"path": name, "uploadMode": "lfs" if name.endswith(LARGE) else "regular", "shouldIgnore": False}
            if name in there:
                entry["oid"] = _oid(name, there[name])
            files.append(entry)
        return Answer.json({"files": files})

    def _batch(self, request: Request, repo_id: str) -> Answer:
        asked = json.loads(request.body)
        repository = self._writable(request, repo_id, asked.get("ref", {"name": "main"})["name"])
        if isinstance(repository, Answer):
            return repository
        objects = []
        for entry in asked["objects"]:
            upload = {"upload": {"href": f"{self.storage_url}/{entry['oid']}"}}
            objects.append(entry if entry["oid"] in self.storage else entry | {"actions": upload})
        return Answer.json({"transfer": "basic", "objects": objects})

    def _commit(self, request: Request, repo_id: str, revision: str) -> Answer:
        repository = self._writable(request, repo_id, revision)
        if isinstance(repository, Answer):
            return repository
        files = dict(repository.commits[repository.refs[revision]])
        message = ""
        for line in request.body.splitlines():
            key, value = (json.loads(line)[part] for part in ("key", "value"))
            if key == "header":
                message = value["summary"]
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.storage[value["oid"]]
            else:
                return refusal(400, None, f"the stand-in does not know {key}")
        proposed = request.query.get("create_pr") == ["1"]
        commit = repository.commit("refs/pr/1" if proposed else revision, files, message)
        answer = {"commitUrl": f"{self.url}/{repo_id}/commit/{commit}", "commitOid": commit, "success": True}
        return Answer.json(answer | ({"pullRequestUrl": f"{self.url}/{repo_id}/discussions/1"} if proposed else {}))

    def _keep(self, content: bytes) -> str:
        oid = hashlib.sha256(content).hexdigest()
        self.storage[oid] = content
        return oid

    def _store(self, request: Request) -> Answer:
        oid = request.path.split("/")[1]
        if request.method == "PUT":
            kept = self._keep(request.body)
            return Answer(200) if kept == oid else refusal(400, None, "this is not what was announced")
        if oid not in self.storage:
            return refusal(404, None, "NoSuchKey")
        return Answer(200, self.storage[oid], {"ETag": f'"{oid}"'})


@dataclass(frozen=True)
class Answer:
    """Status, content and headers of a response."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: object, status: int = 200) -> Answer:
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def refusal(status: int, code: str | None, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Refuse, as the Hub does it."""
    coded = {} if code is None else {"X-Error-Code": code}
    return Answer(status, b"", {"X-Error-Message": message, **coded, **(headers or {})})


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _oid(name: str, content: bytes) -> str:
    """Give what Git calls a content, or Git LFS."""
    if name.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return sha1(f"blob {len(content)}\0".encode() + content)


def _token(request: Request) -> str | None:
    header = request.headers.get("authorization")
    return None if header is None else header.removeprefix("Bearer ")


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    server_name: str

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        headers = {key.lower(): value for key, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        assert "transfer-encoding" not in headers
        request = Request(self.server_name, self.command, url.path, parse_qs(url.query), headers, body)
        self.hub.requests.append(request)
        fault = self.hub.fault_for(request)
        if fault is not None and fault.cut == 0:
            self._reset()
        elif fault is not None and fault.status is not None:
            self._send(request, Answer(fault.status, fault.body, fault.headers))
        else:
            self._send(request, self.hub.answer(request), fault)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _send(self, request: Request, answer: Answer, fault: Fault | None = None) -> None:
        content, status, headers = answer.content, answer.status, {**answer.headers}
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if span and status == HTTPStatus.OK:
            status, start = 206, int(span[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
        self.send_response(status)
        for key, value in ({"Accept-Ranges": "bytes", "Content-Length": str(len(content))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        if request.method != "HEAD":
            self.wfile.write(content[: None if fault is None else fault.cut])
        if fault is not None and not fault.gently:
            self._reset()

    def _reset(self) -> None:
        """Break the connection off, as when a cable is pulled out; http.server itself would close it politely."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _serve(hub: Hub, name: str) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": hub, "server_name": name})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


def _address(server: ThreadingHTTPServer) -> str:
    return "http://{}:{}".format(*server.server_address[:2])
