"""In-process telemetry facts for metrics listeners: gateway requests, state changes.

There are no listeners by default (``metrics`` subscribes one). Facts are not taken from
logs: the host chooses the log level, and a count must not depend on it.

Facts contain classes and names of a closed set, never ids, cards or personal data. So
each of their members may be a metric label.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

log = logging.getLogger("nexi_payments.telemetry")


@dataclass(frozen=True)
class GatewayRequest:
    """One request to the gateway. ``endpoint`` is like "POST /orders/moto" (no ids);
    ``outcome`` is "Reply" or the class name of the ``GatewayError``.
    """

    endpoint: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Transition:
    """One committed change of a payment's state."""

    source: str
    target: str
    channel: str
    terminal: str


Fact = GatewayRequest | Transition

_listeners: Final[list[Callable[[Fact], object]]] = []


def subscribe(listener: Callable[[Fact], object]) -> None:
    """Adds a listener. It is called in the thread of the payment: it must be fast."""
    if listener not in _listeners:
        _listeners.append(listener)


def unsubscribe(listener: Callable[[Fact], object]) -> None:
    """Removes a listener, if it is subscribed."""
    if listener in _listeners:
        _listeners.remove(listener)


def publish(fact: Fact) -> None:
    """Calls every listener. One that raises is logged and skipped."""
    for listener in tuple(_listeners):
        try:
            listener(fact)
        except Exception as error:
            log.warning("a listener raised %s", type(error).__name__)
