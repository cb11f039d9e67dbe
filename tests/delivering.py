"""What tests of publishing and pulling share: a site without accounts, and whom to trust."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attacks.builder import GoodBundle
from specseal.bundle import Trust, TrustStore
from specseal.http import open_session
from specseal.pull import Site
from specseal.settings import load_settings


@contextmanager
def site_at(folder: Path, *hosts: str, **environ: str) -> Iterator[Site]:
    """A site that reaches registries by plain HTTP, and waits for nothing between attempts."""
    with open_session(attempts=3, backoff_s=0, timeout_s=10) as session:
        settings = load_settings({"SPECSEAL_CONFIG_DIR": str(folder / "config")}, folder)
        settings.mirrors.update({host: f"http://{host}" for host in hosts})
        # What this machine's user has at registries is no test's business.
        nobody = {"DOCKER_AUTH_CONFIG": '{"auths": {}}'}
        yield Site(settings=settings, environ={**nobody, **environ}, session=session)


def trust_in(good: GoodBundle) -> Trust:
    """The good bundle's key is trusted."""
    return Trust(
        store=TrustStore(trusted=frozenset({good.signer.public.digest})),
        required=True,
        now=good.now,
    )
