"""The one place where a card outlives a request: sealed, for minutes, opened once.

The payment call needs the card again after the challenge. The key that seals it is
made from two halves: one of ``HOLD_KEYS``, which only the server has, and a token that
exists only in the ReturnUrl the browser carries. The database with every secret of the
server cannot open a hold, nor can the token alone. The claim deletes the row;
destroying a key in ``HOLD_KEYS`` kills the holds in every old backup.

Blob: ``01 | key id (8) | nonce (12) | AES-256-GCM ciphertext``. Bound, as additional
data, to the order, its amount, currency and flow and the hold's expiry.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from nexi_payments.card import Card
from nexi_payments.conf import current
from nexi_payments.hold.places import TABLE, Sealed, place
from nexi_payments.models import PaymentOrder

__all__ = [
    "Sealed",
    "fingerprint",
    "new_token",
    "purge",
    "seal",
    "server_key",
    "shred",
    "take",
    "unseal",
]

_VERSION: Final = b"\x01"
_KID: Final = 8
_NONCE: Final = 12
#: All plaintexts have this length, so that a blob does not tell the number's length.
_PADDED: Final = 96


def new_token() -> str:
    """256 random bits for the ReturnUrl; the order stores only ``fingerprint``."""
    return secrets.token_urlsafe(32)


def fingerprint(token: str) -> str:
    """What the database may know of a token: enough to recognise it, not to open."""
    return hashlib.sha256(b"lookup|" + token.encode()).hexdigest()


def seal(order: PaymentOrder, card: Card, token: str) -> Callable[[], None]:
    """Seals the card of an order that is about to wait for the issuer. What comes back
    runs in the commit that makes it wait: never the one without the other.

    Raises ``ImproperlyConfigured`` without ``HOLD_KEYS``, ``HoldUnavailable`` when the
    cache that is to keep it does not.
    """
    expires_at = timezone.now() + timedelta(seconds=current().hold_ttl)
    pan_blob, cvv_blob = _blobs(order, card, token, expires_at)
    return place().put(order, Sealed(pan_blob, cvv_blob, expires_at))


def _blobs(
    order: PaymentOrder, card: Card, token: str, expires_at: datetime
) -> tuple[bytes, bytes | None]:
    key = server_key()
    pan, expiry, cvv = card.reveal()
    sealed = _seal({"pan": pan, "expiry": expiry}, "pan", key, order, token, expires_at)
    if not (cvv and current().hold_cvv):
        return sealed, None
    return sealed, _seal({"cvv": cvv}, "cvv", key, order, token, expires_at)


def server_key() -> bytes:
    """The key in force, the first of ``HOLD_KEYS``."""
    keys = current().hold_keys
    if not keys:
        raise ImproperlyConfigured(
            "NEXI_PAYMENTS['HOLD_KEYS'] is needed to hold a card during 3-D Secure"
        )
    return keys[0]


def take(order: PaymentOrder) -> Sealed | None:
    """Removes the hold and hands it over; ``None`` when there is none, or it is old.

    Runs in the commit of the claim: of two requests, one gets it.
    """
    sealed = place().take(order)
    if sealed is None or sealed.expires_at <= timezone.now():
        return None
    return sealed


def unseal(order: PaymentOrder, sealed: Sealed, token: str) -> Card | None:
    """The card, for the memory of this request; ``None`` when it does not open."""
    pan = _unseal(sealed.pan_blob, "pan", order, token, sealed.expires_at)
    if pan is None:
        return None
    cvv = {"cvv": ""}
    if sealed.cvv_blob is not None:
        found = _unseal(sealed.cvv_blob, "cvv", order, token, sealed.expires_at)
        if found is None:
            return None
        cvv = found
    return Card(pan["pan"], pan["expiry"], cvv["cvv"])


def shred(order: PaymentOrder) -> None:
    """Removes an order's hold, if it has one."""
    place().shred(order)


def purge() -> int:
    """Removes the holds whose time is over; returns how many. A cache does it itself.

    The table is looked through even then: ``HOLD_BACKEND`` may have changed.
    """
    return TABLE.purge()


def _kid(key: bytes) -> bytes:
    """Eight characters that name a key without telling it."""
    return hashlib.sha256(b"kid|" + key).hexdigest()[:_KID].encode()


def _cipher(key: bytes, label: str, order: PaymentOrder, token: str) -> AESGCM:
    info = f"nexi_payments/hold/v1|{label}|".encode() + _kid(key)
    derived = HKDF(
        algorithm=SHA256(),
        length=32,
        salt=_token_bytes(token),
        info=info + b"|" + order.order_id.encode(),
    ).derive(key)
    return AESGCM(derived)


def _token_bytes(token: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(token + "=")
    except (binascii.Error, ValueError):
        return token.encode()


def _bound(key: bytes, order: PaymentOrder, expires_at: datetime) -> bytes:
    """What the seal is bound to: a blob moved to another row does not open."""
    facts = [
        1,
        _kid(key).decode(),
        order.order_id,
        order.amount,
        order.currency,
        order.flow,
        expires_at.isoformat(),
    ]
    return json.dumps(facts).encode()


def _seal(
    secret: dict[str, str],
    label: str,
    key: bytes,
    order: PaymentOrder,
    token: str,
    expires_at: datetime,
) -> bytes:
    nonce = os.urandom(_NONCE)
    plain = json.dumps(secret).encode().ljust(_PADDED)
    text = _cipher(key, label, order, token).encrypt(
        nonce, plain, _bound(key, order, expires_at)
    )
    return _VERSION + _kid(key) + nonce + text


def _unseal(
    blob: bytes, label: str, order: PaymentOrder, token: str, expires_at: datetime
) -> dict[str, str] | None:
    kid = blob[1 : 1 + _KID]
    key = next((key for key in current().hold_keys if _kid(key) == kid), None)
    if blob[:1] != _VERSION or key is None:
        return None
    nonce, text = blob[1 + _KID : 1 + _KID + _NONCE], blob[1 + _KID + _NONCE :]
    try:
        plain = _cipher(key, label, order, token).decrypt(
            nonce, text, _bound(key, order, expires_at)
        )
    except InvalidTag:
        return None
    opened: dict[str, str] = json.loads(plain)
    return opened
