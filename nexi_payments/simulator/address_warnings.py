"""Warnings about addresses: the payment continues, the address is ignored.

The codes were recorded in the sandbox, on validation and payment. Init had none.
"""

from __future__ import annotations

from typing import Any, Final

_ADDRESS_CODES: Final = (
    ("billingAddress", "003", "007"),
    ("shippingAddress", "010", "014"),
)
_DESCRIPTIONS: Final = {
    "country": "country must be of 3 letters: address not considered",
    "province": "province must be between 1 and 2 characters: address not considered",
}


def warnings(customer: Any) -> list[dict[str, str]]:
    """Return ``[{"code", "description"}]`` for ``customerInfo``; no value is quoted."""
    found = []
    for member, country, province in _ADDRESS_CODES:
        address = (customer or {}).get(member) or {}
        if len(address.get("country", "ITA")) != 3:
            found.append({"code": country, "description": _DESCRIPTIONS["country"]})
        if len(address.get("province", "RM")) > 2:
            found.append({"code": province, "description": _DESCRIPTIONS["province"]})
    return found
