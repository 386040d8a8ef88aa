"""Payment methods of a terminal, and the spelling of their codes.

Nexi spells one method in two ways: "GOOGLEPAY" as ``paymentService``, "GOOGLE_PAY" as
``paymentCircuit`` of an operation. Sources: Nexi's table "PaymentService encoding" and
its WooCommerce plugin; the forms with underscores are pagoPA's. Not confirmed live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from nexi_payments.gateway import members

#: kinds of a method
CARD: Final = "CARD"
APM: Final = "APM"

#: What opens the hosted page on the card form, whatever the brand.
CARDS: Final = "CARDS"

#: ``paymentService`` as Nexi writes it: its own table, then Greece's, then the codes
#: that only its plugin has. The list is open: another code is sent as it came.
_PAYMENT_SERVICES: Final = (
    *(CARDS, "GOOGLEPAY", "APPLEPAY", "BANCOMATPAY", "MYBANK", "GIROPAY", "IDEAL"),
    *("BANCONTACT", "PAYPAL", "PAYPAL_BNPL"),
    "IRIS",
    *("PAGOINCONTO", "PAYBYBANK", "ALIPAY", "WECHATPAY", "EPS", "PRZELEWY24"),
    *("SKRILL", "SKRILL1TAP", "PAYU", "BLIK", "MULTIBANCO", "SATISPAY", "AMAZONPAY"),
    *("ONEY", "KLARNA", "PAGODIL", "HEYLIGHT"),
)


@dataclass(frozen=True)
class PaymentMethod:
    """One entry of ``GET /payment_methods``.

    ``kind`` is "CARD", "APM", another word of Nexi's, or "" without one. ``circuit`` is
    in upper case: a card brand ("VISA"), or the code of another method ("PAYPAL").
    ``recurring`` and ``one_click`` are what Nexi says; absent means False.
    """

    kind: str
    circuit: str
    recurring: bool = False
    one_click: bool = False


def normalized_circuit(circuit: str) -> str:
    """``"GOOGLE_PAY"`` → ``"GOOGLEPAY"``, for comparing."""
    return circuit.upper().replace("_", "")


def same_circuit(one: str, other: str) -> bool:
    """Return whether both codes name the same method, however they are spelled."""
    return normalized_circuit(one) == normalized_circuit(other)


_SPELLING: Final = {normalized_circuit(one): one for one in _PAYMENT_SERVICES}


def payment_service(circuit: str) -> str:
    """Return what Nexi takes as ``paymentService``: "GOOGLE_PAY" → "GOOGLEPAY".

    A code that is not in Nexi's tables is returned as it is."""
    return _SPELLING.get(normalized_circuit(circuit), circuit)


def parse_payment_methods(body: Any) -> tuple[PaymentMethod, ...] | None:
    """Parse ``GET /payment_methods``; ``None`` without a list.

    Entries without a circuit are left out."""
    listed = body.get("paymentMethods") if isinstance(body, Mapping) else None
    if not isinstance(listed, list):
        return None
    found = (_parse(item) for item in listed if isinstance(item, Mapping))
    return tuple(method for method in found if method.circuit)


def _parse(item: Mapping[str, Any]) -> PaymentMethod:
    # two names for the same member: Nexi's plugin and SDK, and its API page
    kind = members.enum_value(item.get("paymentMethodType")) or members.enum_value(
        item.get("methodType")
    )
    return PaymentMethod(
        kind=CARD if kind == CARDS else kind,
        circuit=members.enum_value(item.get("circuit")),
        recurring=item.get("recurringSupported") is True,
        one_click=item.get("oneClickSupported") is True,
    )
