"""Table C: when an operation that Nexi does not show was not executed. Pure.

One inquiry proves nothing: Nexi's lists lag. An inquiry counts if its list is complete,
and if it was sent long enough after the last send ended and after the inquiry that
counted before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from nexi_payments import enums
from nexi_payments.flows.ledger.facts import InquiryTimes, OperationFacts

#: Inquiries that must count after a complete 4xx to the only send, and in general.
ENOUGH_AFTER_REJECTION: Final = 2
ENOUGH: Final = 3
#: A contradiction of a final word.
ENOUGH_TO_CONTRADICT: Final = 2
#: The first send and one repetition with the same key and body.
MAX_SENDS: Final = 2
#: Nexi does not publish how long it remembers a key. Later it might execute the request
#: once more instead of answering as before: it is given up, and watched.
KEY_LIFETIME: Final = timedelta(hours=12)


class Proof(Enum):
    #: nothing is proved yet
    NONE = "none"
    #: the only send was rejected, and nothing was executed
    REJECTED = "rejected"
    #: send once more, with the same key and body
    RESEND = "resend"
    #: it was not executed
    ABSENT = "absent"


@dataclass(frozen=True)
class Absence:
    """``misses`` is the new count; ``counted`` is whether this inquiry counts.

    ``soon``: only inquiries are missing, not time.
    """

    proof: Proof
    misses: int
    counted: bool
    soon: bool = False


def judge(row: OperationFacts, times: InquiryTimes, *, complete: bool) -> Absence:
    """Judges a row in flight that no entry shows. ``complete``: the list could be read
    and shows everything that it showed before.
    """
    ended = row.send_ended_at
    if row.operation_id or ended is None or row.adopted:
        return Absence(Proof.NONE, row.misses, counted=False)
    counted = complete and counts(row, times)
    misses = row.misses + counted
    settled = times.asked_at >= ended + times.settle_after
    proof = _proof(row, misses, times, settled=settled) if counted else Proof.NONE
    settles = times.asked_at >= ended + times.settle_after - times.lag
    soon = complete and proof is Proof.NONE and (settles or _is_rejected(row))
    return Absence(proof, misses, counted, soon)


def _is_rejected(row: OperationFacts) -> bool:
    """Whether the only send was rejected."""
    return row.rejected and row.send_count == 1


def counts(row: OperationFacts, times: InquiryTimes) -> bool:
    """Whether an inquiry is late enough to speak against the row's outcome."""
    marks = [mark for mark in (row.send_ended_at, row.missed_at) if mark is not None]
    return all(times.asked_at >= mark + times.lag for mark in marks)


def _proof(
    row: OperationFacts, misses: int, times: InquiryTimes, *, settled: bool
) -> Proof:
    if _is_rejected(row):
        return Proof.REJECTED if misses >= ENOUGH_AFTER_REJECTION else Proof.NONE
    if misses < ENOUGH or not settled:
        return Proof.NONE
    if row.kind in enums.IDEMPOTENT and row.send_count < MAX_SENDS:
        return Proof.RESEND if _key_is_known(row, times) else Proof.ABSENT
    return Proof.ABSENT


def _key_is_known(row: OperationFacts, times: InquiryTimes) -> bool:
    ended = row.send_ended_at
    return ended is not None and times.asked_at < ended + KEY_LIFETIME
