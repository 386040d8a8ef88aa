"""What the card page of a phone order asks before it posts; cards that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.web.card_form import CardForm
from tests.support.clerk import (
    MOTO_ENDPOINT,
    PHONE_ORDERS_URL,
    Clerk,
    card_url,
    order_from_redirect,
    result_url,
)
from tests.support.shopper import CARDS, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
CLERK_MAY = ("take_moto",)
NOTHING = {"duplicate": False, "refused": False, "message": "", "lines": []}
REFUSED = (
    "This card may not be tried again for this order. Nothing was charged: ask for"
    " another card."
)


def ask(clerk: Clerk, order: PaymentOrder, last4: str = "4549") -> Any:
    return clerk.post(result_url(order) + "ask/", last4=last4)


def failed_with(clerk: Clerk, code: str) -> PaymentOrder:
    order = clerk.take_phone_order("declined")
    PaymentOrder.objects.filter(pk=order.pk).update(response_code=code)
    return order


# -- duplicates ------------------------------------------------------------------------


def test_a_duplicate_is_known_before_the_card_is_sent(
    clerk: Clerk, gateway: Simulator
) -> None:
    order = order_from_redirect(clerk.create_order(reference="R-2"))
    assert ask(clerk, order).json() == NOTHING
    page = clerk.get_text(card_url(order))
    assert "data-duplicates hidden" in page  # what the script fills in
    first = clerk.take_phone_order()
    answer = ask(clerk, order)
    assert "no-store" in answer["Cache-Control"]
    found = answer.json()
    (line,) = found.pop("lines")
    assert found == {
        "duplicate": True,
        "refused": False,
        "message": "This card was charged the same just now.",
    }
    assert line.startswith("12.50 EUR · R-1 · ••••\u00a04549 · ")
    assert line.endswith(" · paid")
    assert line in clerk.get_text(card_url(order)).replace("&nbsp;", "\u00a0")
    assert ask(clerk, order, "1111").json() == NOTHING
    # nothing was written or sent
    order.refresh_from_db()
    assert (order.state, order.operations.count()) == (OrderState.INIT, 0)
    assert gateway.count(MOTO_ENDPOINT) == 1
    assert first.state == OrderState.PAID


@pytest.mark.parametrize("last4", ["", "454", "45490", "4a49", "４５４９"])
def test_four_digits_and_no_more(clerk: Clerk, last4: str) -> None:
    order = order_from_redirect(clerk.create_order())
    answer = ask(clerk, order, last4)
    assert (answer.status_code, answer.json()) == (400, {"message": "last4"})


def test_the_question_shows_no_number(clerk: Clerk) -> None:
    order = order_from_redirect(clerk.create_order())
    number = CARDS["challenge"].number
    answer = ask(clerk, order, number)
    assert answer.status_code == 400
    assert number not in answer.content.decode()


def test_an_order_that_a_colleague_has_charged(clerk: Clerk) -> None:
    order = clerk.take_phone_order()
    assert ask(clerk, order).json() == {"next": result_url(order)}


def test_only_by_post_and_for_phone_orders(clerk: Clerk) -> None:
    order = order_from_redirect(clerk.create_order())
    assert clerk.get(result_url(order) + "ask/").status_code == 405
    assert ask(clerk, new_order()).status_code == 404


def test_duplicates_of_a_hidden_terminal_are_not_described(
    clerk: Clerk, change_settings: Any, settings: Any
) -> None:
    from django.contrib.auth.models import Group

    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    change_settings(
        TERMINALS={**terminals, "other": {**terminals["moto"]}},
        TERMINAL_RIGHTS={"branch": {"moto": ["take"]}},
    )
    clerk.user.groups.add(Group.objects.create(name="branch"))
    first = clerk.take_phone_order()
    PaymentOrder.objects.filter(pk=first.pk).update(terminal="other")
    order = order_from_redirect(clerk.create_order(reference="R-2"))
    found = ask(clerk, order).json()
    assert (found["duplicate"], found["lines"]) == (True, [])


# -- cards that may not be tried again -------------------------------------------------


@pytest.mark.parametrize("code", ["102", "129", "201", "208", "299", "413"])
def test_a_card_that_may_not_be_tried_again_is_refused(
    clerk: Clerk, gateway: Simulator, code: str
) -> None:
    failed = failed_with(clerk, code)
    assert "Enter another card" in clerk.get_text(result_url(failed))
    again = order_from_redirect(clerk.post(result_url(failed) + "retry/"))
    assert ask(clerk, again).status_code == 200
    last4 = CARDS["declined"].number[-4:]
    assert ask(clerk, again, last4).json() == NOTHING | {
        "refused": True,
        "message": REFUSED,
    }
    answer = clerk.submit_card(again, "declined")
    assert answer.status_code == 400
    assert REFUSED in answer.content.decode()
    again.refresh_from_db()
    assert (again.state, again.operations.count()) == (OrderState.INIT, 0)
    assert gateway.count(MOTO_ENDPOINT) == 1
    clerk.submit_card(again, "challenge")  # another card
    again.refresh_from_db()
    assert again.state == OrderState.PAID


@pytest.mark.parametrize("code", ["100", "101", "116", "200", "903", "3", ""])
def test_after_other_declines_the_same_card_may_be_tried(
    clerk: Clerk, gateway: Simulator, code: str
) -> None:
    failed = failed_with(clerk, code)
    again = order_from_redirect(clerk.post(result_url(failed) + "retry/"))
    last4 = CARDS["declined"].number[-4:]
    assert ask(clerk, again, last4).json() == NOTHING
    clerk.submit_card(again, "declined")
    assert gateway.count(MOTO_ENDPOINT) == 2


def test_for_another_purchase_the_card_is_not_refused(
    clerk: Clerk, gateway: Simulator
) -> None:
    failed_with(clerk, "208")
    order = order_from_redirect(clerk.create_order(reference="R-2"))
    assert ask(clerk, order, CARDS["declined"].number[-4:]).json() == NOTHING
    clerk.submit_card(order, "declined")
    assert gateway.count(MOTO_ENDPOINT) == 2


@pytest.mark.parametrize(
    ("code", "button"),
    [
        ("116", "Enter another card"),
        ("208", "Enter another card"),
        ("101", "Enter a card again"),
        ("903", "Enter a card again"),
    ],
)
def test_the_button_says_which_card(clerk: Clerk, code: str, button: str) -> None:
    page = clerk.get_text(result_url(failed_with(clerk, code)))
    assert f">{button}</button>" in page


# -- what the script checks ------------------------------------------------------------


def test_the_page_carries_the_texts_of_the_server(clerk: Clerk) -> None:
    form = CardForm()
    for name, field in form.fields.items():
        missing = field.error_messages["required"]
        assert field.widget.attrs["data-missing"] == missing, name
    expiry = form.fields["expiry"].widget.attrs
    assert expiry["data-expired"] == "This card is no longer valid."
    assert len(expiry["data-earliest"]) == 4
    page = clerk.get_text(card_url(order_from_redirect(clerk.create_order())))
    assert 'data-missing="Enter the name on the card."' in page


# -- how it is typed -------------------------------------------------------------------


def test_the_number_is_shown_while_it_is_typed(
    clerk: Clerk, change_settings: Any
) -> None:
    """So that the clerk reads its groups back. The code never is."""
    order = order_from_redirect(clerk.create_order())
    page = clerk.get_text(card_url(order))
    assert page.count('class="nexi-masked nexi-shown"') == 1
    assert page.count('class="nexi-masked"') == 1
    change_settings(MASK_CARD_NUMBER=True)
    page = clerk.get_text(card_url(order))
    assert page.count('class="nexi-masked"') == 2
    assert "nexi-shown" not in page


def test_one_currency_is_a_text(
    clerk: Clerk, change_settings: Any, settings: Any
) -> None:
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]

    def page_with(*currencies: str) -> str:
        desk = {**terminals["moto"], "CURRENCIES": list(currencies)}
        change_settings(TERMINALS={**terminals, "moto": desk})
        return clerk.get_text(PHONE_ORDERS_URL)

    page = page_with("CHF")
    assert '<input type="hidden" name="currency" value="CHF" id="id_currency">' in page
    assert '<span class="nexi-unit">CHF</span>' in page
    assert "<select" not in page.partition('<form method="post"')[2]
    answer = clerk.create_order(currency="EUR")
    assert answer.status_code == 400
    assert "EUR is not one of the available choices." in answer.content.decode()
    assert PaymentOrder.objects.count() == 0
    assert order_from_redirect(clerk.create_order(currency="CHF")).currency == "CHF"
    page = page_with("CHF", "EUR")
    assert '<select name="currency"' in page
    assert "nexi-unit" not in page
