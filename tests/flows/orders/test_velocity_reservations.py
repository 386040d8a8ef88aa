"""Velocity limits hold at once and for what never ends: each attempt is counted by the
statement that claims it, before anything is sent."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import OrderState, Reason
from nexi_payments.exceptions import OrderBusy, TooManyAttempts, TooManyVerifications
from nexi_payments.flows import moto
from nexi_payments.flows.ledger import transitions
from nexi_payments.flows.orders import velocity
from nexi_payments.models import CardVerification, Operation, PaymentOrder
from nexi_payments.models.bookkeeping import AttemptLock
from nexi_payments.simulator import Simulator
from tests.support.concurrency import run_concurrently
from tests.support.in_doubt import time_travel
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

INIT = "POST /orders/3steps/init"
MOTO = "POST /orders/moto"
VERIFY = "POST /orders/card_verification"
#: Each has a connection, and a PostgreSQL server takes a hundred.
THREADS = 50


@pytest.fixture
def limits(change_settings: Any) -> Any:
    """``limits(address=(2, 60))``: only these limits."""

    def only(**given: Any) -> None:
        names = ("reference", "user", "address", "clerk", "everyone")
        change_settings(RATE_LIMITS=dict.fromkeys(names) | given)

    return only


def card(ending: str = "challenge") -> Card:
    one = CARDS[ending]
    return Card(one.number, one.expiry.replace("/", ""), one.cvv)


def start(order: PaymentOrder, actor: flows.Actor) -> str:
    """The state after a card was posted, or "refused"."""
    try:
        return flows.start_payment(order, card(), actor=actor).order.state
    except TooManyAttempts:
        return "refused"


def make_phone_order(reference: str) -> PaymentOrder:
    return moto.create_moto_order(
        amount=12,
        currency="EUR",
        reference=reference,
        terminal="moto",
        actor=flows.Actor(),
    )


# -- at once ---------------------------------------------------------------------------


def test_of_150_attempts_at_once_exactly_the_limit_is_sent(
    limits: Any, gateway: Simulator
) -> None:
    limits(address=(30, 600))
    actor = flows.Actor(address="203.0.113.9")
    orders = [new_order() for _ in range(150)]
    answers: list[list[str]] = run_concurrently(
        THREADS, lambda n: [start(order, actor) for order in orders[n::THREADS]]
    )
    states = Counter(state for answer in answers for state in answer)
    assert states == {"awaiting_3ds": 30, "refused": 120}
    assert gateway.count(INIT) == Operation.objects.count() == 30
    refused = PaymentOrder.objects.filter(state=OrderState.INIT)
    assert refused.filter(attempted_at=None, card_last4="", version=0).count() == 120
    # what does not share the address goes on
    assert start(new_order(), flows.Actor(address="203.0.113.10")) == "awaiting_3ds"


def test_of_sixty_phone_orders_at_once_a_clerk_sends_the_limit(
    limits: Any, gateway: Simulator
) -> None:
    limits(clerk=(5, 600))
    clerk = get_user_model().objects.create_user("clerk")
    orders = [make_phone_order(f"R-{n}") for n in range(60)]

    def pay(number: int) -> list[str]:
        states = []
        for order in orders[number::THREADS]:
            try:
                moto.pay_moto(
                    order,
                    card("declined"),
                    cardholder="Giulia Bianchi",
                    allow_duplicate=True,
                    actor=flows.Actor(clerk, "10.0.0.1"),
                )
                states.append(order.state)
            except TooManyAttempts as error:
                states.append(f"refused by {error.limit}")
        return states

    answers: list[list[str]] = run_concurrently(THREADS, pay)
    states = Counter(state for answer in answers for state in answer)
    assert states == {"failed": 5, "refused by clerk": 55}
    assert gateway.count(MOTO) == 5


def test_of_sixty_verifications_at_once_the_limit_is_sent(
    limits: Any, gateway: Simulator
) -> None:
    limits(address=(4, 600))
    actor = flows.Actor(address="10.0.0.7")

    def verify(_: int) -> str:
        return str(flows.verify_card(card("lost_card"), actor=actor).outcome)

    answers = run_concurrently(60, verify, (TooManyVerifications,))
    assert Counter(answers) == {"declined": 4, TooManyVerifications: 56}
    assert gateway.count(VERIFY) == CardVerification.objects.count() == 4


def test_the_statement_that_counts_is_the_one_that_claims(
    limits: Any, gateway: Simulator
) -> None:
    limits(address=(30, 600), reference=(5, 600), everyone=(200, 600))
    order = new_order(reference="R-1")
    with CaptureQueriesContext(connection) as asked:
        start(order, flows.Actor(address="203.0.113.9"))
    counting = [one["sql"] for one in asked if "attempted_at" in one["sql"]]
    counting = [sql for sql in counting if "OFFSET" in sql]
    assert len(counting) == 1
    assert counting[0].startswith("UPDATE")
    locked = sum("attemptlock" in one["sql"] for one in asked)
    assert locked == 1
    assert AttemptLock.objects.count() == 2  # none for everyone


def test_a_limit_that_is_free_again_when_it_is_explained_is_tried_again(
    limits: Any, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(address=(1, 600))
    actor = flows.Actor(address="203.0.113.9")
    first, second = new_order(), new_order()
    start(first, actor)
    explain = velocity._Attempt.explain

    def free(self: Any) -> None:
        rows = PaymentOrder.objects.filter(pk=first.pk)
        rows.update(attempted_at=None)
        explain(self)

    monkeypatch.setattr(velocity._Attempt, "explain", free)
    assert start(second, actor) == "awaiting_3ds"
    assert gateway.count(INIT) == 2


def test_a_second_card_for_a_claimed_order_is_busy_not_limited(
    limits: Any, gateway: Simulator
) -> None:
    limits(address=(1, 600))
    actor = flows.Actor(address="203.0.113.9")
    order = new_order()
    stale = PaymentOrder.objects.get(pk=order.pk)
    start(order, actor)
    with pytest.raises(OrderBusy):
        flows.start_payment(stale, card(), actor=actor)
    assert gateway.count(INIT) == 1


# -- what never ends -------------------------------------------------------------------


def test_300_inits_that_never_come_back_are_refused_after_the_limit(
    limits: Any, gateway: Simulator
) -> None:
    limits(address=(30, 600))
    actor = flows.Actor(address="203.0.113.9")
    states = Counter(start(new_order(), actor) for _ in range(300))
    assert states == {"awaiting_3ds": 30, "refused": 270}
    assert gateway.count(INIT) == 30
    with time_travel(601):
        assert start(new_order(), actor) == "awaiting_3ds"


#: Failures of ours or of Nexi: nobody causes them.
NOT_COUNTED = {
    Reason.UNSAFE_THREE_DS_URL,
    Reason.UNSAFE_HOSTED_PAGE_URL,
    Reason.HOSTED_PAGE_UNKNOWN,
    Reason.CANCELLED_BY_PAYER,
    Reason.NOT_SENT,
    Reason.BUSY,
    Reason.CONFIG,
    Reason.INIT_UNKNOWN,
    Reason.VALIDATION_UNKNOWN,
    Reason.UNKNOWN_RESULT,
    Reason.MISMATCH,
    Reason.CARD_NOT_STORED,
    Reason.CHECK_FAILED,
    Reason.UNCONFIRMED,
    Reason.RESOLVED,
}
COUNTED = {
    Reason.DECLINED,
    Reason.NOT_AUTHENTICATED,
    Reason.NO_LIABILITY_SHIFT,
    Reason.THREE_DS_UNAVAILABLE,
    Reason.REJECTED,
    Reason.CARD_EXPIRED,
    Reason.VETOED,
    Reason.EXPIRED,
    Reason.ABANDONED,
    Reason.SUPERSEDED,
    Reason.CANCELLED,
}


@pytest.mark.parametrize("reason", sorted(COUNTED | NOT_COUNTED))
@pytest.mark.parametrize("method", ["", "PAYPAL"])
def test_which_failures_count(
    limits: Any, gateway: Simulator, reason: str, method: str
) -> None:
    limits(address=(1, 600))
    actor = flows.Actor(address="203.0.113.9")
    order = new_order()
    start(order, actor)
    order.method = method
    transitions.change_state(order, OrderState.FAILED, reason=reason)
    on_hosted_page = {Reason.DECLINED, Reason.NOT_AUTHENTICATED}
    counts = reason in (on_hosted_page if method else COUNTED)
    assert start(new_order(), actor) == ("refused" if counts else "awaiting_3ds")


def test_cards_for_one_order_again_and_again(limits: Any, gateway: Simulator) -> None:
    """Each supersedes the one before."""
    limits(reference=(3, 600))
    order = new_order(reference="R-1")
    states = []
    for _ in range(5):
        states.append(start(order, flows.Actor(address="203.0.113.9")))
        order = PaymentOrder.objects.get(live_reference="R-1")
    assert states == ["awaiting_3ds"] * 3 + ["refused"] * 2
    assert gateway.count(INIT) == PaymentOrder.objects.count() == 3


def test_orders_that_were_made_long_before_count_from_their_card_on(
    limits: Any, gateway: Simulator
) -> None:
    limits(reference=(1, 600), everyone=(1, 600))
    with time_travel(-7200):
        orders = [new_order(expires_in=86_400) for _ in range(2)]
    failed = Shopper(gateway).pay(orders[0], "declined")
    assert start(failed, flows.Actor(address="203.0.113.9")) == "refused"
    assert start(orders[1], flows.Actor(address="203.0.113.9")) == "refused"
    assert gateway.count(INIT) == 1


# -- networks --------------------------------------------------------------------------


def test_forty_addresses_of_one_ipv6_network_are_one(
    limits: Any, gateway: Simulator
) -> None:
    limits(address=(3, 600))
    states = [
        start(new_order(), flows.Actor(address=f"2001:db8:1:2::{place:x}"))
        for place in range(1, 41)
    ]
    assert states == ["awaiting_3ds"] * 3 + ["refused"] * 37
    assert gateway.count(INIT) == 3
    networks = set(PaymentOrder.objects.values_list("attempt_network", flat=True))
    assert networks == {"2001:db8:1:2::/64", ""}
    neighbour = flows.Actor(address="2001:db8:1:3::1")
    assert start(new_order(), neighbour) == "awaiting_3ds"


def test_visitors_without_an_address_are_counted_together(
    limits: Any, gateway: Simulator
) -> None:
    limits(address=(2, 600))
    shopper = Shopper(gateway, REMOTE_ADDR="")
    answers = [shopper.submit_card(new_order()).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert gateway.count(INIT) == 2


# -- one count for all -----------------------------------------------------------------


def test_verifications_and_phone_orders_count_together_for_a_clerk(
    limits: Any, gateway: Simulator
) -> None:
    limits(clerk=(2, 600))
    clerk, colleague = (
        flows.Actor(get_user_model().objects.create_user(name), "10.0.0.1")
        for name in ("clerk", "colleague")
    )
    assert flows.verify_card(card("lost_card"), actor=clerk).outcome == "declined"
    order = make_phone_order("R-1")
    moto.pay_moto(order, card("declined"), cardholder="G B", actor=clerk)
    assert (order.state, order.attempt_clerk) == ("failed", clerk.user)
    other = make_phone_order("R-2")
    with pytest.raises(TooManyAttempts) as error:
        moto.pay_moto(other, card(), cardholder="G B", actor=clerk)
    assert (error.value.limit, error.value.seconds) == ("clerk", 600)
    with pytest.raises(TooManyVerifications) as refused:
        flows.verify_card(card(), actor=clerk)
    assert (refused.value.limit, refused.value.seconds) == ("clerk", 600)
    other.refresh_from_db()
    assert (other.state, other.operations.count()) == ("init", 0)
    assert (gateway.count(MOTO), gateway.count(VERIFY)) == (1, 1)
    moto.pay_moto(other, card(), cardholder="G B", actor=colleague)
    assert other.state == "paid"


def test_good_cards_do_not_count_for_a_clerk(limits: Any, gateway: Simulator) -> None:
    limits(clerk=(1, 600))
    clerk = flows.Actor(get_user_model().objects.create_user("clerk"), "10.0.0.1")
    for number in range(3):
        order = make_phone_order(f"R-{number}")
        moto.pay_moto(
            order, card(), cardholder="G B", allow_duplicate=True, actor=clerk
        )
        assert order.state == "paid"
        assert flows.verify_card(card(), actor=clerk).is_successful


def test_verifications_and_phone_orders_count_for_the_address(
    limits: Any, gateway: Simulator
) -> None:
    limits(address=(2, 600))
    actor = flows.Actor(address="10.0.0.1")
    flows.verify_card(card("lost_card"), actor=actor)
    moto.pay_moto(
        make_phone_order("R-1"), card("declined"), cardholder="G B", actor=actor
    )
    assert start(new_order(), actor) == "refused"
    with pytest.raises(TooManyVerifications):
        flows.verify_card(card(), actor=actor)
    assert gateway.count(INIT) == 0
