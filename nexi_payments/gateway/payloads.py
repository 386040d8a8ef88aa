"""Request bodies, one function a schema of the API page. Strict: what we send validates
against the published schema, over-long texts are cut here rather than refused there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from nexi_payments.card import Card

#: exemptions; nothing else can be asked for
NO_PREFERENCE: Final = "NO_PREFERENCE"
CHALLENGE_REQUESTED: Final = "CHALLENGE_REQUESTED"
EXEMPTIONS: Final = (NO_PREFERENCE, CHALLENGE_REQUESTED)
#: captureType; ``docs/gateway.md`` §2.8
IMPLICIT: Final = "IMPLICIT"
EXPLICIT: Final = "EXPLICIT"


@dataclass(frozen=True)
class Agreement:
    """The contract that a first payment makes: a card on file for later charges.

    ``contract_id`` is ours, 1–18 letters and digits. With ``frequency`` (days between
    two charges) it is a scheduled one, whose last day may be ``until``.
    """

    contract_id: str
    frequency: int | None = None
    until: date | None = None


@dataclass(frozen=True)
class Purchase:
    """What is being paid, as the gateway needs to know it.

    ``amount`` in minor units, ``currency`` alphabetic. ``cardholder``, ``email`` and
    ``details`` (further members, as ``customers.tell`` makes them) go into
    ``customerInfo``, which raises the chance of a payment without a challenge.
    """

    order_id: str
    amount: int
    currency: str
    description: str = ""
    cardholder: str = ""
    email: str = ""
    #: under which Nexi lists the contracts of one customer, at most 27 characters
    customer_id: str = ""
    agreement: Agreement | None = None
    #: one of ``EXEMPTIONS``, or "" to say nothing
    exemptions: str = ""
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Authentication:
    """What the 3-D Secure step left behind.

    2 steps: ``pares`` alone. 3 steps: what validation answered.
    """

    pares: str = ""
    value: str = ""
    eci: str = ""
    xid: str = ""


@dataclass(frozen=True)
class Part:
    """So much of a payment to capture or give back, in minor units.

    ``key`` is the ``Idempotency-Key``: one for each decision of a person, on disk
    before the first send.
    """

    amount: int
    currency: str
    key: str


def order(purchase: Purchase) -> dict[str, Any]:
    body: dict[str, Any] = {
        "orderId": purchase.order_id,
        "amount": str(purchase.amount),
        "currency": purchase.currency,
    }
    if purchase.customer_id:
        body["customerId"] = purchase.customer_id[:27]
    if purchase.description:
        body["description"] = purchase.description[:255]
    customer = dict(purchase.details)
    if purchase.cardholder:
        customer["cardHolderName"] = purchase.cardholder[:255]
    if purchase.email:
        customer["cardHolderEmail"] = purchase.email[:255]
    if customer:
        body["customerInfo"] = customer
    return body


def card(it: Card) -> dict[str, str]:
    pan, expiry, cvv = it.reveal()
    body = {"pan": pan, "expiryDate": expiry}
    if cvv:
        body["cvv"] = cvv
    return body


def init(purchase: Purchase, it: Card) -> dict[str, Any]:
    return {"order": order(purchase), "card": card(it), **_wishes(purchase)}


def _wishes(purchase: Purchase) -> dict[str, Any]:
    """What init and payment say alike of contract and challenge."""
    wishes: dict[str, Any] = {}
    if purchase.agreement is not None:
        wishes["recurrence"] = _recurrence(purchase.agreement)
    if purchase.exemptions:
        wishes["exemptions"] = purchase.exemptions
    return wishes


def _recurrence(agreement: Agreement) -> dict[str, str]:
    scheduled = agreement.frequency is not None
    found = {
        "action": "CONTRACT_CREATION",
        "contractId": agreement.contract_id,
        "contractType": "MIT_SCHEDULED" if scheduled else "MIT_UNSCHEDULED",
    }
    if agreement.until is not None:
        found["contractExpiryDate"] = agreement.until.isoformat()
    if scheduled:
        found["contractFrequency"] = str(agreement.frequency)
    return found


def validation(operation_id: str, pares: str) -> dict[str, Any]:
    return {"operationId": operation_id, "threeDSAuthResponse": pares}


def payment(
    operation_id: str,
    purchase: Purchase,
    it: Card,
    authentication: Authentication,
    capture_type: str,
) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "order": order(purchase),
        "card": card(it),
        "captureType": capture_type,
        "threeDSAuthData": _three_ds(authentication),
        **_wishes(purchase),
    }


def moto(purchase: Purchase, it: Card, capture_type: str) -> dict[str, Any]:
    return {
        "order": order(purchase),
        "card": card(it),
        "captureType": capture_type,
    }


def mit(purchase: Purchase, contract_id: str, capture_type: str) -> dict[str, Any]:
    return {
        "order": order(purchase),
        "contractId": contract_id,
        "captureType": capture_type,
    }


def verification(purchase: Purchase, it: Card) -> dict[str, Any]:
    return {"order": order(purchase), "card": card(it)}


def part(it: Part) -> dict[str, str]:
    # the currency is optional on paper, and the sandbox was seen to insist on it
    return {"amount": str(it.amount), "currency": it.currency}


def _three_ds(authentication: Authentication) -> dict[str, str]:
    """2 steps: the browser's PaRes. 3 steps: the documented shape: value, eci, xid."""
    if not authentication.value:
        return {"threeDSAuthResponse": authentication.pares}
    parts = {
        "authenticationValue": authentication.value,
        "eci": authentication.eci,
        "xid": authentication.xid,
    }
    return {name: value for name, value in parts.items() if value}
