"""A spec that two readers of YAML could read in two ways, sealed and signed by the trusted key."""

from dataclasses import replace
from pathlib import Path

import pytest

import locks
from attacks.builder import NOW, SPEC, GoodBundle, codes
from specseal.bundle import seal
from specseal.digests import sha256_bytes
from specseal.spec import document

SEED = b"  seed: 0\n"


def seed(text: bytes) -> bytes:
    return SPEC.replace(SEED, b"  seed: " + text + b"\n")


def name(text: bytes) -> bytes:
    return SPEC.replace(b"name: tiny", b"name: " + text, 1)


SPOILT = {
    "an alias": SPEC.replace(b"{accelerator: cpu}", b"{accelerator: &a cpu}") + b"# \nx: *a\n",
    "an anchor that nobody uses": name(b"&a tiny"),
    "a merge key": SPEC.replace(b"{accelerator: cpu}", b"{<<: {count: 2}, accelerator: cpu}"),
    "a tag": name(b"!!str tiny"),
    "a tag that makes an object": name(b"!!python/object/apply:os.system [id]"),
    "a tag of one's own": name(b"!mine tiny"),
    "a directive": b"%YAML 1.1\n---\n" + SPEC,
    "a key twice": SPEC + b"name: tiny\n",
    "an inner key twice": SPEC.replace(SEED, SEED + b"  seed: 1\n"),
    "a key twice, spelled in two ways": SPEC + b'"na\\x6de": other\n',
    "a second document": SPEC + b"---\n" + SPEC,
    "an octal number": seed(b"010"),
    "an octal number of YAML 1.2": seed(b"0o10"),
    "a hexadecimal number": seed(b"0x10"),
    "a binary number": seed(b"0b10"),
    "a number with gaps": seed(b"1_0"),
    "a sexagesimal number": seed(b"1:30"),
    "a boolean of YAML 1.1": name(b"no"),
    "a boolean for a number": seed(b"true"),
    "an exponent": seed(b"1e1"),
    "NaN": seed(b".nan"),
    "infinity": seed(b".inf"),
    "an integer of 2^53": seed(b"9007199254740992"),
    "a number without end": seed(b"9" * 10_000),
    "a byte order mark": b"\xef\xbb\xbf" + SPEC,
    "UTF-16": SPEC.decode().encode("utf-16"),
    "a lone surrogate": name(b'"\\ud800"'),
    "a character beyond Unicode": name(b'"\\UFFFFFFFF"'),
    "an escape that a terminal obeys": name(b'"\\e[2J"'),
    "a control character": name(b"ti\x1bny"),
    "bytes that are no text": name(b"\xff\xfe"),
    "a NUL": name(b"ti\x00ny"),
    "deep lists": SPEC + b"x: " + b"[" * 40 + b"]" * 40 + b"\n",
    "lists without end": b"[" * 100_000,
    "maps without end": b"{a: " * 100_000,
    "a key that is a list": SPEC + b"? [a]\n: 1\n",
    "a billion laughs": b"a: &a [x, x]\n"
    + b"".join(b"%c: &%c [*%c, *%c]\n" % (one + 1, one + 1, one, one) for one in range(97, 121))
    + SPEC,
    "a key that no schema knows": SPEC + b"zz: 1\n",
    "nothing": b"",
    "no YAML": b"name: [tiny\n",
}


@pytest.mark.parametrize("spec", SPOILT.values(), ids=SPOILT)
def test_spec_that_is_not_strict_yaml_is_refused(
    good: GoodBundle, tmp_path: Path, spec: bytes
) -> None:
    assert spec != SPEC
    lock = replace(good.inputs.lock, spec={**good.inputs.lock.spec, "sha256": sha256_bytes(spec)})
    environment = {**good.inputs.environment, "lock_sha256": lock.digest, "recipe": lock.recipe}
    inputs = replace(good.inputs, spec_bytes=spec, lock=lock, environment=environment)
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert codes(good.verify(bundle)) == {"schemas.spec"}


def test_the_spec_that_is_spoilt_here_is_a_good_one(good: GoodBundle, tmp_path: Path) -> None:
    bundle = seal(good.inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert good.verify(bundle).intact
    assert locks.make_lock().spec["name"] == "tiny"


def test_spec_that_is_too_large_is_refused_unparsed(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", len(SPEC) - 1)
    good.sign_again(bundle)
    assert codes(good.verify(bundle)) == {"schemas.spec"}


@pytest.mark.parametrize("text", [b"+7", b"7.0", b'"0"'])
def test_number_spelled_otherwise_is_what_the_lock_has_or_refused(
    good: GoodBundle, bundle: Path, text: bytes
) -> None:
    (bundle / "spec.yaml").write_bytes(seed(text))
    good.sign_again(bundle)
    assert codes(good.verify(bundle)) <= {"schemas.spec", "schemas.disagree"}
    assert not good.verify(bundle).intact
