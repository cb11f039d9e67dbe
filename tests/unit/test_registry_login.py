"""Which account a user has at a registry, by what Docker's configuration says."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from specseal.errors import InputError
from specseal.registry_login import Login, find_login, keeps_secrets

ANNA = base64.b64encode(b"anna:secret").decode()


def config(**hosts: dict[str, str]) -> str:
    return json.dumps({"auths": {name.replace("_", "."): entry for name, entry in hosts.items()}})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder in which nobody has logged in yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    return tmp_path


def test_nobody_is_logged_in_where_there_is_no_configuration() -> None:
    assert find_login("ghcr.io", {}) is None


def test_account_comes_from_the_users_configuration(home: Path) -> None:
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(config(ghcr_io={"auth": ANNA}))
    assert find_login("ghcr.io", {}) == Login(username="anna", secret="secret")
    assert find_login("other.example", {}) is None


def test_file_that_the_environment_names_comes_before_the_users_and_its_text_before_both(
    home: Path,
) -> None:
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(config(ghcr_io={"auth": ANNA}))
    bert, carl = (base64.b64encode(f"{name}:x".encode()).decode() for name in ("bert", "carl"))
    (home / "auth.json").write_text(config(ghcr_io={"auth": bert}))
    environ = {"REGISTRY_AUTH_FILE": str(home / "auth.json")}
    found = find_login("ghcr.io", environ)
    assert found is not None
    assert found.username == "bert"
    found = find_login("ghcr.io", {**environ, "DOCKER_AUTH_CONFIG": config(ghcr_io={"auth": carl})})
    assert found is not None
    assert found.username == "carl"


def test_token_that_stands_for_an_account_has_no_user() -> None:
    text = config(ghcr_io={"auth": ANNA, "identitytoken": "token"})
    assert find_login("ghcr.io", {"DOCKER_AUTH_CONFIG": text}) == Login(username="", secret="token")


def test_credential_helper_is_asked_for_its_registry(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = home / "docker-credential-test"
    answer = '{"Username": "%s", "Secret": "s"}'
    helper.write_text(f"#!/bin/sh\nread host\nprintf '{answer}' \"$host\"\n", encoding="utf-8")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(home), prepend=os.pathsep)
    text = json.dumps({"credHelpers": {"ghcr.io": "test"}})
    found = find_login("ghcr.io", {"DOCKER_AUTH_CONFIG": text})
    assert found == Login(username="ghcr.io", secret="s")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"auths": {"ghcr.io": {"auth": "secret"}}}', '{"auths": {"ghcr.io": "secret"}}',
     '{"credHelpers": {"ghcr.io": "none-of-that-name"}}'],
)  # fmt: skip
def test_configuration_that_can_not_be_read_is_an_error_that_quotes_nothing(text: str) -> None:
    with pytest.raises(InputError, match=r"account at ghcr\.io") as caught:
        find_login("ghcr.io", {"DOCKER_AUTH_CONFIG": text})
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_secret_is_in_no_text_of_the_value() -> None:
    assert "secret" not in repr(Login(username="anna", secret="secret"))


def test_empty_configuration_in_the_environment_hides_the_users_own(home: Path) -> None:
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(config(ghcr_io={"auth": ANNA}))
    assert find_login("ghcr.io", {"DOCKER_AUTH_CONFIG": "{}"}) is None


@pytest.mark.parametrize(
    ("repository", "user"),
    [("lab/results", "lab"), ("lab/deep/results", "deep"), ("labs/results", "all"), ("", "all")],
)
def test_of_entries_for_parts_of_a_registry_the_longest_that_fits_is_taken(
    repository: str, user: str
) -> None:
    entries = {"ghcr.io/other": "other", "ghcr.io/lab": "lab", "ghcr.io/lab/deep": "deep"}
    auths = {
        name: {"auth": base64.b64encode(f"{user}:x".encode()).decode()}
        for name, user in {**entries, "https://ghcr.io/v1/": "all"}.items()
    }
    environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": auths})}
    found = find_login("ghcr.io", environ, repository=repository)
    assert found is not None
    assert found.username == user


def test_account_for_another_part_of_a_registry_is_none_of_ours() -> None:
    text = json.dumps({"auths": {"ghcr.io/other": {"auth": ANNA}}})
    assert find_login("ghcr.io", {"DOCKER_AUTH_CONFIG": text}, repository="lab/results") is None


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ghcr.io/x", True), ("http://localhost:5000", True), ("http://127.0.0.1", True),
        ("http://[::1]:5000/x", True), ("http://ghcr.io", False), ("http://127.0.0.1.evil", False),
        ("http://localhost@evil/", False), ("", False),
    ],
)  # fmt: skip
def test_secrets_go_by_tls_or_stay_on_this_machine(url: str, kept: bool) -> None:
    assert keeps_secrets(url) is kept
