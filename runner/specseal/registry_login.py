"""Accounts at registries: what Docker's configuration says of a host, and nothing of our own.

Read by the library that Docker's Python client reads it with: `config.json`, credential helpers
and stores. Each account belongs to one host, so that none is ever sent to another.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from docker.auth import load_config
from docker.errors import DockerException

from specseal.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An account. The secret is in no text that this value turns into."""

    username: str
    """Empty where the secret is a token that stands for the account."""
    secret: str = field(repr=False)


def find_login(registry: str, environ: Mapping[str, str]) -> Login | None:
    """Return the account that this user has at a registry, or None.

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
            found = config.resolve_authconfig(registry) or {}
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
