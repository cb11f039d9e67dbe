"""Accounts at registries: what Docker's configuration says of a host, and nothing of our own.

Read by the library that Docker's Python client reads it with: `config.json`, credential helpers
and stores. Each account belongs to one host, which alone is asked with it: itself, or by the token
server that it names.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from docker.auth import AuthConfig, load_config
from docker.errors import DockerException

from specseal.errors import InputError

_OF_AN_API = ("", "v1", "v2")
"""Paths after a host that mean the host itself: Docker once wrote them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An account. The secret is in no text that this value turns into."""

    username: str
    """Empty where the secret is a token that stands for the account."""
    secret: str = field(repr=False)


def keeps_secrets(url: str) -> bool:
    """Return whether nobody on the way can read what is sent to a URL: TLS, or this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        is_here = ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    return parts.scheme == "https" or is_here


def find_login(registry: str, environ: Mapping[str, str], *, repository: str = "") -> Login | None:
    """Return the account that this user has at a registry, or None.

    An entry may be for a part of a registry (`ghcr.io/lab`): the longest that the repository lies
    in wins, and one for another part is none of ours.

    Asked in this order: `DOCKER_AUTH_CONFIG` (the text of a configuration), `REGISTRY_AUTH_FILE`
    (its path), `DOCKER_CONFIG` (its folder) and `~/.docker/config.json`.

    Raises:
        InputError: the configuration can't be read.
    """
    text = environ.get("DOCKER_AUTH_CONFIG")
    try:
        # Always with a key, for the library takes an empty configuration for none at all.
        value = {"auths": {}, **json.loads(text)} if text else None
        with warnings.catch_warnings():
            # It warns of a helper that is not installed, and then fails, which we report.
            warnings.simplefilter("ignore")
            config = load_config(config_path=environ.get("REGISTRY_AUTH_FILE"), config_dict=value)
            found = _entry(config, registry, repository) or {}
        secrets = {name.lower(): content for name, content in found.items()}
    # Its own text could quote what it could not read, which may be a password.
    except (DockerException, ValueError, AttributeError, TypeError):
        raise InputError(
            f"what Docker's configuration says of an account at {registry} can't be read",
            mend=f"`docker login {registry}` writes it anew",
        ) from None
    if token := secrets.get("identitytoken"):
        return Login(username="", secret=token)
    if secrets.get("username") and secrets.get("password") is not None:
        return Login(username=secrets["username"], secret=secrets["password"])
    return None


def _entry(config: AuthConfig, registry: str, repository: str) -> Mapping[str, str] | None:
    """Source: containers-auth.json(5), on the order in which names are looked for."""
    entries: dict[str, Mapping[str, str]] = config.auths
    parts = repository.split("/")
    for count in range(len(parts), 0, -1):
        name = "/".join((registry, *parts[:count]))
        if entries.get(name):
            return entries[name]
    # The library looks at the host alone, so an entry for a part of it must not be there.
    for name in list(entries):
        path = name.removeprefix("https://").removeprefix("http://").partition("/")[2]
        if path.strip("/") not in _OF_AN_API:
            del entries[name]
    found: Mapping[str, str] | None = config.resolve_authconfig(registry)
    return found
