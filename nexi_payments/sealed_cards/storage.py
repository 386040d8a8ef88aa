"""Storages of sealed cards: our own table, or a cache of the project.

A cache expires entries itself and need not write to a disk, as a table and its backups
do. All processes must share it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from django.core.cache import caches
from django.utils import timezone

from nexi_payments.conf import current
from nexi_payments.conf.settings import DATABASE
from nexi_payments.exceptions import SealedCardUnavailable
from nexi_payments.models import PaymentOrder, raw_sql
from nexi_payments.models.sealed_card import SealedCard

log = logging.getLogger("nexi_payments.sealed_cards")
_CACHE_PREFIX: Final = "nexi_payments:sealed_card:"


@dataclass(frozen=True)
class CardCiphertext:
    """The ciphertexts of one card, and when they expire."""

    pan_blob: bytes
    cvv_blob: bytes | None
    expires_at: datetime


class Storage(Protocol):
    def put(self, order: PaymentOrder, sealed: CardCiphertext) -> None:
        """Stores a card; runs in the commit that awaits 3-D Secure."""

    def pop(self, order: PaymentOrder) -> CardCiphertext | None:
        """Removes and returns a sealed card; runs in the commit of the claim."""

    def shred(self, order: PaymentOrder) -> None: ...

    def purge(self) -> int: ...


class _TableStorage:
    def put(self, order: PaymentOrder, sealed: CardCiphertext) -> None:
        row = SealedCard(
            order=order,
            pan_blob=sealed.pan_blob,
            cvv_blob=sealed.cvv_blob,
            expires_at=sealed.expires_at,
        )
        raw_sql.insert(row)

    def pop(self, order: PaymentOrder) -> CardCiphertext | None:
        row, _ = raw_sql.get(SealedCard, order.pk)
        if row is None or not SealedCard.objects.filter(pk=order.pk).delete()[0]:
            return None
        code = bytes(row.cvv_blob) if row.cvv_blob is not None else None
        return CardCiphertext(bytes(row.pan_blob), code, row.expires_at)

    def shred(self, order: PaymentOrder) -> None:
        SealedCard.objects.filter(order=order).delete()

    def purge(self) -> int:
        old = SealedCard.objects.filter(expires_at__lte=timezone.now())
        return old.delete()[0]


class _CacheStorage:
    """Sealed cards in a Django cache.

    If it is unavailable, ``put`` fails before the shopper goes to the issuer. On the
    return it means that the card is gone, and nothing is charged.
    """

    def __init__(self, alias: str) -> None:
        self._cache: Any = caches[alias]

    def put(self, order: PaymentOrder, sealed: CardCiphertext) -> None:
        value = (sealed.pan_blob, sealed.cvv_blob, sealed.expires_at)
        seconds = (sealed.expires_at - timezone.now()).total_seconds()
        stored = self._try("put", lambda: self._put(order, value, seconds))
        if not stored:
            raise SealedCardUnavailable(order.order_id)

    def _put(self, order: PaymentOrder, value: Any, seconds: float) -> bool:
        self._cache.set(_CACHE_PREFIX + order.order_id, value, seconds)
        # a cache may drop an entry without an error
        return bool(self._cache.get(_CACHE_PREFIX + order.order_id) == value)

    def pop(self, order: PaymentOrder) -> CardCiphertext | None:
        value = self._try(
            "pop", lambda: self._cache.get(_CACHE_PREFIX + order.order_id)
        )
        self.shred(order)
        return CardCiphertext(*value) if value else None

    def shred(self, order: PaymentOrder) -> None:
        self._try("shred", lambda: self._cache.delete(_CACHE_PREFIX + order.order_id))

    def purge(self) -> int:
        return 0  # the cache expires them

    def _try(self, action: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # each cache backend has errors of its own
            log.error("the cache of sealed cards: %s: %s", action, type(error).__name__)
        return None


TABLE_STORAGE: Final = _TableStorage()


def get_storage() -> Storage:
    """The storage that ``SEALED_CARD_BACKEND`` names."""
    name = current().sealed_card_backend
    return TABLE_STORAGE if name == DATABASE else _CacheStorage(name)
