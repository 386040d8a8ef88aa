"""Payment methods other than cards: how they are called, and what they allow.

Sources: Nexi's tables of methods, and its WooCommerce plugin. What is not published is
left to the rules of cards. The simulator imitates Nexi's hosted page, not any wallet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: ``paymentService`` of the card form
CARDS: Final = "CARDS"
CARD_BRANDS: Final = ("VISA", "MC", "MAESTRO", "AMEX")


@dataclass(frozen=True)
class Method:
    """``code`` is a ``paymentService``; ``circuit`` is how operations spell it.

    ``is_wallet``: a card is behind it, so the rules of cards apply. ``refundable`` and
    ``cancellable`` are about later operations."""

    code: str
    circuit: str
    label: str
    is_wallet: bool = False
    refundable: bool = True
    cancellable: bool = True


_METHODS: Final = {
    method.code: method
    for method in (
        Method(CARDS, "", "Card"),
        Method("PAYPAL", "PAYPAL", "PayPal", cancellable=False),
        Method("PAYPAL_BNPL", "PAYPAL_BNPL", "PayPal Pay in 3", cancellable=False),
        Method("GOOGLEPAY", "GOOGLE_PAY", "Google Pay", is_wallet=True),
        Method("APPLEPAY", "APPLE_PAY", "Apple Pay", is_wallet=True),
        Method("BANCOMATPAY", "BANCOMAT_PAY", "BANCOMAT Pay"),
        Method("MYBANK", "MYBANK", "MyBank", refundable=False, cancellable=False),
        Method(
            "PAGOINCONTO",
            "PAGOINCONTO",
            "PagoinConto",
            refundable=False,
            cancellable=False,
        ),
    )
}

#: What a terminal offers beside cards, unless it is told otherwise.
DEFAULT_METHODS: Final = (
    *("PAYPAL", "PAYPAL_BNPL", "GOOGLEPAY", "APPLEPAY", "BANCOMATPAY", "MYBANK"),
)


def method_by_code(code: str) -> Method:
    """Return what is known of a code. An unknown one has no rules of its own."""
    return _METHODS.get(code) or Method(code, code, code.replace("_", " ").title())


def offered(codes: Iterable[str], currency: str) -> list[Method]:
    """Return what a page offers: cards first; most others are in euro only."""
    found = [method_by_code(code) for code in (CARDS, *codes)]
    return [
        method
        for method in found
        if currency == "EUR" or method.is_wallet or method.code == CARDS
    ]
