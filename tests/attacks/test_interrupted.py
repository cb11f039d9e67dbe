"""A verification that is killed, or whose files change under it, never says yes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from attacks.builder import GoodBundle, codes
from specseal.bundle import layout

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

Act = Callable[[Path], None]


def after_reading(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None]) -> None:
    """Have something happen right after a file of the bundle was read."""
    visit = layout._Walk.visit

    def visit_then_act(self: layout._Walk, path: str, entry: str, folder: int) -> None:
        visit(self, path, entry, folder)
        if path == name:
            act()

    monkeypatch.setattr(layout._Walk, "visit", visit_then_act)


@pytest.mark.parametrize(
    "name", ["result.json", "records.parquet", "MANIFEST.sha256", "spec.yaml", "counts.json"]
)
def test_file_changed_after_it_was_read_is_not_read_again(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What is parsed is what was hashed, so the yes is about the bytes that were there."""
    after_reading(monkeypatch, name, lambda: (bundle / name).write_bytes(b"altered"))
    report = good.verify(bundle)
    assert report.trusted
    assert report.contents is not None
    assert report.contents.run == good.inputs.run
    assert report.manifest_digest == good.contents.manifest
    monkeypatch.undo()
    assert not good.verify(bundle).intact


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
    assert codes(good.verify(bundle)) == {"manifest.altered"}
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
