"""Our side of a day: rows of operations as plain values, read in parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from nexi_payments import enums
from nexi_payments.enums import Movement, OperationKind, OperationOutcome
from nexi_payments.flows.closing.days import ShopDay
from nexi_payments.flows.inquiry.reading.vocabulary import ROLES
from nexi_payments.gateway import result_codes
from nexi_payments.models import Operation, PaymentOrder

_PART: Final = 1000
#: How long after the day an operation may be confirmed that was sent on it.
_CONFIRMED_WITHIN: Final = timedelta(days=8)
#: A charge that is only held, by Nexi's word.
_HELD: Final = frozenset({result_codes.AUTHORIZED, result_codes.VOIDED})
_MOVEMENTS: Final[dict[str, Movement]] = {
    OperationKind.CAPTURE: Movement.CAPTURE,
    OperationKind.VOID: Movement.VOID,
    OperationKind.REFUND: Movement.REFUND,
    OperationKind.CANCEL: Movement.CANCEL,
}


class LedgerRow(NamedTuple):
    """An operation of ours with what a report needs of its order."""

    key: int
    kind: str
    outcome: str
    result: str
    amount: int | None
    operation_id: str
    sent_at: datetime | None
    settled_at: datetime | None
    created_at: datetime
    actor_id: Any
    order_id: str
    reference: str | None
    terminal: str
    channel: str
    method: str
    circuit: str
    currency: str
    order_clerk_id: Any

    @property
    def moves_money(self) -> bool:
        """Whether its kind moves or holds money: not authentication or validation."""
        return self.kind in ROLES

    @property
    def is_done(self) -> bool:
        return self.outcome == OperationOutcome.DONE

    @property
    def movement(self) -> Movement:
        if self.kind in _MOVEMENTS:
            return _MOVEMENTS[self.kind]
        held = self.result in _HELD
        return Movement.AUTHORIZATION if held else Movement.CHARGE

    @property
    def clerk_id(self) -> Any:
        """A payment through a link counts for the clerk who sent the link."""
        if self.kind in enums.CHARGING:
            return self.actor_id or self.order_clerk_id
        return self.actor_id

    @property
    def time(self) -> datetime:
        """When it was done, as well as we know. The page of a hosted payment is opened
        long before; what was found at Nexi was not sent.
        """
        sent = None if self.kind == OperationKind.HOSTED else self.sent_at
        return sent or self.settled_at or self.created_at


_COLUMNS: Final = (
    "pk",
    "kind",
    "outcome",
    "result",
    "amount",
    "gateway_operation_id",
    "sent_at",
    "settled_at",
    "created_at",
    "actor_id",
    "order__order_id",
    "order__reference",
    "order__terminal",
    "order__channel",
    "order__method",
    "order__card_brand",
    "order__currency",
    "order__clerk_id",
)


def by_operation_ids(ids: Collection[str]) -> dict[str, list[LedgerRow]]:
    """Our rows with these ids of Nexi's, of any day."""
    found: dict[str, list[LedgerRow]] = {}
    if ids:
        for row in _rows(Operation.objects.filter(gateway_operation_id__in=ids)):
            found.setdefault(row.operation_id, []).append(row)
    return found


def without_id(order_ids: Collection[str]) -> list[LedgerRow]:
    """Rows of these orders that move money and whose id at Nexi we do not know."""
    rows = Operation.objects.filter(
        order__order_id__in=order_ids, gateway_operation_id="", kind__in=sorted(ROLES)
    )
    return _rows(rows) if order_ids else []


def orders(order_ids: Collection[str]) -> dict[str, PaymentOrder]:
    """Our orders among these."""
    rows = PaymentOrder.objects.filter(order_id__in=order_ids).only(
        *("order_id", "reference", "terminal", "channel"),
        *("method", "card_brand", "currency", "clerk_id"),
    )
    return {order.order_id: order for order in rows} if order_ids else {}


def of_day(
    day: ShopDay, *, of: Collection[str] = (), except_of: Collection[str] = ()
) -> Iterator[LedgerRow]:
    """What we did on the day, or may have done: executed, accepted or in doubt.

    ``of`` and ``except_of`` are names of terminals: only those, or all others.
    """
    rows = Operation.objects.filter(kind__in=sorted(ROLES))
    if of:
        rows = rows.filter(order__terminal__in=of)
    rows = rows.exclude(order__terminal__in=except_of)
    sent = Q(sent_at__gte=day.start, sent_at__lt=day.end)
    settled = rows.filter(
        # "time" by other columns: it is compared again below
        sent | Q(sent_at=None) | Q(kind=OperationKind.HOSTED),
        outcome=OperationOutcome.DONE,
    )
    # an open page is left out: nobody has paid there
    in_flight = rows.filter(settled_at=None, outcome__in=sorted(enums.RESERVING))
    in_flight = in_flight.exclude(kind=OperationKind.HOSTED)
    for row in chain(_settled_from(settled, day), _in_flight(in_flight)):
        if day.contains(row.time):
            yield row


def _settled_from(rows: QuerySet[Operation], day: ShopDay) -> Iterator[LedgerRow]:
    """In parts, by the index on ``settled_at``."""
    rows = rows.filter(settled_at__lt=day.end + _CONFIRMED_WITHIN)
    rows = rows.order_by("settled_at", "pk")
    moment, last = day.start - timedelta(minutes=1), 0
    while part := _rows(
        rows.filter(settled_at__gte=moment).filter(
            Q(settled_at__gt=moment) | Q(settled_at=moment, pk__gt=last)
        )[:_PART]
    ):
        yield from part
        moment, last = part[-1].settled_at or moment, part[-1].key


def _in_flight(rows: QuerySet[Operation]) -> Iterator[LedgerRow]:
    last = 0
    while part := _rows(rows.filter(pk__gt=last).order_by("pk")[:_PART]):
        yield from part
        last = part[-1].key


def _rows(rows: QuerySet[Operation]) -> list[LedgerRow]:
    return [LedgerRow(*values) for values in rows.values_list(*_COLUMNS)]


def usernames(keys: Collection[Any]) -> dict[Any, str]:
    users = get_user_model()._default_manager.filter(pk__in=keys)
    return {user.pk: user.get_username() for user in users}
