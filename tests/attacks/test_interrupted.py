"""A verification that is killed, or whose files change under it, never says yes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import GoodBundle, codes
from specseal.bundle import layout
from specseal.errors import VerificationFailed

PROGRAM = """\
import importlib, os
from specseal.cli import main

verify = importlib.import_module("specseal.bundle.verify")
whole = getattr(verify, {step!r})

def die(*arguments, **named):
    value = whole(*arguments, **named)
    os.kill(os.getpid(), {number})
    return value

setattr(verify, {step!r}, die)
main()
"""
"""`specseal`, killed right after it has taken a step."""
STEPS = ["read_tree", "recompute", "Report"]


def verify_and_die(good: GoodBundle, step: str, number: int) -> subprocess.CompletedProcess[str]:
    """Verify the good bundle, of a trusted key, in a process that gets a signal on its way."""
    (pem,) = (good.path / "attestations" / "keys").iterdir()
    program = PROGRAM.format(step=step, number=number)
    return subprocess.run(
        [sys.executable, "-c", program, "verify", good.path, "--key", pem],
        env={**os.environ, "SPECSEAL_CONFIG_DIR": str(good.path.parent / "config")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("step", STEPS)
def test_verify_that_is_killed_has_said_nothing(good: GoodBundle, step: str) -> None:
    done = verify_and_die(good, step, signal.SIGKILL)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_verify_that_is_interrupted_has_said_nothing_but_that(
    good: GoodBundle, number: int
) -> None:
    done = verify_and_die(good, "recompute", number)
    assert (done.returncode, done.stdout) == (4, "")
    assert "interrupted" in done.stderr


def test_same_program_says_yes_where_nothing_kills_it(good: GoodBundle) -> None:
    done = verify_and_die(good, "recompute", 0)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"manifest sha256:{good.contents.manifest}"


def test_answer_that_can_not_be_printed_is_no_yes(good: GoodBundle) -> None:
    (pem,) = (good.path / "attestations" / "keys").iterdir()
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [
                *(sys.executable, "-c", "from specseal.cli import main; main()"),
                *("verify", good.path, "--key", pem),
            ],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert "No space left on device" in done.stderr


# Files that change meanwhile

Act = Callable[[Path], object]


def after_step(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Have something happen right after the verifier has taken a step."""
    module = import_module("specseal.bundle.verify")
    step = getattr(module, name)

    def step_then_act(*arguments: Any, **named: Any) -> Any:
        value = step(*arguments, **named)
        act()
        return value

    monkeypatch.setattr(module, name, step_then_act)


def after_reading(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Have something happen right after a file of the bundle was read."""
    visit = layout._Walk.visit

    def visit_then_act(self: layout._Walk, path: str, entry: str, folder: int) -> None:
        visit(self, path, entry, folder)
        if path == name:
            act()

    monkeypatch.setattr(layout._Walk, "visit", visit_then_act)


def rewritten(path: Path) -> None:
    path.write_bytes(b"altered")


def rewritten_in_the_same_length(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def rewritten_and_dated_back(path: Path) -> None:
    before = path.stat()
    # The clock that the kernel stamps files by ticks every few milliseconds.
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(bytes(before.st_size))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced_by_its_copy(path: Path) -> None:
    copy = path.parent.parent / "copy"
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def replaced_by_a_link(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def removed(path: Path) -> None:
    path.unlink()


def another_added(path: Path) -> None:
    path.with_name("added").write_bytes(b"")


def another_folder_added(path: Path) -> None:
    path.with_name("added").mkdir()


def folder_replaced_by_a_link(path: Path) -> None:
    logs = path.with_name("logs")
    elsewhere = logs.rename(path.parent.parent / "elsewhere")
    logs.symlink_to(elsewhere, target_is_directory=True)


def whole_bundle_removed(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


CHANGES: list[Act] = [
    rewritten,
    rewritten_in_the_same_length,
    rewritten_and_dated_back,
    replaced_by_its_copy,
    replaced_by_a_link,
    removed,
    another_added,
    another_folder_added,
    folder_replaced_by_a_link,
    whole_bundle_removed,
]
NAMED = {
    another_added: "added",
    another_folder_added: "added",
    folder_replaced_by_a_link: "logs",
    whole_bundle_removed: "BUNDLE",
}
"""What is named where it is not the file itself."""


@pytest.mark.parametrize("name", ["result.json", "MANIFEST.sha256"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_once_all_was_read_makes_it_no_yes(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: Act
) -> None:
    """The bytes that were read hold, but whoever is told yes goes on with what lies there now."""
    after_step(monkeypatch, "read_tree", lambda: change(bundle / name))
    report = good.verify(bundle)
    assert codes(report) == {"read.changed"}
    assert not report.intact
    assert report.contents is None
    (said,) = (check.message for check in report.checks if not check.holds)
    named = NAMED.get(change, name)
    assert said == (
        f"the bundle's files changed while they were read, {named} for one; verify again"
    ).replace("BUNDLE", str(bundle))
    with pytest.raises(VerificationFailed) as raised:
        report.demand(trust=True)
    assert raised.value.mend == "verify it again when nothing else writes there"


@pytest.mark.parametrize("step", ["recompute", "judge"])
def test_what_changes_later_is_noticed_up_to_the_answer(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    after_step(monkeypatch, step, lambda: rewritten(bundle / "result.json"))
    assert codes(good.verify(bundle)) == {"read.changed"}


def test_change_takes_the_place_of_the_step_that_had_held(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [check.code for check in good.verify(bundle).checks]
    assert held.index("read") == 1
    after_step(monkeypatch, "read_tree", lambda: another_added(bundle / "LICENSE"))
    found = [check.code for check in good.verify(bundle).checks]
    assert found == ["layout", "read.changed", *held[2:]]


@pytest.mark.parametrize(
    "name", ["result.json", "records.parquet", "MANIFEST.sha256", "spec.yaml", "counts.json"]
)
def test_file_changed_right_after_it_was_read_is_not_read_again(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What is parsed is what was hashed: all else holds, of the bytes that were there."""
    after_reading(monkeypatch, name, lambda: rewritten(bundle / name))
    report = good.verify(bundle)
    assert codes(report) == {"read.changed"}
    assert report.manifest_digest == good.contents.manifest
    assert not report.intact
    monkeypatch.undo()
    assert not good.verify(bundle).intact


def test_reading_a_bundle_is_no_change(good: GoodBundle, bundle: Path) -> None:
    for path in bundle.rglob("*"):
        if path.is_file():
            path.read_bytes()
            os.utime(path, ns=(0, path.stat().st_mtime_ns))
    assert good.verify(bundle).trusted
    assert good.verify(bundle).trusted


@pytest.mark.parametrize(
    "act",
    [
        lambda path: path.write_bytes(b"altered"),
        lambda path: path.unlink(),
        lambda path: path.rename(path.with_name("elsewhere")),
        lambda path: (path.unlink(), path.symlink_to("spec.yaml")),
    ],
)
def test_file_changed_before_its_turn_is_found(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    after_reading(monkeypatch, "environment.json", lambda: act(bundle / "spec.yaml"))
    report = good.verify(bundle)
    assert not report.intact
    assert codes(report) & {"manifest.altered", "manifest.missing", "layout.kind"}


def test_file_that_grows_while_it_is_read_is_found(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bundle / "LICENSE"
    read = layout._Walk._read

    def grow(self: layout._Walk, name: str, chunks: Callable[[int], bytes]) -> None:
        def chunk(size: int) -> bytes:
            data = chunks(1)
            if data and path.stat().st_size < 2000:
                with path.open("ab") as file:
                    file.write(data)
            return data

        read(self, name, chunk if name == "LICENSE" else chunks)

    size = path.stat().st_size
    assert size < 2000
    monkeypatch.setattr(layout._Walk, "_read", grow)
    assert codes(good.verify(bundle)) == {"manifest.altered", "read.changed"}
    assert path.stat().st_size > size


def test_folder_swapped_for_another_bundle_half_way_is_found(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each half is good by itself; together they are no bundle that anybody signed."""
    other = good.copy(tmp_path / "other")
    (other / "logs" / "r1-ngram.engine.log.gz").write_bytes(b"other")
    good.sign_again(other)
    assert good.verify(other).trusted

    def swap() -> None:
        (bundle / "logs").rename(tmp_path / "old-logs")
        (other / "logs").rename(bundle / "logs")

    after_reading(monkeypatch, "MANIFEST.sha256", swap)
    report = good.verify(bundle)
    assert not report.intact
