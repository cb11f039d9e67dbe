"""Time questions over many bundles: `python -m benchmarks.query BUNDLE`, from the repository.

The bundle is copied so many times, each copy with a line of its own in its README, and signed again
by a key that is thrown away. Each question is asked in a process of its own, as a user would.
Nothing here decides a test.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from specseal.bundle import Signer, open_bundle
from specseal.bundle.envelope import unwrap, wrap
from specseal.bundle.keys import read_public_key
from specseal.bundle.layout import KEYS, RESULT_ATTESTATION
from specseal.bundle.manifest import MANIFEST, parse_manifest, render_manifest
from specseal.bundle.statement import read_result_statement
from specseal.digests import sha256_bytes

QUESTIONS = (
    "SELECT engine, method, count(*) FROM bundles GROUP BY ALL",
    "SELECT speculation, avg(output_tokens), max(len(chunk_ns)) FROM records GROUP BY ALL",
    "SELECT engine, avg(r.output_tokens) FROM bundles JOIN records r USING (bundle) GROUP BY ALL",
    "SELECT speculation, avg(value) FROM metrics WHERE name = 'tpot_p50' AND valid GROUP BY ALL",
)


def main() -> None:
    """Make the bundles, ask, print what that took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.query", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--copies", type=int, default=1000)
    arguments = parser.parse_args()
    contents = open_bundle(arguments.bundle)
    requests = sum(len(phase.records) for job in contents.run.jobs for phase in job.phases)
    print(f"python {platform.python_version()}, {platform.machine()}; {arguments.copies} bundles")
    print(f"of {requests} requests and {len(contents.result.metrics)} metrics each")
    print("| seconds | question |\n| ---: | --- |")
    with tempfile.TemporaryDirectory() as folder:
        _copy(arguments.bundle, Path(folder), arguments.copies)
        for question in QUESTIONS:
            command = [
                sys.executable,
                "-c",
                "from specseal.cli import main; main()",
                "query",
                question,
                folder,
            ]
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(f"| {time.perf_counter() - began:.1f} | `{question}` |", flush=True)


def _copy(bundle: Path, folder: Path, copies: int) -> None:
    signer = Signer(ec.generate_private_key(ec.SECP256R1()))
    listed = parse_manifest((bundle / MANIFEST).read_bytes())
    (key,) = (bundle / KEYS).iterdir()
    payload = unwrap(
        (bundle / RESULT_ATTESTATION).read_bytes(), path="result", key=read_public_key(key)
    )
    identity = sha256_bytes((bundle / MANIFEST).read_bytes())
    statement = read_result_statement(payload, manifest=identity, now=datetime.now(UTC))
    for number in range(copies):
        copy = Path(shutil.copytree(bundle, folder / str(number)))
        with (copy / "README.md").open("ab") as file:
            file.write(f"\n{number}\n".encode())
        digest = sha256_bytes((copy / "README.md").read_bytes())
        manifest = render_manifest({**listed, "README.md": digest})
        (copy / MANIFEST).write_bytes(manifest)
        signed = wrap(statement.to_bytes(sha256_bytes(manifest)), signer)
        (copy / RESULT_ATTESTATION).write_bytes(signed)
        shutil.rmtree(copy / KEYS)
        (copy / KEYS).mkdir()
        (copy / KEYS / f"{signer.public.digest}.pem").write_bytes(signer.public.pem)


if __name__ == "__main__":
    main()
