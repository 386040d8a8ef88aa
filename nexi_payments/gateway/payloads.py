"""Request bodies: one function for each schema of Nexi's API page.

What we send validates against the published schema. Texts that are too long are cut
here, so that Nexi does not reject them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from nexi_payments.card import Card

#: values of ``exemptions``; Nexi takes no others
NO_PREFERENCE: Final = "NO_PREFERENCE"
CHALLENGE_REQUESTED: Final = "CHALLENGE_REQUESTED"
EXEMPTIONS: Final = (NO_PREFERENCE, CHALLENGE_REQUESTED)
#: captureType; docs/gateway.md, "Capture type"
IMPLICIT: Final = "IMPLICIT"
EXPLICIT: Final = "EXPLICIT"
_SCRIPT: Final = re.compile(r"[<>]|javascript:", re.IGNORECASE)


@dataclass(frozen=True)
class ContractCreation:
    """Contract that a first payment creates: a saved card for later charges.

    ``contract_id`` is ours, 1–18 letters and digits. With ``frequency`` (days between
    two charges) the contract is scheduled; ``until`` may be its last day.
    """

    contract_id: str
    frequency: int | None = None
    until: date | None = None


@dataclass(frozen=True)
class Purchase:
    """What the gateway needs to know about a payment.

    ``amount`` is in minor units, ``currency`` is the alphabetic code. ``cardholder``,
    ``email`` and ``customer_info`` (further members, from ``nexi_payments.customers``)
    go into ``customerInfo``. They make a payment without a challenge more likely.
    """

    order_id: str
    amount: int
    currency: str
    description: str = ""
    cardholder: str = ""
    email: str = ""
    #: Nexi lists the contracts of one customer by it; at most 27 characters
    customer_id: str = ""
    contract: ContractCreation | None = None
    #: one of ``EXEMPTIONS``, or "" to leave it out
    exemptions: str = ""
    customer_info: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: the shop's own order number; Nexi stores it as ``customField``
    reference: str = ""


@dataclass(frozen=True)
class Authentication:
    """Result of 3-D Secure.

    2 steps: ``pares`` only. 3 steps: the members of the validation response.
    """

    pares: str = ""
    value: str = ""
    eci: str = ""
    xid: str = ""


@dataclass(frozen=True)
class OperationAmount:
    """Amount to capture or refund, in minor units.

    ``idempotency_key`` is the ``Idempotency-Key``: one for each operation, committed
    before the first send.
    """

    amount: int
    currency: str
    idempotency_key: str


def order_member(purchase: Purchase) -> dict[str, Any]:
    body: dict[str, Any] = {
        "orderId": purchase.order_id,
        "amount": str(purchase.amount),
        "currency": purchase.currency,
    }
    if purchase.customer_id:
        body["customerId"] = purchase.customer_id[:27]
    if description := plain_text(purchase.description):
        body["description"] = description
    if purchase.reference and not _looks_like_script(purchase.reference):
        body["customField"] = purchase.reference[:255]
    customer = dict(purchase.customer_info)
    if cardholder := plain_text(purchase.cardholder):
        customer["cardHolderName"] = cardholder
    if purchase.email and not _looks_like_script(purchase.email):
        customer["cardHolderEmail"] = purchase.email[:255]
    if customer:
        body["customerInfo"] = customer
    return body


def _looks_like_script(text: str) -> bool:
    """Nexi rejects bodies that look like script (PS0041). No character set is published
    for ``customField``: without it the payment works all the same.
    """
    return not text.isprintable() or bool(_SCRIPT.search(text))


def plain_text(text: str) -> str:
    """At most 255 characters that Nexi does not take for script: without ``<`` and
    ``>``, control characters, and ``javascript:``. The same text gives the same result,
    as a request may be sent again with its key."""
    printable = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(_SCRIPT.sub(" ", printable).split())[:255].rstrip()


def card_member(card: Card) -> dict[str, str]:
    pan, expiry, cvv = card.reveal()
    body = {"pan": pan, "expiryDate": expiry}
    if cvv:
        body["cvv"] = cvv
    return body


def init(purchase: Purchase, card: Card) -> dict[str, Any]:
    return {
        "order": order_member(purchase),
        "card": card_member(card),
        **_contract_and_exemptions(purchase),
    }


def _contract_and_exemptions(purchase: Purchase) -> dict[str, Any]:
    """Members about contract and challenge that init and payment share."""
    members: dict[str, Any] = {}
    if purchase.contract is not None:
        members["recurrence"] = _recurrence(purchase.contract)
    if purchase.exemptions:
        members["exemptions"] = purchase.exemptions
    return members


def _recurrence(contract: ContractCreation) -> dict[str, str]:
    scheduled = contract.frequency is not None
    found = {
        "action": "CONTRACT_CREATION",
        "contractId": contract.contract_id,
        "contractType": "MIT_SCHEDULED" if scheduled else "MIT_UNSCHEDULED",
    }
    if contract.until is not None:
        found["contractExpiryDate"] = contract.until.isoformat()
    if scheduled:
        found["contractFrequency"] = str(contract.frequency)
    return found


def validation(operation_id: str, pares: str) -> dict[str, Any]:
    return {"operationId": operation_id, "threeDSAuthResponse": pares}


def payment(
    operation_id: str,
    purchase: Purchase,
    card: Card,
    authentication: Authentication,
    capture_type: str,
) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "order": order_member(purchase),
        "card": card_member(card),
        "captureType": capture_type,
        "threeDSAuthData": _three_ds_member(authentication),
        **_contract_and_exemptions(purchase),
    }


def moto(purchase: Purchase, card: Card, capture_type: str) -> dict[str, Any]:
    return {
        "order": order_member(purchase),
        "card": card_member(card),
        "captureType": capture_type,
    }


def mit(purchase: Purchase, contract_id: str, capture_type: str) -> dict[str, Any]:
    return {
        "order": order_member(purchase),
        "contractId": contract_id,
        "captureType": capture_type,
    }


def verification(purchase: Purchase, card: Card) -> dict[str, Any]:
    return {"order": order_member(purchase), "card": card_member(card)}


def operation_amount(amount: OperationAmount) -> dict[str, str]:
    # optional in the schema, but the sandbox requires the currency
    return {"amount": str(amount.amount), "currency": amount.currency}


def _three_ds_member(authentication: Authentication) -> dict[str, str]:
    """2 steps: the PaRes from the browser. 3 steps: value, eci, xid, as documented."""
    if not authentication.value:
        return {"threeDSAuthResponse": authentication.pares}
    parts = {
        "authenticationValue": authentication.value,
        "eci": authentication.eci,
        "xid": authentication.xid,
    }
    return {name: value for name, value in parts.items() if value}
