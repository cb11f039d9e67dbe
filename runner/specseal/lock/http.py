"""How locking reaches the network: a session for container registries, and the model hub's client.

Both are made here and handed in, so that what uses them can be tried against a server on loopback
or an object that answers like the hub.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import TimeoutError as TimedOut
from urllib3.util.retry import Retry

from specseal.errors import LockError, MachineLacks

_RETRIED_STATUSES = (429, 500, 502, 503, 504)
_LONGEST_WAIT_S = 30


class _BoundedAdapter(HTTPAdapter):
    """Send each request with our timeout and CA bundle, which requests has no session default for.

    A session's `verify` would lose against REQUESTS_CA_BUNDLE in the environment; here it wins.
    """

    def __init__(self, *, timeout_s: float, ca_bundle: Path | None, retries: Retry) -> None:
        self._timeout_s = timeout_s
        self._ca_bundle = ca_bundle
        super().__init__(max_retries=retries)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request; a timeout of the caller's own wins over ours."""
        return super().send(
            request,
            stream=stream,
            timeout=self._timeout_s if timeout is None else timeout,
            verify=verify if self._ca_bundle is None else str(self._ca_bundle),
            cert=cert,
            proxies=proxies,
        )


def open_session(
    ca_bundle: Path | None = None,
    *,
    attempts: int = 4,
    backoff_s: float = 0.5,
    timeout_s: float = 30.0,
) -> requests.Session:
    """Return a session that tries again, a bounded number of times, where that may help.

    The last answer of a server that keeps failing is returned, not raised, so that the caller can
    say what it was.

    Args:
        ca_bundle: the certificate authorities to trust in place of the default ones.
        attempts: how often a request is sent in all, when the connection fails or the answer is
            429 or 5xx.
        backoff_s: the first wait between attempts; each further one is twice as long.
        timeout_s: how long to wait for a connection, and between two pieces of an answer.
    """
    retries = Retry(
        total=attempts - 1,
        redirect=5,
        status_forcelist=_RETRIED_STATUSES,
        backoff_factor=backoff_s,
        backoff_max=_LONGEST_WAIT_S,
        # A Retry-After of hours would look like a hang.
        retry_after_max=_LONGEST_WAIT_S,
        raise_on_status=False,
    )
    session = requests.Session()
    adapter = _BoundedAdapter(timeout_s=timeout_s, ca_bundle=ca_bundle, retries=retries)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def fetch(
    session: requests.Session,
    url: str,
    *,
    what: str,
    accept: str,
    limit_bytes: int,
    token: str | None = None,
    query: Mapping[str, str] | None = None,
) -> Answer:
    """Get a small document.

    Args:
        session: what to ask with.
        url: where it is.
        what: who is asked for what, as errors should name it.
        accept: media types, as the header has them.
        limit_bytes: the size over which an answer is refused.
        token: a bearer token; without one the request bears no credentials at all.
        query: parameters to add to the URL.

    Raises:
        LockError: the answer is too large.
        MachineLacks: there is no answer, or it breaks off.
    """
    # Unencoded, so that the bytes counted and hashed are the bytes sent.
    headers = {"Accept": accept, "Accept-Encoding": "identity"}
    body = bytearray()
    try:
        with session.get(
            url, headers=headers, auth=_Bearer(token), params=query, stream=True
        ) as response:
            for chunk in response.iter_content(1 << 16):
                body += chunk
                if len(body) > limit_bytes:
                    raise LockError(f"{what} sent over {limit_bytes} bytes, the most that is read")
            return Answer(status=response.status_code, headers=response.headers, body=bytes(body))
    except requests.RequestException as error:
        raise MachineLacks(
            f"{what} can't be reached: {_cause(error)}",
            mend="check the network, or name a mirror under [mirrors] in specseal.toml",
        ) from error


class _Bearer(AuthBase):
    """Send the token, or nothing: never what a .netrc holds for that host."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _cause(error: requests.RequestException) -> str:
    """Return what went wrong in a few words; requests' own text is a chain of reprs."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    # urllib3 derives "refused" and "no such host" from its connect timeout.
    timed_out = isinstance(reason, TimedOut) and not isinstance(reason, NewConnectionError)
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted (`ca_bundle` in specseal.toml says whom to trust)"
    if isinstance(error, requests.Timeout) or timed_out:
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "its answer broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__


class HubApi(Protocol):
    """What we call of the model hub's client. Source: `huggingface_hub.HfApi` 0.34 to 2.4."""

    def model_info(self, repo_id: str, *, revision: str | None, files_metadata: bool) -> Any:
        """Return an object with `sha` (the commit) and `siblings` (`rfilename`, `lfs.sha256`)."""

    def dataset_info(self, repo_id: str, *, revision: str | None) -> Any:
        """Return an object with `sha` (the commit)."""

    def hf_hub_download(
        self, repo_id: str, filename: str, *, revision: str, local_dir: Path
    ) -> str:
        """Download one file below `local_dir` and return its path."""


def open_hub() -> HubApi:
    """Return the hub's client; a token, where one is needed, it reads from the environment.

    Raises:
        MachineLacks: the optional dependency is not installed.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise hub_extra_missing("huggingface_hub") from error
    api: HubApi = HfApi()
    return api


def hub_extra_missing(module: str) -> MachineLacks:
    """Return the error for a part of the `hf` extra that is not installed."""
    return MachineLacks(
        f"`source: hf` needs the Python module {module}, which is not installed",
        mend="pip install 'specseal[hf]'",
    )


@contextmanager
def hub_failures(what: str) -> Iterator[None]:
    """Turn what the hub's libraries raise into one error about `what`.

    Raises:
        MachineLacks: the hub can't be reached, or has not got it for us.
    """
    try:
        yield
    except _hub_error_types() as error:
        # The first line names the trouble; what follows repeats URLs and advice for other tools.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MachineLacks(
            f"{what} can't be had from the hub: {reason}",
            mend="check the name, the revision and the network; a gated repository needs its terms "
            "accepted and a token in HF_TOKEN",
        ) from error


def commit_of(info: Any, what: str) -> str:
    """Return the commit that a revision of a hub repository stands for.

    Raises:
        LockError: the hub's answer holds no 40-hex-digit commit.
    """
    commit = info.sha
    if not isinstance(commit, str) or len(commit) != 40 or set(commit) - set("0123456789abcdef"):
        raise LockError(f"{what}: the hub names no commit for this revision, but {commit!r}")
    return commit


def _hub_error_types() -> tuple[type[Exception], ...]:
    # Before 1.0 all errors of the hub's client were OSErrors; those of its present HTTP library
    # are not, nor are some of the data set library's. Either may be absent where a test hands in
    # a client of its own.
    types: list[type[Exception]] = [OSError, ValueError]
    with suppress(ImportError):
        from huggingface_hub.errors import HTTPError

        types.append(HTTPError)
    with suppress(ImportError):
        from datasets.exceptions import DatasetsError

        types.append(DatasetsError)
    return tuple(types)
