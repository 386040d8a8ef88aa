"""Counters of each process, figures looked up at each scrape."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from prometheus_client import CollectorRegistry

from nexi_payments import metrics, telemetry
from nexi_payments.flows.ledger import discrepancies
from nexi_payments.models import Event, QueuedRefund
from nexi_payments.models.bookkeeping import Heartbeat
from nexi_payments.simulator import Reply, Simulator
from tests.support.fault_injection import database_fails
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.in_doubt import payment_in_doubt
from tests.support.outbox import write_due_events
from tests.support.queued_refunds import enqueue_and_die
from tests.support.shopper import Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]


ROOT = Path(__file__).resolve().parents[2]


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    body, kind = metrics.exposition(registry)
    assert kind.startswith("text/plain")
    rows = (row.rpartition(" ") for row in body.decode().splitlines())
    return {name: float(value) for name, _, value in rows if name[:1] != "#"}


def test_transitions_and_calls_are_counted(
    registry: CollectorRegistry, shopper: Shopper, gateway: Simulator
) -> None:
    shopper.pay(new_order())
    gateway.next_reply("/orders/3steps/init", Reply(400))
    shopper.submit_card(new_order())
    found = scraped(registry)
    name = "nexi_payments_transitions_total"
    labels = 'channel="shop",from_state="paying",terminal="default",to_state="paid"'
    assert found[f"{name}{{{labels}}}"] == 1
    calls = 'nexi_payments_gateway_calls_total{endpoint="POST /orders/3steps/init"'
    assert found[f'{calls},outcome="Reply"}}'] == 1
    assert found[f'{calls},outcome="Rejected"}}'] == 1
    count = "nexi_payments_gateway_seconds_count"
    assert found[f'{count}{{endpoint="POST /orders/3steps/init"}}'] == 2


def test_what_waits_is_looked_up_at_each_scrape(
    registry: CollectorRegistry, shopper: Shopper
) -> None:
    before = scraped(registry)
    assert before["nexi_payments_orders_in_doubt"] == 0
    assert before["nexi_payments_reconcile_age_seconds"] == float("inf")
    order = payment_in_doubt(shopper)
    discrepancies.record(order, "mismatch", "1250", "1251")
    Heartbeat.objects.create(name="reconcile", ended_at=timezone.now())
    found = scraped(registry)
    assert found["nexi_payments_orders_in_doubt"] == 1
    assert found["nexi_payments_orders_under_review"] == 0
    assert found["nexi_payments_discrepancies"] == 1
    assert found["nexi_payments_undelivered_events"] == 0
    assert 0 <= found["nexi_payments_reconcile_age_seconds"] < 60
    assert found["nexi_payments_database_up"] == 1


def test_an_open_page_at_nexi_is_no_charge_in_doubt(
    registry: CollectorRegistry, gateway: Simulator, settings: Any
) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    buyer = HostedShopper(gateway)
    order = buyer.go(new_order(terminal="methods"))
    found = scraped(registry)
    assert found["nexi_payments_open_hosted_pages"] == 1
    assert found["nexi_payments_orders_in_doubt"] == 0
    buyer.act(order)
    assert scraped(registry)["nexi_payments_open_hosted_pages"] == 0


def test_refunds_that_wait_to_be_sent(
    registry: CollectorRegistry, shopper: Shopper
) -> None:
    found = scraped(registry)
    assert found["nexi_payments_queued_refunds"] == 0
    assert found["nexi_payments_queued_refund_age_seconds"] == 0
    order = shopper.pay(new_order())
    old = enqueue_and_die(order, "5.00")
    enqueue_and_die(order, "1.00")
    since = timezone.now() - timedelta(hours=2)
    QueuedRefund.objects.filter(pk=old.pk).update(created_at=since)
    found = scraped(registry)
    assert found["nexi_payments_queued_refunds"] == 2
    assert 7200 <= found["nexi_payments_queued_refund_age_seconds"] < 7260


def test_an_event_that_waits_for_its_next_attempt_is_undelivered(
    registry: CollectorRegistry,
) -> None:
    now, name = timezone.now(), "nexi_payments_undelivered_events"
    [event, _] = write_due_events([new_order(), new_order()], 1)
    assert scraped(registry)[name] == 0  # the writing process may still deliver it
    row = Event.objects.filter(pk=event.pk)
    row.update(created_at=now - timedelta(minutes=2), attempts=5)
    for due in (now - timedelta(hours=1), now + timedelta(hours=1)):
        row.update(deliver_at=due)
        assert scraped(registry)[name] == 1
    row.update(deliver_at=None)
    assert scraped(registry)[name] == 0


def test_counters_are_shown_without_a_database(registry: CollectorRegistry) -> None:
    telemetry.publish(telemetry.GatewayRequest("GET /orders", "NotSent", 0.1))
    with database_fails("SELECT"):
        found = scraped(registry)
    assert found["nexi_payments_database_up"] == 0
    assert "nexi_payments_discrepancies" not in found
    unsent = 'endpoint="GET /orders",outcome="NotSent"'
    assert found[f"nexi_payments_gateway_calls_total{{{unsent}}}"] == 1


def test_many_processes_are_added_up(tmp_path: Path) -> None:
    """prometheus-client decides at its import, so in processes of their own."""
    program = (
        "import sys, django; django.setup()\n"
        "from nexi_payments import metrics, telemetry\n"
        "metrics.start()\n"
        "metrics.BacklogCollector.collect = lambda self: ()\n"
        "telemetry.publish(telemetry.Transition('paying', 'paid', 'shop', 'default'))\n"
        "sys.stdout.write(metrics.exposition()[0].decode())\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    for count in (1, 2):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        row = re.search(r"^nexi_payments_transitions_total\{.*\} (.*)$", done.stdout, 8)
        assert row is not None
        assert float(row[1]) == count
