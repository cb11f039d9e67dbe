"""The bundle: seal a run, verify a folder, keep the keys, show what is in it."""

from specseal.bundle.adding import add_reproduction, add_timestamp
from specseal.bundle.additions import Additions
from specseal.bundle.claims import CLAIMED, Claiming, claim_results
from specseal.bundle.contents import SealInputs
from specseal.bundle.index import make_index
from specseal.bundle.keys import PublicKey, Signer, create_key, load_signer, read_public_key
from specseal.bundle.outcome import demand_outcome
from specseal.bundle.policy import Policy, load_policy
from specseal.bundle.published import write_schemas
from specseal.bundle.query import Answer, query
from specseal.bundle.recompute import Contents
from specseal.bundle.report import Check, Report
from specseal.bundle.reproduction import (
    VERDICTS,
    Attestation,
    ReproductionStatement,
    Verdict,
    attest_reproduction,
)
from specseal.bundle.seal import seal
from specseal.bundle.store import (
    Revocation,
    TrustStore,
    create_trusted_key,
    read_store,
    revoke,
    trust,
    trusted_keys,
    user_store,
)
from specseal.bundle.table import summarise
from specseal.bundle.times import parse_time
from specseal.bundle.verify import Trust, open_bundle, verify

__all__ = [
    "CLAIMED", "VERDICTS", "Additions", "Answer", "Attestation", "Check", "Claiming", "Contents",
    "Policy", "PublicKey", "Report", "ReproductionStatement", "Revocation", "SealInputs", "Signer",
    "Trust", "TrustStore", "Verdict", "add_reproduction", "add_timestamp", "attest_reproduction",
    "claim_results", "create_key", "create_trusted_key", "demand_outcome", "load_policy",
    "load_signer", "make_index", "open_bundle", "parse_time", "query", "read_public_key",
    "read_store", "revoke", "seal", "summarise", "trust", "trusted_keys", "user_store", "verify",
    "write_schemas",
]  # fmt: skip
