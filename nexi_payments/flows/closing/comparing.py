"""Compares one operation that Nexi lists with our row of it. Pure.

Two states that mean the same money agree, whatever their words: a charge that Nexi
calls REFUNDED is still the charge that we have executed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nexi_payments import enums
from nexi_payments.enums import Aspect, OperationKind, OperationOutcome
from nexi_payments.flows.closing.ledger_rows import LedgerRow
from nexi_payments.flows.inquiry.reading.vocabulary import (
    ROLES,
    Role,
    Status,
    role_of,
    status_of,
)
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OperationResult

#: What Nexi says of an operation that we have as executed.
_EXECUTED: Final = frozenset({Status.DONE, Status.HELD, Status.REVERSED})
#: Money has moved or is held, or did before it was taken back.
WITH_MONEY: Final = _EXECUTED
_NOT_EXECUTED: Final = enums.NEGATIVE_OUTCOMES | {OperationOutcome.NOT_SENT}
#: Types that move none of an order's money.
_OTHER_TYPES: Final = frozenset({"CARD_VERIFICATION"})


def best_row(entry: OperationResult, rows: Iterable[LedgerRow]) -> LedgerRow | None:
    """Which of the rows with the entry's id is the entry's. In three steps
    authentication, validation and charge have one id: the charge counts.
    """
    role = role_of(entry)

    def rank(row: LedgerRow) -> tuple[bool, bool, bool, int]:
        same = role is not None and ROLES.get(row.kind) is role
        return not same, not row.moves_money, not row.is_done, -row.key

    return min(rows, key=rank, default=None)


def row_by_amount(
    entry: OperationResult, rows: Iterable[LedgerRow]
) -> LedgerRow | None:
    """The row of the same order that has no id, and the role and amount of the entry:
    its id was lost, or only Nexi's total has shown it.
    """
    role = role_of(entry)
    for row in rows:
        same = row.order_id == entry.order_id and ROLES[row.kind] is role
        if same and (entry.amount is None or entry.amount == row.amount):
            return row
    return None


def aspects(entry: OperationResult, row: LedgerRow) -> tuple[Aspect, ...]:
    """In what both differ; () if they agree. What Nexi leaves out does not differ."""
    found = []
    role = _role(entry, row)
    if row.moves_money and ROLES[row.kind] is not role:
        found.append(Aspect.KIND)
    elif not _outcomes_agree(entry, role, row):
        found.append(Aspect.OUTCOME)
    if row.moves_money:
        if _amounts_differ(entry, row):
            found.append(Aspect.AMOUNT)
        if entry.currency and entry.currency != row.currency:
            found.append(Aspect.CURRENCY)
    return tuple(found)


def may_have_moved(entry: OperationResult) -> bool:
    """Whether an operation without a row of ours may have moved money. Unknown types
    and results may.
    """
    role = role_of(entry)
    if role is None:
        return entry.type not in _OTHER_TYPES
    return status_of(entry, role) is not Status.NEGATIVE


def is_challenge(entry: OperationResult) -> bool:
    """Whether this is a payment that waits for its cardholder: a charge without a
    result. On an order of ours without a charge it has moved no money.
    """
    role = role_of(entry)
    return role is Role.CHARGE and status_of(entry, role) is Status.OPEN


def has_moved(entry: OperationResult) -> bool:
    """Whether Nexi says that money moved or is held."""
    role = role_of(entry)
    return role is not None and status_of(entry, role) in WITH_MONEY


def _role(entry: OperationResult, row: LedgerRow) -> Role | None:
    """An entry without a type has the role of our row."""
    if entry.type:
        return role_of(entry)
    return ROLES.get(row.kind, Role.CHARGE)


def _amounts_differ(entry: OperationResult, row: LedgerRow) -> bool:
    if "amount" in entry.invalid_members:
        return True
    return None not in (entry.amount, row.amount) and entry.amount != row.amount


def _outcomes_agree(entry: OperationResult, role: Role | None, row: LedgerRow) -> bool:
    if role is None:
        return False
    status = status_of(entry, role)
    if status is Status.UNKNOWN:
        return False
    if not row.moves_money:  # 3-D Secure alone
        return status in (Status.OPEN, Status.NEGATIVE)
    if row.is_done:
        return status in _EXECUTED and not _captured_by_one(entry, row)
    if row.outcome in _NOT_EXECUTED:
        waits = status is Status.OPEN and role is Role.CHARGE
        return status is Status.NEGATIVE or waits
    if row.kind == OperationKind.HOSTED:  # the page is open
        return status in (Status.OPEN, Status.NEGATIVE)
    return status is Status.OPEN


def _captured_by_one(entry: OperationResult, row: LedgerRow) -> bool:
    """Whether one side has a charge as captured, and the other as authorized."""
    both = {entry.result, row.result}
    return row.kind in enums.CHARGING and both == result_codes.CHARGED
