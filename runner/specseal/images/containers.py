"""Container images for a lock: the engine's and the client's, built here or pulled by digest.

Builds need no network: the context holds every file, put there from the lock. The tag of a built
image is the digest of its inputs, so a build whose inputs have not changed does nothing.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import BuildError, DockerException, ImageNotFound

import specseal
from specseal.digests import Digest, sha256_bytes, sha256_value
from specseal.errors import LockError, MachineLacks, RunFailed
from specseal.image_inputs import check, describe_again, describe_client_source, inputs_digest
from specseal.images import base, wheelhouse
from specseal.images.rootfs import known_rootfs, read_rootfs
from specseal.settings import Settings, images_folder
from specseal.spec.locked import Lock, reference_of

LABEL = "dev.specseal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Images ready to run, by id, and what is known of them."""

    engine: str
    client: str
    facts: dict[str, Any]
    """For the environment: inputs' digests, ids, layer digests, wheels with their hashes."""


def build_images(
    lock: Lock, *, client: docker.DockerClient, settings: Settings, say: Callable[[str], None]
) -> Images:
    """Return the engine's and the client's image of a lock, building what is not there yet.

    Raises:
        LockError: files here are not the locked ones, or a registry sends something else.
        MachineLacks: packages, wheels or an image can't be had here.
        RunFailed: the container engine could not build.
    """
    builder = _Builder(lock, client, settings, say)
    pinned = lock.engine["image"]
    if "repository" in pinned:
        engine_id, engine_facts = _as_it_is(client, pinned, settings, say)
    else:
        engine_id, engine_facts = builder.build(pinned, "engine")
    client_id, client_facts = builder.build(lock.client["image"], "client")
    return Images(
        engine=engine_id,
        client=client_id,
        facts={"engine": engine_facts, "client": client_facts},
    )


def differences_of_builds(
    lock: Lock, *, client: docker.DockerClient, settings: Settings, say: Callable[[str], None]
) -> dict[str, list[str]]:
    """Build each image of a lock twice, and return {folder: paths in which the builds differ}.

    Official images that are run as they are are not built, and are left out.

    Raises:
        LockError, MachineLacks, RunFailed: see `build_images`.
    """
    builder = _Builder(lock, client, settings, say)
    pins = {"engine": lock.engine["image"], "client": lock.client["image"]}
    return {
        pinned["folder"]: builder.differences(pinned, role)
        for role, pinned in pins.items()
        if pinned is not None and "folder" in pinned
    }


def build_program(
    pinned: dict[str, Any],
    *,
    client: docker.DockerClient,
    settings: Settings,
    say: Callable[[str], None],
) -> str:
    """Return the id of the image of a program that belongs to no lock.

    Args:
        pinned: the image, as `specseal.image_inputs.describe_image` has it.
        client: the container engine.
        settings: site settings.
        say: shows a line.

    Raises:
        LockError, MachineLacks, RunFailed: see `build_images`.
    """
    return _Builder(None, client, settings, say).build(pinned, "program")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ingredients:
    """What an image is built from, held against the lock."""

    folder: Path
    requirements: Path | None
    """None where nothing is installed."""
    base: dict[str, Any]
    house: wheelhouse.Wheelhouse | None
    inputs: Digest
    labels: dict[str, str]
    has_client: bool


class _Builder:
    """Builds what a lock pins, with the classic builder's API that every Docker Engine has."""

    def __init__(
        self,
        lock: Lock | None,
        client: docker.DockerClient,
        settings: Settings,
        say: Callable[[str], None],
    ) -> None:
        self._lock, self._client, self._settings, self._say = lock, client, settings, say

    def build(self, pinned: dict[str, Any], role: str) -> tuple[str, dict[str, Any]]:
        """Return the id of an image and what it is made of."""
        made = self._ingredients(pinned, role)
        # Labels name the recipe, so two recipes have two images, which share all their layers.
        tag = f"specseal/{pinned['folder'].replace('/', '-')}:{sha256_value(made.labels)[:24]}"
        image = self._existing(tag, made.inputs) or self._make(made, tag)
        facts = _facts(
            image,
            made.inputs,
            known_rootfs(self._client, image.id, self._settings.cache_dir),
            wheels=made.house.wheels if made.house else {},
            debian=_debian(made.base),
        )
        return image.id, facts

    def differences(self, pinned: dict[str, Any], role: str) -> list[str]:
        """Build an image twice, the second time from nothing; return the paths that differ."""
        image, _ = self.build(pinned, role)
        made = self._ingredients(pinned, role)
        tag = f"specseal/twice:{uuid.uuid4().hex}"
        try:
            again = self._make(made, tag, from_nothing=True)
            first, second = (read_rootfs(self._client, one) for one in (image, again.id))
            return first.differences(second)
        finally:
            with suppress(DockerException):
                self._client.images.remove(tag, force=True)

    def _ingredients(self, pinned: dict[str, Any], role: str) -> _Ingredients:
        root = images_folder()
        found = describe_again(root, pinned)
        check(f"images/{pinned['folder']}", {key: pinned[key] for key in found}, found)
        source: dict[str, Any] = {}
        if role == "client" and self._lock:
            source = dict(describe_client_source(Path(base.__file__).parents[1]))
            check("the client's source tree", self._lock.client["source"], source)
        requirements = house = None
        if "requirements" in pinned:
            requirements = root / pinned["folder"] / pinned["requirements"]
            house = wheelhouse.fill(
                requirements, wheelhouse.CONTAINER_TARGET, settings=self._settings
            )
        wheels = house.wheels if house else {}
        inputs = inputs_digest(pinned, wheels, source)
        labels = {f"{LABEL}.inputs": inputs, **self._labels(role)}
        return _Ingredients(
            folder=root / pinned["folder"],
            requirements=requirements,
            base=pinned["base"],
            house=house,
            inputs=inputs,
            labels=labels,
            has_client=role == "client",
        )

    def _labels(self, role: str) -> dict[str, str]:
        version = "org.opencontainers.image.version"
        if self._lock is None:
            return {version: specseal.__version__}
        engine_version: str = self._lock.engine["version"]
        return {
            f"{LABEL}.recipe": self._lock.recipe,
            f"{LABEL}.spec": self._lock.spec["name"],
            version: engine_version if role == "engine" else specseal.__version__,
        }

    def _make(self, made: _Ingredients, tag: str, *, from_nothing: bool = False) -> Any:
        self._say(f"building {tag}")
        with tempfile.TemporaryDirectory(prefix="specseal-build-") as folder:
            context = Path(folder)
            for path in made.folder.iterdir():
                if path.is_file() and not path.name.startswith("requirements"):
                    shutil.copyfile(path, context / path.name)
            if made.requirements and made.house:
                shutil.copyfile(made.requirements, context / "requirements.txt")
                wheelhouse.copy_into(made.house, context)
            if made.has_client:
                copy_client_source(context)
            arguments = {"BASE": self._base(made.base)}
            return self._call_builder(
                context, tag, made.labels, arguments, from_nothing=from_nothing
            )

    def _existing(self, tag: str, inputs: str) -> Any | None:
        try:
            image = self._client.images.get(tag)
        except ImageNotFound:
            return None
        # A tag can be moved by hand; the label was written by the build.
        return image if image.labels.get(f"{LABEL}.inputs") == inputs else None

    def _base(self, pinned: dict[str, Any]) -> str:
        if "repository" in pinned:
            return str(_pull(self._client, pinned, self._settings, self._say).id)
        tag = f"specseal/base:{pinned['sha256'][:24]}"
        if (image := self._existing(tag, pinned["sha256"])) is not None:
            return str(image.id)
        self._say(f"building {tag} from Debian packages")
        packages = base.read_list(images_folder() / "base" / f"{pinned['name']}.json")
        rootfs = base.assemble(base.fetch_packages(packages, settings=self._settings))
        with tempfile.TemporaryDirectory(prefix="specseal-base-") as context:
            (Path(context) / "rootfs.tar").write_bytes(rootfs)
            (Path(context) / "Dockerfile").write_text("FROM scratch\nADD rootfs.tar /\n")
            labels = {
                f"{LABEL}.inputs": pinned["sha256"],
                f"{LABEL}.rootfs": sha256_bytes(rootfs),
            }
            return str(self._call_builder(Path(context), tag, labels, {}).id)

    def _call_builder(
        self,
        context: Path,
        tag: str,
        labels: dict[str, str],
        arguments: dict[str, str],
        *,
        from_nothing: bool = False,
    ) -> Any:
        try:
            image, _ = self._client.images.build(
                path=str(context), tag=tag, labels=labels, buildargs=arguments,
                network_mode="none", nocache=from_nothing, rm=True, forcerm=True,
                use_config_proxy=False,
            )  # fmt: skip
        except BuildError as error:
            output = "".join(str(part.get("stream", "")) for part in error.build_log)
            raise RunFailed(f"building {tag} failed: {error.msg}\n{output[-2000:]}") from error
        except DockerException as error:
            raise RunFailed(f"the container engine could not build {tag}: {error}") from error
        return image


def copy_client_source(into: Path) -> None:
    """Copy the load generator's source tree to `into/specseal`, and nothing else of the package."""
    package = Path(base.__file__).parents[1]
    target = into / "specseal"
    shutil.copytree(
        package / "client", target / "client", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copyfile(package / "records.py", target / "records.py")
    (target / "__init__.py").touch()


def _as_it_is(
    client: docker.DockerClient,
    pinned: dict[str, Any],
    settings: Settings,
    say: Callable[[str], None],
) -> tuple[str, dict[str, Any]]:
    image = _pull(client, pinned, settings, say)
    found = known_rootfs(client, str(image.id), settings.cache_dir)
    named = reference_of(pinned)
    return str(image.id), _facts(image, pinned["manifest_sha256"], found, repository_digest=named)


def _pull(
    client: docker.DockerClient,
    pinned: dict[str, Any],
    settings: Settings,
    say: Callable[[str], None],
) -> Any:
    repository = pinned["repository"]
    host, _, name = repository.partition("/")
    mirror = settings.mirrors.get(host)
    from_where = f"{mirror.split('://')[-1].rstrip('/')}/{name}" if mirror else repository
    reference = f"{from_where}@sha256:{pinned['manifest_sha256']}"
    try:
        return client.images.get(reference)
    except ImageNotFound:
        say(f"pulling {reference}")
        try:
            return client.images.pull(reference)
        except ImageNotFound as error:
            raise LockError(
                f"{reference}: the registry has no such image",
                mend="the image was removed, or the mirror in specseal.toml lacks it",
            ) from error
        except DockerException as error:
            raise MachineLacks(
                f"{reference} can't be pulled: {error}",
                mend="check the network, or name a mirror of the registry in specseal.toml",
            ) from error


def _debian(pinned: dict[str, Any]) -> dict[str, str]:
    """Return the Debian packages of a base that is built here: `name_version` → SHA-256."""
    if "name" not in pinned:
        return {}
    packages = base.read_list(images_folder() / "base" / f"{pinned['name']}.json")
    return {f"{one['name']}_{one['version']}": one["sha256"] for one in packages}


def _facts(
    image: Any,
    inputs: str,
    found: tuple[Digest, Any],
    *,
    wheels: dict[str, Any] | None = None,
    debian: dict[str, str] | None = None,
    repository_digest: str | None = None,
) -> dict[str, Any]:
    """Return what is known of an image; its tags and mirrors are this host's, and left out."""
    rootfs_sha256, packages = found
    return {
        "inputs": inputs,
        "id": image.id,
        "repository_digest": repository_digest,
        "layers": image.attrs["RootFS"]["Layers"],
        "labels": dict(image.labels),
        "rootfs_sha256": rootfs_sha256,
        "packages": packages,
        "wheels": wheels or {},
        "debian": debian or {},
    }
