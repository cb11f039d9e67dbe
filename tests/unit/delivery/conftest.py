from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import fakeregistry
from attacks.builder import GoodBundle
from delivering import site_at, trust_in
from specseal.pull import Site, Trust


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
    return trust_in(good)


@pytest.fixture
def site_of(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Make a site that reaches those hosts, with that in its environment."""
    with ExitStack() as opened:
        yield lambda *hosts, **environ: opened.enter_context(site_at(tmp_path, *hosts, **environ))
