"""Encrypts a card for minutes. Nowhere else does a card outlive a request.

The charge needs the card again after the challenge. Its encryption key is derived from
two parts: a key of ``SEALED_CARD_KEYS``, which only the server has, and a token that
exists only in the ReturnUrl in the browser. Neither the database with all secrets of
the server nor the token alone can decrypt a card. The claim deletes the row. Destroying
a key of ``SEALED_CARD_KEYS`` makes the sealed cards in old backups unreadable.

Blob: ``02 | key id (8) | nonce (12) | AES-256-GCM ciphertext``. The associated data
binds it to the order, its amount, currency and flow, to the expiry, and to whether a
security code was sealed beside it: nobody removes one unnoticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
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
from nexi_payments.conf import current, sealed_card_keys
from nexi_payments.exceptions import SealedCardUnavailable
from nexi_payments.models import PaymentOrder
from nexi_payments.sealed_cards.storage import (
    TABLE_STORAGE,
    CardCiphertext,
    get_storage,
)

_VERSION: Final = b"\x02"
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
    without ``SEALED_CARD_KEYS``, ``SealedCardUnavailable`` when the cache does not keep
    it or no key can be had, and ``CardNotRead`` for a defect during the encryption.
    """
    server_key(order)  # raises its helpful error before the card is revealed
    expires_at = timezone.now() + timedelta(seconds=current().sealed_card_ttl)
    pan_blob, cvv_blob = call_without_frames(
        lambda: _encrypt_card(order, card, token, expires_at)
    )
    get_storage().put(order, CardCiphertext(pan_blob, cvv_blob, expires_at))


def _encrypt_card(
    order: PaymentOrder, card: Card, token: str, expires_at: datetime
) -> tuple[bytes, bytes | None]:
    key = server_key(order)
    pan, expiry, cvv = card.reveal()
    with_code = bool(cvv and current().sealed_card_cvv)
    binding = _Binding(order, token, expires_at, with_code)
    sealed = _encrypt({"pan": pan, "expiry": expiry}, "pan", key, binding)
    return sealed, _encrypt({"cvv": cvv}, "cvv", key, binding) if with_code else None


def server_key(order: PaymentOrder) -> bytes:
    """The current key for the card of ``order``, the first of ``SEALED_CARD_KEYS``.

    Raises ``ImproperlyConfigured`` without one, and ``SealedCardUnavailable`` when the
    function that gives them fails.
    """
    keys = sealed_card_keys()
    if not keys and current().sealed_card_keys_hook:
        raise SealedCardUnavailable(order.order_id)
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
    with_code = sealed.cvv_blob is not None
    binding = _Binding(order, token, sealed.expires_at, with_code)
    pan = _decrypt(sealed.pan_blob, "pan", binding)
    if pan is None:
        return None
    cvv = {"cvv": ""}
    if sealed.cvv_blob is not None:
        decrypted = _decrypt(sealed.cvv_blob, "cvv", binding)
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


@dataclass(frozen=True)
class _Binding:
    """What a ciphertext is bound to: moved to another row, or without the security code
    that was sealed beside it, it does not decrypt."""

    order: PaymentOrder
    token: str = field(repr=False)
    expires_at: datetime
    with_code: bool


def _cipher(key: bytes, purpose: str, binding: _Binding) -> AESGCM:
    info = f"nexi_payments/sealed_cards/v1|{purpose}|".encode() + _key_id(key)
    derived = HKDF(
        algorithm=SHA256(),
        length=32,
        salt=_token_bytes(binding.token),
        info=info + b"|" + binding.order.order_id.encode(),
    ).derive(key)
    return AESGCM(derived)


def _token_bytes(token: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(token + "=")
    except (binascii.Error, ValueError):
        return token.encode()


def _associated_data(key: bytes, binding: _Binding) -> bytes:
    order = binding.order
    bound = [
        2,
        _key_id(key).decode(),
        order.order_id,
        order.amount,
        order.currency,
        order.flow,
        binding.expires_at.isoformat(),
        binding.with_code,
    ]
    return json.dumps(bound).encode()


def _encrypt(
    secret: dict[str, str], purpose: str, key: bytes, binding: _Binding
) -> bytes:
    nonce = os.urandom(_NONCE_LENGTH)
    plaintext = json.dumps(secret).encode().ljust(_PLAINTEXT_LENGTH)
    ciphertext = _cipher(key, purpose, binding).encrypt(
        nonce, plaintext, _associated_data(key, binding)
    )
    return _VERSION + _key_id(key) + nonce + ciphertext


def _decrypt(blob: bytes, purpose: str, binding: _Binding) -> dict[str, str] | None:
    key_id = blob[1 : 1 + _KEY_ID_LENGTH]
    key = next((key for key in sealed_card_keys() if _key_id(key) == key_id), None)
    if blob[:1] != _VERSION or key is None:
        return None
    nonce, ciphertext = (
        blob[1 + _KEY_ID_LENGTH : 1 + _KEY_ID_LENGTH + _NONCE_LENGTH],
        blob[1 + _KEY_ID_LENGTH + _NONCE_LENGTH :],
    )
    try:
        plaintext = _cipher(key, purpose, binding).decrypt(
            nonce, ciphertext, _associated_data(key, binding)
        )
    except InvalidTag:
        return None
    secret: dict[str, str] = json.loads(plaintext)
    return secret
