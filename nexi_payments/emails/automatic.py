"""Automatic emails (``MAILS``): which one, to whom, at most once.

An event is emailed at most once: the sender first claims ``emailed_at`` by
compare-and-swap, and a signal that is delivered again (``attempts``) sends no email. If
a process dies between claim and sending, the email is lost. That is better than two
receipts for one payment."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import Any, Final

from django.conf import settings as django_settings
from django.db.models import F
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from nexi_payments import conf, shop_time
from nexi_payments.emails import receipts, sending
from nexi_payments.enums import (
    Channel,
    ContractKind,
    ContractState,
    EventKind,
    OrderState,
    Reason,
)
from nexi_payments.models import Contract, Event, PaymentOrder

log = logging.getLogger("nexi_payments.emails.automatic")

RECEIPT: Final = "receipt"
CHARGE_FAILED: Final = "charge_failed"
CARD_EXPIRES: Final = "card_expires"
#: Reasons without a charge that concern the card or the contract.
_CARD_DECLINED_REASONS: Final = (
    Reason.DECLINED,
    Reason.NOT_AUTHENTICATED,
    Reason.REJECTED,
)
#: Time between the notice and the last day of the card.
_NOTICE_PERIOD: Final = timedelta(days=30)


def notify(event: Event, order: PaymentOrder) -> bool:
    """Email the customer about ``event``, if ``MAILS`` lists the email.

    True if the mail server accepted it. Idempotent: at most one email an event.
    """
    template = _template_for(event, order)
    recipient = _recipient(order)
    if not (template and recipient) or event.attempts:
        return False
    if template not in conf.current().mails:
        return False
    unclaimed = Event.objects.filter(pk=event.pk, emailed_at=None)
    if not unclaimed.update(emailed_at=timezone.now()):
        return False
    send = receipts.send if template == RECEIPT else _charge_failed
    return send(order, recipient, _language(order))


def _charge_failed(order: PaymentOrder, recipient: str, language: str) -> bool:
    return sending.send(order, CHARGE_FAILED, recipient, language)


def _template_for(event: Event, order: PaymentOrder) -> str:
    """The email for an event, or "".

    One receipt an order: at authorization, or else at payment. A failed recurring
    charge is emailed once retries have ended (the contract is suspended). Charges that
    were not sent or never confirmed are not: they do not concern the card."""
    if event.kind == OrderState.AUTHORIZED and event.from_state != OrderState.PAID:
        return RECEIPT
    if event.kind == OrderState.PAID and event.from_state != OrderState.AUTHORIZED:
        return RECEIPT
    if order.state != OrderState.FAILED or order.reason not in _CARD_DECLINED_REASONS:
        return ""
    contract = order.contract if order.channel == Channel.MIT else None
    if contract is None:
        return ""
    unscheduled = (
        event.kind == OrderState.FAILED and contract.kind == ContractKind.UNSCHEDULED
    )
    return (
        CHARGE_FAILED
        if unscheduled or event.kind == EventKind.CONTRACT_SUSPENDED
        else ""
    )


def _recipient(order: PaymentOrder) -> str:
    if order.customer_email:
        return order.customer_email
    return "" if order.contract is None else _owner_email(order.contract)


def _owner_email(contract: Contract) -> str:
    """Email address of the account, or of the newest payment with one."""
    try:
        if contract.user is not None and (email := getattr(contract.user, "email", "")):
            return str(email)
    except Exception as error:  # a property of the host's user model
        log.error("the email address of a user: %s", type(error).__name__)
    payments = contract.payments.exclude(customer_email="").order_by("-pk")
    return payments.values_list("customer_email", flat=True).first() or ""


def _language(about: PaymentOrder | Contract) -> str:
    """The language by ``MAIL_LANGUAGE``.

    Without it: the shopper's language for payments in the shop, else the site's.
    """
    if rule := conf.current().mail_language:
        try:
            return str(import_string(rule)(about))
        except Exception as error:  # a broken rule must not cost the email
            log.error("MAIL_LANGUAGE raised %s", type(error).__name__)
    if isinstance(about, PaymentOrder) and about.channel == Channel.SHOP:
        return translation.get_language() or django_settings.LANGUAGE_CODE
    return str(django_settings.LANGUAGE_CODE)


# -- saved cards that expire -----------------------------------------------------------


def send_expiry_notices(today: date | None = None) -> int:
    """Email owners of saved cards that expire within ``_NOTICE_PERIOD``, once a card.

    Returns the number of emails sent; 0 without ``card_expires`` in ``MAILS``.
    """
    if CARD_EXPIRES not in conf.current().mails:
        return 0
    today = today or shop_time.today()
    sent = 0
    for contract in _expiring_contracts(today):
        unclaimed = Contract.objects.filter(
            pk=contract.pk, card_expiry=contract.card_expiry
        ).exclude(warned_expiry=F("card_expiry"))
        recipient = _owner_email(contract)
        if not recipient or not unclaimed.update(warned_expiry=F("card_expiry")):
            continue
        sent += _send_expiry_notice(contract, recipient)
    return sent


def _send_expiry_notice(contract: Contract, recipient: str) -> bool:
    try:
        return sending.send_card_expiry_notice(
            recipient,
            _language(contract),
            brand=contract.card_brand,
            last4=contract.card_last4,
            expiry=contract.card_expiry,
        )
    except (
        Exception
    ) as error:  # a backend of the host may raise anything; go on with the others
        log.error(
            "email for card ••••%s: %s", contract.card_last4, type(error).__name__
        )
        return False


def _expiring_contracts(today: date) -> list[Contract]:
    months = {f"{day:%m%y}": day for day in (today, today + _NOTICE_PERIOD)}
    ending = [
        name
        for name, day in months.items()
        if _last_day_of_month(day) - today <= _NOTICE_PERIOD
    ]
    rows: Any = Contract.objects.filter(
        state__in=(ContractState.ACTIVE, ContractState.SUSPENDED),
        card_expiry__in=ending,
    ).exclude(warned_expiry=F("card_expiry"))
    found = rows.select_related("user").order_by("pk")
    # a plan that ends before the card expires needs no new card
    return [
        one
        for one in found
        if one.until is None or one.until > _last_day_of_month(months[one.card_expiry])
    ]


def _last_day_of_month(day: date) -> date:
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return following - timedelta(days=1)
