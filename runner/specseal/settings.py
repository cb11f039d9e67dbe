"""Site settings: what differs between machines and never belongs in a spec.

Read from, later ones winning: built-in defaults, `specseal.toml` in the user's configuration
folder, `specseal.toml` in the working folder (or the file that SPECSEAL_CONFIG names, alone), and
the environment. An unknown key is an error, because a misspelt mirror would be ignored in silence.

    cache_dir = "…"            # models, wheels, virtual environments   SPECSEAL_CACHE_DIR
    runs_dir = "artifacts/runs"                                       # SPECSEAL_RUNS_DIR
    docker_host = "unix:///…"  # the container engine's address         SPECSEAL_DOCKER_HOST
    debian_mirror = "https://…/debian"   # for the base image           SPECSEAL_DEBIAN_MIRROR
    ca_bundle = "/…/ca.pem"    # for every download                     SPECSEAL_CA_BUNDLE
    wheel_dir = "/…"           # a folder of wheels, asked first        SPECSEAL_WHEEL_DIR
    signing_key = "/…/key.pem" # private key that seals bundles         SPECSEAL_SIGNING_KEY

    [mirrors]                  # container registries by host
    "docker.io" = "http://127.0.0.1:5000"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from specseal.errors import InputError

FILE_NAME = "specseal.toml"
_PATHS = ("cache_dir", "runs_dir", "ca_bundle", "wheel_dir", "signing_key")
_STRINGS = ("docker_host", "debian_mirror")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All site settings, defaults filled in."""

    cache_dir: Path
    config_dir: Path
    """The user's configuration folder: the trust store lies here."""
    runs_dir: Path
    signing_key: Path
    docker_host: str | None = None
    debian_mirror: str | None = None
    ca_bundle: Path | None = None
    wheel_dir: Path | None = None
    mirrors: dict[str, str] = field(default_factory=dict)


def load_settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """Read the settings that hold in `folder`.

    Raises:
        InputError: a file is not TOML, has an unknown key, or a value of the wrong type.
    """
    config_dir = Path(
        environ.get("SPECSEAL_CONFIG_DIR") or platformdirs.user_config_dir("specseal")
    ).expanduser()
    values: dict[str, Any] = {
        "cache_dir": platformdirs.user_cache_dir("specseal"),
        "runs_dir": "artifacts/runs",
        "signing_key": str(config_dir / "signing-key.pem"),
    }
    named = environ.get("SPECSEAL_CONFIG")
    for path in [Path(named)] if named else [config_dir / FILE_NAME, folder / FILE_NAME]:
        if named or path.is_file():
            values.update(_read(path))
    for key in (*_PATHS, *_STRINGS):
        if value := environ.get(f"SPECSEAL_{key.upper()}"):
            values[key] = value
    paths = {
        key: (folder / Path(values[key]).expanduser()).absolute() for key in _PATHS if key in values
    }
    return Settings(**{**values, **paths, "config_dir": config_dir.absolute()})


def images_folder() -> Path:
    """Return the folder that holds the Dockerfiles: beside `runner/`, or inside the package."""
    package = Path(__file__).parent
    checkout = package.parent.parent / "images"
    return checkout if checkout.is_dir() else package / "_images"


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    for key, value in values.items():
        if key == "mirrors":
            wrong = not isinstance(value, dict) or any(
                not isinstance(url, str) for url in value.values()
            )
        elif key in _PATHS or key in _STRINGS:
            wrong = not isinstance(value, str)
        else:
            known = ", ".join((*_PATHS, *_STRINGS, "mirrors"))
            raise InputError(f"{path}: unknown key {key!r}", mend=f"known keys are {known}")
        if wrong:
            expected = "a table of registry host = URL" if key == "mirrors" else "a string"
            raise InputError(f"{path}: {key}: expected {expected}")
    return values
