"""Run one job: `python -m specseal.client --in DIR --out DIR (--port N | --url URL)`.

Exit codes: 0 the job is done, 2 its folders or flags are wrong, 4 it failed (`status.json` and
stderr say why; without a `status.json`, stderr alone).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from specseal.client.arguments import parse
from specseal.client.errors import ClientError, JobFailed
from specseal.client.job import read_job
from specseal.client.output import Output
from specseal.client.run import run_job
from specseal.client.server import allow_open_files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return the process's exit code."""
    allow_open_files()
    try:
        given = parse(arguments)
        job, output = read_job(given.input), Output(given.output)
        status = asyncio.run(run_job(job, output, given.address, arguments=given.given))
        if status.reason:
            raise JobFailed(status.reason)
    except ClientError as error:
        sys.stderr.write(f"specseal client: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
