"""What the token of a return proves, for the result page on another host name.

A payment with a user is shown to that user. Where the shop has several domains, the
shopper comes back to that of ``PUBLIC_URL`` and is not logged in there. The address of
the return has a token that only the browser had which began the payment. So the
redirect carries a proof of it, and for an hour the result page shows the outcome, and
nothing to pay with.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from django.core import signing
from django.utils.crypto import constant_time_compare

from nexi_payments import sealed_cards
from nexi_payments.models import PaymentOrder

PARAMETER: Final = "back"
#: Seconds: a challenge, and the minutes in which the outcome may be unknown.
_MAX_AGE: Final = 3600
_SIGNER: Final = signing.TimestampSigner(salt="nexi_payments.return_proof")


def query(order: PaymentOrder | None, token: str) -> str:
    """The query to add to the URL of the result page; "" for guests.

    It does not depend on whether ``token`` is right: a redirect tells nothing.
    """
    if order is None or order.user_id is None:
        return ""
    proof = _SIGNER.sign(sealed_cards.hash_token(token))
    return "?" + urlencode({PARAMETER: proof})


def is_valid(order: PaymentOrder, proof: str) -> bool:
    """Whether ``proof`` was made from this payment's token, an hour ago at most."""
    if not proof or not order.token_hash:
        return False
    try:
        token_hash = _SIGNER.unsign(proof, max_age=_MAX_AGE)
    except signing.BadSignature:
        return False
    return constant_time_compare(token_hash, order.token_hash)
