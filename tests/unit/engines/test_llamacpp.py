"""The llama.cpp adapter: golden launch lines, and what counts as proof."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from specseal.engines import CAPABILITIES, LaunchRequest, engine, filled
from specseal.errors import InputError
from specseal.records import JobStatus, Snapshot

NGRAM = LaunchRequest(
    method="ngram",
    draft_length=4,
    drafter_args={},
    max_sequences=4,
    engine={"context_length": 4096},
)
BASELINE = replace(NGRAM, method="none", draft_length=0)
COMMON = (
    "--model {model} --host 127.0.0.1 --port {port} --ctx-size 16384 --parallel 4 "
    "--threads {threads} --metrics --no-cache-prompt --cache-ram 0 --offline "
)
GOLDEN = {
    "baseline": (BASELINE, COMMON + "--spec-type none"),
    "ngram": (
        NGRAM,
        COMMON + "--spec-type ngram-simple --spec-ngram-simple-size-n 3 "
        "--spec-ngram-simple-size-m 4 --spec-ngram-simple-min-hits 1",
    ),
    "ngram of five": (
        replace(NGRAM, drafter_args={"ngram_min": 5}, draft_length=8),
        COMMON + "--spec-type ngram-simple --spec-ngram-simple-size-n 5 "
        "--spec-ngram-simple-size-m 8 --spec-ngram-simple-min-hits 1",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_launch_line_is_the_golden_one(name: str) -> None:
    request, line = GOLDEN[name]
    assert " ".join(engine("llamacpp").launch(request).args) == line


def test_a_method_without_a_launch_line_is_refused() -> None:
    with pytest.raises(InputError, match="'mtp'"):
        engine("llamacpp").launch(replace(NGRAM, method="mtp"))


def test_every_row_of_the_table_has_a_golden_line() -> None:
    launched = {request.method for request, _ in GOLDEN.values()}
    assert CAPABILITIES.methods("llamacpp", "cpu") == launched


@pytest.mark.parametrize("name", GOLDEN)
def test_the_image_program_understands_every_launch_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = _load_serve(monkeypatch)
    values = {"model": "m.gguf", "port": "1", "threads": "2"}
    given = serve.parser().parse_args(filled(tuple(GOLDEN[name][1].split()), values))
    assert given.parallel == 4


def test_the_image_program_refuses_an_unknown_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    serve = _load_serve(monkeypatch)
    values = {"model": "m.gguf", "port": "1", "threads": "2"}
    args = filled(tuple(GOLDEN["ngram"][1].split()), values)
    with pytest.raises(SystemExit):
        serve.parser().parse_args([*args, "--flash-attn", "on"])


def status(**changes: Any) -> JobStatus:
    slot = {"n_ctx": 4096, "speculative": True, **changes}
    return JobStatus(outcome="done", reason="", phases=(), engine={"slots": [slot] * 4})


def snapshot(*positions: int) -> Snapshot:
    return Snapshot(
        phase="c4", moment="after", time_ns=1, settled=True, drafts=9, draft_tokens=36,
        accepted_tokens=sum(positions), accepted_per_position=positions, output_tokens=99,
        prompt_tokens=9, cached_tokens=None,
    )  # fmt: skip


def test_an_engine_that_did_as_asked_is_proven() -> None:
    assert engine("llamacpp").proof(NGRAM, status(), (snapshot(5, 4, 3, 2),), "") == ()


def test_a_baseline_that_did_not_speculate_is_proven() -> None:
    assert engine("llamacpp").proof(BASELINE, status(speculative=False), (snapshot(),), "") == ()


@pytest.mark.parametrize(
    ("request_", "found", "snapshots", "said"),
    [
        (NGRAM, status(speculative=False), (), "speculative is False"),
        (BASELINE, status(speculative=True), (), "speculative is True"),
        (NGRAM, status(n_ctx=2048), (), "n_ctx is 2048"),
        (replace(NGRAM, max_sequences=8), status(), (), "4 slots"),
        (NGRAM, status(), (snapshot(5, 4, 3, 2, 1),), "a draft had 5 tokens"),
        (NGRAM, JobStatus(outcome="done", reason="", phases=(), engine={}), (), "0 slots"),
    ],
)
def test_an_engine_that_did_something_else_is_found_out(
    request_: LaunchRequest, found: JobStatus, snapshots: tuple[Snapshot, ...], said: str
) -> None:
    against = engine("llamacpp").proof(request_, found, snapshots, "")
    assert any(said in line for line in against), against


LOG = "xllamacpp 2026.10.11549\n0.00.000.002 I srv    load_model: loading model 'm'\n"


def test_version_is_what_our_program_prints() -> None:
    assert engine("llamacpp").version_found({}, LOG) == "2026.10.11549"


@pytest.mark.parametrize("log", ["", "loading xllamacpp 2\n", "build: 7000 (abcdef)\n"])
def test_what_the_server_calls_its_build_is_no_version(log: str) -> None:
    said = {"props": {"build_info": "b0-unknown"}}
    assert engine("llamacpp").version_found(said, log) is None


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ((True, True), "ngram"),
        ((False, False), "none"),
        ((True, False), None),
        ((None, None), None),
        ((), None),
    ],
)
def test_method_is_what_all_slots_say(flags: tuple[bool | None, ...], found: str | None) -> None:
    said = {"slots": [{"speculative": flag} for flag in flags]}
    assert engine("llamacpp").method_found(said, LOG) == found
    assert engine("llamacpp").draft_length_found(NGRAM, said, (snapshot(1),)) is None


def _load_serve(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load `images/llamacpp/cpu/serve.py` without the engine, of which its parser needs nothing."""
    monkeypatch.setitem(sys.modules, "xllamacpp", ModuleType("xllamacpp"))
    path = Path(__file__).parents[3] / "images" / "llamacpp" / "cpu" / "serve.py"
    spec = importlib.util.spec_from_file_location("serve", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("arguments", "length"), [({}, 2), ({"ngram_min": 5}, 4)])
def test_draft_shorter_than_the_n_gram_that_is_looked_up_is_refused(
    arguments: dict[str, int], length: int
) -> None:
    # Seen with xllamacpp 2026.10.11549: 0 drafts in 36 phases at draft lengths 1 and 2, n-gram 3.
    asked = replace(NGRAM, drafter_args=arguments, draft_length=length)
    with pytest.raises(InputError, match="drafts nothing where"):
        engine("llamacpp").launch(asked)
