"""Image references, and what a registry on loopback may answer to them.

`Answers` is a server that says what a test tells it to say, path by path, and remembers what it was
asked. `tests/integration/test_registry.py` does the same with a real registry.
"""

import ipaddress
import json
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from loopback import serving
from specseal.digests import sha256_bytes
from specseal.errors import InputError, LockError, MachineLacks, RegistryError, WrongBytes
from specseal.http import open_session
from specseal.lock.registry import ImagePin, resolve_image
from specseal.registry import Reference, parse_reference

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SHA = "a" * 64
LOOPBACK = ipaddress.ip_address("127.0.0.1")


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Answers(ThreadingHTTPServer):
    """A server on loopback. Each path has a list of answers; the last one is given again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.scripted: dict[str, list[Answer]] = {}
        self.asked: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.silent = threading.Event()
        """While it is not set, paths that end in `/silent` get no answer."""

    def says(self, path: str, *answers: Answer) -> None:
        self.scripted[path] = list(answers)

    def has(self, value: Any, media_type: str, *, tag: str | None = None, kind="manifests") -> str:
        """Offer a JSON document by its digest and by a tag, and return `sha256:…`."""
        body = json.dumps(value).encode()
        digest = f"sha256:{sha256_bytes(body)}"
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest}
        for name in filter(None, (digest, tag)):
            self.says(f"/v2/tools/engine/{kind}/{name}", Answer(body, headers=headers))
        return digest


class _Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = self.server.asked[path]
        asked.append({**dict(self.headers), "query": query})
        if path.endswith("/silent"):
            self.server.silent.wait()
            return
        answers = self.server.scripted.get(path, [Answer(status=404)])
        answer = answers[min(len(asked), len(answers)) - 1]
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Answers]:
    with serving(Answers()) as server:
        yield server
        server.silent.set()


def resolve(registry: Answers, version: str = ":v1", **options: Any) -> ImagePin:
    with open_session(attempts=3, backoff_s=0, timeout_s=options.pop("timeout_s", 10)) as session:
        return resolve_image(
            f"example.org/tools/engine{version}",
            mirrors={"example.org": registry.url + "/"},
            session=session,
            **options,
        )


def image(registry: Answers, *, architecture: str = "amd64", tag: str | None = None, **more) -> str:
    config = {"os": "linux", "architecture": architecture, **more}
    digest = registry.has(config, "application/json", kind="blobs")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": digest}}
    return registry.has(manifest, MANIFEST, tag=tag)


def entry(digest: str, architecture: str, **more: str) -> dict[str, Any]:
    return {"digest": digest, "platform": {"os": "linux", "architecture": architecture, **more}}


# References


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("debian", ("docker.io", "library/debian", "latest")),
        ("debian:12-slim", ("docker.io", "library/debian", "12-slim")),
        ("vllm/vllm-openai:v1", ("docker.io", "vllm/vllm-openai", "v1")),
        ("docker.io/debian", ("docker.io", "library/debian", "latest")),
        ("ghcr.io/a/b/c_d:1.0", ("ghcr.io", "a/b/c_d", "1.0")),
        ("localhost/a", ("localhost", "a", "latest")),
        ("localhost:5000/a:t", ("localhost:5000", "a", "t")),
        ("127.0.0.1:5000/a/b", ("127.0.0.1:5000", "a/b", "latest")),
        (f"debian@sha256:{SHA}", ("docker.io", "library/debian", f"sha256:{SHA}")),
        (f"debian:12@sha256:{SHA}", ("docker.io", "library/debian", f"sha256:{SHA}")),
    ],
)
def test_reference_is_taken_apart_as_container_engines_do(text, expected):
    registry, repository, version = expected
    assert parse_reference(text) == Reference(
        registry=registry, repository=repository, version=version
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Debian",
        "debian:",
        "debian@sha256:abc",
        f"debian@sha256:{SHA.upper()}",
        f"debian@md5:{SHA}",
        "https://docker.io/debian",
        "a//b",
        "../a",
        "a/../b",
        "debian:la test",
        "debian\n",
        "user:secret@example.org/a",
        "example.org/a?x=1",
    ],
)
def test_text_that_is_no_reference_is_refused(text):
    with pytest.raises(InputError, match="is not an image reference"):
        parse_reference(text)


@given(st.text(max_size=60))
def test_whatever_is_read_as_a_reference_stays_within_its_repository(text):
    try:
        reference = parse_reference(text)
    except InputError:
        return
    parts = [reference.registry, *reference.repository.split("/"), reference.version]
    assert not any(part in ("", ".", "..") or set(part) & set(" ?#%\\") for part in parts)


# Answers that are good


def test_tag_of_a_multi_platform_image_gives_both_digests(registry):
    chosen = image(registry)
    other = image(registry, architecture="arm64")
    index = {"manifests": [entry(other, "arm64"), entry(chosen, "amd64")]}
    top = registry.has(index, INDEX, tag="v1")
    assert resolve(registry) == ImagePin(
        reference="example.org/tools/engine:v1",
        index_sha256=top.removeprefix("sha256:"),
        manifest_sha256=chosen.removeprefix("sha256:"),
    )
    assert resolve(registry, f"@{top}").manifest_sha256 == chosen.removeprefix("sha256:")
    assert resolve(registry, platform="linux/arm64").manifest_sha256 == other[7:]


def test_dockers_own_kinds_of_document_are_read_too(registry):
    digest = registry.has({"mediaType": DOCKER_MANIFEST, "config": {}}, DOCKER_MANIFEST)
    index = {"mediaType": DOCKER_LIST, "manifests": [entry(digest, "amd64")]}
    registry.has(index, DOCKER_LIST, tag="v1")
    assert resolve(registry).manifest_sha256 == digest.removeprefix("sha256:")
    assert DOCKER_LIST in registry.asked["/v2/tools/engine/manifests/v1"][0]["Accept"]


def test_tag_of_a_single_image_has_no_index(registry):
    digest = image(registry, tag="v1")
    pin = resolve(registry)
    assert pin.index_sha256 is None
    assert pin.manifest_sha256 == digest.removeprefix("sha256:")


def test_entry_without_a_variant_is_preferred_and_a_variant_can_be_asked_for(registry):
    plain, newer = image(registry), image(registry, variant="v3")
    index = {"manifests": [entry(newer, "amd64", variant="v3"), entry(plain, "amd64")]}
    registry.has(index, INDEX, tag="v1")
    assert resolve(registry).manifest_sha256 == plain[7:]
    assert resolve(registry, platform="linux/amd64/v3").manifest_sha256 == newer[7:]


def test_anonymous_token_is_fetched_once_and_used(registry, monkeypatch, tmp_path):
    # What a .netrc says about the host must not be sent in place of the token.
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    image(registry, tag="v1")
    path = "/v2/tools/engine/manifests/v1"
    challenge = (
        f'Bearer realm="{registry.url}/token",service="reg",scope="repository:tools/engine:pull"'
    )
    denied = Answer(status=401, headers={"WWW-Authenticate": challenge})
    registry.says(path, denied, *registry.scripted[path])
    registry.says("/token", Answer(b'{"token": "anonymous"}'))
    resolve(registry)
    (token,) = registry.asked["/token"]
    assert token["query"] == "scope=repository%3Atools%2Fengine%3Apull&service=reg"
    first, second = registry.asked[path]
    assert "Authorization" not in first
    assert "Authorization" not in token
    assert second["Authorization"] == "Bearer anonymous"


def test_server_that_fails_twice_and_then_answers_is_believed(registry):
    image(registry, tag="v1")
    path = "/v2/tools/engine/manifests/v1"
    registry.says(path, Answer(status=503), Answer(status=429), *registry.scripted[path])
    assert resolve(registry).index_sha256 is None


# Answers that are not


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (Answer(status=404), RegistryError, "has no v1 of tools/engine (404)"),
        (Answer(status=403), RegistryError, "without an account (403)"),
        (Answer(status=401), RegistryError, "without an account (401)"),
        (Answer(status=418), RegistryError, "answers 418"),
        (Answer(status=500), MachineLacks, "keeps answering 500"),
        (Answer(status=429, headers={"Retry-After": "0"}), MachineLacks, "keeps answering 429"),
        (Answer(b"<html>"), RegistryError, "not JSON"),
        (Answer(b"[" * 100_000), RegistryError, "not JSON"),
        (Answer(b"[]"), RegistryError, "not an object"),
        (Answer(b"{}"), LockError, "not an image this can read"),
        (Answer(b"x" * (4 << 20) + b"x"), RegistryError, "over 4194304 bytes"),
        (Answer(b"{", headers={"Content-Length": "10"}), MachineLacks, "broke off"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_answer_that_is_no_manifest_is_one_clear_error(registry, answer, error, message):
    registry.says("/v2/tools/engine/manifests/v1", answer)
    with pytest.raises(error) as caught:
        resolve(registry)
    assert caught.value.message.startswith("example.org/tools/engine:v1: ")
    assert message in caught.value.message


def test_server_that_keeps_failing_is_asked_a_bounded_number_of_times(registry):
    registry.says("/v2/tools/engine/manifests/v1", Answer(status=500))
    with pytest.raises(MachineLacks):
        resolve(registry)
    assert len(registry.asked["/v2/tools/engine/manifests/v1"]) == 3


def test_server_that_says_nothing_is_given_up(registry):
    with pytest.raises(MachineLacks, match="no answer in time"):
        resolve(registry, ":silent", timeout_s=0.05)


def test_registry_that_is_not_there_is_a_lack_of_this_machine(registry):
    with open_session(attempts=1) as session, pytest.raises(MachineLacks) as caught:
        # Port 1 has no server on any machine that runs tests.
        resolve_image("debian", mirrors={"docker.io": "http://127.0.0.1:1"}, session=session)
    assert "can't be reached: no connection" in caught.value.message
    assert "[mirrors]" in caught.value.mend


def test_password_in_a_mirrors_url_is_not_in_the_error():
    mirrors = {"docker.io": "http://user:secret@127.0.0.1:1"}
    with open_session(attempts=1) as session, pytest.raises(MachineLacks) as caught:
        resolve_image("debian", mirrors=mirrors, session=session)
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_bytes_that_are_not_the_digest_asked_for_are_refused(registry):
    digest = image(registry)
    path = f"/v2/tools/engine/manifests/{digest}"
    altered = registry.scripted[path][0].body.replace(b"2", b"3", 1)
    registry.says(path, Answer(altered, headers={"Content-Type": MANIFEST}))
    with pytest.raises(WrongBytes) as caught:
        resolve(registry, f"@{digest}")
    assert f"expected {digest}, found sha256:{sha256_bytes(altered)}" in caught.value.message


def test_bytes_that_are_not_what_the_header_announces_are_refused(registry):
    image(registry, tag="v1")
    headers = {"Content-Type": MANIFEST, "Docker-Content-Digest": f"sha256:{SHA}"}
    body = registry.scripted["/v2/tools/engine/manifests/v1"][0].body
    registry.says("/v2/tools/engine/manifests/v1", Answer(body, headers=headers))
    with pytest.raises(WrongBytes, match=f"wrong bytes for v1: expected sha256:{SHA}"):
        resolve(registry)


def test_platform_that_the_index_lacks_is_refused_naming_those_it_has(registry):
    attestation = {
        "digest": f"sha256:{SHA}",
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    index = {"manifests": [entry(f"sha256:{SHA}", "arm64", variant="v8"), attestation, "noise"]}
    registry.has(index, INDEX, tag="v1")
    with pytest.raises(LockError, match="has no image for linux/amd64") as caught:
        resolve(registry)
    assert caught.value.mend == "it has images for linux/arm64/v8"


def test_single_image_for_another_platform_is_refused(registry):
    image(registry, architecture="arm64", tag="v1")
    with pytest.raises(LockError, match="is for linux/arm64 only, not for linux/amd64"):
        resolve(registry)


def test_index_within_an_index_is_refused(registry):
    inner = registry.has({"manifests": []}, INDEX)
    registry.has({"manifests": [entry(inner, "amd64")]}, INDEX, tag="v1")
    with pytest.raises(LockError, match="an index again"):
        resolve(registry)


@pytest.mark.parametrize("digest", ["sha512:" + "a" * 128, "sha256:../../x", "", None])
def test_entry_whose_digest_is_none_is_never_asked_for(registry, digest):
    registry.has({"manifests": [entry(digest, "amd64")]}, INDEX, tag="v1")
    with pytest.raises(LockError, match="is not a SHA-256 digest"):
        resolve(registry)
    assert list(registry.asked) == ["/v2/tools/engine/manifests/v1"]


@pytest.mark.parametrize(
    ("value", "media_type"),
    [
        ({"mediaType": INDEX, "manifests": [], "config": {}}, INDEX),
        ({"config": {"digest": f"sha256:{SHA}"}, "manifests": []}, MANIFEST),
        ({"manifests": {}}, INDEX),
        ({"config": []}, MANIFEST),
        ({"config": {}}, "application/json"),
    ],
)
def test_document_that_could_be_read_in_two_ways_is_refused(registry, value, media_type):
    registry.has(value, media_type, tag="v1")
    with pytest.raises(LockError, match="not an image this can read"):
        resolve(registry)


@pytest.mark.parametrize(
    "challenge",
    ['Basic realm="x"', "Bearer", 'Bearer realm="file:///etc/passwd"', "", 'Bearer realm="/t"'],
)
def test_challenge_that_no_anonymous_token_answers_is_refused(registry, challenge):
    headers = {"WWW-Authenticate": challenge}
    registry.says("/v2/tools/engine/manifests/v1", Answer(status=401, headers=headers))
    with pytest.raises(RegistryError, match="without an account"):
        resolve(registry)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(status=401), "without an account"),
        (Answer(b'{"token": 1}'), "gave no token"),
        (Answer(b"{}"), "gave no token"),
        (Answer(b"no"), "not JSON"),
    ],
)
def test_token_that_is_not_given_is_one_clear_error(registry, answer, message):
    headers = {"WWW-Authenticate": f'Bearer realm="{registry.url}/token"'}
    registry.says("/v2/tools/engine/manifests/v1", Answer(status=401, headers=headers))
    registry.says("/token", answer)
    with pytest.raises(RegistryError, match=message):
        resolve(registry)


def test_token_that_does_not_help_is_not_asked_for_again(registry):
    headers = {"WWW-Authenticate": f'Bearer realm="{registry.url}/token"'}
    registry.says("/v2/tools/engine/manifests/v1", Answer(status=401, headers=headers))
    registry.says("/token", Answer(b'{"access_token": "useless"}'))
    with pytest.raises(RegistryError, match="without an account"):
        resolve(registry)
    assert len(registry.asked["/token"]) == 1


# Certificates


@pytest.fixture
def authority(registry, tmp_path) -> Path:
    """Let the server speak TLS, and return the file of the authority that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a site's own authority")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path / "authority.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "server.pem").write_bytes(private + path.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    registry.socket = context.wrap_socket(registry.socket, server_side=True)
    registry.url = registry.url.replace("http:", "https:")
    return path


def test_ca_bundle_of_the_settings_is_trusted_whatever_the_environment_says(
    registry, authority, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    image(registry, tag="v1")
    mirrors = {"example.org": registry.url}
    with open_session(authority) as session:
        resolve_image("example.org/tools/engine:v1", mirrors=mirrors, session=session)


@pytest.mark.usefixtures("authority")
def test_certificate_that_nobody_vouches_for_is_refused_naming_the_setting(registry):
    with pytest.raises(MachineLacks, match=r"certificate is not trusted .*ca_bundle"):
        resolve(registry)
