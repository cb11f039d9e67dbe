"""Images built twice by a real container engine: the same inputs give the same contents."""

from __future__ import annotations

from contextlib import closing

import docker
import pytest

from conftest import needed
from specseal.images import build_images, differences_of_builds
from specseal.lock import Draft
from specseal.runtimes import connect
from specseal.settings import Settings

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture
def client(site: Settings, docker_client: docker.DockerClient) -> docker.DockerClient:
    return docker_client


def test_two_builds_of_one_lock_have_the_same_contents(
    site: Settings, quickstart_draft: Draft, client: docker.DockerClient
) -> None:
    with needed():
        found = differences_of_builds(
            quickstart_draft.lock, client=client, settings=site, say=print
        )
    assert found == {"llamacpp/cpu": [], "client": []}
    tags = [tag for image in client.images.list() for tag in image.tags]
    assert not any(tag.startswith("specseal/twice") for tag in tags)


def test_what_is_in_an_image_goes_into_the_environment(
    site: Settings, quickstart_draft: Draft
) -> None:
    with needed(), closing(connect(site)) as client:
        images = build_images(quickstart_draft.lock, client=client, settings=site, say=print)
    engine = images.facts["engine"]
    assert len(engine["rootfs_sha256"]) == 64
    names = {one["name"] for one in engine["packages"]}
    assert {"pip", "xllamacpp"} == names
    assert any(name.startswith("libc6_") for name in engine["debian"])
