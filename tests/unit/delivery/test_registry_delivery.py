"""Bundles to a registry and back, against one in memory that does as badly as it is told."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import fakeregistry
from attacks.builder import NOW, GoodBundle
from fakeregistry import INDEX, MANIFEST, FakeRegistry, Fault, digest_of
from specseal.bundle import Trust, TrustStore, add_reproduction, attest_reproduction
from specseal.delivery import Entry, group_later
from specseal.delivery.oci import ATTESTATION_TYPE, BUNDLE_TYPE, EMPTY_TYPE, referrers_tag
from specseal.digests import Digest, sha256_file
from specseal.errors import InputError, MachineLacks, RegistryError, VerificationFailed, WrongBytes
from specseal.publish import Published, publish
from specseal.pull import Pulled, Site, pull

SiteOf = Callable[..., Site]


@pytest.fixture
def send(good: GoodBundle, fake: FakeRegistry, site_of: SiteOf, trust: Trust):
    """Publish a bundle to the fake registry: the good one, unless another is named."""

    def call(bundle: Path | None = None, tag: str = "", site: Site | None = None) -> Published:
        return publish(
            bundle or good.path,
            f"oci://{fake.host}/lab/results{tag}",
            site=site or site_of(fake.host),
            trust=trust,
            say=print,
        )

    return call


@pytest.fixture
def fetch(fake: FakeRegistry, site_of: SiteOf, trust: Trust, tmp_path: Path):
    """Pull from the fake registry, into `pulled`."""

    def call(version: str, said: list[str] | None = None, site: Site | None = None) -> Pulled:
        return pull(
            f"oci://{fake.host}/lab/results{version}",
            tmp_path / "pulled",
            site=site or site_of(fake.host),
            trust=trust,
            say=(said if said is not None else []).append,
        )

    return call


def files_of(folder: Path) -> dict[str, Digest]:
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


# To a registry


def test_manifest_is_an_artifact_of_our_type_that_names_every_file(send, fake, good):
    published = send(tag=":v1")
    body, media_type = fake.kept.manifests["v1"]
    value = json.loads(body)
    assert (media_type, value["mediaType"]) == (MANIFEST, MANIFEST)
    assert value["artifactType"] == BUNDLE_TYPE
    assert value["config"]["mediaType"] == EMPTY_TYPE
    assert fake.kept.blobs[value["config"]["digest"]] == b"{}"
    named = {
        layer["annotations"]["org.opencontainers.image.title"]: layer["digest"][7:]
        for layer in value["layers"]
    }
    assert named == files_of(good.path)
    assert value["annotations"]["dev.specseal.bundle"] == f"sha256:{published.bundle}"
    assert published.where == f"oci://{fake.host}/lab/results@{digest_of(body)}"


def test_identity_is_a_tag_and_the_persons_own_tag_is_there_too(send, fake):
    published = send(tag=":v1")
    assert published.tags == (f"bundle-sha256-{published.bundle}", "v1")
    assert len({fake.kept.manifests[tag] for tag in published.tags}) == 1


def test_without_a_tag_only_the_identity_leads_to_it(send, fake):
    send()
    assert "latest" not in fake.kept.manifests


def test_same_bundle_published_again_sends_no_blob_and_is_the_same_manifest(send, fake):
    first = send()
    sent = fake.kept.asked["PATCH blobs"]
    assert send() == first
    assert fake.kept.asked["PATCH blobs"] == sent


def test_publishing_that_was_interrupted_goes_on_where_it_was(send, fake, good):
    # The last blob of all is refused once, when the others are there.
    files = len(set(files_of(good.path).values())) + 1
    fake.kept.faults = [Fault("PUT", "/blobs/uploads/", skip=files - 1, status=403)]
    with pytest.raises(RegistryError, match="without an account"):
        send()
    assert len(fake.kept.blobs) == files - 1
    assert not fake.kept.manifests
    send()
    assert fake.kept.asked["PUT blobs"] == files + 1


def test_nothing_is_tagged_before_every_blob_is_there(send, fake):
    fake.kept.faults = [Fault("PUT", "/blobs/uploads/", times=100, status=400)]
    with pytest.raises(RegistryError, match="answers 400"):
        send(tag=":v1")
    assert fake.kept.manifests == {}


def test_upload_that_broke_off_is_started_anew(send, fetch, fake):
    fake.kept.faults = [Fault("PATCH", "/uploads/", times=2)]
    fetch(f"@sha256:{send().bundle}")


def test_upload_that_always_breaks_off_is_given_up(send, fake):
    fake.kept.faults = [Fault("PATCH", "/uploads/", times=100)]
    with pytest.raises(MachineLacks, match="can't be reached"):
        send()
    assert fake.kept.asked["PATCH blobs"] == 3
    assert fake.kept.manifests == {}


def test_server_that_fails_for_a_while_is_asked_again(send, fetch, fake):
    fake.kept.faults = [
        Fault("HEAD", "/blobs/", status=503),
        Fault("POST", "/uploads/", status=502),
        Fault("PUT", "/manifests/", status=500),
    ]
    fetch(f"@sha256:{send().bundle}")


def test_empty_file_is_sent_too(send, fetch, fake, good, bundle):
    (bundle / "logs" / "empty.log.gz").write_bytes(b"")
    good.sign_again(bundle)
    published = send(bundle)
    pulled = fetch(f"@sha256:{published.bundle}")
    assert files_of(pulled.path) == files_of(bundle)


def test_bundle_that_does_not_hold_is_not_sent(send, fake, bundle):
    (bundle / "README.md").write_bytes(b"altered")
    with pytest.raises(VerificationFailed, match=r"README\.md: altered"):
        send(bundle)
    assert fake.kept.asked.total() == 0


def test_file_that_changes_while_it_is_sent_is_noticed(send, fake, bundle, monkeypatch):
    from specseal.delivery import push

    usual = push.Push.blobs

    def alter_then_send(self, entries):
        data = bytearray((bundle / "LICENSE").read_bytes())
        data[0] ^= 1
        (bundle / "LICENSE").write_bytes(data)
        return usual(self, entries)

    monkeypatch.setattr(push.Push, "blobs", alter_then_send)
    with pytest.raises(InputError, match="changed while it was being sent"):
        send(bundle)
    assert fake.kept.manifests == {}


def test_digest_as_a_target_is_refused(good, site_of, trust, fake):
    target = f"oci://{fake.host}/a@sha256:{'0' * 64}"
    with pytest.raises(InputError, match="found, not chosen"):
        publish(good.path, target, site=site_of(fake.host), trust=trust, say=print)


def test_registry_that_sends_uploads_away_from_tls_is_refused(good, fake, site_of, trust):
    from specseal.registry import Repository, parse_reference

    where = parse_reference("example.org/a")
    repository = Repository("example.org/a", where, mirrors={}, session=site_of().session)
    url = repository.url("blobs/uploads/")
    assert repository.url("/elsewhere?x", against=url) == "https://example.org/elsewhere?x"
    with pytest.raises(RegistryError, match="sends us to 'http'"):
        repository.url("http://example.org/elsewhere", against=url)


@pytest.mark.parametrize("takes_it_anew", [True, False])
def test_blob_that_is_damaged_in_the_registry_is_sent_again_or_refused(
    send, fetch, fake, good, monkeypatch, takes_it_anew
):
    send()
    digest = digest_of((good.path / "LICENSE").read_bytes())
    whole, fake.kept.blobs[digest] = fake.kept.blobs[digest], b"cut short"
    if takes_it_anew:
        send(tag=":v1")
        assert fake.kept.blobs[digest] == whole
        return
    # As registry 2.8.2, which keeps what it has under that digest.
    monkeypatch.setattr(fakeregistry._Handler, "_put_blobs", lambda self, *_: self._answer(201))
    with pytest.raises(RegistryError, match=f"keeps a damaged {digest}"):
        send(tag=":v1")
    assert "v1" not in fake.kept.manifests


# Accounts


def login(host: str, user: str = "anna", password: str = "secret-pass") -> str:
    word = base64.b64encode(f"{user}:{password}".encode()).decode()
    return json.dumps({"auths": {host: {"auth": word}}})


def test_account_of_dockers_configuration_is_used_for_its_host(send, fetch, fake, site_of):
    fake.kept.account, fake.kept.granted = ("anna", "secret-pass"), "none yet"
    site = site_of(fake.host, DOCKER_AUTH_CONFIG=login(fake.host))
    published = send(site=site)
    fetch(f"@sha256:{published.bundle}", site=site)
    assert fake.kept.asked["GET token"] == 2


def test_account_of_another_host_is_never_sent(send, fake, site_of):
    fake.kept.account, fake.kept.granted = ("anna", "secret-pass"), "none yet"
    with pytest.raises(RegistryError, match="without an account") as caught:
        send(site=site_of(fake.host, DOCKER_AUTH_CONFIG=login("other.example")))
    assert f"docker login {fake.host}" in caught.value.mend
    assert not any(text.startswith("Basic") for text in fake.kept.authorizations)


def test_wrong_password_is_one_clear_error_without_the_password(send, fake, site_of):
    fake.kept.account, fake.kept.granted = ("anna", "another"), "none yet"
    with pytest.raises(RegistryError, match="does not let the account in") as caught:
        send(site=site_of(fake.host, DOCKER_AUTH_CONFIG=login(fake.host)))
    assert "secret-pass" not in str(caught.value)


def test_token_that_expires_half_way_is_asked_for_again(send, fake, monkeypatch):
    fake.kept.granted = "none yet"
    from specseal.delivery import push

    usual = push.Push.manifest

    def expire_then_send(self, *arguments):
        fake.kept.granted = "expired"
        usual(self, *arguments)

    monkeypatch.setattr(push.Push, "manifest", expire_then_send)
    send(tag=":v1")
    assert "v1" in fake.kept.manifests


def test_configuration_that_can_not_be_read_is_an_error_that_quotes_nothing(send, fake, site_of):
    text = '{"auths": {"x": {"auth": "c2VjcmV0LXBhc3M="}'
    with pytest.raises(InputError, match="Docker's configuration") as caught:
        send(site=site_of(fake.host, DOCKER_AUTH_CONFIG=text))
    assert "c2VjcmV0" not in str(caught.value)


# And back


def test_what_is_pulled_is_what_was_published(send, fetch, good):
    published = send(tag=":v1")
    pulled = fetch(":v1")
    assert files_of(pulled.path) == files_of(good.path)
    assert (pulled.bundle, pulled.trusted) == (published.bundle, True)


@pytest.mark.parametrize("by", ["identity", "manifest"])
def test_bundle_is_found_by_its_identity_and_by_its_manifest(send, fetch, by):
    published = send()
    digest = published.where.rpartition("@")[2]
    pulled = fetch(f"@sha256:{published.bundle}" if by == "identity" else f"@{digest}")
    assert pulled.bundle == published.bundle


def test_tag_of_an_identity_that_leads_to_another_bundle_is_refused(
    send, fetch, fake, good, bundle, tmp_path
):
    first = send()
    (bundle / "logs" / "another.log.gz").write_bytes(b"another")
    good.sign_again(bundle)
    second = send(bundle)
    fake.kept.manifests[first.tags[0]] = fake.kept.manifests[second.tags[0]]
    with pytest.raises(VerificationFailed, match="another bundle"):
        fetch(f"@sha256:{first.bundle}")
    assert not (tmp_path / "pulled").exists()


def test_reference_that_names_no_version_is_refused(fetch):
    with pytest.raises(InputError, match="which one"):
        fetch("")


def test_name_that_is_not_there_is_one_clear_error(send, fetch):
    with pytest.raises(RegistryError, match="has no v1 of lab/results"):
        fetch(":v1")


def test_identity_without_its_tag_is_not_there_even_if_the_registry_fails_at_it(send, fetch, fake):
    """The identity is a blob's digest, and registry 2.8.2 fails at it as a manifest's."""
    published = send(tag=":v1")
    del fake.kept.manifests[published.tags[0]]
    fake.kept.faults = [Fault("GET", f"manifests/sha256:{published.bundle}", 100, status=500)]
    with pytest.raises(RegistryError, match="no tag there leads to a bundle of this identity"):
        fetch(f"@sha256:{published.bundle}")


def test_tag_at_which_the_registry_keeps_failing_is_not_said_to_be_an_identity(send, fetch, fake):
    send(tag=":v1")
    fake.kept.faults = [Fault("GET", "manifests/v1", times=100, status=500)]
    with pytest.raises(MachineLacks, match="keeps answering 500"):
        fetch(":v1")


def test_image_of_a_program_is_no_bundle(fetch, fake):
    body = json.dumps({"mediaType": MANIFEST, "config": {}, "layers": []}).encode()
    fake.kept.manifests["v1"] = (body, MANIFEST)
    with pytest.raises(VerificationFailed, match="is of type None"):
        fetch(":v1")


def test_blob_that_breaks_off_is_fetched_again(send, fetch, fake, good):
    published = send()
    fake.kept.faults = [Fault("GET", "/blobs/", times=2)]
    assert files_of(fetch(f"@sha256:{published.bundle}").path) == files_of(good.path)


def test_pull_that_was_interrupted_goes_on_where_it_was(send, fetch, fake, good, tmp_path):
    published = send()
    last = published_layers(fake, published)[-1]
    fake.kept.faults = [Fault("GET", last["digest"], times=100)]
    with pytest.raises(MachineLacks):
        fetch(f"@sha256:{published.bundle}")
    assert [path.name for path in tmp_path.glob("*pulled*")] == [".pulled.in-progress"]
    fake.kept.faults.clear()
    before = fake.kept.asked["GET blobs"]
    pulled = fetch(f"@sha256:{published.bundle}")
    files = len(files_of(good.path))
    assert 0 < pulled.kept < files
    assert fake.kept.asked["GET blobs"] - before == files - pulled.kept


def published_layers(fake: FakeRegistry, published: Published) -> list[dict]:
    return json.loads(fake.kept.manifests[published.tags[0]][0])["layers"]


def test_bundle_of_an_unknown_key_is_no_yes_and_once_trusted_is_not_fetched_again(
    send, fake, site_of, trust, tmp_path
):
    published = send()
    source, into = f"oci://{fake.host}/lab/results@sha256:{published.bundle}", tmp_path / "pulled"
    nobody = Trust(store=TrustStore(), required=True, now=trust.now)
    with pytest.raises(VerificationFailed, match="not trusted here") as caught:
        pull(source, into, site=site_of(fake.host), trust=nobody, say=print)
    assert "run this again: what has come is kept" in caught.value.mend
    assert not into.exists()
    before = fake.kept.asked["GET blobs"]
    pull(source, into, site=site_of(fake.host), trust=trust, say=print)
    assert fake.kept.asked["GET blobs"] == before


def test_bundle_of_an_unknown_key_comes_where_only_integrity_is_asked(
    send, fake, site_of, trust, tmp_path
):
    published = send()
    source = f"oci://{fake.host}/lab/results@sha256:{published.bundle}"
    anybody = Trust(store=TrustStore(), required=False, now=trust.now)
    pulled = pull(source, tmp_path / "x", site=site_of(fake.host), trust=anybody, say=print)
    assert not pulled.trusted


def test_wrong_manifest_is_not_asked_for_a_second_time(send, fetch, fake):
    published = send()
    digest = published.where.rpartition("@")[2]
    body, media_type = fake.kept.manifests[digest]
    fake.kept.manifests[digest] = (body.replace(b"README", b"README2", 1), media_type)
    before = fake.kept.asked["GET manifests"]
    with pytest.raises(WrongBytes):
        fetch(f"@{digest}")
    # Once by the tag that an identity would have, and once by the digest.
    assert fake.kept.asked["GET manifests"] == before + 2


# What was attested later


def test_statement_comes_with_the_key_that_signed_it():
    one, two, three = "a" * 64, "b" * 64, "c" * 64
    reproductions = [f"attestations/reproductions/{one}-{n}.sigstore.json" for n in "12"]
    keys = [f"attestations/keys/{key}.pem" for key in (one, two)]
    stamp, alone = "attestations/timestamp.tsr", f"attestations/reproductions/{three}.json"
    assert set(group_later([*keys, *reproductions, stamp, alone])) == {
        (reproductions[0], keys[0]), (reproductions[1], keys[0]),
        (keys[1],), (stamp,), (alone,),
    }  # fmt: skip
    assert group_later([]) == ()


@pytest.fixture
def refer(fake: FakeRegistry, send):
    """Publish the bundle, and a statement about it as somebody else would; return both digests."""

    def call(path: str = "attestations/reproductions/x.json", data: bytes = b"{}", **changes):
        published = send()
        subject = published.where.rpartition("@")[2]
        digest = digest_of(data)
        fake.kept.blobs[digest] = data
        title = {"org.opencontainers.image.title": path}
        layer = {"mediaType": "x/y", "digest": digest, "size": len(data), "annotations": title}
        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ATTESTATION_TYPE,
            "config": {"digest": digest_of(b"{}")},
            "layers": [layer],
            "subject": {"digest": subject},
            **changes,
        }
        body = json.dumps(value).encode()
        fake.kept.manifests[digest_of(body)] = (body, MANIFEST)
        listed = {"mediaType": MANIFEST, "digest": digest_of(body), "size": len(body)}
        index = {"schemaVersion": 2, "mediaType": INDEX}
        index["manifests"] = [{**listed, "artifactType": ATTESTATION_TYPE}]
        fake.kept.manifests[referrers_tag(subject)] = (json.dumps(index).encode(), INDEX)
        return published, digest_of(body)

    return call


@pytest.fixture
def vouched(good: GoodBundle, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The good bundle, with two statements by one laboratory that has run it again twice."""
    original = good.verify(good.path).demand(trust=True)
    first = GoodBundle(tmp_path_factory.mktemp("again"))
    second = first.copy(tmp_path_factory.mktemp("again") / "second")
    (second / "logs" / "second.log.gz").write_text("of the second run", encoding="utf-8")
    first.sign_again(second)
    for again in (first.path, second):
        attestation = attest_reproduction(
            original=original,
            reproduction=first.verify(again).demand(trust=True),
            verdict="reproduced",
            version="0.1.0",
            signer=first.signer,
            now=NOW,
        )
        add_reproduction(bundle, attestation.envelope, attestation.key, now=NOW)
    return bundle


@pytest.mark.parametrize("has_api", [False, True])
def test_what_was_attested_later_is_listed_beside_the_bundle_and_comes_with_it(
    send, fetch, fake, vouched, has_api
):
    fake.kept.has_referrers_api = has_api
    first = send()
    later = send(vouched)
    # The bundle is the same, and so is its manifest; two statements refer to it.
    assert (later.bundle, later.where) == (first.bundle, first.where)
    assert (len(first.attestations), len(later.attestations)) == (0, 2)
    listed = json.loads(fake.kept.manifests[referrers_tag(first.where.rpartition("@")[2])][0])
    assert {one["digest"] for one in listed["manifests"]} == set(later.attestations)
    pulled = fetch(f"@sha256:{first.bundle}")
    assert pulled.attestations == 2
    assert files_of(pulled.path) == files_of(vouched)


def test_statement_is_found_by_the_api_where_somebody_removed_the_list(send, fetch, fake, vouched):
    fake.kept.has_referrers_api = True
    published = send(vouched)
    del fake.kept.manifests[referrers_tag(published.where.rpartition("@")[2])]
    assert fetch(f"@sha256:{published.bundle}").attestations == 2


def test_list_from_which_one_was_dropped_gives_one_less_and_publishing_again_mends_it(
    send, fetch, fake, vouched
):
    published = send(vouched)
    tag = referrers_tag(published.where.rpartition("@")[2])
    index = json.loads(fake.kept.manifests[tag][0])
    index["manifests"].pop()
    fake.kept.manifests[tag] = (json.dumps(index).encode(), INDEX)
    pulled = fetch(f"@sha256:{published.bundle}")
    assert pulled.attestations == 1
    pulled.path.rename(pulled.path.with_name("first"))
    send(vouched)
    assert fetch(f"@sha256:{published.bundle}").attestations == 2


def test_rubbish_beside_good_statements_is_left_out_and_named(send, fetch, refer, fake, vouched):
    published = send(vouched)
    tag = referrers_tag(published.where.rpartition("@")[2])
    good = json.loads(fake.kept.manifests[tag][0])["manifests"]
    name = f"attestations/reproductions/{'0' * 64}-{'1' * 64}.sigstore.json"
    _, rubbish = refer(name, b"rubbish")
    index = json.loads(fake.kept.manifests[tag][0])
    index["manifests"] += good
    fake.kept.manifests[tag] = (json.dumps(index).encode(), INDEX)
    said: list[str] = []
    pulled = fetch(f"@sha256:{published.bundle}", said)
    assert pulled.attestations == 2
    assert [line for line in said if "left out" in line and rubbish in line] == said
    assert files_of(pulled.path) == files_of(vouched)


def test_archive_and_folder_keep_what_was_attested_later(vouched, site_of, trust, tmp_path):
    for target in ("out.zip", "out"):
        place = str(tmp_path / target)
        published = publish(vouched, place, site=site_of(), trust=trust, say=print)
        into = tmp_path / f"from-{target}"
        pull(published.where, into, site=site_of(), trust=trust, say=print)
        assert files_of(into) == files_of(vouched)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subject": {"digest": f"sha256:{'0' * 64}"}}, "is about something else"),
        ({"subject": None}, "is about something else"),
        ({"artifactType": "x/y"}, "is of type"),
        ({"layers": None}, "names no files"),
        ({"layers": [{}]}, "without a title"),
    ],
)
def test_referrer_that_is_no_statement_about_the_bundle_is_left_out(refer, fetch, changes, message):
    published, digest = refer(**changes)
    said: list[str] = []
    assert fetch(f"@sha256:{published.bundle}", said).attestations == 0
    assert [line for line in said if message in line and digest in line]


@pytest.mark.parametrize(
    "body",
    [
        b"no",
        b"[]",
        b'{"manifests": 1}',
        b'{"manifests": [1]}',
        b'{"manifests": [{"digest": "../x"}]}',
    ],
)
def test_list_of_attestations_that_is_no_list_does_not_keep_the_bundle_away(
    send, fetch, fake, body
):
    published = send()
    fake.kept.manifests[referrers_tag(published.where.rpartition("@")[2])] = (body, INDEX)
    said: list[str] = []
    fetch(f"@sha256:{published.bundle}", said)
    assert "attestations left out" in said[0]


@pytest.fixture
def referring(fake: FakeRegistry, site_of: SiteOf, good: GoodBundle):
    """Push a statement about a manifest by our own code, without a bundle around it."""
    from specseal.delivery import FolderSource, Push, attestation_manifest, parse_place
    from specseal.delivery.oci import Manifest
    from specseal.pull import bundle_limits

    subject = Manifest(artifact_type=BUNDLE_TYPE, body=b"{}")
    source = FolderSource(good.path, bundle_limits())
    entries = source.with_digests()
    place = parse_place(f"oci://{fake.host}/lab/results")
    push = Push(site_of(fake.host).repository(place, actions="pull,push"), source)

    def call(entry: Entry) -> str:
        push.blobs([entry])
        manifest = attestation_manifest(subject, [entry])
        push.manifest(manifest)
        push.refer(subject, [manifest])
        return manifest.digest

    return subject.digest, entries, call


@pytest.mark.parametrize("has_api", [False, True])
def test_fallback_tag_is_written_always_and_keeps_what_others_wrote(referring, fake, has_api):
    fake.kept.has_referrers_api = has_api
    subject, entries, call = referring
    first = call(entries[0])
    tag = referrers_tag(subject)
    other = {"digest": f"sha256:{'7' * 64}", "mediaType": "x/y", "size": 1, "extra": True}
    index = json.loads(fake.kept.manifests[tag][0])
    index["manifests"].append(other)
    fake.kept.manifests[tag] = (json.dumps(index).encode(), INDEX)
    second = call(entries[1])
    listed = json.loads(fake.kept.manifests[tag][0])["manifests"]
    assert [one["digest"] for one in listed] == [first, other["digest"], second]
    assert listed[1] == other
    assert {listed[0]["artifactType"], listed[2]["artifactType"]} == {ATTESTATION_TYPE}
    writes = fake.kept.asked["PUT manifests"]
    call(entries[1])
    assert fake.kept.asked["PUT manifests"] == writes + 1  # the statement; the list has it


def test_list_that_does_not_keep_what_is_written_is_noticed(referring, fake):
    fake.kept.forgets_lists = True
    _, entries, call = referring
    with pytest.raises(RegistryError, match="does not keep what is written"):
        call(entries[0])


def test_pages_of_the_referrers_api_are_all_read(refer, fetch, fake):
    fake.kept.has_referrers_api = True
    published, first = refer("attestations/rubbish-1.json")
    _, second = refer("attestations/rubbish-2.json")
    del fake.kept.manifests[referrers_tag(published.where.rpartition("@")[2])]
    said: list[str] = []
    fetch(f"@sha256:{published.bundle}", said)
    assert [any(one in line for line in said) for one in (first, second)] == [True, True]


def test_referrers_api_that_keeps_failing_is_no_empty_list(send, fetch, fake, tmp_path):
    published = send()
    fake.kept.faults = [Fault("GET", "/referrers/", times=100, status=500)]
    with pytest.raises(MachineLacks, match="keeps answering 500"):
        fetch(f"@sha256:{published.bundle}")
    assert not (tmp_path / "pulled").exists()


def test_referrers_api_that_wants_an_account_is_said_and_the_tag_asked(send, fetch, fake):
    published = send()
    fake.kept.faults = [Fault("GET", "/referrers/", status=403)]
    said: list[str] = []
    assert fetch(f"@sha256:{published.bundle}", said).attestations == 0
    assert "without an account" in said[0]
