"""`specseal run`: what is printed, and what makes its exit code, once everything is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from attacks.builder import GoodBundle
from specseal.analysis import Failure
from specseal.bench import Done
from specseal.cli import run
from specseal.errors import RunFailed
from specseal.spec import Claim, ClaimSource

FAILURE = Failure(
    where={"speculation": "ngram", "draft_length": 2, "repeat": 0, "job": "key"},
    missing=({"input": "dataset", "concurrency": 2},),
    reason="the engine died with exit code -9",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    good = GoodBundle(tmp_path_factory.mktemp("good"))
    return Done(bundle=good.path, contents=good.verify(good.path).demand(trust=True))


class Ran:
    """`run_spec` that measures nothing, gives what it is told to, and keeps what it was asked."""

    def __init__(self, done: Done) -> None:
        self.done = done
        self.asked: dict[str, Any] = {}

    def __call__(self, spec: Path, **asked: Any) -> Done:
        self.asked = asked
        return self.done


@pytest.fixture
def ran(done: Done, monkeypatch: pytest.MonkeyPatch) -> Ran:
    ran = Ran(done)
    monkeypatch.setattr(run, "run_spec", ran)
    return ran


def call(tmp_path: Path, *options: str) -> Result:
    spec = tmp_path / "tiny.yaml"
    spec.touch()
    return CliRunner().invoke(run.command, [str(spec), *options])


def with_result(done: Done, **changes: Any) -> Done:
    result = replace(done.contents.result, **changes)
    return replace(done, contents=replace(done.contents, result=result))


def test_good_run_prints_its_table_and_at_last_its_bundle(ran: Ran, tmp_path: Path) -> None:
    called = call(tmp_path)
    assert called.exit_code == 0
    lines = called.stdout.splitlines()
    assert lines[0].startswith("concurrency  drafting")
    assert lines[-1] == str(ran.done.bundle)
    assert "where the time went" in called.stderr


def with_claim(done: Done) -> Done:
    source = ClaimSource(title="A paper", definition="tokens a step")
    claim = Claim(metric="acceptance_length", value=2.0, source=source)
    spec = replace(done.contents.spec, claims=(claim,))
    return replace(done, contents=replace(done.contents, spec=spec))


def test_claims_are_judged_below_the_table_and_leave_the_exit_code_alone(
    ran: Ran, tmp_path: Path
) -> None:
    ran.done = with_claim(ran.done)
    called = call(tmp_path)
    assert called.exit_code == 0
    assert "claims against tiny: 1 inconclusive" in called.stdout
    assert called.stdout.splitlines()[-1] == str(ran.done.bundle)
    document = json.loads(call(tmp_path, "--json").stdout)
    assert [one["answer"] for one in document["claims"]["verdicts"]] == ["inconclusive"]


def test_spec_without_claims_has_no_verdicts(ran: Ran, tmp_path: Path) -> None:
    assert "claims against" not in call(tmp_path).stdout
    assert "claims" not in json.loads(call(tmp_path, "--json").stdout)


@pytest.mark.parametrize("fresh", [True, False])
def test_fresh_is_passed_on(fresh: bool, ran: Ran, tmp_path: Path) -> None:
    call(tmp_path, *(["--fresh"] if fresh else []))
    assert ran.asked["fresh"] is fresh


@pytest.mark.parametrize(
    ("options", "takes_any"),
    [((), False), (("--hardware", "as-locked"), False), (("--hardware", "any"), True)],
)
def test_hardware_that_will_do_is_passed_on(
    options: tuple[str, ...], takes_any: bool, ran: Ran, tmp_path: Path
) -> None:
    assert call(tmp_path, *options).exit_code == 0
    assert ran.asked["any_hardware"] is takes_any


def test_bundle_that_is_corrected_is_passed_on(ran: Ran, tmp_path: Path) -> None:
    call(tmp_path)
    assert ran.asked["supersedes"] is None
    call(tmp_path, "--supersedes", str(ran.done.bundle))
    assert ran.asked["supersedes"] == ran.done.bundle


def test_hardware_is_named_in_the_spec_and_not_in_the_command(ran: Ran, tmp_path: Path) -> None:
    assert call(tmp_path, "--hardware", "nvidia/h200-sxm-141gb").exit_code == 2


def test_failed_job_is_exit_code_4_after_everything_is_printed(ran: Ran, tmp_path: Path) -> None:
    ran.done = with_result(ran.done, failures=(FAILURE,))
    called = call(tmp_path)
    assert isinstance(called.exception, RunFailed)
    assert called.exception.exit_code == 4
    assert (
        "failed: ngram 2, concurrency 2, repeat 1: the engine died with exit code -9"
        in called.stdout
    )
    assert called.stdout.splitlines()[-1] == str(ran.done.bundle)


def test_failed_job_is_in_the_json_document(ran: Ran, tmp_path: Path) -> None:
    ran.done = with_result(ran.done, failures=(FAILURE,))
    called = call(tmp_path, "--json")
    assert isinstance(called.exception, RunFailed)
    document = json.loads(called.stdout)
    assert document["failures"] == [FAILURE.to_dict()]
    assert document["path"] == str(ran.done.bundle)


def test_spoilt_figure_is_exit_code_4_only_if_strict(ran: Ran, tmp_path: Path) -> None:
    first, *others = ran.done.contents.result.metrics
    spoilt = replace(first, valid=False, reasons=("machine_busy",))
    ran.done = with_result(ran.done, metrics=(spoilt, *others))
    assert call(tmp_path).exit_code == 0
    called = call(tmp_path, "--strict")
    assert isinstance(called.exception, RunFailed)
    assert "machine_busy" in called.exception.message
    assert called.stdout.splitlines()[-1] == str(ran.done.bundle)
