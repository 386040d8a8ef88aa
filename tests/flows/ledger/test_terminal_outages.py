"""An outage begins when Nexi rejects the key itself, not one request."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.card import Card
from nexi_payments.enums import OperationKind, OrderState, Reason
from nexi_payments.exceptions import Rejected
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import LAG, payment_in_doubt, time_travel
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

PROBE = "GET /payment_methods"
LOGGER = "nexi_payments.terminal_outages"


def client() -> Client:
    return conf.client(conf.current().terminal("default"))


def reject(seconds: float = 25.0) -> None:
    """A request of an order was answered 401, with so many seconds left."""
    terminal_outages.check_key("default", 401, client(), Deadline(seconds))


def said(caplog: Any) -> list[tuple[int, str]]:
    return [(one.levelno, one.getMessage()) for one in caplog.records]


@pytest.mark.parametrize("status", [401, 403])
def test_one_order_is_rejected_and_the_next_one_is_paid(
    shopper: Shopper, gateway: Simulator, status: int
) -> None:
    gateway.next_reply("/init", Reply(status))
    shopper.submit_card(new_order())
    rejected = PaymentOrder.objects.get()
    assert (rejected.state, rejected.reason) == (OrderState.FAILED, Reason.CONFIG)
    assert gateway.counts[PROBE] == 1
    assert not TerminalOutage.objects.exists()
    assert shopper.pay(new_order(reference="next")).state == OrderState.PAID


@pytest.mark.parametrize("status", [401, 403])
def test_an_inquiry_about_one_order_is_rejected(
    shopper: Shopper, gateway: Simulator, status: int
) -> None:
    order = payment_in_doubt(shopper)
    gateway.next_reply(f"/orders/{order.order_id}", Reply(status))
    with time_travel(LAG + 1):
        assert not query.inquire_and_apply(order, client()).answered
    assert order.state == OrderState.PAYING
    assert order.operations.get(kind=OperationKind.PAYMENT).misses == 0
    assert gateway.counts[PROBE] == 1
    assert not TerminalOutage.objects.exists()
    assert shopper.pay(new_order(reference="next")).state == OrderState.PAID


def test_a_revoked_key_is_an_outage_after_one_call(
    shopper: Shopper, gateway: Simulator
) -> None:
    shopper.pay(new_order(reference="before"))  # a success does not outlive the key
    gateway.api_keys = ()
    shopper.submit_card(new_order(reference="first"))
    outage = TerminalOutage.objects.get()
    assert (outage.terminal, outage.status) == ("default", 401)
    assert gateway.counts[PROBE] == 1
    sent = sum(gateway.counts.values())
    assert shopper.submit_card(new_order(reference="second")).status_code == 503
    assert sum(gateway.counts.values()) == sent
    gateway.api_keys = None
    assert flows.reconcile().terminals_recovered == 1
    assert shopper.pay(new_order(reference="third")).state == OrderState.PAID


def test_during_an_outage_no_more_probes_follow_a_rejection(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    gateway.api_keys = ()
    for _ in range(3):
        query.inquire_and_apply(order, client())
    assert gateway.counts[PROBE] == 1
    assert TerminalOutage.objects.count() == 1


@pytest.mark.parametrize(
    ("reply", "seen"),
    [
        (Reply(503), "UnknownOutcome: unexpected status, status 503"),
        (Reply(429), "Rejected: rejected, status 429"),
        (Reply(200, b"<html>"), "UnknownOutcome: body is not JSON, status 200"),
        (Reply(0, fault="refused"), "NotSent: NewConnectionError"),
    ],
)
def test_another_answer_of_the_probe_proves_nothing(
    gateway: Simulator, caplog: Any, reply: Reply, seen: str
) -> None:
    gateway.next_reply("/payment_methods", reply)
    reject()
    assert not TerminalOutage.objects.exists()
    [(level, text)] = said(caplog)
    assert level == logging.ERROR
    assert text.startswith(
        "terminal default: Nexi answered 401 to one request, and GET /payment_methods"
        " does not show whether it accepts the API key"
    )
    assert seen.partition(":")[0] in text
    # the next rejection decides
    gateway.next_reply("/payment_methods", Reply(401))
    reject()
    assert TerminalOutage.objects.count() == 1


def test_without_time_left_nothing_is_sent_and_nothing_recorded(
    gateway: Simulator, caplog: Any
) -> None:
    gateway.api_keys = ()
    reject(seconds=0)
    assert gateway.counts[PROBE] == 0
    assert not TerminalOutage.objects.exists()
    assert "no time left" in said(caplog)[0][1]
    reject()
    assert TerminalOutage.objects.count() == 1


class RecordsDeadline(Client):
    """A client that does not answer, and keeps the seconds that it was given."""

    def __init__(self) -> None:
        super().__init__(base_url="https://nexi.example", api_key="k")
        self.seconds = 0.0

    def payment_methods(self, context: Any) -> tuple[str, ...]:
        self.seconds = context.deadline.total
        raise Rejected("rejected", status=401)


@pytest.mark.parametrize(("left", "given"), [(25.0, 5.0), (2.0, 2.0)])
def test_a_probe_takes_five_seconds_at_most(left: float, given: float) -> None:
    asked = RecordsDeadline()
    terminal_outages.check_key("default", 401, asked, Deadline(left))
    assert given - 1 < asked.seconds <= given


def test_the_probe_is_sent_outside_transactions(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, inside = gateway.handle, []

    def watching(method: str, url: str, headers: Any, body: bytes) -> Reply:
        inside.append(connection.in_atomic_block)
        return handle(method, url, headers, body)

    monkeypatch.setattr(gateway, "handle", watching)
    gateway.next_reply("/init", Reply(401))
    shopper.submit_card(new_order())
    gateway.next_reply("card_verification", Reply(401))
    visa = CARDS["challenge"]
    card = Card(visa.number, visa.expiry.replace("/", ""), visa.cvv)
    assert flows.verify_card(card, terminal="moto").terminal_rejected
    assert gateway.counts[PROBE] == 2
    assert set(inside) == {False}


def test_a_storm_of_rejections_asks_once_a_minute(
    gateway: Simulator, caplog: Any
) -> None:
    for _ in range(5):
        reject()
    assert gateway.counts[PROBE] == 1
    [(level, text)] = said(caplog)
    assert level == logging.WARNING
    assert text == (
        "terminal default: Nexi answered 401 to one request, but accepts the API key"
    )
    # a key that is revoked meanwhile is found when that minute is over
    gateway.api_keys = ()
    with time_travel(59):
        reject()
    assert not TerminalOutage.objects.exists()
    with time_travel(61):
        reject()
    assert TerminalOutage.objects.count() == 1


def test_the_trust_in_a_key_is_not_that_of_another_key_or_terminal(
    gateway: Simulator, change_settings: Any
) -> None:
    reject()
    terminal_outages.check_key("moto", 401, client(), Deadline(25))
    assert gateway.counts[PROBE] == 2
    terminals = {"default": {"ENVIRONMENT": "simulator", "API_KEY": "another"}}
    change_settings(TERMINALS=terminals)
    reject()
    assert gateway.counts[PROBE] == 3


def test_a_404_needs_an_answer_of_nexi_not_of_a_proxy(
    shopper: Shopper, gateway: Simulator
) -> None:
    gateway.next_reply("/init", Reply(200, b"<html>welcome</html>"))
    shopper.submit_card(new_order())
    assert Operation.objects.filter(http_status=200).count() == 1
    assert terminal_outages.key_works("default", client(), Deadline(25))
    assert gateway.counts[PROBE] == 1


def test_a_404_needs_an_answer_of_the_last_minutes(
    shopper: Shopper, gateway: Simulator
) -> None:
    """An operation that is settled now may have been answered hours ago."""
    shopper.pay(new_order())
    assert terminal_outages.key_works("default", client(), Deadline(25))
    assert gateway.counts[PROBE] == 0
    Operation.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    assert terminal_outages.key_works("default", client(), Deadline(25))
    assert gateway.counts[PROBE] == 1
