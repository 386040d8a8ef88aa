"""A browser without JavaScript: follows forms from the shop to the issuer and back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests

from nexi_payments.testing.forms import all_hidden_fields, attribute, card_fields

_FORM = re.compile(r"<form([^>]*)>(.*?)</form>", re.S)


@dataclass
class FormBrowser:
    site: str
    language: str = "en"
    session: requests.Session = field(default_factory=requests.Session)
    page: requests.Response | None = None

    @property
    def address(self) -> str:
        """Of the page that the browser shows."""
        assert self.page is not None
        return self.page.url

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
        here = self.address
        self.page = self.session.post(
            urljoin(here, attribute(form[1], "action")),
            data={**all_hidden_fields(form[2]), **fields},
            headers={"Accept-Language": self.language, "Referer": here},
            timeout=30,
        )
        self.page.raise_for_status()
        return self.page.text

    def pay(self) -> str:
        """Buy in the shop, enter a card, approve. Return the last page."""
        self.get("/checkout/")
        self.submit(**card_fields())  # → the form that leads to the issuer
        self.submit()  # → the issuer's question
        self.submit(answer="approve")  # → the issuer's form that leads back
        return self.submit()  # → result → the shop's page
