"""A user of one terminal walks every page and endpoint: nothing of another terminal is
seen, and nothing is done there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.urls import resolve

from nexi_payments import flows
from nexi_payments.flows.closing import days
from nexi_payments.models import ClosingDifference, DayClosing, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.api.test_access import BODIES, DOORS
from tests.support.api_clients import ALL_PERMISSIONS, ShopServer
from tests.support.clerk import ORDERS_URL, PERMISSIONS, Clerk, result_url
from tests.support.queued_refunds import enqueue_and_die
from tests.support.shopper import Shopper, new_order
from tests.system.test_permissions import PAGES, World, amount, picture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

OTHER = {"other": ["see", "take", "refund"]}
EVERY = ("see", "take", "refund")

#: Pages that the table of permissions does not have.
MORE: dict[str, tuple[Callable[[World], str], dict[str, Any] | None]] = {
    "cancel payment": (
        lambda w: f"{ORDERS_URL}{w.fresh.pk}/cancel-payment/",
        {"reason": "no", "confirmed": "1"},
    ),
    "decide": (
        lambda w: f"{ORDERS_URL}operation/{charge(w.paid)}/decide/",
        {"outcome": "done", "reason": "seen", "confirmed": "1"},
    ),
    "accept totals": (
        lambda w: f"{ORDERS_URL}{w.paid.pk}/accept-totals/",
        {"expected": "1.00", "reason": "seen", "confirmed": "1"},
    ),
    "withdraw": (
        lambda w: f"{ORDERS_URL}queued-refund/{queued(w.captured)}/withdraw/",
        {"reason": "no"},
    ),
    "nexi link": (lambda w: result_url(w.fresh) + "nexi-link/", {"do": "create"}),
    "check": (lambda w: result_url(w.fresh) + "check/", {}),
}
#: Pages of no single row, or of a row that is made now.
OPEN = {
    *("list", "search", "export", "to check", "till", "till csv"),
    *("semicolons", "columns", "save a filter", "remove a filter"),
    *("door of the desk", "door of the list", "door of the till", "desk"),
    *("cards on file", "card checks", "card to verify", "approvals"),
    *("own phone orders", "find a phone order"),
}
#: Django answers an unknown row here with its index.
INDEX = {"history", "history of a check"}
#: With the right to see alone these pages work, or have nothing to do.
SEES = {
    *OPEN - {"desk", "card to verify"},
    *INDEX,
    *("order", "result", "status", "receipt", "receipt of a shop payment"),
    *("card on file", "card check", "answer", "approval", "ask", "check"),
    *("resend", "seen"),
    *(
        "note",
        "resolve",
        "mail",
        "mailed receipt",
        "end on file",
        "decide",
        "accept totals",
    ),
}


def charge(order: PaymentOrder) -> int:
    return order.operations.order_by("pk").last().pk  # type: ignore[union-attr]


def queued(order: PaymentOrder) -> int:
    found = order.queued_refunds.first()
    return found.pk if found else enqueue_and_die(order, "1.00").pk


@pytest.fixture
def group(change_settings: Any, settings: Any) -> Callable[..., Group]:
    """The only group, with these rights on terminals."""

    def make(**rights: list[str]) -> Group:
        terminals = settings.NEXI_PAYMENTS["TERMINALS"]
        extra = {"ENVIRONMENT": "simulator", "MOTO": True}
        change_settings(
            TERMINALS={**terminals, "other": extra},
            TERMINAL_RIGHTS={
                "Branch": {n.replace("all", "*"): r for n, r in rights.items()}
            },
        )
        return Group.objects.get_or_create(name="Branch")[0]

    return make


def pages() -> dict[str, tuple[Callable[[World], str], dict[str, Any] | None]]:
    return {name: page[:2] for name, page in PAGES.items()} | MORE


def answer_of(clerk: Clerk, world: World, name: str) -> HttpResponse:
    path, fields = pages()[name]
    url = path(world)
    return clerk.get(url) if fields is None else clerk.post(url, **fields)


def complete(shopper: Shopper) -> World:
    world = World(shopper).complete()
    for path, _fields in MORE.values():
        path(world)
    return world


def body(answer: Any) -> str:
    if answer.streaming:
        return b"".join(answer.streaming_content).decode()
    return answer.content.decode()


def ids(world: World) -> list[str]:
    """What would show that a row of another terminal was read."""
    orders = PaymentOrder.objects.exclude(terminal="other")
    return [
        *orders.values_list("order_id", flat=True),
        world.kept.contract_id,
        world.on_hold.contract_id,
        world.check.order_id,
        f"/approval/{world.approval.pk}/",
        f"/discrepancy/{world.odd.pk}/",
        "12.50",
        "12,50",
    ]


def test_every_page_of_the_admin_is_walked(shopper: Shopper) -> None:
    world = complete(shopper)
    walked = {
        resolve(path(world).split("?")[0]).url_name for path, _f in pages().values()
    }
    ours = {
        pattern.name
        for model, page in admin.site._registry.items()
        if model._meta.app_label == "nexi_payments"
        for pattern in page.get_urls()
        if pattern.name
    }
    of_django = {name for name in ours if name.endswith(("_add", "_delete"))}
    of_closings = {name for name in ours if "_dayclosing_" in name}  # below
    assert ours - of_django - of_closings - walked == {
        # the histories of other rows are the same page of Django
        "nexi_payments_contract_history",
        "nexi_payments_approval_history",
    }


@pytest.mark.parametrize("rights", [OTHER, {"all": ["see"]}])
def test_a_closed_day_is_of_all_terminals(
    rights: dict[str, list[str]], gateway: Simulator, group: Callable[..., Group]
) -> None:
    closing = flows.close_day(days.last_closable())
    difference = ClosingDifference.objects.create(
        closing=closing, kind="different", terminal="other"
    )
    clerk = Clerk("close_day", "view_dayclosing", "reconcile_payment")
    clerk.user.groups.add(group(**rights))
    closings = "/admin/nexi_payments/dayclosing/"
    sees = "all" in rights
    for page in ("", "close/", *(f"{closing.pk}/{one}/" for one in ("csv", "json"))):
        answer = clerk.get(closings + page)
        assert answer.status_code == (200 if sees else 403), page
    for page in ("change", "history"):
        answer = clerk.get(f"{closings}{closing.pk}/{page}/")
        assert (answer.status_code == 200) == sees, page
    follow_up = clerk.get(f"{closings}difference/{difference.pk}/follow-up/")
    assert follow_up.status_code == (302 if sees else 403)
    again = {"day": str(closing.day), "again": "on"}
    assert clerk.post(closings + "close/", **again).status_code == (
        302 if sees else 403
    )
    assert DayClosing.objects.count() == 1 + sees


def test_what_one_may_not_see_is_not_there(
    shopper: Shopper, gateway: Simulator, group: Callable[..., Group]
) -> None:
    world = complete(shopper)
    hidden = ids(world)
    clerk = Clerk(*PERMISSIONS)
    clerk.user.groups.add(group(**OTHER))
    before = picture(gateway)
    for name in pages():
        if name in ("open", "verify"):
            continue  # made on the clerk's own terminal: below
        answer = answer_of(clerk, world, name)
        if name in OPEN:
            assert answer.status_code in (200, 302), name
            found = [one for one in hidden if one in body(answer)]
            assert found == [], name
        elif name in INDEX:
            assert (answer.status_code, answer["Location"]) == (302, "/admin/"), name
        else:
            assert answer.status_code == 404, (name, answer.status_code)
        assert picture(gateway) == before, name
    sums = body(answer_of(clerk, world, "till csv")).splitlines()
    assert len(sums) == 1, sums  # its head
    board = body(answer_of(clerk, world, "list"))
    assert "Nothing was taken yet." in board
    assert "Nothing waits for you." in board
    assert "Nothing to check" in body(answer_of(clerk, world, "to check"))
    for path in ("contract", "approval"):
        row = world.kept if path == "contract" else world.approval
        found = clerk.get(f"/admin/nexi_payments/{path}/{row.pk}/history/")
        assert (found.status_code, found["Location"]) == (302, "/admin/")


def test_what_is_made_is_made_on_the_own_terminal(
    shopper: Shopper, gateway: Simulator, group: Callable[..., Group]
) -> None:
    clerk = Clerk(*PERMISSIONS)
    clerk.user.groups.add(group(**OTHER))
    world = World(shopper)
    path, fields = pages()["open"]
    for terminal in ("moto", "default"):
        answer = clerk.post(path(world), **{**(fields or {}), "terminal": terminal})
        assert answer.status_code == 400
    assert not PaymentOrder.objects.exists()
    assert answer_of(clerk, world, "open").status_code == 302
    assert PaymentOrder.objects.get().terminal == "other"
    path, fields = pages()["verify"]
    assert clerk.post(path(world), **(fields or {})).status_code == 400
    assert len(gateway.calls) == 0


def test_who_may_only_see_does_nothing(
    shopper: Shopper, gateway: Simulator, group: Callable[..., Group]
) -> None:
    world = complete(shopper)
    clerk = Clerk(*PERMISSIONS)
    clerk.user.groups.add(group(all=["see"]))
    for name in pages():
        before = picture(gateway)
        answer = answer_of(clerk, world, name)
        if name in SEES:
            assert answer.status_code in (200, 302, 409), (name, answer.status_code)
        else:
            assert answer.status_code == 403, (name, answer.status_code)
            assert picture(gateway) == before, name


@pytest.mark.parametrize(
    ("rights", "does", "does_not"),
    [
        (["take"], "capture", "refund"),
        (["refund"], "refund", "capture"),
    ],
)
def test_each_right_gives_its_own_actions(
    rights: list[str],
    does: str,
    does_not: str,
    shopper: Shopper,
    gateway: Simulator,
    group: Callable[..., Group],
) -> None:
    held = shopper.pay(new_order(reference="H", terminal="manual"))
    flows.capture(held, amount=held.total / 2)
    clerk = Clerk(*PERMISSIONS)
    clerk.user.groups.add(group(manual=rights))
    page = clerk.get_text(f"{ORDERS_URL}{held.pk}/change/")
    assert f"{ORDERS_URL}{held.pk}/{does}/" in page
    assert f"{ORDERS_URL}{held.pk}/{does_not}/" not in page
    fields = {**amount("1.00"), "expected_remaining": "6.25"}
    before = picture(gateway)
    answer = clerk.post(f"{ORDERS_URL}{held.pk}/{does_not}/", **fields)
    assert answer.status_code == 403
    assert picture(gateway) == before
    assert clerk.post(f"{ORDERS_URL}{held.pk}/{does}/", **fields).status_code == 302
    assert picture(gateway) != before


def test_without_a_group_of_the_setting_nothing_is_seen(
    shopper: Shopper, group: Callable[..., Group]
) -> None:
    order = shopper.pay(new_order())
    group(all=list(EVERY))
    clerk = Clerk(*PERMISSIONS)
    assert order.order_id not in clerk.get_text(ORDERS_URL)
    assert clerk.get(f"{ORDERS_URL}{order.pk}/change/").status_code == 404
    clerk.user.is_superuser = True
    clerk.user.save()
    assert order.order_id in clerk.get_text(ORDERS_URL)


def api_answer(server: ShopServer, world: World, method: str, path: str) -> Any:
    where = path.replace("ORDER", world.paid.order_id)
    where = where.replace("CARD", world.kept.contract_id)
    where = where.replace("CHECK", world.check.order_id)
    where = where.replace("APPROVAL", str(world.approval.pk))
    if method == "GET":
        return server.get(where)
    return server.post(where, BODIES.get(path))


@pytest.mark.parametrize("rights", [OTHER, {}, {"all": ["see"]}])
def test_the_api(
    rights: dict[str, list[str]],
    shopper: Shopper,
    gateway: Simulator,
    group: Callable[..., Group],
) -> None:
    world = World(shopper)
    rows = (world.paid, world.kept, world.check, world.approval)
    assert all(rows)
    hidden = ids(world)
    server = ShopServer(*ALL_PERMISSIONS)
    found = group(**(rights or OTHER))
    if rights:
        server.user.groups.add(found)
    sees = "all" in rights
    before = picture(gateway)
    for method, path in DOORS:
        if sees and path in ("orders/ORDER/reconcile/", "contracts/CARD/end/"):
            continue  # needs the right to see alone
        if path == "orders/ORDER/nexi-link/" and method == "GET":
            answer = api_answer(server, world, method, path)  # to send it again
            assert answer.status_code == (403 if sees else 404)
            continue
        answer = api_answer(server, world, method, path)
        where = (method, path, answer.content)
        if method == "GET" and "/" not in path.rstrip("/"):
            assert answer.status_code == 200, where
            assert bool(answer.json()["results"]) == sees, where
            assert sees or not [one for one in hidden if one in answer.content.decode()]
        elif path in ("orders/", "moto/", "card-verifications/"):
            assert answer.status_code == 403, where
        elif method == "GET":
            assert answer.status_code == (200 if sees else 404), where
        else:
            assert answer.status_code == (403 if sees else 404), where
        assert picture(gateway) == before, where


def test_a_problem_does_not_name_a_payment_of_another_terminal(
    shopper: Shopper, group: Callable[..., Group]
) -> None:
    order = shopper.pay(new_order(reference="R-1"))
    server = ShopServer(*ALL_PERMISSIONS)
    server.user.groups.add(group(**OTHER))
    purchase = {"amount": "1.00", "currency": "EUR", "reference": "R-1"}
    answer = server.post("orders/", {**purchase, "terminal": "other"})
    assert (answer.status_code, answer.json()["code"]) == (409, "reference_in_use")
    assert "order" not in answer.json()
    assert order.order_id not in answer.content.decode()
