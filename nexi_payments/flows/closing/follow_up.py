"""What a difference leads to: a status inquiry, or the adoption of an unknown order.

Both are the roads of the reconciler. The closing stays as it is.
"""

from __future__ import annotations

from nexi_payments import conf
from nexi_payments.conf import Terminal
from nexi_payments.exceptions import Rejected, UnknownOutcome
from nexi_payments.flows import reconcile
from nexi_payments.flows.inquiry import orphans
from nexi_payments.flows.inquiry.listing import Difference
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import ClosingDifference, PaymentOrder, db_transactions


def follow_up_difference(
    difference: ClosingDifference, *, actor: Actor = NO_ACTOR
) -> PaymentOrder | None:
    """Asks Nexi about the order of a difference, and writes what that means.

    An order that we have is inquired about. One that we do not have is adopted, under
    review, if it has our prefix and money: as after a restore. Returns the order;
    ``None`` if there is nothing to adopt. Idempotent. Raises ``GatewayError`` when Nexi
    does not answer, ``TerminalNotConfigured``, and ``RuntimeError`` inside a
    transaction.
    """
    db_transactions.require_no_transaction()
    order = PaymentOrder.find_by_order_id(difference.order_id)
    if order is not None and order.operations.exists():
        _inquire(order, actor)
        return order
    if not difference.order_id.startswith(conf.current().order_prefix):
        return order
    name = order.terminal if order else difference.terminal
    terminal = conf.current().terminal(name)
    listed = _find(terminal, difference.order_id)
    if listed is None or not (listed.authorized or listed.captured):
        return order
    order = orphans.catch_up(terminal, Difference(listed, order))
    if order is not None:
        _inquire(order, actor)
    return order


def _inquire(order: PaymentOrder, actor: Actor) -> None:
    conf.current().terminal(order.terminal)  # raises
    if reconcile.inquire(order, actor=actor).unanswered:
        raise UnknownOutcome("no answer")


def _find(terminal: Terminal, order_id: str) -> OrderResult | None:
    """The order; ``None`` if Nexi does not know it. Raises ``GatewayError``."""
    try:
        return conf.client(terminal).order(order_id, conf.call_context())
    except Rejected as error:
        if error.status != 404:
            raise
    return None
