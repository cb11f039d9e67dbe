"""Push a bundle to a real registry and pull it again; then spoil what the registry keeps.

Needs the programs `docker-registry` and `skopeo`: without them the tests are skipped, or fail where
SPECSEAL_REQUIRE_SERVICES is set.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import registries
from attacks.builder import GoodBundle
from delivering import site_at, trust_in
from specseal.delivery import (
    FolderSource,
    InRegistry,
    Push,
    attestation_manifest,
    bundle_manifest,
    parse_place,
)
from specseal.delivery.fetch import find_attestations
from specseal.delivery.oci import ATTESTATION_TYPE, referrers_tag
from specseal.digests import Digest, sha256_file
from specseal.errors import MachineLacks, RegistryError, VerificationFailed, WrongBytes
from specseal.publish import Published, publish
from specseal.pull import Pulled, Site, bundle_limits, pull

pytestmark = pytest.mark.registry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def site(registry: registries.Registry, tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path, registry.host) as opened:
        yield opened


class Exchange:
    """One repository of the registry, and a good bundle of its own to be spoilt in there."""

    def __init__(
        self, registry: registries.Registry, good: GoodBundle, site: Site, folder: Path, name: str
    ) -> None:
        self.registry, self.good, self.site, self.folder = registry, good, site, folder
        self.where = f"oci://{registry.host}/tests/{name}"
        # Something of its own, so that what is spoilt is no other test's.
        self.bundle = good.copy(folder / "mine")
        (self.bundle / "logs" / "own.log.gz").write_text(name, encoding="utf-8")
        good.sign_again(self.bundle)

    def publish(self, tag: str = ":v1") -> Published:
        trust = trust_in(self.good)
        return publish(self.bundle, self.where + tag, site=self.site, trust=trust, say=print)

    def pull(self, version: str = ":v1") -> Pulled:
        trust, into = trust_in(self.good), self.folder / "pulled"
        return pull(self.where + version, into, site=self.site, trust=trust, say=print)


@pytest.fixture
def exchange(registry, good, site, tmp_path, request) -> Exchange:
    # With what a parametrised test is given, so that none meets what another has spoilt.
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    return Exchange(registry, good, site, tmp_path, name)


def files_of(folder: Path) -> dict[str, Digest]:
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("by", ["tag", "identity", "manifest"])
def test_what_is_pulled_into_a_clean_folder_is_the_same_bundle(exchange: Exchange, by: str) -> None:
    published = exchange.publish()
    versions = {
        "tag": ":v1",
        "identity": f"@sha256:{published.bundle}",
        "manifest": f"@{published.where.rpartition('@')[2]}",
    }
    pulled = exchange.pull(versions[by])
    assert pulled.bundle == published.bundle
    assert files_of(pulled.path) == files_of(exchange.bundle)
    assert exchange.good.verify(pulled.path).trusted


def test_second_publish_sends_nothing(exchange: Exchange, capsys) -> None:
    first = exchange.publish()
    capsys.readouterr()
    assert exchange.publish() == first
    assert ": 0 blobs sent" in capsys.readouterr().out


def test_blob_altered_in_the_registrys_storage_is_refused(exchange: Exchange) -> None:
    exchange.publish()
    blob = exchange.registry.blob(sha256_file(exchange.bundle / "logs" / "own.log.gz"))
    blob.write_bytes(bytes([blob.read_bytes()[0] ^ 1]) + blob.read_bytes()[1:])
    with pytest.raises(VerificationFailed, match=r"logs/own\.log\.gz: the bytes that came"):
        exchange.pull()
    assert not (exchange.folder / "pulled").exists()


@pytest.mark.parametrize(("more", "message"), [(-1, "came of"), (1, "came of|larger|broke")])
def test_blob_of_another_size_in_the_registrys_storage_is_refused(
    exchange: Exchange, more: int, message: str
) -> None:
    exchange.publish()
    blob = exchange.registry.blob(sha256_file(exchange.bundle / "logs" / "own.log.gz"))
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] if more < 0 else data + b"x")
    # The registry may notice by itself and break off: no bundle either way.
    with pytest.raises((VerificationFailed, MachineLacks)):
        exchange.pull()
    assert not (exchange.folder / "pulled").exists()
    with pytest.raises(RegistryError, match="keeps a damaged"):
        exchange.publish(":v2")


def test_identity_of_which_only_another_tag_is_there_is_not_there(exchange: Exchange) -> None:
    """As a copy by other tools leaves it; this registry fails at a blob's digest as a manifest."""
    published = exchange.publish()
    tags = exchange.registry.storage.glob(f"**/tags/bundle-sha256-{published.bundle}")
    for tag in tags:
        shutil.rmtree(tag)
    with pytest.raises(RegistryError, match="no tag there leads to a bundle of this identity"):
        exchange.pull(f"@sha256:{published.bundle}")


def test_list_that_names_a_blob_does_not_spoil_the_pull(exchange: Exchange) -> None:
    digest = exchange.publish().where.rpartition("@")[2]
    blob = f"sha256:{sha256_file(exchange.bundle / 'logs' / 'own.log.gz')}"
    entry = {"mediaType": MANIFEST, "digest": blob, "size": 1, "artifactType": ATTESTATION_TYPE}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    name = exchange.where.removeprefix(f"oci://{exchange.registry.host}/")
    answer = requests.put(
        f"http://{exchange.registry.host}/v2/{name}/manifests/{referrers_tag(digest)}",
        data=json.dumps(index),
        headers={"Content-Type": INDEX},
        timeout=30,
    )
    assert answer.status_code == 201
    assert exchange.pull().attestations == 0


def test_manifest_altered_in_the_registrys_storage_is_refused(exchange: Exchange) -> None:
    digest = exchange.publish().where.rpartition("@")[2]
    blob = exchange.registry.blob(digest.removeprefix("sha256:"))
    blob.write_bytes(blob.read_bytes().replace(b"own.log.gz", b"owm.log.gz"))
    for version in (":v1", f"@{digest}"):
        with pytest.raises(WrongBytes):
            exchange.pull(version)
    assert not (exchange.folder / "pulled").exists()


def test_malicious_title_pushed_by_another_tool_is_refused(exchange: Exchange) -> None:
    exchange.publish()
    api = f"http://{exchange.where.removeprefix('oci://').replace('/', '/v2/', 1)}/manifests"
    with requests.get(f"{api}/v1", headers={"Accept": MANIFEST}, timeout=10) as answer:
        body = answer.content.replace(b'"logs/own.log.gz"', b'"../../own.log"')
    with requests.put(
        f"{api}/evil", data=body, headers={"Content-Type": MANIFEST}, timeout=10
    ) as answer:
        assert answer.status_code == 201
    with pytest.raises(VerificationFailed, match="climbs out"):
        exchange.pull(":evil")
    assert not list(exchange.folder.parent.glob("own.log"))


def test_pull_that_was_killed_goes_on(exchange: Exchange) -> None:
    """kill -9 in the middle: nothing under the final name, and what has come stays."""
    published = exchange.publish()
    script = f"""
import os, signal, sys
from pathlib import Path
sys.path[:0] = {[str(Path(__file__).parents[1])]!r}
from delivering import site_at
from specseal.bundle import Trust, TrustStore
from specseal.delivery.fetch import RegistrySource
from specseal.pull import pull
from datetime import UTC, datetime
usual, came = RegistrySource.copy, []
def deadly(self, entry, write):
    came.append(entry)
    if len(came) == 9:
        write(b"")
        os.kill(os.getpid(), signal.SIGKILL)
    usual(self, entry, write)
RegistrySource.copy = deadly
trust = Trust(store=TrustStore(), required=False, now=datetime.now(UTC))
with site_at(Path({str(exchange.folder)!r}), {exchange.registry.host!r}) as site:
    pull({exchange.where + ":v1"!r}, Path({str(exchange.folder / "pulled")!r}), site=site,
         trust=trust, say=print)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (exchange.folder / "pulled").exists()
    pulled = exchange.pull()
    assert (pulled.kept, pulled.bundle) == (8, published.bundle)
    assert [path.name for path in exchange.folder.glob("*pulled*")] == ["pulled"]


def test_skopeo_reads_and_copies_what_was_pushed(exchange: Exchange) -> None:
    digest = exchange.publish().where.rpartition("@")[2]
    image = "docker://" + exchange.where.removeprefix("oci://")
    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"{image}:v1")
    assert json.loads(raw)["artifactType"] == "application/vnd.specseal.bundle.v1"
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo("copy", "--quiet", *tls, f"{image}@{digest}", f"{image}-copy:v1")
    again = skopeo("inspect", "--raw", "--tls-verify=false", f"{image}-copy:v1")
    assert again == raw
    layout = exchange.folder / "layout"
    skopeo("copy", "--quiet", *tls, f"{image}:v1", f"oci:{layout}:v1")
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    assert [entry["digest"] for entry in index["manifests"]] == [digest]
    exchange.where += "-copy"
    assert exchange.pull().trusted


def test_attestations_are_listed_under_the_fallback_tag_of_a_registry_without_the_api(
    exchange: Exchange,
) -> None:
    """Two publishers, one after the other; then somebody rewrites the list."""
    exchange.publish()
    source = FolderSource(exchange.bundle, bundle_limits())
    entries = source.with_digests()
    place = parse_place(exchange.where)
    assert isinstance(place, InRegistry)
    repository = exchange.site.repository(place, actions="pull,push")
    push = Push(repository, source)
    subject = bundle_manifest(Digest("0" * 64), "tiny", entries)
    push.manifest(subject)
    pushed = []
    for entry in entries[:2]:
        manifest = attestation_manifest(subject, [entry])
        push.manifest(manifest)
        push.refer(subject, [manifest])
        pushed.append(manifest.digest)
    api = f"http://{exchange.where.removeprefix('oci://').replace('/', '/v2/', 1)}"
    with requests.get(f"{api}/referrers/{subject.digest}", timeout=10) as answer:
        assert answer.status_code == 404
    said: list[str] = []
    found = find_attestations(repository, subject.digest, say=said.append)
    assert (sorted(pushed), said) == (sorted(one.digest for one in found), [])
    tag = referrers_tag(subject.digest)
    index = json.loads(repository.document(tag, accept=INDEX).body)
    index["manifests"] = index["manifests"][:1]
    headers = {"Content-Type": index["mediaType"]}
    url = f"{api}/manifests/{tag}"
    with requests.put(url, data=json.dumps(index), headers=headers, timeout=10) as answer:
        assert answer.status_code == 201
    # Gone from the list, and nothing says so: but its digest still leads to it, for who knows it.
    left = find_attestations(repository, subject.digest, say=said.append)
    assert ([one.digest for one in left], said) == (pushed[:1], [])
    assert repository.document(pushed[1], accept=MANIFEST).digest == pushed[1]


def skopeo(*words: str) -> str:
    done = subprocess.run(["skopeo", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
