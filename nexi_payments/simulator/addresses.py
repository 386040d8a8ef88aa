"""Warnings about addresses: the payment goes on, the address is not considered.

Codes as they were recorded in the sandbox, on validation and payment; init had none.
"""

from __future__ import annotations

from typing import Any, Final

_OF: Final = (("billingAddress", "003", "007"), ("shippingAddress", "010", "014"))
_SAYS: Final = {
    "country": "country must be of 3 letters: address not considered",
    "province": "province must be between 1 and 2 characters: address not considered",
}


def warnings(customer: Any) -> list[dict[str, str]]:
    """``[{"code", "description"}]`` for a ``customerInfo``; no value is quoted."""
    found = []
    for member, country, province in _OF:
        address = (customer or {}).get(member) or {}
        if len(address.get("country", "ITA")) != 3:
            found.append({"code": country, "description": _SAYS["country"]})
        if len(address.get("province", "RM")) > 2:
            found.append({"code": province, "description": _SAYS["province"]})
    return found
