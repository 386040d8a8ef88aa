"""Attempts at one purchase: inserts them, finds the live one, puts one in the place
of another. Database work only, which may join the shop's own transaction.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError
from django.utils import timezone

from nexi_payments import conf, sealed_cards
from nexi_payments.enums import Channel, OrderState
from nexi_payments.exceptions import OrderNotPayable, ReferenceInUse
from nexi_payments.flows.ledger import transitions
from nexi_payments.flows.orders import (
    contract_terms,
    customer_data,
    order_ids,
    purchase,
)
from nexi_payments.models import Contract, PaymentOrder, db_transactions, raw_sql


def insert_or_join(
    order: PaymentOrder, expires_at: datetime
) -> tuple[PaymentOrder, bool]:
    """Inserts the order, or finds the live order of the same purchase.

    Returns it, and whether it was inserted. Raises ``ReferenceInUse``; see
    ``create_order``.
    """
    for _ in range(3):  # the live order may end between our insert and our SELECT
        if insert(order, expires_at):
            return order, True
        live = purchase.live_attempt(order) or find_by_nonce(order)
        if live is None:
            continue
        if same_purchase(live, order):
            return live, False
        if _insert_in_place_of(live, order, expires_at):
            return order, True
    raise ReferenceInUse(_reference_holder(order))


def find_by_nonce(order: PaymentOrder) -> PaymentOrder | None:
    """The order that the same nonce created before, in any state, or ``None``."""
    if not order.request_nonce:
        return None
    return PaymentOrder.objects.filter(request_nonce=order.request_nonce).first()


def _reference_holder(order: PaymentOrder) -> PaymentOrder:
    """The order that holds the reference.

    Raises ``DoesNotExist`` when the insert failed for another reason, which waiting
    does not solve.
    """
    return PaymentOrder.objects.get(live_reference=order.live_key)


def same_purchase(one: PaymentOrder, other: PaymentOrder) -> bool:
    """Whether amount, currency, terminal and contract terms of two orders are equal."""
    names = ("amount", "currency")
    same = all(getattr(one, name) == getattr(other, name) for name in names)
    same = same and shop_terminal(one) == shop_terminal(other)
    return same and contract_terms.have_same_terms(one, other)


def shop_terminal(order: PaymentOrder) -> str:
    """The name of the terminal that the shop chose. The hosted page may use the key of
    another one.
    """
    return order.hosted_page.shop_terminal if order.is_hosted else order.terminal


def insert(order: PaymentOrder, expires_at: datetime) -> bool:
    """Assigns ids and inserts. False when another live order holds the reference.

    Uses a savepoint inside a transaction of the shop, so that it stays usable.
    """
    order.public_id = new_public_id()
    order.order_id = _new_order_id(order)
    order.live_reference = order.live_key
    order.created_at = timezone.now()
    order.expires_at = order.next_poll_at = expires_at
    contract = contract_terms.assign_id(order)
    try:
        _save(order, contract)
    except IntegrityError:
        return False
    return True


def _new_order_id(order: PaymentOrder) -> str:
    """A random id; that of a contract's charge is derived (``order_ids``)."""
    if order.channel != Channel.MIT or order.contract is None:
        return order_ids.random_id()
    contract_id, reference = order.contract.contract_id, order.reference or ""
    rows = PaymentOrder.objects.filter(channel=Channel.MIT, reference=reference)
    taken = set(rows.values_list("order_id", flat=True))
    attempts = (
        order_ids.of_contract_charge(contract_id, reference, number)
        for number in itertools.count()
    )
    return next(one for one in attempts if one not in taken)


@db_transactions.retried(durable=False)
def _save(order: PaymentOrder, contract: Contract | None) -> None:
    if contract is not None:
        contract.save(force_insert=True)
        order.contract = contract
    raw_sql.insert(order)
    customer_data.save_customer_info(order)


def new_public_id() -> str:
    """128 random bits for the URLs of the payment's pages."""
    return secrets.token_hex(16)


@db_transactions.retried(durable=False)
def supersede(
    order: PaymentOrder,
    replace: Callable[[], PaymentOrder],
    *,
    even_if_pending: bool = False,
) -> bool:
    """Fails an attempt whose card was not used yet, and shreds its sealed card.

    In the same commit, ``replace`` returns the attempt that takes its place. False when
    it is too late, or when Nexi is still confirming a payment on the attempt's page;
    ``even_if_pending`` if another attempt has the money already.
    """
    ended = transitions.supersede(order, replace, even_if_pending=even_if_pending)
    if ended:
        sealed_cards.shred(order)
    return ended


def _insert_in_place_of(
    live: PaymentOrder, order: PaymentOrder, expires_at: datetime
) -> bool:
    """Supersedes ``live`` and inserts ``order``, in one commit.

    False when neither was done, because another attempt was faster. Raises
    ``ReferenceInUse`` when the card of ``live`` was used.
    """

    def replace() -> PaymentOrder:
        if not insert(order, expires_at):
            raise _ReferenceTaken
        return order

    try:
        if supersede(live, replace):
            return True
    except _ReferenceTaken:
        return False
    raise ReferenceInUse(PaymentOrder.objects.get(pk=live.pk))


class _ReferenceTaken(Exception):
    """Rolls back: another attempt took the reference."""


def create_attempt(
    order: PaymentOrder, *, supersedes: bool = True
) -> tuple[PaymentOrder, bool]:
    """Creates a new attempt for a card posted to a failed or abandoned order.

    Same purchase, new ids. If a third order holds the reference, it is returned when no
    card was posted to it and superseded when it is at the issuer. If it is being paid,
    or without ``supersedes``, ``ReferenceInUse`` is raised. Raises ``OrderNotPayable``
    when the shop has cancelled ``order``. Also returns whether the attempt was created
    now.
    """
    attempt = PaymentOrder(
        retry_of=order.retry_of or order,
        contract=contract_terms.copy_terms(order),
        **{name: getattr(order, name) for name in _COPIED_FIELDS},
        **_terminal_columns(order),
    )
    open_ = (OrderState.AWAITING_3DS, OrderState.AWAITING_HOSTED_PAGE)
    live = order if order.state in open_ else None
    for _ in range(3):
        if _insert_attempt(attempt, order, live):
            return attempt, True
        live = purchase.live_attempt(attempt)
        if live is None:
            continue
        if live.state == OrderState.INIT and same_purchase(live, order):
            return live, False
        if not (supersedes and same_purchase(live, order)):
            raise ReferenceInUse(live)
    raise ReferenceInUse(_reference_holder(attempt))


@db_transactions.retried(durable=False)
def _insert_attempt(
    attempt: PaymentOrder, order: PaymentOrder, live: PaymentOrder | None
) -> bool:
    """Inserts an attempt, in place of ``live`` if there is one. False when another
    attempt was faster.
    """
    # locks the row against a concurrent cancel, which then finds the new attempt
    where = {"pk": order.pk, "cancelled_at": None}
    if not raw_sql.update(PaymentOrder, where, {}, increment="version"):
        raise OrderNotPayable(PaymentOrder.objects.get(pk=order.pk))
    expires_at = timezone.now() + timedelta(seconds=conf.current().expire_after)
    if live is None:
        return insert(attempt, expires_at)
    return _insert_in_place_of(live, attempt, expires_at)


def _terminal_columns(order: PaymentOrder) -> dict[str, str]:
    """Those of the shop's terminal, in case that the hosted page changed them."""
    if not order.is_hosted:
        return {name: getattr(order, name) for name in ("terminal", "flow", "capture")}
    terminal = conf.current().terminal(shop_terminal(order))
    return {
        "terminal": terminal.name,
        "flow": terminal.flow,
        "capture": terminal.capture,
    }


_COPIED_FIELDS: Final = (
    "channel",
    "amount",
    "currency",
    "reference",
    "description",
    "customer_name",
    "customer_email",
    "user",
    "clerk",
    "clerk_name",
    "pay_until",
    "content_type",
    "object_id",
    "success_url",
    "failure_url",
    "exemption",
)
