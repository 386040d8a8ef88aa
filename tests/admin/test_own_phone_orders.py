"""A clerk finds their own phone orders again, and inquires about them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments.enums import EventKind, OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.clerk import (
    MOTO_ENDPOINT,
    PHONE_ORDERS_URL,
    Clerk,
    follow_redirect,
    order_from_redirect,
    result_url,
)
from tests.support.shopper import CARDS, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
CLERK_MAY = ("take_moto",)
OWN_URL = PHONE_ORDERS_URL + "own/"


def in_doubt(clerk: Clerk, gateway: Simulator) -> PaymentOrder:
    """Nexi charged the card; its response and those of two inquiries are lost."""
    order = order_from_redirect(clerk.create_order())
    gateway.lose_next_answer("/orders/moto")
    for _ in range(2):
        gateway.next_reply(f"/orders/{order.order_id}", Reply(503))
    clerk.submit_card(order)
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    return order


def charged_before(order: PaymentOrder, seconds: float) -> None:
    at = timezone.now() - timedelta(seconds=seconds)
    PaymentOrder.objects.filter(pk=order.pk).update(charging_since=at)


def inquiries(gateway: Simulator) -> int:
    return gateway.count("GET /orders/{id}")


# -- while the clerk waits -------------------------------------------------------------


def test_the_page_has_nexi_asked(clerk: Clerk, gateway: Simulator) -> None:
    order = in_doubt(clerk, gateway)
    charged_before(order, 5)
    before = inquiries(gateway)
    status = result_url(order) + "status/"
    assert clerk.get(status).json()["message"] == "We are checking"
    assert inquiries(gateway) == before  # no moment has passed
    charged_before(order, 6.2)
    assert clerk.get(status).json() == {
        "state": f"{order.pk} paid",
        "final": True,
        "message": "Paid",
        "next": result_url(order),
    }
    assert inquiries(gateway) == before + 1
    assert gateway.count(MOTO_ENDPOINT) == 1


def test_any_number_of_pages_ask_once_a_moment(
    clerk: Clerk, gateway: Simulator
) -> None:
    order = in_doubt(clerk, gateway)
    before = inquiries(gateway)
    other = Clerk("take_moto", name="other")
    charged_before(order, 12)  # the moments of 10 s and 15 s
    for _ in range(3):
        gateway.next_reply(f"/orders/{order.order_id}", Reply(503))
    for who in (clerk, other, clerk):
        answer = who.get(result_url(order) + "status/").json()
        assert (answer["final"], answer["message"]) == (False, "We are checking")
    assert inquiries(gateway) == before + 1
    charged_before(order, 17)
    PaymentOrder.objects.update(looked_at=timezone.now() - timedelta(seconds=5))
    clerk.get(result_url(order) + "status/")
    assert inquiries(gateway) == before + 2


def test_after_a_quarter_of_an_hour_the_page_asks_no_more(
    clerk: Clerk, gateway: Simulator
) -> None:
    order = in_doubt(clerk, gateway)
    before = inquiries(gateway)
    charged_before(order, 1200)
    PaymentOrder.objects.update(looked_at=timezone.now() - timedelta(seconds=280))
    assert clerk.get(result_url(order) + "status/").json()["final"] is False
    assert inquiries(gateway) == before


def test_a_final_order_is_not_asked_about(clerk: Clerk, gateway: Simulator) -> None:
    order = clerk.take_phone_order()
    before = inquiries(gateway)
    charged_before(order, 12)
    assert clerk.get(result_url(order) + "status/").json()["final"] is True
    assert inquiries(gateway) == before


# -- check with Nexi now ---------------------------------------------------------------


def test_the_clerk_of_the_order_checks_it(clerk: Clerk, gateway: Simulator) -> None:
    order = in_doubt(clerk, gateway)
    before = inquiries(gateway)
    check = result_url(order) + "check/"
    page = clerk.get_text(result_url(order))
    assert f'action="{check}"' in page
    assert "Check with Nexi now" in page
    page = follow_redirect(clerk, clerk.post(check))
    assert "Nexi was asked. State: paid" in page
    order.refresh_from_db()
    assert (order.state, inquiries(gateway)) == (OrderState.PAID, before + 1)
    asked = order.events.get(kind=EventKind.INQUIRED)
    assert asked.actor == clerk.user
    assert "Check with Nexi now" not in page


def test_pressed_twice_nexi_is_asked_once(clerk: Clerk, gateway: Simulator) -> None:
    order = in_doubt(clerk, gateway)
    before = inquiries(gateway)
    gateway.next_reply(f"/orders/{order.order_id}", Reply(503))
    check = result_url(order) + "check/"
    clerk.post(check)
    page = follow_redirect(clerk, clerk.post(check))
    assert "Nexi was asked a moment ago." in page
    assert inquiries(gateway) == before + 1
    assert order.events.filter(kind=EventKind.INQUIRED).count() == 1


def test_a_look_at_the_address_asks_nothing(clerk: Clerk, gateway: Simulator) -> None:
    order = in_doubt(clerk, gateway)
    before = inquiries(gateway)
    assert clerk.get(result_url(order) + "check/")["Location"] == result_url(order)
    assert inquiries(gateway) == before


def test_another_clerk_does_not_check_it(clerk: Clerk, gateway: Simulator) -> None:
    order = in_doubt(clerk, gateway)
    before = inquiries(gateway)
    other = Clerk("take_moto", name="other")
    assert "Check with Nexi now" not in other.get_text(result_url(order))
    assert other.post(result_url(order) + "check/").status_code == 403
    order.refresh_from_db()
    assert (order.state, inquiries(gateway)) == (OrderState.PAYING, before)
    assert not order.events.filter(kind=EventKind.INQUIRED).exists()
    colleague = Clerk("take_moto", "reconcile_payment", name="colleague")
    assert "Check with Nexi now" in colleague.get_text(result_url(order))
    colleague.post(result_url(order) + "check/")
    order.refresh_from_db()
    assert order.state == OrderState.PAID


def test_an_order_of_the_shop_is_not_checked_here(
    clerk: Clerk, gateway: Simulator
) -> None:
    order = new_order()
    assert clerk.post(result_url(order) + "check/").status_code == 404
    assert gateway.calls == ()


# -- the list --------------------------------------------------------------------------


def references(clerk: Clerk, **query: str) -> list[str]:
    rows = clerk.get(OWN_URL, **query).context["rows"]
    return [row["order"].reference for row in rows]


def test_a_clerk_finds_their_own_orders_again(clerk: Clerk, gateway: Simulator) -> None:
    first = clerk.take_phone_order(reference="R-1")
    clerk.take_phone_order("declined", reference="S-2")
    other = Clerk("take_moto", name="other")
    other.take_phone_order(reference="R-3", amount="20.00")
    new_order(reference="R-4")
    assert references(clerk) == ["S-2", "R-1"]
    assert references(other) == ["R-3"]
    page = clerk.get_text(OWN_URL)
    assert f'<a href="{result_url(first)}">R-1</a>' in page
    for word in ("12.50 EUR", "Giulia Bianchi", "VISA •••• 4549", "paid"):
        assert word in page, word
    assert f'href="{OWN_URL}"' in clerk.get_text(PHONE_ORDERS_URL)
    # and nothing else than before
    assert clerk.get(PHONE_ORDERS_URL.removesuffix("moto/")).status_code == 403


def test_by_reference(clerk: Clerk) -> None:
    for amount, reference in enumerate(("R-1", "R-12", "S-1"), 10):
        clerk.take_phone_order(reference=reference, amount=str(amount))
    answer = clerk.post(OWN_URL, q="r-1")
    assert answer["Location"] == OWN_URL + "?q=r-1"
    assert references(clerk, q="r-1") == ["R-12", "R-1"]
    assert references(clerk, q="S-1") == ["S-1"]
    assert references(clerk, q="1") == []
    assert "You took no phone order with this number" in clerk.get_text(OWN_URL, q="1")


def test_by_reference_only_among_their_own(clerk: Clerk) -> None:
    Clerk("take_moto", name="other").take_phone_order(reference="R-1")
    assert references(clerk, q="R-1") == []


def test_for_thirty_days(clerk: Clerk) -> None:
    order = clerk.take_phone_order()
    now = timezone.now()
    for days, found in ((29, ["R-1"]), (31, [])):
        made = now - timedelta(days=days)
        PaymentOrder.objects.filter(pk=order.pk).update(created_at=made)
        assert references(clerk) == found
        assert references(clerk, q="R-1") == found


def test_replaced_attempts_are_found_by_reference_only(clerk: Clerk) -> None:
    clerk.create_order()
    clerk.create_order(amount="20.00")  # the first is superseded
    assert references(clerk) == ["R-1"]
    assert references(clerk, q="R-1") == ["R-1", "R-1"]


@pytest.mark.parametrize("way", ["get", "post"])
def test_a_card_number_is_not_searched_for(clerk: Clerk, way: str) -> None:
    number = CARDS["challenge"].number
    answer = getattr(clerk, way)(OWN_URL, q=number)
    assert answer["Location"] == OWN_URL
    page = follow_redirect(clerk, answer)
    assert "This looks like a card number." in page
    assert number not in page


def test_the_list_needs_the_permission() -> None:
    reader = Clerk("view_paymentorder", name="reader")
    assert reader.get(OWN_URL).status_code == 403
    assert reader.post(OWN_URL, q="R").status_code == 403


def test_rights_of_terminals(
    clerk: Clerk, gateway: Simulator, change_settings: Any
) -> None:
    """A clerk who was moved to another terminal does not see the old orders."""
    from django.contrib.auth.models import Group

    order = in_doubt(clerk, gateway)
    before = inquiries(gateway)
    change_settings(TERMINAL_RIGHTS={"branch": {"default": ["see", "take"]}})
    clerk.user.groups.add(Group.objects.create(name="branch"))
    assert references(clerk) == []
    assert references(clerk, q="R-1") == []
    assert clerk.get(result_url(order)).status_code == 404
    assert clerk.get(result_url(order) + "status/").status_code == 404
    assert clerk.post(result_url(order) + "check/").status_code == 404
    assert inquiries(gateway) == before
    change_settings(TERMINAL_RIGHTS={"branch": {"moto": ["see"]}})
    assert references(clerk) == ["R-1"]
    clerk.post(result_url(order) + "check/")
    order.refresh_from_db()
    assert order.state == OrderState.PAID
