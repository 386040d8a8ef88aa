"""Prometheus metrics (the extra ``metrics``).

Call ``start()`` once per process, in the ``ready()`` of an app of yours, and answer
``/metrics`` with ``exposition()``. State changes and gateway requests are counted in
the process; the backlog is read from the database at each scrape. Labels are states,
channels, terminal names, path templates and outcome classes, never external values.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Final

from django.db import Error
from django.db.models import Min
from django.utils import timezone
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from nexi_payments import telemetry
from nexi_payments.enums import OrderState
from nexi_payments.models import Discrepancy, Event, PaymentOrder, QueuedRefund
from nexi_payments.models.bookkeeping import Heartbeat

#: Seconds: an inquiry takes 0.2, a charge a few, ``TOTAL_TIMEOUT`` is 25.
_DURATION_BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0)
#: The writing process may still deliver a younger event.
_OVERDUE_AFTER: Final = timedelta(minutes=1)

_started: dict[str, _Counters] = {}


class _Counters:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.transitions = Counter(
            "nexi_payments_transitions",
            "Committed changes of a payment's state",
            ("from_state", "to_state", "channel", "terminal"),
            registry=registry,
        )
        self.calls = Counter(
            "nexi_payments_gateway_calls",
            "Requests to Nexi: answered (Reply), NotSent, Rejected or UnknownOutcome",
            ("endpoint", "outcome"),
            registry=registry,
        )
        self.durations = Histogram(
            "nexi_payments_gateway_seconds",
            "How long a request to Nexi took",
            ("endpoint",),
            buckets=_DURATION_BUCKETS,
            registry=registry,
        )

    def count(self, fact: telemetry.Fact) -> None:
        if isinstance(fact, telemetry.GatewayRequest):
            self.calls.labels(fact.endpoint, fact.outcome).inc()
            self.durations.labels(fact.endpoint).observe(fact.seconds)
        else:
            self.transitions.labels(
                fact.source, fact.target, fact.channel, fact.terminal
            ).inc()


class BacklogCollector(Collector):
    """Gauges from eight queries on indexes.

    Every process reports the same values: register it only where Prometheus scrapes
    (``exposition`` does).
    """

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            found = list(_backlog_gauges())
        except Error:
            found = []  # without a database the counters are still exposed
        yield GaugeMetricFamily(
            "nexi_payments_database_up",
            "Whether the gauges of nexi_payments could be read",
            value=float(bool(found)),
        )
        yield from found

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """No queries when the collector is registered."""
        return ()


def _backlog_gauges() -> Iterator[GaugeMetricFamily]:
    now = timezone.now()
    orders = PaymentOrder.objects.order_by()
    # those that are tried again later, too
    undelivered = Event.objects.filter(
        deliver_at__isnull=False, created_at__lt=now - _OVERDUE_AFTER
    )
    last = Heartbeat.objects.filter(name=Heartbeat.RECONCILE).first()
    queued = QueuedRefund.objects.order_by().filter(next_attempt_at__isnull=False)
    oldest = queued.aggregate(oldest=Min("created_at"))["oldest"]
    for name, says, value in (
        (
            "orders_in_doubt",
            "Charges under way or in doubt",
            orders.filter(state=OrderState.PAYING).count(),
        ),
        (
            "open_hosted_pages",
            "Attempts on Nexi's hosted page that are open, or wait for confirmation",
            orders.filter(state=OrderState.AWAITING_HOSTED_PAGE).count(),
        ),
        (
            "orders_under_review",
            "Payments under manual review",
            orders.filter(state=OrderState.REVIEW).count(),
        ),
        (
            "discrepancies",
            "Unresolved discrepancies with Nexi",
            Discrepancy.objects.filter(resolved_at__isnull=True).count(),
        ),
        (
            "undelivered_events",
            "Events that are undelivered for a minute or more",
            undelivered.count(),
        ),
        ("queued_refunds", "Queued refunds that are not sent yet", queued.count()),
        (
            "queued_refund_age_seconds",
            "How long the oldest of them waits; 0 if there is none",
            (now - oldest).total_seconds() if oldest else 0,
        ),
        (
            "reconcile_age_seconds",
            "Since the last complete pass of nexi_reconcile; +Inf if there was none",
            (now - last.ended_at).total_seconds() if last else float("inf"),
        ),
    ):
        yield GaugeMetricFamily(f"nexi_payments_{name}", says, value=value)


def start(registry: CollectorRegistry = REGISTRY) -> None:
    """Starts counting. Idempotent."""
    if "counters" not in _started:
        counters = _started["counters"] = _Counters(registry)
        telemetry.subscribe(counters.count)


def stop() -> None:
    """Stops counting. Idempotent."""
    if counters := _started.pop("counters", None):
        telemetry.unsubscribe(counters.count)


def exposition(registry: CollectorRegistry = REGISTRY) -> tuple[bytes, str]:
    """Body and content type of ``/metrics``: ``registry`` and the backlog.

    With ``PROMETHEUS_MULTIPROC_DIR`` the counters of all processes that share it,
    including ``nexi_reconcile``, are added up.
    """
    shown: Any = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
    else:
        shown.register(registry)
    shown.register(BacklogCollector())
    return generate_latest(shown), CONTENT_TYPE_LATEST
