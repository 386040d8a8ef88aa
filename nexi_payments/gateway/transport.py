"""Sends one request: the JSON of a 200, or exactly one ``GatewayError``.

Only the failures in ``_NOT_SENT_ERRORS`` mean that nothing left this machine. Only the
statuses in ``_REJECTED_STATUSES`` mean that the gateway rejected the request. Anything
else is ``UnknownOutcome``. ``tests/gateway/test_transport.py`` measures on sockets
which failure means what.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
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

from nexi_payments import strict_json
from nexi_payments.exceptions import GatewayError, NotSent, Rejected, UnknownOutcome
from nexi_payments.gateway import communication
from nexi_payments.gateway.communication import BodyLog, CallRecord
from nexi_payments.gateway.connections import set_current_call, shared_adapter
from nexi_payments.gateway.deadline import Call, Deadline, DeadlineExceeded, watchdog
from nexi_payments.gateway.instrumentation import instrument_call

#: Bytes. An order with many operations has some kilobytes.
MAX_BODY: Final = 1024 * 1024

#: A complete response with one of these is final: the request was not executed.
_REJECTED_STATUSES: Final = frozenset({400, 401, 403, 404, 405, 415, 422, 429})

#: Raised during connection set-up, before a byte of the request could leave.
_NOT_SENT_ERRORS: Final = (
    NameResolutionError,
    NewConnectionError,
    ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)

#: What we keep of an error response. A card number that is echoed does not match.
_CID_PATTERN: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:-]{0,63}")
_ERROR_CODE_PATTERN: Final = re.compile(r"[A-Z][A-Z_]{1,23}[0-9]{0,6}")


@dataclass(frozen=True)
class Reply:
    """A 200 with a JSON body. ``cid`` is the gateway's trace id, ``date`` its ``Date``
    header; "" if absent."""

    body: Any = field(repr=False)  # may echo our request
    status: int
    cid: str
    date: str = ""


class Transport:
    """Sends to one base URL with one API key. Keeps no state between calls."""

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
        ignore_body: bool = False,
    ) -> Reply:
        """Send the request once.

        ``path`` starts with a slash. ``body`` is called once. ``order_id`` is for log
        and span only. With ``ignore_body`` the body of a 200 is not parsed.

        Raises ``NotSent``, ``Rejected`` or ``UnknownOutcome``. It raises here, outside
        every ``except`` and every frame that has seen the body, so that neither the
        context nor the traceback of the error can show a card."""
        url = self.base_url + path + ("?" + urlencode(query) if query else "")
        record = communication.begin(method, path)
        outcome = instrument_call(
            lambda: self._attempt(
                method,
                url,
                self._headers(correlation_id, idempotency_key),
                body,
                deadline,
                ignore_body,
                record,
            ),
            method=method,
            path=path,
            correlation_id=correlation_id,
            order_id=order_id,
            record=record,
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
        ignore_body: bool = False,
        record: CallRecord | None = None,
    ) -> Reply | BaseException:
        """Return the reply or the error, without its frames. Never raises."""
        if deadline.remaining <= 0:
            return NotSent("no time left")
        call = Call(deadline.at, self.keep_alive)
        request = None
        log = BodyLog(record)
        try:
            request = self._prepare(method, url, headers, body, log)
            set_current_call(call)
            watchdog().watch(call)
            return self._read(self._send(request, deadline), call, ignore_body, log)
        except Exception as error:
            if request is None:  # an error of ours: no connection was opened
                return NotSent(type(error).__name__)
            return _classify_error(error, call)
        except BaseException as interruption:
            return _without_frames(interruption)
        finally:
            call.finish()
            set_current_call(None)

    def _prepare(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Callable[[], Mapping[str, Any]] | None,
        log: BodyLog,
    ) -> requests.PreparedRequest:
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            members = body()
            data = json.dumps(members, separators=(",", ":")).encode()
            log.add_request(members)
        return requests.Request(method, url, headers=headers, data=data).prepare()

    def _send(
        self, request: requests.PreparedRequest, deadline: Deadline
    ) -> requests.Response:
        adapter = self._adapter or shared_adapter()
        left = max(deadline.remaining, 0.001)
        # no Session: it would send the body to redirects, keep cookies, and read
        # proxies and CA bundles from the environment
        return adapter.send(
            request,
            stream=True,
            timeout=Timeout(connect=min(self.connect_timeout, left), read=left),  # type: ignore[arg-type]
            verify=True,
        )

    def _read(
        self,
        response: requests.Response,
        call: Call,
        ignore_body: bool,
        log: BodyLog,
    ) -> Reply | GatewayError:
        try:
            data = b""
            # read to the end: only then a body shorter than its length raises
            while more := response.raw.read(
                MAX_BODY + 1 - len(data), decode_content=False
            ):
                data += more
        finally:
            response.close()
        status = response.status_code
        cid = response.headers.get("cid", "")
        cid = cid if _CID_PATTERN.fullmatch(cid) else ""
        if call.timed_out:
            # an abort within the headers looks like a complete response
            return UnknownOutcome("deadline", status=status, cid=cid)
        if len(data) > MAX_BODY:
            return UnknownOutcome("body too large", status=status, cid=cid)
        if status in (200, 201):
            parsed = None if ignore_body else parse_json(data)
            log.add_response(parsed)
            if parsed is _INVALID_JSON:
                return UnknownOutcome("body is not JSON", status=status, cid=cid)
            return Reply(parsed, status, cid, response.headers.get("Date", ""))
        parsed = parse_json(data)
        log.add_response(parsed if data else None)
        return _error_for_status(
            status, parsed, cid, response.headers.get("Retry-After", "")
        )


_INVALID_JSON: Final = object()  # distinct from a JSON null


def parse_json(data: bytes) -> Any:
    """``strict_json.loads``, with ``_INVALID_JSON`` in place of its errors."""
    try:
        return strict_json.loads(data)
    except (ValueError, RecursionError):
        return _INVALID_JSON


def _error_for_status(
    status: int, parsed: Any, cid: str, retry_after: str
) -> GatewayError:
    kind = Rejected if status in _REJECTED_STATUSES else UnknownOutcome
    seconds = retry_after.strip()
    return kind(
        "rejected" if kind is Rejected else "unexpected status",
        status=status,
        cid=cid,
        codes=_error_codes(parsed),
        retry_after=float(seconds) if seconds.isascii() and seconds.isdigit() else None,
    )


def _error_codes(body: Any) -> tuple[str, ...]:
    """Return the gateway's error codes. ``errors`` may be missing or malformed."""
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, list):
        return ()
    found = (error.get("code") for error in errors[:10] if isinstance(error, dict))
    return tuple(
        c for c in found if isinstance(c, str) and _ERROR_CODE_PATTERN.fullmatch(c)
    )


def _classify_error(error: Exception, call: Call) -> GatewayError:
    """Return the error for a failure: by its root cause, and whether bytes had left."""
    cause = _root_cause(error)
    name = type(cause).__name__
    if isinstance(cause, DeadlineExceeded):
        return NotSent("deadline")
    if call.timed_out:
        return UnknownOutcome("deadline")
    if call.sent:
        return UnknownOutcome(name)
    if isinstance(cause, _NOT_SENT_ERRORS):
        return NotSent(name)
    return UnknownOutcome(name)


def _root_cause(error: BaseException) -> BaseException:
    """Unwrap requests → MaxRetryError → the reason."""
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
        if isinstance(inner, _NOT_SENT_ERRORS):
            break
    return inner


def _without_frames(interruption: BaseException) -> BaseException:
    """Return the interruption of a worker without the frames that hold the body."""
    interruption.__context__ = None
    return interruption.with_traceback(None)
