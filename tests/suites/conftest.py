from pathlib import Path

import pytest

from attacks.builder import GoodBundle


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> GoodBundle:
    return GoodBundle(tmp_path_factory.mktemp("good"))


@pytest.fixture
def bundle(good: GoodBundle, tmp_path: Path) -> Path:
    """A copy of the good bundle, to be spoilt."""
    return good.copy(tmp_path / "bundle")
