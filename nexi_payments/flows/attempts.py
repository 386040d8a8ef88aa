"""The attempts at one period of a contract, and when the next may be made."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from nexi_payments import conf, states
from nexi_payments.flows import schedule
from nexi_payments.gateway import codes
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.states import Reason

#: After what never left this machine, or was sent back as busy: no refusal of the card.
_NOT_THE_CARD: Final = timedelta(hours=1)


def reference_of(contract: Contract) -> str:
    """The reference of a period: every attempt at it has the same."""
    return f"{contract.contract_id}/{contract.period}"


def attempts_of(contract: Contract) -> list[PaymentOrder]:
    """Oldest first."""
    rows = PaymentOrder.objects.filter(
        contract=contract,
        channel=states.CHANNEL_MIT,
        reference=reference_of(contract),
    )
    return list(rows.order_by("pk"))


def newest(contract: Contract) -> PaymentOrder | None:
    """The attempt that counts: the one that holds money, else the last."""
    made = attempts_of(contract)
    return max(
        made,
        key=lambda one: (one.state not in (states.FAILED, states.INIT), one.pk),
        default=None,
    )


def is_from_before(contract: Contract, attempt: PaymentOrder) -> bool:
    """Made before a person took the contract off hold: it does not count any more."""
    resumed = contract.resumed_at
    return resumed is not None and attempt.created_at < resumed


def may_turn_up(attempt: PaymentOrder) -> bool:
    """Nobody confirmed it, and it is still watched: until Nexi was asked, with success,
    after the end of the watch. That the time is over is not enough."""
    return attempt.reason == Reason.UNCONFIRMED and attempt.due_at is not None


def pause_after(contract: Contract, order: PaymentOrder) -> timedelta | None:
    """How long after an attempt that has failed the next may be made; ``None``: never.

    A decline by the codes that allow it, or a refusal of our own key, as often as there
    are pauses in ``CHARGE_RETRIES``. What nobody confirmed is not tried again before it
    could not turn up any more.
    """
    if order.reason in (Reason.EXPIRED, Reason.SUPERSEDED):
        return timedelta()  # begun, and never sent
    if order.reason in (Reason.UNSENT, Reason.BUSY):
        return _NOT_THE_CARD
    if order.reason == Reason.UNCONFIRMED:
        end = schedule.watch_end(order)
        return None if end is None else end - order.created_at
    if not _may_be_mended(order):
        return None
    pauses = conf.current().charge_retries
    refused = sum(
        (one.reason == Reason.DECLINED or _was_our_key(one))
        and not is_from_before(contract, one)
        for one in attempts_of(contract)
    )
    if not 0 < refused <= len(pauses):
        return None
    return timedelta(seconds=pauses[refused - 1])


def _may_be_mended(order: PaymentOrder) -> bool:
    if order.reason == Reason.DECLINED:
        return codes.may_be_charged_later(order.response_code)
    return _was_our_key(order)


def _was_our_key(order: PaymentOrder) -> bool:
    """A 401 says nothing about the card: its owner is not to blame for our key."""
    charge = order.operations.filter(kind=states.MIT, http_status=401)
    return order.reason == Reason.REFUSED and charge.exists()
