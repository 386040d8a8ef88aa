"""After an older backup was restored: the same as a sweep, over a longer time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from nexi_payments.conf import Terminal
from nexi_payments.flows.inquiry import listing, orphans, query
from nexi_payments.flows.inquiry.listing import Difference
from nexi_payments.models import PaymentOrder, db_transactions


@dataclass(frozen=True)
class Restored:
    """One difference, and the order afterwards (``None``: not written).

    ``answered`` is false when Nexi did not answer the inquiry: the reconciler repeats
    it.
    """

    difference: Difference
    order: PaymentOrder | None = None
    answered: bool = True

    @property
    def is_unknown(self) -> bool:
        return self.difference.order is None


def restore(
    terminal: Terminal, since: datetime, *, dry_run: bool = False
) -> Iterator[Restored]:
    """Compares all orders that Nexi lists since then with ours. Yields each difference,
    after it was written and inquired about; ``dry_run`` writes nothing.

    Idempotent, at any time, with payments running. Raises ``GatewayError`` when Nexi
    does not list its orders; what was yielded before stays. Raises ``RuntimeError``
    inside a transaction.
    """
    db_transactions.require_no_transaction()
    for difference in listing.find_differences(terminal, since):
        if dry_run:
            yield Restored(difference)
            continue
        order = orphans.catch_up(terminal, difference)
        if order is None:
            yield Restored(difference)
            continue
        client = orphans.client_of(order, terminal)
        answered = query.inquire_and_apply(order, client, scheduled=True).answered
        yield Restored(difference, order, answered)
