"""A shop's ``REFERENCE_LOOKUP``."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest

from nexi_payments import flows

CUPS: Final = flows.ShopOrder(
    Decimal("12.50"),
    "EUR",
    description="Three cups",
    customer={"name": "Giulia Bianchi", "email": "giulia@example.com"},
)


class Shop:
    """Its orders by reference, and what it was asked."""

    def __init__(self) -> None:
        self.orders: dict[str, Any] = {}
        self.failure: Exception | None = None
        self.asked: list[tuple[str, str, Any]] = []

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]


SHOP: Final = Shop()


def find(reference: str, *, terminal: str, user: Any) -> Any:
    SHOP.asked.append((reference, terminal, user))
    if SHOP.failure is not None:
        raise SHOP.failure
    return SHOP.orders.get(reference)


@pytest.fixture
def lookups(change_settings: Any) -> Iterator[Shop]:
    """The shop, empty, and asked."""
    change_settings(REFERENCE_LOOKUP=f"{__name__}.find")
    SHOP.clear()
    yield SHOP
    SHOP.clear()
