"""The client secret: whoever holds it may pay this order, and see how it stands.

Computed from the order's public id and ``SECRET_KEY``, so there is nothing to store or
to steal from the database. The server hands it to the browser that is to pay.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from nexi_payments.models import PaymentOrder

_PUBLIC_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SALT: Final = "nexi_payments.api.client_secret"


def client_secret(order: PaymentOrder) -> str:
    """``order``'s secret, 46 characters; the same each time while ``SECRET_KEY`` is."""
    return _made_with(str(settings.SECRET_KEY), order.public_id)


def is_public_id(text: str) -> bool:
    """Whether it may be one: anything else is not asked of the database, which takes
    no NUL for instance."""
    return _PUBLIC_ID.fullmatch(text) is not None


def is_secret_of(public_id: str, secret: str) -> bool:
    """Also with one of ``SECRET_KEY_FALLBACKS``, so that a key can be rotated."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    right = [
        constant_time_compare(_made_with(str(key), public_id), secret) for key in keys
    ]
    return any(right)


def _made_with(key: str, public_id: str) -> str:
    digest = salted_hmac(_SALT, public_id, secret=key, algorithm="sha256").digest()
    return "cs_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
