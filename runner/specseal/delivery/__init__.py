"""The delivery room: carry files from a registry, a zip file or a folder, or to one.

It knows files, digests and limits, and nothing of what a bundle is: whoever calls it verifies what
has come before it gets its final name.
"""

from specseal.delivery.archive import ArchiveSource, write_archive
from specseal.delivery.bibtex import Cited, read_doi
from specseal.delivery.deposit import Described, datacite, read_citation, zenodo
from specseal.delivery.fetch import RegistrySource, find_attestations, find_bundle
from specseal.delivery.folder import FolderSource, regular_file
from specseal.delivery.landing import Landing, refuse_within
from specseal.delivery.oci import (
    Manifest,
    attestation_manifest,
    bundle_manifest,
    group_later,
    identity_tag,
)
from specseal.delivery.parcel import Entry, Held, Limits, Source
from specseal.delivery.places import InArchive, InFolder, InRegistry, Place, parse_place
from specseal.delivery.push import Push

__all__ = [
    "ArchiveSource", "Cited", "Described", "Entry", "FolderSource", "Held", "InArchive", "InFolder",
    "InRegistry", "Landing", "Limits", "Manifest", "Place", "Push", "RegistrySource", "Source",
    "attestation_manifest", "bundle_manifest", "datacite", "find_attestations", "find_bundle",
    "group_later", "identity_tag", "parse_place", "read_citation", "read_doi", "refuse_within",
    "regular_file", "write_archive", "zenodo",
]  # fmt: skip
