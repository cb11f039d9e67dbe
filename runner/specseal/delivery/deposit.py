"""What an archive such as Zenodo wants to know of a bundle, made of what the bundle says of itself.

Two documents: the metadata of a Zenodo deposit (which is also the form of a `.zenodo.json`), and
DataCite's metadata, which most other archives take.

Source: Zenodo's developer documentation, *Deposit metadata*
(https://developers.zenodo.org/#representation); DataCite Metadata Schema 4.5
(https://schema.datacite.org/meta/kernel-4.5/).
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from specseal.digests import Digest
from specseal.errors import InputError

DATACITE_SCHEMA = "http://datacite.org/schema/kernel-4"
_UNTIL_DEPOSITED = "(to be named by the archive)"
_LICENCE_URI = "https://spdx.org/licenses/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """What a bundle's `CITATION.cff` says, as far as archives ask for it."""

    title: str
    authors: tuple[Mapping[str, str], ...]
    """Each with `name`, or `family-names` and `given-names`; perhaps `orcid`, `affiliation`."""
    released: str
    """`YYYY-MM-DD`."""
    licence: str
    """SPDX identifier."""
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a deposit is of."""

    bundle: Digest
    """The bundle's identity."""
    recipe: Digest
    """Equal for all results that ran the same thing."""
    title: str
    """Of the spec."""
    engine: str
    drafter: str
    accelerator: str
    version: str
    """Of specseal, which made it."""
    size_bytes: int
    """Of the archive."""
    supersedes: Digest | None = None
    """The identity of the bundle that it corrects."""


def read_citation(data: bytes) -> Citation:
    """Read a `CITATION.cff`.

    Raises:
        InputError: not of the form.
    Source: Citation File Format 1.2.0.
    """
    try:
        value = YAML(typ="safe", pure=True).load(data)
        authors = tuple(
            {key: str(item) for key, item in author.items()} for author in value["authors"]
        )
        citation = Citation(
            title=str(value["title"]),
            authors=authors,
            released=str(value["date-released"]),
            licence=str(value["license"]),
            keywords=tuple(map(str, value.get("keywords", ()))),
        )
        for author in authors:
            _name_of(author)
    except (YAMLError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"CITATION.cff: can't be read: {error}") from error
    return citation


def zenodo(citation: Citation, described: Described) -> dict[str, Any]:
    """Return the metadata of a Zenodo deposit."""
    return {
        "upload_type": "dataset",
        "publication_date": citation.released,
        "title": citation.title,
        "creators": [_zenodo_creator(author) for author in citation.authors],
        # HTML is allowed there, so what a spec's author wrote must not be read as such.
        "description": "".join(f"<p>{html.escape(one)}</p>" for one in _sentences(described)),
        "access_right": "open",
        "license": citation.licence.lower(),
        "keywords": list(citation.keywords),
        "notes": f"Identity: sha256:{described.bundle}. Check it with `specseal pull FILE`, or "
        "with sha256sum and openssl as its README.md says.",
        "version": described.bundle[:12],
        "language": "eng",
    }


def datacite(citation: Citation, described: Described) -> dict[str, Any]:
    """Return DataCite's metadata; the DOI and the publisher are the archive's to fill in."""
    return {
        "schemaVersion": DATACITE_SCHEMA,
        "types": {
            "resourceTypeGeneral": "Dataset",
            "resourceType": "Speculative-decoding benchmark result",
        },
        "titles": [{"title": citation.title}],
        "creators": [_datacite_creator(author) for author in citation.authors],
        "publisher": {"name": _UNTIL_DEPOSITED},
        "publicationYear": citation.released[:4],
        "dates": [{"date": citation.released, "dateType": "Created"}],
        "language": "en",
        "subjects": [{"subject": keyword} for keyword in citation.keywords],
        "alternateIdentifiers": [
            {
                "alternateIdentifier": f"sha256:{described.bundle}",
                "alternateIdentifierType": "SHA-256 of MANIFEST.sha256",
            },
            {
                "alternateIdentifier": f"sha256:{described.recipe}",
                "alternateIdentifierType": "specseal recipe digest",
            },
        ],
        "sizes": [f"{described.size_bytes} bytes"],
        "formats": ["application/zip"],
        "version": described.bundle[:12],
        "rightsList": [
            {
                "rightsIdentifier": citation.licence,
                "rightsIdentifierScheme": "SPDX",
                "schemeUri": _LICENCE_URI,
                "rightsUri": f"{_LICENCE_URI}{citation.licence}.html",
            }
        ],
        "descriptions": [
            {"description": " ".join(_sentences(described)), "descriptionType": "Abstract"}
        ],
    }


def _sentences(described: Described) -> list[str]:
    sentences = [
        f"{described.title}.",
        f"A speculative-decoding benchmark on {described.accelerator}: {described.engine}, "
        f"drafting by {described.drafter}, against autoregressive decoding. Raw records of every "
        "request, what they were measured with (pinned by digest), and the figures that come out "
        "of them.",
        f"Sealed by specseal {described.version}; its identity, the SHA-256 of MANIFEST.sha256, "
        f"is {described.bundle}. Results with the recipe digest {described.recipe} ran the same "
        "thing.",
    ]
    if described.supersedes:
        # In words: neither Zenodo nor DataCite knows a digest as something to be related to.
        sentences.append(
            f"It corrects, and supersedes, the result whose identity is {described.supersedes}."
        )
    return sentences


def _name_of(author: Mapping[str, str]) -> str:
    if "name" in author:
        return author["name"]
    return (
        ", ".join(author[key] for key in ("family-names", "given-names") if key in author)
        or author["alias"]
    )


def _zenodo_creator(author: Mapping[str, str]) -> dict[str, str]:
    creator = {"name": _name_of(author)}
    if "affiliation" in author:
        creator["affiliation"] = author["affiliation"]
    if "orcid" in author:
        # CFF has the URL, Zenodo wants the bare identifier.
        creator["orcid"] = author["orcid"].rstrip("/").rpartition("/")[2]
    return creator


def _datacite_creator(author: Mapping[str, str]) -> dict[str, Any]:
    creator: dict[str, Any] = {
        "name": _name_of(author),
        "nameType": "Organizational" if "name" in author else "Personal",
    }
    for key, name in (("given-names", "givenName"), ("family-names", "familyName")):
        if key in author:
            creator[name] = author[key]
    if "affiliation" in author:
        creator["affiliation"] = [{"name": author["affiliation"]}]
    if "orcid" in author:
        identifier = {"nameIdentifier": author["orcid"], "nameIdentifierScheme": "ORCID"}
        creator["nameIdentifiers"] = [identifier]
    return creator
