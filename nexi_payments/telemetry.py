"""What has just happened, for whoever counts: one fact a gateway call, one a state
change. Nobody listens unless somebody asked to (``metrics``), and then a fact costs one
call. Not the log: its level is the host's to choose, and a count must not depend on it.

Facts hold classes and names of a closed set, never ids, cards or people, so that any of
their members may become the label of a metric.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

log = logging.getLogger("nexi_payments.telemetry")


@dataclass(frozen=True)
class Exchange:
    """One request to the gateway. ``endpoint`` is "POST /orders/moto", ids left out;
    ``outcome`` is "Reply", or the name of the ``GatewayError``."""

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


Fact = Exchange | Transition

_listeners: Final[list[Callable[[Fact], object]]] = []


def listen(listener: Callable[[Fact], object]) -> None:
    """``listener`` is called in the thread of whoever pays: it must be quick."""
    if listener not in _listeners:
        _listeners.append(listener)


def forget(listener: Callable[[Fact], object]) -> None:
    if listener in _listeners:
        _listeners.remove(listener)


def tell(fact: Fact) -> None:
    """A listener that raises loses its fact; the payment goes on."""
    for listener in tuple(_listeners):
        try:
            listener(fact)
        except Exception as error:
            log.warning("a listener raised %s", type(error).__name__)
