"""Run SPEED-Bench's official prepare step: its code by commit, its hub data set by revision.

Everything that is fetched comes over the network of this container, for the user who started it.
The code's files are taken out of git by ids that are computed here again from what came, so they
are those of the commit whatever the server sends. The step itself loads the data set's `main`,
which has changed in place before: it is given the revision.

Writes `speed/CONFIG/test.parquet`, as the step does, and `prepared.json`: what came from where.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import runpy
import stat
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import certifi

DATA_SET = "nvidia/SPEED-Bench"
STEP = "examples/specdec_bench"


def main() -> None:
    """Fetch the code, run the step for each configuration, and note what was fetched."""
    flags = argparse.ArgumentParser(prog="prepare.py", allow_abbrev=False)
    flags.add_argument("--repository", required=True, help="URL of the git repository")
    flags.add_argument("--commit", required=True, help="of the code")
    flags.add_argument("--revision", required=True, help="of the data set on the hub")
    flags.add_argument("--config", required=True, action="append")
    flags.add_argument("--out", required=True, type=Path)
    given = flags.parse_args()
    # This image has no certificates of its own system's.
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        os.environ.setdefault(name, certifi.where())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_HOME"] = f"{folder}/hub"
        step = fetch_step(given.repository, given.commit, Path(folder))
        print(f"fetched {STEP} at {given.commit}", flush=True)
        pin_data_set(given.revision)
        for config in given.config:
            run_step(step, config, given.out)
        sources = fetched_sources(Path(folder) / "hub" / "hub")
    note = {"code": given.commit, "data_set": given.revision, "sources": sources}
    (given.out / "prepared.json").write_text(json.dumps(note))


def fetch_step(repository: str, commit: str, folder: Path) -> Path:
    """Return the folder of the step's files, fetched from a git repository and checked."""
    from dulwich.client import get_transport_and_path
    from dulwich.config import ConfigDict
    from dulwich.repo import Repo

    trusted = ConfigDict()
    trusted.set((b"http",), b"sslCAInfo", os.environ["SSL_CERT_FILE"].encode())
    client, path = get_transport_and_path(repository, config=trusted)
    git = folder / "git"
    git.mkdir()
    with Repo.init_bare(str(git)) as store:
        client.fetch(path, store, determine_wants=lambda *_, **__: [commit.encode()], depth=1)
        tree = checked(store, commit.encode()).tree
        for part in PurePosixPath(STEP).parts:
            tree = checked(store, tree)[part.encode()][1]
        write_tree(store, tree, folder / "step")
    return folder / "step"


def write_tree(store: Any, tree: bytes, folder: Path) -> None:
    """Write the files of a git tree; links and submodules, of which the step has none, are left."""
    folder.mkdir()
    for name, mode, identity in checked(store, tree).iteritems():
        path = folder / name.decode()
        if path.parent != folder or path.name in ("", ".", ".."):
            raise SystemExit(f"{name!r} is no file name")
        if stat.S_ISDIR(mode):
            write_tree(store, identity, path)
        elif stat.S_ISREG(mode):
            path.write_bytes(checked(store, identity).as_raw_string())


def checked(store: Any, identity: bytes) -> Any:
    """Return a git object whose id was computed again from its bytes."""
    found = store[identity]
    content = found.as_raw_string()
    header = f"{found.type_name.decode()} {len(content)}\0".encode()
    computed = hashlib.sha1(header + content, usedforsecurity=False).hexdigest().encode()
    if computed != identity:
        raise SystemExit(f"git object {identity.decode()} has other content: {computed.decode()}")
    return found


def pin_data_set(revision: str) -> None:
    """Have SPEED-Bench loaded at a revision. Must come before the step is imported."""
    import datasets

    load = datasets.load_dataset

    def load_pinned(path: str, *args: Any, **named: Any) -> Any:
        if path == DATA_SET:
            named.setdefault("revision", revision)
        return load(path, *args, **named)

    datasets.load_dataset = load_pinned


def run_step(step: Path, config: str, out: Path) -> None:
    """Run the step's own program for one configuration."""
    sys.path[:0] = [str(step)]
    sys.argv = ["prepare_data.py", "--dataset", "speed", "--config", config]
    sys.argv += ["--output_dir", str(out)]
    runpy.run_path(str(step / "prepare_data.py"), run_name="__main__")


def fetched_sources(cache: Path) -> dict[str, list[str]]:
    """Return the commits of every data set that the hub's library has fetched, by name."""
    from huggingface_hub import scan_cache_dir

    if not cache.is_dir():
        return {}
    return {
        repo.repo_id: sorted(one.commit_hash for one in repo.revisions)
        for repo in sorted(scan_cache_dir(cache).repos, key=lambda repo: repo.repo_id)
    }


if __name__ == "__main__":
    main()
