"""Notifications: what the gateway posts to a shop about a payment on its page.

A notification has no signature and no documented retry, and may come at any time. What
a test needs is here: before the return, after it, twice, late, never, and the false
ones of somebody who has found the address.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import threading
import urllib.error
import urllib.request
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

BEFORE: Final = "before"
AFTER: Final = "after"
TWICE: Final = "twice"
LATE: Final = "late"
NEVER: Final = "never"
#: a security token of its own: it says "paid"
FORGED: Final = "forged"
#: the right security token, but the operation of another order: it says "paid"
FOREIGN: Final = "foreign"
MODES: Final = (BEFORE, AFTER, TWICE, LATE, NEVER, FORGED, FOREIGN)

#: Takes URL, headers and body; returns the HTTP status of the shop's response.
Deliver = Callable[[str, Mapping[str, str], bytes], int]

#: As documented.
HEADERS: Final = {
    "Content-Type": "application/json",
    "User-Agent": "Apache-HttpClient/4.5.13 (Java/1.8.0_161)",
}
#: Notifications and deliveries that are kept; the oldest deliveries are dropped first.
_MAX_DELIVERIES: Final = 200
_TIMEOUT: Final = 10.0


@dataclass(frozen=True)
class Notification:
    """One POST. ``due`` is a time of the gateway's clock. URL and body are secrets.

    ``at_once``: before the shopper sees the outcome page."""

    order_id: str
    mode: str
    due: datetime
    at_once: bool
    url: str = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Delivery:
    """A notification that was sent, for tests and a demo to show. No token, no URL.

    ``order_id`` is that of the page, also if the notification names another.
    ``status`` is that of the response; 0 if there was none."""

    order_id: str
    operation_id: str
    result: str
    mode: str
    status: int
    at: datetime


def body(
    operation: Mapping[str, Any],
    security_token: str,
    event_id: str,
    moment: datetime,
) -> dict[str, Any]:
    utc = moment.astimezone(UTC)
    return {
        "eventId": event_id,
        "eventTime": utc.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "securityToken": security_token,
        "operation": dict(operation),
    }


def new_event_id() -> str:
    return str(uuid.uuid4())


def new_security_token() -> str:
    return secrets.token_hex(16)


def post_to_loopback(url: str, headers: Mapping[str, str], data: bytes) -> int:
    """Post to a shop on this machine; another address gets nothing (0)."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        return 0
    request = urllib.request.Request(url, data, dict(headers))  # noqa: S310
    # no proxy of the environment: the body holds a token
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def _is_loopback(hostname: str) -> bool:
    """ "localhost", a name below it, or a loopback address."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


class NotificationQueue:
    """Notifications that wait for their time, in memory only.

    None is delivered inside an API call: the shop waits for that call's response, and
    may be in the same thread. With ``in_background`` a thread of its own delivers them.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.deliver: Deliver = post_to_loopback
        self.in_background = False
        self._now = now
        self._waiting: list[Notification] = []
        self._deliveries: deque[Delivery] = deque(maxlen=_MAX_DELIVERIES)
        self._lock = threading.Lock()

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        with self._lock:
            return tuple(self._deliveries)

    @property
    def waiting(self) -> tuple[Notification, ...]:
        with self._lock:
            return tuple(self._waiting)

    def add(self, notification: Notification) -> None:
        with self._lock:
            self._waiting.append(notification)

    def settle(self, operation: Mapping[str, Any]) -> None:
        """Make the notification of an operation's end due now, with its result."""
        now = self._now()
        with self._lock:
            self._waiting = [
                replace(one, due=now, body={**one.body, "operation": dict(operation)})
                if _announces_end_of(one, operation["operationId"])
                else one
                for one in self._waiting
            ]

    def deliver_due(self, *, at_once: bool = False) -> int:
        """Deliver what is due, earliest first. Return how many.

        With ``at_once``, only what the outcome page waits for."""
        now = self._now()
        with self._lock:
            due = {
                number: one
                for number, one in enumerate(self._waiting)
                if one.due <= now and (one.at_once or not at_once)
            }
            self._waiting = [
                one for number, one in enumerate(self._waiting) if number not in due
            ]
        for one in sorted(due.values(), key=lambda found: found.due):
            self._send(one, now)
        return len(due)

    def deliver_in_background(self, seconds: float = 0) -> None:
        """With ``in_background``, deliver what is due, after so many real seconds."""
        now = self._now()
        if self.in_background and any(one.due <= now for one in self.waiting):
            timer = threading.Timer(seconds, self.deliver_due)
            timer.daemon = True
            timer.start()

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._deliveries.clear()

    def _send(self, one: Notification, now: datetime) -> None:
        try:
            status = self.deliver(one.url, HEADERS, json.dumps(one.body).encode())
        except Exception:  # an unreachable shop must not stop the gateway
            status = 0
        operation = one.body["operation"]
        with self._lock:
            self._deliveries.append(
                Delivery(
                    one.order_id,
                    operation["operationId"],
                    operation["operationResult"],
                    one.mode,
                    status,
                    now,
                )
            )


def _announces_end_of(one: Notification, operation_id: str) -> bool:
    about = one.body["operation"]
    return bool(
        about["operationId"] == operation_id and about["operationResult"] != "PENDING"
    )
