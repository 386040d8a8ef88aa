"""One request, one verdict: the JSON of a 200, or exactly one kind of ``GatewayError``.

Closed by default: only the failures listed in ``_UNSENT`` count as "nothing left this
machine", only the statuses in ``_REFUSED`` as "the gateway said no"; anything else is
``UnknownOutcome``. Which failure means what was measured on sockets
(``tests/gateway/test_wire.py``).
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

import requests
from requests.adapters import BaseAdapter
from urllib3 import Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
)

from nexi_payments.exceptions import GatewayError, Refused, UnknownOutcome, Unsent
from nexi_payments.gateway.deadline import Call, Deadline, TooLate, watchdog
from nexi_payments.gateway.observing import observed
from nexi_payments.gateway.wire import enter, shared_adapter

#: A look-up of a busy order is some kilobytes; more than this is not an answer.
MAX_BODY: Final = 1024 * 1024

#: A complete answer with one of these ends the request: it is not in flight any more.
_REFUSED: Final = frozenset({400, 401, 403, 404, 405, 415, 422, 429})

#: Raised while a connection is being made, before a byte of the request could leave.
_UNSENT: Final = (
    NameResolutionError,
    NewConnectionError,
    ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)

#: What we pass on of an answer we know nothing else about: never a card sent back.
_TRACE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:-]{0,63}")
_CODE: Final = re.compile(r"[A-Z][A-Z_]{1,23}[0-9]{0,6}")


@dataclass(frozen=True)
class Reply:
    """A 200 whose body is JSON. ``cid`` is the gateway's trace id, ``date`` its clock
    as it stands in the header; "" when absent."""

    body: Any = field(repr=False)  # might be our own request, sent back
    status: int
    cid: str
    date: str = ""


class Transport:
    """Sends to one base URL with one key. Holds no state of its own between calls."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        adapter: BaseAdapter | None = None,
        connect_timeout: float = 5.0,
        keep_alive: float = 10.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.connect_timeout = connect_timeout
        self.keep_alive = keep_alive
        self._key = api_key
        self._adapter = adapter

    def exchange(
        self,
        method: str,
        path: str,
        *,
        deadline: Deadline,
        correlation_id: str,
        body: Callable[[], Mapping[str, Any]] | None = None,
        query: Mapping[str, str] | None = None,
        idempotency_key: str = "",
        order_id: str = "",
        bodiless: bool = False,
    ) -> Reply:
        """Sends once. ``path`` starts with a slash; ``body`` is called once, inside.
        ``order_id`` is for log and span; ``bodiless``: a 200 says all.

        Raises ``Unsent``, ``Refused`` or ``UnknownOutcome``. The error is raised here,
        outside every ``except`` and every frame that has seen the body, so that neither
        its context nor its traceback can show a card.
        """
        url = self.base_url + path + ("?" + urlencode(query) if query else "")
        outcome = observed(
            lambda: self._attempt(
                method,
                url,
                self._headers(correlation_id, idempotency_key),
                body,
                deadline,
                bodiless,
            ),
            method=method,
            path=path,
            correlation_id=correlation_id,
            order_id=order_id,
        )
        if isinstance(outcome, GatewayError):
            outcome.correlation_id = correlation_id
        if isinstance(outcome, Reply):
            return outcome
        raise outcome

    def _headers(self, correlation_id: str, idempotency_key: str) -> dict[str, str]:
        headers = {
            "X-Api-Key": self._key,
            "Correlation-Id": correlation_id,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return headers

    def _attempt(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Callable[[], Mapping[str, Any]] | None,
        deadline: Deadline,
        bodiless: bool = False,
    ) -> Reply | BaseException:
        """Never raises: what it caught comes back as a value, without its frames."""
        if deadline.remaining <= 0:
            return Unsent("no time left")
        call = Call(deadline.at, self.keep_alive)
        request = None
        try:
            request = self._prepared(method, url, headers, body)
            enter(call)
            watchdog().watch(call)
            return self._read(self._send(request, deadline), call, bodiless)
        except Exception as error:
            if request is None:  # our own mistake: nothing was even opened
                return Unsent(type(error).__name__)
            return _verdict(error, call)
        except BaseException as interruption:
            return _bare(interruption)
        finally:
            call.finish()
            enter(None)

    def _prepared(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Callable[[], Mapping[str, Any]] | None,
    ) -> requests.PreparedRequest:
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body(), separators=(",", ":")).encode()
        return requests.Request(method, url, headers=headers, data=data).prepare()

    def _send(
        self, request: requests.PreparedRequest, deadline: Deadline
    ) -> requests.Response:
        adapter = self._adapter or shared_adapter()
        left = max(deadline.remaining, 0.001)
        # the adapter alone: a Session would follow redirects with the body, keep
        # cookies and read proxies and bundles from the environment
        return adapter.send(
            request,
            stream=True,
            timeout=Timeout(connect=min(self.connect_timeout, left), read=left),  # type: ignore[arg-type]
            verify=True,
        )

    def _read(
        self, response: requests.Response, call: Call, bodiless: bool
    ) -> Reply | GatewayError:
        try:
            data = b""
            # until nothing comes: only then a body short of its length is an error
            while more := response.raw.read(
                MAX_BODY + 1 - len(data), decode_content=False
            ):
                data += more
        finally:
            response.close()
        status = response.status_code
        cid = response.headers.get("cid", "")
        cid = cid if _TRACE.fullmatch(cid) else ""
        if call.fired:
            # a cut in the headers looks like a complete answer
            return UnknownOutcome("deadline", status=status, cid=cid)
        if len(data) > MAX_BODY:
            return UnknownOutcome("body too large", status=status, cid=cid)
        if status in (200, 201):
            parsed = None if bodiless else parse(data)
            if parsed is _NOTHING:
                return UnknownOutcome("body is not JSON", status=status, cid=cid)
            return Reply(parsed, status, cid, response.headers.get("Date", ""))
        return _refusal(status, data, cid, response.headers.get("Retry-After", ""))


_NOTHING: Final = object()  # told apart from a JSON null


def parse(data: bytes) -> Any:
    """Strict JSON: no BOM, no NaN, no member twice. ``_NOTHING`` for anything else."""
    try:
        return json.loads(
            data.decode("utf-8"),
            parse_constant=_not_json,
            object_pairs_hook=_members,
        )
    except (ValueError, RecursionError):
        return _NOTHING


def _not_json(constant: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice: which one is meant is anyone's guess")
    return members


def _refusal(status: int, data: bytes, cid: str, retry_after: str) -> GatewayError:
    kind = Refused if status in _REFUSED else UnknownOutcome
    seconds = retry_after.strip()
    return kind(
        "refused" if kind is Refused else "unexpected status",
        status=status,
        cid=cid,
        codes=_codes(parse(data)),
        retry_after=float(seconds) if seconds.isascii() and seconds.isdigit() else None,
    )


def _codes(body: Any) -> tuple[str, ...]:
    """The gateway's error codes; ``errors`` may be missing, empty or odd."""
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, list):
        return ()
    found = (error.get("code") for error in errors[:10] if isinstance(error, dict))
    return tuple(c for c in found if isinstance(c, str) and _CODE.fullmatch(c))


def _verdict(error: Exception, call: Call) -> GatewayError:
    """Which kind of failure, told by the innermost cause and by what had left."""
    cause = _innermost(error)
    name = type(cause).__name__
    if isinstance(cause, TooLate):
        return Unsent("deadline")
    if call.fired:
        return UnknownOutcome("deadline")
    if call.sent:
        return UnknownOutcome(name)
    if isinstance(cause, _UNSENT):
        return Unsent(name)
    return UnknownOutcome(name)


def _innermost(error: BaseException) -> BaseException:
    """Unwraps requests → MaxRetryError → the reason."""
    inner = error
    for _ in range(5):
        deeper: BaseException | None = None
        if isinstance(inner, MaxRetryError):
            deeper = inner.reason
        if deeper is None and inner.args and isinstance(inner.args[0], BaseException):
            deeper = inner.args[0]
        if deeper is None:
            break
        inner = deeper
        if isinstance(inner, _UNSENT):
            break
    return inner


def _bare(interruption: BaseException) -> BaseException:
    """A worker being told to stop: passed on without the frames that hold the body."""
    interruption.__context__ = None
    return interruption.with_traceback(None)
