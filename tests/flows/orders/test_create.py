"""Creating orders: validation before any write, and live references."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from nexi_payments import flows, money
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    InvalidAmount,
    InvalidCustomer,
    InvalidReference,
    ReferenceInUse,
)
from nexi_payments.flows.orders import attempts
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Simulator
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_stored() -> None:
    user = get_user_model().objects.create_user("u")
    before = timezone.now()
    order = new_order(
        reference=" R-1 ",
        description="Two books",
        customer={"name": "Mario Rossi", "email": "mario@shop.example"},
        user=user,
        success_url="/thanks/",
        failure_url="https://shop.example/basket/",
        expires_in=60,
        content_object=user,
    )
    order.refresh_from_db()
    assert (order.amount, order.currency, order.total) == (1250, "EUR", Decimal("12.5"))
    assert (order.state, order.reference) == (OrderState.INIT, "R-1")
    assert order.live_reference == "R-1"
    assert (order.customer_name, order.customer_email) == (
        "Mario Rossi",
        "mario@shop.example",
    )
    assert order.user == user
    assert order.content_object == user
    assert order.expires_at == order.next_poll_at
    assert timedelta(seconds=59) < order.expires_at - before < timedelta(seconds=61)
    assert (order.terminal, order.flow, order.capture) == (
        "default",
        "3steps",
        "automatic",
    )
    assert not Event.objects.exists()


def test_ids() -> None:
    made = [new_order() for _ in range(20)]
    ids = {order.order_id for order in made}
    assert len(ids) == 20
    assert all(len(i) == 18 and i.isascii() and i.isalnum() for i in ids)
    assert len({i[:3] for i in ids}) == 1
    assert all(len(order.public_id) == 32 for order in made)


@pytest.mark.parametrize(
    "facts",
    [
        {"amount": 12.5},
        {"amount": Decimal("12.505")},
        {"amount": Decimal(0)},
        {"amount": Decimal(-1)},
        {"amount": Decimal("NaN")},
        {"amount": Decimal("1E+999999")},
        {"amount": True},
        {"amount": None},
        {"currency": "XXX"},
        {"currency": "eur"},
        {"currency": None},
        {"currency": "JPY", "amount": Decimal("1.5")},
    ],
)
def test_amounts_that_cannot_be(facts: dict[str, Any]) -> None:
    with pytest.raises(InvalidAmount):
        new_order(**facts)
    assert not PaymentOrder.objects.exists()


def test_a_free_order_needs_no_payment() -> None:
    for nothing in (Decimal(0), Decimal("0.00"), 0):
        with pytest.raises(InvalidAmount, match="a free order needs no payment"):
            new_order(amount=nothing)
    assert not PaymentOrder.objects.exists()


@pytest.mark.parametrize("options", [{}, {"CURRENCIES": []}])
def test_a_terminal_without_currencies_takes_euro_only(
    options: dict[str, Any], change_settings: Any
) -> None:
    change_settings(TERMINALS={"default": {"ENVIRONMENT": "simulator", **options}})
    for other in sorted(money.CURRENCIES.keys() - {"EUR"}):
        with pytest.raises(InvalidAmount) as caught:
            new_order(amount=Decimal(5), currency=other)
        assert str(caught.value) == (
            f"terminal 'default' does not accept {other}, only EUR: add it to the"
            " terminal's CURRENCIES"
        )
    assert not PaymentOrder.objects.exists()
    assert new_order(amount=Decimal(5)).currency == "EUR"


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (12345, "12345"),
        (0, "0"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (gettext_lazy("Paid"), "Paid"),
        (" S-1 ", "S-1"),
        ("  ", None),
        (None, None),
    ],
)
def test_a_reference_of_any_type_is_taken_as_text(
    reference: object, text: str | None
) -> None:
    order = new_order(reference=reference)
    order.refresh_from_db()
    assert order.reference == text
    assert order.live_reference == (text or order.order_id)
    again = new_order(reference=reference)
    assert (again.pk == order.pk) is (text is not None)


def test_a_reference_that_is_too_long_is_told_what_to_use() -> None:
    assert new_order(reference="x" * 100).reference == "x" * 100
    with pytest.raises(InvalidReference) as caught:
        new_order(reference="x" * 101)
    assert str(caught.value) == (
        "reference has 101 characters, more than 100: use the key of your order, and"
        " the description for the rest"
    )
    assert isinstance(caught.value, ValueError)


def test_the_terminals_limits(change_settings: Any) -> None:
    change_settings(
        TERMINALS={
            "default": {
                "ENVIRONMENT": "simulator",
                "MAX_AMOUNT": Decimal(100),
                "CURRENCIES": ["EUR"],
            }
        }
    )
    assert new_order(amount=Decimal(100)).amount == 10_000
    with pytest.raises(InvalidAmount, match="at most 100 EUR"):
        new_order(amount=Decimal("100.01"))
    with pytest.raises(InvalidAmount, match="does not accept USD"):
        new_order(currency="USD")
    assert PaymentOrder.objects.count() == 1


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"customer": {"nmae": "x"}}, InvalidCustomer),
        ({"customer": {"email": "no address"}}, InvalidCustomer),
        ({"customer": {"email": "a@" + "b" * 300 + ".example"}}, InvalidCustomer),
        ({"customer": {"name": "x" * 256}}, InvalidCustomer),
        ({"customer": {"name": CARDS["challenge"].number}}, CardDataNotAllowed),
        ({"description": "card 4349 9401 9900 4549"}, CardDataNotAllowed),
        ({"reference": "4349-9401-9900-4549"}, CardDataNotAllowed),
        ({"reference": "x" * 101}, InvalidReference),
        ({"reference": 10**100}, InvalidReference),
        ({"success_url": "javascript:alert(1)"}, ValueError),
        ({"failure_url": "/" + "x" * 500}, ValueError),
    ],
)
def test_texts_that_cannot_be(facts: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        new_order(**facts)
    assert "4549" not in str(caught.value)
    assert not PaymentOrder.objects.exists()


def test_an_unknown_member_of_the_customer_names_its_neighbour() -> None:
    with pytest.raises(InvalidCustomer, match="Did you mean 'email'"):
        new_order(customer={"emial": "x"})


def test_an_anonymous_user_is_no_user() -> None:
    assert new_order(user=AnonymousUser()).user is None


def test_the_same_purchase_again_is_the_same_order() -> None:
    first = new_order(reference="R")
    assert new_order(reference="R").pk == first.pk
    assert PaymentOrder.objects.count() == 1
    assert new_order().pk != new_order().pk  # without a reference nothing is shared


def test_a_paid_reference_gives_the_paid_order_back(shopper: Shopper) -> None:
    paid = shopper.pay(new_order(reference="R"))
    assert new_order(reference="R") == paid
    with pytest.raises(ReferenceInUse) as caught:
        new_order(reference="R", amount=Decimal(99))
    assert caught.value.order == paid
    paid.refresh_from_db()
    assert paid.state == OrderState.PAID


def test_another_amount_supersedes_an_unclaimed_order(
    shopper: Shopper, gateway: Simulator
) -> None:
    first = new_order(reference="R")
    form = shopper.start(first)
    second = new_order(reference="R", amount=Decimal("15.00"))
    first.refresh_from_db()
    assert (first.state, first.reason) == (OrderState.FAILED, "superseded")
    assert first.live_reference is None
    assert not SealedCard.objects.exists()
    assert (second.amount, second.live_reference) == (1500, "R")
    # the superseded attempt cannot be resumed
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    first.refresh_from_db()
    assert first.state == OrderState.FAILED
    assert gateway.charge_count(first.order_id) == 0


@pytest.mark.parametrize("terminal", ["manual", "two"])
def test_another_terminal_supersedes_too(terminal: str) -> None:
    first = new_order(reference="R")
    assert new_order(reference="R", terminal=terminal).pk != first.pk


def test_a_claimed_reference_is_in_use(shopper: Shopper) -> None:
    order = shopper.pay(new_order(reference="R"), "garbage")
    assert order.state == OrderState.PAYING
    with pytest.raises(ReferenceInUse):
        new_order(reference="R", amount=Decimal(99))


def test_inside_the_shops_transaction(shopper: Shopper) -> None:
    paid = shopper.pay(new_order(reference="R"))
    with transaction.atomic():
        shop_row = get_user_model().objects.create_user("shop")
        assert new_order(reference="R") == paid
        with pytest.raises(ReferenceInUse):
            new_order(reference="R", amount=Decimal(99))
        fresh = new_order(reference="fresh")
    assert get_user_model().objects.filter(pk=shop_row.pk).exists()
    assert PaymentOrder.objects.filter(pk=fresh.pk).exists()


def test_a_rollback_of_the_shop_takes_the_order_along() -> None:
    def shop() -> None:
        with transaction.atomic():
            new_order(reference="R")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        shop()
    assert not PaymentOrder.objects.exists()


def test_calling_the_gateway_inside_a_transaction_is_a_loud_error(
    order: PaymentOrder, gateway: Simulator
) -> None:
    from nexi_payments.card import Card

    card = Card(CARDS["challenge"].number, "1230", "396")
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        flows.start_payment(order, card)
    order.refresh_from_db()
    assert order.state == OrderState.INIT
    assert sum(gateway.counts.values()) == 0


def test_the_law_is_in_the_database(order: PaymentOrder) -> None:
    rows = PaymentOrder.objects.filter(pk=order.pk)
    for wrong in (
        {"state": "gone"},
        {"amount": 0},
        {"authorized_amount": -1},
        {"captured_amount": -1},
        {"capturing_amount": -1},
        {"refunded_amount": -1},
        {"refunding_amount": -1},
        {"live_reference": None},
        {"state": OrderState.FAILED},
        {"state": OrderState.PAID, "live_reference": None},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**wrong)
    other = new_order()
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(live_reference=other.live_reference)


def test_whatever_nexi_shows_is_stored(order: PaymentOrder) -> None:
    rows = PaymentOrder.objects.filter(pk=order.pk)
    shown = {"authorized_amount": 2500, "captured_amount": 1251}
    assert rows.update(**shown, refunded_amount=9999) == 1


def test_saving_an_instance_changes_no_state(order: PaymentOrder) -> None:
    order.state = OrderState.PAID
    with pytest.raises(TypeError):
        order.save()
    order.terminal = "two"  # its key belongs to the order at Nexi
    for column in ("state", "terminal", "version", "amount"):
        with pytest.raises(TypeError):
            order.save(update_fields=[column])
    order.refresh_from_db()
    assert (order.state, order.terminal) == (OrderState.INIT, "default")
    order.description = "other"
    order.save(update_fields=["description"])
    assert str(order) == f"{order.order_id} 12.50 EUR init"


def test_another_insert_error_is_not_taken_for_a_live_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new_order()
    monkeypatch.setattr(attempts.secrets, "token_hex", lambda size: "same")
    new_order()
    with pytest.raises(PaymentOrder.DoesNotExist):
        new_order()


@pytest.mark.parametrize("name", ["user", "content_object"])
def test_what_is_not_saved_yet_has_no_payments(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is not saved yet"):
        new_order(**{name: get_user_model()(username="giulia")})
    assert not PaymentOrder.objects.exists()
