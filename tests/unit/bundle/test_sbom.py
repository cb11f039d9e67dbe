"""Bills of materials: what is in them, and that the standard's own validator takes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from attacks.builder import ENGINE_IMAGE
from specseal.bundle.findings import BundleBroken
from specseal.bundle.sbom import render_sboms, sboms_against_environment
from specseal.errors import InputError

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
    assert component["purl"] == "pkg:deb/debian/bash@5.2"
    assert not sboms_against_environment({"env/client.cdx.json": data}, environment)


def test_wheel_whose_name_says_nothing_hides_no_other() -> None:
    wheels = {"odd.whl": "6" * 64, "wheel-1.0-py3-none-any.whl": "3" * 64}
    (data,) = render_sboms({"images": {"engine": {"wheels": wheels}}}).values()
    assert [one["purl"] for one in json.loads(data)["components"]] == ["pkg:pypi/wheel@1.0"]


def test_packages_of_another_distribution_are_not_said_to_be_debians() -> None:
    package = {"type": "deb", "name": "bash", "version": "5.2", "distribution": "ubuntu"}
    environment = {"images": {"engine": {"packages": [package]}}}
    (data,) = render_sboms(environment).values()
    (component,) = json.loads(data)["components"]
    assert component["purl"] == "pkg:deb/ubuntu/bash@5.2"
    files = {"env/engine.cdx.json": data}
    assert not sboms_against_environment(files, environment)
    package["distribution"] = "debian"
    assert {one.code for one in sboms_against_environment(files, environment)} == {"schemas.sbom"}


@pytest.mark.parametrize("images", [[], [{"type": "pypi", "name": "more", "version": "1"}]])
def test_package_without_a_digest_that_is_missing_or_added_is_found(images: list[Any]) -> None:
    package = {"type": "deb", "name": "bash", "version": "5.2"}
    files = render_sboms({"images": {"engine": {"packages": [package]}}})
    other = {"images": {"engine": {"packages": [package, *images] if images else []}}}
    assert {one.code for one in sboms_against_environment(files, other)} == {"schemas.sbom"}


def test_running_server_has_no_bill_of_its_own() -> None:
    assert list(render_sboms({"images": {"client": {}}})) == ["env/client.cdx.json"]


VARIANTS: dict[str, Any] = {
    "rendered": {"sboms": 1},
    "images": {
        "engine": ENGINE_IMAGE,
        "client": {"inputs": "2" * 64},
        "variants": [
            {"engine": ENGINE_IMAGE, "client": {"inputs": "2" * 64}},
            {
                "engine": {"wheels": {"wheel-2.0-py3-none-any.whl": "5" * 64}},
                "client": {"inputs": "2" * 64},
            },
            {"engine": ENGINE_IMAGE, "client": {"inputs": "2" * 64}},
        ],
    },
}


def test_each_program_of_a_sweep_has_a_bill_and_what_variants_share_has_one() -> None:
    bills = render_sboms(VARIANTS)
    assert list(bills) == ["env/engine.cdx.json", "env/engine-2.cdx.json", "env/client.cdx.json"]
    second = json.loads(bills["env/engine-2.cdx.json"])
    assert [one["purl"] for one in second["components"]] == ["pkg:pypi/wheel@2.0"]
    assert second["metadata"]["component"]["name"] == "engine-2"
    assert not sboms_against_environment(bills, VARIANTS)
    for data in bills.values():
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None


def test_bill_of_a_later_variant_that_is_missing_or_left_over_is_found() -> None:
    bills = render_sboms(VARIANTS)
    without = {path: data for path, data in bills.items() if path != "env/engine-2.cdx.json"}
    (missing,) = sboms_against_environment(without, VARIANTS)
    assert (missing.code, missing.message) == ("schemas.sbom", "env/engine-2.cdx.json: missing")
    assert len(sboms_against_environment({}, VARIANTS)) == 3
    left_over = {**bills, "env/engine-3.cdx.json": bills["env/engine-2.cdx.json"]}
    (extra,) = sboms_against_environment(left_over, VARIANTS)
    assert extra.code == "schemas.sbom"
    assert extra.message == "env/engine-3.cdx.json: about a program that was not run"
    with pytest.raises(BundleBroken) as caught:
        sboms_against_environment({**bills, "env/client.cdx.json": b"{}"}, VARIANTS)
    assert [finding.code for finding in caught.value.findings] == ["schemas.sbom"]


def test_sweep_sealed_before_each_program_had_its_bill_still_holds() -> None:
    earlier = {"images": VARIANTS["images"]}
    bills = render_sboms(earlier)
    assert list(bills) == ["env/engine.cdx.json", "env/client.cdx.json"]
    assert not sboms_against_environment(bills, earlier)


def test_more_programs_than_a_bundle_may_tell_of_are_refused() -> None:
    variants = [{"engine": {"inputs": str(number)}} for number in range(70)]
    with pytest.raises(InputError, match="runs 7 programs more than the 64"):
        render_sboms({**VARIANTS, "images": {"engine": ENGINE_IMAGE, "variants": variants}})
