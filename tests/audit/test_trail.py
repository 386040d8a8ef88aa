"""What staff did is in the audit trail, and no name is lost."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client

from nexi_payments import audit, flows
from nexi_payments.card import Card
from nexi_payments.enums import DiscrepancyKind
from nexi_payments.flows import manual_review
from nexi_payments.flows.closing import days
from nexi_payments.models import (
    CardVerification,
    DayClosing,
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
)
from nexi_payments.models.audit import AuditEntry, StaffAccess
from nexi_payments.simulator import Simulator
from tests.support.api_clients import ShopServer
from tests.support.approvals import actor, new_approval
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    Clerk,
    action_url,
    card_url,
    confirm_action,
    order_url,
)
from tests.support.shopper import HOST, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def accesses() -> list[tuple[str, str, str, str]]:
    """Those that wait for the trail: kind, page, about, user."""
    rows = StaffAccess.objects.order_by("pk")
    return list(rows.values_list("kind", "page", "about", "actor_name"))


def trail() -> list[tuple[str, str, str, str]]:
    """Source, kind, about and user of each entry."""
    audit.append_due()
    return [
        (one.source, one.kind, one.about, json.loads(one.personal).get("actor", ""))
        for one in AuditEntry.objects.all()
    ]


def test_a_deleted_user_leaves_the_name_everywhere(
    gateway: Simulator, shopper: Shopper
) -> None:
    anna = Clerk(*PERMISSIONS, name="anna")
    order = anna.take_phone_order()
    confirm_action(anna, order, "refund", amount="2.50", expected_remaining="12.50")
    anna.post(action_url(order, "inquire"))
    actor = flows.Actor(user=anna.user)  # of the host: without a name
    flows.verify_card(Card("4349940199004549", "1230", "396"), actor=actor)
    row = Discrepancy.objects.create(
        order=order, kind=DiscrepancyKind.TOTALS, created_at=order.created_at
    )
    manual_review.resolve_discrepancy(row, actor=actor)
    before = trail()
    get_user_model().objects.all().delete()

    for kind in ("moto", "refund"):
        operation = Operation.objects.get(kind=kind)
        assert (operation.actor, operation.actor_name) == (None, "anna")
    event = Event.objects.get(kind="inquired")
    assert (event.actor, event.actor_name) == (None, "anna")
    order.refresh_from_db()
    assert (order.clerk, order.clerk_name) == (None, "anna")
    check = CardVerification.objects.get()
    assert (check.actor, check.actor_name) == (None, "anna")
    row.refresh_from_db()
    assert (row.resolved_by, row.resolved_by_name) == (None, "anna")
    assert trail() == before
    assert audit.verify().problems == []
    boss = Clerk(*PERMISSIONS, name="boss")
    for page in (order_url(order), f"{ORDERS_URL}daily-report/"):
        assert "anna" in boss.get_text(page)


def test_what_a_clerk_does_is_in_it_in_order(gateway: Simulator) -> None:
    anna = Clerk(*PERMISSIONS, name="anna")
    order = anna.take_phone_order()
    anna.get(card_url(order))  # paid: the card is not asked for
    about = order.order_id
    assert trail() == [
        ("access", "opened", about, "anna"),
        ("operation", "moto", about, "anna"),
    ]
    operation = AuditEntry.objects.get(source="operation")
    facts = json.loads(operation.facts)
    assert (facts["amount"], facts["currency"], facts["outcome"]) == (
        1250,
        "EUR",
        "done",
    )
    assert json.loads(operation.personal) == {
        "actor": "anna",
        "user": str(anna.user.pk),
        "address": "10.1.2.3",
    }


def test_shoppers_are_not_in_it(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    flows.refund(order, Decimal("1.00"))
    customer = get_user_model().objects.create_user("giulia")
    flows.refund(order, Decimal("1.00"), actor=flows.Actor(user=customer))
    assert trail() == []
    assert set(Operation.objects.values_list("actor_name", flat=True)) == {""}
    assert not Event.objects.exclude(actor_name="").exists()


def test_views_of_what_shows_or_takes_cards(
    gateway: Simulator, shopper: Shopper
) -> None:
    anna = Clerk(*PERMISSIONS, name="anna")
    order = shopper.pay(new_order())
    anna.get_text(order_url(order))
    anna.get_text("/admin/nexi_payments/cardverification/verify/")
    phone = anna.create_order()
    anna.get_text(phone["Location"])
    opened = PaymentOrder.objects.get(channel="moto").order_id
    prefix = "nexi_payments_paymentorder"
    assert accesses() == [
        ("viewed", f"{prefix}_change", order.order_id, "anna"),
        ("viewed", "nexi_payments_cardverification_verify", "", "anna"),
        ("opened", f"{prefix}_moto", opened, "anna"),
        ("viewed", f"{prefix}_moto_card", opened, "anna"),
    ]


def test_exports_with_their_filters(gateway: Simulator) -> None:
    anna = Clerk("view_paymentorder", name="anna")
    rows = anna.get(f"{ORDERS_URL}export/", q="giulia@example.com")
    b"".join(rows.streaming_content)  # type: ignore[attr-defined]
    anna.get(
        f"{ORDERS_URL}daily-report/",
        format="csv",
        since="2026-11-01",
        until="2026-11-02",
    )
    first, second = StaffAccess.objects.order_by("pk")
    assert (first.kind, first.page, first.note) == (
        "exported",
        "nexi_payments_paymentorder_export",
        "q=giulia%40example.com",
    )
    assert (second.kind, second.detail) == (
        "exported",
        "daily-report-2026-11-01-2026-11-02",
    )


@pytest.mark.parametrize("atomic", [False, True])
def test_what_was_denied(
    gateway: Simulator,
    shopper: Shopper,
    monkeypatch: pytest.MonkeyPatch,
    atomic: bool,
) -> None:
    """Under ATOMIC_REQUESTS, too, where Django rolls a refused request back."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    order = shopper.pay(new_order())
    bob = Clerk("view_paymentorder", name="bob")
    assert bob.post(action_url(order, "refund"), amount="1").status_code == 403
    assert bob.post(order_url(order)).status_code == 403
    nobody = Clerk(name="nobody")
    assert nobody.get(ORDERS_URL).status_code == 403
    assert nobody.get(f"{ORDERS_URL}export/").status_code == 403
    assert nobody.get("/admin/nexi_payments/phoneorder/").status_code == 403
    prefix = "nexi_payments_paymentorder"
    assert accesses() == [
        ("denied", f"{prefix}_refund", str(order.pk), "bob"),
        ("denied", f"{prefix}_change", str(order.pk), "bob"),
        ("denied", f"{prefix}_changelist", "", "nobody"),
        ("denied", f"{prefix}_export", "", "nobody"),
        ("denied", "nexi_payments_phoneorder_changelist", "", "nobody"),
    ]
    order.refresh_from_db()
    assert order.refunded_amount == 0


def test_what_the_api_denied(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    server = ShopServer("view_paymentorder")
    answer = server.post(f"orders/{order.order_id}/refund/", {})
    assert answer.status_code == 403
    (row,) = StaffAccess.objects.all()
    assert (row.kind, row.page, row.about, row.detail) == (
        "denied",
        "nexi_payments_api:refund",
        order.order_id,
        "POST",
    )
    assert row.actor_name == server.user.get_username()


def test_what_a_right_on_a_terminal_denied(
    shopper: Shopper, change_settings: Any
) -> None:
    order = shopper.pay(new_order())
    change_settings(TERMINAL_RIGHTS={"Branch": {"*": ["see"]}})
    server = ShopServer("view_paymentorder", "refund_payment")
    server.user.groups.add(Group.objects.create(name="Branch"))
    answer = server.post(f"orders/{order.order_id}/refund/", {})
    assert answer.status_code == 403
    assert accesses() == [
        ("denied", "nexi_payments_api:refund", order.order_id, str(server.user))
    ]


def test_a_second_person(shopper: Shopper, change_settings: Any) -> None:
    """Both names are in the trail, although both users are deleted since."""
    change_settings(APPROVAL_CEILINGS={"refund_payment": {"*": {"EUR": 100}}})
    order = shopper.pay(new_order())
    approval = new_approval(order)
    flows.approve(approval, actor=actor("bruno", "approve_payment"))
    audit.append_due()
    entries = AuditEntry.objects.filter(about=order.order_id)
    said = {one.kind: json.loads(one.personal)["actor"] for one in entries}
    assert said == {
        "approval_requested": "asker",
        "approved": "bruno",
        "refund": "asker",
    }
    facts = json.loads(entries.get(kind="approved").facts)
    assert facts["approval"] == approval.pk
    get_user_model().objects.all().delete()
    assert Operation.objects.get(kind="refund").actor_name == "asker"
    assert audit.verify().problems == []


def test_a_closed_day(gateway: Simulator) -> None:
    anna = Clerk("close_day", name="anna")
    day = days.last_closable()
    flows.close_day(day, actor=flows.Actor(user=anna.user))
    closing = DayClosing.objects.get()
    for form in ("csv", "json"):
        anna.get(f"/admin/nexi_payments/dayclosing/{closing.pk}/{form}/")
    rows = StaffAccess.objects.order_by("pk").values_list("kind", "detail")
    assert list(rows) == [
        ("closed", f"{day}, revision 1"),
        ("exported", f"closed-day-{day}-1.csv"),
        ("exported", f"closed-day-{day}-1.jsonl"),
    ]


def test_a_card_number_in_an_address_is_not_kept(gateway: Simulator) -> None:
    anna = Clerk(name="anna")
    anna.get(f"{ORDERS_URL}4349940199004549/change/")
    anna.get(f"{ORDERS_URL}moto/4349940199004549/card/")
    assert [about for _, _, about, _ in accesses()] == ["", ""]


def test_an_export_that_cannot_be_recorded_is_not_made(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = Clerk("view_paymentorder", name="anna")

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no record")

    monkeypatch.setattr(audit, "record_access", fail)
    with pytest.raises(RuntimeError, match="no record"):
        anna.get(f"{ORDERS_URL}export/")


def test_a_visitor_who_is_not_logged_in_writes_nothing(gateway: Simulator) -> None:
    visitor = Client(HTTP_HOST=HOST)
    assert visitor.get(f"{ORDERS_URL}export/").status_code == 302
    assert accesses() == []


def test_the_reconciler_continues_it(gateway: Simulator) -> None:
    Clerk(name="anna").get(ORDERS_URL)
    counts = flows.reconcile()
    assert (counts.audited, StaffAccess.objects.count()) == (1, 0)
    assert AuditEntry.objects.get().kind == "denied"


def test_a_defect_of_the_trail_stops_no_payment(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def fail(**kwargs: Any) -> int:
        raise RuntimeError("disk full")

    monkeypatch.setattr(audit, "append_due", fail)
    assert flows.reconcile().audited == 0
    (record,) = [one for one in caplog.records if one.levelname == "CRITICAL"]
    assert record.getMessage() == "the audit trail cannot be continued"


def test_reading_it_is_in_it(gateway: Simulator, capsys: Any) -> None:
    call_command("nexi_audit", "--since", "2026-01-01")
    ((kind, page, _, name),) = accesses()
    assert (kind, page) == ("audit_read", "nexi_audit")
    assert name.startswith("shell")
    assert StaffAccess.objects.get().detail == "since=2026-01-01"
    assert capsys.readouterr().out == ""
