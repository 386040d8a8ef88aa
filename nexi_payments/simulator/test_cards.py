"""Test cards: the number decides the outcome of a payment.

The first rows are cards published for Nexi's sandbox. The others are in ranges that no
issuer uses. They are Luhn-valid and work in this simulator only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class TestCard:
    """Test card. ``expiry`` is MM/YY; the labels describe the outcome."""

    number: str
    brand: str
    expiry: str
    cvv: str
    ending: str
    label: str
    label_it: str

    __test__ = False  # pytest: not a test class


TEST_CARDS: Final = (
    TestCard(
        "4349940199004549",
        "VISA",
        "12/30",
        "396",
        "challenge",
        "3-D Secure challenge: approve, refuse or walk away",
        "Autenticazione 3-D Secure: approvare, rifiutare o abbandonare",
    ),
    TestCard(
        "5186151650005008",
        "MC",
        "12/30",
        "123",
        "challenge",
        "The same with Mastercard",
        "La stessa, con Mastercard",
    ),
    TestCard(
        "4999340261977289",
        "VISA",
        "12/30",
        "663",
        "frictionless",
        "Paid without a challenge",
        "Pagata senza richiesta di autenticazione",
    ),
    TestCard(
        "4349940199997007",
        "VISA",
        "12/28",
        "829",
        "declined",
        "Declined: insufficient funds",
        "Rifiutata: fondi insufficienti",
    ),
    TestCard(
        "4000000000000010",
        "VISA",
        "12/30",
        "123",
        "lost_card",
        "Declined: card reported lost",
        "Rifiutata: carta smarrita",
    ),
    TestCard(
        "4000000000000028",
        "VISA",
        "12/30",
        "123",
        "excess_reattempts",
        "Declined: too many attempts",
        "Rifiutata: troppi tentativi",
    ),
    TestCard(
        "4000000000000036",
        "VISA",
        "12/30",
        "123",
        "validation_failed",
        "3-D Secure authentication fails",
        "Autenticazione 3-D Secure non riuscita",
    ),
    TestCard(
        "4000000000000044",
        "VISA",
        "12/30",
        "123",
        "answer_lost",
        "Charged, but the response is lost",
        "Addebitata, ma la risposta va persa",
    ),
    TestCard(
        "4000000000000051",
        "VISA",
        "12/30",
        "123",
        "gateway_down",
        "Gateway unreachable",
        "Gateway irraggiungibile",
    ),
    TestCard(
        "4000000000000069",
        "VISA",
        "12/30",
        "123",
        "garbage",
        "Unreadable response, nothing charged",
        "Risposta illeggibile, nessun addebito",
    ),
    TestCard(
        "4000000000000077",
        "VISA",
        "12/30",
        "123",
        "pending_then_paid",
        "Pending at first, paid a little later",
        "In sospeso, pagata poco dopo",
    ),
    TestCard(
        "4000000000000085",
        "VISA",
        "12/30",
        "123",
        "refund_pending",
        "Paid; a refund is pending at first",
        "Pagata; il rimborso resta in sospeso per un po'",
    ),
    TestCard(
        "4000000000000093",
        "VISA",
        "12/30",
        "123",
        "not_enrolled",
        "Card without 3-D Secure",
        "Carta senza 3-D Secure",
    ),
    TestCard(
        "4000000000000101",
        "VISA",
        "12/30",
        "123",
        "risk",
        "Declined by the risk engine",
        "Rifiutata dal controllo antifrode",
    ),
    TestCard(
        "4000000000000119",
        "VISA",
        "12/30",
        "123",
        "mit_declined",
        "Paid; charged as a saved card: insufficient funds",
        "Pagata; addebitata come carta salvata: fondi insufficienti",
    ),
    TestCard(
        "4000000000000127",
        "VISA",
        "12/30",
        "123",
        "mit_lost_card",
        "Paid; charged as a saved card: reported lost",
        "Pagata; addebitata come carta salvata: carta smarrita",
    ),
    TestCard(
        "4000000000000135",
        "VISA",
        "12/30",
        "123",
        "mit_answer_lost",
        "Paid; charged as a saved card: the response is lost",
        "Pagata; addebitata come carta salvata: la risposta va persa",
    ),
    TestCard(
        "4000000000000143",
        "VISA",
        "12/30",
        "123",
        "mit_pending",
        "Paid; charged as a saved card: pending at first",
        "Pagata; addebitata come carta salvata: in sospeso per un po'",
    ),
)
_ENDINGS: Final = {card.number: card.ending for card in TEST_CARDS}

#: ending of a card → ending of a merchant-initiated charge of it
MIT_ENDINGS: Final = {
    "mit_declined": "declined",
    "mit_lost_card": "lost_card",
    "mit_answer_lost": "answer_lost",
    "mit_pending": "pending_then_paid",
    # these concern the first payment only
    "answer_lost": "challenge",
    "pending_then_paid": "challenge",
    "validation_failed": "challenge",
}

#: authorizationStatus of the declined endings
DECLINE_CODES: Final = {
    "declined": "116",
    "lost_card": "208",
    "excess_reattempts": "413",
}


def ending_of(pan: str) -> str:
    """Return the ending of a number; an unknown number gets a challenge."""
    return _ENDINGS.get(pan, "challenge")


def is_test_card(pan: str) -> bool:
    return pan in _ENDINGS


def stored_card(pan: str, expiry: str = "1230") -> dict[str, str]:
    """Return what a record keeps of a card. ``expiry`` is MMYY."""
    return {
        "masked": f"{pan[:6]}{'*' * (len(pan) - 10)}{pan[-4:]}",
        "expiry": expiry,
        "brand": brand_of(pan),
        "ending": ending_of(pan),
    }


def luhn_valid(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def brand_of(pan: str) -> str:
    if pan.startswith("4"):
        return "VISA"
    if pan[:2] in {"34", "37"}:
        return "AMEX"
    if pan[:2] in {"51", "52", "53", "54", "55"} or "2221" <= pan[:4] <= "2720":
        return "MC"
    return "MAESTRO"
