from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import fakeregistry
from attacks.builder import GoodBundle
from delivering import site_at, trust_in
from specseal.bundle import Trust
from specseal.pull import Site


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
