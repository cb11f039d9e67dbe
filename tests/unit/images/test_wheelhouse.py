"""Wheels by pinned hash, from a folder of wheels: pip runs for real, no registry is asked."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from specseal.errors import LockError, MachineLacks
from specseal.images import wheelhouse
from specseal.settings import Settings

WHEEL = "tiny-1.0-py3-none-any.whl"


def write_wheel(folder: Path, content: str = "x = 1\n") -> Path:
    """Write a wheel of one module (format: the binary distribution format's specification)."""
    files = {
        "tiny.py": content,
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
    }
    rows = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        rows.append(f"{name},sha256={digest.rstrip('=')},{len(text)}")
    record = "tiny-1.0.dist-info/RECORD"
    files[record] = "\n".join([*rows, f"{record},,"]) + "\n"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return folder / WHEEL


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # pip reads no configuration and asks nobody but the folder.
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return Settings(
        cache_dir=tmp_path / "cache", config_dir=tmp_path, runs_dir=tmp_path,
        signing_key=tmp_path / "key", wheel_dir=tmp_path / "wheels",
    )  # fmt: skip


@pytest.fixture
def requirements(tmp_path: Path) -> Callable[[str], Path]:
    """Write a requirements file that pins the wheel by a digest."""

    def write(sha256: str) -> Path:
        path = tmp_path / "requirements.txt"
        path.write_text(f"tiny==1.0 --hash=sha256:{sha256}\n")
        return path

    return write


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("target", [wheelhouse.NATIVE_TARGET, wheelhouse.CONTAINER_TARGET])
def test_pinned_wheels_are_kept_and_pip_is_not_asked_again(
    target: tuple[str, ...],
    settings: Settings,
    requirements: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheel = write_wheel(tmp_path / "wheels")
    pinned = requirements(sha256(wheel))
    first = wheelhouse.fill(pinned, target, settings=settings)
    assert first.wheels == {WHEEL: sha256(wheel)}
    wheel.unlink()
    monkeypatch.setattr(wheelhouse, "run_pip", None)
    assert wheelhouse.fill(pinned, target, settings=settings) == first


def test_a_wheel_of_other_bytes_is_refused_and_nothing_is_kept(
    settings: Settings, requirements: Callable[[str], Path], tmp_path: Path
) -> None:
    pinned = requirements(sha256(write_wheel(tmp_path / "wheels")))
    write_wheel(tmp_path / "wheels", "x = 2\n")
    with pytest.raises(LockError, match="are not the ones that are pinned"):
        wheelhouse.fill(pinned, wheelhouse.NATIVE_TARGET, settings=settings)
    assert list((settings.cache_dir / "wheels").iterdir()) == []


def test_a_wheel_that_can_not_be_had_is_what_the_machine_lacks(
    settings: Settings, requirements: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "wheels").mkdir()
    with pytest.raises(MachineLacks, match=r"can't be had: .*tiny==1\.0") as caught:
        wheelhouse.fill(requirements("0" * 64), wheelhouse.NATIVE_TARGET, settings=settings)
    assert "wheel_dir" in caught.value.mend
    assert "PyTorch" not in caught.value.mend


def test_a_build_for_the_cpu_that_can_not_be_had_is_said_to_have_an_index_of_its_own(
    settings: Settings, requirements: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "wheels").mkdir()
    pinned = requirements("0" * 64)
    pinned.write_text(pinned.read_text().replace("==1.0", "==1.0+cpu"))
    with pytest.raises(MachineLacks, match=r"tiny==1\.0\+cpu") as caught:
        wheelhouse.fill(pinned, wheelhouse.NATIVE_TARGET, settings=settings)
    assert "PIP_EXTRA_INDEX_URL" in caught.value.mend


def test_site_settings_are_given_to_pip(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(wheelhouse.subprocess, "run", run)
    own = replace(settings, ca_bundle=tmp_path / "ca.pem")
    for action in ("download", "install"):
        wheelhouse.run_pip([action, "tiny"], settings=own, what="tiny")
    download, install = (command[command.index("--cert") :] for command in asked)
    assert download == [
        "--cert", str(own.ca_bundle), "download", "tiny", "--find-links", str(own.wheel_dir),
    ]  # fmt: skip
    assert install == ["--cert", str(own.ca_bundle), "install", "tiny"]


def test_a_build_context_gets_every_wheel_and_pip_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "house"
    wheel = write_wheel(folder)
    (folder / "pip-26.0-py3-none-any.whl").write_text("pip")
    wheels = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    context = tmp_path / "context"
    context.mkdir()
    wheelhouse.copy_into(wheelhouse.Wheelhouse(folder=folder, wheels=wheels), context)
    assert {path.name for path in (context / "wheels").iterdir()} == set(wheels)
    assert (context / "wheels" / WHEEL).read_bytes() == wheel.read_bytes()
    assert (context / "pip.whl").read_text() == "pip"
