"""Every permission × every page and action: what is not allowed changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core import mail

from nexi_payments import flows, states
from nexi_payments.card import Card
from nexi_payments.flows import moto
from nexi_payments.models import (
    Break,
    CardCheck,
    Contract,
    Event,
    Operation,
    PaymentOrder,
)
from nexi_payments.simulator import Simulator
from tests.cards_on_file import MONTHLY, on_file
from tests.clerk import (
    BASE,
    DESK,
    PERMISSIONS,
    Clerk,
    card_page,
    order_page,
    result_page,
)
from tests.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

CONTRACTS = {"view_contract", "charge_contract", "end_contract"}
CHECK = "view_cardcheck"
CHECKS = {"verify_card", CHECK}
READERS = set(PERMISSIONS) - {"take_moto"} - CONTRACTS - CHECKS
FILE = "/admin/nexi_payments/contract/"
ASKED = "/admin/nexi_payments/cardcheck/"
CARD = {
    "cardholder_name": "Giulia Bianchi",
    "card_number": CARDS["challenge"].number,
    "expiry": "12/30",
    "security_code": "396",
    "knowingly": "on",
}
ORDER = {"amount": "5.00", "currency": "EUR", "reference": "R-9"}


def phone_order(**changes: Any) -> PaymentOrder:
    facts = {"amount": Decimal("12.50"), "currency": "EUR", "terminal": "moto"}
    return moto.open_order(**facts | changes, actor=flows.Actor())  # type: ignore[arg-type]


class World:
    """One order in each state that a page or action is about."""

    def __init__(self, shopper: Shopper) -> None:
        self.paid = shopper.pay(new_order(reference="P"))
        self.held = shopper.pay(new_order(reference="H", terminal="manual"))
        self.fresh = phone_order(reference="F")
        self.declined = phone_order(reference="D")
        card = Card(CARDS["declined"].number, "1228", "829")
        flows.pay_moto(self.declined, card, cardholder="Giulia")
        self.link = moto.offer_link(phone_order(reference="L"))
        self.review = shopper.pay(new_order(reference="V"))
        PaymentOrder.objects.filter(pk=self.review.pk).update(state=states.REVIEW)
        self.captured = shopper.pay(new_order(reference="C", terminal="manual"))
        flows.capture(self.captured)
        self.kept = on_file(shopper)
        self.on_hold = on_file(shopper, terms=MONTHLY)
        Contract.objects.filter(pk=self.on_hold.pk).update(state=states.ON_HOLD)
        good = Card(CARDS["challenge"].number, "1230", "396")
        self.check = flows.verify_card(good)
        self.odd = Break.objects.create(
            order=self.paid, kind="odd", created_at=self.paid.created_at
        )


#: name → (path, fields of a POST or None for GET, who may)
Page = tuple[Callable[[World], str], dict[str, Any] | None, set[str]]


def amount(value: str, **more: str) -> dict[str, Any]:
    return {"amount": value, "seen": "12.50", "confirmed": "1", **more}


PAGES: dict[str, Page] = {
    "list": (lambda w: BASE, None, READERS),
    "search": (lambda w: BASE + "search/", {"q": "P"}, READERS),
    "export": (lambda w: BASE + "export/", None, READERS),
    "order": (lambda w: order_page(w.paid), None, READERS),
    "history": (lambda w: f"{BASE}{w.paid.pk}/history/", None, READERS),
    "to check": (lambda w: BASE + "to-check/", None, READERS),
    "till": (lambda w: BASE + "till/", None, READERS),
    "till csv": (lambda w: BASE + "till/?format=csv", None, READERS),
    "door of the desk": (
        lambda w: "/admin/nexi_payments/desk/",
        None,
        {"take_moto"},
    ),
    "door of the list": (lambda w: "/admin/nexi_payments/worklist/", None, READERS),
    "door of the till": (lambda w: "/admin/nexi_payments/till/", None, READERS),
    "desk": (lambda w: DESK, None, {"take_moto"}),
    "open": (lambda w: DESK, ORDER, {"take_moto"}),
    "card page": (lambda w: card_page(w.fresh), None, {"take_moto"}),
    "charge": (lambda w: card_page(w.fresh), CARD, {"take_moto"}),
    "result": (lambda w: result_page(w.declined), None, {"take_moto"}),
    "status": (lambda w: result_page(w.declined) + "status/", None, {"take_moto"}),
    "again": (lambda w: result_page(w.declined) + "again/", {}, {"take_moto"}),
    "link": (lambda w: result_page(w.fresh) + "link/", {}, {"take_moto"}),
    "mail": (
        lambda w: result_page(w.link) + "mail/",
        {"email": "g@example.com", "language": "en"},
        {"take_moto"},
    ),
    "receipt": (
        lambda w: result_page(w.link) + "receipt/",
        None,
        {"take_moto"} | READERS,
    ),
    "capture": (
        lambda w: f"{BASE}{w.held.pk}/capture/",
        amount("5.00"),
        {"capture_payment"},
    ),
    "void": (lambda w: f"{BASE}{w.held.pk}/void/", amount("12.50"), {"void_payment"}),
    "refund": (
        lambda w: f"{BASE}{w.paid.pk}/refund/",
        amount("5.00"),
        {"refund_payment"},
    ),
    "cancel": (
        lambda w: f"{BASE}{w.captured.pk}/cancel/",
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
    "ask": (lambda w: f"{BASE}{w.paid.pk}/ask/", {}, {"reconcile_payment"}),
    "resend": (
        lambda w: f"{BASE}event/{w.paid.events.get(kind='paid').pk}/resend/",
        {},
        {"reconcile_payment"},
    ),
    "seen": (lambda w: f"{BASE}break/{w.odd.pk}/seen/", {}, {"resolve_review"}),
    "resolve": (
        lambda w: f"{BASE}{w.review.pk}/resolve/",
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
    "capture",
    "void",
    "refund",
    "cancel",
    "charge on file",
    "off hold",
    "end on file",
    "verify",
    "ask",
    "resend",
    "seen",
    "resolve",
}


def picture(gateway: Simulator) -> Any:
    """Everything that an action could change."""
    return (
        list(PaymentOrder.objects.order_by("pk").values()),
        list(Operation.objects.order_by("pk").values()),
        list(Event.objects.order_by("pk").values()),
        list(Break.objects.order_by("pk").values()),
        list(Contract.objects.order_by("pk").values()),
        list(CardCheck.objects.order_by("pk").values()),
        LogEntry.objects.count(),
        len(mail.outbox),
        len(gateway.calls),
    )


def ask(clerk: Clerk, world: World, name: str) -> int:
    path, fields, _allowed = PAGES[name]
    url = path(world)
    answer = clerk.get(url) if fields is None else clerk.post(url, **fields)
    return answer.status_code


@pytest.mark.parametrize("permission", [*PERMISSIONS, "none"])
def test_who_may_see_what_and_do_nothing(
    permission: str, shopper: Shopper, gateway: Simulator
) -> None:
    """Every page that is only looked at, and every deed that is denied. None of them
    changes anything, so that all can be asked for in one world."""
    world = World(shopper)
    clerk = Clerk(*([] if permission == "none" else [permission]))
    before = picture(gateway)
    for name, (_path, _fields, allowed) in PAGES.items():
        if permission not in allowed:
            assert ask(clerk, world, name) == 403, name
        elif name not in CHANGES:
            assert ask(clerk, world, name) in (200, 302), name
        assert picture(gateway) == before, name


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
    clerk = Clerk(permission)
    before = picture(gateway)
    assert ask(clerk, world, name) in (200, 302)
    assert picture(gateway) != before


def test_all_permissions_but_one(shopper: Shopper, gateway: Simulator) -> None:
    """Nothing else gives what a permission gives."""
    world = World(shopper)
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
        name: Clerk(name, name=name).read("/admin/")
        for name in ("take_moto", "view_paymentorder", "verify_card")
    }
    assert "/admin/nexi_payments/desk/" in seen["take_moto"]
    assert "/admin/nexi_payments/paymentorder/" not in seen["take_moto"]
    assert "/admin/nexi_payments/till/" not in seen["take_moto"]
    for door in ("paymentorder", "worklist", "till"):
        assert f"/admin/nexi_payments/{door}/" in seen["view_paymentorder"]
    assert "/admin/nexi_payments/desk/" not in seen["view_paymentorder"]
    assert f'href="{ASKED}"' in seen["verify_card"]
    assert "/admin/nexi_payments/paymentorder/" not in seen["verify_card"]
    assert ASKED not in seen["view_paymentorder"]
    assert "nexi_payments" not in Clerk(name="plain").read("/admin/")


def test_buttons_are_shown_to_those_who_may_press_them(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    page = Clerk("view_paymentorder", name="reader").read(order_page(order))
    for deed in ("capture", "void", "refund", "ask", "resolve"):
        assert f"{BASE}{order.pk}/{deed}/" not in page
    page = Clerk("refund_payment", name="refunder").read(order_page(order))
    assert f"{BASE}{order.pk}/refund/" in page
    assert f"{BASE}{order.pk}/ask/" not in page
    listed = Clerk("view_paymentorder", "take_moto", name="both").read(BASE)
    assert DESK in listed
    assert DESK not in Clerk("view_paymentorder", name="one").read(BASE)
    for place, (path, sees) in enumerate(
        ((BASE, "view_paymentorder"), (FILE, "view_contract"), (ASKED, CHECK))
    ):
        verifier = Clerk(sees, "verify_card", name=f"verifier{place}")
        assert f'href="{ASKED}verify/"' in verifier.read(path)
        assert f"{ASKED}verify/" not in Clerk(sees, name=f"sees{place}").read(path)


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
    assert clerk.get(BASE + "add/").status_code == 403
    assert clerk.post(BASE + "add/", state="paid").status_code == 403
    assert clerk.post(order_page(order), state="refunded").status_code == 403
    assert clerk.get(f"{BASE}{order.pk}/delete/").status_code == 403
    assert clerk.post(f"{BASE}{order.pk}/delete/", post="yes").status_code == 403
    action = {"action": "delete_selected", "_selected_action": str(order.pk)}
    clerk.post(BASE, **action)
    assert picture(gateway) == before
    for missing in ("999999", "x", "9" * 30):
        assert clerk.get(f"{BASE}{missing}/change/").status_code == 404
        assert clerk.get(f"{ASKED}{missing}/change/").status_code == 404
        assert clerk.get(f"{ASKED}verify/{missing}/").status_code == 404
    assert clerk.get(f"{BASE}999999/refund/").status_code == 404
    assert clerk.get(DESK + "0" * 32 + "/").status_code == 404
