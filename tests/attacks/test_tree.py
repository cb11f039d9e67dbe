"""What is no plain file, and what is swapped while it is being looked at."""

import os
import shutil
import stat
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from attacks.builder import GoodBundle, codes
from specseal.bundle import layout
from specseal.bundle.layout import (
    KEYS,
    REPRODUCTIONS,
    RESULT_ATTESTATION,
    TIMESTAMP,
    Tree,
    read_tree,
)
from specseal.errors import InputError
from specseal.pull import bundle_limits


def say(good: GoodBundle, bundle: Path, code: str) -> list[str]:
    return [check.message for check in good.verify(bundle).checks if check.code == code]


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (stat.S_IFLNK, "a symbolic link"),
        (stat.S_IFIFO, "a FIFO"),
        (stat.S_IFSOCK, "a socket"),
        (stat.S_IFBLK, "a device"),
        (stat.S_IFCHR, "a device"),
        (stat.S_IFDIR, "a folder"),
        (0, "something unknown"),
    ],
)
def test_what_is_no_regular_file_is_told_and_never_opened(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, kind: int, named: str
) -> None:
    """Devices can't be made by everyone: here a file is said to be one."""
    look, open_file = os.stat, os.open

    def other_kind(path: str, **options: object) -> os.stat_result:
        found = look(path, **options)  # type: ignore[arg-type]
        if path != "LICENSE":
            return found
        return os.stat_result((kind | 0o644, *found[1:]))

    def never(path: str, flags: int, **options: int) -> int:
        assert path != "LICENSE"
        return open_file(path, flags, **options)

    monkeypatch.setattr(os, "stat", other_kind)
    monkeypatch.setattr(os, "open", never)
    assert say(good, bundle, "layout.kind") == [f"LICENSE: is {named}, not a regular file"]


@pytest.mark.parametrize("target", ["/etc/passwd", "nowhere", "LICENSE", ".", "logs", ".."])
@pytest.mark.parametrize("place", ["LICENSE", "logs/more.gz", "attestations/more.json", "more"])
def test_symbolic_link_wherever_it_leads_is_refused(
    good: GoodBundle, bundle: Path, place: str, target: str
) -> None:
    (bundle / place).unlink(missing_ok=True)
    (bundle / place).symlink_to(target)
    message = f"{place}: is a symbolic link, not a regular file"
    assert say(good, bundle, "layout.kind") == [message]


@pytest.mark.parametrize("folder", ["attestations", "attestations/keys", "env"])
def test_folder_that_is_a_link_is_not_entered(good: GoodBundle, bundle: Path, folder: str) -> None:
    elsewhere = (bundle / folder).rename(bundle.parent / "elsewhere")
    (bundle / folder).symlink_to(elsewhere, target_is_directory=True)
    assert "layout.kind" in codes(good.verify(bundle))
    assert not [path for path in read_tree(bundle).digests if path.startswith(f"{folder}/")]


@pytest.mark.parametrize("name", ["counts.json", "attestations/result.sigstore.json", "LICENSE"])
def test_hard_link_to_a_file_elsewhere_is_refused(
    good: GoodBundle, bundle: Path, name: str
) -> None:
    elsewhere = bundle.parent / "elsewhere"
    (bundle / name).rename(elsewhere)
    (bundle / name).hardlink_to(elsewhere)
    assert say(good, bundle, "layout.hard_link") == [f"{name}: has another name (a hard link)"]


def test_two_names_of_one_file_are_both_refused(good: GoodBundle, bundle: Path) -> None:
    (bundle / "logs/LICENSE").hardlink_to(bundle / "LICENSE")
    assert len(say(good, bundle, "layout.hard_link")) == 2


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (".hidden", "the path is hidden"),
        ("logs/.hidden", "the path is hidden"),
        ("a b", "the path has a character other than letters, digits and ._+-, or ends in a dot"),
        ("nul", "the path is a name that some systems reserve"),
    ],
)
def test_path_that_may_not_be_there_is_told(
    good: GoodBundle, bundle: Path, name: str, problem: str
) -> None:
    (bundle / name).write_bytes(b"")
    assert say(good, bundle, "layout.path") == [f"{name}: {problem}"]


@pytest.mark.parametrize("folder", [".git", "logs/.cache", "attestations/.old"])
def test_hidden_folder_is_told_even_where_it_is_empty(
    good: GoodBundle, bundle: Path, folder: str
) -> None:
    (bundle / folder).mkdir()
    assert say(good, bundle, "layout.path") == [f"{folder}: the folder is hidden"]
    assert say(good, bundle, "layout.empty_folder") == [f"{folder}: is an empty folder"]


@pytest.mark.parametrize("name", ["extra.json", "keys/extra.pem", "keys/deep/extra.pem"])
def test_attestation_that_nobody_knows_is_told_and_not_read(
    good: GoodBundle, bundle: Path, name: str
) -> None:
    path = bundle / "attestations" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    message = f"attestations/{name}: no such attestation is known"
    assert say(good, bundle, "layout.extra") == [message]
    assert f"attestations/{name}" not in read_tree(bundle).digests


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("MANIFEST.sha256", "layout.missing"),
        ("attestations/result.sigstore.json", "layout.missing"),
        ("attestations/provenance.sigstore.json", "layout.missing"),
        ("attestations/keys/*.pem", "layout.keys"),
    ],
)
def test_part_of_the_seal_that_is_missing_is_told(
    good: GoodBundle, bundle: Path, pattern: str, code: str
) -> None:
    (path,) = bundle.glob(pattern)
    path.unlink()
    (message,) = say(good, bundle, code)
    told = {
        "layout.missing": f"{pattern}: missing, or not readable as a regular file",
        "layout.keys": "attestations/keys: expected one public key, found 0",
    }
    assert message == told[code]


# Bounds


def test_walk_ends_where_there_are_more_files_than_any_bundle_has(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = sum(1 for _ in bundle.rglob("*"))
    monkeypatch.setattr(layout, "MAX_FILES", count)
    assert good.verify(bundle).intact
    monkeypatch.setattr(layout, "MAX_FILES", 3)
    tree = read_tree(bundle)
    assert len(tree.digests) == 3
    messages = [finding.message for finding in tree.findings if finding.code == "layout.bounds"]
    assert messages == [".: there are more than 3 files and folders; the rest was not looked at"]


def test_walk_ends_where_there_are_more_folders_than_any_bundle_has(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MAX_FILES", 50)
    for number in range(100):
        (bundle / "logs" / f"d{number:03}").mkdir()
    findings = read_tree(bundle).findings
    assert [one.message for one in findings if one.code == "layout.bounds"] == [
        "logs: there are more than 50 files and folders; the rest was not looked at"
    ]
    assert len(findings) <= 50


def test_folders_are_entered_down_to_the_bound_and_no_deeper(
    good: GoodBundle, bundle: Path
) -> None:
    deepest = bundle.joinpath(*["d"] * layout.MAX_DEPTH)
    deepest.mkdir(parents=True)
    (deepest / "file").write_bytes(b"")  # entered, but its path is a part too long
    assert codes(good.verify(bundle)) == {"layout.path"}
    (deepest / "e").mkdir()
    (deepest / "e" / "file").write_bytes(b"")
    (message,) = say(good, bundle, "layout.bounds")
    assert message.endswith("folders are nested deeper than 16; the rest was not looked at")


@pytest.mark.parametrize("name", ["LICENSE", "counts.json", "logs/r1-ngram.engine.log.gz"])
def test_file_may_be_as_large_as_its_bound_and_not_a_byte_larger(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    size = (bundle / name).stat().st_size

    def bound(limit: int) -> None:
        if name in layout.MAX_PARSED_BYTES:
            monkeypatch.setitem(layout.MAX_PARSED_BYTES, name, limit)
        else:
            monkeypatch.setattr(layout, "MAX_FILE_BYTES", limit)

    bound(size)
    assert good.verify(bundle).intact
    bound(size - 1)
    assert f"{name}: is larger than {size - 1:,} bytes" in say(good, bundle, "read.size")


def test_file_larger_than_a_chunk_is_read_whole_and_its_bound_is_of_the_whole(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_CHUNK_BYTES", 7)
    assert good.verify(bundle).intact
    size = (bundle / "counts.json").stat().st_size
    monkeypatch.setitem(layout.MAX_PARSED_BYTES, "counts.json", size - 1)
    assert say(good, bundle, "read.size") == [f"counts.json: is larger than {size - 1:,} bytes"]


HUGE = 5 * 2**30
"""With holes, so that it takes no room, but reading it does take its time."""


def never_read(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have reading any of some files fail the test."""
    read = layout._Walk._read

    def read_unless(self: layout._Walk, path: str, chunks: Callable[[int], bytes]) -> None:
        assert path not in names
        read(self, path, chunks)

    monkeypatch.setattr(layout._Walk, "_read", read_unless)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("logs/r1-ngram.engine.log.gz", layout.MAX_FILE_BYTES),
        ("logs/another.log.gz", layout.MAX_FILE_BYTES),
        ("records.parquet", layout.MAX_PARSED_BYTES["records.parquet"]),
    ],
)
def test_file_that_is_too_large_is_refused_before_a_byte_of_it_is_read(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str, bound: int
) -> None:
    (bundle / name).touch()
    os.truncate(bundle / name, HUGE)
    never_read(monkeypatch, name)
    assert say(good, bundle, "read.size") == [f"{name}: is larger than {bound:,} bytes"]


def test_files_that_are_too_large_together_are_not_read(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    monkeypatch.setattr(layout, "MAX_BYTES", size + 10)
    assert good.verify(bundle).intact
    large = [bundle / "logs" / f"z{number}.log.gz" for number in range(100)]
    for path in large:
        path.touch()
        os.truncate(path, size + 11)
    never_read(monkeypatch, *(path.relative_to(bundle).as_posix() for path in large))
    assert say(good, bundle, "layout.bounds") == [
        f".: the files are of more than {size + 10:,} bytes together; the rest was not looked at"
    ]
    # What was not looked at once has not changed since.
    assert not say(good, bundle, "read.changed")


def test_all_files_count_towards_what_they_may_be_together(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    monkeypatch.setattr(layout, "MAX_BYTES", size)
    assert good.verify(bundle).intact
    monkeypatch.setattr(layout, "MAX_BYTES", size - 1)
    (message,) = say(good, bundle, "layout.bounds")
    assert f"more than {size - 1:,} bytes together" in message


@pytest.mark.parametrize("name", ["LICENSE", "logs/r1-ngram.engine.log.gz"])
def test_file_that_grows_for_ever_is_given_up_at_its_bound(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    read, bound = layout._Walk._read, 100_000
    monkeypatch.setattr(layout, "MAX_FILE_BYTES", bound)
    monkeypatch.setitem(layout.MAX_PARSED_BYTES, "LICENSE", bound)

    def grow(self: layout._Walk, path: str, chunks: Callable[[int], bytes]) -> None:
        more = iter([b"more" * 1000] * 26)
        read(self, path, (lambda _: next(more)) if path == name else chunks)

    monkeypatch.setattr(layout._Walk, "_read", grow)
    assert say(good, bundle, "read.size") == [f"{name}: is larger than {bound:,} bytes"]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("name", ["model.gguf", "logs/model.gguf", "env/model.cdx.json"])
def test_file_that_no_bundle_has_is_refused_for_its_name_and_not_read(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str, signed: bool
) -> None:
    (bundle / name).touch()
    if signed:
        good.sign_again(bundle)
    os.truncate(bundle / name, HUGE)
    never_read(monkeypatch, name)
    assert codes(good.verify(bundle)) == {"manifest.unknown" if signed else "manifest.added"}


def test_pull_takes_no_more_than_verify_reads() -> None:
    assert bundle_limits().max_bytes == layout.MAX_BYTES == 16 * 2**30


def test_only_additions_may_come_that_no_manifest_lists() -> None:
    digest = "0" * 64
    for path in (
        TIMESTAMP,
        f"{KEYS}/{digest}.pem",
        f"{REPRODUCTIONS}/{digest}-{digest}.sigstore.json",
    ):
        assert layout.max_addition_bytes(path), path
    for path in ("README.md", "records.parquet", RESULT_ATTESTATION, f"{KEYS}/other.pem"):
        assert layout.max_addition_bytes(path) is None, path


# Swapped in while it is being looked at


Swap = Callable[[Path], None]


def other_content(path: Path) -> None:
    path.write_bytes(b"other\n")


def other_file(path: Path) -> None:
    path.with_name("other").write_bytes(path.read_bytes())
    path.with_name("other").rename(path)


def a_link(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def nothing(path: Path) -> None:
    path.unlink()


def a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("swap", "code", "said"),
    [
        (other_content, "manifest.altered", "altered; SHA-256 is "),
        (other_file, "read.swapped", "was swapped while it was being opened"),
        (a_link, "read.unreadable", "can't be read: "),
        (nothing, "read.unreadable", "can't be read: "),
        (a_fifo, "read.swapped", "was swapped while it was being opened"),
    ],
)
def test_file_swapped_between_look_and_open_is_found_and_not_waited_for(
    good: GoodBundle,
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    swap: Swap,
    code: str,
    said: str,
) -> None:
    open_file = os.open

    def swap_then_open(path: str, flags: int, **options: int) -> int:
        if path == "counts.json":
            swap(bundle / path)
        return open_file(path, flags, **options)

    monkeypatch.setattr(os, "open", swap_then_open)
    report = good.verify(bundle)
    assert code in codes(report)
    assert any(f"counts.json: {said}" in check.message for check in report.checks)


def test_file_that_is_removed_before_its_turn_is_told(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.stat

    def remove_then_look(path: str, **options: object) -> os.stat_result:
        if path == "counts.json":
            (bundle / path).unlink()
        return look(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", remove_then_look)
    message = "counts.json: was removed while the folder was being read"
    assert say(good, bundle, "read.swapped") == [message]


def test_folder_that_can_not_be_read_is_an_error_and_not_passed_over(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not seen could be anything; and whoever tests may be allowed to read all."""
    (bundle / "more").mkdir()
    (bundle / "more" / "file").write_bytes(b"")
    open_file = os.open

    def refuse(path: str, flags: int, **options: int) -> int:
        if path == "more":
            raise PermissionError(13, "Permission denied", path)
        return open_file(path, flags, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match=r"can't be read: Permission denied \(more\)"):
        good.verify(bundle)


def test_folder_swapped_for_a_link_as_it_is_entered_is_not_followed(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = os.open

    def swap_then_open(path: str, flags: int, **options: int) -> int:
        if path == "logs" and not (bundle / "logs").is_symlink():
            elsewhere = shutil.copytree(bundle / "logs", bundle.parent / "elsewhere")
            shutil.rmtree(bundle / "logs")
            (bundle / "logs").symlink_to(elsewhere)
        return open_file(path, flags, **options)

    monkeypatch.setattr(os, "open", swap_then_open)
    report = good.verify(bundle)
    assert (bundle / "logs").is_symlink()
    assert codes(report) == {"manifest.missing", "read.changed"}


def test_what_is_parsed_are_the_bytes_that_were_hashed(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is replaced once it has been read: each step looks at what was read, and holds."""

    def read_then_replace(folder: Path) -> Tree:
        tree = read_tree(folder)
        for path in tree.digests:
            (folder / path).write_bytes(b"replaced\n")
        return tree

    # The package's `verify` is the function; what it calls is looked up in the module.
    monkeypatch.setattr(import_module("specseal.bundle.verify"), "read_tree", read_then_replace)
    assert codes(good.verify(bundle)) == {"read.changed"}
    assert (bundle / "result.json").read_bytes() == b"replaced\n"
