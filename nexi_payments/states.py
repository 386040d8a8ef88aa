"""The words and the law of a payment's life: tables only, no code that acts.

``TRANSITIONS`` is the whole law: a change that is not in it cannot be written (the
ledger builds its compare-and-swap from it). ``LIVE`` are the states in which an order
holds its reference, so that the same basket cannot be charged twice.
"""

from __future__ import annotations

from typing import Final

INIT: Final = "init"
AWAITING_3DS: Final = "awaiting_3ds"
VALIDATED: Final = "validated"
PAYING: Final = "paying"
AUTHORIZED: Final = "authorized"
PAID: Final = "paid"
FAILED: Final = "failed"
REVIEW: Final = "review"
VOIDED: Final = "voided"
REFUNDED: Final = "refunded"

STATES: Final = (
    INIT,
    AWAITING_3DS,
    VALIDATED,
    PAYING,
    AUTHORIZED,
    PAID,
    FAILED,
    REVIEW,
    VOIDED,
    REFUNDED,
)

#: from → the states it may go to. ``paid`` moves on by a refund, and back to
#: ``authorized`` when the only capture was cancelled on its day; a failed order may
#: still turn out to have been charged while it is watched.
TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    INIT: frozenset({AWAITING_3DS, PAYING, FAILED, REVIEW}),
    AWAITING_3DS: frozenset({VALIDATED, PAYING, FAILED, REVIEW}),
    VALIDATED: frozenset({PAYING, FAILED, REVIEW}),
    PAYING: frozenset({AUTHORIZED, PAID, FAILED, REVIEW}),
    AUTHORIZED: frozenset({PAID, VOIDED, REVIEW}),
    PAID: frozenset({REFUNDED, AUTHORIZED}),
    FAILED: frozenset({AUTHORIZED, PAID, REVIEW}),
    REVIEW: frozenset({AUTHORIZED, PAID, FAILED, VOIDED, REFUNDED}),
    VOIDED: frozenset(),
    REFUNDED: frozenset(),
}

#: An order in one of these holds its reference.
LIVE: Final = frozenset({INIT, AWAITING_3DS, VALIDATED, PAYING, AUTHORIZED, PAID})

#: The shopper has nothing left to wait for.
FINAL: Final = frozenset({AUTHORIZED, PAID, FAILED, REVIEW, VOIDED, REFUNDED})

#: Money is with the merchant, or held for him.
SUCCESSFUL: Final = frozenset({AUTHORIZED, PAID})
#: It was.
GIVEN_BACK: Final = frozenset({VOIDED, REFUNDED})


def sources(target: str) -> frozenset[str]:
    """The states from which ``target`` may be reached."""
    return frozenset(state for state, to in TRANSITIONS.items() if target in to)


# -- operations: one request to the gateway that changes something -----------------

AUTHENTICATION: Final = "authentication"
VALIDATION: Final = "validation"
PAYMENT: Final = "payment"
MOTO: Final = "moto"
CAPTURE: Final = "capture"
VOID: Final = "void"
REFUND: Final = "refund"
#: a card on file is charged, its owner not being there
MIT: Final = "mit"
#: a capture is rolled back, the day it was made
CANCEL: Final = "cancel"
KINDS: Final = (
    *(AUTHENTICATION, VALIDATION, PAYMENT, MOTO, MIT),
    *(CAPTURE, VOID, REFUND, CANCEL),
)

#: The kinds that can charge a card: never sent twice, never guessed about.
CHARGING: Final = frozenset({PAYMENT, MOTO, MIT})
#: What may follow a charge.
AFTERWARDS: Final = frozenset({CAPTURE, VOID, REFUND, CANCEL})
#: Nexi takes a key for these: the same one may be repeated.
REPEATABLE: Final = frozenset({CAPTURE, VOID, REFUND})
#: Captured money on its way back.
BACKWARDS: Final = frozenset({REFUND, CANCEL})

OPEN: Final = "open"
ACCEPTED: Final = "accepted"
DONE: Final = "done"
DECLINED: Final = "refused"
NOT_SENT: Final = "not_sent"
IN_DOUBT: Final = "in_doubt"
OUTCOMES: Final = (OPEN, ACCEPTED, DONE, DECLINED, NOT_SENT, IN_DOUBT)

#: Nobody knows yet how these end.
UNSETTLED: Final = frozenset({OPEN, IN_DOUBT})
#: The amount of these is spoken for: it may have moved, or is about to.
RESERVING: Final = frozenset({OPEN, IN_DOUBT, ACCEPTED})

# -- why an order failed or needs a person -----------------------------------------


class Reason:
    """``PaymentOrder.reason``: one word for the machine, worded in ``wording.py``."""

    DECLINED: Final = "declined"
    NOT_AUTHENTICATED: Final = "not_authenticated"
    NO_LIABILITY_SHIFT: Final = "no_liability_shift"
    THREE_DS_UNAVAILABLE: Final = "3ds_unavailable"
    HOSTILE_URL: Final = "hostile_3ds_url"
    UNSENT: Final = "unsent"
    REFUSED: Final = "refused"
    BUSY: Final = "busy"
    CONFIG: Final = "config"
    INIT_UNKNOWN: Final = "init_unknown"
    VALIDATION_UNKNOWN: Final = "validation_unknown"
    UNKNOWN_RESULT: Final = "unknown_result"
    MISMATCH: Final = "mismatch"
    CARD_EXPIRED: Final = "card_expired"
    #: the cache that was to keep the card during 3-D Secure was away
    NOT_HELD: Final = "not_held"
    EXPIRED: Final = "expired"
    ABANDONED: Final = "abandoned"
    SUPERSEDED: Final = "superseded"
    UNCONFIRMED: Final = "unconfirmed"
    # review and beyond
    UNEXPECTED_CHARGE: Final = "unexpected_charge"
    CHARGED_AFTER_DECLINE: Final = "charged_after_decline"
    LATE_CHARGE: Final = "late_charge"
    REFERENCE_TAKEN: Final = "reference_taken"
    NO_DETAILS: Final = "no_details"
    STILL_PENDING: Final = "still_pending"
    TWO_AUTHORIZATIONS: Final = "two_authorizations"
    LAPSED: Final = "lapsed"
    #: the only capture was rolled back: the amount is reserved again
    CANCELLED: Final = "capture_cancelled"
    #: at Nexi with our prefix, and not in the database that was restored
    RESTORED: Final = "restored"
    #: a person looked, and Nexi agreed
    RESOLVED: Final = "resolved"


FLOW_3STEPS: Final = "3steps"
FLOW_2STEPS: Final = "2steps"
FLOWS: Final = (FLOW_3STEPS, FLOW_2STEPS)
CAPTURE_AUTOMATIC: Final = "automatic"
CAPTURE_MANUAL: Final = "manual"
CAPTURES: Final = (CAPTURE_AUTOMATIC, CAPTURE_MANUAL)
CHANNEL_SHOP: Final = "shop"
CHANNEL_MOTO: Final = "moto"
#: Keyed at the desk, paid by the customer on the 3-D Secure page behind a signed link.
CHANNEL_LINK: Final = "link"
#: A later charge of a contract, its owner not being there.
CHANNEL_MIT: Final = "mit"
CHANNELS: Final = (CHANNEL_SHOP, CHANNEL_MOTO, CHANNEL_LINK, CHANNEL_MIT)
#: Charged in one call, without 3-D Secure: Nexi's id is not known before the answer.
ONE_CALL: Final = frozenset({CHANNEL_MOTO, CHANNEL_MIT})
#: Where a card may come on file: by telephone nobody reads what he agrees to.
KEEPING: Final = frozenset({CHANNEL_SHOP, CHANNEL_LINK})
#: Orders that staff have made.
DESK: Final = frozenset({CHANNEL_MOTO, CHANNEL_LINK})

# -- contracts: a card on file at Nexi ----------------------------------------------

#: its first payment is not charged yet
REQUESTED: Final = "requested"
ACTIVE: Final = "active"
#: a charge was refused in a way that time does not mend: a person decides
ON_HOLD: Final = "on_hold"
#: asked of Nexi, whose answer was lost: asked again until it comes
ENDING: Final = "ending"
ENDED: Final = "ended"
#: its first payment failed: there is none
NOT_MADE: Final = "not_made"
CONTRACT_STATES: Final = (REQUESTED, ACTIVE, ON_HOLD, ENDING, ENDED, NOT_MADE)
UNSCHEDULED: Final = "unscheduled"
SCHEDULED: Final = "scheduled"
