"""Every permission × every page and action: a denied one changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import ContractState, OrderState
from nexi_payments.flows import moto, payment_link
from nexi_payments.models import (
    Approval,
    CardVerification,
    Contract,
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
)
from nexi_payments.simulator import Simulator
from tests.support.approvals import new_approval
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    PHONE_ORDERS_URL,
    Clerk,
    card_url,
    order_url,
    result_url,
)
from tests.support.contracts import MONTHLY, make_contract
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

CONTRACTS = {"view_contract", "charge_contract", "end_contract"}
CHECK = "view_cardverification"
CHECKS = {"verify_card", CHECK}
READERS = set(PERMISSIONS) - {"take_moto"} - CONTRACTS - CHECKS
#: Who acts on payments writes notes.
WRITERS = {"take_moto"} | READERS - {"view_paymentorder", "approve_payment"}
FILE = "/admin/nexi_payments/contract/"
APPROVALS = "/admin/nexi_payments/approval/"
ASKED = "/admin/nexi_payments/cardverification/"
CARD = {
    "cardholder_name": "Giulia Bianchi",
    "card_number": CARDS["challenge"].number,
    "expiry": "12/30",
    "security_code": "396",
    "allow_duplicate": "on",
}
ORDER = {"amount": "5.00", "currency": "EUR", "reference": "R-9"}


def phone_order(**changes: Any) -> PaymentOrder:
    facts = {"amount": Decimal("12.50"), "currency": "EUR", "terminal": "moto"}
    return moto.create_moto_order(**facts | changes, actor=flows.Actor())  # type: ignore[arg-type]


class World:
    """One order in each state that a page or action is about, made when asked for."""

    good_card = Card(CARDS["challenge"].number, "1230", "396")

    def __init__(self, shopper: Shopper) -> None:
        self.shopper = shopper

    @cached_property
    def paid(self) -> PaymentOrder:
        return self.shopper.pay(new_order(reference="P"))

    @cached_property
    def held(self) -> PaymentOrder:
        return self.shopper.pay(new_order(reference="H", terminal="manual"))

    @cached_property
    def fresh(self) -> PaymentOrder:
        return phone_order(reference="F")

    @cached_property
    def declined(self) -> PaymentOrder:
        order = phone_order(reference="D")
        card = Card(CARDS["declined"].number, "1228", "829")
        flows.pay_moto(order, card, cardholder="Giulia")
        return order

    @cached_property
    def taken(self) -> PaymentOrder:
        order = phone_order(reference="T", amount=Decimal("30.00"))
        flows.pay_moto(order, self.good_card, cardholder="Giulia")
        return order

    @cached_property
    def link(self) -> PaymentOrder:
        return payment_link.offer_link(phone_order(reference="L"))

    @cached_property
    def review(self) -> PaymentOrder:
        order = self.shopper.pay(new_order(reference="V"))
        PaymentOrder.objects.filter(pk=order.pk).update(state=OrderState.REVIEW)
        return order

    @cached_property
    def captured(self) -> PaymentOrder:
        order = self.shopper.pay(new_order(reference="C", terminal="manual"))
        flows.capture(order)
        return order

    @cached_property
    def kept(self) -> Contract:
        return make_contract(self.shopper)

    @cached_property
    def on_hold(self) -> Contract:
        contract = make_contract(self.shopper, terms=MONTHLY)
        Contract.objects.filter(pk=contract.pk).update(state=ContractState.SUSPENDED)
        return contract

    @cached_property
    def check(self) -> CardVerification:
        return flows.verify_card(self.good_card)

    @cached_property
    def approval(self) -> Approval:
        return new_approval(self.shopper.pay(new_order(reference="A")))

    @cached_property
    def odd(self) -> Discrepancy:
        return Discrepancy.objects.create(
            order=self.paid, kind="odd", created_at=self.paid.created_at
        )

    def complete(self) -> World:
        """With everything that any page is about."""
        for path, _fields, _allowed in PAGES.values():
            path(self)
        return self


#: name → (path, fields of a POST or None for GET, who may)
Page = tuple[Callable[[World], str], dict[str, Any] | None, set[str]]


def amount(value: str, **more: str) -> dict[str, Any]:
    return {"amount": value, "expected_remaining": "12.50", "confirmed": "1", **more}


PAGES: dict[str, Page] = {
    "list": (lambda w: ORDERS_URL, None, READERS),
    "search": (lambda w: ORDERS_URL + "search/", {"q": "P"}, READERS),
    "export": (lambda w: ORDERS_URL + "export/", None, READERS),
    "semicolons": (lambda w: ORDERS_URL + "export/semicolons/", None, READERS),
    "columns": (lambda w: ORDERS_URL + "columns/", None, READERS),
    "save a filter": (lambda w: ORDERS_URL + "filters/save/", None, READERS),
    "remove a filter": (lambda w: ORDERS_URL + "filters/remove/", None, READERS),
    "note": (lambda w: f"{ORDERS_URL}{w.paid.pk}/note/", {"note": "rang"}, WRITERS),
    "order": (lambda w: order_url(w.paid), None, READERS),
    "history": (lambda w: f"{ORDERS_URL}{w.paid.pk}/history/", None, READERS),
    "to check": (lambda w: ORDERS_URL + "review-queue/", None, READERS),
    "till": (lambda w: ORDERS_URL + "daily-report/", None, READERS),
    "till csv": (lambda w: ORDERS_URL + "daily-report/?format=csv", None, READERS),
    "door of the desk": (
        lambda w: "/admin/nexi_payments/phoneorder/",
        None,
        {"take_moto"},
    ),
    "door of the list": (lambda w: "/admin/nexi_payments/reviewqueue/", None, READERS),
    "door of the till": (lambda w: "/admin/nexi_payments/dailyreport/", None, READERS),
    "desk": (lambda w: PHONE_ORDERS_URL, None, {"take_moto"}),
    "open": (lambda w: PHONE_ORDERS_URL, ORDER, {"take_moto"}),
    "card page": (lambda w: card_url(w.fresh), None, {"take_moto"}),
    "charge": (lambda w: card_url(w.fresh), CARD, {"take_moto"}),
    "result": (lambda w: result_url(w.declined), None, {"take_moto"}),
    "status": (lambda w: result_url(w.declined) + "status/", None, {"take_moto"}),
    "own phone orders": (lambda w: PHONE_ORDERS_URL + "own/", None, {"take_moto"}),
    "find a phone order": (
        lambda w: PHONE_ORDERS_URL + "own/",
        {"q": "R"},
        {"take_moto"},
    ),
    "ask about a card": (
        lambda w: result_url(w.fresh) + "ask/",
        {"last4": "4549"},
        {"take_moto"},
    ),
    "again": (lambda w: result_url(w.declined) + "retry/", {}, {"take_moto"}),
    "link": (lambda w: result_url(w.fresh) + "link/", {}, {"take_moto"}),
    "mail": (
        lambda w: result_url(w.link) + "email/",
        {"email": "g@example.com", "language": "en"},
        {"take_moto"},
    ),
    "receipt": (
        lambda w: f"{ORDERS_URL}{w.taken.pk}/receipt/",
        None,
        {"take_moto"} | READERS,
    ),
    "receipt of a shop payment": (
        lambda w: f"{ORDERS_URL}{w.paid.pk}/receipt/",
        None,
        READERS,
    ),
    "mailed receipt": (
        lambda w: f"{ORDERS_URL}{w.taken.pk}/receipt/",
        {"email": "g@example.com", "language": "en"},
        {"take_moto"},
    ),
    "capture": (
        lambda w: f"{ORDERS_URL}{w.held.pk}/capture/",
        amount("5.00"),
        {"capture_payment"},
    ),
    "void": (
        lambda w: f"{ORDERS_URL}{w.held.pk}/void/",
        amount("12.50"),
        {"void_payment"},
    ),
    "refund": (
        lambda w: f"{ORDERS_URL}{w.paid.pk}/refund/",
        amount("5.00"),
        {"refund_payment"},
    ),
    "cancel": (
        lambda w: f"{ORDERS_URL}{w.captured.pk}/cancel/",
        amount("12.50"),
        {"cancel_capture"},
    ),
    "cards on file": (lambda w: FILE, None, CONTRACTS),
    "card on file": (lambda w: f"{FILE}{w.kept.pk}/change/", None, CONTRACTS),
    "charge on file": (
        lambda w: f"{FILE}{w.kept.pk}/charge/",
        {"amount": "5.00", "reference": "S-1", "confirmed": "1"},
        {"charge_contract"},
    ),
    "off hold": (
        lambda w: f"{FILE}{w.on_hold.pk}/resume/",
        {},
        {"charge_contract"},
    ),
    "end on file": (
        lambda w: f"{FILE}{w.kept.pk}/end/",
        {"confirmed": "1"},
        {"end_contract"},
    ),
    "approvals": (lambda w: APPROVALS, None, READERS),
    "approval": (lambda w: f"{APPROVALS}{w.approval.pk}/change/", None, READERS),
    "approve": (
        lambda w: f"{APPROVALS}{w.approval.pk}/approve/",
        {},
        {"approve_payment"},
    ),
    "do not approve": (
        lambda w: f"{APPROVALS}{w.approval.pk}/refuse/",
        {"reason": "no"},
        {"approve_payment"},
    ),
    "ask for approval": (
        lambda w: result_url(w.fresh) + "approval/",
        {},
        {"take_moto"},
    ),
    "card checks": (lambda w: ASKED, None, CHECKS),
    "card check": (lambda w: f"{ASKED}{w.check.pk}/change/", None, CHECKS),
    "history of a check": (lambda w: f"{ASKED}{w.check.pk}/history/", None, CHECKS),
    "answer": (lambda w: f"{ASKED}verify/{w.check.order_id}/", None, CHECKS),
    "card to verify": (lambda w: ASKED + "verify/", None, {"verify_card"}),
    "verify": (
        lambda w: ASKED + "verify/",
        {**CARD, "currency": "EUR", "terminal": "moto"},
        {"verify_card"},
    ),
    "ask": (lambda w: f"{ORDERS_URL}{w.paid.pk}/inquire/", {}, {"reconcile_payment"}),
    "resend": (
        lambda w: f"{ORDERS_URL}event/{w.paid.events.get(kind='paid').pk}/resend/",
        {},
        {"reconcile_payment"},
    ),
    "seen": (
        lambda w: f"{ORDERS_URL}discrepancy/{w.odd.pk}/resolve/",
        {},
        {"resolve_review"},
    ),
    "resolve": (
        lambda w: f"{ORDERS_URL}{w.review.pk}/resolve/",
        {"state": "paid", "reason": "seen"},
        {"resolve_review"},
    ),
}
#: what these change when they are allowed
CHANGES = {
    "open",
    "charge",
    "again",
    "link",
    "mail",
    "mailed receipt",
    "capture",
    "void",
    "refund",
    "cancel",
    "charge on file",
    "off hold",
    "end on file",
    "approve",
    "do not approve",
    "verify",
    "ask",
    "resend",
    "seen",
    "resolve",
    "note",
}


#: What an action could change.
MODELS = (
    Approval,
    PaymentOrder,
    Operation,
    Event,
    Discrepancy,
    Contract,
    CardVerification,
)


def picture(gateway: Simulator) -> Any:
    """Every row of ``MODELS``, and how much was logged, mailed and sent to Nexi."""
    rows = []
    with connection.cursor() as cursor:
        for model in MODELS:
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            rows.append(cursor.fetchall())
    return rows, LogEntry.objects.count(), len(mail.outbox), len(gateway.calls)


def ask(clerk: Clerk, world: World, name: str) -> int:
    path, fields, _allowed = PAGES[name]
    url = path(world)
    answer = clerk.get(url) if fields is None else clerk.post(url, **fields)
    return answer.status_code


@pytest.mark.parametrize("part", [slice(0, 5), slice(5, 10), slice(10, None)])
def test_who_may_see_what_and_do_nothing(
    part: slice, shopper: Shopper, gateway: Simulator
) -> None:
    """Every page that only shows, and every action that is denied. None changes
    anything, so several clerks share one world."""
    world = World(shopper).complete()
    before = picture(gateway)
    for permission in [*PERMISSIONS, "none"][part]:
        allows = [] if permission == "none" else [permission]
        clerk = Clerk(*allows, name=permission)
        for name, (_path, _fields, allowed) in PAGES.items():
            if permission not in allowed:
                assert ask(clerk, world, name) == 403, (name, permission)
            elif name not in CHANGES:
                assert ask(clerk, world, name) in (200, 302), (name, permission)
            assert picture(gateway) == before, (name, permission)


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        (name, who)
        for name in PAGES
        if name in CHANGES
        for who in sorted(PAGES[name][2])
    ],
)
def test_who_may_do_what(
    name: str, permission: str, shopper: Shopper, gateway: Simulator
) -> None:
    world = World(shopper)
    PAGES[name][0](world)
    clerk = Clerk(permission)
    before = picture(gateway)
    assert ask(clerk, world, name) in (200, 302)
    assert picture(gateway) != before


def test_all_permissions_but_one(shopper: Shopper, gateway: Simulator) -> None:
    """Nothing else gives what a permission gives."""
    world = World(shopper).complete()
    for place, missing in enumerate(PERMISSIONS):
        rest = [name for name in PERMISSIONS if name != missing]
        clerk = Clerk(*rest, name=f"clerk{place}")
        for name, (_path, _fields, allowed) in PAGES.items():
            if allowed != {missing}:
                continue
            before = picture(gateway)
            assert ask(clerk, world, name) == 403, (name, missing)
            assert picture(gateway) == before


def test_the_index_shows_what_one_may_do(shopper: Shopper) -> None:
    seen = {
        name: Clerk(name, name=name).get_text("/admin/")
        for name in ("take_moto", "view_paymentorder", "verify_card")
    }
    assert "/admin/nexi_payments/phoneorder/" in seen["take_moto"]
    assert "/admin/nexi_payments/paymentorder/" not in seen["take_moto"]
    assert "/admin/nexi_payments/dailyreport/" not in seen["take_moto"]
    for door in ("paymentorder", "reviewqueue", "dailyreport"):
        assert f"/admin/nexi_payments/{door}/" in seen["view_paymentorder"]
    assert "/admin/nexi_payments/phoneorder/" not in seen["view_paymentorder"]
    assert f'href="{ASKED}"' in seen["verify_card"]
    assert "/admin/nexi_payments/paymentorder/" not in seen["verify_card"]
    assert ASKED not in seen["view_paymentorder"]
    assert "nexi_payments" not in Clerk(name="plain").get_text("/admin/")


def test_buttons_are_shown_to_those_who_may_press_them(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    page = Clerk("view_paymentorder", name="reader").get_text(order_url(order))
    for deed in ("capture", "void", "refund", "inquire", "resolve"):
        assert f"{ORDERS_URL}{order.pk}/{deed}/" not in page
    page = Clerk("refund_payment", name="refunder").get_text(order_url(order))
    assert f"{ORDERS_URL}{order.pk}/refund/" in page
    assert f"{ORDERS_URL}{order.pk}/inquire/" not in page
    listed = Clerk("view_paymentorder", "take_moto", name="both").get_text(ORDERS_URL)
    assert PHONE_ORDERS_URL in listed
    assert PHONE_ORDERS_URL not in Clerk("view_paymentorder", name="one").get_text(
        ORDERS_URL
    )
    for place, (path, sees) in enumerate(
        ((ORDERS_URL, "view_paymentorder"), (FILE, "view_contract"), (ASKED, CHECK))
    ):
        verifier = Clerk(sees, "verify_card", name=f"verifier{place}")
        assert f'href="{ASKED}verify/"' in verifier.get_text(path)
        assert f"{ASKED}verify/" not in Clerk(sees, name=f"sees{place}").get_text(path)


def test_rows_are_neither_added_changed_nor_deleted(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    clerk = Clerk()
    clerk.user = get_user_model().objects.create_superuser("boss")
    clerk.browser.force_login(clerk.user)
    kept = flows.verify_card(Card(CARDS["challenge"].number, "1230", "396"))
    before = picture(gateway)
    assert clerk.get(ASKED + "add/").status_code == 403
    assert clerk.post(f"{ASKED}{kept.pk}/change/", outcome="done").status_code == 403
    assert clerk.post(f"{ASKED}{kept.pk}/delete/", post="yes").status_code == 403
    assert clerk.get(ORDERS_URL + "add/").status_code == 403
    assert clerk.post(ORDERS_URL + "add/", state="paid").status_code == 403
    assert clerk.post(order_url(order), state="refunded").status_code == 403
    assert clerk.get(f"{ORDERS_URL}{order.pk}/delete/").status_code == 403
    assert clerk.post(f"{ORDERS_URL}{order.pk}/delete/", post="yes").status_code == 403
    action = {"action": "delete_selected", "_selected_action": str(order.pk)}
    clerk.post(ORDERS_URL, **action)
    assert picture(gateway) == before
    for missing in ("999999", "x", "9" * 30):
        assert clerk.get(f"{ORDERS_URL}{missing}/change/").status_code == 404
        assert clerk.get(f"{ASKED}{missing}/change/").status_code == 404
        assert clerk.get(f"{ASKED}verify/{missing}/").status_code == 404
    assert clerk.get(f"{ORDERS_URL}999999/refund/").status_code == 404
    assert clerk.get(PHONE_ORDERS_URL + "0" * 32 + "/").status_code == 404
