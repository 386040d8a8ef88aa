"""A backup of our tables, in memory; Nexi's books stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

from django.core import serializers
from django.db import connection, models, transaction

from nexi_payments.models import (
    Contract,
    CustomerDetails,
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
)
from nexi_payments.models.bookkeeping import Heartbeat, SweepCursor
from nexi_payments.models.sealed_card import SealedCard

#: Parents before children.
_MODELS: tuple[type[models.Model], ...] = (
    *(Contract, PaymentOrder, CustomerDetails, Operation, Event, Discrepancy),
    *(SealedCard, SweepCursor, Heartbeat),
)


@dataclass
class Backup:
    rows: str

    @classmethod
    def take(cls) -> Backup:
        rows = [row for model in _MODELS for row in model._base_manager.order_by("pk")]
        return cls(serializers.serialize("json", rows))

    def restore(self) -> None:
        """All rows as they were. What was created since is gone."""
        with transaction.atomic(), connection.constraint_checks_disabled():
            PaymentOrder.objects.update(retry_of=None)
            Operation.objects.update(capture=None)
            for model in reversed(_MODELS):
                model._base_manager.all().delete()
            for row in serializers.deserialize("json", self.rows):
                row.object.save_base(raw=True, force_insert=True)


def forget(order: PaymentOrder) -> None:
    """The database was replaced by a backup that is older than ``order``."""
    Discrepancy.objects.filter(order=order).delete()
    Event.objects.filter(order=order).delete()
    Operation.objects.filter(order=order).delete()
    PaymentOrder.objects.filter(pk=order.pk).delete()
