"""What archives are told of a bundle, held against their schemas."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

import specseal.publish
from attacks.builder import GoodBundle
from specseal.bundle import TrustStore
from specseal.delivery import Described, datacite, read_citation, zenodo
from specseal.delivery.deposit import Citation
from specseal.digests import Digest
from specseal.errors import InputError, VerificationFailed
from specseal.publish import publish
from specseal.pull import pull

DESCRIBED = Described(
    bundle=Digest("1" * 64),
    recipe=Digest("2" * 64),
    title="A <b>bold</b> title & more",
    engine="llamacpp 1",
    drafter="ngram",
    accelerator="cpu",
    version="0.1.0",
    size_bytes=1234,
)
CITATION = Citation(
    title="A result",
    authors=(
        {"name": "A laboratory"},
        {
            "family-names": "Doe",
            "given-names": "Jo",
            "orcid": "https://orcid.org/0000-0002-1825-0097",
            "affiliation": "A university",
        },
    ),
    released="2026-11-25",
    licence="CC-BY-4.0",
    keywords=("benchmark",),
)

# Source: https://developers.zenodo.org/#representation, "Deposit metadata" (attribute, required).
ZENODO_REQUIRED = {
    "upload_type", "publication_date", "title", "creators", "description", "access_right",
}  # fmt: skip
ZENODO_OPTIONAL = {
    "publication_type", "image_type", "license", "embargo_date", "access_conditions", "doi",
    "prereserve_doi", "keywords", "notes", "related_identifiers", "contributors", "references",
    "communities", "grants", "subjects", "version", "language", "locations", "dates", "method",
}  # fmt: skip
ZENODO_CREATOR = {"name", "affiliation", "orcid", "gnd"}


def datacite_problems(value: object) -> list[str]:
    """What DataCite's own JSON schema, of the package `datacite`, says against a document."""
    text = resources.files("datacite").joinpath("schemas/datacite-v4.5.json").read_text("utf-8")
    schema = json.loads(text)
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [error.message for error in validator.iter_errors(value)]


def zenodo_problems(value: dict) -> list[str]:
    """What Zenodo's documentation says against a deposit's metadata."""
    known = ZENODO_REQUIRED | ZENODO_OPTIONAL
    problems = [f"{key} is missing" for key in ZENODO_REQUIRED - set(value)]
    problems += [f"{key} is unknown" for key in set(value) - known]
    if value.get("upload_type") != "dataset" or value.get("access_right") != "open":
        problems.append("not in the vocabulary")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value.get("publication_date"))):
        problems.append("publication_date is no date")
    for creator in value.get("creators") or [{}]:
        if "name" not in creator or set(creator) - ZENODO_CREATOR:
            problems.append(f"creator {creator}")
    return problems


def test_datacite_document_is_valid_by_its_schema() -> None:
    assert datacite_problems(datacite(CITATION, DESCRIBED)) == []


@pytest.mark.parametrize(
    "missing", ["creators", "titles", "publisher", "publicationYear", "types", "schemaVersion"]
)
def test_datacite_schema_notices_what_is_missing(missing: str) -> None:
    value = datacite(CITATION, DESCRIBED)
    del value[missing]
    assert datacite_problems(value)


def test_zenodo_document_has_what_is_required_and_nothing_unknown() -> None:
    assert zenodo_problems(zenodo(CITATION, DESCRIBED)) == []
    assert zenodo_problems({"titel": "x"})


def test_both_name_the_bundles_identity() -> None:
    for document in (zenodo(CITATION, DESCRIBED), datacite(CITATION, DESCRIBED)):
        assert DESCRIBED.bundle in json.dumps(document)


def test_what_a_specs_author_wrote_is_no_html_in_the_record() -> None:
    description = zenodo(CITATION, DESCRIBED)["description"]
    assert "<b>" not in description
    assert "&lt;b&gt;bold&lt;/b&gt; title &amp; more" in description


def test_person_and_organisation_are_told_apart() -> None:
    laboratory, person = datacite(CITATION, DESCRIBED)["creators"]
    assert (laboratory["nameType"], person["nameType"]) == ("Organizational", "Personal")
    assert (person["name"], person["familyName"]) == ("Doe, Jo", "Doe")
    zenodo_person = zenodo(CITATION, DESCRIBED)["creators"][1]
    assert zenodo_person == {
        "name": "Doe, Jo", "affiliation": "A university", "orcid": "0000-0002-1825-0097",
    }  # fmt: skip


def test_citation_of_a_bundle_is_read(good: GoodBundle) -> None:
    citation = read_citation((good.path / "CITATION.cff").read_bytes())
    assert citation.title == "specseal result: tiny"
    assert citation.licence == "CC-BY-4.0"
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", citation.released)
    for problems in (
        datacite_problems(datacite(citation, DESCRIBED)),
        zenodo_problems(zenodo(citation, DESCRIBED)),
    ):
        assert problems == []


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "title: x", "a: [", "authors: 1\ntitle: x\ndate-released: 2026-01-01\nlicense: x",
        "authors: [{}]\ntitle: x\ndate-released: 2026-01-01\nlicense: x", "\0",
        "!!python/object:os.system {}",
    ],
)  # fmt: skip
def test_citation_that_is_none_is_one_clear_error(text: str) -> None:
    with pytest.raises(InputError, match=r"CITATION\.cff"):
        read_citation(text.encode())


# The whole way


def test_what_it_corrects_is_said_in_both_documents() -> None:
    corrected = Digest("3" * 64)
    described = replace(DESCRIBED, supersedes=corrected)
    for make in (zenodo, datacite):
        assert corrected in json.dumps(make(CITATION, described))
        assert "corrects" not in json.dumps(make(CITATION, DESCRIBED))


@pytest.fixture
def zipped(good: GoodBundle, site_of, trust, tmp_path: Path):
    def call(bundle: Path | None = None, name: str = "out/result.zip"):
        target = str(tmp_path / name)
        return publish(bundle or good.path, target, site=site_of(), trust=trust, say=print)

    return call


def test_archive_has_its_metadata_beside_it_and_comes_back(zipped, good, site_of, trust, tmp_path):
    published = zipped()
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["result.datacite.json", "result.zenodo.json", "result.zip"]
    for path, problems in zip(published.beside, (zenodo_problems, datacite_problems), strict=True):
        document = json.loads(path.read_text(encoding="utf-8"))
        assert problems(document) == []
        assert published.bundle in path.read_text(encoding="utf-8")
    size = (tmp_path / "out" / "result.zip").stat().st_size
    assert f"{size} bytes" in published.beside[1].read_text(encoding="utf-8")
    into = tmp_path / "pulled"
    pulled = pull(published.where, into, site=site_of(), trust=trust, say=print)
    assert pulled.bundle == published.bundle


def test_archive_is_the_same_bytes_each_time(zipped, tmp_path):
    zipped()
    zipped(name="again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "out/result.zip").read_bytes()


def test_archive_that_is_there_is_never_replaced(zipped, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"mine")
    with pytest.raises(InputError, match="something already"):
        zipped(name="x.zip")
    assert (tmp_path / "x.zip").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["x.zenodo.json", "x.datacite.json"])
def test_metadata_in_which_names_were_put_is_never_replaced(zipped, tmp_path, name):
    (tmp_path / name).write_text("edited")
    with pytest.raises(InputError, match=f"{name}: there is something already"):
        zipped(name="x.zip")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir() if path.is_file()] == [
        (name, "edited")
    ]


def test_links_laid_where_the_files_are_staged_are_not_written_through(zipped, tmp_path):
    (tmp_path / "key").write_text("secret")
    (tmp_path / "out").mkdir()
    for name in ("result.zip", "result.zenodo.json", "result.datacite.json"):
        (tmp_path / "out" / f".{name}.in-progress").symlink_to(tmp_path / "key")
    zipped()
    assert (tmp_path / "key").read_text() == "secret"


def test_of_two_archives_published_to_one_name_at_once_the_first_to_end_is_there_whole(
    zipped, tmp_path, monkeypatch
):
    zipped(name="whole.zip")
    usual, half, go_on = specseal.publish.write_archive, threading.Event(), threading.Event()

    def write_half_and_wait(source, entries, file):
        file.write(b"half")
        file.flush()
        half.set()
        assert go_on.wait(60)
        file.seek(0)
        usual(source, entries, file)

    def second():
        with pytest.raises(InputError, match="something already"):
            zipped()

    def write_while_another_begins(source, entries, file):
        monkeypatch.setattr("specseal.publish.write_archive", write_half_and_wait)
        others.append(pool.submit(second))
        assert half.wait(60)
        usual(source, entries, file)

    others = []
    with ThreadPoolExecutor() as pool:
        monkeypatch.setattr("specseal.publish.write_archive", write_while_another_begins)
        try:
            zipped()
            found = (tmp_path / "out/result.zip").read_bytes()
        finally:
            go_on.set()
        others[0].result()
    assert found == (tmp_path / "whole.zip").read_bytes()
    assert found == (tmp_path / "out/result.zip").read_bytes()


@pytest.mark.parametrize("name", ["x.zip", "logs/x.zip", ".", "logs", "new"])
def test_target_within_the_bundle_itself_is_refused_and_the_bundle_is_as_it_was(
    good, bundle, site_of, trust, monkeypatch, name
):
    monkeypatch.chdir(bundle)
    with pytest.raises(InputError, match="name a place outside it"):
        publish(Path(), name, site=site_of(), trust=trust, say=print)
    with pytest.raises(InputError, match="name a place outside it"):
        pull(".", Path("sub") / name, site=site_of(), trust=trust, say=print)
    with pytest.raises(InputError, match="name a place outside it"):
        pull(".", None, site=site_of(), trust=trust, say=print)
    assert good.verify(bundle).trusted


def test_what_a_killed_publish_left_is_no_hindrance(zipped, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".result.zip.in-progress").write_bytes(b"half")
    zipped()
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_bundle_that_does_not_hold_becomes_no_archive(zipped, bundle, tmp_path):
    (bundle / "spec.yaml").write_bytes(b"")
    with pytest.raises(VerificationFailed):
        zipped(bundle)
    assert not (tmp_path / "out").exists()


def test_folder_gets_the_bundle_under_its_name_and_identity(good, site_of, trust, tmp_path):
    (tmp_path / "shared").mkdir()
    target = str(tmp_path / "shared")
    published = publish(good.path, target, site=site_of(), trust=trust, say=print)
    place = tmp_path / "shared" / f"tiny-{published.bundle[:12]}"
    assert published.where == str(place)
    assert good.verify(place).trusted
    with pytest.raises(InputError, match="something already"):
        publish(good.path, target, site=site_of(), trust=trust, say=print)


def test_folder_that_is_not_there_becomes_the_bundle(good, site_of, trust, tmp_path):
    target = str(tmp_path / "new" / "place")
    publish(good.path, target, site=site_of(), trust=trust, say=print)
    assert good.verify(tmp_path / "new" / "place").trusted


def test_bundle_of_an_unknown_key_is_published_only_if_its_integrity_is_enough(
    good, site_of, trust, tmp_path
):
    nobody = replace(trust, store=TrustStore())
    with pytest.raises(VerificationFailed, match="not trusted here"):
        publish(good.path, str(tmp_path / "x"), site=site_of(), trust=nobody, say=print)
    lax = replace(nobody, required=False)
    publish(good.path, str(tmp_path / "x"), site=site_of(), trust=lax, say=print)
