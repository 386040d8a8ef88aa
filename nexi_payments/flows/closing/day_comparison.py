"""What the comparison of a day has found: counts, totals and differences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils import timezone

from nexi_payments.flows.closing import differences, ledger_rows
from nexi_payments.flows.closing.days import ShopDay
from nexi_payments.flows.closing.figures import Figures
from nexi_payments.flows.closing.ledger_rows import LedgerRow
from nexi_payments.models import ClosingDifference, DayClosing

#: Differences that are kept one by one. More are counted: a day like that needs its
#: cause, not its list.
MOST_DIFFERENCES: Final = 1000


@dataclass
class DayComparison:
    """What a comparison has found. ``clerks``: user names by key, for ``figures``."""

    day: ShopDay
    terminals: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    figures: Figures = field(default_factory=Figures)
    differences: list[ClosingDifference] = field(default_factory=list)
    #: the orders of ``differences``: their totals say nothing more
    orders: set[str] = field(default_factory=set)
    omitted: int = 0
    matched: int = 0
    without_money: int = 0
    of_others: int = 0

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of ``DayClosing.totals``."""
        keys = {group.clerk for group in self.figures.groups} - {None, ""}
        return self.figures.lines(ledger_rows.usernames(keys))

    def as_closing(self, revision: int) -> DayClosing:
        """Unsaved, without its differences."""
        return DayClosing(
            day=self.day.date,
            revision=revision,
            zone=self.day.zone,
            starts_at=self.day.start,
            ends_at=self.day.end,
            closed_at=timezone.now(),
            terminals=self.terminals,
            totals=self.lines,
            matched=self.matched,
            without_money=self.without_money,
            of_others=self.of_others,
            omitted=self.omitted,
            **self.counts,
        )

    def add_ours(self, row: LedgerRow) -> None:
        if row.is_done and row.moves_money:
            self.figures.add_ours(differences.group(row), row.amount)

    def add(self, difference: ClosingDifference) -> None:
        self.counts[difference.kind] += 1
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(difference)
            self.orders.add(difference.order_id)
        else:
            self.omitted += 1
