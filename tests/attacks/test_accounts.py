"""Attack 17: a registry asks for secrets that are not its own, or leads them elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from delivering import site_at
from loopback import serving
from specseal.delivery import InRegistry, parse_place
from specseal.errors import RegistryError, SpecsealError
from specseal.http import open_session
from specseal.registry import MANIFEST_TYPE, Repository, parse_reference
from specseal.registry_login import Login

Answer = tuple[int, dict[str, str]]


class Server(ThreadingHTTPServer):
    """Does as it is told, and remembers each request as one text: line, headers and body."""

    daemon_threads = True
    answer: Callable[[str], Answer]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        self.answer = lambda _: (200, {"Content-Type": MANIFEST_TYPE})

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(f"{self.requestline}\n{self.headers}{body.decode()}")
        status, headers = self.server.answer(self.path)
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """A registry, and somebody else."""
    with serving(Server()) as registry, serving(Server()) as other:
        yield registry, other


def ask(registry: Server, login: Login | None = None, *, method: str = "GET") -> int:
    name = f"{registry.host}/lab/results"
    with open_session(attempts=1, timeout_s=10) as session:
        repository = Repository(
            name,
            parse_reference(name),
            mirrors={registry.host: f"http://{registry.host}"},
            session=session,
            login=login,
        )
        body = None if method in ("GET", "HEAD") else lambda: b"BODY"
        with repository.request(method, repository.url("manifests/v1"), data=body) as response:
            return response.status_code


def leads_to(other: Server) -> Callable[[str], Answer]:
    return lambda path: (307, {"Location": f"http://{other.host}{path}"})


def challenges(realm: str) -> Callable[[str], Answer]:
    headers = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}
    return lambda path: (401, headers)


def test_what_netrc_has_for_a_host_is_not_sent_where_a_registry_leads_to(
    servers, monkeypatch, tmp_path: Path
) -> None:
    registry, other = servers
    registry.answer = leads_to(other)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password SECRET")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert ask(registry) == 200
    (request,) = other.seen
    assert "authorization" not in request.lower()


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
def test_what_is_sent_to_a_registry_goes_nowhere_else(servers, method: str) -> None:
    registry, other = servers
    registry.answer = leads_to(other)
    assert ask(registry, method=method) == 307
    assert other.seen == []


@pytest.mark.parametrize(
    "login", [Login(username="", secret="SECRET"), Login(username="anna", secret="SECRET")]
)
def test_secret_for_a_token_is_not_led_elsewhere(servers, login: Login) -> None:
    registry, other = servers
    challenge, lead = challenges(f"http://{registry.host}/token"), leads_to(other)
    registry.answer = lambda path: (lead if path.startswith("/token") else challenge)(path)
    with pytest.raises(RegistryError, match="answers 307 for token"):
        ask(registry, login)
    assert other.seen == []


def test_registry_that_leads_on_without_end_is_given_up(servers) -> None:
    registry, _ = servers
    registry.answer = leads_to(registry)
    with pytest.raises(RegistryError, match="on and on"):
        ask(registry)
    assert len(registry.seen) == 6


def test_registry_that_leads_out_of_tls_is_not_followed(servers, monkeypatch) -> None:
    registry, other = servers
    registry.answer = leads_to(other)
    # As if it had been reached by TLS.
    monkeypatch.setattr(Repository, "_schemes", ("https",))
    with pytest.raises(RegistryError, match="sends us to 'http'"):
        ask(registry)
    assert other.seen == []


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_password_is_not_sent_without_tls_to_another_machine(
    servers, monkeypatch, scheme: str
) -> None:
    registry, other = servers
    header = f'{scheme} realm="http://{other.host}/token"'
    registry.answer = lambda path: (401, {"WWW-Authenticate": header})
    monkeypatch.setattr("specseal.registry.keeps_secrets", lambda url: False)
    with pytest.raises(RegistryError, match="without TLS: others could read it"):
        ask(registry, Login(username="anna", secret="SECRET"))
    assert not any("authorization" in request.lower() for request in registry.seen + other.seen)


def test_password_is_not_sent_without_tls_to_the_token_server_either(servers, monkeypatch) -> None:
    registry, other = servers
    registry.answer = challenges(f"http://{other.host}/token")
    monkeypatch.setattr("specseal.registry.keeps_secrets", lambda url: registry.host in url)
    with pytest.raises(RegistryError, match="without TLS"):
        ask(registry, Login(username="anna", secret="SECRET"))
    assert other.seen == []


def test_account_of_a_host_is_not_sent_to_its_mirror(servers, tmp_path: Path) -> None:
    registry, _ = servers
    registry.answer = lambda path: (401, {"WWW-Authenticate": 'Basic realm="x"'})
    auth = base64.b64encode(b"anna:SECRET").decode()
    text = json.dumps({"auths": {"ghcr.io": {"auth": auth}}})
    with site_at(tmp_path, DOCKER_AUTH_CONFIG=text) as site:
        site.settings.mirrors["ghcr.io"] = f"http://{registry.host}"
        place = parse_place("oci://ghcr.io/lab/results:v1")
        assert isinstance(place, InRegistry)
        with pytest.raises(SpecsealError, match="without an account"):
            site.repository(place, actions="pull").document("v1", accept=MANIFEST_TYPE)
    assert registry.seen
    assert not any("authorization" in request.lower() for request in registry.seen)
