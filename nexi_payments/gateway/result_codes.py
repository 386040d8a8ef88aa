"""Nexi's result values and response codes. An unknown value is never success."""

from __future__ import annotations

from typing import Final

# operationResult; docs/gateway.md, "What a response means"
PENDING: Final = "PENDING"
THREEDS_VALIDATED: Final = "THREEDS_VALIDATED"
THREEDS_FAILED: Final = "THREEDS_FAILED"
AUTHORIZED: Final = "AUTHORIZED"
EXECUTED: Final = "EXECUTED"
DECLINED: Final = "DECLINED"
DENIED_BY_RISK: Final = "DENIED_BY_RISK"
CANCELED: Final = "CANCELED"
FAILED: Final = "FAILED"
#: not in Nexi's list, but observed: an authorization that was not captured in time
EXPIRED: Final = "EXPIRED"
VOIDED: Final = "VOIDED"
REFUNDED: Final = "REFUNDED"

#: Final; no money moved. The second line is not in Nexi's list but was observed; each
#: is as final as the value above it.
UNSUCCESSFUL: Final = frozenset(
    {DECLINED, DENIED_BY_RISK, CANCELED, FAILED, THREEDS_FAILED}
    | {"CANCELLED", "3DS_FAILED", "DENIED", EXPIRED}
)
#: Two spellings, both seen.
CANCELLED: Final = frozenset({CANCELED, "CANCELLED"})
#: The cardholder was not authenticated: a decline with its own text.
NOT_AUTHENTICATED: Final = frozenset({THREEDS_FAILED, "3DS_FAILED"})
#: Charged or authorized.
CHARGED: Final = frozenset({AUTHORIZED, EXECUTED})
#: Charged, then voided or refunded.
REVERSED: Final = frozenset({VOIDED, REFUNDED, "REVERSED"})
#: No result yet.
IN_PROGRESS: Final = frozenset({PENDING, THREEDS_VALIDATED})

# operationType
AUTHORIZATION: Final = "AUTHORIZATION"
CAPTURE: Final = "CAPTURE"
CANCEL: Final = "CANCEL"
#: Refunds and voids: Nexi uses both values for both.
REFUND_OR_VOID: Final = frozenset({"REFUND", "VOID"})

#: "contractId not valid", an error code of a 400
NO_SUCH_CONTRACT: Final = "PS0017"


#: Soft declines of merchant-initiated charges, which may be retried: try later,
#: insufficient funds, a limit of amount or frequency. 913 is not here: it says that the
#: same request was sent before. No other code is retried, nor 413 or an unknown one.
_SOFT_DECLINE_CODES: Final = frozenset(
    {"903", "906", "907", "908", "909", "911", "116", "121", "123"}
)

#: Validation says "authenticated or skipped". With these ECIs the liability is the
#: issuer's.
_LIABILITY_SHIFT_ECIS: Final = frozenset({"05", "06", "02", "01"})


def shifts_liability(eci: str) -> bool:
    """Return whether the issuer is liable for a payment with this ECI."""
    return eci in _LIABILITY_SHIFT_ECIS


def is_soft_decline(code: str) -> bool:
    """Return whether a declined merchant-initiated charge may be retried."""
    return code in _SOFT_DECLINE_CODES


#: ``DeclineAdvice.DO_NOT_RETRY``, and so is each of 201 to 299.
NEVER_RETRIED: Final = frozenset({"102", "104", "106", "124", "126", "129", "413"})


class DeclineAdvice:
    """What a response code (``authorizationStatus``) asks of the cardholder."""

    TRY_LATER: Final = "try_later"
    CHECK_CARD_DATA: Final = "check_card_data"
    USE_OTHER_CARD: Final = "use_other_card"
    DO_NOT_RETRY: Final = "do_not_retry"
    CONTACT_ISSUER: Final = "contact_issuer"


def decline_advice(code: str) -> str:
    """``"116"`` → ``DeclineAdvice.USE_OTHER_CARD``. All codes: docs/gateway.md.

    The classes follow another production user of the gateway. An unknown code gives
    ``CONTACT_ISSUER``.
    """
    if code in {"903", "906", "907", "908", "909", "911", "913"}:
        return DeclineAdvice.TRY_LATER
    if code in {"101", "111", "117", "118", "125"}:
        return DeclineAdvice.CHECK_CARD_DATA
    if code in {"115", "116", "119", "120", "121", "122", "123"}:
        return DeclineAdvice.USE_OTHER_CARD
    if code in NEVER_RETRIED or (code.startswith("2") and code != "200"):
        return DeclineAdvice.DO_NOT_RETRY
    return DeclineAdvice.CONTACT_ISSUER
