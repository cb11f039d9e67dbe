"""The base image's file system, from small Debian packages made here (formats: deb(5), ar(5))."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from specseal.digests import sha256_bytes
from specseal.errors import LockError, MachineLacks
from specseal.images.base import assemble, fetch_packages, find_mirror, read_list
from specseal.settings import Settings, images_folder


def package(
    files: dict[str, bytes], *, mtime: int = 5, links: dict[str, str] | None = None
) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size, info.mtime, info.uid = len(content), mtime, 1000
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(f"./{name}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    members = {"debian-binary": b"2.0\n", "data.tar.xz": data.getvalue()}
    out = b"!<arch>\n"
    for name, content in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


def names(rootfs: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(rootfs)) as archive:
        return {member.name: member for member in archive}


def test_the_same_packages_give_the_same_bytes_whatever_their_times() -> None:
    first = assemble([package({"usr/lib/a": b"a", "usr/bin/b": b"b"}, mtime=5)])
    second = assemble([package({"usr/bin/b": b"b", "usr/lib/a": b"a"}, mtime=9)])
    assert first == second


def test_other_content_gives_other_bytes() -> None:
    assert assemble([package({"usr/lib/a": b"a"})]) != assemble([package({"usr/lib/a": b"b"})])


def test_documentation_is_left_out_and_the_rest_belongs_to_root() -> None:
    found = names(assemble([package({"usr/share/doc/x": b"", "usr/lib/a": b"a"})]))
    assert "usr/share/doc/x" not in found
    assert (found["usr/lib/a"].uid, found["usr/lib/a"].mtime) == (0, 0)


def test_links_are_kept_and_what_every_container_needs_is_added() -> None:
    found = names(assemble([package({}, links={"lib64/ld.so": "/lib/ld.so"})]))
    assert found["lib64/ld.so"].linkname == "/lib/ld.so"
    assert {"etc/passwd", "tmp", "proc", "usr/bin/python3"} <= found.keys()


def test_a_member_that_climbs_out_is_left_out() -> None:
    assert not any(".." in name for name in names(assemble([package({"../../etc/evil": b""})])))


@pytest.mark.parametrize("bad", [b"", b"!<arch>\n", b"PK\x03\x04"])
def test_what_is_not_a_package_is_refused(bad: bytes) -> None:
    with pytest.raises(LockError, match="not a Debian package"):
        assemble([bad])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        cache_dir=tmp_path / "cache",
        config_dir=tmp_path,
        runs_dir=tmp_path,
        signing_key=tmp_path / "key",
    )


@contextmanager
def mirror(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_packages_come_from_the_mirror_once_and_then_from_the_cache(
    tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.deb").write_bytes(b"content")
    wanted = [{"name": "a", "path": "a.deb", "sha256": sha256_bytes(b"content")}]
    with mirror(tmp_path / "mirror") as url:
        here = replace(settings, debian_mirror=url)
        assert fetch_packages(wanted, settings=here) == [b"content"]
    assert fetch_packages(wanted, settings=here) == [b"content"]


def test_a_damaged_cache_is_not_believed(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.deb").write_bytes(b"content")
    wanted = [{"name": "a", "path": "a.deb", "sha256": sha256_bytes(b"content")}]
    kept = settings.cache_dir / "debian" / sha256_bytes(b"content")
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"rubbish")
    with mirror(tmp_path / "mirror") as url:
        assert fetch_packages(wanted, settings=replace(settings, debian_mirror=url)) == [b"content"]


@pytest.mark.parametrize(("path", "said"), [("gone.deb", "HTTP 404"), ("a.deb", "bytes received")])
def test_a_mirror_that_lacks_or_alters_a_package_is_refused(
    path: str, said: str, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.deb").write_bytes(b"altered")
    wanted = [{"name": "a", "path": path, "sha256": sha256_bytes(b"content")}]
    with mirror(tmp_path / "mirror") as url, pytest.raises(LockError, match=said):
        fetch_packages(wanted, settings=replace(settings, debian_mirror=url))


def test_a_mirror_that_does_not_answer_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.Retry.sleep", lambda *args: None)
    here = replace(settings, debian_mirror="http://127.0.0.1:9")
    with pytest.raises(MachineLacks, match=r"127\.0\.0\.1:9 does not answer"):
        fetch_packages([{"name": "a", "path": "a.deb", "sha256": "0"}], settings=here)


@pytest.mark.parametrize(
    "text",
    [
        "deb [signed-by=/k] https://mirror.test/debian bookworm main",
        "Types: deb\nURIs: https://mirror.test/debian\nSuites: bookworm",
    ],
)
def test_the_mirror_is_found_in_this_hosts_apt_sources(
    text: str, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb https://old.test/debian stretch main\n"
        "deb https://mirror.test/debian-security bookworm-security main\n" + text
    )
    assert find_mirror(settings, sources=tmp_path) == "https://mirror.test/debian"


def test_without_any_mirror_the_setting_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="no Debian mirror is known") as caught:
        find_mirror(settings, sources=tmp_path)
    assert "SPECSEAL_DEBIAN_MIRROR" in caught.value.mend


def test_the_committed_list_names_every_package_with_its_digest() -> None:
    for entry in read_list(images_folder() / "base" / "debian-bookworm-amd64.json"):
        assert entry["path"].startswith("pool/main/")
        assert len(entry["sha256"]) == 64
