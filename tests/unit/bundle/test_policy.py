"""Policies: what a file may say, and what each signature is worth under one."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.bundle.policy import Policy, Signature, counted, judge, load_policy, unmet
from specseal.bundle.store import Revocation, TrustStore
from specseal.digests import Digest
from specseal.errors import InputError, SpecError
from specseal.spec.document import MAX_BYTES

A, B, C, D = (Digest(letter * 64) for letter in "abcd")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL = TrustStore(trusted=frozenset([A, B, C]))
RESULT = Signature(role="result", key=A, created=NOON)


def reproduction(key: Digest, verdict: str = "reproduced", created: datetime = NOON) -> Signature:
    return Signature(
        role="reproduction",
        key=key,
        created=created,
        verdict=verdict,
        reproduction=Digest("f" * 64),
    )


def revoking(key: Digest) -> TrustStore:
    return ALL | TrustStore(revoked={key: Revocation(key=key, revoked=NOON, reason="stolen")})


def write(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_policy_is_read_from_yaml(tmp_path: Path) -> None:
    text = (
        f"schema: specseal/policy/1\nkeys:\n  - {A}\n  - {B}\nsigners: 2\n"
        "created:\n  from: 2026-11-25T12:00:00Z\n  until: '2026-11-25T13:00:00Z'\n"
    )
    assert load_policy(write(tmp_path, text)) == Policy(
        keys=frozenset([A, B]), signers=2, created_from=NOON, created_until=NOON + HOUR
    )


def test_policy_is_read_from_json(tmp_path: Path) -> None:
    text = json.dumps({"schema": "specseal/policy/1", "signers": 3})
    assert load_policy(write(tmp_path, text)) == Policy(signers=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema: specseal/policy/1\n", "for nothing: give keys, signers, created or timestamp"),
        ("{}\n", "schema: is missing"),
        ("", "empty"),
        ("signers: 2\n", "schema: is missing"),
        ("schema: specseal/policy/2\nsigners: 2\n", "schema: 'specseal/policy/2' is not"),
        ("schema: specseal/policy/1\nsigner: 2\n", "did you mean 'signers'"),
        ("schema: specseal/policy/1\nkeys: []\n", "keys: is empty"),
        ("schema: specseal/policy/1\nkeys: [me]\n", r"keys\[0\]: 'me' does not match"),
        (f"schema: specseal/policy/1\nkeys: [{A}, {A}]\n", "is there twice"),
        (f"schema: specseal/policy/1\nkeys: [{A.upper()}]\n", "does not match"),
        ("schema: specseal/policy/1\nsigners: 0\n", "signers: 0 is less than 1"),
        ("schema: specseal/policy/1\nsigners: 1.0\n", "is not a whole number"),
        ("schema: specseal/policy/1\nsigners: true\n", "is not a whole number"),
        ("schema: specseal/policy/1\nsigners: 1\nsigners: 2\n", "signers"),
        ("schema: specseal/policy/1\ncreated: {}\n", "give at least one of from, until"),
        ("schema: specseal/policy/1\ncreated: {from: today}\n", "does not match"),
        ("schema: specseal/policy/1\ncreated: {from: '2026-02-30T00:00:00Z'}\n", "no such time"),
        (f"schema: specseal/policy/1\nkeys: [{A}]\nsigners: 2\n", "1 key can't have 2 signers"),
        (
            "schema: specseal/policy/1\n"
            "created: {from: '2026-11-25T12:00:01Z', until: '2026-11-25T12:00:00Z'}\n",
            "ends before it begins",
        ),
    ],
)  # fmt: skip
def test_policy_that_is_unclear_or_asks_for_nothing_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        load_policy(path)
    assert str(path) in str(caught.value)


def test_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.yaml:1:1: can't be read"):
        load_policy(tmp_path / "none.yaml")


def test_policy_that_names_keys_alone_asks_for_one_signer(tmp_path: Path) -> None:
    text = f"schema: specseal/policy/1\nkeys: [{A}, {B}]\n"
    assert load_policy(write(tmp_path, text)) == Policy(keys=frozenset([A, B]), signers=1)


def test_policy_that_is_too_large_is_refused_and_not_read_in_part(tmp_path: Path) -> None:
    demand = "schema: specseal/policy/1\nsigners: 1\n"
    assert load_policy(write(tmp_path, demand + "#" * (MAX_BYTES - len(demand))))
    with pytest.raises(SpecError, match="larger than"):
        load_policy(write(tmp_path, demand + "#" * (MAX_BYTES - len(demand) + 1)))


def test_policys_time_may_be_a_single_moment() -> None:
    assert Policy(created_from=NOON, created_until=NOON).created_from == NOON
    with pytest.raises(InputError, match="ends before it begins"):
        Policy(created_from=NOON + timedelta(seconds=1), created_until=NOON)


def test_policy_and_what_signatures_are_worth_are_told_in_full() -> None:
    assert Policy().to_dict() == {
        "keys": None,
        "signers": 1,
        "created": {"from": None, "until": None},
        "authorities": [],
    }
    policy = Policy(keys=frozenset([B, A]), signers=2, created_from=NOON, created_until=NOON + HOUR)
    assert policy.to_dict() == {
        "keys": [A, B],
        "signers": 2,
        "created": {"from": "2026-11-25T12:00:00Z", "until": "2026-11-25T13:00:00Z"},
        "authorities": [],
    }
    counts, revoked = judge([RESULT, reproduction(B, "inconclusive")], policy, revoking(B))
    assert counts.to_dict() == {
        "role": "result",
        "key": A,
        "created": "2026-11-25T12:00:00Z",
        "verdict": None,
        "reproduction": None,
        "status": "trusted",
        "revoked": None,
        "counts": True,
        "objection": None,
    }
    assert revoked.to_dict() == {
        "role": "reproduction",
        "key": B,
        "created": "2026-11-25T12:00:00Z",
        "verdict": "inconclusive",
        "reproduction": "f" * 64,
        "status": "revoked",
        "revoked": {"key": B, "revoked": "2026-11-25T12:00:00Z", "reason": "stolen"},
        "counts": False,
        "objection": "the key was revoked on 2026-11-25T12:00:00Z (stolen); nothing that it signed "
        f"is believed, whatever its date: {B}",
    }


def test_policy_of_no_signers_is_refused() -> None:
    with pytest.raises(InputError, match="asks for nothing"):
        Policy(signers=0)


def test_signer_alone_is_enough_where_no_more_is_asked() -> None:
    standings = judge([RESULT], Policy(), ALL)
    assert [one.status for one in standings] == ["trusted"]
    assert unmet(standings, Policy()) == ()


def test_key_counts_once_however_often_it_signs() -> None:
    policy = Policy(signers=2)
    standings = judge([RESULT, reproduction(A), reproduction(A)], policy, ALL)
    assert counted(standings) == {A}
    (finding,) = unmet(standings, policy)
    assert finding.code == "policy.signers"
    assert finding.message == "2 different keys must vouch for the result, and 1 does"


@pytest.mark.parametrize(
    ("signers", "believed", "message"),
    [
        (1, set(), "1 key must vouch for the result, and none does"),
        (2, set(), "2 different keys must vouch for the result, and none does"),
        (3, {A, B}, "3 different keys must vouch for the result, and 2 do"),
    ],
)
def test_how_many_keys_are_lacking_is_said_in_words(
    signers: int, believed: set[Digest], message: str
) -> None:
    policy = Policy(signers=signers)
    store = TrustStore(trusted=frozenset(believed))
    standings = judge([RESULT, reproduction(B)], policy, store)
    assert unmet(standings, policy)[-1].message == message


def test_reproductions_by_others_count() -> None:
    policy = Policy(signers=3)
    standings = judge([RESULT, reproduction(B), reproduction(C)], policy, ALL)
    assert counted(standings) == {A, B, C}
    assert unmet(standings, policy) == ()


@pytest.mark.parametrize(
    ("signature", "store", "code"),
    [
        (reproduction(D), ALL, "trust.unknown"),
        (reproduction(B), revoking(B), "trust.revoked"),
        (reproduction(B, "not reproduced"), ALL, "policy.verdict"),
        (reproduction(B, "inconclusive"), ALL, "policy.verdict"),
        (reproduction(B, "not comparable"), ALL, "policy.verdict"),
        (reproduction(B, created=NOON + 2 * HOUR), ALL, "policy.created"),
    ],
)
def test_reproduction_that_nobody_has_to_believe_does_not_count(
    signature: Signature, store: TrustStore, code: str
) -> None:
    policy = Policy(signers=2, created_until=NOON + HOUR)
    standings = judge([RESULT, signature], policy, store)
    assert standings[1].objection is not None
    assert standings[1].objection.code == code
    assert [finding.code for finding in unmet(standings, policy)] == ["policy.signers"]


@pytest.mark.parametrize(
    ("policy", "holds"),
    [
        (Policy(created_from=NOON), True),
        (Policy(created_until=NOON), True),
        (Policy(created_from=NOON, created_until=NOON), True),
        (Policy(created_from=NOON + timedelta(seconds=1)), False),
        (Policy(created_until=NOON - timedelta(seconds=1)), False),
    ],
)
def test_result_must_be_of_the_policys_time(policy: Policy, holds: bool) -> None:
    findings = unmet(judge([RESULT], policy, ALL), policy)
    assert ([] if holds else ["policy.created", "policy.signers"]) == [
        finding.code for finding in findings
    ]


def test_policys_keys_are_the_only_ones_that_count() -> None:
    policy = Policy(keys=frozenset([A, D]))
    signatures = [RESULT, reproduction(B), reproduction(D)]
    standings = judge(signatures, policy, ALL)
    assert [one.status for one in standings] == ["trusted", "unknown", "trusted"]
    assert standings[1].objection is not None
    assert "not one of the policy's" in standings[1].objection.message


def test_policy_that_names_a_revoked_key_does_not_revive_it() -> None:
    (standing,) = judge([RESULT], Policy(keys=frozenset([A])), revoking(A))
    assert standing.status == "revoked"
    assert standing.objection is not None
    assert "2026-11-25T12:00:00Z (stolen)" in standing.objection.message


SIGNATURES = st.lists(
    st.builds(
        reproduction,
        st.sampled_from([A, B, C, D]),
        st.sampled_from(["reproduced", "not reproduced"]),
        st.sampled_from([NOON, NOON + 2 * HOUR]),
    )
)


@given(SIGNATURES, st.sets(st.sampled_from([A, B, C, D])), st.sets(st.sampled_from([A, B, C, D])))
def test_no_key_counts_that_is_not_trusted_or_is_revoked(
    signatures: list[Signature], trusted: set[Digest], revoked: set[Digest]
) -> None:
    store = TrustStore(
        revoked={key: Revocation(key=key, revoked=NOON, reason="lost") for key in revoked}
    ).including(trusted)
    policy = Policy(created_until=NOON + HOUR)
    keys = counted(judge([RESULT, *signatures], policy, store))
    assert keys <= trusted - revoked
    within = [one for one in signatures if one.created <= NOON + HOUR]
    assert keys == (trusted - revoked) & {
        A,
        *(one.key for one in within if one.verdict == "reproduced"),
    } - {one.key for one in within if one.verdict != "reproduced" and one.key != A}


@given(SIGNATURES, st.integers(1, 4))
def test_one_who_has_reproduced_it_more_never_makes_a_met_policy_unmet(
    signatures: list[Signature], signers: int
) -> None:
    policy, more = Policy(signers=signers), reproduction(B, "reproduced", NOON)
    if not unmet(judge([RESULT, *signatures], policy, ALL), policy):
        assert not unmet(judge([RESULT, more, *signatures], policy, ALL), policy)


@given(SIGNATURES, st.integers(1, 4))
def test_one_who_has_not_reproduced_it_never_makes_an_unmet_policy_met(
    signatures: list[Signature], signers: int
) -> None:
    policy, more = Policy(signers=signers), reproduction(B, "not reproduced", NOON)
    if unmet(judge([RESULT, *signatures], policy, ALL), policy):
        assert unmet(judge([RESULT, more, *signatures], policy, ALL), policy)
