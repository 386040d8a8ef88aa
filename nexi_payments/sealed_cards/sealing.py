"""Encrypts a card for minutes. Nowhere else does a card outlive a request.

The charge needs the card again after the challenge. Its encryption key is derived from
two parts: a key of ``SEALED_CARD_KEYS``, which only the server has, and a token that
exists only in the ReturnUrl in the browser. Neither the database with all secrets of
the server nor the token alone can decrypt a card. The claim deletes the row. Destroying
a key of ``SEALED_CARD_KEYS`` makes the sealed cards in old backups unreadable.

Blob: ``01 | key id (8) | nonce (12) | AES-256-GCM ciphertext``. The associated data
binds it to the order, its amount, currency and flow, and to the expiry.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from nexi_payments.card import Card
from nexi_payments.card_extraction import call_without_frames
from nexi_payments.conf import current
from nexi_payments.models import PaymentOrder
from nexi_payments.sealed_cards.storage import (
    TABLE_STORAGE,
    CardCiphertext,
    get_storage,
)

_VERSION: Final = b"\x01"
_KEY_ID_LENGTH: Final = 8
_NONCE_LENGTH: Final = 12
#: Plaintexts are padded to this length: a blob must not reveal the number's length.
_PLAINTEXT_LENGTH: Final = 96


def new_token() -> str:
    """256 random bits for the ReturnUrl; the order stores only ``hash_token`` of it."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """The hash of a token that the order stores: it recognises, it cannot decrypt."""
    return hashlib.sha256(b"lookup|" + token.encode()).hexdigest()


def seal(order: PaymentOrder, card: Card, token: str) -> None:
    """Encrypts and stores the card of an order that awaits 3-D Secure.

    Run it in the commit that changes the state. A database error shows no clear number:
    frames hold the masked ``Card`` and the ciphertext. Raises ``ImproperlyConfigured``
    without ``SEALED_CARD_KEYS``,
    ``SealedCardUnavailable`` when the cache does not keep it, and ``CardNotRead`` for a
    defect during the encryption.
    """
    server_key()  # raises its helpful error before the card is revealed
    expires_at = timezone.now() + timedelta(seconds=current().sealed_card_ttl)
    pan_blob, cvv_blob = call_without_frames(
        lambda: _encrypt_card(order, card, token, expires_at)
    )
    get_storage().put(order, CardCiphertext(pan_blob, cvv_blob, expires_at))


def _encrypt_card(
    order: PaymentOrder, card: Card, token: str, expires_at: datetime
) -> tuple[bytes, bytes | None]:
    key = server_key()
    pan, expiry, cvv = card.reveal()
    sealed = _encrypt(
        {"pan": pan, "expiry": expiry}, "pan", key, order, token, expires_at
    )
    if not (cvv and current().sealed_card_cvv):
        return sealed, None
    return sealed, _encrypt({"cvv": cvv}, "cvv", key, order, token, expires_at)


def server_key() -> bytes:
    """The current key, the first of ``SEALED_CARD_KEYS``.

    Raises ``ImproperlyConfigured`` without one.
    """
    keys = current().sealed_card_keys
    if not keys:
        raise ImproperlyConfigured(
            "NEXI_PAYMENTS['SEALED_CARD_KEYS'] is required to store a card during"
            " 3-D Secure"
        )
    return keys[0]


def pop(order: PaymentOrder) -> CardCiphertext | None:
    """Removes and returns an order's sealed card; ``None`` if it is gone or expired.

    Run it in the commit of the claim: of two requests, one gets it.
    """
    sealed = get_storage().pop(order)
    if sealed is None or sealed.expires_at <= timezone.now():
        return None
    return sealed


def unseal(order: PaymentOrder, sealed: CardCiphertext, token: str) -> Card | None:
    """Decrypts a card; ``None`` if key, token or associated data do not match.

    Raises ``CardNotRead`` for a defect during the decryption.
    """
    return call_without_frames(lambda: _decrypt_card(order, sealed, token))


def _decrypt_card(
    order: PaymentOrder, sealed: CardCiphertext, token: str
) -> Card | None:
    pan = _decrypt(sealed.pan_blob, "pan", order, token, sealed.expires_at)
    if pan is None:
        return None
    cvv = {"cvv": ""}
    if sealed.cvv_blob is not None:
        decrypted = _decrypt(sealed.cvv_blob, "cvv", order, token, sealed.expires_at)
        if decrypted is None:
            return None
        cvv = decrypted
    return Card(pan["pan"], pan["expiry"], cvv["cvv"])


def shred(order: PaymentOrder) -> None:
    """Deletes an order's sealed card, if there is one."""
    get_storage().shred(order)


def purge() -> int:
    """Deletes expired sealed cards from the table; returns how many.

    A cache expires them itself. The table is purged even then: ``SEALED_CARD_BACKEND``
    may have changed.
    """
    return TABLE_STORAGE.purge()


def _key_id(key: bytes) -> bytes:
    """Eight characters that identify a key without revealing it."""
    return hashlib.sha256(b"kid|" + key).hexdigest()[:_KEY_ID_LENGTH].encode()


def _cipher(key: bytes, purpose: str, order: PaymentOrder, token: str) -> AESGCM:
    info = f"nexi_payments/sealed_cards/v1|{purpose}|".encode() + _key_id(key)
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


def _associated_data(key: bytes, order: PaymentOrder, expires_at: datetime) -> bytes:
    """What a ciphertext is bound to: moved to another row, it does not decrypt."""
    bound = [
        1,
        _key_id(key).decode(),
        order.order_id,
        order.amount,
        order.currency,
        order.flow,
        expires_at.isoformat(),
    ]
    return json.dumps(bound).encode()


def _encrypt(
    secret: dict[str, str],
    purpose: str,
    key: bytes,
    order: PaymentOrder,
    token: str,
    expires_at: datetime,
) -> bytes:
    nonce = os.urandom(_NONCE_LENGTH)
    plaintext = json.dumps(secret).encode().ljust(_PLAINTEXT_LENGTH)
    ciphertext = _cipher(key, purpose, order, token).encrypt(
        nonce, plaintext, _associated_data(key, order, expires_at)
    )
    return _VERSION + _key_id(key) + nonce + ciphertext


def _decrypt(
    blob: bytes, purpose: str, order: PaymentOrder, token: str, expires_at: datetime
) -> dict[str, str] | None:
    key_id = blob[1 : 1 + _KEY_ID_LENGTH]
    key = next(
        (key for key in current().sealed_card_keys if _key_id(key) == key_id), None
    )
    if blob[:1] != _VERSION or key is None:
        return None
    nonce, ciphertext = (
        blob[1 + _KEY_ID_LENGTH : 1 + _KEY_ID_LENGTH + _NONCE_LENGTH],
        blob[1 + _KEY_ID_LENGTH + _NONCE_LENGTH :],
    )
    try:
        plaintext = _cipher(key, purpose, order, token).decrypt(
            nonce, ciphertext, _associated_data(key, order, expires_at)
        )
    except InvalidTag:
        return None
    secret: dict[str, str] = json.loads(plaintext)
    return secret
