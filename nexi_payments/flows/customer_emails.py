"""Emails that staff send: the receipt, and the secure link of a phone order."""

from __future__ import annotations

from urllib.parse import urlsplit

from nexi_payments.emails import receipts, sending
from nexi_payments.enums import EventKind
from nexi_payments.flows.ledger import transitions
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.models import PaymentOrder, db_transactions


def send_receipt(
    order: PaymentOrder, recipient: str, language: str, *, actor: Actor
) -> bool:
    """Emails the receipt, and writes that to the order's history.

    False, and nothing written, when the mail server did not accept it.
    """
    sent = receipts.send(order, recipient, language)
    return sent and _write_event(order, EventKind.RECEIPT_EMAILED, recipient, actor)


def send_payment_link(
    order: PaymentOrder, recipient: str, language: str, link: str, *, actor: Actor
) -> bool:
    """Emails the URL ``link``, where the customer pays. As ``send_receipt``."""
    address = urlsplit(link)
    site = f"{address.scheme}://{address.netloc}/"
    sent = sending.send(
        order, "payment_link", recipient, language, link=link, site=site
    )
    return sent and _write_event(order, EventKind.LINK_EMAILED, recipient, actor)


@db_transactions.retried(durable=False)
def _write_event(order: PaymentOrder, kind: str, recipient: str, actor: Actor) -> bool:
    transitions.write_event(
        order, kind, source=order.state, actor=actor, note=recipient
    )
    return True
