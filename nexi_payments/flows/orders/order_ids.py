"""Order ids: our prefix and 15 letters or digits (about 89 bits).

Most are random. Those of charges of saved cards are derived from contract, reference
and attempt, with a key that no database has. After an older backup was restored the
same charge has the same id again, so Nexi can be asked whether it was made.
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from typing import Final

from nexi_payments import conf

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LENGTH: Final = 15


def random_id() -> str:
    return from_number(secrets.randbits(128))


def of_contract_charge(contract_id: str, reference: str, attempt: int) -> str:
    """The id of one attempt to charge a contract; ``attempt`` counts from 0.

    The reference of a due charge names its period.
    """
    text = f"{contract_id}\n{reference}\n{attempt}"
    return from_number(_number(b"order id", text))


def idempotency_key(order_id: str) -> str:
    """The ``Idempotency-Key`` of a contract's charge: a UUID, the same for each send of
    this order.
    """
    number = _number(b"idempotency key", order_id) % 2**128
    return str(uuid.UUID(int=number, version=4))


def from_number(number: int) -> str:
    """The order id of a number of at least 90 bits."""
    text = ""
    for _ in range(_LENGTH):
        number, place = divmod(number, len(_ALPHABET))
        text += _ALPHABET[place]
    return conf.current().order_prefix + text


def _number(purpose: bytes, text: str) -> int:
    key = conf.current().derived_key(purpose)
    return int.from_bytes(hmac.digest(key, text.encode(), "sha256"))
