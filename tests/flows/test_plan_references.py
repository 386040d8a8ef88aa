"""What a recurring charge has of its plan: reference, description, object, customer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model

from nexi_payments import flows
from nexi_payments.enums import ContractState, OrderState
from nexi_payments.exceptions import InvalidReference
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.signals import payment_paid
from nexi_payments.simulator import Simulator
from tests.support.contracts import (
    MIT_ENDPOINT,
    MONTHLY,
    Clock,
    charge_contract,
    make_contract,
    mit_orders,
    run_charge_due,
)
from tests.support.in_doubt import DAY
from tests.support.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)


def references(contract: Contract) -> list[str | None]:
    return [one.reference for one in mit_orders(contract)]


def test_a_due_charge_belongs_to_the_shops_subscription(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    subscription = get_user_model().objects.create_user("any row of the shop")
    contract = make_contract(
        shopper,
        terms=MONTHLY,
        reference="SUB-7",
        content_object=subscription,
        customer={"name": "Giulia", "email": "giulia@shop.example"},
    )
    assert contract.reference == "SUB-7"
    received: list[PaymentOrder] = []

    def receiver(order: PaymentOrder, **kwargs: object) -> None:
        received.append(order)

    payment_paid.connect(receiver)
    for _ in range(2):
        assert run_charge_due(clock, 30 * DAY).charged == 1
    payment_paid.disconnect(receiver)
    assert [one.reference for one in received] == ["SUB-7/1", "SUB-7/2"]
    for one in received:
        assert one.content_object == subscription
        assert one.contract == contract
        assert one.description == "Coffee, monthly"
        assert one.customer_name == "Giulia"
        assert one.customer_email == "giulia@shop.example"


def test_a_charge_by_the_shop_belongs_to_it_too(
    shopper: Shopper, gateway: Simulator
) -> None:
    booking = get_user_model().objects.create_user("any row of the shop")
    contract = make_contract(shopper, content_object=booking)
    order = PaymentOrder.objects.get(pk=charge_contract(contract).pk)
    assert (order.reference, order.content_object) == ("S-1", booking)
    assert order.description == "Coffee"


@pytest.mark.parametrize("reference", [None, "x" * 90])
def test_without_a_usable_reference_it_is_the_contracts_id(
    shopper: Shopper, clock: Clock, reference: str | None
) -> None:
    contract = make_contract(shopper, terms=MONTHLY, reference=reference)
    assert contract.reference == contract.contract_id
    assert run_charge_due(clock, 30 * DAY).charged == 1
    assert references(contract) == [f"{contract.contract_id}/1"]


def test_the_longest_reference_leaves_room_for_the_number(
    shopper: Shopper, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY, reference="x" * 89)
    assert run_charge_due(clock, 30 * DAY).charged == 1
    assert references(contract) == ["x" * 89 + "/1"]


def test_two_plans_of_one_reference_do_not_share_their_periods(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    one = make_contract(shopper, terms=MONTHLY, reference="SUB-7")
    first = one.first_payment
    assert first is not None
    flows.refund(first)
    flows.reconcile(first)
    first.refresh_from_db()
    assert first.state == OrderState.REFUNDED  # the reference is free again
    two = make_contract(shopper, terms=MONTHLY, reference="SUB-7")
    assert (one.reference, two.reference) == ("SUB-7", two.contract_id)
    assert run_charge_due(clock, 30 * DAY).charged == 2
    assert references(one) == ["SUB-7/1"]
    assert references(two) == [f"{two.contract_id}/1"]


def test_a_number_that_would_look_like_a_card_is_not_written(
    shopper: Shopper, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY, reference="434994019900454")
    Contract.objects.filter(pk=contract.pk).update(period=9)
    assert run_charge_due(clock, 300 * DAY).charged == 1
    assert references(contract) == [f"{contract.contract_id}/9"]


def test_the_references_of_recurring_charges_are_not_for_the_shop(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY, reference="SUB-7")
    for taken in ("SUB-7/1", "SUB-7/12", f"{contract.contract_id}/1"):
        with pytest.raises(InvalidReference, match="of the contract's recurring"):
            charge_contract(contract, taken)
    assert mit_orders(contract) == []
    assert gateway.counts[MIT_ENDPOINT] == 0
    assert charge_contract(contract, "SUB-7/extra").state == OrderState.PAID
    assert run_charge_due(clock, 30 * DAY).charged == 1
    contract.refresh_from_db()
    assert (contract.state, contract.period) == (ContractState.ACTIVE, 2)


def test_a_shop_that_charges_by_itself_numbers_as_it_likes(shopper: Shopper) -> None:
    own = flows.ContractTerms("Tea", interval_days=30)
    contract = make_contract(shopper, terms=own, reference="SUB-8")
    charge = flows.charge_contract(
        contract, Decimal("3.00"), "EUR", reference="SUB-8/1"
    )
    assert (charge.reference, charge.state) == ("SUB-8/1", OrderState.PAID)


def test_a_charge_needs_a_reference(shopper: Shopper, gateway: Simulator) -> None:
    contract = make_contract(shopper)
    for nothing in ("", " ", None):
        with pytest.raises(InvalidReference, match="needs a reference"):
            flows.charge_contract(contract, Decimal(1), "EUR", reference=nothing)
    assert gateway.counts[MIT_ENDPOINT] == 0
    assert (
        flows.charge_contract(contract, Decimal(1), "EUR", reference=12).reference
        == "12"
    )
