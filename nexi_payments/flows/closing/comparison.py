"""Compares a day's ledger with what Nexi lists. Reads only, on both sides.

Memory does not grow with the day: Nexi's lists and our rows are read in parts, totals
are kept by group, and of each operation that both have one number remains (eight
bytes), to find those that Nexi lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from nexi_payments import conf
from nexi_payments.conf import Terminal
from nexi_payments.enums import Aspect, DifferenceKind
from nexi_payments.exceptions import Rejected, UnknownOutcome
from nexi_payments.flows.closing import (
    comparing,
    differences,
    figures,
    ledger_rows,
)
from nexi_payments.flows.closing.day_comparison import DayComparison
from nexi_payments.flows.closing.days import MARGIN, ShopDay
from nexi_payments.flows.closing.ledger_rows import LedgerRow
from nexi_payments.flows.closing.seen_keys import SeenKeys
from nexi_payments.flows.inquiry import listing, windows
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import PaymentOrder

#: Operations that a list lacks and that are asked for by id. Beyond it the list counts.
MOST_ASKED: Final = 200


def compare(day: ShopDay, deadline: Deadline | None = None) -> DayComparison:
    """Compares every terminal of the settings.

    ``deadline`` is for all calls together; without it each call has its own. Raises
    ``GatewayError`` when a list is not complete: nothing can be said of the day then.
    """
    found = DayComparison(day)
    for group in _terminals_by_key():
        found.terminals += [terminal.name for terminal in group]
        _TerminalComparison(day, group, found, deadline).run()
    _add_rows_without_terminal(found)
    return found


def _terminals_by_key() -> list[list[Terminal]]:
    """The terminals of the settings; those that share a list at Nexi are together."""
    groups: dict[tuple[str, str], list[Terminal]] = {}
    for terminal in conf.current().terminals.values():
        key = (terminal.base_url, terminal.api_key)
        if terminal.simulated:  # every key sees all orders of the built-in simulator
            key = ("", "")
        groups.setdefault(key, []).append(terminal)
    return list(groups.values())


def _add_rows_without_terminal(found: DayComparison) -> None:
    """Operations of terminals that are no longer in the settings: nobody can ask Nexi
    about them.
    """
    for row in ledger_rows.of_day(found.day, except_of=found.terminals):
        found.add_ours(row)
        found.add(differences.of_row(DifferenceKind.MISSING_THERE, row))


@dataclass
class _TerminalComparison:
    """The comparison of terminals that share one list."""

    day: ShopDay
    terminals: list[Terminal]
    found: DayComparison
    deadline: Deadline | None
    #: keys of our rows of the day that Nexi lists
    seen: SeenKeys = field(default_factory=SeenKeys)
    #: rows without an id that an entry has taken
    taken: set[int] = field(default_factory=set)
    asked: int = 0

    def run(self) -> None:
        for entries in self._pages():
            self._compare_page(entries)
        for row in ledger_rows.of_day(self.day, of=self._names):
            if row.key not in self.seen:
                self._missing_there(row)
        self._compare_totals()

    @property
    def _names(self) -> list[str]:
        return [terminal.name for terminal in self.terminals]

    @property
    def _client(self) -> Client:
        return conf.client(self.terminals[0])

    # -- Nexi's list -------------------------------------------------------------------

    def _pages(self) -> Iterator[Sequence[OperationResult]]:
        """Each entry once. Raises ``GatewayError``."""
        client = self._client

        def fetch(start: datetime, end: datetime) -> Sequence[OperationResult]:
            return client.operations(
                conf.call_context(self.deadline),
                since=start,
                until=end,
                limit=windows.PAGE_SIZE,
            )

        before: set[str] = set()
        since, until = self.day.start - MARGIN, self.day.end + MARGIN
        for page in windows.pages(fetch, since, until):
            if page.is_cut:
                raise UnknownOutcome("more operations in a second than Nexi lists")
            ids = {entry.operation_id for entry in page.entries} - {""}
            yield [one for one in page.entries if one.operation_id not in before]
            before = ids  # an entry on a bound is in the next page, too

    def _compare_page(self, entries: Sequence[OperationResult]) -> None:
        rows = ledger_rows.by_operation_ids(
            {one.operation_id[:64] for one in entries} - {""}
        )
        unknown = []
        for entry in entries:
            row = comparing.best_row(entry, rows.get(entry.operation_id[:64], ()))
            if row is None:
                unknown.append(entry)
            else:
                self._compare(entry, row)
        self._look_closer(unknown)

    def _look_closer(self, entries: Sequence[OperationResult]) -> None:
        """Entries whose id no row of ours has."""
        ids = {one.order_id for one in entries} - {""}
        orders = ledger_rows.orders(ids)
        rows = ledger_rows.without_id(list(orders))
        for entry in entries:
            free = (row for row in rows if row.key not in self.taken)
            row = comparing.row_by_amount(entry, free)
            if row is not None:
                self.taken.add(row.key)
                self._compare(entry, row)
            else:
                self._missing_here(entry, orders.get(entry.order_id))

    def _compare(self, entry: OperationResult, row: LedgerRow) -> None:
        if row.terminal not in self._names:
            return  # on the list of its own terminal
        if row.moves_money and self.day.contains(row.time):
            self.seen.add(row.key)
        if not self.day.contains(entry.time or row.time):
            return  # of the day before, or after
        self._count_pair(entry, row)

    def _count_pair(self, entry: OperationResult, row: LedgerRow) -> None:
        aspects = comparing.aspects(entry, row)
        self.found.add_ours(row)
        if comparing.has_moved(entry):
            kind = Aspect.KIND in aspects or not row.moves_money
            movement = figures.movement_of(entry) if kind else row.movement
            group = differences.group(row)._replace(movement=movement)
            if entry.currency:
                group = group._replace(currency=entry.currency)
            self.found.figures.add_theirs(group, entry.amount)
        if not aspects:
            self.found.matched += 1
            return
        different = differences.of_row(DifferenceKind.DIFFERENT, row, entry)
        different.aspects = " ".join(aspects)
        self.found.add(different)

    # -- one side only -----------------------------------------------------------------

    def _missing_here(self, entry: OperationResult, order: PaymentOrder | None) -> None:
        others = conf.current().terminals.keys() - set(self._names)
        if order is not None and order.terminal in others:
            return  # on the list of its own terminal
        if not self.day.contains(entry.time or self.day.start):
            return
        prefix = conf.current().order_prefix
        if order is None and entry.order_id and not entry.order_id.startswith(prefix):
            self.found.of_others += 1
        elif not comparing.may_have_moved(entry) or (
            order is not None and comparing.is_challenge(entry)
        ):
            self.found.without_money += 1
        elif not self._is_known_difference(entry):
            name = self.terminals[0].name
            if comparing.has_moved(entry):
                group = differences.group_at_nexi(entry, order, name)
                self.found.figures.add_theirs(group, entry.amount)
            self.found.add(differences.of_entry(entry, order, name))

    def _is_known_difference(self, entry: OperationResult) -> bool:
        """Whether the list of another terminal has it, too."""
        return bool(entry.operation_id) and any(
            one.operation_id == entry.operation_id[:64]
            and one.kind == DifferenceKind.MISSING_HERE
            for one in self.found.differences
        )

    def _missing_there(self, row: LedgerRow) -> None:
        """A row of ours that the list lacks. Nexi is asked about it by its id: the list
        may lag, and Nexi may count it to another day.
        """
        entry = self._ask(row)
        if entry is not None:
            if self.day.contains(entry.time or row.time):
                self._count_pair(entry, row)
            return
        self.found.add_ours(row)
        self.found.add(differences.of_row(DifferenceKind.MISSING_THERE, row))

    def _ask(self, row: LedgerRow) -> OperationResult | None:
        """The operation; ``None`` if Nexi does not know it. Raises ``GatewayError``."""
        if not row.operation_id or self.asked >= MOST_ASKED:
            return None
        self.asked += 1
        try:
            return self._client.operation(
                row.operation_id, conf.call_context(self.deadline)
            )
        except Rejected as error:
            if error.status != 404:
                raise
        return None

    # -- totals ------------------------------------------------------------------------

    def _compare_totals(self) -> None:
        """Orders of the day whose totals differ. What was made by hand in Nexi's back
        office may show there alone: Nexi documents that its operations are hidden.
        """
        for difference in listing.find_differences(
            self.terminals[0], self.day.start, self.day.end, self.deadline
        ):
            listed, order = difference.listed, difference.order
            if listed.order_id in self.found.orders:
                continue
            if order is not None and order.terminal not in self._names:
                continue
            name = self.terminals[0].name
            self.found.add(differences.of_totals(listed, order, name))
