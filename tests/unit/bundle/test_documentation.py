import re
import subprocess
import sys
from pathlib import Path

import pytest

from attacks.builder import GoodBundle
from specseal.bundle import load_policy, reproduction, statement, verify
from specseal.bundle.strict import schema_of
from specseal.bundle.tables import RECORDS_SCHEMA

DOCS = Path(__file__).parents[3] / "docs"


def test_python_in_reading_a_bundle_works_on_a_bundle(good: GoodBundle) -> None:
    text = (DOCS / "reading-a-bundle.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=good.path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "24 requests, mean time to first token 50.0 ms\n"


def recipe_in(text: str) -> str:
    (recipe,) = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return recipe


def test_recipe_for_strangers_is_the_one_that_a_bundle_tells(good: GoodBundle) -> None:
    """Strangers are sent to the documentation: whoever forges a bundle writes its README, too."""
    ours = recipe_in((DOCS / "reading-a-bundle.md").read_text(encoding="utf-8"))
    theirs = recipe_in((good.path / "README.md").read_text(encoding="utf-8"))
    assert ours.count("SIGNER") == 1
    assert ours.replace("SIGNER", good.signer.public.digest) == theirs


@pytest.mark.parametrize("page", ["docs/reading-a-bundle.md", "docs/security.md", "README.md"])
def test_no_page_sends_strangers_to_the_bundle_for_the_recipe(page: str) -> None:
    text = " ".join((DOCS.parent / page).read_text(encoding="utf-8").split())
    assert re.search(r"[Tt]ake (it|the recipe) from (t?here)\b.{0,60}, not from the bundle", text)


def test_reading_a_bundle_names_every_column() -> None:
    text = (DOCS / "reading-a-bundle.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in RECORDS_SCHEMA.names)


@pytest.mark.parametrize(
    "uri",
    [
        statement.RESULT_TYPE, statement.BUILD_TYPE, statement.SCHEMA,
        reproduction.REPRODUCTION_TYPE, reproduction.SCHEMA,
    ],
)  # fmt: skip
def test_security_model_documents_what_is_signed(uri: str) -> None:
    assert f"`{uri}`" in (DOCS / "security.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["result-statement", "reproduction-statement"])
def test_security_model_explains_every_property_of_a_predicate(name: str) -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    properties = schema_of(name)["properties"]["predicate"]["properties"]
    told = {word.partition(".")[0] for word in re.findall(r"`([a-z0-9_.]+)`", text)}
    assert set(properties) <= told


def test_policy_in_the_security_model_is_one(tmp_path: Path) -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "policy.yaml").write_text(example, encoding="utf-8")
    policy = load_policy(tmp_path / "policy.yaml")
    assert policy.signers == 2
    assert None not in (policy.keys, policy.created_from, policy.created_until)


def test_security_model_has_as_many_steps_as_verification() -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    listed = text.partition("## What is proved")[2].partition("## ")[0]
    numbers = re.findall(r"^ *(\d+)\. ", verify.__doc__ or "", re.MULTILINE)
    assert re.findall(r"^(\d+)\. ", listed, re.MULTILINE) == numbers
    assert len(numbers) == 12
