"""When a failed charge of a contract's period is retried."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import QuerySet

from nexi_payments import conf
from nexi_payments.enums import Channel, OperationKind, OrderState, Reason
from nexi_payments.flows.ledger import poll_schedule
from nexi_payments.gateway import result_codes
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.pan_scanner import contains_card_number

#: Delay after a charge that was not sent, or answered 429: no decline of the card.
_UNSENT_DELAY: Final = timedelta(hours=1)
#: Minutes until a contract is processed again after an exception; then every six hours.
_ERROR_PAUSES: Final = (1, 5, 15, 60)
_LONGEST_ERROR_PAUSE: Final = 360


def period_reference(contract: Contract) -> str:
    """The reference that all attempts of the current period share.

    The reference of the first payment and the period's number, or the contract's id
    where that would look like a card number.
    """
    reference = f"{contract.reference or contract.contract_id}/{contract.period}"
    if contains_card_number(reference):
        return f"{contract.contract_id}/{contract.period}"
    return reference


def is_period_reference(contract: Contract, reference: str) -> bool:
    """Whether a reference has the form of the contract's own recurring charges."""
    start, _, number = reference.rpartition("/")
    own = (contract.reference or contract.contract_id, contract.contract_id)
    return contract.amount is not None and number.isdecimal() and start in own


def period_attempts(contract: Contract) -> list[PaymentOrder]:
    """The attempts of the current period, oldest first."""
    rows = PaymentOrder.objects.filter(
        contract=contract,
        channel=Channel.MIT,
        reference=period_reference(contract),
    )
    return list(rows.order_by("pk"))


def current_attempt(contract: Contract) -> PaymentOrder | None:
    """The attempt that counts: the one that holds money, else the newest."""
    attempts = period_attempts(contract)
    return max(
        attempts,
        key=lambda one: (one.state not in (OrderState.FAILED, OrderState.INIT), one.pk),
        default=None,
    )


def is_before_resumption(contract: Contract, attempt: PaymentOrder) -> bool:
    """Whether an attempt is older than the last resumption: it does not count then."""
    resumed = contract.resumed_at
    return resumed is not None and attempt.created_at < resumed


def may_still_be_charged(attempt: PaymentOrder) -> bool:
    """Whether an unconfirmed attempt is still watched: until an inquiry was answered
    after the watch's end. The end alone is not enough.
    """
    return attempt.reason == Reason.UNCONFIRMED and attempt.next_poll_at is not None


def error_pause(count: int) -> timedelta:
    """How long a contract waits after ``count`` unexpected exceptions in a row."""
    known = count <= len(_ERROR_PAUSES)
    return timedelta(
        minutes=_ERROR_PAUSES[count - 1] if known else _LONGEST_ERROR_PAUSE
    )


def failing_contracts() -> QuerySet[Contract]:
    """Contracts whose runs end with an exception, longest first. They are repeated."""
    rows = Contract.objects.filter(
        failing_since__isnull=False, next_charge_at__isnull=False
    )
    return rows.order_by("failing_since")


def retry_delay(contract: Contract, order: PaymentOrder) -> timedelta | None:
    """The delay from a failed attempt to the next one; ``None``: no retry.

    A soft decline, or a rejection of our API key, is retried as often as
    ``CHARGE_RETRIES`` has delays. An unconfirmed charge is retried only after its watch
    has ended.
    """
    if order.reason in (Reason.EXPIRED, Reason.SUPERSEDED):
        return timedelta()  # created, and never sent
    if order.reason in (Reason.NOT_SENT, Reason.BUSY, Reason.CHECK_FAILED):
        return _UNSENT_DELAY
    if order.reason == Reason.UNCONFIRMED:
        end = poll_schedule.watch_end(order)
        return None if end is None else end - order.created_at
    if not _is_retryable(order):
        return None
    delays = conf.current().charge_retries
    failed = sum(
        (one.reason == Reason.DECLINED or _was_key_rejected(one))
        and not is_before_resumption(contract, one)
        for one in period_attempts(contract)
    )
    if not 0 < failed <= len(delays):
        return None
    return timedelta(seconds=delays[failed - 1])


def _is_retryable(order: PaymentOrder) -> bool:
    if order.reason == Reason.DECLINED:
        return result_codes.is_soft_decline(order.response_code)
    return _was_key_rejected(order)


def _was_key_rejected(order: PaymentOrder) -> bool:
    """Whether Nexi answered 401: that is about our API key, not about the card."""
    charge = order.operations.filter(kind=OperationKind.MIT, http_status=401)
    return order.reason == Reason.REJECTED and charge.exists()
