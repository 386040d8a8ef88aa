"""Orphans: charges at Nexi that are not in our database."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.enums import OrderState
from nexi_payments.flows.inquiry import orphans
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.gateway.client import Client
from nexi_payments.models import Discrepancy, Event, Operation, PaymentOrder
from nexi_payments.models.bookkeeping import SweepCursor, TerminalOutage
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
sweep_now = orphans.sweep  # the gateway fixture has another in its place


@pytest.fixture(autouse=True)
def one_terminal(change_settings: Any, gateway: Simulator) -> None:
    change_settings(TERMINALS={"default": {"ENVIRONMENT": "simulator"}})


def forget(order: PaymentOrder) -> None:
    """The database was replaced by an older backup."""
    Event.objects.filter(order=order).delete()
    Operation.objects.filter(order=order).delete()
    PaymentOrder.objects.filter(pk=order.pk).delete()


def test_a_charge_that_we_do_not_know(shopper: Shopper, gateway: Simulator) -> None:
    known = shopper.pay(new_order())
    lost = shopper.pay(new_order())
    declined = shopper.pay(new_order(), "declined")
    forget(lost)
    forget(declined)
    with time_travel(3600):
        gateway.advance(0)
        assert sweep_now() == 1
        assert sweep_now() == 0  # not before an hour
    record = Discrepancy.objects.get()
    assert (record.kind, record.order, record.theirs) == (
        "unknown_charge",
        None,
        f"{lost.order_id} 1250 EUR",
    )
    assert known.order_id not in record.theirs
    with time_travel(7300):
        sweep_now()
    assert Discrepancy.objects.count() == 1


def test_orders_of_others_are_none_of_ours(
    shopper: Shopper, gateway: Simulator, settings: Any
) -> None:
    lost = shopper.pay(new_order())
    forget(lost)
    settings.SECRET_KEY = "another installation"
    with time_travel(3600):
        assert sweep_now() == 0


def test_the_youngest_are_left_alone(shopper: Shopper) -> None:
    forget(shopper.pay(new_order()))
    assert sweep_now() == 0


def test_a_gateway_that_does_not_answer_is_swept_again(
    shopper: Shopper, gateway: Simulator
) -> None:
    forget(shopper.pay(new_order()))
    with time_travel(3600):
        gateway.next_reply("/orders", Reply(503))
        assert sweep_now() == 0
        assert Discrepancy.objects.count() == 0
    with time_travel(7300):
        assert sweep_now() == 1
    assert SweepCursor.objects.count() == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_is_an_outage(gateway: Simulator, status: int) -> None:
    gateway.next_reply("/orders", Reply(status))
    with time_travel(3600):
        assert sweep_now() == 0
    assert not TerminalOutage.objects.exists()  # only this request was rejected
    terminal_outages.accepted_probes.clear()
    gateway.api_keys = ()
    with time_travel(7300):
        assert sweep_now() == 0
    outage = TerminalOutage.objects.get()
    assert (outage.terminal, outage.status) == ("default", 401)


def test_a_full_page_is_asked_for_in_halves(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with time_travel(-3000):
        first = shopper.pay(new_order())
    second = shopper.pay(new_order())
    for order in (first, second):
        forget(order)
    monkeypatch.setattr(orphans, "PAGE_SIZE", 2)
    asked: list[Any] = []
    real = Client.orders

    def spy(self: Client, trace: Any, **window: Any) -> Any:
        asked.append(window)
        return real(self, trace, **window)

    monkeypatch.setattr(Client, "orders", spy)
    now = timezone.now() + timedelta(seconds=60)
    terminal = conf.current().terminal("default")
    found = {one.order_id for one in orphans.find_orphans(terminal, now - DAY, now)}
    assert found == {first.order_id, second.order_id}
    assert len(asked) > 1
    assert list(orphans.find_orphans(terminal, now, now)) == []


# -- after a backup --------------------------------------------------------------------


def restore(**options: Any) -> list[str]:
    out = io.StringIO()
    call_command("nexi_restore", stdout=out, **options)
    return out.getvalue().splitlines()


def test_unknown_charges_come_back_for_review(
    shopper: Shopper, gateway: Simulator
) -> None:
    lost = shopper.pay(new_order(reference="R-1"))
    forget(lost)
    assert restore(dry_run=True) == [f"default {lost.order_id} 1250 EUR"]
    assert PaymentOrder.objects.count() == 0
    assert restore() == [f"default {lost.order_id} 12.50 EUR review"]
    assert restore() == []
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason, order.order_id) == (
        OrderState.REVIEW,
        "restored",
        lost.order_id,
    )
    assert order.live_reference is None
    assert order.unsettled_since is not None
    event = order.events.get()
    assert (event.kind, event.delivered_at is not None) == (OrderState.REVIEW, True)
    # a person inquires and resolves; then it is an ordinary order
    flows.resolve(order, "paid", reason="from before the crash")
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)
    assert order.gateway_operation_id == lost.gateway_operation_id
    flows.refund(order)
    order.refresh_from_db()
    assert order.state == OrderState.REFUNDED
    assert gateway.charge_of(lost.order_id).net == 0


@pytest.mark.parametrize("days", [0, -1, 31])
def test_windows_that_cannot_be(days: float) -> None:
    with pytest.raises(CommandError, match="--days"):
        restore(days=days)


def test_nexi_does_not_answer(gateway: Simulator) -> None:
    gateway.next_reply("/orders", Reply(503))
    with pytest.raises(CommandError, match="Nexi did not answer"):
        restore()
