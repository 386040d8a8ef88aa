"""Where sealed cards wait: our own table, or a cache of the project's.

A cache forgets by itself and need not write to a disk, which a table and its backups
do. It must be one that all processes share.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from django.core.cache import caches
from django.utils import timezone

from nexi_payments.conf import DATABASE, current
from nexi_payments.exceptions import HoldUnavailable
from nexi_payments.models import Hold, PaymentOrder, database, statements

log = logging.getLogger("nexi_payments.hold")
_PREFIX: Final = "nexi_payments:hold:"


@dataclass(frozen=True)
class Sealed:
    """The ciphertexts of one card, and until when they are good."""

    pan_blob: bytes
    cvv_blob: bytes | None
    expires_at: datetime


class Place(Protocol):
    def put(self, order: PaymentOrder, sealed: Sealed) -> Callable[[], None]:
        """What is left to do in the commit that makes the order wait."""

    def take(self, order: PaymentOrder) -> Sealed | None:
        """Removes the hold and hands it over; runs in the commit of the claim."""

    def shred(self, order: PaymentOrder) -> None: ...

    def purge(self) -> int: ...


class _Table:
    def put(self, order: PaymentOrder, sealed: Sealed) -> Callable[[], None]:
        # a database error shows its frames to error trackers: no clear number in them
        return lambda: _insert(order, sealed)

    def take(self, order: PaymentOrder) -> Sealed | None:
        row, _ = statements.find(Hold, order.pk)
        if row is None or not statements.delete(Hold, {"pk": order.pk}):
            return None
        code = bytes(row.cvv_blob) if row.cvv_blob is not None else None
        return Sealed(bytes(row.pan_blob), code, row.expires_at)

    def shred(self, order: PaymentOrder) -> None:
        Hold.objects.filter(order=order).delete()

    def purge(self) -> int:
        with database.atomic():
            old = Hold.objects.filter(expires_at__lte=timezone.now())
            removed, _ = old.delete()
        return removed


def _insert(order: PaymentOrder, sealed: Sealed) -> None:
    row = Hold(
        order=order,
        pan_blob=sealed.pan_blob,
        cvv_blob=sealed.cvv_blob,
        expires_at=sealed.expires_at,
    )
    statements.insert(row)


class _Cache:
    """A cache that is away keeps no card: told before the shopper goes to the bank. On
    the way back it means that the card is gone, and nothing is charged."""

    def __init__(self, alias: str) -> None:
        self._cache: Any = caches[alias]

    def put(self, order: PaymentOrder, sealed: Sealed) -> Callable[[], None]:
        value = (sealed.pan_blob, sealed.cvv_blob, sealed.expires_at)
        seconds = (sealed.expires_at - timezone.now()).total_seconds()
        kept = self._try("put", lambda: self._put(order, value, seconds))
        if not kept:
            raise HoldUnavailable(order.order_id)
        return lambda: None

    def _put(self, order: PaymentOrder, value: Any, seconds: float) -> bool:
        self._cache.set(_PREFIX + order.order_id, value, seconds)
        # one that drops what it is given says nothing
        return bool(self._cache.get(_PREFIX + order.order_id) == value)

    def take(self, order: PaymentOrder) -> Sealed | None:
        value = self._try("take", lambda: self._cache.get(_PREFIX + order.order_id))
        self.shred(order)
        return Sealed(*value) if value else None

    def shred(self, order: PaymentOrder) -> None:
        self._try("shred", lambda: self._cache.delete(_PREFIX + order.order_id))

    def purge(self) -> int:
        return 0  # the cache does

    def _try(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # each cache has errors of its own
            log.error("the cache of held cards: %s: %s", what, type(error).__name__)
        return None


TABLE: Final = _Table()


def place() -> Place:
    """As ``HOLD_BACKEND`` says."""
    name = current().hold_backend
    return TABLE if name == DATABASE else _Cache(name)
