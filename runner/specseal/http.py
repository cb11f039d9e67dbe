"""How specseal speaks HTTP: a session that bounds and repeats, and answers read as streams.

It is made here and handed in, so that what uses it can be tried against a server on loopback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.exceptions import TimeoutError as TimedOut
from urllib3.util.retry import Retry

from specseal.connections import POOLS
from specseal.errors import MachineLacks, RegistryError

_RETRIED_STATUSES = (429, 500, 502, 503, 504)
# POST only opens an upload or asks for a token: done twice, it does no harm. PATCH carries bytes,
# which `persistently` sends from the start.
_REPEATED = ("GET", "HEAD", "PUT", "POST")
_LONGEST_WAIT_S = 30
_CHUNK_BYTES = 1 << 16

_T = TypeVar("_T")


class BrokenOff(MachineLacks):
    """What was being sent or received broke off half way: worth another attempt."""


class _BoundedAdapter(HTTPAdapter):
    """Send each request with our timeout and CA bundle, which requests has no session default for.

    A session's `verify` would lose against REQUESTS_CA_BUNDLE in the environment; here it wins.
    """

    def __init__(self, *, timeout_s: float, ca_bundle: Path | None, retries: Retry) -> None:
        self.retries = retries
        """What `asking` and `persistently` go by: urllib3 would read a failing answer whole."""
        self._timeout_s = timeout_s
        self._ca_bundle = ca_bundle
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pool of connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """Return the pool of connections by way of a proxy."""
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager

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


class _Session(requests.Session):
    """A session that follows nothing: requests would read the whole body of what leads on."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: it leads nowhere."""
        return None


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
        timeout_s: how long to wait for a connection, and between two pieces of an answer; twice as
            long for its headers.
    """
    retries = Retry(
        total=attempts - 1,
        backoff_factor=backoff_s,
        backoff_max=_LONGEST_WAIT_S,
        # A Retry-After of hours would look like a hang.
        retry_after_max=_LONGEST_WAIT_S,
    )
    session = _Session()
    adapter = _BoundedAdapter(timeout_s=timeout_s, ca_bundle=ca_bundle, retries=retries)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def persistently(session: requests.Session, url: str, attempt: Callable[[], _T]) -> _T:
    """Return what `attempt` does, tried again where it breaks off, as the session's retries say.

    Raises:
        BrokenOff: it broke off every time.
    """
    retries = _retries_of(session, url)
    while True:
        try:
            return attempt()
        except BrokenOff:
            again = _once_more(retries)
            if again is None:
                raise
            retries = again
            retries.sleep()


def _retries_of(session: requests.Session, url: str) -> Retry:
    adapter = session.get_adapter(url)
    return adapter.retries if isinstance(adapter, _BoundedAdapter) else Retry(0)


def _once_more(retries: Retry) -> Retry | None:
    """Return what is left after another attempt, or None where that would be one too many."""
    try:
        return retries.increment()
    except MaxRetryError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@contextmanager
def asking(
    session: requests.Session,
    method: str,
    url: str,
    *,
    what: str,
    headers: Mapping[str, str] | None = None,
    auth: AuthBase | None = None,
    query: Mapping[str, str] | None = None,
    data: bytes | IO[bytes] | Mapping[str, str] | None = None,
) -> Iterator[requests.Response]:
    """Send a request and yield its answer, whatever the status, its body not read yet.

    An answer that leads elsewhere is not followed: where to, and with what, is the caller's to say.

    Args:
        session: what to ask with.
        method: of HTTP.
        url: where to.
        what: who is asked for what, as errors should name it.
        headers: of the request.
        auth: what vouches for us; by default the request bears no credentials at all.
        query: parameters to add to the URL.
        data: the body; a file is streamed.

    Raises:
        BrokenOff: there was an answer, and it broke off; or what was sent as a file did.
        MachineLacks: there is no answer.
    """
    started = False
    try:
        with _send(
            session,
            method,
            url,
            # Unencoded, so that the bytes counted and hashed are the bytes sent.
            headers={"Accept-Encoding": "identity", **(headers or {})},
            auth=auth or Anonymous(),
            params=query,
            data=data,
        ) as response:
            started = True
            yield response
    except requests.RequestException as error:
        streamed = hasattr(data, "read")
        kind = BrokenOff if started or streamed else MachineLacks
        raise kind(
            f"{what} can't be reached: {_cause(error)}",
            mend="check the network, or name a mirror under [mirrors] in specseal.toml",
        ) from error


def _send(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
    """Return an answer, after as many attempts as the session's retries say.

    The body of an answer that makes for another attempt is not read.
    """
    retries = _retries_of(session, url)
    while True:
        response: requests.Response | None = None
        try:
            response = session.request(method, url, stream=True, **options)
            if response.status_code not in _RETRIED_STATUSES:
                return response
        except requests.exceptions.SSLError:
            raise
        except (requests.ConnectionError, requests.Timeout):
            if method not in _REPEATED or (again := _once_more(retries)) is None:
                raise
        else:
            if method not in _REPEATED or (again := _once_more(retries)) is None:
                return response
            response.close()
        retries = again
        retries.sleep(None if response is None else response.raw)


def read_body(response: requests.Response, *, what: str, limit_bytes: int) -> Answer:
    """Read a small document.

    Raises:
        RegistryError: it is too large.
        requests.RequestException: it breaks off.
    """
    body = bytearray()
    for chunk in chunks(response):
        body += chunk
        if len(body) > limit_bytes:
            raise RegistryError(f"{what} sent over {limit_bytes} bytes, the most that is read")
    return Answer(status=response.status_code, headers=response.headers, body=bytes(body))


def chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the bytes of an answer as they come."""
    yield from response.iter_content(_CHUNK_BYTES)


class Anonymous(AuthBase):
    """Send no credentials: never what a .netrc holds for that host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return request


class Bearer(AuthBase):
    """Send a token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Basic(HTTPBasicAuth):
    """Send a user's name and password."""

    def __init__(self, username: str, password: str) -> None:
        # As bytes, or requests would encode them as Latin-1.
        super().__init__(username.encode(), password.encode())


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
