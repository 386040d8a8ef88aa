"""The page of a payment: one primary action, reasons, notes, and a readable history."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.admin.action_menu import ActionMenu
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import (
    ORDERS_URL,
    Clerk,
    action_url,
    confirm_action,
    follow_redirect,
    hidden_fields,
    order_url,
)
from tests.support.in_doubt import payment_in_doubt
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def menu(clerk: Clerk, order: PaymentOrder) -> tuple[str, list[str]]:
    """The names of the primary action and of those in the menu."""
    actions: ActionMenu = clerk.get(order_url(order)).context["actions"]
    primary = "" if actions.primary is None else actions.primary.name
    return primary, [one.name for one in actions.more]


# -- actions ---------------------------------------------------------------------------


def test_one_primary_action_for_each_state(clerk: Clerk, shopper: Shopper) -> None:
    held = shopper.pay(new_order(terminal="manual"))
    # a healthy authorization is not to be resolved
    assert menu(clerk, held) == ("capture", ["inquire", "void"])
    flows.capture(held, Decimal("5.00"))
    assert menu(clerk, held) == ("capture", ["refund", "inquire", "cancel_capture"])
    paid = shopper.pay(new_order())
    assert menu(clerk, paid) == ("refund", ["inquire"])
    flows.refund(paid)
    assert menu(clerk, paid) == ("", ["inquire"])
    assert menu(clerk, new_order()) == ("", ["cancel_payment"])
    unknown = payment_in_doubt(shopper)
    assert menu(clerk, unknown) == ("inquire", [])
    PaymentOrder.objects.filter(pk=paid.pk).update(
        state=OrderState.REVIEW, reason="contradiction"
    )
    assert menu(clerk, paid) == ("resolve", ["inquire"])


def test_the_menu_is_a_disclosure_and_has_no_primary_button(
    clerk: Clerk, paid: PaymentOrder
) -> None:
    page = clerk.get_text(order_url(paid))
    start = page.index('<details class="nexi-more">')
    folded = page[start : page.index("</details>", start)]
    assert "<summary>More actions</summary>" in folded
    assert action_url(paid, "inquire") in folded
    assert action_url(paid, "refund") not in folded
    assert 'class="nexi-do"' not in folded


def test_a_reader_has_neither_actions_nor_notes(
    reader: Clerk, paid: PaymentOrder
) -> None:
    page = reader.get_text(order_url(paid))
    assert "What you can do" not in page
    assert "Add note" not in page
    assert reader.post(action_url(paid, "note"), note="x").status_code == 403
    assert not Event.objects.filter(kind="note").exists()


# -- refunds ---------------------------------------------------------------------------


def refunds(order: PaymentOrder) -> list[tuple[int | None, str]]:
    rows = order.operations.filter(kind=OperationKind.REFUND).order_by("pk")
    return list(rows.values_list("amount", "reason"))


def test_the_dialog_says_why_and_what_is_left(clerk: Clerk, paid: PaymentOrder) -> None:
    page = clerk.get_text(order_url(paid))
    assert '<option value="returned">goods returned</option>' in page
    answer = clerk.post(
        action_url(paid, "refund"),
        amount="2.00",
        expected_remaining="12.50",
        reason="returned",
    )
    page = answer.content.decode()
    assert "Reason: goods returned" in page
    assert "Afterwards 10.50 EUR of 12.50 EUR is left to refund." in page
    clerk.post(action_url(paid, "refund"), **hidden_fields(page))
    assert refunds(paid) == [(200, "returned")]
    page = clerk.get_text(order_url(paid))
    assert "<strong>Refunded 2.00 EUR · goods returned</strong>" in page


def test_words_instead_of_a_code(clerk: Clerk, paid: PaymentOrder) -> None:
    values = {"amount": "2.00", "expected_remaining": "12.50"}
    confirm_action(
        clerk, paid, "refund", **values, reason="other", reason_text="A cup was cracked"
    )
    assert refunds(paid) == [(200, "A cup was cracked")]


def test_without_words_other_is_no_reason(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    before = len(gateway.calls)
    values: dict[str, Any] = {"amount": "2.00", "expected_remaining": "12.50"}
    number = CARDS["challenge"].number
    for more, text in (
        ({"reason": "other"}, "Write the other reason."),
        ({"reason": "odd"}, "Choose a reason of the list."),
        ({"reason": "other", "reason_text": number}, "looks like a card number"),
    ):
        for confirmed in ({}, {"confirmed": "1"}):
            answer = clerk.post(
                action_url(paid, "refund"), **values, **more, **confirmed
            )
            page = follow_redirect(clerk, answer)
            assert text in page
            assert number not in page
    assert refunds(paid) == []
    assert len(gateway.calls) == before


def test_a_reason_may_be_mandatory(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator, change_settings: Any
) -> None:
    change_settings(REFUND_REASON_REQUIRED=True)
    before = len(gateway.calls)
    assert '<select name="reason" required>' in clerk.get_text(order_url(paid))
    values: dict[str, Any] = {"amount": "2.00", "expected_remaining": "12.50"}
    for more in ({}, {"confirmed": "1"}):
        answer = clerk.post(action_url(paid, "refund"), **values, **more)
        assert "Choose why you refund." in follow_redirect(clerk, answer)
    assert (refunds(paid), len(gateway.calls)) == ([], before)
    confirm_action(clerk, paid, "refund", **values, reason="duplicate")
    assert refunds(paid) == [(200, "duplicate")]


def test_a_capture_says_what_is_left(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    answer = clerk.post(
        action_url(order, "capture"), amount="5.00", expected_remaining="12.50"
    )
    text = "Afterwards 7.50 EUR of 12.50 EUR is left to capture."
    assert text in answer.content.decode()


# -- the history -----------------------------------------------------------------------


def test_a_note_is_in_the_history(clerk: Clerk, paid: PaymentOrder) -> None:
    answer = clerk.post(action_url(paid, "note"), note="Rang <b>Giulia</b>.")
    page = follow_redirect(clerk, answer)
    assert "The note is in the history." in page
    assert '<span class="nexi-said">Rang &lt;b&gt;Giulia&lt;/b&gt;.</span>' in page
    note = paid.events.get(kind="note")
    assert (note.actor, note.address) == (clerk.user, "10.1.2.3")
    number = CARDS["challenge"].number
    for text in ("", "x" * 301, f"card {number}"):
        answer = clerk.post(action_url(paid, "note"), note=text)
        assert number not in follow_redirect(clerk, answer)
    assert paid.events.filter(kind="note").count() == 1


def titles(clerk: Clerk, order: PaymentOrder) -> list[str]:
    return [str(one.title) for one in clerk.get(order_url(order)).context["timeline"]]


def test_sentences(clerk: Clerk, paid: PaymentOrder) -> None:
    assert titles(clerk, paid) == [
        "3-D Secure started",
        "The customer was sent to 3-D Secure",
        "3-D Secure passed · liability with the issuer (ECI 05)",
        "Charged 12.50 EUR · approved (000)",
        "The payment is paid",
    ]
    PaymentOrder.objects.filter(pk=paid.pk).update(eci="07")
    assert "3-D Secure passed · liability with the merchant (ECI 07)" in titles(
        clerk, paid
    )


def test_sentences_of_what_went_wrong(clerk: Clerk, shopper: Shopper) -> None:
    declined = titles(clerk, shopper.pay(new_order(), "declined"))
    assert "Charge of 12.50 EUR: declined · not enough money (116)" in declined
    assert declined[-1] == "The payment has failed · declined by the bank"
    unknown = payment_in_doubt(shopper)
    assert "Charge of 12.50 EUR: outcome unknown" in titles(clerk, unknown)
    page = clerk.get_text(order_url(unknown))
    # raw facts are behind "Details"
    raw = "UnknownOutcome"
    assert raw in page
    assert raw not in re.sub(r"<details>.*?</details>", "", page)


def test_raw_facts_have_copy_buttons(clerk: Clerk, paid: PaymentOrder) -> None:
    charge = paid.operations.get(kind=OperationKind.PAYMENT)
    Operation.objects.filter(pk=charge.pk).update(
        rrn="123456", authorization_code="AB1"
    )
    page = clerk.get_text(order_url(paid))
    for value in (charge.gateway_operation_id, "AB1", "123456", charge.correlation_id):
        assert f'data-copy-value="{value}"' in page
    assert 'data-copy-value="EXECUTED"' not in page
    assert ">EXECUTED</code>" in page


def test_no_date_has_a_full_stop_of_its_own(clerk: Clerk, shopper: Shopper) -> None:
    order = payment_in_doubt(shopper)
    for path in (order_url(order), ORDERS_URL, ORDERS_URL + "review-queue/"):
        page = clerk.get_text(path)
        assert "a.m." not in page
        assert "p.m." not in page
