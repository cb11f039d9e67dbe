import re
import subprocess
import sys
from pathlib import Path

import pytest

from attacks.builder import GoodBundle
from specseal.bundle import statement
from specseal.bundle.tables import RECORDS_SCHEMA

DOCS = Path(__file__).parents[3] / "docs"


def test_python_in_reading_a_bundle_works_on_a_bundle(good: GoodBundle) -> None:
    text = (DOCS / "reading-a-bundle.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=good.path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "24 requests, mean time to first token 50.0 ms\n"


def test_reading_a_bundle_names_every_column() -> None:
    text = (DOCS / "reading-a-bundle.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in RECORDS_SCHEMA.names)


@pytest.mark.parametrize("uri", [statement.RESULT_TYPE, statement.BUILD_TYPE, statement.SCHEMA])
def test_security_model_documents_what_is_signed(uri: str) -> None:
    assert f"`{uri}`" in (DOCS / "security.md").read_text(encoding="utf-8")
