"""Read a spec: YAML in, a `Spec` out, or every problem of the file at once with its position.

The way: strict YAML (`document`), the schema's rules (`schema`), then what the schema can't say
(`contradictions`, `check`). Where there is a sweep, the last three are asked of each combination
of its values too (`sweep`). Claims are held against a spec that nothing is wrong with (`claims`). A
later step is silent about a place that an earlier one has already spoken of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from specseal.errors import Problem, SpecError
from specseal.spec.assumptions import assumptions_are_of_paths
from specseal.spec.check import Capabilities, dishonoured, refused
from specseal.spec.contradictions import contradictions
from specseal.spec.document import MAX_BYTES, Document, Finding, read_document
from specseal.spec.model import (
    Claim,
    ClaimSource,
    Dataset,
    Drafter,
    Engine,
    Hardware,
    Load,
    Sampling,
    Source,
    Spec,
    SpecVariant,
    Tolerance,
    Workload,
)
from specseal.spec.schema import violations
from specseal.spec.sweep import Combination, combinations, merged, sweep_problems


def load_spec(path: Path, *, capabilities: Capabilities | None = None) -> Spec:
    """Read the spec at `path`.

    Args:
        path: the file; problems name it as given.
        capabilities: what engines can do; None leaves that question out.

    Raises:
        SpecError: the file can't be read, or has problems; all of them at once, by position.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = f"can't be read: {error.strerror}"
        raise SpecError([Problem(str(path), 1, 1, "", reason)]) from error
    return parse_spec(data, path=str(path), capabilities=capabilities)


def problems_in(path: Path, *, capabilities: Capabilities | None = None) -> tuple[Problem, ...]:
    """Return every problem of the spec at `path`, by position; none means that it is valid."""
    try:
        load_spec(path, capabilities=capabilities)
    except SpecError as error:
        return error.problems
    return ()


def parse_spec(text: bytes, *, path: str, capabilities: Capabilities | None = None) -> Spec:
    """Read a spec's bytes; arguments and errors as for `load_spec`.

    Raises:
        SpecError: the text has problems; all of them at once, by position.
    """
    document = read_document(text, path=path)
    found = list(document.findings)
    found += _unspoken(violations(document), found)
    found += _unspoken(sweep_problems(document), found)
    combined = combinations(document, found)
    wrong = [(one, _wrong(one.document, capabilities)) for one in combined]
    found += _unspoken(merged(document, wrong), found)
    found += _unspoken(assumptions_are_of_paths(document), found)
    spec = None if found else _swept(document, combined)
    if document.at("claims"):
        found += _wrong_claims(document, spec, found)
    if spec is None or found:
        found.sort(key=lambda finding: finding.position)
        raise SpecError([finding.problem(path) for finding in found])
    return spec


def _wrong_claims(document: Document, spec: Spec | None, known: list[Finding]) -> list[Finding]:
    # Half a second, for the tables of all metrics: only for specs that claim something.
    from specseal.spec.claims import claims_against_spec, claims_by_themselves

    found = _unspoken(claims_by_themselves(document), known)
    if spec is not None and not found:
        found += claims_against_spec(document, spec)
    return found


def _wrong(document: Document, capabilities: Capabilities | None) -> list[Finding]:
    """Return what is wrong with the form of a document without a sweep, and with what it says."""
    found = list(violations(document))
    found += _unspoken(contradictions(document), found)
    if capabilities is not None:
        found += _unspoken(dishonoured(document, capabilities), found)
        if not found:
            found += refused(document, _spec(document.value), capabilities)
    return found


def _unspoken(later: Iterable[Finding], earlier: Iterable[Finding]) -> list[Finding]:
    places = {place for finding in earlier for place in (finding.place, finding.meant)}
    return [finding for finding in later if finding.place not in places]


def _swept(document: Document, combined: tuple[Combination, ...]) -> Spec:
    variants = tuple(
        SpecVariant(setting=one.setting, spec=_spec(one.document.value)) for one in combined
    )
    sweep = document.value.get("sweep")
    if not sweep:
        return variants[0].spec
    choices = {path: tuple(values) for path, values in sweep.items()}
    return replace(variants[0].spec, sweep=choices, variants=variants)


def _spec(value: dict[str, Any]) -> Spec:
    return Spec(
        name=value["name"],
        title=value["title"],
        engine=_engine(value["engine"]),
        hardware=Hardware(**value["hardware"]),
        model=_source(value["model"]),
        drafter=_drafter(value["drafter"]),
        baseline=value["baseline"],
        workload=_workload(value["workload"]),
        claims=tuple(map(_claim, value.get("claims", ()))),
        assumptions=value.get("assumptions", {}),
    )


def _engine(value: dict[str, Any]) -> Engine:
    # An endpoint's version is nowhere said, and is not asked for.
    return Engine(**{"version": "", **value})


def _source(value: dict[str, Any]) -> Source:
    fields = {key: item for key, item in value.items() if key != "source"}
    return Source(kind=value["source"], **fields)


def _drafter(value: dict[str, Any]) -> Drafter:
    model = _source(value["model"]) if "model" in value else None
    return Drafter(**{**value, "model": model})


def _claim(value: dict[str, Any]) -> Claim:
    number, tolerance = value.get("value"), value.get("tolerance")
    converted = {
        "value": None if number is None else float(number),
        "tolerance": None if tolerance is None else Tolerance(**tolerance),
        "source": ClaimSource(**value["source"]),
    }
    return Claim(**{**value, **converted})


def _workload(value: dict[str, Any]) -> Workload:
    dataset = {key: item for key, item in value["dataset"].items() if key != "source"}
    return Workload(
        dataset=Dataset(kind=value["dataset"]["source"], **dataset),
        sampling=_sampling(value["sampling"]),
        load=_load(value["load"]),
        inputs=tuple(value.get("inputs", ("dataset",))),
        slo={name: float(limit) for name, limit in value.get("slo", {}).items()},
        **{key: value[key] for key in ("repeats", "seed") if key in value},
    )


def _sampling(value: dict[str, Any]) -> Sampling:
    # A whole number is a number: 0 and 0.0 are one temperature.
    converted: dict[str, Any] = {
        key: float(item) if key in ("temperature", "top_p") else item for key, item in value.items()
    }
    return Sampling(**{**converted, "stop": tuple(value.get("stop", ()))})


def _load(value: dict[str, Any]) -> Load:
    defaults = {"concurrency": (), "arrival": "poisson"} if value.get("mode") == "open" else {}
    converted: dict[str, Any] = {
        key: convert(value[key]) for key, convert in _LOAD_TYPES.items() if key in value
    }
    return Load(**{**defaults, **value, **converted})


_LOAD_TYPES: dict[str, Callable[[Any], Any]] = {
    "concurrency": tuple,
    "rate": lambda levels: tuple(map(float, levels)),
    "duration_s": float,
}
