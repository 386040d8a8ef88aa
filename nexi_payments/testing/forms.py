"""Test cards, and forms on pages as a browser without JavaScript posts them.

Needs no Django settings: processes without Django use it, too. A page is a response of
Django's test client, or any object with ``status_code``, ``headers`` and ``content``.
``None`` is a page that could not be reached.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from nexi_payments.simulator import TEST_CARDS, TestCard

#: Ending → the first test card that has it.
CARDS: Final = {card.ending: card for card in TEST_CARDS[::-1]}
CARDHOLDER_NAME: Final = "Giulia Bianchi"
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_HIDDEN: Final = re.compile(r'<input[^>]*type="hidden"[^>]*>')
_ACTION: Final = re.compile(r'<form[^>]*action="([^"]*)"')


def card_by_ending(name: str) -> TestCard:
    """Return the test card with this ending. Raises ``ValueError`` if unknown."""
    if name not in CARDS:
        raise ValueError(f"no test card {name!r}; there are: {', '.join(CARDS)}")
    return CARDS[name]


def card_fields(card: str = "challenge", **changes: Any) -> dict[str, Any]:
    """Return a card form's fields, filled in with a test card.

    ``changes`` replaces fields or adds others. Raises ``ValueError`` if no test card
    has this ending."""
    test = card_by_ending(card)
    return {
        "cardholder_name": CARDHOLDER_NAME,
        "card_number": test.number,
        "expiry": test.expiry,
        "security_code": test.cvv,
        **changes,
    }


def post_form(browser: Any, path: str, fields: dict[str, Any], **options: Any) -> Any:
    """Post as a browser posts a form. The test client's default is multipart."""
    body = urlencode(fields, doseq=True)
    return browser.post(path, body, content_type=_FORM_TYPE, **options)


def attribute(tag: str, name: str) -> str:
    """Return the value of a tag's attribute; "" without one."""
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


def all_hidden_fields(text: str) -> dict[str, str]:
    """Return the hidden fields of a page's text, or of a part of it."""
    tags = _HIDDEN.findall(text)
    return {attribute(tag, "name"): attribute(tag, "value") for tag in tags}


def hidden_fields(text: str) -> dict[str, str]:
    """Return the hidden fields except the CSRF token."""
    fields = all_hidden_fields(text)
    fields.pop("csrfmiddlewaretoken", None)
    return fields


@dataclass
class Form:
    """A form on a page: where it posts, and its hidden fields."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def is_challenge(self) -> bool:
        """Whether this form leads to the issuer."""
        return "transactionId" in self.fields

    @property
    def operation_id(self) -> str:
        """The gateway's id of the operation that waits for the challenge."""
        return self.fields["transactionId"]

    @property
    def path(self) -> str:
        """The path of the URL to which the issuer leads back."""
        return urlsplit(self.fields["ReturnUrl"]).path


def parse_form(page: Any) -> Form:
    """Return the first form of a page. Without one its action is ""."""
    text = getattr(page, "content", b"").decode()
    action = _ACTION.search(text)
    return Form(html.unescape(action[1]) if action else "", all_hidden_fields(text))


def redirect_target(page: Any) -> str:
    """Return where a page redirects to; "" if it does not."""
    if page is None or page.status_code not in (302, 303):
        return ""
    return str(page.headers["Location"])
