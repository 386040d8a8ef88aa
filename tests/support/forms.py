"""Test cards, and forms on pages as a browser without JavaScript posts them.

Needs no Django: shoppers and clerks of other processes use it, too.
"""

from __future__ import annotations

import html
import re
from typing import Any, Final

from nexi_payments.simulator import TEST_CARDS

#: Ending → the first test card that has it.
CARDS: Final = {card.ending: card for card in TEST_CARDS[::-1]}
CARDHOLDER_NAME: Final = "Giulia Bianchi"
_HIDDEN: Final = re.compile(r'<input[^>]*type="hidden"[^>]*>')


def card_fields(ending: str = "challenge", **changes: Any) -> dict[str, Any]:
    """The fields of a card form, filled in with the test card of this ending."""
    card = CARDS[ending]
    return {
        "cardholder_name": CARDHOLDER_NAME,
        "card_number": card.number,
        "expiry": card.expiry,
        "security_code": card.cvv,
        **changes,
    }


def attribute(tag: str, name: str) -> str:
    """The value of a tag's attribute; "" without one."""
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


def all_hidden_fields(page: str) -> dict[str, str]:
    tags = _HIDDEN.findall(page)
    return {attribute(tag, "name"): attribute(tag, "value") for tag in tags}


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden fields of a page, or of a part of one, but the CSRF token."""
    fields = all_hidden_fields(page)
    fields.pop("csrfmiddlewaretoken", None)
    return fields
