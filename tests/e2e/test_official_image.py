"""An engine's image named in the spec: locked through a real registry, pulled by digest, run."""

from __future__ import annotations

import json

import docker
import pytest

from e2e.conftest import SPEC, Place
from registries import Registry
from specseal.images import build_images
from specseal.lock import Draft
from specseal.settings import Settings

pytestmark = [pytest.mark.docker, pytest.mark.registry, pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def pushed(
    registry: Registry, docker_client: docker.DockerClient, site: Settings, quickstart_draft: Draft
) -> str:
    """Push the image that specseal builds under a name of its own; return where."""
    images = build_images(quickstart_draft.lock, client=docker_client, settings=site, say=print)
    address = f"{registry.host}/engines/llama"
    docker_client.images.get(images.engine).tag(address, "server")
    for line in docker_client.images.push(address, "server", stream=True, decode=True):
        assert "error" not in line, line
    docker_client.images.remove(f"{address}:server")
    return address


@pytest.fixture
def named(place: Place, registry: Registry, pushed: str) -> Place:
    """A spec that names the image at a registry that only the site's mirror setting can reach."""
    built = 'version: "2026.10.11549", '
    image = "image: {ref: registry.test/engines/llama:server}, "
    assert built in SPEC
    place.spec.write_text(SPEC.replace(built, built + image))
    mirrors = f'[mirrors]\n"registry.test" = "http://{registry.host}"\n'
    (place.folder / "specseal.toml").write_text(mirrors)
    return place


def test_an_image_is_locked_by_digest_pulled_and_run(
    named: Place, pushed: str, docker_client: docker.DockerClient
) -> None:
    done = named.call("run", "tiny.yaml", "--runtime", "docker")
    assert done.returncode == 0, done.stderr
    lock = json.loads((named.folder / "tiny.lock.json").read_bytes())
    image = lock["engine"]["image"]
    assert image["repository"] == "registry.test/engines/llama"
    assert f"pulling {pushed}@sha256:{image['manifest_sha256']}" in done.stderr
    (bundle,) = named.bundles()
    environment = json.loads((bundle / "environment.json").read_bytes())
    found = environment["images"]["engine"]["repository_digest"]
    assert found == f"registry.test/engines/llama@sha256:{image['manifest_sha256']}"


def test_an_image_cannot_run_without_a_container_engine(named: Place) -> None:
    done = named.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 3
    assert "registry.test/engines/llama:server, which needs a container engine" in done.stderr


def test_a_tag_that_has_moved_makes_the_lock_stale(
    named: Place, registry: Registry, pushed: str, docker_client: docker.DockerClient
) -> None:
    assert named.call("lock", "tiny.yaml", "--runtime", "docker").returncode == 0
    base = docker_client.images.list("specseal/client")[0]
    base.tag(pushed, "server")
    for line in docker_client.images.push(pushed, "server", stream=True, decode=True):
        assert "error" not in line, line
    docker_client.images.remove(f"{pushed}:server")
    checked = named.call("lock", "--check", "tiny.yaml", "--runtime", "docker")
    assert checked.returncode == 1, checked.stderr
    assert "engine.image.manifest_sha256" in checked.stderr


def test_a_registry_that_does_not_answer_is_named(named: Place) -> None:
    (named.folder / "specseal.toml").write_text(
        '[mirrors]\n"registry.test" = "http://127.0.0.1:9"\n'
    )
    done = named.call("lock", "tiny.yaml", "--runtime", "docker")
    assert done.returncode == 3
    assert "registry.test" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (named.folder / "tiny.lock.json").exists()
