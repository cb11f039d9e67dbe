"""The bundle: seal a run, verify a folder, keep the keys, show what is in it."""

from specseal.bundle.beside import beside
from specseal.bundle.contents import SealInputs
from specseal.bundle.drawing import FORMATS, render
from specseal.bundle.keys import (
    PublicKey,
    Signer,
    create_key,
    create_trusted_key,
    load_signer,
    read_public_key,
    trust,
    trusted_keys,
)
from specseal.bundle.outcome import demand_outcome
from specseal.bundle.query import Answer, query
from specseal.bundle.recompute import Contents
from specseal.bundle.seal import seal
from specseal.bundle.table import GROUPINGS, summarise
from specseal.bundle.verify import Check, Report, open_bundle, verify

__all__ = [
    "FORMATS", "GROUPINGS", "Answer", "Check", "Contents", "PublicKey", "Report", "SealInputs",
    "Signer", "beside", "create_key", "create_trusted_key", "demand_outcome", "load_signer",
    "open_bundle", "query", "read_public_key", "render", "seal", "summarise", "trust",
    "trusted_keys", "verify",
]  # fmt: skip
