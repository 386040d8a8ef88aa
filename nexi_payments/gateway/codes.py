"""Nexi's words → ours. Unknown words are part of the table: they are never success."""

from __future__ import annotations

from typing import Final

# operationResult, docs/gateway.md §3.2
PENDING: Final = "PENDING"
THREEDS_VALIDATED: Final = "THREEDS_VALIDATED"
THREEDS_FAILED: Final = "THREEDS_FAILED"
AUTHORIZED: Final = "AUTHORIZED"
EXECUTED: Final = "EXECUTED"
DECLINED: Final = "DECLINED"
DENIED_BY_RISK: Final = "DENIED_BY_RISK"
CANCELED: Final = "CANCELED"
FAILED: Final = "FAILED"
VOIDED: Final = "VOIDED"
REFUNDED: Final = "REFUNDED"

#: Final, and no money moved. The second line is not in Nexi's list but was met in the
#: wild; each is as final as its neighbour above.
NEGATIVE: Final = frozenset(
    {DECLINED, DENIED_BY_RISK, CANCELED, FAILED, THREEDS_FAILED}
    | {"CANCELLED", "3DS_FAILED", "DENIED", "EXPIRED"}
)
#: The cardholder was not authenticated: a decline with words of its own.
NOT_AUTHENTICATED: Final = frozenset({THREEDS_FAILED, "3DS_FAILED"})
#: The card was charged, or the amount held.
CHARGED: Final = frozenset({AUTHORIZED, EXECUTED})
#: Charged, then given back.
REVERSED: Final = frozenset({VOIDED, REFUNDED, "REVERSED"})
#: Still on its way.
OPEN: Final = frozenset({PENDING, THREEDS_VALIDATED})

#: A capture, refund or void that has happened.
HAPPENED: Final = frozenset({EXECUTED}) | REVERSED

# operationType
AUTHORIZATION: Final = "AUTHORIZATION"
CAPTURE: Final = "CAPTURE"
CANCEL: Final = "CANCEL"
#: Money on its way back, or a hold released: Nexi uses both words for both.
BACKWARDS: Final = frozenset({"REFUND", "VOID"})

#: "contractId not valid", an error code of a 400
NO_SUCH_CONTRACT: Final = "PS0017"


#: Declines that time may mend, of a card that is charged without its owner: try later,
#: not enough money, a limit of amount or frequency. 913 is not here: it says that the
#: same was sent before. Anything else, 413 and what is not known too, is not repeated.
_MENDED_BY_TIME: Final = frozenset(
    {"903", "906", "907", "908", "909", "911", "116", "121", "123"}
)


def may_be_charged_later(code: str) -> bool:
    """Whether a declined charge on file may be tried again by itself."""
    return code in _MENDED_BY_TIME


class DeclineClass:
    """What a response code (``authorizationStatus``) asks of the person at the card."""

    TRY_LATER: Final = "try_later"
    CHECK_CARD: Final = "check_card"
    OTHER_CARD: Final = "other_card"
    NEVER_AGAIN: Final = "never_again"
    CALL_BANK: Final = "call_bank"


def decline_class(code: str) -> str:
    """``"116"`` → ``DeclineClass.OTHER_CARD``. Codes: docs/gateway.md §1.5.

    The classes follow what another production user of the gateway does with the codes;
    an unknown code asks the caller to ring the bank.
    """
    if code in {"903", "906", "907", "908", "909", "911", "913"}:
        return DeclineClass.TRY_LATER
    if code in {"101", "111", "117", "118", "125"}:
        return DeclineClass.CHECK_CARD
    if code in {"115", "116", "119", "120", "121", "122", "123"}:
        return DeclineClass.OTHER_CARD
    if code in {"102", "104", "106", "124", "126", "129", "413"} or (
        code.startswith("2") and code != "200"
    ):
        return DeclineClass.NEVER_AGAIN
    return DeclineClass.CALL_BANK
