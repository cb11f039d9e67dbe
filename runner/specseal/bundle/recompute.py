"""What a bundle says, held against itself: schemas, lock against environment, result again.

In: the bytes of the files, already held against the signed manifest. No signature is looked at
here, and nothing is read from disk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from specseal.analysis import ANALYSES, Result, RunData
from specseal.analysis.validity import ATTESTED, IDS_WITHHELD
from specseal.bundle.against_environment import images_against_lock
from specseal.bundle.against_jobs import jobs_against_runtime
from specseal.bundle.against_plan import run_against_plan
from specseal.bundle.against_spec import lock_against_spec
from specseal.bundle.contents import Described
from specseal.bundle.counts import COUNTS
from specseal.bundle.findings import BundleBroken, Finding, broken
from specseal.bundle.sbom import sboms_against_environment
from specseal.bundle.statement import Provenance, ResultStatement
from specseal.bundle.strict import parse_file
from specseal.bundle.tables import RECORDS, decode_run
from specseal.bundle.texts import is_of_the_first
from specseal.digests import Digest, canonical, sha256_bytes
from specseal.errors import SpecsealError
from specseal.spec import Spec, parse_spec
from specseal.spec.locked import Lock, parse_lock

RELATIVE_TOLERANCE = 1e-9
_PARTS = ("metrics", "choices", "crossovers", "failures", "notes")
"""Of a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A bundle's contents, read from the bytes that were verified."""

    manifest: Digest
    """The bundle's identity."""
    spec: Spec
    spec_text: str
    """As the user wrote it."""
    lock: Lock
    environment: dict[str, Any]
    sealed: date
    """When the result was signed, as its signer says."""
    result: Result
    run: RunData

    def described(self, signer: Digest, sealed: date) -> Described:
        """Return what the bundle's texts are made from."""
        return Described(
            lock=self.lock,
            environment=self.environment,
            result=self.result,
            signer=signer,
            date=sealed,
        )

    def to_document(self) -> dict[str, Any]:
        """Return what programs are shown: identity, recipe, setting and result, as JSON types."""
        result = self.result.to_dict()
        return {
            "bundle": self.manifest,
            "recipe": self.lock.recipe,
            **{name: self.environment[name] for name in ("runtime", "isolation", "pinned")},
            **{part: result[part] for part in _PARTS},
        }


def read_contents(
    files: Mapping[str, bytes],
    *,
    manifest: Digest,
    statement: ResultStatement,
    provenance: Provenance,
) -> Contents:
    """Read the files, and check that spec, lock, environment and statement name each other.

    Args:
        files: the bundle's parsed files by path.
        manifest: digest of the manifest that lists them.
        statement: what the signer says about them.
        provenance: what the signer says about the run.

    Raises:
        BundleBroken: a file is not of its schema, or two of them disagree.
    """
    spec, lock = _read_spec_and_lock(files)
    environment = _read_json(files, "environment")
    contents = Contents(
        manifest=manifest,
        spec=spec,
        spec_text=files["spec.yaml"].decode(),
        lock=lock,
        environment=environment,
        sealed=statement.created.date(),
        result=Result.from_dict(_read_json(files, "result")),
        run=decode_run(files),
    )
    pairs = (
        ("environment.json: lock_sha256", environment["lock_sha256"], "lock.json", lock.digest),
        ("environment.json: recipe", environment["recipe"], "lock.json", lock.recipe),
        ("environment.json: pinned", environment["pinned"], "lock.json", _pinned(lock)),
        ("the statement: name", statement.name, "spec.yaml", spec.name),
        ("the statement: recipe", statement.recipe, "lock.json", lock.recipe),
        ("the statement: lock", statement.lock, "lock.json", lock.digest),
        (
            "the statement: result",
            statement.result,
            "result.json",
            sha256_bytes(files["result.json"]),
        ),
    )
    told = {"specseal_version": provenance.version, **_times_told(environment, provenance)}
    run = (
        (f"environment.json: {name}", environment[name], "the provenance", value)
        for name, value in told.items()
    )
    _raise_any(
        Finding("schemas.disagree", f"{where} is {said}, but {other} gives {found}")
        for where, said, other, found in (*pairs, *run, *lock_against_spec(lock, spec))
        if said != found
    )
    is_first = is_of_the_first(environment, contents.sealed)
    found = (
        *images_against_lock(environment, lock, is_of_the_first=is_first),
        *jobs_against_runtime(environment, contents.run, is_of_the_first=is_first),
    )
    _raise_any(dict.fromkeys(found))
    try:
        _raise_any(sboms_against_environment(files, environment))
    # What a hostile environment or file can make it raise.
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise broken("schemas.sbom", f"env/: can't be read: {error}") from error
    return contents


def recompute(contents: Contents) -> None:
    """Check the run against the lock, and the result against a new analysis of the run.

    Raises:
        BundleBroken: the records are not those of the lock's plan, or the result is not theirs, or
            is of an analysis that this version does not have.
    """
    version = contents.result.analysis_version
    if version not in ANALYSES:
        known = ", ".join(map(str, ANALYSES))
        raise broken(
            "recompute.version",
            f"result.json: analysis_version is {version}; this version of specseal has {known}",
        )
    try:
        is_first = is_of_the_first(contents.environment, contents.sealed)
        _raise_any(
            run_against_plan(
                contents.run, contents.lock, contents.environment, is_of_the_first=is_first
            )
        )
        again = ANALYSES[version](contents.run)
    # What a hostile lock or hostile records can make these raise; all of it means: no.
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise broken(
            "recompute.impossible",
            f"lock.json, {RECORDS}, {COUNTS}: can't be analysed: {type(error).__name__}: {error}",
        ) from error
    _raise_any(compare_results(contents.result, again))


def compare_results(sealed: Result, again: Result) -> list[Finding]:
    """Return a finding for each thing in which a sealed result differs from the recomputed one.

    The set of metrics, their units, counts and validity must be equal; estimates and the ends of
    their intervals to a relative 1e-9, because sums may be taken in another order.
    """
    sealed_parts, parts = sealed.to_dict(), again.to_dict()
    return [
        finding
        for part in _PARTS
        for finding in _compare_rows(part, sealed_parts[part], parts[part])
    ]


def _compare_rows(
    part: str, sealed: list[dict[str, Any]], again: list[dict[str, Any]]
) -> Iterator[Finding]:
    found, expected = _by_identity(sealed), _by_identity(again)
    if len(found) != len(sealed):
        yield Finding(f"recompute.{part}", f"result.json: one of the {part} comes twice")
    for identity in sorted({*found, *expected}):
        where = f"result.json: {'' if part == 'metrics' else f'{part}: '}{identity}"
        if identity not in expected:
            yield Finding(f"recompute.{part}", f"{where} does not come out of the records")
        elif identity not in found:
            yield Finding(f"recompute.{part}", f"{where} is missing")
        elif _is_attested(found[identity], expected[identity]):
            continue
        elif wrong := _difference(found[identity], expected[identity]):
            yield Finding(f"recompute.{part}", f"{where}: {wrong}")


def _is_attested(found: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Say whether a metric is one that only withheld ids tell, and is marked so."""
    return (
        IDS_WITHHELD in expected.get("reasons", ())
        and ATTESTED in found.get("reasons", ())
        and found["unit"] == expected["unit"]
    )


def _read_spec_and_lock(files: Mapping[str, bytes]) -> tuple[Spec, Lock]:
    try:
        spec = parse_spec(files["spec.yaml"], path="spec.yaml")
    except SpecsealError as error:
        raise broken("schemas.spec", error.message) from error
    parse_file(files["lock.json"], path="lock.json", code="schemas.lock")
    try:
        lock = parse_lock(files["lock.json"], path="lock.json")
    except SpecsealError as error:
        raise broken("schemas.lock", error.message) from error
    return spec, lock


def _times_told(environment: Mapping[str, Any], provenance: Provenance) -> dict[str, str]:
    """Return when the run was; the first bundles' environments do not say so."""
    times = {"started": provenance.started, "finished": provenance.finished}
    return times if times.keys() & environment.keys() else {}


def _pinned(lock: Lock) -> str:
    return "yes" if lock.engine["image"] else "no"


def _read_json(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    path = f"{name}.json"
    value: dict[str, Any] = parse_file(files[path], path=path, code=f"schemas.{name}", schema=name)
    return value


def _by_identity(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return rows of a result by what they are of, spelled for people."""
    return {
        f"{row.get('name') or row.get('code', '')} {canonical(row['where']).decode()}".strip(): row
        for row in rows
    }


def _difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    exact = found.get("unit") == "count"
    for name, value in expected.items():
        same = found[name] == value if exact else _is_close(found[name], value)
        if not same:
            return f"{name} is {found[name]}, the records give {value}"
    return None


def _is_close(found: Any, expected: Any) -> bool:
    """Say whether two JSON values are equal but for the last digits of numbers in them."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            _is_close(found[name], expected[name]) for name in found
        )
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(_is_close, found, expected))
    if isinstance(found, float) or isinstance(expected, float):
        # A sealed result may say a word where the records give a number.
        return {type(found), type(expected)} <= {int, float} and math.isclose(
            found, expected, rel_tol=RELATIVE_TOLERANCE, abs_tol=0.0
        )
    return bool(found == expected)


def _raise_any(findings: Iterable[Finding]) -> None:
    if collected := tuple(findings):
        raise BundleBroken(collected)
