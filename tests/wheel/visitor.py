"""A browser without JavaScript: follows forms from the shop to the bank and back."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests

_FORM = re.compile(r"<form([^>]*)>(.*?)</form>", re.S)
_HIDDEN = re.compile(r"<input[^>]*type=\"hidden\"[^>]*>")
CARD = {
    "cardholder_name": "Giulia Bianchi",
    "card_number": "4349940199004549",
    "expiry": "12/30",
    "security_code": "396",
}


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


@dataclass
class Visitor:
    site: str
    language: str = "en"
    session: requests.Session = field(default_factory=requests.Session)
    page: requests.Response | None = None

    def get(self, path: str) -> str:
        headers = {"Accept-Language": self.language}
        self.page = self.session.get(
            urljoin(self.site, path), headers=headers, timeout=30
        )
        self.page.raise_for_status()
        return self.page.text

    def submit(self, **fields: str) -> str:
        """Posts the form of the page: its hidden fields and ``fields``."""
        assert self.page is not None
        form = _FORM.search(self.page.text)
        assert form is not None, self.page.text
        hidden = {
            _attribute(tag, "name"): _attribute(tag, "value")
            for tag in _HIDDEN.findall(form[2])
        }
        here = self.page.url
        self.page = self.session.post(
            urljoin(here, _attribute(form[1], "action")),
            data={**hidden, **fields},
            headers={"Accept-Language": self.language, "Referer": here},
            timeout=30,
        )
        self.page.raise_for_status()
        return self.page.text

    def pay(self) -> str:
        """Through the shop, our card page and the bank; what is seen at the end."""
        self.get("/buy/")
        self.submit(**CARD)  # → the form that leads to the bank
        self.submit()  # → the bank's question
        self.submit(answer="approve")  # → the bank's form that leads back
        return self.submit()  # → result → the shop's page
