"""What can go wrong in a job, each class with the exit code of the process.

The client stands apart and can't use `specseal.errors`; `__main__` catches `ClientError` once,
writes its message to stderr and exits with the class's code.
"""

from __future__ import annotations


class ClientError(Exception):
    """Base: the message is one sentence for the person who reads the job's log."""

    exit_code = 4


class InputRefused(ClientError):
    """The job's folders are not what they should be; nothing was sent."""

    exit_code = 2


class JobFailed(ClientError):
    """The job can't go on; `status.json` carries the reason."""


class OutputFailed(ClientError):
    """A file under `out/` can't be written (disk full), so there is no `status.json` either."""


class ServerError(Exception):
    """One exchange with the server failed; the caller decides what that means for the job."""
