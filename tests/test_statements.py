"""The statements that are written once say what a queryset would say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.signals import post_save, pre_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from nexi_payments.models import Event, Hold, PaymentOrder, statements
from tests.shopper import new_order

pytestmark = pytest.mark.django_db


def an_event(order: PaymentOrder, **changes: Any) -> Event:
    facts = {"kind": "paid", "from_state": "paying", "to_state": "paid"}
    return Event(order=order, created_at=timezone.now(), **{**facts, **changes})


def columns_of(row: Any) -> dict[str, Any]:
    return {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}


def test_a_row_is_written_and_read_as_django_does(order: PaymentOrder) -> None:
    event = an_event(order, address="2001:db8::1", note="perché no", attempts=3)
    statements.insert(event)
    assert (event._state.adding, event._state.db) == (False, "default")
    read = Event.objects.get(pk=event.pk)
    assert columns_of(read) == columns_of(event)
    found, answer = statements.find(Event, event.pk)
    assert found is not None
    assert columns_of(found) == columns_of(read)
    assert answer is None


def test_bytes_come_back_as_they_went(order: PaymentOrder) -> None:
    until = timezone.now() + timedelta(minutes=5)
    statements.insert(Hold(order=order, pan_blob=b"\x00\xff'", expires_at=until))
    hold, _ = statements.find(Hold, order.pk)
    assert hold is not None
    assert (bytes(hold.pan_blob), hold.cvv_blob) == (b"\x00\xff'", None)
    assert hold.expires_at == until


def test_what_is_not_there_is_not_found() -> None:
    assert statements.find(PaymentOrder, 0) == (None, None)


def test_a_question_is_answered_with_the_row(order: PaymentOrder) -> None:
    found, answer = statements.find(
        PaymentOrder, order.pk, "(SELECT COUNT(*) + %s FROM nexi_payments_event)", (41,)
    )
    assert (found, answer) == (order, 41)


def test_an_order_twice_is_refused(order: PaymentOrder) -> None:
    twin = PaymentOrder.objects.get(pk=order.pk)
    twin.pk, twin._state.adding = None, True
    with pytest.raises(IntegrityError), transaction.atomic():
        statements.insert(twin)
    assert PaymentOrder.objects.count() == 1


def test_nothing_else_is_done_in_a_transaction_that_failed(
    order: PaymentOrder,
) -> None:
    twin = PaymentOrder.objects.get(pk=order.pk)
    twin.pk, twin._state.adding = None, True
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            statements.insert(twin)
        assert connection.needs_rollback
        transaction.set_rollback(True)


def test_a_change_finds_the_rows_that_a_queryset_finds(order: PaymentOrder) -> None:
    other = new_order()

    def change(**where: Any) -> int:
        return statements.update(PaymentOrder, where, {"looks": 7, "claimed_at": None})

    assert change(pk=order.pk, state="paid") == 0
    assert change(pk=order.pk, expires_at=None) == 0
    assert change(pk=order.pk, claimed_at=statements.SOMETHING) == 0
    assert change(pk=order.pk, state="init", claimed_at=None) == 1
    assert change(pk=order.pk, due_at=order.due_at, retry_of=None) == 1
    order.refresh_from_db()
    other.refresh_from_db()
    assert (order.looks, other.looks) == (7, 0)


def test_a_moment_is_written_as_it_is_read(order: PaymentOrder) -> None:
    now = timezone.now()
    statements.update(PaymentOrder, {"pk": order.pk}, {"due_at": now, "clerk": None})
    assert PaymentOrder.objects.get(due_at=now) == order


def test_sums_of_columns_are_a_querysets_business(order: PaymentOrder) -> None:
    where = {"pk": order.pk, "captured_amount": F("refunded_amount")}
    assert statements.update(PaymentOrder, where, {"looks": 2}) == 1
    where["captured_amount"] = F("amount")
    assert statements.update(PaymentOrder, where, {"looks": 3}) == 0
    order.refresh_from_db()
    assert order.looks == 2


def test_rows_are_removed(order: PaymentOrder) -> None:
    now = timezone.now()
    statements.insert(Hold(order=order, pan_blob=b"x", expires_at=now))
    assert statements.delete(Hold, {"pk": order.pk, "cvv_blob": b"y"}) == 0
    assert statements.delete(Hold, {"pk": order.pk, "cvv_blob": None}) == 1
    assert statements.delete(Hold, {"pk": order.pk}) == 0


def test_a_host_that_listens_is_told(order: PaymentOrder) -> None:
    told: list[Any] = []

    def saved(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
        told.append((sender, instance, created))

    def removed(sender: Any, instance: Any, **kwargs: Any) -> None:
        told.append((sender, instance.pk))

    post_save.connect(saved, sender=Event)
    pre_delete.connect(removed, sender=Hold)
    try:
        event = an_event(order)
        statements.insert(event)
        now = timezone.now()
        statements.insert(Hold(order=order, pan_blob=b"x", expires_at=now))
        assert statements.delete(Hold, {"pk": order.pk}) == 1
    finally:
        post_save.disconnect(saved, sender=Event)
        pre_delete.disconnect(removed, sender=Hold)
    assert told == [(Event, event, True), (Hold, order.pk)]


def test_several_questions_are_one_statement(order: PaymentOrder) -> None:
    now = timezone.now()
    ours = "(SELECT COUNT(*) FROM nexi_payments_paymentorder WHERE created_at {} %s)"
    with CaptureQueriesContext(connection) as asked:
        found = statements.ask([(ours.format("<="), [now]), (ours.format(">"), [now])])
    assert (found, len(asked)) == ((1, 0), 1)
