"""Metrics for Prometheus (the extra ``metrics``): call ``start()`` once a process, in
the ``ready()`` of an app of yours, and answer ``/metrics`` with ``exposition()``.

Counted in the process: state changes and gateway calls. Looked up in the database when
somebody scrapes: what waits. No label has a value from outside: states, channels,
names of terminals, path templates and classes of outcomes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Final

from django.db import Error
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

from nexi_payments import states, telemetry
from nexi_payments.models import Break, Event, LastPass, PaymentOrder

#: Seconds: a look-up takes 0.2, a charge a few, and ``TOTAL_TIMEOUT`` is 25.
_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0)
#: An event is another process's to deliver until then.
_OVERDUE: Final = timedelta(minutes=1)

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
            "Requests to Nexi: answered (Reply), Unsent, Refused or UnknownOutcome",
            ("endpoint", "outcome"),
            registry=registry,
        )
        self.seconds = Histogram(
            "nexi_payments_gateway_seconds",
            "How long a request to Nexi took",
            ("endpoint",),
            buckets=_SECONDS,
            registry=registry,
        )

    def count(self, fact: telemetry.Fact) -> None:
        if isinstance(fact, telemetry.Exchange):
            self.calls.labels(fact.endpoint, fact.outcome).inc()
            self.seconds.labels(fact.endpoint).observe(fact.seconds)
        else:
            self.transitions.labels(
                fact.source, fact.target, fact.channel, fact.terminal
            ).inc()


class Waiting(Collector):
    """Gauges from five queries on indexes. Every process would say the same: register
    it where Prometheus scrapes (``exposition`` does)."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            found = list(_gauges())
        except Error:
            found = []  # counters are worth a scrape without a database
        yield GaugeMetricFamily(
            "nexi_payments_database_up",
            "Whether the gauges of nexi_payments could be looked up",
            value=float(bool(found)),
        )
        yield from found

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing is looked up when it is registered."""
        return ()


def _gauges() -> Iterator[GaugeMetricFamily]:
    now = timezone.now()
    orders = PaymentOrder.objects.order_by()
    due = Event.objects.filter(deliver_at__lt=now - _OVERDUE)
    last = LastPass.objects.filter(name=LastPass.RECONCILE).first()
    for name, says, value in (
        (
            "orders_in_doubt",
            "Charges on their way, or of which nobody knows",
            orders.filter(state=states.PAYING).count(),
        ),
        (
            "orders_under_review",
            "Payments that a person has to decide about",
            orders.filter(state=states.REVIEW).count(),
        ),
        (
            "breaks",
            "Disagreements with Nexi that nobody has dealt with",
            Break.objects.filter(resolved_at__isnull=True).count(),
        ),
        ("undelivered_events", "Signals that no receiver took yet", due.count()),
        (
            "reconcile_age_seconds",
            "Since the last whole pass of nexi_reconcile; +Inf if there was none",
            (now - last.ended_at).total_seconds() if last else float("inf"),
        ),
    ):
        yield GaugeMetricFamily(f"nexi_payments_{name}", says, value=value)


def start(registry: CollectorRegistry = REGISTRY) -> None:
    """Begins to count. Called again, nothing changes."""
    if "counters" not in _started:
        counters = _started["counters"] = _Counters(registry)
        telemetry.listen(counters.count)


def exposition(registry: CollectorRegistry = REGISTRY) -> tuple[bytes, str]:
    """The body and the content type of ``/metrics``: ``registry``, and what waits.

    With ``PROMETHEUS_MULTIPROC_DIR`` the counters of all processes that share it are
    added up, a ``nexi_reconcile`` among them.
    """
    shown: Any = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
    else:
        shown.register(registry)
    shown.register(Waiting())
    return generate_latest(shown), CONTENT_TYPE_LATEST
