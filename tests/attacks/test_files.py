"""Files altered, added, removed, hidden, or not what they seem."""

import os
import random
import socket
from pathlib import Path

import pytest

from attacks.builder import GoodBundle, codes
from specseal.bundle import layout
from specseal.errors import InputError

FILES = [
    "spec.yaml", "lock.json", "environment.json", "result.json", "counts.json", "records.parquet",
    "telemetry.parquet", "README.md", "LICENSE", "CITATION.cff", "MANIFEST.sha256",
    "ro-crate-metadata.json",
    "env/engine.cdx.json", "env/client.cdx.json", "logs/r1-ngram.engine.log.gz",
    "attestations/result.sigstore.json",
    "attestations/provenance.sigstore.json", "attestations/keys/*.pem",
]  # fmt: skip


def the(bundle: Path, pattern: str) -> Path:
    (found,) = bundle.glob(pattern)
    return found


def test_good_bundle_holds(good: GoodBundle) -> None:
    report = good.verify(good.path)
    assert report.intact
    assert report.trusted
    assert all(check.holds for check in report.checks)
    assert {
        path.relative_to(good.path).as_posix() for path in good.path.rglob("*") if path.is_file()
    } == {the(good.path, pattern).relative_to(good.path).as_posix() for pattern in FILES}


@pytest.mark.parametrize("pattern", FILES)
def test_one_bit_flipped_anywhere_in_a_file_is_found(
    good: GoodBundle, bundle: Path, pattern: str
) -> None:
    path = the(bundle, pattern)
    data = path.read_bytes()
    places = random.Random(pattern).sample(range(len(data)), k=6)
    for place in {0, len(data) - 1, *places}:
        for bit in (0x01, 0x20):
            spoilt = bytearray(data)
            spoilt[place] ^= bit
            path.write_bytes(spoilt)
            report = good.verify(bundle)
            assert not report.intact, (pattern, place, bit)
            assert report.contents is None
            name = path.name
            assert any(name in check.message for check in report.checks if not check.holds)


@pytest.mark.parametrize("pattern", FILES)
def test_file_removed_is_found(good: GoodBundle, bundle: Path, pattern: str) -> None:
    the(bundle, pattern).unlink()
    assert codes(good.verify(bundle)) & {"manifest.missing", "layout.missing", "layout.keys"}


@pytest.mark.parametrize("pattern", FILES)
def test_file_cut_short_is_found(good: GoodBundle, bundle: Path, pattern: str) -> None:
    path = the(bundle, pattern)
    os.truncate(path, path.stat().st_size // 2)
    assert not good.verify(bundle).intact


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("extra.txt", "manifest.added"),
        ("logs/extra.gz", "manifest.added"),
        (".hidden", "layout.path"),
        (".git/config", "layout.path"),
        ("logs/.hidden", "layout.path"),
        ("a b", "layout.path"),
        ("caf\u00e9", "layout.path"),
        ("back\\slash", "layout.path"),
        ("new\nline", "layout.path"),
        (os.fsdecode(b"\xff\xfe"), "layout.path"),
        ("attestations/extra.json", "layout.extra"),
        ("attestations/keys/extra.pem", "layout.extra"),
        ("attestations/keys/" + "0" * 64 + ".pem", "layout.keys"),
    ],
)
def test_file_added_is_found(good: GoodBundle, bundle: Path, name: str, code: str) -> None:
    path = bundle / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    assert code in codes(good.verify(bundle))


def test_file_name_that_would_command_the_terminal_is_shown_escaped(
    good: GoodBundle, bundle: Path
) -> None:
    (bundle / "\x1b[2J").write_bytes(b"")
    text = good.verify(bundle).to_text()
    assert "\x1b" not in text
    assert "\\x1b[2J: the path has a character" in text


@pytest.mark.parametrize("name", ["empty", "logs/empty", ".empty", "attestations/empty"])
def test_empty_folder_is_found(good: GoodBundle, bundle: Path, name: str) -> None:
    (bundle / name).mkdir()
    assert "layout.empty_folder" in codes(good.verify(bundle))


def test_every_altered_file_is_listed_up_to_twenty(good: GoodBundle, bundle: Path) -> None:
    for number in range(25):
        (bundle / "logs" / f"extra-{number}").write_bytes(b"")
    (bundle / "README.md").write_bytes(b"altered")
    failed = [check for check in good.verify(bundle).checks if check.code.startswith("manifest.")]
    assert len(failed) == 21
    assert "README.md: altered" in failed[0].message
    assert failed[-1].message == "and 6 more"
    assert (failed[-1].code, failed[-1].holds) == ("manifest.more", False)
    (bundle / "README.md").write_bytes((good.path / "README.md").read_bytes())
    for number in range(20, 25):
        (bundle / "logs" / f"extra-{number}").unlink()
    failed = [check for check in good.verify(bundle).checks if not check.code.endswith("not_run")]
    assert [check.code for check in failed if not check.holds] == ["manifest.added"] * 20


@pytest.mark.parametrize("name", ["LICENSE", "counts.json", "MANIFEST.sha256"])
def test_symbolic_link_in_place_of_a_file_is_found(
    good: GoodBundle, bundle: Path, name: str
) -> None:
    elsewhere = (bundle / name).rename(bundle.parent / "elsewhere")
    (bundle / name).symlink_to(elsewhere)
    assert "layout.kind" in codes(good.verify(bundle))


def test_symbolic_link_in_place_of_a_folder_is_found(good: GoodBundle, bundle: Path) -> None:
    elsewhere = (bundle / "logs").rename(bundle.parent / "elsewhere")
    (bundle / "logs").symlink_to(elsewhere, target_is_directory=True)
    assert {"layout.kind", "manifest.missing"} <= codes(good.verify(bundle))


def test_hard_link_is_found(good: GoodBundle, bundle: Path) -> None:
    (bundle.parent / "other-name").hardlink_to(bundle / "LICENSE")
    assert "layout.hard_link" in codes(good.verify(bundle))


@pytest.mark.parametrize("name", ["LICENSE", "extra"])
def test_fifo_is_found_and_not_waited_for(good: GoodBundle, bundle: Path, name: str) -> None:
    (bundle / name).unlink(missing_ok=True)
    os.mkfifo(bundle / name)
    assert "layout.kind" in codes(good.verify(bundle))


def test_socket_is_found(good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle)  # a socket's path may be 107 bytes long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert "layout.kind" in codes(good.verify(bundle))


def test_file_larger_than_its_bound_is_found(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(layout.MAX_PARSED_BYTES, "counts.json", 100)
    monkeypatch.setattr(layout, "MAX_FILE_BYTES", 10)
    report = good.verify(bundle)
    assert "read.size" in codes(report)
    too_large = [check.message for check in report.checks if check.code == "read.size"]
    assert any(message.startswith("counts.json: ") for message in too_large)
    assert any(message.startswith("logs/") for message in too_large)


def test_more_files_than_any_bundle_has_are_not_all_read(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MAX_FILES", 5)
    assert "layout.bounds" in codes(good.verify(bundle))


def test_folders_nested_without_end_are_not_followed(good: GoodBundle, bundle: Path) -> None:
    deep = bundle.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"")
    assert "layout.bounds" in codes(good.verify(bundle))


def test_file_swapped_between_look_and_open_is_found(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = os.open

    def swap_then_open(path: str, flags: int, **options: int) -> int:
        if path == "counts.json":
            (bundle / "swapped").write_bytes((bundle / path).read_bytes())
            (bundle / "swapped").rename(bundle / path)
        return open_file(path, flags, **options)

    monkeypatch.setattr(os, "open", swap_then_open)
    assert "read.swapped" in codes(good.verify(bundle))


@pytest.mark.parametrize("name", ["LICENSE", "absent"])
def test_what_is_no_folder_is_a_wrong_input(good: GoodBundle, bundle: Path, name: str) -> None:
    with pytest.raises(InputError, match="a bundle is a folder") as caught:
        good.verify(bundle / name)
    # A file may be an archive, which another command takes.
    assert ("specseal pull" in caught.value.mend) is (name == "LICENSE")


def test_file_that_became_a_link_between_look_and_open_is_found(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = os.open

    def swap_then_open(path: str, flags: int, **options: int) -> int:
        if path == "counts.json":
            (bundle / path).rename(bundle.parent / "elsewhere")
            (bundle / path).symlink_to(bundle.parent / "elsewhere")
        return open_file(path, flags, **options)

    monkeypatch.setattr(os, "open", swap_then_open)
    assert "read.unreadable" in codes(good.verify(bundle))


def test_empty_folder_is_no_bundle(good: GoodBundle, tmp_path: Path) -> None:
    report = good.verify(tmp_path)
    assert not report.intact
    assert report.manifest_digest is None
    assert report.signer is None


@pytest.mark.parametrize(
    "path",
    [
        "setup.py", "result-final.json", "prompts/prompts.jsonl", "env/more.cdx.json",
        "env/engine-65.cdx.json", "logs/engine.log", "logs/more/engine.log.gz", "readme.md.bak",
    ],
)  # fmt: skip
def test_signed_file_that_is_no_part_of_a_bundle_is_refused(
    good: GoodBundle, bundle: Path, path: str
) -> None:
    (bundle / path).parent.mkdir(exist_ok=True)
    (bundle / path).write_bytes(b"x")
    good.sign_again(bundle)
    assert codes(good.verify(bundle)) == {"manifest.unknown"}


def test_signed_log_of_whatever_name_holds(good: GoodBundle, bundle: Path) -> None:
    (bundle / "logs" / "another.log.gz").write_bytes(b"x")
    good.sign_again(bundle)
    assert good.verify(bundle).intact
