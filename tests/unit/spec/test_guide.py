"""Every example of the guide is a spec, or a part that makes one of the quickstart."""

import io
import json
import re

import pytest
from ruamel.yaml import YAML

from specseal.engines import CAPABILITIES
from specseal.spec import parse_spec


def blocks(root, language):
    text = (root / "docs/writing-a-spec.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_every_example_makes_a_valid_spec(root):
    quickstart = (root / "specs/quickstart.yaml").read_text(encoding="utf-8")
    examples = blocks(root, "yaml")
    assert len(examples) >= 5
    for example in examples:
        if "apiVersion" in example:
            parse_spec(example.encode(), path="docs", capabilities=CAPABILITIES)
            continue
        # The example's own text is checked as well: a duplicate key would vanish in the merge.
        yaml = YAML(typ="safe", pure=True)
        whole = {**yaml.load(quickstart), **yaml.load(example)}
        text = io.StringIO()
        yaml.dump(whole, text)
        parse_spec(text.getvalue().encode(), path="docs", capabilities=CAPABILITIES)


def test_example_of_prompts_has_the_columns_that_are_told(root):
    (example,) = blocks(root, "json")
    row = json.loads(example)
    text = (root / "docs/writing-a-spec.md").read_text(encoding="utf-8")
    assert all(f"`{column}`" in text for column in row)


def test_example_of_an_error_is_what_a_user_sees(root, good):
    (shown,) = (block for block in blocks(root, "text") if ".yaml:" in block)
    broken = good.replace("draft_length", "draft_lenght").replace("[1, 4]", "[1, 0]")
    with pytest.raises(Exception, match="draft_lenght") as caught:
        parse_spec(broken.encode(), path="my-benchmark.yaml")
    messages = [line.partition(": ")[2] for line in str(caught.value).splitlines()]
    assert [line.partition(": ")[2] for line in shown.splitlines()] == messages
