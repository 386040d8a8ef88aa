"""An order as it is before an inquiry is sent: what its reading starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils import timezone

from nexi_payments import conf, enums, payment_methods
from nexi_payments.enums import CaptureMode, Flow, OrderState
from nexi_payments.flows.inquiry.reading import (
    Dispute,
    InquiryTimes,
    OperationFacts,
    OrderFacts,
    Reading,
    read,
)
from nexi_payments.flows.ledger import facts, poll_schedule
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.communication import CallRecord
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.hosted_page import HostedPage


@dataclass(frozen=True)
class Snapshot:
    """``rows`` are the operations that move the order's money, oldest first."""

    version: int
    asked_at: datetime
    order: OrderFacts
    rows: tuple[Operation, ...]
    operations: tuple[OperationFacts, ...]
    #: how long a charge is looked for
    watch_for: timedelta
    #: "" for a card on our own page or at the desk
    method: str = ""
    triggers: int = 0
    #: the calls of the inquiry, for the log of the operations that it settles
    calls: tuple[CallRecord, ...] = ()

    @classmethod
    def take(cls, order: PaymentOrder) -> Snapshot:
        """Reloads ``order`` and reads its operations. Call it before Nexi is asked."""
        order.refresh_from_db()
        now = timezone.now()
        kinds = enums.CHARGING | enums.POST_CHARGE
        rows = tuple(order.operations.filter(kind__in=kinds).order_by("pk"))
        operations = tuple(facts.of_operation(row, now) for row in rows)
        return cls(
            order.version,
            now,
            _order_facts(order),
            rows,
            operations,
            poll_schedule.watch_for(order),
            order.method,
            order.triggers,
        )

    def read(self, response: OrderResult) -> Reading:
        """What ``response`` means for this order."""
        foreign = _foreign_ids(self, response)
        order = replace(self.order, foreign_ids=foreign)
        if order.page_open_until is not None:
            confirms = _confirms_later(self.method, response)
            order = replace(order, pending_is_charge=confirms)
        return read(order, self.operations, response, self.times())

    def times(self) -> InquiryTimes:
        settings = conf.current()
        return InquiryTimes(
            self.asked_at,
            lag=timedelta(seconds=settings.lag),
            settle_after=timedelta(seconds=settings.settle_after),
            watch_for=self.watch_for,
        )


def _order_facts(order: PaymentOrder) -> OrderFacts:
    dispute = None
    if order.disputed_since is not None:
        dispute = Dispute(
            order.disputed_total or 0, order.disputed_sum or 0, order.disputed_since
        )
    return OrderFacts(
        order_id=order.order_id,
        state=order.state,
        amount=order.amount,
        currency=order.currency,
        reason=order.reason,
        operation_id=order.gateway_operation_id,
        page_open_until=order.expires_at if order.is_hosted else None,
        is_back=order.is_hosted and _is_back(order),
        charge_sent=order.charging_since is not None,
        pending_is_charge=_pending_means_charge(order),
        was_pending=order.gateway_pending,
        shown_ids=frozenset(filter(None, order.shown_ids.split("\n"))),
        # staff decide a review, or it ends when no money is left
        blocked=order.state == OrderState.REVIEW,
        manual_capture=order.capture == CaptureMode.MANUAL,
        dispute=dispute,
    )


def _pending_means_charge(order: PaymentOrder) -> bool:
    """Whether PENDING is about the charge, not about 3-D Secure.

    Yes for orders of a single call. Yes in three steps once the charge was sent: the
    validation ended the operation's first PENDING. No in two steps: the operation is
    PENDING from the start, whether the charge arrived or not.
    """
    if order.channel in enums.SINGLE_CALL:
        return True
    return order.flow == Flow.THREE_STEPS and order.charging_since is not None


def _is_back(order: PaymentOrder) -> bool:
    page = HostedPage.objects.filter(order=order, back_at__isnull=False)
    return page.exists()


def _confirms_later(method: str, response: OrderResult) -> bool:
    """Whether PENDING is an answer of the method, which may take days. Elsewhere it
    only says that the shopper is still on the page.
    """
    listed = [one for one in response.operations if one.result == result_codes.PENDING]
    names = [one.brand for one in listed if one.brand] or [method]
    overrides = conf.current().method_overrides
    found = (payment_methods.find(name, overrides) for name in names)
    return any(one is None or one.confirms_within is not None for one in found)


def _foreign_ids(snapshot: Snapshot, response: OrderResult) -> frozenset[str]:
    """The listed ids that operations of other orders have."""
    own = {row.ledger_id for row in snapshot.rows}
    listed = {one.operation_id[:64] for one in response.operations} - own - {""}
    if not listed:
        return frozenset()
    rows = Operation.objects.filter(ledger_id__in=listed)
    return frozenset(str(one) for one in rows.values_list("ledger_id", flat=True))
