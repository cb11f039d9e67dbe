"""Timestamps over something else, of nobody one believes, or of an authority valid then."""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.x509 import load_pem_x509_certificate
from jsonschema import Draft202012Validator

from attacks.authority import EXPIRED, Authority
from attacks.builder import NOW, GoodBundle, codes
from attacks.spoiling import ORDER, change_envelope, put_signature, read, signature_of
from specseal.bundle import Policy, add_timestamp, load_policy
from specseal.bundle.findings import BundleBroken
from specseal.bundle.layout import RESULT_ATTESTATION, TIMESTAMP
from specseal.bundle.statement import ResultStatement
from specseal.bundle.strict import schema_of
from specseal.bundle.timestamp import read_timestamp, unstamped
from specseal.cli import attest
from specseal.digests import Digest
from specseal.errors import InputError, MachineLacks, VerificationFailed

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def verified_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock by which the authority stamps."""
    monkeypatch.setattr(GoodBundle, "now", datetime.now(UTC))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), starts=-HOUR, ends=HOUR)


@pytest.fixture(scope="session")
def stamp(good: GoodBundle, authority: Authority) -> bytes:
    """A good timestamp of the good bundle."""
    return authority.stamp(signature_of(read(good.path / RESULT_ATTESTATION)))


@pytest.fixture
def stamped(bundle: Path, stamp: bytes) -> Path:
    """The file of a good timestamp in the bundle, to be spoilt."""
    (bundle / TIMESTAMP).write_bytes(stamp)
    return bundle / TIMESTAMP


def asking(*authorities: Authority, **more: Any) -> Policy:
    return Policy(authorities=tuple(one.root for one in authorities), **more)


# Good ones


def test_timestamp_of_an_authority_that_the_policy_names_is_believed(
    good: GoodBundle, bundle: Path, stamped: Path, authority: Authority
) -> None:
    report = good.verify(bundle, policy=asking(authority))
    assert report.trusted
    assert report.manifest_digest == good.contents.manifest
    document = json.loads(json.dumps(report.to_dict()))
    Draft202012Validator(schema_of("verification")).validate(document)
    assert document["timestamp"]["believed"] is True
    assert "of an authority of the policy" in report.to_text()


def test_timestamp_that_nobody_asked_about_is_there_and_what_it_says_is_not_told(
    good: GoodBundle, bundle: Path, stamped: Path
) -> None:
    report = good.verify(bundle)
    assert report.trusted
    document = json.loads(json.dumps(report.to_dict()))
    Draft202012Validator(schema_of("verification")).validate(document)
    assert document["timestamp"] == {"time": None, "believed": False}
    assert "timestamp not checked: no authority was asked about" in report.to_text()


@pytest.mark.parametrize("option", ["-sha384", "-sha512"])
def test_timestamp_by_a_longer_hash_is_believed(
    good: GoodBundle, bundle: Path, authority: Authority, option: str
) -> None:
    signature = signature_of(read(bundle / RESULT_ATTESTATION))
    (bundle / TIMESTAMP).write_bytes(authority.stamp(signature, option))
    assert good.verify(bundle, policy=asking(authority)).trusted


def expired() -> tuple[dict[str, str], ResultStatement]:
    value = json.loads(EXPIRED.read_bytes())
    digest = Digest("0" * 64)
    statement = ResultStatement(
        name="it", created=NOW, recipe=digest, lock=digest, result=digest, provenance=digest
    )
    return value, statement


def test_authority_whose_certificate_expired_since_is_as_good_as_it_was() -> None:
    value, statement = expired()
    root = load_pem_x509_certificate(value["root"].encode())
    assert root.not_valid_after_utc < datetime.now(UTC)
    found = read_timestamp(
        base64.b64decode(value["response"]),
        signature=base64.b64decode(value["signature"]),
        statement=statement,
        now=datetime.now(UTC),
    )
    assert unstamped(found, Policy(authorities=(root,))) == ()


# Broken ones


def over_something_else(good: GoodBundle, authority: Authority, stamp: bytes) -> bytes:
    return authority.stamp(b"something else")


def over_the_payload(good: GoodBundle, authority: Authority, stamp: bytes) -> bytes:
    return authority.stamp((good.path / RESULT_ATTESTATION).read_bytes())


def by_sha1(good: GoodBundle, authority: Authority, stamp: bytes) -> bytes:
    return authority.stamp(signature_of(read(good.path / RESULT_ATTESTATION)), "-sha1")


def not_granted(good: GoodBundle, authority: Authority, stamp: bytes) -> bytes:
    return authority.stamp(b"md5 is not granted", "-md5")


def cut(good: GoodBundle, authority: Authority, stamp: bytes) -> bytes:
    return stamp[:-1]


def with_more_behind_it(good: GoodBundle, authority: Authority, stamp: bytes) -> bytes:
    return stamp + b"x"


def rubbish(good: GoodBundle, authority: Authority, stamp: bytes) -> bytes:
    return b"yesterday"


def nothing(good: GoodBundle, authority: Authority, stamp: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("make", "finding"),
    [
        (over_something_else, "other"),
        (over_the_payload, "other"),
        (by_sha1, "hash"),
        (not_granted, "form"),
        (cut, "form"),
        (with_more_behind_it, "form"),
        (rubbish, "form"),
        (nothing, "form"),
    ],
)
def test_timestamp_that_is_not_a_plain_one_over_this_signature_is_refused(
    good: GoodBundle,
    bundle: Path,
    authority: Authority,
    stamp: bytes,
    make: Callable[[GoodBundle, Authority, bytes], bytes],
    finding: str,
) -> None:
    data = make(good, authority, stamp)
    with pytest.raises(VerificationFailed, match=r"not intact: attestations/timestamp\.tsr"):
        add_timestamp(bundle, data, now=datetime.now(UTC))
    assert not (bundle / TIMESTAMP).exists()
    (bundle / TIMESTAMP).write_bytes(data)
    report = good.verify(bundle)
    assert codes(report) == {f"timestamp.{finding}"}
    assert not report.intact


def test_timestamp_of_the_last_day_there_is_breaks_no_reader_and_is_not_believed(
    good: GoodBundle, bundle: Path, authority: Authority, stamp: bytes
) -> None:
    last = re.sub(rb"(\x18\x0f)20\d{12}Z", rb"\g<1>99991231235959Z", stamp, count=1)
    assert last != stamp
    (bundle / TIMESTAMP).write_bytes(last)
    assert not good.verify(bundle, policy=asking(authority)).trusted


def test_timestamp_does_not_outlive_a_new_signature(
    good: GoodBundle, bundle: Path, stamp: bytes
) -> None:
    good.sign_again(bundle)
    (bundle / TIMESTAMP).write_bytes(stamp)
    assert codes(good.verify(bundle)) == {"timestamp.other"}


def test_timestamp_does_not_outlive_the_twin_of_the_signature(
    good: GoodBundle, bundle: Path, stamped: Path
) -> None:
    def turn(envelope: dict[str, Any]) -> None:
        r, s = decode_dss_signature(signature_of(envelope))
        put_signature(envelope, encode_dss_signature(r, ORDER - s))

    change_envelope(bundle / RESULT_ATTESTATION, turn)
    assert codes(good.verify(bundle)) == {"timestamp.other"}


def test_statement_dated_after_its_timestamp_is_refused() -> None:
    value, statement = expired()
    late = replace(statement, created=datetime.now(UTC) + timedelta(days=2))
    with pytest.raises(VerificationFailed, match="before the statement says it was made"):
        read_timestamp(
            base64.b64decode(value["response"]),
            signature=base64.b64decode(value["signature"]),
            statement=late,
            now=datetime.now(UTC),
        )


def test_statement_may_be_dated_a_day_after_its_timestamp_and_not_a_second_more() -> None:
    value, statement = expired()
    response, signature = (base64.b64decode(value[name]) for name in ("response", "signature"))
    time = read_timestamp(
        response, signature=signature, statement=statement, now=datetime.now(UTC)
    ).time
    last = replace(statement, created=time + timedelta(days=1))
    assert (
        read_timestamp(response, signature=signature, statement=last, now=datetime.now(UTC)).time
        == time
    )
    later = replace(statement, created=time + timedelta(days=1, seconds=1))
    with pytest.raises(BundleBroken) as caught:
        read_timestamp(response, signature=signature, statement=later, now=datetime.now(UTC))
    assert [finding.code for finding in caught.value.findings] == ["timestamp.before"]


def test_timestamp_may_be_of_the_policys_last_second_and_no_later() -> None:
    value, statement = expired()
    response, signature = (base64.b64decode(value[name]) for name in ("response", "signature"))
    root = load_pem_x509_certificate(value["root"].encode())
    found = read_timestamp(
        response, signature=signature, statement=statement, now=datetime.now(UTC)
    )
    asked = Policy(authorities=(root,), created_until=found.time)
    assert unstamped(found, asked) == ()
    earlier = replace(asked, created_until=found.time - timedelta(seconds=1))
    assert [finding.code for finding in unstamped(found, earlier)] == ["policy.timestamp"]


def test_timestamp_of_no_signature_is_not_asked_about(
    good: GoodBundle, bundle: Path, stamped: Path
) -> None:
    (bundle / RESULT_ATTESTATION).unlink()
    checks = {check.code: check.holds for check in good.verify(bundle).checks}
    assert checks["timestamp.not_run"] is False


def test_timestamp_larger_than_any_is_not_read(
    good: GoodBundle, bundle: Path, stamped: Path
) -> None:
    with stamped.open("ab") as file:
        file.write(bytes(64 * 2**10))
    assert "read.size" in codes(good.verify(bundle))


def test_timestamp_that_is_a_link_is_refused(good: GoodBundle, bundle: Path, stamped: Path) -> None:
    stamped.symlink_to(stamped.rename(bundle.parent / "elsewhere"))
    assert "layout.kind" in codes(good.verify(bundle))


# Nobody whom one believes


def test_timestamp_of_another_authority_of_the_same_name_is_no_yes(
    good: GoodBundle, bundle: Path, stamped: Path, tmp_path: Path
) -> None:
    other = Authority(tmp_path, starts=-HOUR, ends=HOUR)
    report = good.verify(bundle, policy=asking(other))
    assert codes(report) == {"policy.timestamp"}
    assert (report.intact, report.stamped) == (True, None)
    assert "no authority was asked about" not in report.to_text()


@pytest.mark.parametrize(("starts", "ends"), [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)])
def test_timestamp_out_of_the_certificates_time_is_no_yes(
    good: GoodBundle, bundle: Path, tmp_path: Path, starts: timedelta, ends: timedelta
) -> None:
    other = Authority(tmp_path, starts=starts, ends=ends)
    signature = signature_of(read(bundle / RESULT_ATTESTATION))
    (bundle / TIMESTAMP).write_bytes(other.stamp(signature))
    assert codes(good.verify(bundle, policy=asking(other))) == {"policy.timestamp"}


def test_bundle_without_the_timestamp_that_is_asked_for_is_no_yes(
    good: GoodBundle, authority: Authority
) -> None:
    report = good.verify(good.path, policy=asking(authority))
    assert codes(report) == {"policy.timestamp"}
    with pytest.raises(VerificationFailed, match="there is no timestamp"):
        report.demand(trust=True)


def test_timestamp_from_after_the_policys_time_is_no_yes_whatever_the_signer_says(
    good: GoodBundle, bundle: Path, stamped: Path, authority: Authority
) -> None:
    """`created` may be dated back; the timestamp may not."""
    report = good.verify(bundle, policy=asking(authority, created_until=NOW))
    assert report.signers[0].objection is None
    assert codes(report) == {"policy.timestamp"}


def the_time(response: bytes, signature: bytes) -> int:
    found = re.search(rb"\x18\x0f20[0-9]{12}Z", response)  # GeneralizedTime, its length, its text
    assert found
    return found.start() + 15  # the seconds


def the_message(response: bytes, signature: bytes) -> int:
    return response.index(hashlib.sha256(signature).digest())


def the_last_byte(response: bytes, signature: bytes) -> int:
    return len(response) - 1  # of the authority's own signature


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (the_time, "policy.timestamp"),
        (the_message, "timestamp.other"),
        (the_last_byte, "policy.timestamp"),
    ],
)
def test_timestamp_with_a_bit_flipped_is_no_yes(
    good: GoodBundle,
    bundle: Path,
    stamped: Path,
    authority: Authority,
    place: Callable[[bytes, bytes], int],
    code: str,
) -> None:
    data = bytearray(stamped.read_bytes())
    data[place(bytes(data), signature_of(read(bundle / RESULT_ATTESTATION)))] ^= 1
    stamped.write_bytes(data)
    report = good.verify(bundle, policy=asking(authority))
    assert code in codes(report)
    assert not report.trusted


def test_bits_flipped_anywhere_never_make_another_time_of_it_or_break_the_reader() -> None:
    """Some bytes of a response are not signed; what it says is."""
    value, statement = expired()
    response, signature = (base64.b64decode(value[name]) for name in ("response", "signature"))
    root = load_pem_x509_certificate(value["root"].encode())
    right = read_timestamp(
        response, signature=signature, statement=statement, now=datetime.now(UTC)
    )
    for place in range(len(response)):
        spoilt = bytearray(response)
        spoilt[place] ^= 1 << place % 8
        try:
            found = read_timestamp(
                bytes(spoilt), signature=signature, statement=statement, now=datetime.now(UTC)
            )
        except BundleBroken:
            continue
        if not unstamped(found, Policy(authorities=(root,))):
            assert found.time == right.time


def forge_time(stamp: bytes, time: bytes) -> bytes:
    """Return a response that says another time, under the signature of the right one."""
    forged, found = re.subn(rb"\x18\x0f20[0-9]{12}Z", b"\x18\x0f" + time + b"Z", stamp)
    assert found
    return forged


@pytest.mark.parametrize("time", [b"99991231235959", b"99990101000000", b"20990101000000"])
def test_timestamp_of_a_time_to_come_is_refused_whoever_is_asked_about(
    good: GoodBundle, bundle: Path, stamp: bytes, time: bytes
) -> None:
    (bundle / TIMESTAMP).write_bytes(forge_time(stamp, time))
    assert codes(good.verify(bundle)) == {"timestamp.future"}


def test_time_forged_by_an_hour_is_told_nobody(
    good: GoodBundle, bundle: Path, stamp: bytes, authority: Authority
) -> None:
    hour_ago = (datetime.now(UTC) - HOUR).strftime("%Y%m%d%H%M%S").encode()
    (bundle / TIMESTAMP).write_bytes(forge_time(stamp, hour_ago))
    report = good.verify(bundle)
    assert report.stamped is None
    assert "not checked" in report.to_text()
    assert codes(good.verify(bundle, policy=asking(authority))) == {"policy.timestamp"}


def test_timestamp_may_be_a_day_ahead_of_the_clock_and_not_a_second_more() -> None:
    value, statement = expired()
    response, signature = (base64.b64decode(value[name]) for name in ("response", "signature"))

    def read_at(now: datetime) -> datetime:
        return read_timestamp(response, signature=signature, statement=statement, now=now).time

    time = read_at(datetime.now(UTC))
    assert read_at(time - timedelta(days=1)) == time
    with pytest.raises(BundleBroken, match="which is to come"):
        read_at(time - timedelta(days=1, seconds=1))


# Around it


def test_without_what_reads_timestamps_there_is_no_answer(
    good: GoodBundle, bundle: Path, stamped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(MachineLacks, match="rfc3161_client, which is not installed") as caught:
        good.verify(bundle)
    assert "specseal[timestamp]" in caught.value.mend
    stamped.unlink()
    assert good.verify(bundle).trusted


def test_authorities_are_read_from_a_policys_file(tmp_path: Path, authority: Authority) -> None:
    lines = "".join(f"      {line}\n" for line in authority.pem.splitlines())
    path = tmp_path / "policy.yaml"
    text = f"schema: specseal/policy/1\ntimestamp:\n  authorities:\n    - |\n{lines}"
    path.write_text(text, encoding="utf-8")
    assert load_policy(path) == asking(authority)
    path.write_text(text.replace("BEGIN CERT", "BEGIN CART"), encoding="utf-8")
    with pytest.raises(InputError, match=r"authorities\[0\]: is not a certificate in PEM"):
        load_policy(path)
    path.write_text("schema: specseal/policy/1\ntimestamp: {authorities: []}\n", encoding="utf-8")
    with pytest.raises(InputError, match="is empty"):
        load_policy(path)


def test_timestamp_is_added_by_its_file_once(
    good: GoodBundle, bundle: Path, stamp: bytes, tmp_path: Path
) -> None:
    response = tmp_path / "response.tsr"
    response.write_bytes(stamp)
    arguments = ["timestamp", str(bundle), str(response)]
    done = CliRunner().invoke(attest.command, arguments)
    assert done.stdout == f"{bundle / TIMESTAMP}\n"
    assert (bundle / TIMESTAMP).read_bytes() == stamp
    assert good.verify(bundle).trusted
    again = CliRunner().invoke(attest.command, arguments)
    assert isinstance(again.exception, InputError)
    assert "there is a timestamp already" in str(again.exception)
