"""Responses about the hosted page and payment links, parsed as in ``responses``.

A security token is a secret: who has it can write a notification that looks like
Nexi's. It and the address of a page are in no ``repr``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from urllib.parse import urlsplit

from nexi_payments.gateway import members

#: Status of a payment link. Another word is kept as it came, in upper case.
ACTIVE: Final = "ACTIVE"
DELETED: Final = "DELETED"
EXPIRED: Final = "EXPIRED"
INACTIVE: Final = "INACTIVE"


@dataclass(frozen=True)
class HostedPage:
    """``POST /orders/hpp``: where to send the browser. Nothing is paid yet.

    ``security_token`` is what a notification must repeat; "" without one: then no
    notification can be told from a forged one. ``warnings`` are Nexi's codes.
    """

    url: str = field(repr=False)
    security_token: str = field(repr=False)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class PaymentLink:
    """A payment link of Nexi's. ``expires_on`` is its last day; ``None`` if not said.

    ``security_token`` as of ``HostedPage``. ``url`` may be "" unless it was created.
    """

    link_id: str
    url: str = field(repr=False)
    status: str
    expires_on: date | None
    security_token: str = field(repr=False)


def is_page_url(url: str, base_url: str) -> bool:
    """Return whether ``url`` is https, or on the gateway's own origin.

    The second is for a simulator on this machine: elsewhere ``BASE_URL`` is https."""
    try:
        parts, own = urlsplit(url), urlsplit(base_url)
    except ValueError:
        return False
    if not parts.netloc or " " in url:
        return False
    return parts.scheme == "https" or parts[:2] == own[:2]


def parse_hosted_page(body: Any, base_url: str) -> HostedPage | None:
    """Parse the answer to ``POST /orders/hpp``; ``None`` without a usable page."""
    body = body if isinstance(body, Mapping) else {}
    # not stripped: a URL with spaces around it is not followed
    url = members.untrimmed(body.get("hostedPage"))
    if not is_page_url(url, base_url):
        return None
    return HostedPage(
        url=url,
        security_token=members.text(body.get("securityToken")),
        warnings=members.warning_codes(body.get("warnings")),
    )


def parse_payment_link(body: Any) -> PaymentLink | None:
    """Parse the answers about one link; ``None`` without a link id.

    The token was seen beside the link; inside it in one description."""
    body = body if isinstance(body, Mapping) else {}
    link = body.get("paymentLink")
    link = link if isinstance(link, Mapping) else {}
    link_id = members.text(link.get("linkId"))
    if not link_id:
        return None
    return PaymentLink(
        link_id=link_id,
        url=members.untrimmed(link.get("link")),
        status=members.enum_value(link.get("status")),
        expires_on=_date(link.get("expirationDate")),
        security_token=members.text(body.get("securityToken"))
        or members.text(link.get("securityToken")),
    )


def _date(value: Any) -> date | None:
    """Return the day; a time after it, as "2026-12-31T23:59:59Z", is ignored."""
    try:
        return date.fromisoformat(members.text(value)[:10])
    except ValueError:
        return None
