"""One reading of one response: our operations × Nexi's list → what is to be written.

``read`` is pure and total. It never raises, whatever Nexi answers, and never invents
money: an amount counts because an operation of ours, or one that Nexi lists, says so.
The tables A (sums → state), B (matching) and C (absence) are in docs/states.md.
"""

from nexi_payments.flows.inquiry.reading.adoption import NewOperation
from nexi_payments.flows.inquiry.reading.charge import ChargeReading, Verdict
from nexi_payments.flows.inquiry.reading.draft import OperationChange
from nexi_payments.flows.inquiry.reading.matching import Entry, Finding
from nexi_payments.flows.inquiry.reading.reader import Reading, read
from nexi_payments.flows.ledger.books import Books
from nexi_payments.flows.ledger.facts import (
    Dispute,
    InquiryTimes,
    OperationFacts,
    OrderFacts,
)

__all__ = [
    "Books",
    "ChargeReading",
    "Dispute",
    "Entry",
    "Finding",
    "InquiryTimes",
    "NewOperation",
    "OperationChange",
    "OperationFacts",
    "OrderFacts",
    "Reading",
    "Verdict",
    "read",
]
