"""Cards on file: charged when the shop asks, listed, ended.

A charge goes the one road for money. Nexi takes a key for it, and it is stored; the
charge is sent once all the same, and a look-up decides what became of it (decision 27).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone

from nexi_payments import conf, money, states
from nexi_payments.card import made_text_holds_card_number
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    ContractNotUsable,
    ContractUnsettled,
    GatewayError,
    OrderBusy,
    ReferenceInUse,
    Refused,
)
from nexi_payments.flows import (
    alarms,
    inquiry,
    ledger,
    moves,
    orders,
    verdicts,
)
from nexi_payments.flows.ledger import Claim
from nexi_payments.flows.moves import NOBODY, Actor
from nexi_payments.gateway import codes
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import EXPLICIT, IMPLICIT
from nexi_payments.gateway.results import ContractResult, OperationResult
from nexi_payments.models import Contract, Operation, PaymentOrder, database

#: ``Event.kind`` of what happens to a contract by itself.
ENDED: Final = "contract_ended"
RESUMED: Final = "contract_on"


def charge_contract(
    contract: Contract,
    amount: Decimal | money.Money,
    currency: str | None = None,
    *,
    reference: str,
    description: str = "",
    actor: Actor = NOBODY,
    wait: bool = True,
    fence: Callable[[], bool] | None = None,
    nonce: str | None = None,
) -> PaymentOrder:
    """Charges ``amount`` (major units) to a card on file, once for ``reference``.

    The same reference again gives the payment that is live for it; after one that has
    failed, a new attempt is made. The outcome is ``order.state``: "paid", "authorized"
    (manual capture), "failed", or "paying" while nobody knows; ``wait`` looks twice
    before coming back with that. Raises ``ContractNotUsable``, ``ReferenceInUse``,
    ``OrderBusy``, ``TerminalUnavailable``, ``InvalidAmount`` and
    ``CardDataNotAllowed``: nothing was sent then. Inside a transaction a
    ``RuntimeError``. ``fence`` is asked in the commit that writes the order, and stops
    it with ``OrderBusy``. The same ``nonce`` (at most 32 characters) again gives the
    same payment, also a failed one.
    """
    # the caller's instance stays as it was taken: its claim is compared with the row
    contract = Contract.objects.get(pk=contract.pk)
    if not contract.is_usable:
        raise ContractNotUsable(contract)
    if not reference.strip():
        raise ValueError("a charge on file needs a reference: it is made once")
    alarms.refuse_if_raised(contract.terminal)
    order = orders.build(
        amount=amount,
        currency=currency,
        reference=reference,
        description=description or contract.description,
        customer=None,
        terminal=contract.terminal,
    )
    order.channel = states.CHANNEL_MIT
    order.contract = contract
    order.desk_nonce = nonce or None
    order.user = contract.user
    first = contract.founding
    for name in ("customer_name", "customer_email", "cardholder_name"):
        setattr(order, name, getattr(first, name, ""))
    for name in ("card_brand", "card_last4", "card_expiry"):
        setattr(order, name, getattr(contract, name))
    order = orders.twin(order) or _insert(order, fence)
    if order.channel != states.CHANNEL_MIT or order.contract_id != contract.pk:
        raise ReferenceInUse(order)
    if order.state == states.INIT:
        _charge(order, contract, actor, wait=wait)
    return order


def _insert(order: PaymentOrder, fence: Callable[[], bool] | None) -> PaymentOrder:
    lifetime = timedelta(seconds=conf.current().expire_after)

    def write() -> PaymentOrder:
        if fence is not None and not fence():
            raise OrderBusy(order)
        return orders.insert_or_join(order, timezone.now() + lifetime)

    return database.committed(write, order)


def _charge(
    order: PaymentOrder, contract: Contract, actor: Actor, *, wait: bool
) -> None:
    client = conf.client(conf.current().terminal(order.terminal))
    deadline = Deadline(conf.current().total_timeout)
    purchase = orders.purchase(order, order.cardholder_name)

    def send(operation: Operation) -> OperationResult:
        return client.charge_contract(
            purchase,
            contract.contract_id,
            EXPLICIT if order.capture == states.CAPTURE_MANUAL else IMPLICIT,
            operation.idempotency_key,
            conf.trace(deadline, operation.correlation_id),
        )

    now = timezone.now()
    claim = Claim(
        states.INIT,
        states.PAYING,
        guard={"channel": states.CHANNEL_MIT},
        changes={
            "claimed_at": now,
            "charging_since": now,
            "due_at": now + timedelta(seconds=conf.current().claim_deadline),
        },
        also=lambda: _still_usable(order, contract),
    )
    try:
        ledger.perform(
            order,
            states.MIT,
            claim,
            send,
            lambda answer: verdicts.of_charge(order, answer),
            verdicts.after_charge,
            amount=order.amount,
            actor=actor,
            details={"idempotency_key": str(uuid.uuid4())},
        )
    except GatewayError as error:
        alarms.note(order, error)
    if order.state == states.PAYING and wait:
        inquiry.look_while_waiting(order, client, deadline)


def _still_usable(order: PaymentOrder, contract: Contract) -> None:
    """Inside the claim: whoever ends a contract after this is too late for this charge,
    whoever did it before is not overtaken."""
    usable = (states.ACTIVE, states.ON_HOLD)
    rows = Contract.objects.filter(pk=contract.pk, state__in=usable)
    if not rows.update(customer_id=contract.customer_id):
        raise ledger.NotMoved


def end_contract(contract: Contract, *, actor: Actor = NOBODY) -> Contract:
    """No charge is made from now on, whatever Nexi answers; then Nexi is told.

    Also before its first payment is through: when that is charged after all, the card
    does not come on file. Again is harmless. Raises ``ContractUnsettled`` when Nexi did
    not confirm: it is asked again by ``nexi_charge_due``.
    """
    standing = (states.REQUESTED, states.ACTIVE, states.ON_HOLD)

    def stop() -> bool:
        rows = Contract.objects.filter(pk=contract.pk, state__in=standing)
        return bool(rows.update(state=states.ENDING, due_at=timezone.now()))

    database.committed(stop)
    contract.refresh_from_db()
    if contract.state == states.ENDING:
        tell_the_end(contract, actor)
        contract.refresh_from_db()
        if contract.state == states.ENDING:
            raise ContractUnsettled(contract)
    return contract


def tell_the_end(contract: Contract, actor: Actor = NOBODY) -> None:
    """Asks Nexi to deactivate; one that Nexi does not know is ended, too. No money
    moves, so that this may be asked as often as needed."""
    client = conf.client(conf.current().terminal(contract.terminal))
    try:
        client.deactivate(contract.contract_id, conf.trace())
    except Refused as error:
        unknown = error.status == 400 and codes.NO_SUCH_CONTRACT in error.codes
        if error.status != 404 and not unknown:
            return
    except GatewayError:
        return

    def end() -> None:
        now = timezone.now()
        rows = Contract.objects.filter(pk=contract.pk, state=states.ENDING)
        if rows.update(state=states.ENDED, ended_at=now, due_at=None):
            tell(contract, ENDED, actor=actor)

    database.committed(end)


def resume_contract(
    contract: Contract, *, when: Any = None, actor: Actor = NOBODY
) -> Contract:
    """Off hold: the charge that failed is tried once more, now or at ``when`` (an aware
    datetime). Raises ``ContractNotUsable`` for one that is not on hold."""

    def resume() -> bool:
        rows = Contract.objects.filter(pk=contract.pk, state=states.ON_HOLD)
        due = (when or timezone.now()) if contract.amount is not None else None
        done = bool(
            rows.update(state=states.ACTIVE, due_at=due, resumed_at=timezone.now())
        )
        if done:
            tell(contract, RESUMED, actor=actor)
        return done

    if not database.committed(resume):
        contract.refresh_from_db()
        raise ContractNotUsable(contract)
    contract.refresh_from_db()
    return contract


def contracts_at_nexi(
    customer_id: str, terminal: str = "default"
) -> tuple[ContractResult, ...]:
    """What Nexi lists for a customer: those that stand. Raises ``GatewayError``; inside
    a transaction a ``RuntimeError``: none is held while Nexi is asked."""
    if made_text_holds_card_number(customer_id):
        raise CardDataNotAllowed("customer_id holds what could be a card number")
    database.refuse_inside_a_transaction()
    client = conf.client(conf.current().terminal(terminal))
    try:
        return client.contracts(customer_id, conf.trace())
    except Refused as error:
        if error.status != 404:
            raise
    return ()


def tell(
    contract: Contract,
    kind: str,
    *,
    order: PaymentOrder | None = None,
    actor: Actor = NOBODY,
    note: str = "",
) -> None:
    """An event of the contract, in the history of the payment it is about: by default
    the one that made it. Inside the transaction that changes the contract."""
    about = order or contract.founding
    if about is not None:
        moves.write_event(about, kind, source=about.state, actor=actor, note=note)
