"""A timestamp of the result's signature: by when it was made, as an authority says.

`attestations/timestamp.tsr` is an RFC 3161 response over the raw signature of the result statement
(DER, as it is in the envelope). It may be added later. That it is over this signature is checked
always; whether its authority is believed is the policy's to say, at the token's time: a certificate
that has expired since is as good as it was. Where no authority is asked about, nobody's signature
is on it, and nothing that it says is told.

Source: RFC 3161.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from specseal.bundle.findings import Finding, broken
from specseal.bundle.layout import TIMESTAMP
from specseal.bundle.policy import Policy
from specseal.bundle.statement import CLOCK_TOLERANCE, ResultStatement
from specseal.bundle.times import render_time
from specseal.errors import MachineLacks

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

_HASHES = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
"""By object identifier; others are not believed. Source: NIST, CSOR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """A response that is over the result's signature; who gave it is not yet asked."""

    response: TimeStampResponse
    signature: bytes
    time: datetime


def read_timestamp(
    data: bytes, *, signature: bytes, statement: ResultStatement, now: datetime
) -> Timestamp:
    """Read a timestamp.

    Args:
        data: the response, in DER.
        signature: the raw signature that it must be over.
        statement: what that signature signed.
        now: the time of reading, with its zone.

    Raises:
        BundleBroken: no response, or one that was not granted, is over something else, by a weak
            hash, from before the statement says that it was made, or of the future.
        MachineLacks: the optional dependency is not installed.
    """
    try:
        from rfc3161_client import decode_timestamp_response
    except ImportError as error:
        raise MachineLacks(
            f"{TIMESTAMP}: needs the Python module rfc3161_client, which is not installed",
            mend="pip install 'specseal[timestamp]'",
        ) from error
    try:
        response = decode_timestamp_response(data)
        granted = response.status == 0
        token = response.tst_info if granted else None
    except ValueError as error:
        raise broken("timestamp.form", f"{TIMESTAMP}: no RFC 3161 response: {error}") from error
    if token is None:
        raise broken("timestamp.form", f"{TIMESTAMP}: the authority did not grant it")
    imprint = token.message_imprint
    algorithm = _HASHES.get(imprint.hash_algorithm.dotted_string)
    if algorithm is None:
        raise broken("timestamp.hash", f"{TIMESTAMP}: by another hash than SHA-256, 384 or 512")
    if imprint.message != hashlib.new(algorithm, signature).digest():
        raise broken("timestamp.other", f"{TIMESTAMP}: over something else than this signature")
    # Differences, because a sum may be beyond the last year that there is.
    if statement.created - token.gen_time > CLOCK_TOLERANCE:
        raise broken(
            "timestamp.before",
            f"{TIMESTAMP}: of {render_time(token.gen_time)}, before the statement says it was made",
        )
    if token.gen_time - now > CLOCK_TOLERANCE:
        time = render_time(token.gen_time)
        raise broken("timestamp.future", f"{TIMESTAMP}: of {time}, which is to come")
    return Timestamp(response=response, signature=signature, time=token.gen_time)


def unstamped(timestamp: Timestamp | None, policy: Policy) -> tuple[Finding, ...]:
    """Return what a policy asks of the timestamp that it does not give."""
    if not policy.authorities:
        return ()
    if timestamp is None:
        return (Finding("policy.timestamp", "there is no timestamp, and the policy asks for one"),)
    if reason := _distrust(timestamp, policy):
        text = f"the timestamp is of none of the policy's authorities: {reason}"
        return (Finding("policy.timestamp", text),)
    if policy.created_until and timestamp.time > policy.created_until:
        text = f"the timestamp is of {render_time(timestamp.time)}, after the policy's time"
        return (Finding("policy.timestamp", text),)
    return ()


def _distrust(timestamp: Timestamp, policy: Policy) -> str:
    """Return why no authority of the policy has given it, at its own time; "" where one has."""
    from rfc3161_client import VerificationError, VerifierBuilder

    verifier = VerifierBuilder(roots=list(policy.authorities)).build()
    try:
        verifier.verify_message(timestamp.response, timestamp.signature)
    except (VerificationError, ValueError) as error:
        return str(error)
    return ""
