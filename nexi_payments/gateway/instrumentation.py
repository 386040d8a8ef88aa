"""Log line, telemetry fact, OpenTelemetry span and record of each gateway call.

They hold ids and class names only. The span needs the OpenTelemetry API.

Instrumentation of ``requests`` does not see these calls: it patches ``Session``, and we
use the adapter alone. No ``traceparent`` is sent to Nexi.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from nexi_payments import telemetry
from nexi_payments.gateway.communication import CallRecord

log = logging.getLogger("nexi_payments.gateway")
Outcome = TypeVar("Outcome")

#: Fixed path segments; any other segment is an id.
_PATH_SEGMENTS: Final = frozenset(
    {
        *("orders", "2steps", "3steps", "moto", "init", "validation", "payment"),
        *("operations", "captures", "refunds", "payment_methods"),
        *("mit", "card_verification", "cancels"),
        *("contracts", "customers", "deactivation"),
        *("hpp", "paybylink", "renewals"),
    }
)
_REPLY_CLASS: Final = "Reply"


def instrument_call(
    call: Callable[[], Outcome],
    *,
    method: str,
    path: str,
    correlation_id: str,
    order_id: str,
    record: CallRecord | None = None,
) -> Outcome:
    """Return the result of ``call``. ``call`` must not raise; nor does this.

    ``record`` gets result and duration.
    """
    endpoint = f"{method} {path_template(path)}"
    ids = {"nexi.correlation_id": correlation_id, "nexi.order_id": order_id}
    span = _start_span(endpoint, {**ids, "http.request.method": method})
    started = time.monotonic()
    outcome = call()
    seconds = time.monotonic() - started
    word = type(outcome).__name__
    status = getattr(outcome, "status", None)
    cid = getattr(outcome, "cid", "")
    if record is not None:
        failed = "" if word == _REPLY_CLASS else word
        record.result = " ".join(filter(None, (str(status or ""), failed)))
        record.milliseconds = round(seconds * 1000)
    if span is not None:
        _end_span(span, word, {"nexi.cid": cid, "http.response.status_code": status})
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
    telemetry.publish(telemetry.GatewayRequest(endpoint, word, seconds))
    return outcome


def path_template(path: str) -> str:
    """``/operations/7f3…/refunds`` → ``/operations/{id}/refunds``.

    Span names and metric labels then have few values, and no ids."""
    return "/".join(
        part if part in _PATH_SEGMENTS or not part else "{id}"
        for part in path.split("/")
    )


@functools.cache
def _otel_trace() -> Any:
    """Return ``opentelemetry.trace`` or ``None``. Imported at the first call only."""
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace


def _start_span(endpoint: str, ids: dict[str, str]) -> Any:
    """Start a client span "nexi POST /orders/moto", a child of the current span."""
    trace = _otel_trace()
    if trace is None:
        return None
    try:
        return trace.get_tracer("nexi_payments").start_span(
            f"nexi {endpoint}",
            kind=trace.SpanKind.CLIENT,
            attributes={key: value for key, value in ids.items() if value},
        )
    except Exception as error:  # a broken tracer must not cost a payment
        log.warning("span not started: %s", type(error).__name__)
        return None


def _end_span(span: Any, word: str, found: dict[str, Any]) -> None:
    """End the span. No exception is recorded: it would carry its traceback."""
    trace = _otel_trace()
    try:
        span.set_attribute("nexi.outcome", word)
        for key, value in found.items():
            if value:
                span.set_attribute(key, value)
        if word != _REPLY_CLASS:
            span.set_attribute("error.type", word)
            span.set_status(trace.Status(trace.StatusCode.ERROR))
        span.end()
    except Exception as error:
        log.warning("span not ended: %s", type(error).__name__)
