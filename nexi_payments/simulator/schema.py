"""What a request must look like, as the published schema says: strict, so that a
client's mistake shows here and not in production. No refusal quotes a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nexi_payments.simulator.cards import luhn_valid


class Invalid(Exception):
    """``code`` as the gateway names it, and which member is wrong."""

    def __init__(self, code: str, member: str) -> None:
        self.code = code
        super().__init__(f"invalid parameter {member}")


@dataclass(frozen=True)
class Text:
    pattern: str
    code: str = "PS0026"


@dataclass(frozen=True)
class Object:
    members: Mapping[str, Any]
    required: tuple[str, ...] = field(default=())


_ANY: Final = r"(?s).{1,255}"
_ADDRESS: Final = Object(
    {
        "name": Text(r"(?s).{0,50}"),
        "street": Text(r"(?s).{1,50}"),
        "additionalInfo": Text(r"(?s).{0,50}"),
        "city": Text(r"(?s).{1,40}"),
        "postCode": Text(r"(?s).{0,16}"),
        "province": Text(r"(?s).{1,3}"),
        "country": Text(r"[A-Z]{3}"),
    }
)
_CUSTOMER: Final = Object(
    {
        "cardHolderName": Text(_ANY),
        "cardHolderEmail": Text(r"(?s).{0,255}"),
        "billingAddress": _ADDRESS,
        "shippingAddress": _ADDRESS,
        "mobilePhoneCountryCode": Text(r"\+?[0-9]{1,3}"),
        "mobilePhone": Text(r"(?s).{0,15}"),
        "homePhone": Text(r"(?s).{0,18}"),
        "workPhone": Text(r"(?s).{0,18}"),
    }
)
_ORDER: Final = Object(
    {
        "orderId": Text(r"[A-Za-z0-9#*+\-.:;=?\[\]_{|}]{1,27}"),
        "amount": Text(r"[0-9]{1,18}", "PS0036"),
        "currency": Text(r"[A-Z]{3}", "PS0009"),
        "customerId": Text(r"(?s).{0,27}"),
        "description": Text(r"(?s).{0,255}"),
        "customField": Text(r"(?s).{0,255}"),
        "customerInfo": _CUSTOMER,
    },
    ("orderId", "amount", "currency"),
)
_CARD: Final = Object(
    {
        "pan": Text(r"[0-9]{13,19}"),
        "expiryDate": Text(r"(0[1-9]|1[0-2])[0-9]{2}"),
        "cvv": Text(r"[0-9]{3,4}"),
    },
    ("pan", "expiryDate"),
)
_EXEMPTIONS: Final = Text(r"NO_PREFERENCE|CHALLENGE_REQUESTED")
_CAPTURE: Final = Text(r"IMPLICIT|EXPLICIT")
_PARES: Final = Text(r"(?s).{1,65536}")

INIT: Final = Object(
    {"order": _ORDER, "card": _CARD, "exemptions": _EXEMPTIONS}, ("order", "card")
)
VALIDATION: Final = Object(
    {"operationId": Text(_ANY), "threeDSAuthResponse": _PARES},
    ("operationId", "threeDSAuthResponse"),
)


def _payment(*required: str) -> Object:
    three_ds = Object(
        {
            "threeDSAuthResponse": _PARES,
            "authenticationValue": Text(_ANY),
            "eci": Text(r"[0-9]{1,2}"),
            "xid": Text(_ANY),
        },
        required,
    )
    return Object(
        {
            "operationId": Text(_ANY),
            "order": _ORDER,
            "card": _CARD,
            "exemptions": _EXEMPTIONS,
            "captureType": _CAPTURE,
            "threeDSAuthData": three_ds,
        },
        ("operationId", "order", "card", "threeDSAuthData"),
    )


PAYMENT_3STEPS: Final = _payment("authenticationValue")
PAYMENT_2STEPS: Final = _payment("threeDSAuthResponse")


def check(value: Any, shape: Object | Text, member: str = "body") -> None:
    """Raises ``Invalid`` for an unknown, missing or malformed member."""
    if isinstance(shape, Text):
        if not isinstance(value, str) or not re.fullmatch(shape.pattern, value):
            raise Invalid(shape.code, member)
        return
    if not isinstance(value, dict):
        raise Invalid("PS0035", member)
    for name in value:
        if name not in shape.members:
            raise Invalid("PS0026", f"{member}: unknown member")
    for name in shape.required:
        if name not in value:
            raise Invalid("PS0026", name)
    for name, item in value.items():
        check(item, shape.members[name], name)
    if shape is _CARD and not luhn_valid(value["pan"]):
        raise Invalid("PS0026", "pan")
