"""Settles captures, voids, refunds and cancels on a status inquiry's result.

Nexi's response to one of them is only "accepted". An inquiry finds it in the order's
list of operations by its id or, while we have none, by kind and amount. If it is not
listed, it is sent again with the same key and body, which Nexi executes once. After
enough time and answered inquiries without a trace it is given up. What was made at Nexi
is adopted (``adoption``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf, enums
from nexi_payments.enums import DiscrepancyKind, OperationKind, OperationOutcome
from nexi_payments.exceptions import GatewayError, Rejected
from nexi_payments.flows.inquiry import adoption, matching
from nexi_payments.flows.ledger import (
    discrepancies,
    operations,
    outcomes,
    poll_schedule,
    terminal_outages,
)
from nexi_payments.flows.ledger.totals import captures_total, update_totals
from nexi_payments.flows.ledger.totals import settle_operation as settle
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.gateway.responses import OperationResult, OrderResult
from nexi_payments.models import Operation, PaymentOrder, db_transactions

#: How often a request with the same key is sent, the first send included.
_MAX_SENDS: Final = 4
#: Nexi does not publish how long it remembers a key. Later we only inquire.
_KEY_LIFETIME: Final = timedelta(hours=12)


def settle_post_charge(
    order: PaymentOrder, response: OrderResult, client: Client, deadline: Deadline
) -> None:
    """Settles, resends, gives up or adopts what follows the charge, by ``response``."""
    listed = matching.post_charge_operations(order, response)
    # rows with an id first: the rest may then match a row whose id is unknown
    counting = Q(outcome__in=enums.RESERVING | {OperationOutcome.DONE})
    rows = sorted(
        # a negative or unsent one matches an entry by its id only
        order.operations.filter(
            counting | ~Q(gateway_operation_id=""), kind__in=enums.POST_CHARGE
        ).exclude(adoption.KNOWN_FROM_TOTAL),
        key=lambda row: (not row.gateway_operation_id, row.pk),
    )
    named = [row for row in rows if row.gateway_operation_id]
    nameless = rows[len(named) :]
    for row in named:
        entry = listed.match(row)
        if row.outcome in enums.RESERVING:
            if entry is not None:
                _settle(order, row, entry)
            else:
                _inquire_by_id(order, row, client, deadline)
    listed.discard(adoption.adopt_captures_in_total(order, listed.unmatched))
    for row in nameless:
        entry = listed.match(row)
        if row.outcome in enums.RESERVING:
            if entry is not None:
                _settle_matched(order, row, entry, response)
            elif _has_ended(row) and not listed.may_hide(row):
                _settle_unlisted(order, row, client, deadline)
    unidentified_kinds = {
        row.kind
        for row in rows
        if row.outcome in enums.RESERVING and not row.gateway_operation_id
    }
    for one in listed.unmatched:
        if not matching.may_be_ours(one, unidentified_kinds):
            adoption.adopt(order, one)


def _settle_matched(
    order: PaymentOrder, row: Operation, entry: OperationResult, response: OrderResult
) -> None:
    """Settles a row that matches by kind and amount alone.

    A capture only if Nexi's total has room for it beside the amount that it showed
    before.
    """
    if row.kind == OperationKind.CAPTURE and response.captured is not None:
        room = response.captured - captures_total(order)
        if adoption.amount_from_total(order) and (row.amount or 0) > room:
            theirs = f"{entry.type} {entry.amount} {entry.operation_id}"
            discrepancies.record(
                order,
                DiscrepancyKind.MADE_AT_NEXI,
                f"a total of {response.captured}",
                theirs,
            )
            return
    _settle(order, row, entry)


def _settle(order: PaymentOrder, row: Operation, entry: OperationResult) -> None:
    columns = {
        "gateway_operation_id": (entry.operation_id or row.gateway_operation_id)[:64],
        "result": entry.result,
        **outcomes.issuer_references(entry),
    }
    if _is_id_used(row, columns["gateway_operation_id"]):
        theirs = f"{entry.type} {entry.operation_id}"
        discrepancies.record(
            order, DiscrepancyKind.SAME_ID, f"{row.kind} {row.amount}", theirs
        )
    elif entry.amount not in (None, row.amount):
        theirs = f"{entry.type} {entry.amount} {entry.operation_id}"
        discrepancies.record(
            order, DiscrepancyKind.MISMATCH, f"{row.kind} {row.amount}", theirs
        )
    elif entry.result in result_codes.COMPLETED:
        _settle_and_total(order, row, OperationOutcome.DONE, **columns)
    elif entry.result in result_codes.UNSUCCESSFUL:
        _settle_and_total(order, row, OperationOutcome.DECLINED, **columns)
    elif entry.result in result_codes.IN_PROGRESS:
        if row.outcome != OperationOutcome.ACCEPTED or row.result != entry.result:
            _settle_and_total(order, row, OperationOutcome.ACCEPTED, **columns)
    else:
        discrepancies.record(
            order, DiscrepancyKind.UNKNOWN_RESULT, row.kind, entry.result
        )


def _is_id_used(row: Operation, operation_id: str) -> bool:
    """Whether another row has this id at Nexi: an earlier one of any order, or an
    adopted one. One operation at Nexi cannot be two of ours.
    """
    other = Q(pk__lt=row.pk) | Q(pk__gt=row.pk, correlation_id="")
    rows = Operation.objects.filter(other, gateway_operation_id=operation_id)
    return bool(operation_id) and rows.exists()


@db_transactions.retried()
def _settle_and_total(
    order: PaymentOrder, row: Operation, outcome: str, **facts: str
) -> None:
    if settle(row, outcome, **facts):
        update_totals(order, row)


def _inquire_by_id(
    order: PaymentOrder, row: Operation, client: Client, deadline: Deadline
) -> None:
    """Inquires an accepted operation by its id: it is not in the order's list."""
    try:
        entry = client.operation(row.gateway_operation_id, conf.call_context(deadline))
    except GatewayError:
        return  # not visible yet
    if entry.type in {
        "",
        *matching.GATEWAY_TYPES[row.kind],
    } and not matching.record_if_foreign(order, entry):
        _settle(order, row, entry)


def _has_ended(row: Operation) -> bool:
    """Whether no request is under way that would still settle this operation."""
    age = timezone.now() - row.created_at
    in_flight = age < timedelta(seconds=conf.current().claim_timeout)
    return not (row.outcome == OperationOutcome.OPEN and in_flight)


def _settle_unlisted(
    order: PaymentOrder, row: Operation, client: Client, deadline: Deadline
) -> None:
    """Rejects, resends or gives up an operation that is not in Nexi's list."""
    now = timezone.now()
    if row.outcome == OperationOutcome.ACCEPTED:
        return  # Nexi has accepted it and will list it
    if outcomes.was_rejected(row) and row.send_count == 1:
        # the only send was rejected; a rejected resend proves nothing about the first
        _settle_and_total(order, row, OperationOutcome.REJECTED)
    elif (
        row.kind in enums.IDEMPOTENT
        and row.send_count < _MAX_SENDS
        and now < row.created_at + _KEY_LIFETIME
    ):
        _resend(order, row, client, deadline)
    elif _may_give_up(order, row, now):
        _settle_and_total(order, row, OperationOutcome.DECLINED, error="unconfirmed")


def _may_give_up(order: PaymentOrder, row: Operation, now: datetime) -> bool:
    wait = timedelta(seconds=2 * conf.current().settle_after)
    return now >= row.created_at + wait and (
        order.answered_polls >= poll_schedule.ENOUGH_ANSWERED_POLLS
    )


def _resend(
    order: PaymentOrder, row: Operation, client: Client, deadline: Deadline
) -> None:
    """Sends again with the same key and body: Nexi executes it once."""
    if not operations.claim_resend(row):
        return  # settled or resent by another process
    try:
        new_id = send(order, row, client, deadline)
    except GatewayError as error:
        terminal_outages.log_failure(order, error, client, deadline)
        if isinstance(error, Rejected) and error.status not in (401, 403, 429):
            # the next inquiry decides: executed before, or never
            update = outcomes.of_post_charge_error(error)
            Operation.objects.filter(pk=row.pk, outcome__in=enums.UNSETTLED).update(
                outcome=OperationOutcome.IN_DOUBT, **update.operation
            )
        return
    _settle_and_total(
        order,
        row,
        OperationOutcome.ACCEPTED,
        **outcomes.of_acceptance(new_id).operation,
    )


def send(
    order: PaymentOrder, row: Operation, client: Client, deadline: Deadline
) -> str:
    """Sends ``row``'s request, built from the database alone. Returns Nexi's id of it.

    Raises ``GatewayError``.
    """
    part = OperationAmount(row.amount or 0, order.currency, row.idempotency_key)
    trace = conf.call_context(deadline, row.correlation_id)
    if row.kind == OperationKind.CANCEL:
        return client.cancel(row.target_operation_id, row.idempotency_key, trace)
    if row.kind == OperationKind.CAPTURE:
        return client.capture(row.target_operation_id, part, trace)
    return client.refund(row.target_operation_id, part, trace)
