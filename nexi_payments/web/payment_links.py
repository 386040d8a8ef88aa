"""Secure payment link: a signed URL to pay an order created by staff."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from django.core import signing
from django.utils import translation

from nexi_payments import page_paths
from nexi_payments.models import PaymentOrder
from nexi_payments.web import languages

_SALT = "nexi_payments.payment_link"


def build_url(order: PaymentOrder, site: str, language: str = "") -> str:
    """The absolute URL of the link; ``language`` is that of the email with it.

    The token holds only the order id, readable and signed with ``SECRET_KEY``.
    ``find_order`` and the order decide how long it is valid.
    """
    root = order.retry_of or order
    token = signing.dumps(root.order_id, salt=_SALT)
    if not language:
        return site + page_paths.public_path("link", token)
    with translation.override(language):  # the prefix of i18n_patterns
        path = page_paths.public_path("link", token)
    return f"{site}{path}?{urlencode({languages.PARAMETER: language})}"


def find_order(token: str, *, max_age: timedelta) -> PaymentOrder | None:
    """The order of a link; ``None`` if the token is invalid or older than
    ``max_age``."""
    try:
        order_id = signing.loads(token, salt=_SALT, max_age=max_age)
    except signing.BadSignature:  # SignatureExpired is a subclass
        return None
    return PaymentOrder.find_by_order_id(order_id)
