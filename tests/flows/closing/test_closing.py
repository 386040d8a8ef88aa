"""Closing a day: what is compared, what is kept, and when nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from nexi_payments import flows
from nexi_payments.exceptions import (
    DayAlreadyClosed,
    DayNotOver,
    Rejected,
    UnknownOutcome,
)
from nexi_payments.flows.closing import comparison, day_comparison
from nexi_payments.flows.inquiry import windows
from nexi_payments.models import (
    ClosingDifference,
    DayClosing,
    Event,
    Operation,
    PaymentOrder,
)
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.simulator.server import run_in_thread
from tests.support.backups import forget
from tests.support.clerk import Clerk
from tests.support.closing_day import DAY, NOON, ROME, DayClock
from tests.support.contracts import MONTHLY, charge_contract, make_contract
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "GET /operations"


def everything() -> list[Any]:
    """Whatever says something about money."""
    models = (PaymentOrder, Operation, Event)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def lines(closing: DayClosing | flows.DayComparison) -> dict[tuple[str, ...], Any]:
    """(terminal, channel, method, circuit, currency, clerk, movement) → the sums."""
    found = closing.totals if isinstance(closing, DayClosing) else closing.lines
    names = ("terminal", "channel", "method", "circuit", "currency", "clerk")
    return {
        tuple(line[name] for name in (*names, "movement")): (
            line["count"],
            line["amount"],
            line["count_at_nexi"],
            line["amount_at_nexi"],
        )
        for line in found
    }


def kinds(comparison: flows.DayComparison) -> list[tuple[str, str, str]]:
    return [(one.kind, one.aspects, one.order_id) for one in comparison.differences]


def test_a_day_with_all_that_a_shop_does(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    anna = Clerk("take_moto", name="anna")
    actor = flows.Actor(anna.user)
    phone = anna.take_phone_order(reference="M-1", amount="10.00")
    anna.take_phone_order("declined", reference="M-2", amount="99.00")
    flows.refund(phone, Decimal("4.00"), actor=actor)
    shopper.pay(new_order(amount=Decimal("30.00")))
    shopper.pay(new_order(amount=Decimal("7.00"), terminal="two"))
    shopper.start(new_order(amount=Decimal("8.00")))  # nobody answers the challenge
    held = shopper.pay(new_order(amount=Decimal("20.00"), terminal="manual"))
    capture = flows.capture(held, Decimal("15.00"), actor=actor)
    flows.cancel_capture(held, capture, actor=actor)
    flows.void(held, actor=actor)
    contract = make_contract(shopper, terms=MONTHLY, amount=Decimal("5.00"))
    charge_contract(contract)
    day_clock.after_the_day()
    before = everything()
    closing = flows.close_day(DAY, actor=actor)
    assert everything() == before
    assert list(closing.differences.all()) == []
    assert lines(closing) == {
        ("moto", "moto", "", "VISA", "EUR", "anna", "charge"): (1, 1000, 1, 1000),
        ("moto", "moto", "", "VISA", "EUR", "anna", "refund"): (1, 400, 1, 400),
        ("default", "shop", "", "VISA", "EUR", "", "charge"): (2, 3500, 2, 3500),
        ("default", "mit", "", "VISA", "EUR", "", "charge"): (1, 1000, 1, 1000),
        ("two", "shop", "", "VISA", "EUR", "", "charge"): (1, 700, 1, 700),
        ("manual", "shop", "", "VISA", "EUR", "", "authorization"): (
            *(1, 2000, 1, 2000),
        ),
        ("manual", "shop", "", "VISA", "EUR", "anna", "capture"): (1, 1500, 1, 1500),
        ("manual", "shop", "", "VISA", "EUR", "anna", "cancel"): (1, 1500, 1, 1500),
        ("manual", "shop", "", "VISA", "EUR", "anna", "void"): (1, 2000, 1, 2000),
    }
    assert (closing.day, closing.revision, closing.zone) == (DAY, 1, "Europe/Rome")
    assert closing.starts_at == datetime(2026, 1, 15, tzinfo=ROME)
    assert closing.ends_at == datetime(2026, 1, 16, tzinfo=ROME)
    assert (closing.closed_by, closing.closed_by_name) == (anna.user, "anna")
    assert closing.terminals == ["default", "two", "manual", "moto"]
    # nine with money, the declined one, and the challenge
    assert (closing.matched, closing.without_money, closing.of_others) == (12, 0, 0)


def test_other_methods_on_nexis_page(
    settings: Any, gateway: Simulator, day_clock: DayClock
) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    shopper = HostedShopper(gateway)
    paid = shopper.go(new_order(amount=Decimal("9.00"), terminal="methods"))
    shopper.act(paid, "pay")
    left = shopper.go(new_order(amount=Decimal("3.00"), terminal="methods"))
    paid.refresh_from_db()
    assert (paid.state, left.state) == ("paid", "awaiting_hosted_page")
    day_clock.after_the_day()
    found = flows.compare_day(DAY)
    assert found.differences == []
    assert lines(found) == {
        (paid.terminal, "shop", "PAYPAL", "PAYPAL", "EUR", "", "charge"): (
            *(1, 900, 1, 900),
        ),
    }


# -- when ------------------------------------------------------------------------------


def test_a_day_that_is_not_over_is_not_closed(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    shopper.pay(new_order())
    midnight = datetime(2026, 1, 16, tzinfo=ROME)
    for moment in (NOON, midnight, midnight + timedelta(hours=2, seconds=-1)):
        day_clock.move_to(moment)
        with pytest.raises(DayNotOver) as caught:
            flows.close_day(DAY)
        assert caught.value.closable_from == midnight + timedelta(hours=2)
    assert (gateway.counts[LIST], DayClosing.objects.count()) == (0, 0)
    day_clock.move_to(midnight + timedelta(hours=2))
    assert flows.close_day(DAY).matched == 1


def test_a_day_is_closed_once_unless_asked_again(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    lost = shopper.pay(new_order())
    day_clock.after_the_day()
    shown = list(Operation.objects.values_list("pk", flat=True))
    Operation.objects.filter(pk__in=shown, kind="payment").update(amount=1249)
    first = flows.close_day(DAY)
    assert (first.different, first.closed_by_name) == (1, "")
    kept = list(ClosingDifference.objects.values())
    Operation.objects.filter(pk__in=shown, kind="payment").update(amount=1250)
    with pytest.raises(DayAlreadyClosed) as caught:
        flows.close_day(DAY)
    assert (caught.value.closing, DayClosing.objects.count()) == (first, 1)
    asked = gateway.counts[LIST]
    second = flows.close_day(DAY, again=True)
    assert (second.revision, second.different, second.matched) == (2, 0, 1)
    assert gateway.counts[LIST] > asked
    first.refresh_from_db()
    assert (first.revision, first.different, lost.state) == (1, 1, "paid")
    assert list(ClosingDifference.objects.values()) == kept


@pytest.mark.parametrize("again", [False, True])
def test_two_at_the_same_time_close_it_once(
    shopper: Shopper,
    gateway: Simulator,
    day_clock: DayClock,
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    shopper.pay(new_order())
    day_clock.after_the_day()
    handle = gateway.handle

    def with_a_colleague(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        monkeypatch.setattr(gateway, "handle", handle)
        flows.close_day(DAY)
        return handle(method, url, headers, body)

    monkeypatch.setattr(gateway, "handle", with_a_colleague)
    with pytest.raises(DayAlreadyClosed):
        flows.close_day(DAY, again=again)
    assert [one.revision for one in DayClosing.objects.all()] == [1]


def test_no_gateway_call_inside_a_transaction(
    gateway: Simulator, day_clock: DayClock
) -> None:
    day_clock.after_the_day()
    with transaction.atomic(), pytest.raises(RuntimeError):
        flows.close_day(DAY)
    assert gateway.counts[LIST] == 0


# -- when Nexi does not answer ---------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "reply", "error"),
    [
        ("/operations?", Reply(500), UnknownOutcome),
        ("/operations?", Reply(401), Rejected),
        ("/operations?", Reply(200, b'{"operations": null}'), UnknownOutcome),
        ("/operations?", Reply(200, b'{"operations": ["x"]}'), UnknownOutcome),
        ("/orders?", Reply(500), UnknownOutcome),
    ],
)
def test_without_an_answer_nothing_is_closed(
    shopper: Shopper,
    gateway: Simulator,
    day_clock: DayClock,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    reply: Reply,
    error: type[Exception],
) -> None:
    shopper.pay(new_order())
    day_clock.move_to(NOON + timedelta(hours=5))
    shopper.pay(new_order())
    day_clock.after_the_day()
    monkeypatch.setattr(windows, "PAGE_SIZE", 2)  # the list has several pages
    before, handle = everything(), gateway.handle
    answered = 0

    def failing_late(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """After some pages were answered."""
        nonlocal answered
        if path in url:
            answered += 1
            if answered > 1 or path == "/orders?":
                return reply
        return handle(method, url, headers, body)

    monkeypatch.setattr(gateway, "handle", failing_late)
    with pytest.raises(error):
        flows.close_day(DAY)
    assert DayClosing.objects.count() == ClosingDifference.objects.count() == 0
    assert everything() == before


@pytest.mark.parametrize(("status", "error"), [(500, UnknownOutcome), (403, Rejected)])
def test_an_unanswered_question_by_id_closes_nothing(
    shopper: Shopper,
    gateway: Simulator,
    day_clock: DayClock,
    status: int,
    error: type[Exception],
) -> None:
    order = shopper.pay(new_order())
    day_clock.after_the_day()
    Operation.objects.filter(order=order).update(gateway_operation_id="gone")
    gateway.next_reply("/operations/gone", Reply(status))
    with pytest.raises(error):
        flows.close_day(DAY)
    assert DayClosing.objects.count() == 0


def test_more_in_a_second_than_nexi_lists(
    shopper: Shopper,
    gateway: Simulator,
    day_clock: DayClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(3):
        shopper.pay(new_order())
    with gateway.store.transaction() as db:
        db.execute("UPDATE operations SET made = ?", ("2026-01-15T11:00:00+00:00",))
    day_clock.after_the_day()
    monkeypatch.setattr(windows, "PAGE_SIZE", 2)
    with pytest.raises(UnknownOutcome) as caught:
        flows.close_day(DAY)
    assert caught.value.cause == "more operations in a second than Nexi lists"
    assert DayClosing.objects.count() == 0


# -- which day -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("2026-01-15 23:59:59", "2026-01-16 00:00:01"),
        ("2026-01-16 00:00:01", "2026-01-15 23:59:59"),
    ],
)
def test_the_clocks_differ_at_midnight(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock, ours: str, theirs: str
) -> None:
    """The operation belongs to Nexi's day, and to one day only."""
    order = shopper.pay(new_order())
    moment = datetime.fromisoformat(theirs).replace(tzinfo=ROME)
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(charged_at=moment.astimezone(UTC).isoformat(), time=theirs)
    at = datetime.fromisoformat(ours).replace(tzinfo=ROME)
    Operation.objects.update(sent_at=at, settled_at=at, created_at=at)
    PaymentOrder.objects.update(created_at=at)
    day_clock.move_to(NOON + timedelta(days=3))
    matched = {}
    for day in (DAY, DAY + timedelta(1)):
        found = flows.compare_day(day)
        assert found.differences == []
        matched[day] = found.matched
    assert matched == {moment.date(): 1, at.date(): 0}


def test_a_list_that_lags_is_no_difference(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    """Nexi knows the operation by its id."""
    order = shopper.pay(new_order())
    with gateway.store.transaction() as db:
        db.execute("DELETE FROM operations")
    day_clock.after_the_day()
    found = flows.compare_day(DAY)
    assert (found.differences, found.matched) == ([], 1)
    assert gateway.counts["GET /operations/{id}"] == 1
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record["result"] = "DECLINED"
    with gateway.store.transaction() as db:
        db.execute("DELETE FROM operations")
    found = flows.compare_day(DAY)
    assert kinds(found) == [("different", "outcome", order.order_id)]


def test_only_so_many_are_asked_for_by_id(
    shopper: Shopper,
    gateway: Simulator,
    day_clock: DayClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "MOST_ASKED", 1)
    monkeypatch.setattr(day_comparison, "MOST_DIFFERENCES", 1)
    orders = [shopper.pay(new_order()) for _ in range(3)]
    with gateway.store.transaction() as db:
        db.execute("DELETE FROM operations")
    day_clock.after_the_day()
    closing = flows.close_day(DAY)
    assert gateway.counts["GET /operations/{id}"] == 1
    assert (closing.matched, closing.missing_there, closing.omitted) == (1, 2, 1)
    assert [one.order_id for one in closing.differences.all()] == [orders[1].order_id]


# -- differences -----------------------------------------------------------------------


def test_what_others_do_on_a_shared_terminal_is_counted_only(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    order = shopper.pay(new_order())
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record["order_id"] = "OTHERS-1"
    forget(order)
    day_clock.after_the_day()
    found = flows.compare_day(DAY)
    assert (found.differences, found.of_others, found.lines) == ([], 1, [])


def test_a_charge_of_a_challenge_that_we_gave_up(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    form = shopper.start(new_order())
    with gateway.store.edit_payment(form.operation_id) as record:
        assert record is not None
        record.update(result="EXECUTED", charged_at=record["created"])
    day_clock.after_the_day()
    found = flows.compare_day(DAY)
    order = PaymentOrder.objects.get()
    assert kinds(found) == [("different", "outcome", order.order_id)]
    assert lines(found) == {
        ("default", "shop", "", "VISA", "EUR", "", "charge"): (0, 0, 1, 1250)
    }


def test_an_operation_whose_id_was_lost(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    order = shopper.pay(new_order())
    for _ in range(2):
        flows.refund(order, Decimal("1.00"))
    refunds = Operation.objects.filter(kind="refund")
    refunds.update(gateway_operation_id="", ledger_id=None)
    day_clock.after_the_day()
    assert flows.compare_day(DAY).differences == []
    last = refunds.order_by("pk").last()
    assert last is not None
    Operation.objects.filter(pk=last.pk).update(
        outcome="in_doubt", settled_at=None, unsettled_order_id=order.pk
    )
    found = flows.compare_day(DAY)
    assert kinds(found) == [("different", "outcome", order.order_id)]
    assert found.matched == 2


def test_totals_that_no_operation_explains(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    """As after a capture by hand in the back office that Nexi lists nowhere else."""
    order = shopper.pay(new_order(reference="R-7"))
    PaymentOrder.objects.update(captured_amount=1000)
    day_clock.after_the_day()
    (one,) = flows.compare_day(DAY).differences
    assert (one.kind, one.aspects, one.order_id) == (
        *("different", "totals", order.order_id),
    )
    assert (one.our_amount, one.their_amount, one.reference) == (1000, 1250, "R-7")


def test_a_terminal_that_is_gone(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock, change_settings: Any
) -> None:
    order = shopper.pay(new_order(terminal="two"))
    change_settings(TERMINALS={"default": {"ENVIRONMENT": "simulator"}})
    day_clock.after_the_day()
    found = flows.compare_day(DAY)
    assert [one for one in kinds(found) if one[0] == "missing_there"] == [
        ("missing_there", "", order.order_id)
    ]
    assert found.terminals == ["default"]


def test_terminals_with_lists_of_their_own(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock, change_settings: Any
) -> None:
    """Two keys of one simulator see all orders, as if Nexi did not tell keys apart:
    each operation is counted once.
    """
    shopper.pay(new_order())
    shopper.pay(new_order(terminal="two"))
    lost = shopper.pay(new_order())
    forget(lost)
    day_clock.after_the_day()
    with run_in_thread(gateway) as server:
        terminal = {"BASE_URL": server.base_url, "ENVIRONMENT": "sandbox"}
        change_settings(
            TERMINALS={
                "default": {**terminal, "API_KEY": "one"},
                "two": {**terminal, "API_KEY": "another"},
            }
        )
        found = flows.compare_day(DAY)
    assert kinds(found) == [("missing_here", "", lost.order_id)]
    assert found.matched == 2
    assert found.terminals == ["default", "two"]
    assert gateway.counts[LIST] == 2


# -- following up ----------------------------------------------------------------------


def test_an_unknown_order_is_adopted_by_the_existing_road(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    lost = shopper.pay(new_order(reference="R-1"))
    forget(lost)
    day_clock.after_the_day()
    closing = flows.close_day(DAY)
    (one,) = closing.differences.all()
    assert (one.kind, one.our_amount, one.their_amount) == ("missing_here", None, 1250)
    assert PaymentOrder.objects.count() == 0
    order = flows.follow_up_difference(one)
    assert order is not None
    assert (order.order_id, order.state, order.captured_amount) == (
        *(lost.order_id, "review", 1250),
    )
    assert flows.follow_up_difference(one) == order  # again: an inquiry
    assert PaymentOrder.objects.count() == 1
    assert flows.close_day(DAY, again=True).missing_here == 0


def test_a_known_order_is_inquired_about(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    gateway.make_at_nexi(order.order_id, "capture", 1250)
    day_clock.after_the_day()
    closing = flows.close_day(DAY)
    (one,) = closing.differences.all()
    assert (one.kind, one.their_type, one.order_id) == (
        *("missing_here", "CAPTURE", order.order_id),
    )
    order.refresh_from_db()
    assert order.state == "authorized"
    gateway.next_reply(f"/orders/{order.order_id}", Reply(500))
    with pytest.raises(UnknownOutcome):
        flows.follow_up_difference(one)
    order.refresh_from_db()
    assert order.state == "authorized"
    anna = Clerk("reconcile_payment", name="anna")
    flows.follow_up_difference(one, actor=flows.Actor(anna.user))
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == ("paid", 1250)
    assert order.events.filter(kind="inquired", actor=anna.user).exists()


def test_an_order_that_a_backup_has_turned_back(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    order = shopper.pay(new_order())
    Event.objects.all().delete()
    Operation.objects.all().delete()
    PaymentOrder.objects.update(
        state="init", authorized_amount=0, captured_amount=0, gateway_operation_id=""
    )
    day_clock.after_the_day()
    (one,) = flows.close_day(DAY).differences.all()
    assert one.kind == "missing_here"
    flows.follow_up_difference(one)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == ("paid", 1250)


@pytest.mark.parametrize("order_id", ["OTHERS-1", ""])
def test_nothing_of_others_is_adopted(
    gateway: Simulator, day_clock: DayClock, order_id: str
) -> None:
    one = ClosingDifference(terminal="default", order_id=order_id)
    assert flows.follow_up_difference(one) is None
    assert gateway.counts == {}
