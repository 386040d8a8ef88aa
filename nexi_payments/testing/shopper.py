"""People at a browser without JavaScript: they get pages and post forms.

``browser`` is Django's test client, or an object with the same ``get`` and ``post``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from nexi_payments.testing.forms import (
    Form,
    card_fields,
    post_form,
    redirect_target,
)

if TYPE_CHECKING:
    from nexi_payments.models import PaymentOrder


class Visitor:
    """Anybody at a browser."""

    #: Keywords of each request: the test client's way to say https.
    request_options: ClassVar[Mapping[str, Any]] = {"secure": True}

    def __init__(self, browser: Any = None) -> None:
        self.browser = browser or _new_browser()

    def get(self, path: str, **query: str) -> Any:
        return self.browser.get(path, query, **self.request_options)

    def follow(self, url: str) -> Any:
        """Return the page at a URL, or the page to which it redirects."""
        page = self.get(_path_of(url))
        target = redirect_target(page)
        return self.get(_path_of(target)) if target else page

    def post(self, path: str, **fields: Any) -> Any:
        return post_form(self.browser, path, fields, **self.request_options)


class Shopper(Visitor):
    """A shopper: card page, redirect to the issuer, return to the shop."""

    def submit_card(
        self, order: PaymentOrder | str, card: str = "challenge", **changes: Any
    ) -> Any:
        """Post the card page of ``order``, or the one at this path.

        ``changes`` replaces fields of the form, or adds others."""
        path = order if isinstance(order, str) else order.page_url()
        return self.post(path, **card_fields(card, **changes))

    def return_from_issuer(self, form: Form, fields: dict[str, str]) -> Any:
        """Post the issuer's result to the shop.

        The post comes from another site, so it carries no cookies."""
        return post_form(
            self.browser_without_cookies(), form.path, fields, **self.request_options
        )

    def browser_without_cookies(self) -> Any:
        return _new_browser()


def _new_browser() -> Any:
    # imported late: processes without Django's settings bring a browser of their own
    from nexi_payments.testing.host_client import HostClient

    return HostClient()


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
