"""The statements of ``raw_sql`` do what querysets do: the same rows, the same counts.

Keys of other types are in ``tests/hosts/custom_user_suite.py``.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.safestring import mark_safe

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.exceptions import CardBlocked, TerminalUnavailable, TooManyAttempts
from nexi_payments.models import Event, PaymentOrder, raw_sql
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.models.raw_sql import Rows
from nexi_payments.models.sealed_card import SealedCard
from tests.support import as_querysets
from tests.support.as_querysets import columns_of
from tests.support.clerk import Clerk
from tests.support.contracts import make_contract
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db
#: events are delivered after a commit
commits = pytest.mark.django_db(transaction=True)
PACKAGE = Path(raw_sql.__file__).parents[1]


def an_event(order: PaymentOrder, **changes: Any) -> Event:
    facts = {"kind": "paid", "from_state": "paying", "to_state": "paid"}
    return Event(order=order, created_at=timezone.now(), **{**facts, **changes})


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    return as_querysets.compare_all(monkeypatch)


# -- whole payments, each statement both ways ------------------------------------------


@commits
@pytest.mark.parametrize("terminal", ["default", "two"])
def test_payments_of_shoppers(
    shopper: Shopper, compared: Counter[str], change_settings: Any, terminal: str
) -> None:
    change_settings(RATE_LIMITS=None)
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    order = new_order(user=user, reference="R-1", terminal=terminal)
    assert shopper.pay(order, "declined").state == "failed"
    assert shopper.pay(order).state == "paid"
    assert shopper.pay(new_order(terminal=terminal), "declined").state == "failed"
    assert {name for name in compared if not name.startswith("update")} == {
        "insert PaymentOrder",
        "insert Operation",
        "insert Event",
        "insert SealedCard",
        "get PaymentOrder False",
        "get SealedCard False",
        "exist TerminalOutage False",
        "exist PaymentOrder False",
    }
    assert compared["update PaymentOrder 1"] >= 9
    assert compared["update Operation 1"] == compared["insert Operation"]


@commits
def test_phone_orders_and_what_follows(compared: Counter[str], gateway: Any) -> None:
    clerk = Clerk("take_moto")
    assert clerk.take_phone_order("declined", reference="R-1").state == "failed"
    order = clerk.take_phone_order(reference="R-2")
    assert flows.refund(order, Decimal("2.50")).outcome == "done"
    assert compared["insert Operation"] == 3
    assert compared["update PaymentOrder 1"] >= 5


@commits
def test_cards_on_file(shopper: Shopper, compared: Counter[str]) -> None:
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    contract = make_contract(shopper, user=user)
    charge = flows.charge_contract(contract, Decimal("9.00"), "EUR", reference="S-1")
    assert charge.state == "paid"
    assert compared["insert PaymentOrder"] == 2


@commits
@pytest.mark.parametrize("name", ["reference", "user", "address"])
@pytest.mark.parametrize("reference", ["R-1", None])
def test_limits_that_are_reached(
    shopper: Shopper,
    compared: Counter[str],
    change_settings: Any,
    name: str,
    reference: str | None,
) -> None:
    off = dict.fromkeys(("reference", "user", "address", "everyone"))
    change_settings(RATE_LIMITS=off | {name: (2, 600)})
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    order = new_order(user=user, reference=reference)
    for _ in range(2):
        shopper.pay(order, "declined")
    card = Card(CARDS["challenge"].number, "1230", "396")
    actor = flows.Actor(user=user, address="127.0.0.1")
    assert compared["exist PaymentOrder True"] == 0
    order.refresh_from_db()
    with pytest.raises(TooManyAttempts) as error:
        flows.start_payment(order, card, actor=actor)
    assert error.value.limit == name
    assert compared["exist PaymentOrder True"] == 1


@commits
@pytest.mark.parametrize("reference", ["R-1", None])
def test_a_blocked_card(
    shopper: Shopper, compared: Counter[str], reference: str | None
) -> None:
    failed = shopper.pay(new_order(reference=reference), "excess_reattempts")
    again = shopper.pay(failed, "declined")
    card = Card(CARDS["excess_reattempts"].number, "1230", "123")
    for order in (failed, again):
        with pytest.raises(CardBlocked):
            flows.start_payment(order, card)
    assert compared["exist PaymentOrder True"] == 2


def test_a_terminal_that_is_out(order: PaymentOrder, compared: Counter[str]) -> None:
    TerminalOutage.objects.create(terminal=order.terminal, since=timezone.now())
    with pytest.raises(TerminalUnavailable):
        flows.start_payment(order, Card(CARDS["challenge"].number, "1230", "396"))
    assert compared["exist TerminalOutage True"] == 1


# -- one statement at a time -----------------------------------------------------------


def test_a_row_with_all_its_columns(
    order: PaymentOrder, compared: Counter[str]
) -> None:
    event = an_event(order, address="2001:db8::1", note="perché no", attempts=3)
    raw_sql.insert(event)
    assert columns_of(Event.objects.get(pk=event.pk)) == columns_of(event)
    assert raw_sql.get(Event, event.pk) == (event, False)
    until = timezone.now() + timedelta(minutes=5)
    sealed = SealedCard(order=order, pan_blob=b"\x00\xff'", expires_at=until)
    raw_sql.insert(sealed)
    found, _ = raw_sql.get(SealedCard, order.pk)
    assert found is not None
    assert columns_of(found) == columns_of(sealed)
    assert sum(compared.values()) == 4


def test_a_row_that_is_not_there(order: PaymentOrder, compared: Counter[str]) -> None:
    also = Rows(PaymentOrder, [{"pk": order.pk}])
    assert raw_sql.get(PaymentOrder, 0, also) == (None, False)


def test_a_row_and_whether_others_exist(
    order: PaymentOrder, compared: Counter[str]
) -> None:
    events = [an_event(order, deliver_at=timezone.now()) for _ in range(2)]
    for event in events:
        raw_sql.insert(event)
    for event, answers in zip(events, [(False, False), (True, False)], strict=True):
        where = {"order": order.pk, "deliver_at__isnull": False, "pk__lt": event.pk}
        found = [
            raw_sql.get(PaymentOrder, order.pk, Rows(Event, [where], at_least))
            for at_least in (1, 2)
        ]
        assert found == [(order, answer) for answer in answers]


def test_changes(order: PaymentOrder, compared: Counter[str]) -> None:
    other = new_order()
    now = timezone.now()

    def change(**where: Any) -> int:
        values = {"poll_count": 7, "claimed_at": None, "refunded_at": now}
        return raw_sql.update(PaymentOrder, where, values)

    assert change(pk=order.pk, state="paid") == 0
    assert change(pk=order.pk, expires_at=None) == 0
    assert change(pk=order.pk, claimed_at__isnull=False) == 0
    assert change(pk=order.pk, next_poll_at__lt=order.next_poll_at) == 0
    assert change(pk=order.pk, state__in=("paid", "failed")) == 0
    assert change(pk=order.pk, state="init", claimed_at=None) == 1
    assert change(pk=order.pk, next_poll_at=order.next_poll_at, retry_of=None) == 1
    assert change(state__in=("init", "paid"), created_at__gte=order.created_at) == 2
    assert change(gateway_pending=False, claimed_at__isnull=True) == 2
    other.refresh_from_db()
    assert (other.poll_count, other.refunded_at) == (7, now)


def test_sums_of_columns_go_through_a_queryset(
    order: PaymentOrder, compared: Counter[str]
) -> None:
    where = {"pk": order.pk, "captured_amount": F("refunded_amount")}
    assert raw_sql.update(PaymentOrder, where, {"poll_count": 2}) == 1
    assert raw_sql.update(PaymentOrder, where, {"poll_count": F("poll_count") + 1}) == 1
    where["captured_amount"] = F("amount")
    assert raw_sql.update(PaymentOrder, where, {"poll_count": 9}) == 0
    order.refresh_from_db()
    assert order.poll_count == 3


def test_several_questions_are_one_statement(order: PaymentOrder) -> None:
    now = timezone.now()
    new_order()
    event = an_event(order)
    raw_sql.insert(event)
    questions = [
        Rows(PaymentOrder, [{"created_at__lt": now}], 2),
        Rows(PaymentOrder, [{"created_at__gte": now}], 1),
        Rows(PaymentOrder, [{"created_at__gte": order.created_at}], 2),
        Rows(PaymentOrder, [{"created_at__gte": order.created_at}], 3),
        Rows(PaymentOrder, [{"pk": order.pk, "state": "paid"}, {"state": "init"}], 2),
        Rows(PaymentOrder, [{"pk": order.pk}, {"retry_of": order.pk}], 2),
        Rows(PaymentOrder, [{"pk__in": Rows(Event, [{"pk": event.pk}])}]),
        Rows(
            PaymentOrder,
            [{"pk__in": Rows(Event, [{"pk": event.pk}], column="order")}],
        ),
    ]
    with CaptureQueriesContext(connection) as asked:
        found = raw_sql.exist(*questions)
    assert len(asked) == 1
    assert found == as_querysets.exist(*questions)
    assert found[:6] == (False, True, True, False, True, False)
    assert found[7] is True


def test_values_of_other_types_are_adapted_by_the_column(
    order: PaymentOrder, compared: Counter[str]
) -> None:
    class Line(StrEnum):
        DEFAULT = "default"

    class Number(IntEnum):
        NONE = 0

    for where in (
        {"terminal": Line.DEFAULT},
        {"currency": mark_safe("EUR")},
        {"amount": Decimal(1250)},
        {"poll_count": Number.NONE},
        {"poll_count": "0"},
        {"amount": "1250", "captured_amount": False},
        {"created_at": order.created_at},
        {"pk": str(order.pk)},
    ):
        assert raw_sql.exist(Rows(PaymentOrder, [where])) == (True,), where
    raw_sql.insert(an_event(order, address="::ffff:192.0.2.7", note=5))
    assert raw_sql.exist(
        Rows(Event, [{"order": order.pk, "address": "::ffff:192.0.2.7"}]),
        Rows(Event, [{"order": str(order.pk), "note": 5}]),
    ) == (True, True)
    retry = {"retry_of": order.pk}
    assert raw_sql.update(PaymentOrder, {"pk": str(order.pk)}, retry) == 1


# -- errors and signals ----------------------------------------------------------------


def a_twin(order: PaymentOrder) -> PaymentOrder:
    twin = PaymentOrder.objects.get(pk=order.pk)
    twin.pk, twin._state.adding = None, True
    return twin


def test_an_order_twice_is_refused(order: PaymentOrder) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        raw_sql.insert(a_twin(order))
    assert PaymentOrder.objects.count() == 1


def test_nothing_else_is_done_in_a_transaction_that_failed(
    order: PaymentOrder,
) -> None:
    twin, other = a_twin(order), new_order()
    same = {"order_id": order.order_id}
    for fail in (
        lambda: raw_sql.insert(twin),
        lambda: raw_sql.update(PaymentOrder, {"pk": other.pk}, same),
    ):
        with transaction.atomic():
            with pytest.raises(IntegrityError):
                fail()
            assert connection.needs_rollback
            transaction.set_rollback(True)


def test_a_host_that_listens_is_told(order: PaymentOrder) -> None:
    told: list[Any] = []

    def saved(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
        told.append((sender, instance, created))

    post_save.connect(saved, sender=Event)
    try:
        event = an_event(order)
        raw_sql.insert(event)
    finally:
        post_save.disconnect(saved, sender=Event)
    assert told == [(Event, event, True)]


# -- where SQL stands ------------------------------------------------------------------

#: Modules with SQL of their own; the reason stands beside it.
OTHER_SQL = {
    "checks/database.py",
    "doctor/backlog.py",
    "models/text_storage.py",
    "simulator/store.py",
    "testing/card_data_scan.py",
}


def test_sql_by_hand_stands_in_one_module() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\.execute\(|\.raw\(|\.extra\(|RawSQL|RunSQL", path.read_text())
    }
    assert found == {*OTHER_SQL, "models/raw_sql.py"}
