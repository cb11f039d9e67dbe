"""Do two specs ask for the same? What a claim's source tells of its inputs when no digest does.

A paper has no lock. Its claims stand in a spec that says what the paper ran, as far as is known,
and another spec's result is an answer to them only if that asked for the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any

from specseal.digests import canonical
from specseal.spec.model import Spec

Fields = Callable[[Spec], Mapping[str, Any]]

_DECISIVE: dict[str, tuple[str, Fields]] = {
    "model": ("model", lambda spec: asdict(spec.model)),
    "dataset": (
        "workload.dataset",
        # Which copy of a data set it is says nothing of its rows, which are checked.
        lambda spec: {k: v for k, v in asdict(spec.workload.dataset).items() if k != "sha256"},
    ),
    "sampling": ("workload.sampling", lambda spec: asdict(spec.workload.sampling)),
}
"""Sections of a lock without which it is another question, and where a spec asks for them."""
_NEVER_OPEN = frozenset(
    {f"model.{name}" for name in ("kind", "package", "file", "repo", "path", "first_layers")}
    | {f"workload.dataset.{name}" for name in ("kind", "repo", "name", "path")}
)
"""Which model and which data set: a source may leave open a variant of it, but what lies under
another name may be anything."""
_TOLD: dict[str, tuple[str, Fields]] = {
    "engine": (
        "engine",
        lambda spec: {
            name: getattr(spec.engine, name)
            for name in ("name", "version", "args", "parallel", "context_length")
        },
    ),
    "drafter": (
        "drafter",
        lambda spec: {
            "model": spec.drafter.model and asdict(spec.drafter.model),
            "args": spec.drafter.args,
        },
    ),
}
"""Sections that may be why a claim does not hold. How drafts are made is in a figure's `where`."""
_LOAD: dict[str, tuple[str, Fields]] = {
    "load": (
        "workload.load",
        lambda spec: {
            name: getattr(spec.workload.load, name)
            for name in ("mode", "concurrency", "rate", "arrival")
        },
    )
}


def another_question_asked(of: Spec, spec: Spec, *, known: Collection[str]) -> tuple[str, ...]:
    """Return in what a spec asks another question than a claim's, each as `path: …`.

    Args:
        of: the claim's spec.
        spec: the result's.
        known: sections of which the claim names the digest: what was asked for is nothing to that.
    """
    found = _differing(of, spec, _DECISIVE, known)
    return tuple(said for path, said in found.items() if not _is_open(path, of))


def set_up_otherwise_asked(of: Spec, spec: Spec, *, known: Collection[str]) -> tuple[str, ...]:
    """Return in what a spec asks for the same to be answered by other means.

    What a claim's source leaves open is no part of its question: it may be set otherwise, too.
    """
    left_open = _differing(of, spec, _DECISIVE, known)
    return (
        *(said for path, said in left_open.items() if _is_open(path, of)),
        *_differing(of, spec, _TOLD, known).values(),
    )


def other_load(of: Spec, spec: Spec) -> tuple[str, ...]:
    """Return in what the load is another, for figures that are over all its levels."""
    return tuple(_differing(of, spec, _LOAD, ()).values())


def _is_open(path: str, of: Spec) -> bool:
    return path in of.assumptions and path not in _NEVER_OPEN


def _differing(
    of: Spec, spec: Spec, table: Mapping[str, tuple[str, Fields]], known: Collection[str]
) -> dict[str, str]:
    """Return what is said of each path in which two specs differ."""
    found = {}
    for section, (at, fields) in table.items():
        if section in known:
            continue
        claimed, measured = (
            [fields(variant.spec) for variant in one.variants_in_full()] for one in (of, spec)
        )
        for name in claimed[0]:
            ours, theirs = (_values(name, side) for side in (claimed, measured))
            if ours != theirs:
                path = f"{at}.{name}"
                found[path] = f"{path}: claimed {', '.join(ours)}, measured {', '.join(theirs)}"
    return found


def _values(name: str, variants: list[Mapping[str, Any]]) -> list[str]:
    """Return the values of one field in all variants, each once, sorted."""
    return sorted({_shown(variant[name]) for variant in variants})


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else canonical(_listed(value)).decode()


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items() if item is not None}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value
