import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks.builder import make_signer
from specseal.bundle.envelope import decode_base64, pre_authentication_encoding, unwrap, wrap
from specseal.bundle.findings import BundleBroken

SIGNER = make_signer()


def test_pre_authentication_encoding_is_that_of_the_protocols_own_example() -> None:
    # Source: the test vector in DSSE's protocol.md.
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@given(st.binary(min_size=1, max_size=200))
def test_what_was_wrapped_is_unwrapped(payload: bytes) -> None:
    assert unwrap(wrap(payload, SIGNER), path="x", key=SIGNER.public) == payload


def test_envelope_of_another_key_is_refused() -> None:
    with pytest.raises(BundleBroken, match="the signature is not that of the key"):
        unwrap(wrap(b"payload", SIGNER), path="x", key=make_signer().public)


@given(st.binary(min_size=1, max_size=60))
def test_both_base64_alphabets_are_read(data: bytes) -> None:
    assert decode_base64(base64.b64encode(data).decode(), what="x") == data
    assert decode_base64(base64.urlsafe_b64encode(data).decode(), what="x") == data


@pytest.mark.parametrize(
    "text",
    ["QQ", "QQ=", "QR==", "Q Q==", "QQ==\n", "QQ==QQ==", "+-A=", "Q!Q=", "é===", "=QQ=", "A"],
)
def test_base64_in_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(BundleBroken, match="not base64"):
        decode_base64(text, what="x")
