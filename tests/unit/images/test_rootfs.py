"""The digest of a root file system, over tars as a container engine exports them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Any, cast

import docker
import pytest
import requests

from specseal import owner
from specseal.errors import RunFailed
from specseal.images.rootfs import RootFs, read_rootfs

METADATA = b"Metadata-Version: 2.1\nName: Some_Package\nVersion: 1.2\n\nText.\n"
STATUS = b"""Package: bash
Status: install ok installed
Version: 5.2

Package: gone
Status: deinstall ok config-files
Version: 1
"""
FILES = {
    "opt/a.txt": b"a",
    "opt/some_package-1.2.dist-info/METADATA": METADATA,
    "var/lib/dpkg/status": STATUS,
    "etc/hosts": b"127.0.0.1 x\n",
    "proc/1": b"",
    ".dockerenv": b"",
}


class FakeDocker:
    """A container engine with one image, whose export is a tar cut into odd chunks."""

    def __init__(self, files: dict[str, bytes], *, mtime: int = 0, mode: int = 0o644) -> None:
        self.containers = self
        self.removed = False
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mtime, info.mode = len(content), mtime, mode
                archive.addfile(info, io.BytesIO(content))
            link = tarfile.TarInfo("opt/link")
            link.type, link.linkname = tarfile.SYMTYPE, "a.txt"
            archive.addfile(link)
        self._tar = out.getvalue()

    def create(self, image: str, **settings: Any) -> FakeDocker:
        assert settings["network_mode"] == "none"
        assert settings["labels"] == {owner.LABEL: owner.this_owner()}, "or a killed one stays"
        return self

    def export(self) -> Iterator[bytes]:
        yield from (self._tar[at : at + 777] for at in range(0, len(self._tar), 777))

    def remove(self, *, force: bool) -> None:
        self.removed = True


def read(files: dict[str, bytes] = FILES, **changes: int) -> RootFs:
    fake = FakeDocker(files, **changes)
    found = read_rootfs(cast(docker.DockerClient, fake), "sha256:1")
    assert fake.removed
    return found


def test_times_are_no_part_of_it_and_what_the_engine_adds_neither() -> None:
    added = {**FILES, "etc/hosts": b"other", "dev/null": b"", "sys/x": b"1"}
    assert read(mtime=5).sha256 == read(added, mtime=7).sha256
    assert set(read().entries) == {
        "opt/a.txt", "opt/link", "opt/some_package-1.2.dist-info/METADATA", "var/lib/dpkg/status",
    }  # fmt: skip


@pytest.mark.parametrize("changed", [{"opt/a.txt": b"b"}, {"opt/b.txt": b""}])
def test_content_and_paths_are_part_of_it(changed: dict[str, bytes]) -> None:
    other = read({**FILES, **changed})
    assert other.sha256 != read().sha256
    assert read().differences(other) == list(changed)


def test_modes_are_part_of_it() -> None:
    assert read(mode=0o600).sha256 != read().sha256


def test_lists_of_debian_packages_that_are_no_more_are_left_out() -> None:
    old = STATUS.replace(b"5.2", b"5.1")
    slim = {"var/lib/dpkg/status.d/zlib1g": b"Package: zlib1g\nVersion: 1.3\n"}
    found = read({**FILES, "var/lib/dpkg/status-old": old, **slim}).packages
    assert [one["version"] for one in found if one["type"] == "deb"] == ["5.2", "1.3"]


@pytest.mark.parametrize("error", [requests.ConnectionError("gone"), tarfile.ReadError("cut")])
def test_engine_that_breaks_off_fails_the_build_in_words(error: Exception) -> None:
    class Broken(FakeDocker):
        def export(self) -> Iterator[bytes]:
            raise error

    with pytest.raises(RunFailed, match="can't read the image sha256:1"):
        read_rootfs(cast(docker.DockerClient, Broken(FILES)), "sha256:1")


def test_packages_are_those_that_are_installed() -> None:
    assert read().packages == [
        {"type": "deb", "name": "bash", "version": "5.2", "distribution": "debian"},
        {"type": "pypi", "name": "some-package", "version": "1.2"},
    ]


@pytest.mark.parametrize("path", ["etc/os-release", "usr/lib/os-release"])
def test_packages_are_those_of_the_distribution_that_the_image_names(path: str) -> None:
    release = b'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'
    bash, _ = read({**FILES, path: release}).packages
    assert bash["distribution"] == "ubuntu"
