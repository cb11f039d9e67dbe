from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fakeregistry
from attacks.builder import NOW, GoodBundle
from specseal.http import open_session
from specseal.pull import Site, Trust
from specseal.settings import load_settings


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> GoodBundle:
    return GoodBundle(tmp_path_factory.mktemp("good"))


@pytest.fixture
def bundle(good: GoodBundle, tmp_path: Path) -> Path:
    """A copy of the good bundle, to be spoilt."""
    return good.copy(tmp_path / "bundle")


@pytest.fixture
def fake() -> Iterator[fakeregistry.FakeRegistry]:
    with fakeregistry.running() as server:
        yield server


@pytest.fixture
def trust(good: GoodBundle) -> Trust:
    """The good bundle's key is trusted."""
    return Trust(keys={good.signer.public.digest}, required=True, now=NOW)


@pytest.fixture
def site_of(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Make a site that reaches registries by plain HTTP, without waiting between attempts."""
    with open_session(attempts=3, backoff_s=0, timeout_s=10) as session:

        def make(*hosts: str, **environ: Any) -> Site:
            settings = load_settings({"SPECSEAL_CONFIG_DIR": str(tmp_path / "config")}, tmp_path)
            settings.mirrors.update({host: f"http://{host}" for host in hosts})
            # What this machine's user has at registries is no test's business.
            nothing = {"REGISTRY_AUTH_FILE": str(tmp_path / "none.json")}
            environ = {"DOCKER_AUTH_CONFIG": '{"auths": {}}', **nothing, **environ}
            return Site(settings=settings, environ=environ, session=session)

        yield make
