"""An engine's official image: locked through a real registry, pulled by digest, run or built on."""

from __future__ import annotations

import json
from typing import Any

import docker
import pytest

from e2e.conftest import SPEC, Place
from registries import Registry
from specseal.images import build_images
from specseal.lock import Draft
from specseal.settings import Settings

pytestmark = [pytest.mark.docker, pytest.mark.registry, pytest.mark.engine, pytest.mark.slow]


def push(client: docker.DockerClient, image: Any, address: str, tag: str) -> None:
    """Push an image, and leave no name of it behind here."""
    image.tag(address, tag)
    for line in client.images.push(address, tag, stream=True, decode=True):
        assert "error" not in line, line
    client.images.remove(f"{address}:{tag}")


@pytest.fixture
def pushed(
    registry: Registry, docker_client: docker.DockerClient, site: Settings, quickstart_draft: Draft
) -> str:
    """Push the image that specseal builds under a name of its own; return where."""
    images = build_images(quickstart_draft.lock, client=docker_client, settings=site, say=print)
    address = f"{registry.host}/engines/llama"
    push(docker_client, docker_client.images.get(images.engine), address, "server")
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
    push(docker_client, base, pushed, "server")
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


OFFICIAL = "ggml-org/llama.cpp"
TAG = "server-cuda-b11549"


@pytest.fixture
def built_on(
    place: Place, registry: Registry, pushed: str, docker_client: docker.DockerClient
) -> Place:
    """A spec for CUDA whose image is built on the official one, which only the mirror has.

    Its place is taken by the image for the CPU, which was pushed there: what is built on it is not
    started here.
    """
    address = f"{registry.host}/{OFFICIAL}"
    push(docker_client, docker_client.images.pull(pushed, "server"), address, TAG)
    text = SPEC.replace('version: "2026.10.11549"', "version: b11549, image: {build: true}")
    text = text.replace("accelerator: cpu", "accelerator: nvidia/h100-sxm5-80gb")
    place.spec.write_text(text)
    mirrors = f'[mirrors]\n"ghcr.io" = "http://{registry.host}"\n'
    (place.folder / "specseal.toml").write_text(mirrors)
    return place


def test_an_image_is_built_on_an_official_one_by_its_digest(
    built_on: Place, registry: Registry, docker_client: docker.DockerClient
) -> None:
    done = built_on.call("build", "tiny.yaml", "--twice", "--json")
    assert done.returncode == 0, done.stderr
    built = json.loads(done.stdout)
    lock = json.loads((built_on.folder / "tiny.lock.json").read_bytes())
    base = lock["engine"]["image"]["base"]
    assert base["repository"] == f"ghcr.io/{OFFICIAL}"
    assert lock["spec"]["image"] == f"ghcr.io/{OFFICIAL}:{TAG}"
    reference = f"{registry.host}/{OFFICIAL}@sha256:{base['manifest_sha256']}"
    below = docker_client.images.get(reference)
    image = docker_client.images.get(built["engine"]["id"])
    layers = below.attrs["RootFS"]["Layers"]
    assert image.attrs["RootFS"]["Layers"][: len(layers)] == layers
    assert image.attrs["Config"]["User"] == "65532:65532"
    assert image.attrs["Config"]["Entrypoint"] == ["/app/llama-server"]
    assert built["differing"] == {"llamacpp/cuda": [], "client": []}
    checked = built_on.call("lock", "--check", "tiny.yaml")
    assert checked.returncode == 0, checked.stderr
    # What the lock says is kept to although the tag has moved.
    other = docker_client.images.list("specseal/client")[0]
    address = f"{registry.host}/{OFFICIAL}"
    push(docker_client, other, address, TAG)
    again = built_on.call("build", "tiny.yaml", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["engine"] == built["engine"]
    moved = built_on.call("lock", "--check", "tiny.yaml")
    assert moved.returncode == 1
    assert "engine.image.base.manifest_sha256" in moved.stderr


def test_an_image_built_on_an_official_one_cannot_run_without_a_container_engine(
    built_on: Place,
) -> None:
    done = built_on.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 3
    assert f"ghcr.io/{OFFICIAL}:{TAG}, which needs a container engine" in done.stderr
