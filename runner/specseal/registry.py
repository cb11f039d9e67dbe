"""Container registries: what a reference means, and asking one repository of one registry.

No byte is believed that does not hash to the digest it was asked for by.

Source: OCI Distribution Specification 1.1 and the token authentication of Docker's registry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase
from requests.utils import parse_dict_header

from specseal.digests import sha256_bytes
from specseal.errors import InputError, MachineLacks, RegistryError, WrongBytes
from specseal.http import Anonymous, Answer, Basic, Bearer, asking, read_body
from specseal.registry_login import Login, keeps_secrets

DEFAULT_REGISTRY = "docker.io"
_API_HOSTS = {DEFAULT_REGISTRY: "registry-1.docker.io"}
"""Where the API is not at the host of the name."""

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
MAX_DOCUMENT_BYTES = 4 << 20
"""The size that registries must accept for a manifest; none is near it."""

_LEADS_ON = (301, 302, 303, 307, 308)
_MAX_HOPS = 6
"""Requests for one thing, one of them after logging in."""

DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    r"(?:(?P<registry>[A-Za-z0-9.-]+\.[A-Za-z0-9.-]+(?::\d+)?|[A-Za-z0-9-]+:\d+|localhost)/)?"
    rf"(?P<repository>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A name in a registry, taken apart, defaults filled in."""

    registry: str
    """Host, and port where it has one."""
    repository: str
    version: str
    """What to ask the registry for: `sha256:…` where the reference has a digest, else the tag."""
    written: frozenset[str] = field(default=frozenset(), compare=False)
    """Which of `registry`, `tag` and `digest` were written, and are no defaults."""


def parse_reference(text: str) -> Reference:
    """Take a reference apart, as container engines do.

    Raises:
        InputError: it is not an image reference.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} is not an image reference",
            mend="write [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST], the name in lower case",
        )
    registry = match["registry"] or DEFAULT_REGISTRY
    repository = match["repository"]
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(
        registry=registry,
        repository=repository,
        version=match["digest"] or match["tag"] or "latest",
        written=frozenset(key for key in ("registry", "tag", "digest") if match[key]),
    )


class KeepsFailing(MachineLacks):
    """A registry answers, and says that it can't: of this one thing, or of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest or an index: its bytes, checked, and what the registry calls them."""

    body: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """Return `sha256:…` of the bytes."""
        return f"sha256:{sha256_bytes(self.body)}"


def host_of(url: str) -> str:
    """Return host and port of a URL; never the user and password that it may hold."""
    return urlsplit(url).netloc.rpartition("@")[2]


class Repository:
    """One repository of one registry, with the token that using it may take.

    Args:
        name: what is asked for, as errors should name it.
        where: the same, taken apart.
        mirrors: the base URL to ask in place of a registry host.
        session: what to ask with.
        login: an account there; by default nothing is said about who asks.
        actions: what to ask a token for.
    """

    def __init__(
        self,
        name: str,
        where: Reference,
        *,
        mirrors: Mapping[str, str],
        session: requests.Session,
        login: Login | None = None,
        actions: str = "pull",
    ) -> None:
        self.name = name
        self.where = where
        self.session = session
        host = _API_HOSTS.get(where.registry, where.registry)
        self._base = mirrors.get(where.registry, f"https://{host}").rstrip("/")
        self._login = login
        self._actions = actions
        self._auth: AuthBase = Anonymous()

    @property
    def host(self) -> str:
        """Host and port that are asked; never the user and password that a URL may hold."""
        return host_of(self._base)

    def url(self, path: str, *, against: str = "") -> str:
        """Return the URL of a path below the repository, or of a `Location` against its request.

        Raises:
            RegistryError: a location that would leave TLS.
        """
        if not against:
            return f"{self._base}/v2/{self.where.repository}/{path}"
        url = urljoin(against, path)
        if urlsplit(url).scheme not in self._schemes:
            raise RegistryError(f"{self.name}: {self.host} sends us to {urlsplit(url).scheme!r}")
        return url

    def document(self, version: str, *, accept: str) -> Document:
        """Get a manifest or an index by tag or digest, its bytes checked.

        Raises:
            RegistryError: the registry has not got it, or not for us.
            WrongBytes: it sent something else.
            MachineLacks: it can't be reached, or keeps failing.
        """
        return self._document(self.answer(f"manifests/{version}", accept=accept), version)

    def find_document(self, version: str, *, accept: str) -> Document | None:
        """Get a manifest or an index, or None where there is none. Raises: as `document`."""
        answer = self.answer(f"manifests/{version}", accept=accept)
        if answer.status == requests.codes.not_found:
            return None
        return self._document(answer, version)

    def small_blob(self, digest: str) -> bytes:
        """Get a blob that is a small document, its bytes checked. Raises: as `document`."""
        return self._document(self.answer(f"blobs/{digest}", accept="*/*"), digest).body

    def answer(self, path: str, *, accept: str) -> Answer:
        """Get a small document as it comes, whatever the status.

        Raises:
            RegistryError: it is too large, or as `request`.
            MachineLacks: the registry can't be reached.
        """
        with self.request("GET", self.url(path), headers={"Accept": accept}) as response:
            return read_body(response, what=self._what, limit_bytes=MAX_DOCUMENT_BYTES)

    @contextmanager
    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Callable[[], bytes | IO[bytes]] | None = None,
    ) -> Iterator[requests.Response]:
        """Send a request, logging in where the registry asks for it, and yield its answer.

        What is read may lie elsewhere, at a store of blobs: it is looked for there, without a token
        of ours, and never out of TLS. What is sent goes nowhere else than it was sent to.

        Args:
            method: of HTTP.
            url: one of `url`.
            headers: of the request.
            data: opens the body anew for each attempt.

        Raises:
            RegistryError: it wants a login that we have not, or leads on without end.
            MachineLacks: it can't be reached.
        """
        challenged = False
        for _ in range(_MAX_HOPS):
            # A location elsewhere carries its own permission, and gets none of ours.
            ours = urlsplit(url).netloc == urlsplit(self._base).netloc
            with asking(
                self.session,
                method,
                url,
                what=self._what,
                headers=headers,
                auth=self._auth if ours else None,
                data=None if data is None else data(),
            ) as response:
                status = response.status_code
                leads_on = method in ("GET", "HEAD") and status in _LEADS_ON
                wants_login = status == requests.codes.unauthorized and ours and not challenged
                if not (leads_on or wants_login):
                    yield response
                    return
                answered = response.headers
            if leads_on:
                url = self.url(answered.get("Location", ""), against=url)
            else:
                challenged = True
                self._auth = self._answer_to(answered.get("WWW-Authenticate", ""))
        raise RegistryError(f"{self.name}: {self.host} sends us on and on")

    def check_status(self, status: int, what: str) -> None:
        """Refuse an answer of any status but success.

        Raises:
            RegistryError: it is not there, not allowed, or not understood.
            MachineLacks: the registry keeps failing.
        """
        if requests.codes.ok <= status < requests.codes.multiple_choices:
            return
        if status == requests.codes.not_found:
            raise RegistryError(
                f"{self.name}: {self.host} has no {what} of {self.where.repository} (404)",
                mend="check the name, its tag or digest, and [mirrors] in specseal.toml",
            )
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            raise self._needs_login(status)
        if status == requests.codes.too_many_requests or status >= 500:
            raise KeepsFailing(
                f"{self.name}: {self.host} keeps answering {status}",
                mend="wait and run the command again, or name a mirror for "
                f"{self.where.registry!r} under [mirrors] in specseal.toml",
            )
        raise RegistryError(f"{self.name}: {self.host} answers {status} for {what}")

    def json_object(self, body: bytes) -> dict[str, Any]:
        """Read a JSON object in which no key comes twice. Raises: RegistryError."""
        try:
            value = json.loads(body, object_pairs_hook=_without_twins)
        except (ValueError, RecursionError) as error:
            raise RegistryError(f"{self.name}: {self.host} sent what is not JSON") from error
        if not isinstance(value, dict):
            raise RegistryError(f"{self.name}: {self.host} sent JSON that is not an object")
        return value

    @property
    def _what(self) -> str:
        """What errors of a connection say can't be reached."""
        return f"{self.name}: the registry {self.host}"

    @property
    def _schemes(self) -> tuple[str, ...]:
        return ("https", "http") if urlsplit(self._base).scheme == "http" else ("https",)

    def _document(self, answer: Answer, version: str) -> Document:
        self.check_status(answer.status, version)
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        found = Document(body=answer.body, media_type=media_type)
        announced = answer.headers.get("Docker-Content-Digest", found.digest)
        asked = version if DIGEST.fullmatch(version) else found.digest
        for expected in (asked, announced):
            if found.digest != expected:
                raise WrongBytes(
                    f"{self.name}: {self.host} sent the wrong bytes for {version}: "
                    f"expected {expected}, found {found.digest}",
                    mend="the registry, or something on the way to it, is damaged or hostile; "
                    "use another mirror",
                )
        return found

    def _answer_to(self, challenge: str) -> AuthBase:
        """Return what satisfies a registry's challenge: a password, or a token that it names."""
        scheme, _, parameters = challenge.partition(" ")
        if self._login:
            self._demand_secrecy(self._base)
        if scheme.lower() == "basic" and self._login and self._login.username:
            return Basic(self._login.username, self._login.secret)
        asked = parse_dict_header(parameters)  # type: ignore[no-untyped-call]
        realm = asked.get("realm") or ""
        if scheme.lower() != "bearer" or urlsplit(realm).scheme not in self._schemes:
            raise self._needs_login(requests.codes.unauthorized)
        if self._login:
            self._demand_secrecy(realm)
        scope = f"repository:{self.where.repository}:{self._actions}"
        query = {"scope": scope if self._actions != "pull" else asked.get("scope") or scope}
        if asked.get("service"):
            query["service"] = str(asked["service"])
        answer = self._ask_for_token(realm, query)
        self.check_status(answer.status, "token")
        granted = self.json_object(answer.body)
        token = granted.get("token") or granted.get("access_token")
        if not isinstance(token, str):
            raise RegistryError(f"{self.name}: {self.host} gave no token")
        return Bearer(token)

    def _ask_for_token(self, realm: str, query: dict[str, str]) -> Answer:
        login = self._login
        method, auth, data = "GET", None, None
        if login is not None and login.username:
            auth = Basic(login.username, login.secret)
        elif login is not None:
            # Source: Docker's token authentication, OAuth2 with a refresh token.
            own = {"grant_type": "refresh_token", "client_id": "specseal"}
            method, data, query = "POST", {**query, **own, "refresh_token": login.secret}, {}
        headers = {"Accept": "application/json"}
        with asking(
            self.session, method, realm, what=self._what, headers=headers, auth=auth, query=query,
            data=data,
        ) as response:  # fmt: skip
            return read_body(response, what=self._what, limit_bytes=MAX_DOCUMENT_BYTES)

    def _demand_secrecy(self, url: str) -> None:
        """Refuse to send a secret where others on the way could read it."""
        if not keeps_secrets(url):
            raise RegistryError(
                f"{self.name}: {self.host} asks for the account that Docker's configuration names, "
                f"and {urlsplit(url).hostname} is reached without TLS: others could read it",
                mend="reach the registry by https, or `docker logout` from it if it is open",
            )

    def _needs_login(self, status: int) -> RegistryError:
        if self._login is not None:
            return RegistryError(
                f"{self.name}: {self.host} does not let the account in that Docker's "
                "configuration names for it",
                mend=f"`docker login {self.where.registry}` with an account that may do this",
            )
        return RegistryError(
            f"{self.name}: {self.host} lets nobody do this without an account ({status}), and "
            "specseal has none",
            mend="check the name (a registry may answer so for what does not exist), or use a name "
            f"or a mirror that is open; to publish, `docker login {self.where.registry}`",
        )


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key comes twice")
    return value
