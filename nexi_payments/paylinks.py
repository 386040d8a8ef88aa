"""The signed link under which a customer pays an order that staff have keyed."""

from __future__ import annotations

from datetime import timedelta

from django.core import signing
from django.urls import reverse

from nexi_payments.models import PaymentOrder

_SALT = "nexi_payments.paylink"


def make(order: PaymentOrder, site: str) -> str:
    """The absolute address. It says nothing but which order, and is signed with
    ``SECRET_KEY``; how long it lives is up to ``read`` and the order itself."""
    root = order.retry_of or order
    token = signing.dumps(root.public_id, salt=_SALT)
    return site + reverse("nexi_payments:link", args=[token])


def read(token: str, *, lives: timedelta) -> PaymentOrder | None:
    """The order of a link, or ``None``: changed, cut off, or older than ``lives``."""
    try:
        public_id = signing.loads(token, salt=_SALT, max_age=lives)
    except signing.BadSignature:  # an expired one is one of them
        return None
    return PaymentOrder.objects.filter(public_id=public_id).first()
