"""The client secret: permits its holder to pay one order and to read its state.

Derived from ``SECRET_KEY`` and the order's ``public_id``. Requests name the payment by
``order_id``, which is not used. So ``order_id`` and ``SECRET_KEY`` are not enough to
derive it, nor is the database without ``SECRET_KEY``. Nothing is stored. The shop's
server passes the secret to the shopper's browser.
"""

from __future__ import annotations

import base64
import re
import secrets
from typing import Final

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from nexi_payments.models import PaymentOrder

_PATTERN: Final = re.compile(r"cs_[A-Za-z0-9_-]{43}", re.ASCII)
_SALT: Final = "nexi_payments.api.client_secret"


def client_secret(order: PaymentOrder) -> str:
    """The secret of ``order``, 46 characters. It changes only with ``SECRET_KEY``."""
    return _derive_secret(str(settings.SECRET_KEY), order.public_id)


def order_for_secret(order_id: str, secret: str) -> PaymentOrder | None:
    """The order if ``secret`` is its secret, else ``None``, also for an unknown order.

    A value that does not look like a secret causes no query. Secrets derived from
    ``SECRET_KEY_FALLBACKS`` are valid, too, so that a key can be rotated.
    """
    if _PATTERN.fullmatch(secret) is None:
        return None
    order = PaymentOrder.find_by_order_id(order_id)
    # constant time: for an unknown order, too, a secret is derived and compared
    public_id = secrets.token_hex(16) if order is None else order.public_id
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    matches = [
        constant_time_compare(_derive_secret(str(key), public_id), secret)
        for key in keys
    ]
    return order if any(matches) else None


def _derive_secret(key: str, public_id: str) -> str:
    digest = salted_hmac(_SALT, public_id, secret=key, algorithm="sha256").digest()
    return "cs_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
