"""Every flow that writes our tables: each prepares its rows and returns what to run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from nexi_payments import conf, flows, outbox, sealed_cards
from nexi_payments.card import Card
from nexi_payments.emails import automatic
from nexi_payments.enums import OrderState
from nexi_payments.flows import moto, payment_link
from nexi_payments.flows.inquiry import restoring, sweeps
from nexi_payments.models import (
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
)
from nexi_payments.retention import erasure
from tests.support.api_clients import ALL_PERMISSIONS, ShopServer, card_fields
from tests.support.clerk import ORDERS_URL, PERMISSIONS, Clerk
from tests.support.contracts import MONTHLY, charge_contract, make_contract
from tests.support.in_doubt import (
    charge_at_gateway,
    operation_body,
    order_reply,
    payment_in_doubt,
    time_travel,
)
from tests.support.shopper import CARDS, Form, Shopper, new_order

Act = Callable[[], object]
DAY = 86_400
ACTOR = flows.Actor(address="192.0.2.7")
search = sweeps.search  # the gateway fixture has another in its place


def _card() -> Card:
    found = CARDS["challenge"]
    return Card(found.number, found.expiry.replace("/", ""), found.cvv)


def _at_the_issuer(shopper: Shopper, terminal: str = "default") -> Form:
    return shopper.start(new_order(terminal=terminal, reference="R-1"))


def create_order(shopper: Shopper) -> Act:
    return lambda: new_order(
        reference="R-1",
        contract=MONTHLY,
        customer={
            "email": "giulia@example.com",
            "billing_address": {"city": "Roma", "country": "IT"},
        },
    )


def supersede(shopper: Shopper) -> Act:
    _at_the_issuer(shopper)
    return lambda: new_order(reference="R-1", amount=Decimal("13.00"))


def start(shopper: Shopper) -> Act:
    order = new_order(contract=flows.ContractTerms("Coffee"))
    return lambda: shopper.start(order, agree="on")


def init_not_sent(shopper: Shopper) -> Act:
    order = new_order()
    return lambda: shopper.submit_card(order, "gateway_down")


def another_attempt(shopper: Shopper) -> Act:
    order = shopper.pay(new_order(reference="R-1"), "declined")
    return lambda: shopper.start(order)


def three_steps(shopper: Shopper) -> Act:
    form = _at_the_issuer(shopper)
    fields = shopper.answer_challenge(form)
    return lambda: shopper.return_from_issuer(form, fields)


def two_steps(shopper: Shopper) -> Act:
    form = _at_the_issuer(shopper, "two")
    fields = shopper.answer_challenge(form)
    return lambda: shopper.return_from_issuer(form, fields)


def not_authenticated(shopper: Shopper) -> Act:
    form = _at_the_issuer(shopper)
    fields = shopper.answer_challenge(form, "refuse")
    return lambda: shopper.return_from_issuer(form, fields)


def return_without_result(shopper: Shopper) -> Act:
    form = _at_the_issuer(shopper)
    return lambda: shopper.return_from_issuer(form, {})


def answer_lost(shopper: Shopper) -> Act:
    form = shopper.start(new_order(), "answer_lost")
    fields = shopper.answer_challenge(form)
    return lambda: shopper.return_from_issuer(form, fields)


def key_rejected(shopper: Shopper) -> Act:
    order = new_order()
    shopper.gateway.api_keys = ()
    return lambda: shopper.submit_card(order)


def phone_order(shopper: Shopper) -> Act:
    clerk = Clerk(*PERMISSIONS)
    return clerk.take_phone_order


def phone_order_over_the_api(shopper: Shopper) -> Act:
    server = ShopServer(*ALL_PERMISSIONS)
    body = {"amount": "12.50", "currency": "EUR", "reference": "R-1", **card_fields()}
    return lambda: server.post("moto/", body, key="key-of-a-phone-order")


def link(shopper: Shopper) -> Act:
    order = moto.create_moto_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference="R-1",
        terminal="moto",
        actor=ACTOR,
    )
    return lambda: payment_link.offer_link(order)


def order_over_the_api(shopper: Shopper) -> Act:
    server = ShopServer(*ALL_PERMISSIONS)
    body = {"amount": "12.50", "currency": "EUR", "reference": "R-1"}
    return lambda: server.post("orders/", body, key="key-of-an-order")


def refund_over_the_api(shopper: Shopper) -> Act:
    order = shopper.pay(new_order())
    server = ShopServer(*ALL_PERMISSIONS)
    path = f"orders/{order.order_id}/refund/"
    return lambda: server.post(path, {"amount": "2.50"}, key="key-of-a-refund")


def verification_over_the_api(shopper: Shopper) -> Act:
    server = ShopServer(*ALL_PERMISSIONS)
    return lambda: server.post(
        "card-verifications/", card_fields(), key="key-of-a-verification"
    )


def refused_over_the_api(shopper: Shopper) -> Act:
    server = ShopServer(*ALL_PERMISSIONS)
    body = {"amount": "0.001", "currency": "EUR", "reference": "R-1", **card_fields()}
    return lambda: server.post("moto/", body, key="key-of-a-refused-one")


def _authorized(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(terminal="manual"))


def capture(shopper: Shopper) -> Act:
    order = _authorized(shopper)
    return lambda: flows.capture(order, Decimal("5.00"), nonce="n")


def void(shopper: Shopper) -> Act:
    order = _authorized(shopper)
    return lambda: flows.void(order)


def refund(shopper: Shopper) -> Act:
    order = shopper.pay(new_order())
    return lambda: flows.refund(order)


def cancel_capture(shopper: Shopper) -> Act:
    order = _authorized(shopper)
    flows.capture(order)
    flows.reconcile(order)
    return lambda: flows.cancel_capture(order)


def resend(shopper: Shopper) -> Act:
    order = shopper.pay(new_order())
    shopper.gateway.fail_next("/refunds", status=503)
    return lambda: flows.refund(order)


def first_payment(shopper: Shopper) -> Act:
    return lambda: make_contract(shopper, terms=MONTHLY)


def charge_saved_card(shopper: Shopper) -> Act:
    contract = make_contract(shopper)
    return lambda: charge_contract(contract, nonce="n")


def charge_due(shopper: Shopper) -> Act:
    make_contract(shopper, terms=MONTHLY)
    return lambda: _later(31 * DAY, shopper, flows.charge_due)


def charge_due_declined(shopper: Shopper) -> Act:
    make_contract(shopper, "mit_declined", terms=MONTHLY)
    return lambda: _later(31 * DAY, shopper, flows.charge_due)


def end_contract(shopper: Shopper) -> Act:
    contract = make_contract(shopper)
    return lambda: flows.end_contract(contract)


def verify_card(shopper: Shopper) -> Act:
    return lambda: flows.verify_card(_card(), nonce="n", actor=ACTOR)


def reconcile(shopper: Shopper) -> Act:
    payment_in_doubt(shopper)
    refunded = shopper.pay(new_order())
    flows.refund(refunded, Decimal("1.00"))
    _at_the_issuer(shopper)
    new_order(reference="R-2")
    return lambda: _later(3600, shopper, flows.reconcile)


def made_at_nexi(shopper: Shopper) -> Act:
    order = _authorized(shopper)
    answer = operation_body(order, "AUTHORIZED")
    made = {
        **answer,
        "operationType": "CAPTURE",
        "operationId": "X",
        "operationResult": "EXECUTED",
    }
    shopper.gateway.next_reply(
        "/orders/", order_reply(order, answer, made, capturedAmount="1250")
    )
    return lambda: flows.reconcile(order)


def resolve(shopper: Shopper) -> Act:
    order = shopper.pay(new_order(reference="R-1"), "declined")
    charge_at_gateway(shopper.gateway, order)

    def both() -> None:
        flows.reconcile(order)
        flows.resolve(order, "paid", reason="seen at Nexi", actor=ACTOR)

    return both


def resolve_discrepancy(shopper: Shopper) -> Act:
    clerk = Clerk(*PERMISSIONS)
    row = Discrepancy.objects.create(
        kind="mismatch", ours="", theirs="", created_at=timezone.now()
    )
    return lambda: clerk.post(f"{ORDERS_URL}discrepancy/{row.pk}/resolve/")


def orphan_sweep(shopper: Shopper) -> Act:
    _forget(shopper.pay(new_order()))
    since = timezone.now() - timedelta(hours=1)

    def sweep() -> int:
        return search(conf.current().terminal("default"), since)

    def twice() -> None:
        _later(3600, shopper, sweep)
        _later(3600, shopper, flows.reconcile)

    return twice


def restore(shopper: Shopper) -> Act:
    _forget(shopper.pay(new_order()))
    terminal = conf.current().terminal("default")
    since = timezone.now() - timedelta(hours=1)
    return lambda: list(restoring.restore(terminal, since))


def _forget(order: PaymentOrder) -> None:
    Event.objects.filter(order=order).delete()
    Operation.objects.filter(order=order).delete()
    PaymentOrder.objects.filter(pk=order.pk).delete()


def deliver_due(shopper: Shopper) -> Act:
    shopper.pay(new_order())
    overdue = {"deliver_at": timezone.now(), "delivered_at": None, "emailed_at": None}
    Event.objects.filter(kind=OrderState.PAID).update(**overdue)
    return outbox.deliver_due


def redeliver(shopper: Shopper) -> Act:
    shopper.pay(new_order())
    event = Event.objects.get(kind=OrderState.PAID)
    return lambda: outbox.make_due(event)


def erase(shopper: Shopper) -> Act:
    shopper.pay(
        new_order(
            customer={
                "name": "Giulia",
                "billing_address": {"city": "Roma", "country": "IT"},
            }
        )
    )
    ended = make_contract(shopper)
    flows.end_contract(ended)
    flows.verify_card(_card(), actor=ACTOR)
    ShopServer(*ALL_PERMISSIONS).post("orders/", {"amount": "1.00", "currency": "EUR"})

    def both() -> None:
        erasure.erase()
        erasure.delete_idempotency_records()

    return lambda: _later(400 * DAY, shopper, both)


def purge(shopper: Shopper) -> Act:
    _at_the_issuer(shopper)
    return lambda: _later(1000, shopper, sealed_cards.purge)


def notices(shopper: Shopper) -> Act:
    contract = make_contract(shopper, customer={"email": "giulia@example.com"})
    month, year = int(contract.card_expiry[:2]), int(contract.card_expiry[2:])
    day = datetime(2000 + year, month, 10).date()
    return lambda: automatic.send_expiry_notices(day)


def _later(seconds: float, shopper: Shopper, act: Act) -> object:
    with time_travel(seconds):
        shopper.gateway.advance(0)
        return act()


FLOWS = [
    create_order,
    supersede,
    start,
    init_not_sent,
    another_attempt,
    three_steps,
    two_steps,
    not_authenticated,
    return_without_result,
    answer_lost,
    key_rejected,
    phone_order,
    phone_order_over_the_api,
    link,
    order_over_the_api,
    refund_over_the_api,
    verification_over_the_api,
    refused_over_the_api,
    capture,
    void,
    refund,
    cancel_capture,
    resend,
    first_payment,
    charge_saved_card,
    charge_due,
    charge_due_declined,
    end_contract,
    verify_card,
    reconcile,
    made_at_nexi,
    resolve,
    resolve_discrepancy,
    orphan_sweep,
    restore,
    deliver_due,
    redeliver,
    erase,
    purge,
    notices,
]
