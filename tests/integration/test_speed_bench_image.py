"""The image of the prepare step: it builds, runs what a repository holds, and fails by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import docker
import pytest

from conftest import needed
from specseal import data_preparation
from specseal.data_preparation import CODE_COMMIT, DATA_REVISION, prepare_speed_bench
from specseal.errors import RunFailed
from specseal.image_inputs import describe_image
from specseal.images import build_program
from specseal.lock import imported_copies
from specseal.runtimes import ContainerRuntime, ProgramRun
from specseal.settings import Settings, images_folder
from speedbench import WORDS
from unit.images.test_speed_bench_step import FLAGS, Repository

pytestmark = [pytest.mark.slow, pytest.mark.docker]

NOW = datetime(2026, 11, 25, tzinfo=UTC)
STEP = f"""\
{FLAGS}
import datasets, numpy, pandas, tiktoken
names = "coding humanities math multilingual qa rag reasoning roleplay stem summarization writing"
rows = [
    {{"question_id": f"{{name}}-{{number}}", "category": name, "sub_category": None,
     "source": "here", "src_id": str(number), "difficulty": None, "turns": ["go go"],
     "multiturn": False}}
    for number in range(80) for name in names.split()
]
datasets.Dataset.from_list(rows).to_parquet(out / "test.parquet")
"""


class FromAFolder:
    """The container runtime, which is given a repository on this machine, and no network."""

    def __init__(self, runtime: ContainerRuntime, repository: Path, commit: str) -> None:
        self.runtime, self.repository, self.commit = runtime, repository, commit

    def run_alone(self, run: ProgramRun) -> None:
        known = {data_preparation.REPOSITORY: "{model}", CODE_COMMIT: self.commit}
        args = tuple(known.get(word, word) for word in run.args)
        self.runtime.run_alone(replace(run, args=args, model=self.repository, network=None))


@pytest.fixture
def own_site(site: Settings, tmp_path: Path) -> Settings:
    """Wheels come from this machine's cache; data goes into one of the test's own."""
    tmp_path.chmod(0o755)
    return replace(site, cache_dir=tmp_path / "cache", config_dir=tmp_path)


@pytest.fixture
def image(docker_client: docker.DockerClient, site: Settings) -> str:
    pinned = describe_image(images_folder(), "speed-bench", "requirements.txt")
    with needed():
        return build_program(pinned, client=docker_client, settings=site, say=print)


def test_step_out_of_a_repository_is_run_and_its_rows_come_in(
    docker_client: docker.DockerClient, image: str, own_site: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    commit = Repository(folder).commit(STEP)
    runtime = ContainerRuntime(docker_client, engine_image=image, client_image="")

    @contextmanager
    def program(settings: Settings, say: Callable[[str], None]) -> Iterator[FromAFolder]:
        yield FromAFolder(runtime, folder, commit)

    (copy,) = prepare_speed_bench(
        ["qualitative"], settings=own_site, environ={}, counter=WORDS, now=NOW, say=print,
        program=program,
    )  # fmt: skip
    assert imported_copies(own_site) == [copy]
    assert copy.rows == 880
    assert copy.prepared_by is not None
    assert copy.prepared_by["data_revision"] == DATA_REVISION


def test_repository_that_does_not_answer_is_told_and_nothing_is_kept(
    image: str, site: Settings, own_site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Port 9 of the container's own loopback: the network is there, and nobody answers.
    monkeypatch.setattr(data_preparation, "REPOSITORY", "https://127.0.0.1:9/none.git")
    with_wheels = replace(own_site, cache_dir=site.cache_dir)
    before = imported_copies(with_wheels)
    with pytest.raises(RunFailed, match="prepare step ended with exit code 1") as caught:
        prepare_speed_bench(
            ["qualitative"], settings=with_wheels, environ={}, counter=WORDS, now=NOW, say=print
        )
    assert "nothing was imported" in caught.value.message
    assert imported_copies(with_wheels) == before
