"""Staff pages for saved cards, and for cancelled captures."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError, connection

from nexi_payments import flows
from nexi_payments.enums import Channel, ContractState, OrderState
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import (
    Clerk,
    card_url,
    confirm_action,
    follow_redirect,
    hidden_fields,
    order_url,
    result_url,
)
from tests.support.contracts import MIT_ENDPOINT, MONTHLY, make_contract
from tests.support.fault_injection import database_fails
from tests.support.in_doubt import state_and_amounts
from tests.support.shopper import Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
FILE = "/admin/nexi_payments/contract/"


def page(contract: Contract) -> str:
    return f"{FILE}{contract.pk}/change/"


def test_the_list_shows_no_more_than_four_digits(
    clerk: Clerk, shopper: Shopper
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    shown = clerk.get_text(FILE)
    assert contract.contract_id in shown
    assert "VISA •••• 4549" in shown


def test_the_page_shows_what_was_agreed_to(clerk: Clerk, shopper: Shopper) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    shown = clerk.get_text(page(contract))
    assert "Coffee, monthly: Your card stays on file at Nexi." in shown
    assert "9.00 EUR" in shown
    founding = contract.first_payment
    assert founding is not None
    assert order_url(founding) in shown
    assert page(contract) in clerk.get_text(order_url(founding))
    assert clerk.post(page(contract)).status_code == 403
    assert clerk.get(f"{FILE}999/change/").status_code == 404


def test_a_charge_asks_first_and_is_made_once(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    where = f"{FILE}{contract.pk}/charge/"
    first = clerk.post(where, amount="7.00", reference="S-1")
    asked = first.content.decode()
    assert "Charge 7.00 EUR to this card?" in asked
    assert gateway.counts[MIT_ENDPOINT] == 0
    for _ in range(2):
        answer = clerk.post(where, **hidden_fields(asked))
        assert "S-1: paid" in follow_redirect(clerk, answer)
    assert gateway.counts[MIT_ENDPOINT] == 1
    order = PaymentOrder.objects.get(channel=Channel.MIT)
    assert (order.amount, order.reference) == (700, "S-1")
    assert order.operations.get().actor == clerk.user


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"amount": "0", "reference": "S"}, "more than zero"),
        ({"amount": "1.2345", "reference": "S"}, "EUR has 2 decimals"),
        ({"amount": "1.00"}, "Enter the number of the order."),
        ({"amount": "1.00", "reference": "4349940199004549"}, "card number"),
    ],
)
def test_what_cannot_be_charged(
    clerk: Clerk,
    shopper: Shopper,
    gateway: Simulator,
    fields: dict[str, str],
    words: str,
) -> None:
    contract = make_contract(shopper)
    answer = clerk.post(f"{FILE}{contract.pk}/charge/", **fields, confirmed="1")
    assert words in follow_redirect(clerk, answer)
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_a_reference_of_the_plan_is_not_for_the_clerk(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper, terms=MONTHLY, reference="SUB-7")
    where = f"{FILE}{contract.pk}/charge/"
    answer = clerk.post(where, amount="1.00", reference="SUB-7/1", confirmed="1")
    assert "The recurring charges of this card use this reference." in follow_redirect(
        clerk, answer
    )
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_a_card_is_ended_after_a_question(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper)
    where = f"{FILE}{contract.pk}/end/"
    asked = clerk.post(where).content.decode()
    assert "End this card on file?" in asked
    gateway.fail_next("deactivation")
    shown = follow_redirect(clerk, clerk.post(where, **hidden_fields(asked)))
    assert "Nexi has not confirmed the end yet" in shown
    assert [one.change_message.split(";")[0] for one in LogEntry.objects.all()] == [
        "Nexi has not confirmed the end yet"
    ]
    shown = follow_redirect(clerk, clerk.post(where, confirmed="1"))
    assert "Ended. Nothing is charged to this card." in shown
    assert "Charge …" not in shown
    entry = LogEntry.objects.first()  # the newest
    assert entry is not None
    assert (entry.change_message, entry.user) == ("End of a card on file", clerk.user)
    assert LogEntry.objects.count() == 2


def test_off_hold(clerk: Clerk, shopper: Shopper) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    Contract.objects.filter(pk=contract.pk).update(
        state=ContractState.SUSPENDED, next_charge_at=None
    )
    assert "Take off hold" in clerk.get_text(page(contract))
    shown = follow_redirect(clerk, clerk.post(f"{FILE}{contract.pk}/resume/"))
    assert "Off hold: it is charged with the next run." in shown
    contract.refresh_from_db()
    assert contract.state == ContractState.ACTIVE
    assert contract.next_charge_at is not None


def test_a_capture_is_cancelled_after_a_question(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    flows.capture(order, Decimal("5.00"))
    flows.capture(order, Decimal("3.00"))
    shown = clerk.get_text(order_url(order))
    assert "Cancel the capture of 5.00 EUR (today" in shown
    assert "Left to capture" in shown
    one, _ = [row.operation for row in flows.available(order).captures]
    answer = confirm_action(
        clerk,
        order,
        "cancel",
        expected_remaining="5.00",
        amount="5.00",
        capture=str(one.pk),
    )
    assert "Done: Nexi has confirmed it." in follow_redirect(clerk, answer)
    assert state_and_amounts(order) == (OrderState.PAID, 300, 0, 0, 0)
    shown = clerk.get_text(order_url(order))
    assert "Capture cancelled" in shown
    assert gateway.charge_of(order.order_id).captured == 300
    assert "5.00 EUR" in shown


def test_off_hold_where_each_request_is_a_transaction(
    clerk: Clerk, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    Contract.objects.filter(pk=contract.pk).update(
        state=ContractState.SUSPENDED, next_charge_at=None
    )
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    answer = clerk.post(f"{FILE}{contract.pk}/resume/")
    assert answer.status_code == 302
    contract.refresh_from_db()
    assert contract.state == ContractState.ACTIVE


def test_a_charge_on_file_is_no_order_of_the_desk(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    """Begun and not sent yet, on a terminal that takes phone orders, too."""
    contract = make_contract(shopper)
    Contract.objects.filter(pk=contract.pk).update(terminal="moto")
    with (
        database_fails("INSERT", "nexi_payments_operation"),
        pytest.raises(OperationalError),
    ):
        flows.charge_contract(contract, Decimal("9.00"), "EUR", reference="S-1")
    order = PaymentOrder.objects.get(reference="S-1")
    assert (order.state, order.terminal) == (OrderState.INIT, "moto")
    assert clerk.get(card_url(order)).status_code == 404
    assert clerk.post(f"{result_url(order)}link/").status_code == 404
    order.refresh_from_db()
    assert (order.channel, order.terminal) == (Channel.MIT, "moto")
