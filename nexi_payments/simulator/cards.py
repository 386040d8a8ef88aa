"""Test cards: the number decides how a payment ends.

The first rows are cards published for Nexi's sandbox. The others are made up in ranges
that no bank uses; they are Luhn-valid and mean nothing outside this simulator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class TestCard:
    """``expiry`` is MM/YY; ``label`` and ``label_it`` say the ending to a person."""

    number: str
    brand: str
    expiry: str
    cvv: str
    ending: str
    label: str
    label_it: str

    __test__ = False  # not a test class, whatever pytest thinks of its name


TEST_CARDS: Final = (
    TestCard(
        "4349940199004549",
        "VISA",
        "12/30",
        "396",
        "challenge",
        "Bank asks: approve, refuse or walk away",
        "La banca chiede conferma: approvare, rifiutare o andarsene",
    ),
    TestCard(
        "5186151650005008",
        "MC",
        "12/30",
        "123",
        "challenge",
        "The same with a Mastercard",
        "Lo stesso con una Mastercard",
    ),
    TestCard(
        "4999340261977289",
        "VISA",
        "12/30",
        "663",
        "frictionless",
        "Paid without a question",
        "Pagato senza domande",
    ),
    TestCard(
        "4349940199997007",
        "VISA",
        "12/28",
        "829",
        "declined",
        "Declined: not enough money",
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
        "Declined: tried too often",
        "Rifiutata: troppi tentativi",
    ),
    TestCard(
        "4000000000000036",
        "VISA",
        "12/30",
        "123",
        "validation_failed",
        "3-D Secure check fails",
        "Verifica 3-D Secure non superata",
    ),
    TestCard(
        "4000000000000044",
        "VISA",
        "12/30",
        "123",
        "answer_lost",
        "Charged, but the answer gets lost",
        "Addebitata, ma la risposta si perde",
    ),
    TestCard(
        "4000000000000051",
        "VISA",
        "12/30",
        "123",
        "gateway_down",
        "Gateway cannot be reached",
        "Gateway irraggiungibile",
    ),
    TestCard(
        "4000000000000069",
        "VISA",
        "12/30",
        "123",
        "garbage",
        "Gateway answers garbage, nothing charged",
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
        "Paid; a refund takes a while",
        "Pagata; il rimborso richiede tempo",
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
        "Stopped by the risk engine",
        "Bloccata dal controllo antifrode",
    ),
    TestCard(
        "4000000000000119",
        "VISA",
        "12/30",
        "123",
        "later_no_money",
        "Paid; kept on file it is declined: not enough money",
        "Pagata; se memorizzata viene rifiutata: fondi insufficienti",
    ),
    TestCard(
        "4000000000000127",
        "VISA",
        "12/30",
        "123",
        "later_lost_card",
        "Paid; kept on file it is declined: card reported lost",
        "Pagata; se memorizzata viene rifiutata: carta smarrita",
    ),
    TestCard(
        "4000000000000135",
        "VISA",
        "12/30",
        "123",
        "later_answer_lost",
        "Paid; charged on file, the answer gets lost",
        "Pagata; se addebitata da memorizzata, la risposta si perde",
    ),
    TestCard(
        "4000000000000143",
        "VISA",
        "12/30",
        "123",
        "later_pending",
        "Paid; charged on file it is pending at first",
        "Pagata; se addebitata da memorizzata, resta in sospeso per un po'",
    ),
)
_ENDINGS: Final = {card.number: card.ending for card in TEST_CARDS}

#: how a card ends that is charged on file → as which other ending
ON_FILE: Final = {
    "later_no_money": "declined",
    "later_lost_card": "lost_card",
    "later_answer_lost": "answer_lost",
    "later_pending": "pending_then_paid",
    # these are about the first payment, which has gone well
    "answer_lost": "challenge",
    "pending_then_paid": "challenge",
    "validation_failed": "challenge",
}

#: authorizationStatus of a declined ending
DECLINE_CODES: Final = {
    "declined": "116",
    "lost_card": "208",
    "excess_reattempts": "413",
}


def ending_of(pan: str) -> str:
    """The ending of a number; any other valid number is asked for a challenge."""
    return _ENDINGS.get(pan, "challenge")


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
