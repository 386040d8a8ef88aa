"""What a reading starts from: plain values of an order and its operations.

Amounts are in minor units. Times are aware.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nexi_payments import conf, enums
from nexi_payments.enums import OperationOutcome
from nexi_payments.exceptions import Rejected
from nexi_payments.gateway import result_codes
from nexi_payments.models import Operation


@dataclass(frozen=True)
class OperationFacts:
    """One operation of ours. ``key`` is its primary key."""

    key: int
    kind: str
    outcome: str
    amount: int | None = None
    #: Nexi's id; "" while we do not know it
    operation_id: str = ""
    #: the id is from the response to the request, not from a match by amount
    id_is_answered: bool = False
    #: Nexi's id of the operation that this one changes
    target_id: str = ""
    #: the key of the capture or refund that this one refunds or cancels
    parent: int | None = None
    #: Nexi's result word, as stored
    result: str = ""
    send_count: int = 1
    #: the response to the last send was a complete 4xx; ``busy``: it was 429
    rejected: bool = False
    busy: bool = False
    #: when the last send ended; ``None`` while it may still be under way
    send_ended_at: datetime | None = None
    #: consecutive good inquiries that speak against ``outcome``, and the last of them
    misses: int = 0
    missed_at: datetime | None = None
    #: found at Nexi: there is no send of ours
    adopted: bool = False
    #: known from Nexi's total alone
    by_totals: bool = False
    #: when the row was written
    created_at: datetime | None = None

    @property
    def in_flight(self) -> bool:
        return self.outcome in enums.RESERVING

    @property
    def done(self) -> bool:
        return self.outcome == OperationOutcome.DONE

    @property
    def is_watched(self) -> bool:
        """Given up or rejected without a final word of Nexi: it may be done late."""
        given_up = self.outcome in enums.NEGATIVE_OUTCOMES and not self.adopted
        return given_up and self.result not in result_codes.UNSUCCESSFUL


@dataclass(frozen=True)
class Dispute:
    """Nexi's total, the sum of ours that it differs from, and since when."""

    total: int
    ours: int
    since: datetime

    @property
    def difference(self) -> int:
        return self.total - self.ours


@dataclass(frozen=True)
class OrderFacts:
    """One order, as it was before the inquiry was sent."""

    order_id: str
    state: str
    amount: int
    currency: str
    #: why it failed or is under review
    reason: str = ""
    #: Nexi's id of the charge; "" while we do not know it
    operation_id: str = ""
    #: on Nexi's hosted page: until when the attempt counts as open
    page_open_until: datetime | None = None
    #: the shopper came back from the hosted page
    is_back: bool = False
    #: a charge was sent, or may have been
    charge_sent: bool = False
    #: PENDING is about the charge, not about 3-D Secure
    pending_is_charge: bool = False
    #: Nexi said PENDING about the charge: no inquiry proves that it is absent
    was_pending: bool = False
    #: ids that earlier responses of Nexi have shown
    shown_ids: frozenset[str] = field(default_factory=frozenset)
    #: an unresolved discrepancy needs a person
    blocked: bool = False
    #: the shop captures, later
    manual_capture: bool = False
    #: ids in Nexi's list that operations of other orders have
    foreign_ids: frozenset[str] = field(default_factory=frozenset)
    #: the latest disagreement of Nexi's total with our sums
    dispute: Dispute | None = None


@dataclass(frozen=True)
class InquiryTimes:
    """When the inquiry was sent, and the waits of docs/states.md."""

    asked_at: datetime
    #: how long Nexi's lists may lag behind
    lag: timedelta
    settle_after: timedelta
    watch_for: timedelta


def of_operation(row: Operation, now: datetime) -> OperationFacts:
    """Reads a row. A send without an end is over when its process must have died."""
    ended = row.send_ended_at
    if ended is None and row.sent_at is not None:
        over = row.sent_at + timedelta(seconds=conf.current().takeover_after)
        ended = over if over <= now else None
    return OperationFacts(
        key=row.pk,
        kind=row.kind,
        outcome=row.outcome,
        amount=row.amount,
        operation_id=row.gateway_operation_id,
        id_is_answered=row.http_status == 200,
        target_id=row.target_operation_id,
        parent=row.capture_id,
        result=row.result,
        send_count=row.send_count,
        rejected=row.error.startswith(Rejected.__name__),
        busy=row.http_status == 429,
        send_ended_at=ended,
        misses=row.misses,
        missed_at=row.missed_at,
        adopted=row.is_adopted,
        by_totals=row.by_totals,
        created_at=row.created_at,
    )
