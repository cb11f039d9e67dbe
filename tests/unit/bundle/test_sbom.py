"""Bills of materials: what is in them, and that the standard's own validator takes them."""

from __future__ import annotations

import json
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from attacks.builder import ENGINE_IMAGE
from specseal.bundle.sbom import render_sboms, sboms_against_environment

ENVIRONMENT: dict[str, Any] = {"images": {"engine": ENGINE_IMAGE, "client": {"inputs": "2" * 64}}}


def test_each_package_is_named_with_the_digest_of_what_it_was_installed_from() -> None:
    document = json.loads(render_sboms(ENVIRONMENT)["env/engine.cdx.json"])
    found = {one["purl"]: one["hashes"][0]["content"] for one in document["components"]}
    assert found == {"pkg:deb/debian/libc6@2.36-9": "4" * 64, "pkg:pypi/wheel@1.0": "3" * 64}


def test_it_is_valid_and_the_same_every_time() -> None:
    for path, data in render_sboms(ENVIRONMENT).items():
        assert render_sboms(ENVIRONMENT)[path] == data
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None


def test_it_agrees_with_the_environment_that_it_was_made_from() -> None:
    assert not sboms_against_environment(render_sboms(ENVIRONMENT), ENVIRONMENT)


def test_package_that_was_found_but_not_installed_by_us_has_no_digest() -> None:
    image = {"packages": [{"type": "deb", "name": "bash", "version": "5.2"}]}
    environment = {"images": {"client": image}}
    (data,) = render_sboms(environment).values()
    (component,) = json.loads(data)["components"]
    assert "hashes" not in component
    assert not sboms_against_environment({"env/client.cdx.json": data}, environment)


def test_running_server_has_no_bill_of_its_own() -> None:
    assert list(render_sboms({"images": {"client": {}}})) == ["env/client.cdx.json"]
