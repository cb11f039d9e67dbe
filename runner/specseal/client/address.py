"""Where the server is: a port on the loopback, or a base URL."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from specseal.client.errors import InputRefused

KEY_VARIABLE = "SPECSEAL_ENDPOINT_KEY"
"""Environment variable with the server's API key; sent as a bearer token, written nowhere."""

_KEY = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server, and how to get through to it."""

    host: str
    port: int
    prefix: str = ""
    """Goes before every path; begins with a slash, ends without one, or is empty."""
    tls: ssl.SSLContext | None = None
    key: str = field(default="", repr=False)

    @property
    def host_field(self) -> str:
        """Value of the Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def redacted(self, text: str) -> str:
        """Return a text of the server's without the key, should it repeat it."""
        return text.replace(self.key, "***") if self.key else text


def on_loopback(port: int) -> Address:
    """Return the address of a port on the loopback."""
    return Address(host="127.0.0.1", port=port)


def at_url(url: str, environment: Mapping[str, str]) -> Address:
    """Return the address behind a base URL, with the key that the environment has for it.

    Raises:
        InputRefused: it is no plain http or https URL, or the key is not printable ASCII.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputRefused(f"--url {url!r}: {error}") from error
    ports = {"http": 80, "https": 443}
    if parts.scheme not in ports or not parts.hostname or not url.isascii():
        raise InputRefused(f"--url {url!r} is no URL like http://127.0.0.1:8000")
    if "@" in parts.netloc:
        raise InputRefused(f"--url: leave out what is before the @, and set {KEY_VARIABLE}")
    if parts.query or parts.fragment or re.search(r"\s", url):
        raise InputRefused(f"--url {url!r}: a base has no query, fragment or space")
    key = environment.get(KEY_VARIABLE, "")
    if key and not _KEY.fullmatch(key):
        raise InputRefused(f"{KEY_VARIABLE} holds something else than printable ASCII")
    return Address(
        host=parts.hostname,
        port=port or ports[parts.scheme],
        prefix=parts.path.rstrip("/"),
        tls=ssl.create_default_context() if parts.scheme == "https" else None,
        key=key,
    )
