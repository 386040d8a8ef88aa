"""A shop whose receivers fail or hang."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nexi_payments.signals import (
    payment_captured,
)
from tests.support.outbox import Shop, connected


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with connected(payment_captured, shop):
        yield shop
    shop.release.set()
    for thread in shop.threads - {threading.current_thread()}:
        thread.join(10)


@pytest.fixture
def impatient(change_settings: Any) -> None:
    """A receiver hangs after a second."""
    change_settings(TOTAL_TIMEOUT=1)
