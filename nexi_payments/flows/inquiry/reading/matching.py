"""Table B: which listed operation is which of ours. Pure and total.

An operation of another order, in another currency or with an unreadable amount is never
matched. An absent member counts as ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from nexi_payments.enums import DiscrepancyKind, OperationOutcome
from nexi_payments.flows.inquiry.reading.vocabulary import (
    FINAL,
    ROLES,
    Role,
    Status,
    role_of,
    status_of,
)
from nexi_payments.flows.ledger.facts import OperationFacts, OrderFacts
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OperationResult

#: Types that move none of the order's money.
_OTHER_TYPES: Final = frozenset({"CARD_VERIFICATION"})


@dataclass(frozen=True)
class Finding:
    """A discrepancy: its kind, what we have, what Nexi shows. ``blocks``: a person must
    decide before the order leaves review.
    """

    kind: str
    ours: str
    theirs: str
    blocks: bool = False


@dataclass(frozen=True)
class Entry:
    """A listed operation of this order, with its meaning."""

    role: Role
    status: Status
    source: OperationResult
    #: read as UNKNOWN, because it contradicts itself or our row: there is a finding
    contradictory: bool = False

    @property
    def id(self) -> str:
        return self.source.operation_id[:64]

    @property
    def amount(self) -> int | None:
        return self.source.amount

    @property
    def is_returned(self) -> bool:
        """Whether this charge, of whatever amount, is released or refunded."""
        return self.status is Status.REVERSED or (
            self.source.result == result_codes.REFUNDED
        )

    @property
    def is_release(self) -> bool:
        """Whether this refund or void says that a held amount was released."""
        one = self.source
        return one.type == "VOID" or one.result in (result_codes.VOIDED, "REVERSED")

    @property
    def text(self) -> str:
        """For people: ``"REFUND REFUNDED 300 op-1"``."""
        one = self.source
        parts = (one.type, one.result, one.amount, one.operation_id)
        return " ".join(str(part) for part in parts if part not in (None, ""))


@dataclass
class Matching:
    """Rows with their entries, and the entries that no row explains.

    ``unclear`` are the roles of entries that could not be read: an operation of such a
    role is not absent.
    """

    bound: dict[int, Entry] = field(default_factory=dict)
    unbound: list[Entry] = field(default_factory=list)
    unclear: set[Role] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    #: captures that Nexi's total showed before they were listed
    by_totals: list[Entry] = field(default_factory=list)

    def take(self, row: OperationFacts, entry: Entry) -> None:
        self.bound[row.key] = entry
        self.unbound.remove(entry)


def match(
    order: OrderFacts,
    rows: Sequence[OperationFacts],
    operations: Iterable[OperationResult],
) -> Matching:
    """Matches every row that can be matched: by id, then by kind and amount."""
    found = Matching()
    entries = _identify(order, rows, operations, found)
    found.unbound = _merge_same_ids(entries, found)
    without_id = _match_by_id(rows, found)
    _explain_totals(rows, found)
    _match_by_amount(order, without_id, found)
    return found


def _identify(
    order: OrderFacts,
    rows: Sequence[OperationFacts],
    operations: Iterable[OperationResult],
    found: Matching,
) -> list[Entry]:
    """The entries that may be this order's, each with its role and status."""
    roles_by_id = {
        row.operation_id: ROLES[row.kind] for row in rows if row.kind in ROLES
    }
    if order.operation_id:
        roles_by_id.setdefault(order.operation_id, Role.CHARGE)
    roles_by_id.pop("", None)
    entries = []
    for one in operations:
        role = role_of(one)
        if role is None and not one.type:
            role = roles_by_id.get(one.operation_id)
        if one.order_id and one.order_id != order.order_id:
            found.findings.append(_mismatch(order, "orderId", one))
        elif role is None:
            found.unclear |= set() if one.type in _OTHER_TYPES else set(Role)
        elif role is not Role.CHARGE and (member := _odd_member(order, one)):
            found.findings.append(_mismatch(order, member, one))
            found.unclear.add(role)
        elif one.operation_id[:64] in order.foreign_ids:
            entry = Entry(role, status_of(one, role), one)
            ours = "an operation of another payment"
            found.findings.append(Finding(DiscrepancyKind.SAME_ID, ours, entry.text))
            found.unclear.add(role)
        else:
            entries.append(Entry(role, status_of(one, role), one))
    return entries


def _odd_member(order: OrderFacts, one: OperationResult) -> str:
    if one.currency and one.currency != order.currency:
        return "operationCurrency"
    return "operationAmount" if "amount" in one.invalid_members else ""


def _mismatch(order: OrderFacts, member: str, one: OperationResult) -> Finding:
    ours = f"{order.order_id} {order.currency}"
    theirs = f"{member} of {one.type} {one.operation_id}".rstrip()
    return Finding(DiscrepancyKind.MISMATCH, ours, theirs)


def _merge_same_ids(entries: list[Entry], found: Matching) -> list[Entry]:
    """One entry an id and role: final beats open, two different finals contradict. Two
    roles of one id are two operations, and a discrepancy.
    """
    merged: dict[tuple[Role, str], Entry] = {}
    by_id: dict[str, Entry] = {}
    anonymous = [one for one in entries if not one.id]
    for one in entries:
        if not one.id:
            continue
        if (other := by_id.setdefault(one.id, one)).role is not one.role:
            found.findings.append(
                Finding(DiscrepancyKind.SAME_ID, other.text, one.text)
            )
        key = (one.role, one.id)
        earlier = merged.setdefault(key, one)
        if earlier is one or (earlier.status, earlier.amount) == (
            one.status,
            one.amount,
        ):
            continue
        if earlier.status in FINAL and one.status in FINAL:
            found.findings.append(
                Finding(DiscrepancyKind.SAME_ID, earlier.text, one.text)
            )
            merged[key] = _contradictory(earlier)
        elif one.status in FINAL and earlier.status is not Status.UNKNOWN:
            merged[key] = one
    return [*merged.values(), *anonymous]


def _contradictory(entry: Entry) -> Entry:
    return replace(entry, status=Status.UNKNOWN, contradictory=True)


def _match_by_id(
    rows: Sequence[OperationFacts], found: Matching
) -> list[OperationFacts]:
    """Binds the rows whose id is known. Returns those that still need a match.

    Two rows with one id: the id that Nexi answered displaces the one that was matched
    by amount, and that row has no id any more.
    """
    open_rows = []
    owners: dict[tuple[Role, str], OperationFacts] = {}
    with_role = [row for row in rows if row.kind in ROLES]
    for row in sorted(with_role, key=lambda row: (not row.id_is_answered, row.key)):
        key = (ROLES[row.kind], row.operation_id)
        if not row.operation_id or key in owners:
            open_rows.append(row)
            continue
        owners[key] = row
        entry = next((e for e in found.unbound if (e.role, e.id) == key), None)
        if entry is None:
            continue
        if None not in (entry.amount, row.amount) and entry.amount != row.amount:
            ours = f"{row.kind} {row.amount}"
            found.findings.append(Finding(DiscrepancyKind.MISMATCH, ours, entry.text))
            found.unbound.remove(entry)
            found.bound[row.key] = _contradictory(entry)
        else:
            found.take(row, entry)
    return sorted(open_rows, key=lambda row: row.key)


def _explain_totals(rows: Sequence[OperationFacts], found: Matching) -> None:
    """Keeps listed captures that the total showed before from being matched with ours:
    the same money would count twice.
    """
    room = sum(row.amount or 0 for row in rows if row.by_totals and row.done)
    captures = [one for one in found.unbound if one.role is Role.CAPTURE]
    for entry in captures:
        if entry.status is Status.DONE and 0 < (entry.amount or 0) <= room:
            room -= entry.amount or 0
            found.by_totals.append(entry)


def _match_by_amount(
    order: OrderFacts, rows: Sequence[OperationFacts], found: Matching
) -> None:
    """Binds rows without an id, oldest first: those that are done without one, those
    in flight, the watched ones.

    Equal operations are interchangeable. Nexi's id must not have been shown before.
    """
    negative = (OperationOutcome.DECLINED, OperationOutcome.REJECTED)
    # staff have decided that it is done, before it was listed
    candidates = [row for row in rows if row.done and not row.by_totals]
    candidates += [row for row in rows if row.in_flight]
    candidates += [row for row in rows if row.outcome in negative and not row.adopted]
    for row in candidates:
        if ROLES[row.kind] is Role.CHARGE:
            continue  # charge.read
        fits = [
            entry
            for entry in found.unbound
            if entry not in found.by_totals
            and entry.status is not Status.NEGATIVE
            and entry.id not in order.shown_ids
            and _fits(row, entry)
        ]
        if fits:
            exact = [entry for entry in fits if entry.amount is not None]
            found.take(row, (exact or fits)[0])


def _fits(row: OperationFacts, entry: Entry) -> bool:
    if entry.role is not ROLES[row.kind]:
        return False
    named = entry.source.cancelled_operation_id
    if entry.role is Role.ROLLBACK and named:
        return named == row.target_id
    return entry.amount is None or entry.amount == row.amount
