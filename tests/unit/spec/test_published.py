"""The numbers of specs/published, typed once more: a slip in either place is noticed.

Source: SPEED-Bench, arXiv:2604.09557v2, tables 1 and 10 and its figures on trees; Nemotron 3 Super
report, table 2; NeMo-Skills, docs/evaluation/speculative-decoding.md; the model card of
nvidia/Kimi-K2.6-Eagle3.
"""

import re

import pytest

from specseal.spec import load_spec

COLUMNS = (
    "llama-3-3-70b-ngram", "llama-3-3-70b-vanilla", "llama-3-3-70b-eagle3",
    "gpt-oss-120b-ngram", "gpt-oss-120b-eagle3", "deepseek-r1-mtp",
    "qwen3-235b-vanilla", "qwen3-235b-eagle3", "qwen3-next-eagle3", "qwen3-next-mtp",
)  # fmt: skip
TABLE_1 = """
coding        1.54 2.72 3.00 1.31 2.46 2.76 2.62 2.26 3.17 3.34
humanities    1.39 2.30 2.34 1.35 2.28 2.53 2.32 2.13 2.22 2.68
math          1.43 2.43 2.45 1.30 2.46 2.77 2.69 2.37 2.90 3.13
multilingual  1.91 2.59 1.71 1.58 2.32 2.68 2.87 2.33 1.90 3.19
qa            1.21 2.35 2.35 1.27 2.25 2.52 2.28 2.23 2.13 2.71
rag           1.51 2.50 2.76 1.31 2.31 2.61 2.54 2.44 2.46 2.94
reasoning     1.34 2.46 2.61 1.31 2.39 2.62 2.51 2.32 2.60 2.89
roleplay      1.15 2.14 2.04 1.25 1.87 2.14 1.92 1.87 1.80 2.09
stem          1.38 2.45 2.39 1.30 2.28 2.62 2.44 2.18 2.47 2.85
summarization 1.36 2.47 2.59 1.25 2.13 2.47 2.37 2.26 2.19 2.66
writing       1.33 2.45 2.63 1.20 1.98 2.33 2.19 2.02 2.09 2.46
all           1.41 2.44 2.44 1.31 2.25 2.55 2.43 2.22 2.36 2.81
"""
AT_TEMPERATURE_1 = "1.37 1.98 2.37 1.27 2.07 - 2.21 2.03 2.26 2.68"
TABLE_10 = {
    ("eagle3", "high_entropy"): (2.12, 1.86, 1.17),
    ("eagle3", "low_entropy"): (2.93, 2.59, 1.19),
    ("vanilla", "high_entropy"): (2.47, 2.49, 2.60),
    ("vanilla", "low_entropy"): (3.12, 3.16, 3.21),
}
"""At 1k, 2k and 8k."""
TREES = {2: (2.55, 2.81, 2.89), 4: (2.82, 3.19, 3.31), 8: (3.04, 3.49, 3.65)}
"""By top-k, at draft lengths 3, 5 and 7."""
NEMOTRON = """
coding        2.99 4.32 3.78
humanities    2.67 3.07 3.26
math          2.98 3.89 3.73
multilingual  2.83 3.97 4.05
qa            2.63 3.09 3.16
rag           2.79 3.53 3.78
reasoning     2.80 3.47 3.59
roleplay      2.19 2.17 2.82
stem          2.79 3.37 3.30
summarization 2.59 3.06 3.48
writing       2.41 2.69 2.99
all           2.70 3.33 3.45
"""


def claimed(root, name, metric="acceptance_length_harness"):
    """The claims of a published spec: {what tells them apart: value}."""
    spec = load_spec(root / "specs" / "published" / f"{name}.yaml")
    assert {(claim.metric, claim.tolerance) for claim in spec.claims} == {(metric, None)}
    assert all(claim.decimals == 2 for claim in spec.claims)
    assert {claim.where["speculation"] for claim in spec.claims} == {spec.drafter.method}
    told = [
        (tuple(value for key, value in claim.where.items() if key != "speculation"), claim.value)
        for claim in spec.claims
    ]
    assert len(dict(told)) == len(told)
    return dict(told)


def column(table, index):
    rows = (line.split() for line in table.strip().splitlines())
    return {(() if row[0] == "all" else (row[0],)): float(row[index + 1]) for row in rows}


@pytest.mark.parametrize(("index", "name"), list(enumerate(COLUMNS)))
def test_column_of_table_1_is_claimed_as_printed(root, index, name):
    assert claimed(root, f"speed-bench-{name}") == column(TABLE_1, index)
    printed = AT_TEMPERATURE_1.split()[index]
    path = root / "specs" / "published" / f"speed-bench-{name}-t1.yaml"
    assert path.is_file() == (printed != "-")
    if path.is_file():
        assert claimed(root, path.stem) == {(): float(printed)}
        assert load_spec(path).workload.sampling.temperature == 1


@pytest.mark.parametrize("drafter", ["eagle3", "vanilla"])
def test_rows_of_table_10_are_claimed_as_printed(root, drafter):
    expected = {
        (f"throughput_{length}", tier): value
        for (of, tier), values in TABLE_10.items()
        for length, value in zip(("1k", "2k", "8k"), values, strict=True)
        if of == drafter
    }
    assert claimed(root, f"speed-bench-llama-3-3-70b-{drafter}-throughput") == expected


def test_trees_are_claimed_as_printed(root):
    expected = {
        (length, top_k): value
        for top_k, values in TREES.items()
        for length, value in zip((3, 5, 7), values, strict=True)
    }
    assert claimed(root, "speed-bench-qwen3-235b-tree") == expected


@pytest.mark.parametrize(
    ("index", "name"), list(enumerate(["deepseek-r1-mtp", "qwen3-next-mtp", "mtp"]))
)
def test_column_of_nemotrons_table_2_is_claimed_as_printed(root, index, name):
    assert claimed(root, f"nemotron-3-super-{name}") == column(NEMOTRON, index)


def test_figure_of_the_model_card_of_kimis_head_is_claimed_as_printed(root):
    assert claimed(root, "kimi-k2-6-eagle3") == {(): 2.67}


def test_figure_of_nemo_skills_is_claimed_as_printed(root):
    name = "nemo-skills-llama-3-3-70b-vanilla"
    assert claimed(root, name, metric="acceptance_length_drafted") == {(): 2.78}


def test_every_published_spec_is_held_to_its_numbers_here(root):
    held = {f"speed-bench-{name}" for name in COLUMNS}
    held |= {f"{name}-t1" for name in held if not name.endswith("deepseek-r1-mtp")}
    held |= {f"speed-bench-llama-3-3-70b-{name}-throughput" for name in ("eagle3", "vanilla")}
    held |= {"speed-bench-qwen3-235b-tree", "nemo-skills-llama-3-3-70b-vanilla"}
    held |= {f"nemotron-3-super-{name}mtp" for name in ("", "deepseek-r1-", "qwen3-next-")}
    held |= {"kimi-k2-6-eagle3"}
    paths = [*(root / "specs" / "published").glob("*.yaml")]
    assert held == {path.stem for path in paths}


def test_pages_say_how_many_published_specs_and_claims_there_are(root):
    specs = [load_spec(path) for path in (root / "specs" / "published").glob("*.yaml")]
    claims = sum(len(spec.claims) for spec in specs)
    assert f"{len(specs)} specs with {claims} claims" in (root / "CHANGELOG.md").read_text()
    assert f"{len(specs)} specs with their sources" in (root / "README.md").read_text()
    page = (root / "docs" / "published-specs.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    counts = [re.findall(r"`[^`]*`(?: \((\d+)\))?", row) for row in rows]
    assert sum(int(count or 1) for row in counts for count in row) == len(specs)
