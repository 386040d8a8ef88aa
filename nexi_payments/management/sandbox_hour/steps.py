"""The steps of the sandbox hour, in their order. Each asks one question of Nexi's."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from string import ascii_uppercase
from typing import Final

from django.utils import timezone

from nexi_payments import conf, flows, money, payment_methods
from nexi_payments.flows.hosted import nexi_links
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.hosted_payloads import BrowserUrls
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.management.sandbox_hour import observations
from nexi_payments.management.sandbox_hour.notes import Facts, Notes
from nexi_payments.management.sandbox_hour.person import Person
from nexi_payments.models import PaymentOrder

#: Within the limits of every method in our table.
AMOUNT: Final = Decimal("60.00")
CURRENCY: Final = "EUR"
#: Minutes after a page was made at which a status inquiry follows.
MINUTES: Final = (5, 15, 30, 60)
_ENDINGS: Final = {
    "pay": "Pay with a test card, and go back to the shop.",
    "decline": "Use a test card that is declined, and go back to the shop.",
    "cancel": "Press Nexi's button to cancel.",
    "back": "Press the browser's Back button on the hosted page, then close the tab.",
    "close": "Pay with a test card, and close the tab on Nexi's last page.",
}


def _new_order_id() -> str:
    """Letters only: nothing in the notes may look like a card number."""
    return "SBX" + "".join(secrets.choice(ascii_uppercase) for _ in range(15))


@dataclass(frozen=True)
class Hour:
    """``site`` is our own origin; browsers and notifications come back to it."""

    terminal: conf.Terminal
    client: Client
    site: str
    person: Person
    notes: Notes

    def purchase(self) -> Purchase:
        """Not one of ours: its id has no prefix of ours, so that no sweep adopts it."""
        minor = money.to_minor(AMOUNT, CURRENCY)
        return Purchase(_new_order_id(), minor, CURRENCY, "sandbox hour")

    def open_page(self, purchase: Purchase, service: str | None) -> str:
        back = self.site + "/"
        page = self.client.create_hosted_page(
            conf.call_context(),
            purchase,
            payment_service=service,
            urls=BrowserUrls(back, back),
            language="en",
        )
        return page.url

    def new_order(self) -> PaymentOrder:
        return flows.create_order(
            amount=AMOUNT,
            currency=CURRENCY,
            description="sandbox hour",
            terminal=self.terminal.name,
        )


def list_methods(hour: Hour) -> Facts:
    """Which methods Nexi lists, and how they are spelled."""
    listed, facts = observations.tried(
        lambda: hour.client.payment_methods(conf.call_context())
    )
    rows = [
        {
            "kind": one.kind,
            "circuit": one.circuit,
            "recurring": one.recurring,
            "one_click": one.one_click,
            "known_here": payment_methods.find(one.circuit, {}) is not None,
        }
        for one in listed or ()
    ]
    return facts | {"methods": rows}


def open_without_method(hour: Hour) -> Facts:
    """How long a page lives, and what Nexi shows of it meanwhile."""
    purchase = hour.purchase()
    url, facts = observations.tried(lambda: hour.open_page(purchase, None))
    if url is None:
        return facts
    facts |= {"order_id": purchase.order_id}
    facts["made_at"] = observations.timestamp(timezone.now())
    facts["made"] = observations.look(hour.client, purchase.order_id)
    hour.person.wait(f"Open this page, and leave it open:\n  {url}")
    facts["opened"] = observations.look(hour.client, purchase.order_id)
    facts["offers"] = hour.person.choose(
        "What does it offer?", "cards", "methods", "both", "nothing"
    )
    hour.person.wait("Close the tab without paying.")
    facts["closed"] = observations.look(hour.client, purchase.order_id)
    return facts | {"later": {}}


def watch_page(hour: Hour, facts: Facts) -> int | None:
    """Looks at that page when 5, 15, 30 and 60 minutes are over. Returns the minutes
    at which the next inquiry is due; ``None`` without one. ``facts`` are completed.
    """
    if "made_at" not in facts:
        return None
    made_at = datetime.fromisoformat(facts["made_at"])
    for minutes in MINUTES:
        if str(minutes) in facts["later"]:
            continue
        if timezone.now() < made_at + timedelta(minutes=minutes):
            return minutes
        found = observations.look(hour.client, facts["order_id"])
        facts["later"][str(minutes)] = found
    return None


def pay_and_fail(hour: Hour) -> Facts:
    """What comes back after each ending: the browser, and notifications."""
    first = next(iter(flows.payment_methods(hour.new_order())), None)
    if first is None:
        return {"error": "no method is offered: see METHODS and CARDS"}
    found = {
        ending: _by_hand(hour, first.code, text) for ending, text in _ENDINGS.items()
    }
    return {"method": first.code, "endings": found}


def _by_hand(hour: Hour, method: str, text: str) -> Facts:
    order, person = hour.new_order(), hour.person
    step, facts = _started(hour, order, method)
    if step is None or not step.redirect_to:
        return facts | {"state": order.state, "reason": order.reason}
    person.wait(f"{text}\n  {step.redirect_to}")
    facts["returned"] = person.choose("Are you on a page of the shop now?", "yes", "no")
    if facts["returned"] == "yes":
        question = "Which parameters did Nexi add to the address of the shop?"
        facts["parameters"] = person.names(question)
    flows.reconcile(step.order)
    return facts | observations.attempt(step.order, hour.client)


def _started(
    hour: Hour, order: PaymentOrder, method: str
) -> tuple[flows.Step | None, Facts]:
    return observations.tried(
        lambda: flows.start_hosted_payment(order, method, language="en", site=hour.site)
    )


def pay_by_each_method(hour: Hour) -> Facts:
    """The operations of each method that is not a card, and its refunds."""
    found: Facts = {}
    for method in flows.payment_methods(hour.new_order()):
        answer = hour.person.choose(f"Can you pay with {method.code} now?", "yes", "no")
        if answer == "no":
            found[method.code] = {"skipped": True}
            continue
        step, facts = _started(hour, hour.new_order(), method.code)
        if step is not None and step.redirect_to:
            hour.person.wait(f"Pay with {method.code}:\n  {step.redirect_to}")
            flows.reconcile(step.order)
            facts |= observations.attempt(step.order, hour.client)
            if step.order.captured_amount:
                facts["refunds"] = observations.refunded(step.order, hour.client)
        found[method.code] = facts
    return found


def unknown_method(hour: Hour) -> Facts:
    """What Nexi does with a ``paymentService`` that does not exist."""
    purchase = hour.purchase()
    url, facts = observations.tried(lambda: hour.open_page(purchase, "NOPE"))
    if url is not None:
        hour.person.wait(f"Open this page, which names an unknown method:\n  {url}")
        facts["offers"] = hour.person.choose(
            "What does it offer?", "cards", "methods", "both", "nothing"
        )
    return facts | {"page": url is not None}


def same_order_twice(hour: Hour) -> Facts:
    """Whether Nexi makes two pages for one ``orderId``."""
    purchase = hour.purchase()
    first, facts = observations.tried(lambda: hour.open_page(purchase, None))
    second, again = observations.tried(lambda: hour.open_page(purchase, None))
    pages = {"first": first is not None, "second": second is not None}
    return pages | {"same": first == second, "refusals": [facts, again]}


def cancel_a_capture(hour: Hour) -> Facts:
    """Whether a payment of the hosted page can be cancelled on its day. An idempotency
    key is always sent."""
    first = next(iter(flows.payment_methods(hour.new_order())), None)
    if first is None:
        return {"error": "no method is offered: see METHODS and CARDS"}
    order = hour.new_order()
    step, facts = _started(hour, order, first.code)
    if step is None or not step.redirect_to:
        return facts | {"state": order.state, "reason": order.reason}
    hour.person.wait(f"Pay once more with {first.code}:\n  {step.redirect_to}")
    flows.reconcile(step.order)
    operation, facts = observations.tried(lambda: flows.cancel_capture(step.order))
    facts["outcome"] = operation.outcome if operation else ""
    return facts | observations.attempt(step.order, hour.client)


def payment_link(hour: Hour) -> Facts:
    """A payment link: what a renewal and a cancel do."""
    if not hour.terminal.sends_nexi_links:
        return {"skipped": 'LINKS is not "nexi"'}
    order, person = hour.new_order(), hour.person
    first, _ = nexi_links.last_days()
    step, facts = observations.tried(
        lambda: flows.create_nexi_link(order, first, language="en", site=hour.site)
    )
    if step is None or not step.redirect_to:
        return facts | {"state": order.state, "reason": order.reason}
    made = step.order
    person.wait(f"Open this link, and do not pay:\n  {step.redirect_to}")
    facts["opened"] = observations.look(hour.client, made.order_id)
    later = first + timedelta(days=1)
    _, facts["renewal"] = observations.tried(
        lambda: flows.renew_nexi_link(made, later, site=hour.site)
    )
    _, facts["cancel"] = observations.tried(
        lambda: flows.cancel_nexi_link(made, site=hour.site)
    )
    question = "Load the link again. Can it still be paid?"
    facts["still_payable"] = person.choose(question, "yes", "no")
    return facts | observations.attempt(made, hour.client)


#: name → what it asks
STEPS: Final[dict[str, Callable[[Hour], Facts]]] = {
    "methods": list_methods,
    "page": open_without_method,
    "endings": pay_and_fail,
    "each_method": pay_by_each_method,
    "unknown_method": unknown_method,
    "same_order": same_order_twice,
    "cancel": cancel_a_capture,
    "link": payment_link,
}
