"""What is told of each gateway call, by ids and classes: a log line, a fact for whoever
counts, and a span of OpenTelemetry where its API is installed.

Instrumentation of ``requests`` sees nothing of ours: it patches ``Session``, and money
travels through the adapter alone. Nothing is told to Nexi: no ``traceparent`` is sent.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from nexi_payments import telemetry

log = logging.getLogger("nexi_payments.gateway")
Outcome = TypeVar("Outcome")

#: What a path is made of; any other segment is somebody's id.
_WORDS: Final = frozenset(
    {
        *("orders", "2steps", "3steps", "moto", "init", "validation", "payment"),
        *("operations", "captures", "refunds", "payment_methods"),
        *("mit", "card_verification", "cancels"),
        *("contracts", "customers", "deactivation"),
    }
)
_ANSWERED: Final = "Reply"


def observed(
    call: Callable[[], Outcome],
    *,
    method: str,
    path: str,
    correlation_id: str,
    order_id: str,
) -> Outcome:
    """What ``call`` gives; it never raises, and neither does anything here."""
    endpoint = f"{method} {template(path)}"
    ids = {"nexi.correlation_id": correlation_id, "nexi.order_id": order_id}
    span = _begun(endpoint, {**ids, "http.request.method": method})
    started = time.monotonic()
    outcome = call()
    seconds = time.monotonic() - started
    word = type(outcome).__name__
    status = getattr(outcome, "status", None)
    cid = getattr(outcome, "cid", "")
    if span is not None:
        _end(span, word, {"nexi.cid": cid, "http.response.status_code": status})
    log.info(
        "%s %s %s %s %d ms",
        method,
        path,
        status or "-",
        getattr(outcome, "cause", word),
        seconds * 1000,
        extra={
            "endpoint": endpoint,
            "outcome": word,
            "http_status": status,
            "milliseconds": round(seconds * 1000),
            "correlation_id": correlation_id,
            "order_id": order_id,
            "cid": cid,
        },
    )
    telemetry.tell(telemetry.Exchange(endpoint, word, seconds))
    return outcome


def template(path: str) -> str:
    """``/operations/7f3…/refunds`` → ``/operations/{id}/refunds``: one of a few, and
    no id in a span's name or a metric's label."""
    return "/".join(
        part if part in _WORDS or not part else "{id}" for part in path.split("/")
    )


@functools.cache
def _trace() -> Any:
    """``opentelemetry.trace``, or ``None``; looked for at the first call only."""
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace


def _begun(endpoint: str, ids: dict[str, str]) -> Any:
    """A client span "nexi POST /orders/moto", a child of the host's current one."""
    trace = _trace()
    if trace is None:
        return None
    try:
        return trace.get_tracer("nexi_payments").start_span(
            f"nexi {endpoint}",
            kind=trace.SpanKind.CLIENT,
            attributes={key: value for key, value in ids.items() if value},
        )
    except Exception as error:  # a broken tracer must not cost a payment
        log.warning("no span: %s", type(error).__name__)
        return None


def _end(span: Any, word: str, found: dict[str, Any]) -> None:
    """No exception is recorded: a recorded one comes with its traceback."""
    trace = _trace()
    try:
        span.set_attribute("nexi.outcome", word)
        for key, value in found.items():
            if value:
                span.set_attribute(key, value)
        if word != _ANSWERED:
            span.set_attribute("error.type", word)
            span.set_status(trace.Status(trace.StatusCode.ERROR))
        span.end()
    except Exception as error:
        log.warning("a span was lost: %s", type(error).__name__)
