"""Which mail goes out by itself (``MAILS``), to whom, and why never twice.

An event is mailed about at most once: whoever sends takes ``mailed_at`` by
compare-and-swap first, and a signal that is delivered again (``attempts``) mails
nothing. A process that dies between taking and sending has lost the mail: better than
two receipts for one payment.
"""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import Any, Final

from django.conf import settings as django_settings
from django.db.models import F
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from nexi_payments import conf, mails, states
from nexi_payments.models import Contract, Event, PaymentOrder
from nexi_payments.states import Reason

log = logging.getLogger("nexi_payments.mails")

RECEIPT: Final = "receipt"
CHARGE_FAILED: Final = "charge_failed"
CARD_EXPIRES: Final = "card_expires"
#: Nothing was charged, and it is the card or the contract that was refused.
_REFUSED: Final = (Reason.DECLINED, Reason.NOT_AUTHENTICATED, Reason.REFUSED)
#: How long before a card's last day its owner is told.
_AHEAD: Final = timedelta(days=30)


def tell(event: Event, order: PaymentOrder) -> bool:
    """Mails the customer about ``event`` if the shop wants that. True = on its way."""
    template = _template(event, order)
    recipient = _recipient(order)
    if not (template and recipient) or event.attempts:
        return False
    if template not in conf.current().mails:
        return False
    free = Event.objects.filter(pk=event.pk, mailed_at=None)
    if not free.update(mailed_at=timezone.now()):
        return False
    return mails.send(order, template, recipient, _language(order))


def _template(event: Event, order: PaymentOrder) -> str:
    """One receipt an order: when the amount is reserved, or else booked. A failed
    charge of a plan is told when no more is tried (the card is put on hold); one that
    never left, or that nobody confirmed, is the shop's affair and not the card's."""
    if event.kind == states.AUTHORIZED and event.from_state != states.PAID:
        return RECEIPT
    if event.kind == states.PAID and event.from_state != states.AUTHORIZED:
        return RECEIPT
    if order.state != states.FAILED or order.reason not in _REFUSED:
        return ""
    contract = order.contract if order.channel == states.CHANNEL_MIT else None
    if contract is None:
        return ""
    asked_for = event.kind == states.FAILED and contract.kind == states.UNSCHEDULED
    return CHARGE_FAILED if asked_for or event.kind == "contract_hold" else ""


def _recipient(order: PaymentOrder) -> str:
    if order.customer_email:
        return order.customer_email
    return "" if order.contract is None else _owner(order.contract)


def _owner(contract: Contract) -> str:
    """The address of the account, or the one given with the newest payment."""
    if contract.user is not None and (email := getattr(contract.user, "email", "")):
        return str(email)
    given = contract.payments.exclude(customer_email="").order_by("-pk")
    return given.values_list("customer_email", flat=True).first() or ""


def _language(about: PaymentOrder | Contract) -> str:
    """``MAIL_LANGUAGE`` decides. Without it: the shopper's own while he is here, the
    site's when a clerk or a worker is."""
    if rule := conf.current().mail_language:
        try:
            return str(import_string(rule)(about))
        except Exception as error:  # a rule that fails costs no mail
            log.error("MAIL_LANGUAGE raised %s", type(error).__name__)
    if isinstance(about, PaymentOrder) and about.channel == states.CHANNEL_SHOP:
        return translation.get_language() or django_settings.LANGUAGE_CODE
    return str(django_settings.LANGUAGE_CODE)


# -- cards on file that expire ---------------------------------------------------------


def warn_of_expiry(today: date | None = None) -> int:
    """Mails owners whose card on file is good for ``_AHEAD`` at most, each card once.
    Returns how many mails went out; 0 without ``card_expires`` in ``MAILS``."""
    if CARD_EXPIRES not in conf.current().mails:
        return 0
    today = today or timezone.localdate()
    sent = 0
    for contract in _expiring(today):
        free = Contract.objects.filter(
            pk=contract.pk, card_expiry=contract.card_expiry
        ).exclude(warned_expiry=F("card_expiry"))
        recipient = _owner(contract)
        if not recipient or not free.update(warned_expiry=F("card_expiry")):
            continue
        sent += _warn(contract, recipient)
    return sent


def _warn(contract: Contract, recipient: str) -> bool:
    try:
        return mails.card_expires(
            recipient,
            _language(contract),
            brand=contract.card_brand,
            last4=contract.card_last4,
            expiry=contract.card_expiry,
        )
    except (
        Exception
    ) as error:  # a backend of the host's: the others are told all the same
        log.error("mail for card ••••%s: %s", contract.card_last4, type(error).__name__)
        return False


def _expiring(today: date) -> list[Contract]:
    months = {f"{day:%m%y}": day for day in (today, today + _AHEAD)}
    ending = [name for name, day in months.items() if _last_day(day) - today <= _AHEAD]
    rows: Any = Contract.objects.filter(
        state__in=(states.ACTIVE, states.ON_HOLD), card_expiry__in=ending
    ).exclude(warned_expiry=F("card_expiry"))
    found = rows.select_related("user").order_by("pk")
    # a plan that is over before the card needs no other card
    return [
        one
        for one in found
        if one.until is None or one.until > _last_day(months[one.card_expiry])
    ]


def _last_day(day: date) -> date:
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return following - timedelta(days=1)
