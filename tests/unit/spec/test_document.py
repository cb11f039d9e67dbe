"""Strict YAML: what is refused, where it is, and that no spelling means two things."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specseal.errors import SpecError
from specseal.spec.document import MAX_BYTES, MAX_DEPTH, Document, dotted, read_document

# How fast the machine is must not decide a test.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(text: str) -> Document:
    return read_document(text.encode(), path="x")


def refusal(data: bytes) -> str:
    with pytest.raises(SpecError) as caught:
        read_document(data, path="x")
    assert len(caught.value.problems) == 1
    return str(caught.value)


def findings(text: str) -> list[str]:
    return [str(finding.problem("x")) for finding in read(text).findings]


def test_values_and_their_positions_are_read():
    document = read("# comment\na:\n  b: [1, two]\n")
    assert document.value == {"a": {"b": [1, "two"]}}
    assert document.keys[("a", "b")] == (3, 3)
    assert document.values[("a", "b", 1)] == (3, 10)


def test_key_without_value_lies_at_its_key_and_not_lines_below():
    document = read("a:\n\n\nb: 1\n")
    assert document.value == {"a": None, "b": 1}
    assert document.values[("a",)] == (1, 1)


def test_place_reads_as_people_write_it():
    assert dotted(("workload", "load", "concurrency", 1)) == "workload.load.concurrency[1]"
    assert dotted(()) == ""


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "x:1:1: the file is empty"),
        (b"# only a comment\n", "x:1:1: the file is empty"),
        (b"\xef\xbb\xbfa: 1\n", "x:1:1: starts with a byte order mark"),
        ("a: 1\n".encode("utf-16"), "x:1:1: starts with a byte order mark"),
        (b"a: 1\nb: \xc3\xa9\xff\n", "x:2:5: not UTF-8"),
        (b"\na: \x07\n", "x:2:4: character 0x7 is not allowed"),
        (b"a: 1\nb: 2\nc: \x07\n", "x:3:4: character 0x7 is not allowed"),
        (b"a: 1\nb: 2\nc: \xff\n", "x:3:4: not UTF-8"),
        (b'a: "\\U99999999"\n', "x:1:5: this escape names no character"),
        (b"a: [1\n", "x:2:1: not YAML"),
        (b"a:\n\t- 1\n", "x:2:1: not YAML"),
        (b"a: 1\n---\nb: 2\n", "x:2:1: a second document starts here"),
        (b"? [a]\n: 1\n", "x:1:3: a key must be text"),
        (b"#" * (MAX_BYTES + 1), f"x:1:1: larger than {MAX_BYTES} bytes"),
        (b"[" * (MAX_DEPTH + 2), f"x:1:{MAX_DEPTH + 2}: nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_no_single_plain_document_is_refused_at_its_place(data, expected):
    assert refusal(data).startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: {c: [3]}\n", "x:3:1: a: this key is there twice, first on line 1"),
        ("a: 1\na: [{b: [[1], 2]}, 3]\n", "x:2:1: a: this key is there twice, first on line 1"),
        ("a: &anchor 1\n", "x:1:4: a: anchors (&anchor) are not allowed"),
        ("a: *anchor\n", "x:1:4: a: aliases (*anchor) are not allowed"),
        ("<<: {a: 1}\n", "x:1:1: merge keys (<<) are not allowed"),
        ("a: !!str 1\n", "x:1:4: a: tags (tag:yaml.org,2002:str) are not allowed"),
        ("a: !mine {b: 1}\n", "x:1:4: a: tags (!mine) are not allowed"),
        ("%YAML 1.1\n---\na: 1\n", "x:1:1: directives (%) are not allowed"),
        ('a: "\\e[2J"\n', "x:1:4: a: character 0x1b is not allowed in text"),
        ('a: "\\ud800"\n', "x:1:4: a: character 0xd800 is not allowed in text"),
        ("a: .nan\n", "x:1:4: a: .nan is not a finite number"),
        ("a: -.inf\n", "x:1:4: a: -.inf is not a finite number"),
        ("a: 9007199254740992\n", "x:1:4: a: this number is too large"),
        (f"a: {'9' * 5000}\n", "x:1:4: a: this number is too large"),
    ],
)
def test_what_yaml_allows_and_a_spec_does_not_is_found_at_its_place(text, expected):
    (found,) = findings(text)
    assert found.startswith(expected)


def test_value_of_a_key_that_is_there_twice_is_left_out_and_nothing_behind_it():
    text = "a: 1\na: [{b: [[1], 2]}, 3]\nc: {a: 4}\n"
    assert len(findings(text)) == 1
    assert read(text).value == {"a": 1, "c": {"a": 4}}


def test_reading_goes_on_after_a_finding_so_that_all_are_shown():
    assert len(findings("a: &x 1\nb: *x\nc: !!int 2\nb: 3\n")) == 4


@pytest.mark.parametrize(
    "text",
    ["yes", "No", "ON", "off", "012", "0o17", "0x1F", "0b1", "1_000", "12:30", "1e3", "1.5E-2"],
)
def test_scalar_that_yaml_versions_read_differently_must_be_quoted(text):
    (found,) = findings(f"a: {text}\n")
    assert found.startswith(f"x:1:4: a: {text} is read differently by YAML 1.1 and 1.2")
    assert read(f"a: '{text}'\n").value == {"a": text}
    assert not findings(f"a: '{text}'\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        ("0", 0),
        ("-12", -12),
        ("0.5", 0.5),
        (".5", 0.5),
        ("0.1.2", "0.1.2"),
        ("y", "y"),
        ("=", "="),
        ("0123abc", "0123abc"),
        ("2026-10-10", "2026-10-10"),
        (">=570", ">=570"),
    ],
)
def test_plain_scalar_means_what_both_versions_say(text, value):
    text = f'"{text}"' if text.startswith(">") else text
    read_value = read(f"a: {text}\n").value["a"]
    assert read_value == value
    assert type(read_value) is type(value)


def test_key_is_always_text():
    assert read("on: 1\n1: 2\nnull: 3\n").value == {"on": 1, "1": 2, "null": 3}


@PATIENT
@given(st.text(alphabet="ab:-[]{},\"'\\Ux0&*!|>%?#~<. \n\t\x01\x85\ud7ffé\U0001f600", max_size=40))
def test_any_text_is_read_or_refused_and_nothing_else(text):
    try:
        document = read(text)
    except SpecError:
        return
    assert () in document.values
