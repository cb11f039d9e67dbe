"""Run one job: `python -m specseal.client --in DIR --out DIR --port N`.

Exit codes: 0 the job is done, 2 its folders or flags are wrong, 4 it failed (`status.json` and
stderr say why; without a `status.json`, stderr alone).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from specseal.client.errors import ClientError, JobFailed
from specseal.client.job import read_job
from specseal.client.output import Output
from specseal.client.run import run_job


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m specseal.client")
    parser.add_argument("--in", dest="input", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", dest="output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--port", type=int, required=True, help="the server's, on the loopback")
    options = parser.parse_args(arguments)
    try:
        job = read_job(options.input)
        status = asyncio.run(run_job(job, Output(options.output), port=options.port))
        if status.reason:
            raise JobFailed(status.reason)
    except ClientError as error:
        sys.stderr.write(f"specseal client: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
