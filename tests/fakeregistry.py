"""A container registry in memory that speaks the documented API, and does as badly as it is told.

Source: OCI Distribution Specification 1.1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import serving

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_BELOW_REPOSITORY = re.compile(r"/v2/.+?/(blobs|manifests|referrers)/(.*)")


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@dataclass
class Fault:
    """Something that goes wrong with the next requests of a method and a part of their path."""

    method: str
    part: str
    times: int = 1
    status: int | None = None
    """What is answered; None: the connection is cut in the middle of the body."""
    skip: int = 0
    """How many such requests go well before."""

    def hits(self, method: str, path: str) -> bool:
        if method != self.method or self.part not in path:
            return False
        if self.skip or not self.times:
            self.skip -= bool(self.skip)
            return False
        self.times -= 1
        return True


@dataclass
class Kept:
    """What the registry keeps, and how it behaves."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    """How often, by method and kind: `GET blobs`."""
    authorizations: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    has_referrers_api: bool = False
    account: tuple[str, str] | None = None
    """User and password that it takes to get a token."""
    granted: str | None = None
    """The one token that it takes at present; None: it takes everybody."""
    forgets_lists: bool = False
    """Whether what is written to the tag of a list is lost, as to another writer."""


class FakeRegistry(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = f"127.0.0.1:{self.server_port}"
        self.kept = Kept()

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no news here."""


class _Handler(BaseHTTPRequestHandler):
    server: FakeRegistry
    protocol_version = "HTTP/1.1"
    # Else a body waits some 40 ms for its head to be acknowledged.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._dispatch()

    do_HEAD = do_POST = do_PATCH = do_PUT = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass

    def _dispatch(self) -> None:
        kept = self.server.kept
        self.url = urlsplit(self.path)
        self.query = parse_qs(self.url.query)
        kept.authorizations.append(self.headers.get("Authorization", ""))
        if self.url.path == "/token":
            self._token()
            return
        kind, rest = _BELOW_REPOSITORY.fullmatch(self.url.path).groups()
        kept.asked[f"{self.command} {kind}"] += 1
        for fault in kept.faults:
            if fault.hits(self.command, self.path):
                self._fail(fault)
                return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if kept.granted and self.headers.get("Authorization") != f"Bearer {kept.granted}":
            realm = f'Bearer realm="http://{self.server.host}/token",service="fake"'
            self._answer(401, headers={"WWW-Authenticate": realm})
            return
        getattr(self, f"_{self.command}_{kind}".lower())(rest, body)

    def _token(self) -> None:
        kept = self.server.kept
        kept.asked["GET token"] += 1
        if kept.account:
            wanted = base64.b64encode(":".join(kept.account).encode()).decode()
            if self.headers.get("Authorization") != f"Basic {wanted}":
                self._answer(401)
                return
        kept.granted = f"token-{kept.asked['GET token']}"
        self._answer(200, json.dumps({"token": kept.granted}).encode())

    def _fail(self, fault: Fault) -> None:
        if fault.status is not None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(fault.status)
            return
        if self.command == "GET":
            body = self.server.kept.blobs.get(self.path.rsplit("/", 1)[-1], b"xx")
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
        self.close_connection = True

    def _get_blobs(self, digest: str, body: bytes) -> None:
        found = self.server.kept.blobs.get(digest)
        self._answer(404 if found is None else 200, found or b"")

    _head_blobs = _get_blobs

    def _post_blobs(self, _: str, body: bytes) -> None:
        kept = self.server.kept
        name = str(len(kept.uploads))
        kept.uploads[name] = b""
        self._answer(202, headers={"Location": f"/v2/made/blobs/uploads/{name}?state=0"})

    def _patch_blobs(self, path: str, body: bytes) -> None:
        name = path.rsplit("/", 1)[-1]
        self.server.kept.uploads[name] += body
        self._answer(202, headers={"Location": f"/v2/made/blobs/uploads/{name}?state=1"})

    def _put_blobs(self, path: str, body: bytes) -> None:
        kept = self.server.kept
        whole = kept.uploads.pop(path.rsplit("/", 1)[-1]) + body
        (digest,) = self.query["digest"]
        if digest_of(whole) != digest:
            self._answer(400)
            return
        kept.blobs[digest] = whole
        self._answer(201)

    def _get_manifests(self, version: str, _: bytes) -> None:
        found = self.server.kept.manifests.get(version)
        if found is None:
            self._answer(404)
            return
        self._answer(200, found[0], headers={"Content-Type": found[1]})

    def _put_manifests(self, version: str, body: bytes) -> None:
        kept = self.server.kept
        value = json.loads(body)
        for descriptor in (*value.get("layers", ()), *filter(None, [value.get("config")])):
            if descriptor["digest"] not in kept.blobs:
                self._answer(404)
                return
        if not (kept.forgets_lists and version.startswith("sha256-")):
            kept.manifests[version] = (body, self.headers["Content-Type"])
        kept.manifests[digest_of(body)] = (body, self.headers["Content-Type"])
        self._answer(201)

    def _get_referrers(self, digest: str, _: bytes) -> None:
        kept = self.server.kept
        if not kept.has_referrers_api:
            self._answer(404)
            return
        found = []
        for version, (body, media_type) in kept.manifests.items():
            value = json.loads(body)
            if value.get("subject", {}).get("digest") == digest and version.startswith("sha256:"):
                found.append(
                    {
                        "mediaType": media_type,
                        "digest": version,
                        "size": len(body),
                        "artifactType": value["artifactType"],
                    }
                )
        # A page each, as a registry may do.
        page = int(self.query.get("page", ["0"])[0])
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found[page : page + 1]}
        more = page + 1 < len(found)
        link = {"Link": f'</v2/x/referrers/{digest}?page={page + 1}>; rel="next"'} if more else {}
        self._answer(200, json.dumps(index).encode(), headers={"Content-Type": INDEX, **link})

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def running() -> AbstractContextManager[FakeRegistry]:
    return serving(FakeRegistry())
