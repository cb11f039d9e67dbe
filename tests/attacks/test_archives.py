"""Attack 12 in an archive: links, devices, bombs, and whatever two readers read otherwise."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from attacks.archives import REGULAR, Member, archive, changed, of_folder
from attacks.builder import GoodBundle
from delivering import site_at, trust_in
from specseal.bundle import layout
from specseal.delivery import ArchiveSource, folder
from specseal.errors import InputError, SpecsealError, VerificationFailed
from specseal.pull import bundle_limits, pull


@pytest.fixture
def unpack(good: GoodBundle, tmp_path: Path):
    """Pull an archive with those bytes, into `pulled`."""

    def call(data: bytes) -> Path:
        path = tmp_path / "bundle.zip"
        path.write_bytes(data)
        with site_at(tmp_path) as site:
            into = tmp_path / "pulled"
            return pull(str(path), into, site=site, trust=trust_in(good), say=print).path

    return call


@pytest.fixture
def refused(unpack, tmp_path: Path):
    """Pull an archive, see it refused with a message, and nothing under the final name."""

    def call(data: bytes, message: str) -> None:
        before = {path for path in tmp_path.rglob("*") if ".in-progress" not in str(path)}
        with pytest.raises(VerificationFailed, match=message) as caught:
            unpack(data)
        assert caught.value.mend
        after = {path for path in tmp_path.rglob("*") if ".in-progress" not in str(path)}
        assert after - before <= {tmp_path / "bundle.zip"}

    return call


@pytest.fixture
def members(good: GoodBundle) -> list[Member]:
    return of_folder(good.path)


def test_archive_of_the_same_kind_written_by_another_hand_is_taken(unpack, members, good):
    assert good.verify(unpack(archive(*members))).trusted


def test_archive_with_extra_fields_is_taken(unpack, members, good):
    """As the `zip` command writes: a file's times (APPNOTE 4.5.3) in its header and in the list."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as file:
        for member in members:
            info = zipfile.ZipInfo(member.name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = REGULAR
            info.extra = struct.pack("<2sHBI", b"UT", 5, 1, 0)
            file.writestr(info, member.data)
    assert good.verify(unpack(made.getvalue())).trusted


def test_archive_that_says_of_no_file_what_it_is_is_taken(unpack, members, good):
    """As tools of DOS write: without a mode."""
    plain = [replace(member, mode=0, system=0) for member in members]
    assert good.verify(unpack(archive(*plain))).trusted


def test_archive_in_another_order_is_taken(unpack, members):
    unpack(archive(*reversed(members)))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (stat.S_IFLNK, "symbolic link"),
        (stat.S_IFCHR, "device"),
        (stat.S_IFBLK, "device"),
        (stat.S_IFIFO, "FIFO"),
        (stat.S_IFSOCK, "socket"),
        (stat.S_IFDIR, "folder"),
    ],
)
def test_link_device_or_folder_in_an_archive_is_refused(refused, members, kind, name):
    odd = changed(members, "LICENSE", mode=(kind | 0o777) << 16)
    refused(archive(*odd), "'LICENSE' is not a regular file")


@pytest.mark.parametrize("attributes", [0x10, 0x40, 0x08])
def test_folder_device_or_label_by_the_other_attributes_is_refused(refused, members, attributes):
    odd = changed(members, "LICENSE", mode=REGULAR | attributes, system=0)
    refused(archive(*odd), "'LICENSE' is not a regular file")


def test_symlink_and_then_a_write_through_it_is_refused(refused, members, tmp_path):
    outside = tmp_path.parent / "outside"
    link = Member("logs", str(outside).encode(), mode=(stat.S_IFLNK | 0o777) << 16)
    refused(archive(link, *members), "is not a regular file")
    # Without saying that it is a link: then it is a file, and no folder at the same time.
    refused(archive(Member("logs", b""), *members), "two files for one place")
    assert not outside.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil", "climbs out"),
        ("logs/../../evil", "climbs out"),
        ("/etc/evil", "climbs out"),
        ("..\\evil", "is hidden"),
        ("C:\\evil", "character other than"),
        ("logs\\evil", "character other than"),
        ("logs//evil", "climbs out"),
        ("./evil", "climbs out"),
        (".hidden", "is hidden"),
        ("logs/.git/config", "is hidden"),
        ("con", "reserve"),
        ("evil ", "character other than"),
        ("ev\nil", "character other than"),
        ("ev\x1b[2Jil", "character other than"),
        ("", "climbs out"),
        ("folder/", "climbs out"),
        ("caf\u00e9", "character other than"),
        ("evil\0.txt", "has two names"),
    ],
)
def test_path_that_is_none_of_a_bundle_is_refused(refused, members, name, message):
    flags = 0x800 if not name.isascii() else 0
    refused(archive(*members, Member(name, b"evil", flags=flags)), message)


def test_file_outside_what_is_signed_is_refused(refused, members):
    refused(archive(*members, Member("extra.txt", b"")), "extra.txt: added")


@pytest.mark.parametrize("twin", ["LICENSE", "license"])
def test_file_twice_is_refused(refused, members, twin):
    refused(archive(*members, Member(twin, b"another")), "two files for one place")


def test_two_entries_of_the_same_bytes_are_refused(refused, members):
    first = members[0]
    again = Member("again", first.data, offset=0)
    # The second entry of the list leads to the first one's header.
    refused(archive(first, again, *members[1:]), "overlaps another file")


def test_file_within_a_file_is_refused(refused, members):
    inner = archive(Member("inner", b"x" * 50))
    outer = Member("outer", inner)
    place = 30 + len("outer")
    refused(
        archive(outer, Member("inner", b"x" * 50, offset=place), *members), "overlaps another file"
    )


def test_bomb_that_says_how_large_it_is_is_refused_before_it_is_read(refused, members):
    large = layout.MAX_PARSED_BYTES["counts.json"] + 1
    refused(archive(*changed(members, "counts.json", said_size=large)), "are allowed")


def test_archive_whose_files_are_too_large_together_is_refused(refused, members, monkeypatch):
    monkeypatch.setattr("specseal.pull.MAX_BYTES", sum(len(one.data) for one in members) - 1)
    refused(archive(*members), "bytes together")


def test_archive_of_too_many_files_is_refused(refused, members, monkeypatch):
    monkeypatch.setattr("specseal.pull.MAX_FILES", 5)
    refused(archive(*members), "more than 5 files")


def test_compressed_file_is_refused_so_that_nothing_unpacks_to_more_than_it_is(refused):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("README.md", b"\0" * 10**7)
    assert len(target.getvalue()) < 20_000
    refused(target.getvalue(), "'README.md' is compressed")


def test_file_that_says_it_is_larger_than_the_archive_is_refused(refused, members):
    refused(archive(*changed(members, "LICENSE", said_size=10**6)), "overlaps|belong to no file")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (0x1, "is encrypted"),
        (0x1 | 0x40, "is encrypted"),
        (0x2, "is written in a way that is not read here"),
        (0x8, "is written in a way that is not read here"),
        (0x20, "is written in a way that is not read here|not a zip file that can be read"),
        (0x2000, "is written in a way that is not read here"),
    ],
)
def test_encrypted_or_odd_entry_is_refused(refused, members, flags, message):
    refused(archive(*changed(members, "LICENSE", flags=flags)), message)


def test_method_that_nobody_knows_is_refused(refused, members):
    refused(archive(*changed(members, "LICENSE", method=99)), "is compressed|not a zip file")


@pytest.mark.parametrize(
    "header",
    [{"name": "LICENZE"}, {"name": "../evil"}, {"size": 1}, {"flags": 0x1}],
    ids=str,
)
def test_header_that_says_otherwise_than_the_list_is_refused(refused, members, header):
    odd = changed(members, "LICENSE", header=header)
    refused(archive(*odd), "LICENSE: its header says something else")


def test_list_that_leads_to_no_header_or_tells_two_sizes_is_refused(refused, members):
    odd = changed(members, "LICENSE", header={"signature": b"PK\1\2"})
    refused(archive(*odd), "LICENSE: has no header")
    refused(archive(*changed(members, "LICENSE", packed_size=1)), "'LICENSE' has two sizes")


def test_list_that_leads_to_a_header_of_which_the_archives_end_leaves_no_whole_one_is_refused(
    refused,
):
    """It lies in the list itself, in a comment: there are 26 bytes from there to the end, of 30."""
    last = Member("logs/b.gz", comment=b"PK\3\4")
    place = len(archive(Member("logs/a.gz"), last)) - 26
    first = Member("logs/a.gz", said_size=place - 30 - len("logs/a.gz"))
    refused(archive(first, replace(last, offset=place)), r"logs/b\.gz: has no header")


def test_file_that_only_other_readers_would_see_is_refused(refused, members):
    secret = Member("secret", b"not in the list", hidden=True)
    refused(archive(members[0], secret, *members[1:]), "leaves a gap")
    refused(archive(*members, secret), "belong to no file")


def test_bytes_before_between_and_behind_are_refused(refused, members):
    good = archive(*members)
    refused(b"#!/bin/sh\n" + good, "end record does not fit")
    refused(good + b"rubbish", "something behind its end|end record")
    refused(archive(*members, end=b"\0"), "something behind its end")
    refused(archive(*members, before_list=b"rubbish"), "belong to no file")
    refused(archive(*members, before_end=b"rubbish"), "end record does not fit")
    odd = changed(members, members[1].name, before=b"rubbish")
    refused(archive(*odd), "leaves a gap")


def test_comment_in_which_a_second_end_could_hide_is_refused(refused, members):
    refused(archive(*members, comment=archive(Member("other", b"x"))), "end record does not fit")
    refused(archive(*members, comment=b"harmless"), "something behind its end")


def test_second_list_for_readers_of_the_large_format_is_refused(refused, members):
    locator = b"PK\6\7" + bytes(16)
    refused(archive(*members, before_end=locator), "format for archives over 4 GiB")
    refused(archive(*members, count=0xFFFF), "format for archives over 4 GiB")


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_number_of_files_that_is_not_that_of_the_list_is_refused(refused, members, count):
    refused(archive(*members, count=count), "not as long as it says")


@pytest.mark.parametrize("ending", [{"disk": 1}, {"first": 1}, {"here": 1}, {"said_comment": 4}])
def test_archive_that_says_it_goes_on_elsewhere_is_refused(refused, members, ending):
    """On another disk, or in a comment that is not there: zipfile itself asks about neither."""
    refused(archive(*members, **ending), "end record does not fit")


def test_list_longer_than_that_of_any_bundle_is_refused_unread(
    unpack, refused, members, monkeypatch
):
    length = sum(46 + len(one.name) for one in members)
    monkeypatch.setattr("specseal.delivery.archive._MAX_DIRECTORY_BYTES", length - 1)
    refused(archive(*members), "end record does not fit")
    monkeypatch.setattr("specseal.delivery.archive._MAX_DIRECTORY_BYTES", length)
    unpack(archive(*members))


def test_altered_bytes_are_refused_by_the_checksum_and_without_it_by_the_manifest(refused, members):
    data = next(one.data for one in members if one.name == "LICENSE")
    spoilt = bytes([data[0] ^ 1]) + data[1:]
    odd = changed(members, "LICENSE", data=spoilt, checksum=zlib.crc32(data))
    refused(archive(*odd), "LICENSE: is damaged")
    refused(archive(*changed(members, "LICENSE", data=spoilt)), "LICENSE: altered")


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\5\6", b"\0" * 100, b"PK\5\6" + bytes(18)])
def test_what_is_no_archive_is_refused(refused, data):
    refused(data, "zip file|no bundle: it has no MANIFEST")


def test_archive_cut_short_anywhere_is_refused(unpack, members):
    data = archive(*members)
    for length in {*range(0, len(data), len(data) // 40), len(data) - 1}:
        with pytest.raises(VerificationFailed):
            unpack(data[:length])


class Ending(io.BytesIO):
    """A file that is asked no second time for what is not there any more."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        assert data or not getattr(self, "ended", False), "is read on and on"
        self.ended = not data
        return data


def test_archive_that_is_cut_short_while_it_is_read_is_refused_and_not_waited_for(members):
    file = Ending(archive(*members))
    source = ArchiveSource(Path("it.zip"), file, bundle_limits())
    entry = source.entries[-1]
    file.truncate(30)
    with pytest.raises(VerificationFailed, match=f"{entry.path}: is cut short"):
        source.copy(entry, lambda data: None)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_in_place_of_an_archive_is_refused_and_not_waited_for(make, good, tmp_path):
    make(tmp_path / "odd.zip")
    with site_at(tmp_path) as site, pytest.raises(InputError, match=r"odd\.zip: not a file"):
        pull(str(tmp_path / "odd.zip"), tmp_path / "x", site=site, trust=trust_in(good), say=print)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(place=0, value=0xFF)
@given(place=st.integers(0, 10**6), value=st.integers(1, 255))
def test_any_one_byte_changed_gives_the_same_bundle_or_a_refusal(
    members, place, value, tmp_path_factory
):
    """A changed time or mode is no lie about content; all else must be noticed by somebody."""
    small = [one for one in members if len(one.data) < 3000]
    data = bytearray(archive(*small))
    data[place % len(data)] ^= value
    try:
        source = ArchiveSource(Path("it.zip"), io.BytesIO(data), bundle_limits())
        found = {}
        for entry in source.entries:
            pieces: list[bytes] = []
            source.copy(entry, pieces.append)
            found[entry.path] = b"".join(pieces)
    except SpecsealError:
        return
    assert found == {one.name: one.data for one in small}


# The same in a folder that is pulled: attack 12 in a folder, before `verify` sees it.


@pytest.fixture
def from_folder(good: GoodBundle, tmp_path: Path):
    def call(folder: Path) -> Path:
        with site_at(tmp_path) as site:
            into = tmp_path / "pulled"
            return pull(str(folder), into, site=site, trust=trust_in(good), say=print).path

    return call


def test_folder_of_a_good_bundle_is_taken(from_folder, bundle, good):
    assert good.verify(from_folder(bundle)).trusted


@pytest.mark.parametrize("kind", ["link", "folder link", "fifo", "dangling"])
def test_link_or_fifo_in_a_folder_is_refused_and_nothing_is_copied(
    from_folder, bundle, tmp_path, kind
):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_bytes(b"secret")
    place = bundle / "logs" / "odd"
    if kind == "fifo":
        os.mkfifo(place)
    else:
        targets = {"link": "elsewhere/secret", "folder link": "elsewhere", "dangling": "nowhere"}
        place.symlink_to(tmp_path / targets[kind])
    with pytest.raises(VerificationFailed, match="logs/odd': is not a regular file"):
        from_folder(bundle)
    assert not (tmp_path / "pulled").exists()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("link", "can't be read"),
        ("folder", "is not a regular file"),
        ("fifo", "is not a regular file"),
    ],
)
def test_file_that_becomes_something_else_after_the_look_is_refused(
    from_folder, bundle, tmp_path, monkeypatch, kind, said
):
    usual = folder.check_entries

    def swap_then_check(*arguments):
        usual(*arguments)
        if (tmp_path / "elsewhere").exists():
            return
        (bundle / "LICENSE").rename(tmp_path / "elsewhere")
        if kind == "link":
            (bundle / "LICENSE").symlink_to(tmp_path / "elsewhere")
        elif kind == "fifo":
            os.mkfifo(bundle / "LICENSE")
        else:
            (bundle / "LICENSE").mkdir()

    monkeypatch.setattr(folder, "check_entries", swap_then_check)
    with pytest.raises((InputError, VerificationFailed), match=f"LICENSE: {said}"):
        from_folder(bundle)


def test_folders_nested_without_end_and_hidden_ones_are_refused(from_folder, bundle):
    (bundle / ".git").mkdir()
    with pytest.raises(VerificationFailed, match="is hidden"):
        from_folder(bundle)
