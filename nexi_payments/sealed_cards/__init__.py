"""Sealed cards: encrypted card data between 3-D Secure and the charge, for minutes.

``sealing`` encrypts and decrypts, ``storage`` keeps the ciphertext.
"""

from nexi_payments.sealed_cards.sealing import (
    hash_token,
    new_token,
    pop,
    purge,
    seal,
    server_key,
    shred,
    unseal,
)
from nexi_payments.sealed_cards.storage import CardCiphertext

__all__ = [
    "CardCiphertext",
    "hash_token",
    "new_token",
    "pop",
    "purge",
    "seal",
    "server_key",
    "shred",
    "unseal",
]
