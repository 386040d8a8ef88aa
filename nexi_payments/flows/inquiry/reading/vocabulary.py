"""What an operation that Nexi lists means: type × result → role and status. Pure.

Sources: docs/gateway.md. Nexi documents the types and the results, but not every
combination. A combination that is not in the table is ``UNKNOWN``: in doubt, never a
success and never a failure.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from nexi_payments.enums import OperationKind
from nexi_payments.gateway import result_codes as codes
from nexi_payments.gateway.responses import OperationResult


class Role(Enum):
    """What an operation does with the order's money."""

    CHARGE = "charge"
    CAPTURE = "capture"
    #: a refund or a void: Nexi uses both types for both
    RETURN = "return"
    #: a CANCEL: takes a capture or a refund back, on its day
    ROLLBACK = "rollback"


class Status(Enum):
    """What an entry says of its operation."""

    #: under way at Nexi
    OPEN = "open"
    #: a charge that is authorized and not captured with it
    HELD = "held"
    DONE = "done"
    #: done before, and taken back since
    REVERSED = "reversed"
    #: ended, and moved no money
    NEGATIVE = "negative"
    #: a word without a meaning for this role
    UNKNOWN = "unknown"


#: Final: another final word contradicts them.
FINAL: Final = frozenset({Status.HELD, Status.DONE, Status.REVERSED, Status.NEGATIVE})

_TYPES: Final = {
    codes.AUTHORIZATION: Role.CHARGE,
    codes.CAPTURE: Role.CAPTURE,
    "REFUND": Role.RETURN,
    "VOID": Role.RETURN,
    codes.CANCEL: Role.ROLLBACK,
}
_NEGATIVE: Final = dict.fromkeys(codes.UNSUCCESSFUL, Status.NEGATIVE)
_OPEN: Final = {codes.PENDING: Status.OPEN}
_DONE: Final = {codes.EXECUTED: Status.DONE}
_ROLLED_BACK: Final = dict.fromkeys(codes.CANCELLED | {codes.VOIDED}, Status.REVERSED)

_STATUSES: Final[dict[Role, dict[str, Status]]] = {
    Role.CHARGE: {
        **_NEGATIVE,
        **_OPEN,
        **_DONE,
        codes.THREEDS_VALIDATED: Status.OPEN,
        codes.AUTHORIZED: Status.HELD,
        # the refunds have entries of their own
        codes.REFUNDED: Status.DONE,
        codes.VOIDED: Status.REVERSED,
        "REVERSED": Status.REVERSED,
    },
    # CANCELED and VOIDED on a capture: it was done and is rolled back
    Role.CAPTURE: {
        **_NEGATIVE,
        **_OPEN,
        **_DONE,
        **_ROLLED_BACK,
        "REVERSED": Status.REVERSED,
        codes.REFUNDED: Status.DONE,
    },
    # VOIDED on a refund: the amount was released, which is done
    Role.RETURN: {
        **_NEGATIVE,
        **_OPEN,
        **_DONE,
        codes.REFUNDED: Status.DONE,
        codes.VOIDED: Status.DONE,
        "REVERSED": Status.DONE,
        **dict.fromkeys(codes.CANCELLED, Status.REVERSED),
    },
    # CANCELED on a cancel is its own success
    Role.ROLLBACK: {
        **_NEGATIVE,
        **_OPEN,
        **_DONE,
        **dict.fromkeys(codes.CANCELLED | codes.REVERSED, Status.DONE),
    },
}

#: Our kind → the role of its entry.
ROLES: Final[dict[str, Role]] = {
    OperationKind.PAYMENT: Role.CHARGE,
    OperationKind.MOTO: Role.CHARGE,
    OperationKind.MIT: Role.CHARGE,
    OperationKind.HOSTED: Role.CHARGE,
    OperationKind.CAPTURE: Role.CAPTURE,
    OperationKind.VOID: Role.RETURN,
    OperationKind.REFUND: Role.RETURN,
    OperationKind.CANCEL: Role.ROLLBACK,
}


def role_of(entry: OperationResult) -> Role | None:
    """The role of an entry; ``None`` for types that move none of the order's money, or
    that we do not know.
    """
    return _TYPES.get(entry.type)


def status_of(entry: OperationResult, role: Role) -> Status:
    """The status of an entry that has this role."""
    return _STATUSES[role].get(entry.result, Status.UNKNOWN)
