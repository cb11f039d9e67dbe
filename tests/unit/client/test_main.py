"""The process: exit codes, and what it says on stderr."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from specseal.client.__main__ import main
from specseal.client.errors import InputRefused
from specseal.client.output import Output
from unit.client.fake_llamacpp import FakeLlamaCpp, Refuse, refuse
from unit.client.jobs import job, phase, prompt, write_folder


def refuse_with(message: str) -> Iterator[bytes]:
    yield from ()
    raise Refuse(401, message)


def exit_code(tmp_path: Path, fake: FakeLlamaCpp, job_json: dict[str, Any]) -> int:
    folder = write_folder(tmp_path / "in", job_json, prompts=[prompt("a", 7)])

    async def serve() -> int:
        async with fake.running():
            arguments = ["--in", folder, "--out", tmp_path / "out", "--port", fake.port]
            return await asyncio.to_thread(main, [str(argument) for argument in arguments])

    return asyncio.run(serve())


def test_job_done_is_exit_code_0_and_silent(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(tmp_path, FakeLlamaCpp(), job(phase("a"))) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("base", ["http://127.0.0.1:{}", "http://127.0.0.1:{}/"])
def test_server_may_be_given_by_its_url(tmp_path: Path, out: Path, base: str) -> None:
    folder = write_folder(tmp_path / "in", job(phase("a")), prompts=[prompt("a", 7)])

    async def serve() -> int:
        async with FakeLlamaCpp().running() as fake:
            arguments = ["--in", folder, "--out", out, "--url", base.format(fake.port)]
            return await asyncio.to_thread(main, [str(argument) for argument in arguments])

    assert asyncio.run(serve()) == 0
    assert (out / "records.jsonl").exists()


@pytest.mark.parametrize("where", [[], ["--port", "1", "--url", "http://a"]])
def test_one_server_is_asked_for(where: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--in", "in", "--out", "out", *where])
    assert left.value.code == 2


def test_wrong_url_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--in", "in", "--out", "out", "--url", "engine:8000"]) == 2
    assert capsys.readouterr().err.startswith("specseal client: --url 'engine:8000' is no URL")


def test_key_of_the_endpoint_is_sent_and_written_nowhere(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECSEAL_ENDPOINT_KEY", "sk-very-secret")
    folder = write_folder(tmp_path / "in", job(phase("a")), prompts=[prompt("a", 7)])
    fake = FakeLlamaCpp(script=lambda ids: refuse_with("you sent sk-very-secret"))

    async def serve() -> int:
        async with fake.running():
            arguments = ["--in", folder, "--out", out, "--url", f"http://127.0.0.1:{fake.port}"]
            return await asyncio.to_thread(main, [str(argument) for argument in arguments])

    assert asyncio.run(serve()) == 4
    assert fake.keys == {"Bearer sk-very-secret"}
    written = "".join(path.read_text() for path in out.iterdir())
    assert "you sent ***" in written
    assert "sk-very-secret" not in written


def test_failed_job_is_exit_code_4_with_its_reason(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(tmp_path, FakeLlamaCpp(script=refuse), job(phase("a"))) == 4
    assert capsys.readouterr().err == (
        "specseal client: phase c1: all 1 requests failed; the first with: HTTP 500: no slot\n"
    )
    assert (out / "status.json").exists()


@pytest.mark.parametrize(
    "changes", [{"dialect": "telepathy"}, {"counts": {"source": "guess"}}, {"x": 1}]
)
def test_bad_job_is_exit_code_2_and_nothing_is_sent(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    fake = FakeLlamaCpp()
    assert exit_code(tmp_path, fake, job(phase("a"), **changes)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert fake.prompts == []
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", ["records.jsonl", "counts.jsonl", "status.json"])
def test_output_of_another_job_is_never_added_to(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(InputRefused, match=f"{name}: there already"):
        Output(tmp_path)


def test_missing_output_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no such folder"):
        Output(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["progress.json", "status.json"])
def test_full_disk_names_the_file_and_leaves_no_status(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (out / f".{name}.{os.getpid()}.partial").symlink_to("/dev/full")
    assert exit_code(tmp_path, FakeLlamaCpp(), job(phase("a"))) == 4
    assert capsys.readouterr().err == (
        f"specseal client: {out / name}: can't be written: No space left on device\n"
    )
    assert not (out / "status.json").exists()
