"""The shop's word before a charge: the setting ``BEFORE_CHARGE``."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.module_loading import import_string

from nexi_payments import conf
from nexi_payments.enums import Reason
from nexi_payments.models import PaymentOrder, db_transactions

log = logging.getLogger("nexi_payments.hooks")


@dataclass(frozen=True)
class Veto:
    """Why an order is not charged; ``sentence`` is the shop's, "" without one."""

    reason: str
    sentence: str = ""


def ask(order: PaymentOrder) -> Veto | None:
    """Asks the shop whether ``order`` may be charged now; ``None`` is yes.

    The function gets a row of its own, read now: what it changes there is lost. It
    never gets a card. ``None`` and ``True`` charge; a sentence and ``False`` do not. An
    exception or another value is logged at ERROR, and the order is not charged either.
    Raises ``RuntimeError`` inside a transaction: nothing may be locked meanwhile.
    """
    path = conf.current().before_charge
    if not path:
        return None
    db_transactions.require_no_transaction()
    try:
        answer = import_string(path)(PaymentOrder.objects.get(pk=order.pk))
        if answer is None or answer is True:
            return None
        if answer is False:
            return Veto(Reason.VETOED)
        if isinstance(answer, str | Promise) and (sentence := str(answer).strip()):
            return Veto(Reason.VETOED, sentence)
        log.error(
            "BEFORE_CHARGE returned a %s for order %s: not charged",
            type(answer).__name__,
            order.order_id,
        )
    except Exception:
        log.exception("BEFORE_CHARGE failed: order %s is not charged", order.order_id)
    return Veto(Reason.CHECK_FAILED)
