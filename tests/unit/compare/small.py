"""Small results to compare, made without a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from attacks.builder import SPEC, make_run
from locks import make_lock
from specseal.analysis import Metric, Result, RunData, analyse
from specseal.compare import Side
from specseal.digests import Digest, sha256_bytes
from specseal.spec import parse_spec
from specseal.spec.locked import Lock

ENVIRONMENT: Mapping[str, Any] = {
    "runtime": "docker",
    "isolation": "container",
    "pinned": "yes",
    "specseal_version": "0.1.0",
    "images": {
        "engine": {"id": "sha256:1", "rootfs_sha256": "1" * 64},
        "client": {"id": "sha256:2", "rootfs_sha256": "2" * 64},
    },
    "packages": {"engine": {"wheel-1.0": "3" * 64}, "client": {}},
    "machine": {
        "cpu": "a processor",
        "cpus": [0, 1],
        "memory_bytes": 8,
        "kernel": "6.1",
        "system": "Linux",
        "architecture": "x86_64",
        "governor": None,
        "python": "3.11.2",
        "accelerators": [],
    },
    "jobs": [],
}


def make_side(
    name: str = "one",
    *,
    lock: Lock | None = None,
    run: RunData | None = None,
    result: Result | None = None,
    machine: Mapping[str, Any] | None = None,
    **environment: Any,
) -> Side:
    """Return a side; what is not given is as in every other."""
    lock = lock or make_lock()
    run = run or make_run(lock)
    found = {**ENVIRONMENT, **environment}
    found["machine"] = {**found["machine"], **(machine or {})}
    return Side(
        name=name,
        manifest=Digest(sha256_bytes(name.encode())),
        spec=parse_spec(SPEC, path="spec.yaml"),
        lock=lock,
        environment=found,
        result=result or analyse(run),
        run=run,
    )


def with_jobs(side: Side, **changes: Any) -> Side:
    """Return a side with fields of its jobs changed, and its result as it is."""
    jobs = tuple(replace(job, **changes) for job in side.run.jobs)
    return replace(side, run=replace(side.run, jobs=jobs))


def metric(name: str, value: float | None, **where: str | float | bool) -> Metric:
    """Return a figure at concurrency 1 of n-grams, unless said otherwise, without an interval."""
    usual = {"speculation": "ngram", "draft_length": 2, "input": "dataset", "concurrency": 1}
    merged = {key: value for key, value in {**usual, **where}.items() if value is not None}
    return Metric(
        name=name,
        value=value,
        unit="",
        low=None,
        high=None,
        n=1,
        valid=value is not None,
        reasons=(),
        where=merged,
    )
