"""Every error class with its exit code, and how errors read."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import specseal
from specseal.bundle.findings import BundleBroken
from specseal.errors import (
    AnswerIsNo,
    ClientFailed,
    Dishonoured,
    EngineFailed,
    InputError,
    JobFailed,
    LockError,
    MachineLacks,
    Problem,
    ProgramFailed,
    RegistryError,
    RunFailed,
    SpecError,
    SpecsealError,
    VerificationFailed,
    WrongBytes,
)
from specseal.http import BrokenOff
from specseal.registry import KeepsFailing

EXIT_CODES = {
    SpecsealError: 4,
    AnswerIsNo: 1,
    VerificationFailed: 1,
    BundleBroken: 1,
    WrongBytes: 1,
    InputError: 2,
    Dishonoured: 2,
    SpecError: 2,
    LockError: 2,
    RegistryError: 2,
    MachineLacks: 3,
    BrokenOff: 3,
    KeepsFailing: 3,
    RunFailed: 4,
    ProgramFailed: 4,
    JobFailed: 4,
    EngineFailed: 4,
    ClientFailed: 4,
}


def every_class(base: type[SpecsealError]) -> Iterator[type[SpecsealError]]:
    yield base
    for derived in base.__subclasses__():
        yield from every_class(derived)


def test_every_error_of_the_package_has_its_exit_code_in_the_table() -> None:
    for module in pkgutil.walk_packages(specseal.__path__, "specseal."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # Tests derive classes of their own.
    ours = (one for one in every_class(SpecsealError) if one.__module__.startswith("specseal."))
    assert {error: error.exit_code for error in ours} == EXIT_CODES


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RunFailed("the engine died"), "the engine died"),
        (
            MachineLacks("no engine answers", mend="start one"),
            "no engine answers\n  mend: start one",
        ),
    ],
)
def test_a_mend_stands_on_a_line_of_its_own(error: SpecsealError, text: str) -> None:
    assert str(error) == text


def test_a_problem_reads_as_editors_parse_it() -> None:
    problem = Problem(
        path="specs/x.yaml", line=12, column=5, where="workload.load.concurrency[1]",
        message="0 is less than 1",
    )  # fmt: skip
    assert str(problem) == "specs/x.yaml:12:5: workload.load.concurrency[1]: 0 is less than 1"


def test_a_problem_of_a_whole_file_names_no_place_in_it() -> None:
    problem = Problem(path="x.yaml", line=1, column=1, where="", message="it is empty")
    assert str(problem) == "x.yaml:1:1: it is empty"


def test_a_spec_error_tells_all_problems_a_line_each() -> None:
    problems = [
        Problem(path="x.yaml", line=line, column=1, where="name", message="wrong")
        for line in (3, 7)
    ]
    error = SpecError(problems)
    assert error.problems == tuple(problems)
    assert str(error).splitlines() == [str(problem) for problem in problems]
