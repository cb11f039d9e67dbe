"""`specseal doctor` as a user calls it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from specseal.cli import doctor
from specseal.doctor import Finding
from specseal.errors import MachineLacks

GOOD = Finding(name="pip", holds=True, found="pip 26", mend="", needed="always")
LACKING = Finding(
    name="container engine", holds=False, found="none answers", mend="start one", needed="docker"
)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What there is on the machine, for a test to fill."""
    findings: list[Finding] = []
    monkeypatch.setattr(doctor, "examine", lambda settings: tuple(findings))
    return findings


def test_each_line_says_what_was_found_and_its_mend(found: list[Finding]) -> None:
    found += [GOOD, LACKING]
    done = CliRunner().invoke(doctor.command)
    assert done.exit_code == 0, "native is whole"
    assert done.stdout == (
        "ok    pip (always): pip 26\n"
        "lack  container engine (docker): none answers\n"
        "      mend: start one\n"
    )


def test_a_machine_that_can_run_nothing_is_exit_code_3(found: list[Finding]) -> None:
    found.append(Finding(name="disk", holds=False, found="0 GiB", mend="free it", needed="always"))
    done = CliRunner().invoke(doctor.command)
    assert isinstance(done.exception, MachineLacks)
    assert "lack  disk (always)" in done.stdout


def test_json_is_one_document_with_the_answer(found: list[Finding]) -> None:
    found += [GOOD, LACKING]
    document = json.loads(CliRunner().invoke(doctor.command, ["--json"]).stdout)
    assert document["can_run"] is True
    assert [finding["name"] for finding in document["findings"]] == ["pip", "container engine"]
    assert document["findings"][1] == {
        "name": "container engine", "holds": False, "found": "none answers", "mend": "start one",
        "needed": "docker",
    }  # fmt: skip
