"""Records of calls, for the communication log of a payment. Scrubbed when made.

Only members that are known to be harmless keep their value, and only if it has the form
of an id, a word, an amount or a time. Anything else, known or not, becomes ``MASK``. So
a card, a security code, a token, a name or an address is never in a record, wherever
Nexi echoes it. Records hold no reference to what was sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nexi_payments.pan_scanner import contains_card_number

MASK: Final = "•••"
#: Characters of a body, and of the log of one operation. The oldest calls go first.
MAX_BODY: Final = 2000
MAX_LOG: Final = 8000
#: Entries of a list. A longer one is only counted: it would exceed ``MAX_BODY``, and a
#: payment with many operations would cost more.
_MAX_ITEMS: Final = 3
_MAX_MEMBERS: Final = 40
_MAX_DEPTH: Final = 6

#: Members with amounts: their value may look like a security code.
_AMOUNTS: Final = frozenset(
    {"amount", "operationAmount", "authorizedAmount", "capturedAmount"}
)
_KEPT: Final = _AMOUNTS | {
    *("orderId", "operationId", "cancelledOperationId", "contractId", "linkId"),
    *("currency", "operationCurrency", "captureType", "exemptions", "language"),
    *("operationType", "operationResult", "operationTime", "channel"),
    *("channelDetail", "paymentMethod", "paymentCircuit", "paymentService"),
    *("authorizationStatus", "authorizationCode", "rrn", "eci", "status", "version"),
    *("threeDSEnrollmentStatus", "lastOperationType", "lastOperationTime"),
    *("action", "actionType", "contractType", "code"),
}
_NAME: Final = re.compile(r"[A-Za-z]{1,40}", re.ASCII)
_BETWEEN_WORDS: Final = re.compile(r"[^0-9A-Za-z]+", re.ASCII)
_VALUE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_:.+ -]{0,63}", re.ASCII)
#: Nexi's ids, which may look like card numbers.
_ID: Final = re.compile(
    r"[0-9]{18}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII
)
_AMOUNT: Final = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)
#: Digits of a security code or an expiry date.
_LONGEST_CODE: Final = 4
#: A shorter value has no card number.
_SHORT: Final = 12


@dataclass
class CallRecord:
    """One call. ``result`` is the HTTP status, or the class of the error, with the
    status if there was one. ``request`` and ``response`` are scrubbed; ``None`` is no
    body.
    """

    method: str
    path: str
    at: datetime
    result: str = ""
    milliseconds: int = 0
    request: Any = None
    response: Any = None


_recorder: ContextVar[list[CallRecord] | None] = ContextVar(
    "nexi_recorder", default=None
)


@contextmanager
def recording(*, active: bool = True) -> Iterator[list[CallRecord]]:
    """Collects the calls of the block. Not ``active``: none is recorded."""
    calls: list[CallRecord] = []
    token = _recorder.set(calls if active else None)
    try:
        yield calls
    finally:
        _recorder.reset(token)


def begin(method: str, path: str) -> CallRecord | None:
    """A record of a call that starts now; ``None`` if nobody collects them."""
    calls = _recorder.get()
    if calls is None:
        return None
    record = CallRecord(method, path, datetime.now(UTC))
    calls.append(record)
    return record


class BodyLog:
    """Writes the bodies of one call into its record, scrubbed. Never raises. Without a
    record it does nothing.

    It keeps the card of the request to recognize it in the response: use it inside
    the transport only, and drop it.
    """

    __slots__ = ("_record", "_secrets")

    def __init__(self, record: CallRecord | None) -> None:
        self._record = record
        self._secrets: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return "BodyLog(…)"

    def add_request(self, body: Mapping[str, Any]) -> None:
        if self._record is None:
            return
        card = body.get("card")
        if isinstance(card, Mapping):
            self._secrets = frozenset(str(one) for one in card.values() if one)
        self._record.request = self._limited(body)

    def add_response(self, body: Any) -> None:
        """``body`` is parsed JSON; any other object stands for what is no JSON."""
        if self._record is not None:
            self._record.response = self._limited(body)

    def _limited(self, body: Any) -> Any:
        try:
            scrubbed = self._scrub(body, "", 0)
            text = json.dumps(scrubbed, ensure_ascii=False)
        except Exception:
            return MASK
        return scrubbed if len(text) <= MAX_BODY else f"({len(text)} characters)"

    def _scrub(self, value: Any, name: str, depth: int) -> Any:
        if isinstance(value, Mapping):
            if depth >= _MAX_DEPTH or name in ("card", "customerInfo"):
                return MASK
            return {
                self._name(key): self._scrub(one, key, depth + 1)
                for key, one in list(value.items())[:_MAX_MEMBERS]
            }
        if isinstance(value, list):
            if depth >= _MAX_DEPTH:
                return MASK
            if len(value) > _MAX_ITEMS:
                return f"({len(value)} entries)"
            return [self._scrub(one, name, depth + 1) for one in value]
        if value is None or value == "" or isinstance(value, bool):
            return value
        return value if name in _KEPT and self._is_harmless(name, value) else MASK

    def _name(self, key: Any) -> str:
        text = str(key)
        return text if _NAME.fullmatch(text) else MASK

    def _is_harmless(self, name: str, value: Any) -> bool:
        text = str(value)
        if name in _AMOUNTS:
            return bool(_AMOUNT.fullmatch(text))
        if not _VALUE.fullmatch(text) or self._shows_secret(text):
            return False
        if len(text) <= _SHORT or _ID.fullmatch(text):
            return True
        return not contains_card_number(text)

    def _shows_secret(self, text: str) -> bool:
        """Whether a text has the card's number, or its code as a word of its own: ids
        have these three digits by chance.
        """
        for secret in self._secrets:
            if secret in text and (
                len(secret) > _LONGEST_CODE or secret in _BETWEEN_WORDS.split(text)
            ):
                return True
        return False


# -- the log of an operation -----------------------------------------------------------


def appended(log: str, calls: list[CallRecord] | tuple[CallRecord, ...]) -> str:
    """``log`` with more calls, at most ``MAX_LOG`` characters. It is JSON; "" is empty.

    Of a log that is too long the oldest calls lose their bodies, then are dropped.
    """
    entries = entries_of(log) + [_entry(call) for call in calls]
    text = _dumped(entries)
    for index in range(len(entries)):
        if len(text) <= MAX_LOG:
            break
        entries[index] |= {"request": None, "response": None}
        text = _dumped(entries)
    while len(text) > MAX_LOG:
        entries = entries[1:]
        text = _dumped(entries)
    return text


def entries_of(log: str) -> list[dict[str, Any]]:
    """The calls of a log, oldest first: ``at`` (ISO 8601, UTC), ``method``, ``path``,
    ``result``, ``ms``, ``request``, ``response``. What cannot be read is left out.
    """
    try:
        found = json.loads(log) if log else []
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)]


def _entry(call: CallRecord) -> dict[str, Any]:
    return {
        "at": call.at.isoformat(timespec="milliseconds"),
        "method": call.method,
        "path": call.path,
        "result": call.result,
        "ms": call.milliseconds,
        "request": call.request,
        "response": call.response,
    }


def _dumped(entries: list[dict[str, Any]]) -> str:
    if not entries:
        return ""
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
