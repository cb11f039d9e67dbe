"""Where the server is."""

from __future__ import annotations

import pytest

from specseal.client.address import KEY_VARIABLE, at_url, on_loopback
from specseal.client.errors import InputRefused


def test_port_is_on_the_loopback() -> None:
    address = on_loopback(8000)
    assert (address.host, address.port, address.host_field) == ("127.0.0.1", 8000, "127.0.0.1:8000")


@pytest.mark.parametrize(
    ("url", "host", "port", "prefix", "host_field"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, "", "127.0.0.1:8000"),
        ("http://engine/", "engine", 80, "", "engine"),
        ("http://engine:8080/api/", "engine", 8080, "/api", "engine:8080"),
        ("http://[::1]:8000", "::1", 8000, "", "[::1]:8000"),
        ("https://engine/a/b", "engine", 443, "/a/b", "engine"),
    ],
)
def test_base_url_is_taken_apart(
    url: str, host: str, port: int, prefix: str, host_field: str
) -> None:
    address = at_url(url, {})
    assert (address.host, address.port, address.prefix) == (host, port, prefix)
    assert address.host_field == host_field
    assert (address.tls is not None) == url.startswith("https")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("127.0.0.1:8000", "is no URL like"),
        ("ftp://engine", "is no URL like"),
        ("http://", "is no URL like"),
        ("http://engine:99999", "[Pp]ort"),
        ("http://engine?a=b", "no query"),
        ("http://engine/a b", "query, fragment or space"),
        ("http://me:secret@engine", "leave out what is before the @"),
    ],
)
def test_other_urls_are_refused(url: str, message: str) -> None:
    with pytest.raises(InputRefused, match=message) as refused:
        at_url(url, {})
    assert "secret" not in str(refused.value)


def test_key_comes_from_the_environment_and_shows_nowhere() -> None:
    address = at_url("http://engine", {KEY_VARIABLE: "sk-1"})
    assert address.key == "sk-1"
    assert "sk-1" not in repr(address)
    assert address.redacted("wrong key sk-1") == "wrong key ***"
    assert at_url("http://engine", {}).redacted("as it is") == "as it is"


def test_key_that_would_break_the_header_is_refused_without_being_shown() -> None:
    with pytest.raises(InputRefused, match="something else than printable ASCII") as refused:
        at_url("http://engine", {KEY_VARIABLE: "sk-1\r\nX: y"})
    assert "sk-1" not in str(refused.value)
