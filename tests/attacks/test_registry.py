"""Attack 17: a registry, or somebody who may write to it, sends what was not published."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import fakeregistry
from attacks.authority import Authority
from attacks.builder import GoodBundle
from attacks.spoiling import read, signature_of
from delivering import site_at, trust_in
from fakeregistry import INDEX, MANIFEST, Fault, digest_of
from specseal.bundle import Policy, Trust
from specseal.bundle.layout import RESULT_ATTESTATION
from specseal.delivery.oci import ATTESTATION_TYPE, BUNDLE_TYPE, referrers_tag
from specseal.errors import SpecsealError, VerificationFailed, WrongBytes
from specseal.publish import Published, publish
from specseal.pull import Pulled, pull

TITLE = "org.opencontainers.image.title"


class Scene:
    """A registry with the good bundle in it, and somebody who pulls by its identity or a tag."""

    published: Published
    digest: str
    """Of the bundle's manifest in the registry."""

    def __init__(self, fake: fakeregistry.FakeRegistry, good: GoodBundle, folder: Path) -> None:
        self.kept, self.host, self.good, self.folder = fake.kept, fake.host, good, folder
        self.said: list[str] = []
        self.policy = Policy()

    def publish(self, bundle: Path) -> Published:
        with site_at(self.folder, self.host) as site:
            target = f"oci://{self.host}/lab/results:v1"
            return publish(bundle, target, site=site, trust=trust_in(self.good), say=print)

    def pull(self, version: str = ":v1") -> Pulled:
        with site_at(self.folder, self.host) as site:
            source, into = f"oci://{self.host}/lab/results{version}", self.folder / "pulled"
            trust = replace(trust_in(self.good), policy=self.policy)
            return pull(source, into, site=site, trust=trust, say=self.said.append)

    def refused(self, message: str, kind: type[SpecsealError] = VerificationFailed, **by: str):
        with pytest.raises(kind, match=message) as caught:
            self.pull(**by)
        assert caught.value.exit_code == 1
        assert not (self.folder / "pulled").exists()

    def rewrite(self, change) -> None:
        """Serve another manifest under the tag, as somebody who may write there can."""
        value = json.loads(self.kept.manifests["v1"][0])
        change(value)
        self.kept.manifests["v1"] = (json.dumps(value).encode(), MANIFEST)

    def layer(self, value: dict[str, Any], name: str) -> dict[str, Any]:
        (found,) = [one for one in value["layers"] if one["annotations"][TITLE] == name]
        return found


@pytest.fixture(scope="session")
def stocked(good: GoodBundle, tmp_path_factory: pytest.TempPathFactory):
    """What a registry keeps to which the good bundle was published, and what publishing said."""
    with fakeregistry.running() as fake:
        scene = Scene(fake, good, tmp_path_factory.mktemp("stocked"))
        return fake.kept, scene.publish(good.path)


@pytest.fixture
def scene(good: GoodBundle, stocked, tmp_path: Path) -> Iterator[Scene]:
    kept, published = stocked
    with fakeregistry.running() as fake:
        fake.kept.blobs.update(kept.blobs)
        fake.kept.manifests.update(kept.manifests)
        found = Scene(fake, good, tmp_path)
        found.published, found.digest = published, published.where.rpartition("@")[2]
        yield found


def test_blob_altered_without_changing_its_size_is_refused(scene: Scene) -> None:
    digest = digest_of((scene.good.path / "LICENSE").read_bytes())
    first, *rest = scene.kept.blobs[digest]
    scene.kept.blobs[digest] = bytes([first ^ 1, *rest])
    scene.refused("LICENSE: the bytes that came are of SHA-256")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body[:-1], "bytes came of"),
        (lambda body: body + b"x", "is larger than it says"),
        (lambda body: b"", "0 bytes came of"),
    ],
)
def test_blob_of_another_size_is_refused(scene: Scene, change, message: str) -> None:
    digest = digest_of((scene.good.path / "LICENSE").read_bytes())
    scene.kept.blobs[digest] = change(scene.kept.blobs[digest])
    scene.refused(f"LICENSE: .*{message}")


def test_blob_is_not_asked_for_again_because_its_digest_is_wrong(scene: Scene) -> None:
    first = json.loads(scene.kept.manifests["v1"][0])["layers"][0]["digest"]
    scene.kept.blobs[first] = b"x" * len(scene.kept.blobs[first])
    before = scene.kept.asked["GET blobs"]
    scene.refused("the bytes that came")
    assert scene.kept.asked["GET blobs"] == before + 1


def test_manifest_altered_under_its_digest_is_refused(scene: Scene) -> None:
    body, kind = scene.kept.manifests[scene.digest]
    scene.kept.manifests[scene.digest] = (body.replace(b"README.md", b"README.me"), kind)
    scene.refused("wrong bytes", WrongBytes, version=f"@{scene.digest}")


def test_manifest_altered_under_a_tag_is_refused_by_what_the_bundle_signs(scene: Scene) -> None:
    scene.rewrite(lambda value: scene.layer(value, "README.md")["annotations"].update({TITLE: "X"}))
    scene.refused("README.md: missing; the manifest lists it")


def test_manifest_swapped_for_that_of_an_unknown_signer_is_refused(
    scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mine, scene.good = scene.good, GoodBundle(tmp_path_factory.mktemp("other"))
    scene.publish(scene.good.path)
    scene.good = mine
    scene.refused("signed by a key that is not trusted here")


def test_older_bundle_of_the_same_signer_under_the_tag_is_only_noticed_by_its_identity(
    scene: Scene, bundle: Path
) -> None:
    """A tag is whatever somebody points it at: what was cited is the identity."""
    (bundle / "logs" / "older.log.gz").write_bytes(b"older")
    scene.good.sign_again(bundle)
    older = scene.publish(bundle)
    assert scene.pull().bundle == older.bundle != scene.published.bundle
    (scene.folder / "pulled").rename(scene.folder / "fooled")
    identity = scene.published.bundle
    scene.kept.manifests[f"bundle-sha256-{identity}"] = scene.kept.manifests["v1"]
    scene.refused("another bundle", version=f"@sha256:{identity}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layer: layer.update(size=layer["size"] + 1), "bytes came of"),
        (lambda layer: layer.update(size=layer["size"] - 1), "larger than it says"),
        (lambda layer: layer.update(size=-1), "is of -1 bytes"),
        (lambda layer: layer.update(size=10**15), "are allowed"),
        (lambda layer: layer.update(size=True), "without a title"),
        (lambda layer: layer.update(size=1.0), "without a title"),
        (lambda layer: layer.update(digest="sha512:" + "a" * 128), "without a title"),
        (lambda layer: layer.update(digest="md5:" + "a" * 32), "without a title"),
        (lambda layer: layer.update(digest="sha256:../../x"), "without a title"),
        (lambda layer: layer.pop("annotations"), "without a title"),
        (lambda layer: layer.update(annotations={TITLE: 1}), "without a title"),
    ],
)
def test_descriptor_that_lies_is_refused(scene: Scene, change, message: str) -> None:
    scene.rewrite(lambda value: change(scene.layer(value, "LICENSE")))
    scene.refused(message)


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("../evil", "climbs out"),
        ("/etc/evil", "climbs out"),
        ("logs/../../evil", "climbs out"),
        ("..\\evil", "is hidden"),
        ("logs\\evil", "character other than"),
        (".ssh/authorized_keys", "is hidden"),
        ("ev\x1b[2Jil", "character other than"),
        ("ev\nil", "character other than"),
        ("con.txt", "reserve"),
        ("README.md", "two files for one place"),
        ("readme.MD", "two files for one place"),
        ("logs", "two files for one place"),
        ("README.md/x", "two files for one place"),
        ("attestations/result.sigstore.json", "two files for one place"),
        ("", "climbs out"),
        ("/".join(["d"] * 17), "has more than 16 parts"),
        ("logs/" + "d" * 256, "has a part of more than 255 bytes"),
        ("/".join(["d"] * 100_000), "is longer than 1,024 bytes"),
    ],
)
def test_malicious_title_is_refused_before_any_blob_is_fetched(
    scene: Scene, title: str, message: str
) -> None:
    before = scene.kept.asked["GET blobs"]
    scene.rewrite(lambda value: scene.layer(value, "LICENSE")["annotations"].update({TITLE: title}))
    scene.refused(message)
    assert scene.kept.asked["GET blobs"] == before
    assert not list(scene.folder.parent.glob("evil*"))


def test_one_key_twice_in_a_manifest_is_refused(scene: Scene) -> None:
    body = scene.kept.manifests["v1"][0]
    twice = body.replace(b'"layers":', b'"layers":[],"layers":', 1)
    scene.kept.manifests["v1"] = (twice, MANIFEST)
    with pytest.raises(SpecsealError, match="not JSON"):
        scene.pull()


def test_endless_manifest_is_given_up(scene: Scene) -> None:
    scene.kept.manifests["v1"] = (b" " * (4 << 20) + b" ", MANIFEST)
    with pytest.raises(SpecsealError, match="over 4194304 bytes"):
        scene.pull()


@pytest.mark.parametrize("kind", ["application/x", None, ATTESTATION_TYPE])
def test_manifest_of_another_type_is_no_bundle(scene: Scene, kind: str | None) -> None:
    scene.rewrite(lambda value: value.update(artifactType=kind))
    scene.refused("is of type")


@pytest.mark.parametrize("kind", [INDEX, "application/x", None])
def test_document_of_another_kind_that_says_it_is_a_bundle_is_refused(
    scene: Scene, kind: str | None
) -> None:
    """Whatever the registry's own header calls it."""
    scene.rewrite(lambda value: value.update(mediaType=kind))
    scene.refused("is of type")


def test_index_that_also_looks_like_a_bundle_is_refused(scene: Scene) -> None:
    scene.rewrite(lambda value: value.update(manifests=[]))
    scene.refused("is of type")


# Referrers


def refer(scene: Scene, path: str, data: bytes, *, listed: bool = True) -> str:
    """Let somebody add a statement about the bundle, as who may write to the registry can."""
    digest = digest_of(data)
    scene.kept.blobs[digest] = data
    value = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ATTESTATION_TYPE,
        "layers": [{"digest": digest, "size": len(data), "annotations": {TITLE: path}}],
        "subject": {"digest": scene.digest},
    }
    body = json.dumps(value).encode()
    scene.kept.manifests[digest_of(body)] = (body, MANIFEST)
    descriptor = {"digest": digest_of(body), "artifactType": ATTESTATION_TYPE}
    if listed:
        tag = referrers_tag(scene.digest)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]}
        scene.kept.manifests[tag] = (json.dumps(index).encode(), INDEX)
    return digest_of(body)


@pytest.mark.parametrize(
    "path",
    [
        "attestations/result.sigstore.json",
        "attestations/provenance.sigstore.json",
        "ATTESTATIONS/result.sigstore.json",
        "MANIFEST.sha256",
        "README.md",
        "extra.txt",
        "../evil",
        "attestations/../../evil",
        "attestations",
        "attestations/rubbish.json",
        "attestations/keys/" + "0" * 64 + ".pem",
    ],
)
def test_referrer_can_neither_replace_nor_spoil_what_the_bundle_is_made_of(
    scene: Scene, path: str
) -> None:
    digest = refer(scene, path, b"rubbish")
    pulled = scene.pull()
    assert pulled.attestations == 0
    assert any(digest in line and "left out" in line for line in scene.said)
    assert scene.good.verify(pulled.path).trusted
    names = {one.relative_to(pulled.path) for one in pulled.path.rglob("*")}
    assert names == {one.relative_to(scene.good.path) for one in scene.good.path.rglob("*")}


def test_referrer_altered_under_its_digest_is_left_out(scene: Scene) -> None:
    digest = refer(scene, "attestations/reproductions/x.json", b"{}")
    body, kind = scene.kept.manifests[digest]
    scene.kept.manifests[digest] = (body + b" ", kind)
    assert scene.pull().attestations == 0
    assert any("wrong bytes" in line for line in scene.said)


def test_referrer_whose_blob_is_altered_or_gone_is_left_out(scene: Scene) -> None:
    refer(scene, "attestations/reproductions/x.json", b"{}")
    scene.kept.blobs[digest_of(b"{}")] = b"[]"
    refer_digest = referrers_tag(scene.digest)
    assert refer_digest in scene.kept.manifests
    assert scene.pull().attestations == 0
    (scene.folder / "pulled").rename(scene.folder / "first")
    del scene.kept.blobs[digest_of(b"{}")]
    assert scene.pull().attestations == 0


def test_fallback_tag_rewritten_to_drop_a_referrer_does_not_touch_the_bundle_and_is_not_noticed(
    scene: Scene,
) -> None:
    """What was attested later is an addition: nothing signed says how many there are.

    The bundle itself holds as before. That a statement is gone, only those can notice who know of
    it: by its own digest it is still there, and publishing from a copy that has it lists it again.
    """
    digest = refer(scene, "attestations/reproductions/x.json", b"{}")
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    scene.kept.manifests[referrers_tag(scene.digest)] = (json.dumps(index).encode(), INDEX)
    pulled = scene.pull()
    assert (pulled.bundle, pulled.attestations, scene.said) == (scene.published.bundle, 0, [])
    assert digest in scene.kept.manifests


def test_fallback_tag_rewritten_has_no_effect_where_the_registry_lists_referrers_itself(
    scene: Scene,
) -> None:
    scene.kept.has_referrers_api = True
    digest = refer(scene, "attestations/rubbish.json", b"{}", listed=False)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    scene.kept.manifests[referrers_tag(scene.digest)] = (json.dumps(index).encode(), INDEX)
    scene.pull()
    assert any(digest in line for line in scene.said)


def test_flood_of_referrers_is_cut_off_and_said(scene: Scene, monkeypatch) -> None:
    monkeypatch.setattr("specseal.delivery.fetch.MAX_REFERRERS", 2)
    entries = [
        {"digest": f"sha256:{number:064x}", "artifactType": ATTESTATION_TYPE} for number in range(9)
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    scene.kept.manifests[referrers_tag(scene.digest)] = (json.dumps(index).encode(), INDEX)
    scene.pull()
    assert "all but 2 of 9" in scene.said[0]
    assert len(scene.said) == 3


def test_bundle_manifest_is_of_the_type_that_readers_look_for(scene: Scene) -> None:
    assert json.loads(scene.kept.manifests["v1"][0])["artifactType"] == BUNDLE_TYPE


def refer_many(scene: Scene, files: list[dict[str, bytes]]) -> list[str]:
    """Let somebody add several statements, each of some files; return their digests."""
    found, entries = [], []
    for one in files:
        layers = []
        for path, data in one.items():
            scene.kept.blobs[digest_of(data)] = data
            layer = {"digest": digest_of(data), "size": len(data), "annotations": {TITLE: path}}
            layers.append(layer)
        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ATTESTATION_TYPE,
            "layers": layers,
            "subject": {"digest": scene.digest},
        }
        body = json.dumps(value).encode()
        found.append(digest_of(body))
        scene.kept.manifests[found[-1]] = (body, MANIFEST)
        entries.append({"digest": found[-1], "artifactType": ATTESTATION_TYPE})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    scene.kept.manifests[referrers_tag(scene.digest)] = (json.dumps(index).encode(), INDEX)
    return found


def statement_name(number: int) -> str:
    return f"attestations/reproductions/{number:064x}-{'1' * 64}.sigstore.json"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"attestations/rubbish.json": b""}, "is nothing that is added later"),
        ({statement_name(number): b"" for number in range(4)}, "has more than 3 files"),
        ({statement_name(1): b"x" * (1 << 16) + b"x"}, "65,536 are allowed"),
        ({f"attestations/keys/{'0' * 64}.pem": b"x" * 4097}, "4,096 are allowed"),
        ({"attestations/timestamp.tsr": b"x" * (1 << 16) + b"x"}, "65,536 are allowed"),
    ],
    ids=["unknown", "files", "statement", "key", "timestamp"],
)
def test_referrer_that_no_statement_is_costs_no_download(
    scene: Scene, files: dict[str, bytes], message: str
) -> None:
    scene.pull()
    (scene.folder / "pulled").rename(scene.folder / "first")
    of_the_bundle = scene.kept.asked["GET blobs"]
    (digest,) = refer_many(scene, [files])
    scene.pull()
    assert scene.kept.asked["GET blobs"] == 2 * of_the_bundle
    (line,) = scene.said
    assert digest in line
    assert message in line


def test_rubbish_among_the_statements_costs_no_verification(scene: Scene, monkeypatch) -> None:
    verified = []
    usual = Trust.verify
    monkeypatch.setattr(
        Trust, "verify", lambda self, folder: verified.append(folder) or usual(self, folder)
    )
    refer_many(scene, [{statement_name(number): b"rubbish"} for number in range(20)])
    assert scene.pull().attestations == 0
    assert len(scene.said) == 20
    assert len(verified) == 1


def test_list_that_names_what_the_registry_fails_at_does_not_spoil_the_pull(scene: Scene) -> None:
    """A blob, for example: registry 2.8.2 answers 500 when it is asked for one as a manifest."""
    digest = digest_of((scene.good.path / "LICENSE").read_bytes())
    entries = [{"digest": digest, "artifactType": ATTESTATION_TYPE}]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    scene.kept.manifests[referrers_tag(scene.digest)] = (json.dumps(index).encode(), INDEX)
    scene.kept.faults = [Fault("GET", f"manifests/{digest}", times=100, status=500)]
    assert scene.pull().attestations == 0
    assert "keeps answering 500" in scene.said[0]


def test_timestamp_that_can_not_be_read_here_does_not_spoil_the_pull(
    scene: Scene, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    refer_many(scene, [{"attestations/timestamp.tsr": b"rubbish"}])
    assert scene.pull().attestations == 0
    assert "needs the Python module rfc3161_client" in scene.said[0]


def test_list_under_the_tag_crowds_out_nothing_that_the_registry_lists_itself(
    scene: Scene, monkeypatch
) -> None:
    monkeypatch.setattr("specseal.delivery.fetch.MAX_REFERRERS", 3)
    scene.kept.has_referrers_api = True
    genuine = refer(scene, "attestations/rubbish.json", b"{}", listed=False)
    entries = [
        {"digest": f"sha256:{number:064x}", "artifactType": ATTESTATION_TYPE} for number in range(3)
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    scene.kept.manifests[referrers_tag(scene.digest)] = (json.dumps(index).encode(), INDEX)
    scene.pull()
    assert any(genuine in line for line in scene.said)


def test_other_manifest_of_the_same_bundle_under_its_tag_is_said_and_hides_no_statement(
    scene: Scene,
) -> None:
    digest = refer(scene, "attestations/rubbish.json", b"{}")
    scene.rewrite(lambda value: value["annotations"].update(more="than there was"))
    assert scene.pull().bundle == scene.published.bundle
    assert "not the one that publishing this bundle makes" in scene.said[0]
    assert any(digest in line for line in scene.said[1:])


@pytest.mark.parametrize("named", [0, 1])
def test_strangers_timestamp_takes_no_place_from_the_one_that_the_policy_asks_for(
    scene: Scene,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    named: int,
) -> None:
    hour = timedelta(hours=1)
    authorities = [
        Authority(tmp_path_factory.mktemp("authority"), starts=-hour, ends=hour) for _ in range(2)
    ]
    monkeypatch.setattr(scene.good, "now", datetime.now(UTC))  # authorities stamp today
    signature = signature_of(read(scene.good.path / RESULT_ATTESTATION))
    stamps = [authority.stamp(signature) for authority in authorities]
    refer_many(scene, [{"attestations/timestamp.tsr": stamp} for stamp in stamps])
    scene.policy = Policy(authorities=(authorities[named].root,))
    pulled = scene.pull()
    assert pulled.trusted
    assert (pulled.path / "attestations/timestamp.tsr").read_bytes() == stamps[named]
    assert "there is another timestamp" in scene.said[0]
