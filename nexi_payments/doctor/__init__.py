"""Is this shop well? Looks at settings, gateways, receivers and rows; changes nothing.

``examine`` finds, ``nexi_doctor`` prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from nexi_payments import conf
from nexi_payments.doctor import scan, shop, terminals, waiting
from nexi_payments.doctor.findings import BLIND, EXIT, LOOK, WELL, Finding

__all__ = ["BLIND", "EXIT", "LOOK", "WELL", "Finding", "examine", "exit_code"]


def examine(
    *, ask: bool = True, scanned: Sequence[str] | None = None
) -> Iterator[Finding]:
    """``ask`` the gateways; ``scanned`` are further apps whose texts are searched for
    card numbers (none but ours with an empty one, no search with ``None``)."""
    try:
        settings = conf.current()
    except ImproperlyConfigured as error:
        yield Finding("settings", f"settings: {error}", BLIND, depth=0)
        return
    try:
        yield from shop.settings_checked()
        for terminal in settings.terminals.values():
            yield from terminals.look_at(terminal, ask=ask)
        yield from shop.addresses()
        yield from shop.receivers()
        yield from shop.keys(settings)
        yield from waiting.reconciler()
        yield from waiting.clock()
        yield from waiting.rows()
        yield from waiting.breaks()
        if scanned is not None:
            yield from scan.texts(scanned)
    except Error as error:
        says = f"the database does not answer: {type(error).__name__}"
        yield Finding("database", says, BLIND, depth=0)


def exit_code(findings: Sequence[Finding]) -> int:
    return max((EXIT[one.level] for one in findings), default=0)
