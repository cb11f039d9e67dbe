"""In which image each job may have run: what the seal's attacks can't build of a small run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from specseal.analysis import JobData
from specseal.bundle.against_jobs import images_of_jobs
from specseal.plan import Job
from unit.analysis import builders


def image(name: str) -> dict[str, str]:
    """What is told of an image: what it is built of, and under which id it was there."""
    return {"inputs": f"of {name}", "id": f"sha256:{name}"}


def found(jobs: Sequence[JobData], ran: Sequence[dict[str, str]], images: dict[str, Any]) -> int:
    """Say how many jobs are refused, each of a variant of its own, the second session's sealed.

    Args:
        jobs: of the run.
        ran: for each the name of its image, by role.
        images: as the environment tells of them.
    """
    environment = {
        "session": "s2",
        "images": images,
        "jobs": [
            {
                "key": job.key,
                "containers": {
                    role: {"Image": f"sha256:{name}"} for role, name in programs.items()
                },
            }
            for job, programs in zip(jobs, ran, strict=True)
        ],
    }
    planned = [
        Job(
            name=job.key, variant=number, method="ngram", draft_length=4, repeat=0,
            max_sequences=1, phases=(),
        )
        for number, job in enumerate(jobs)
    ]  # fmt: skip
    return len(list(images_of_jobs(builders.run(*jobs), planned, environment)))


def two(session: str, *, second_failed: bool = False) -> list[JobData]:
    """Two launches of a session."""
    measured = builders.phase([builders.record()])
    return [
        builders.job(measured, key="1", session=session),
        builders.job(*() if second_failed else (measured,), key="2", session=session),
    ]


TWO_IMAGES = {"variants": [{"engine": image("a")}, {"engine": image("b")}]}


def test_variants_of_an_earlier_session_had_images_of_their_own() -> None:
    assert found(two("s1"), [{"engine": "old a"}, {"engine": "old b"}], TWO_IMAGES) == 0
    assert found(two("s2"), [{"engine": "a"}, {"engine": "b"}], TWO_IMAGES) == 0
    assert found(two("s2"), [{"engine": "old a"}, {"engine": "old b"}], TWO_IMAGES) == 2


def test_jobs_of_an_earlier_session_with_one_image_had_the_same() -> None:
    one_image = {"engine": image("a")}
    assert found(two("s1"), [{"engine": "old"}, {"engine": "old"}], one_image) == 0
    assert found(two("s1"), [{"engine": "old"}, {"engine": "other"}], one_image) == 1


def test_job_that_measured_nothing_is_not_asked_which_image_it_had() -> None:
    jobs = two("s2", second_failed=True)
    assert found(jobs, [{"engine": "a"}, {"engine": "other"}], {"engine": image("a")}) == 0


def test_program_without_an_image_does_not_hide_the_next() -> None:
    """Of a running server no image is told of: only the load generator has one."""
    ran = [{"engine": "its own", "client": "other"}] * 2
    assert found(two("s2"), ran, {"client": image("a")}) == 2
