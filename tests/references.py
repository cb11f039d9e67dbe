"""The reference bundles of the repository, and the keys that they are signed with."""

from __future__ import annotations

from pathlib import Path

_ARTIFACTS = Path(__file__).parents[1] / "artifacts"
REFERENCES = sorted(path.parent for path in _ARTIFACTS.glob("reference/*/*/MANIFEST.sha256"))
NAMES = [path.parent.name for path in REFERENCES]


def trusted_key(bundle: Path) -> Path:
    """The file of its signer's key: not the one in the bundle, but the one that is trusted here."""
    (beside,) = (bundle / "attestations" / "keys").iterdir()
    return _ARTIFACTS / "trusted_keys" / beside.name
