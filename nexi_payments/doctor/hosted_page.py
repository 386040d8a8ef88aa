"""Nexi's hosted page: the methods that each terminal offers, and what Nexi lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nexi_payments import conf, payment_methods
from nexi_payments.doctor.findings import OK, WARNING, Finding
from nexi_payments.flows.hosted import offers
from nexi_payments.models.hosted_page import TerminalMethods


def methods(settings: conf.Settings, *, contact_gateways: bool) -> Iterator[Finding]:
    """The methods of each terminal with a hosted page.

    With ``contact_gateways`` Nexi's list is asked for and stored, as the reconciler
    does. Without it, or without an answer, the last list counts.
    """
    terminals = [one for one in settings.terminals.values() if one.has_hosted_page]
    openers: dict[str, list[str] | None] = {}
    for terminal in terminals:
        opener = settings.terminals.get(terminal.hosted_terminal or terminal.name)
        if opener is None:
            continue  # E026 reports it
        if opener.name not in openers:
            row, findings = _list_of(opener, contact_gateways=contact_gateways)
            openers[opener.name] = row
            yield from findings
        yield from _offers(settings, terminal, opener, openers[opener.name])


def _list_of(
    opener: conf.Terminal, *, contact_gateways: bool
) -> tuple[list[str] | None, list[Finding]]:
    """The circuits of other methods, ``None`` if Nexi never listed them; and what there
    is to say about them."""
    section = f"hosted page {opener.name}"
    before = TerminalMethods.objects.filter(terminal=opener.name).first()
    row = offers.refresh(opener) if contact_gateways else before
    hosts = ", ".join(opener.hosted_page_hosts) or "the simulator's"
    found = [
        Finding(
            section,
            f"hosted page, opened by terminal {opener.name}; hosts: {hosts}",
            data={"hosts": list(opener.hosted_page_hosts)},
            indent=0,
        )
    ]
    if row is None or row.refreshed_at is None:
        level = WARNING if contact_gateways else OK
        found.append(Finding(section, "Nexi has not listed its methods yet", level))
        return None, found
    if contact_gateways and row.refreshed_at != row.asked_at:
        message = f"the list is of {row.refreshed_at:%Y-%m-%d %H:%M}: no answer now"
        found.append(Finding(section, message, WARNING))
    old = before.circuits if before and before.refreshed_at else row.circuits
    found += _changes(section, old, row.circuits)
    if unknown := offers.unknown_circuits(row.circuits):
        message = (
            f"Nexi lists {', '.join(unknown)}, which this version does not know: not"
            " offered"
        )
        found.append(Finding(section, message, data={"unknown": unknown}))
    return list(row.circuits), found


def _changes(section: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Finding]:
    old, new = list(old), list(new)
    added = [one for one in new if one not in old]
    gone = [one for one in old if one not in new]
    if added:
        message = f"new since the last list: {', '.join(added)}"
        yield Finding(section, message, data={"added": added})
    if gone:
        message = f"gone since the last list: {', '.join(gone)}"
        yield Finding(section, message, data={"gone": gone})


def _offers(
    settings: conf.Settings,
    terminal: conf.Terminal,
    opener: conf.Terminal,
    circuits: list[str] | None,
) -> Iterator[Finding]:
    """What shoppers of ``terminal`` may choose, limits and currencies aside."""
    known = (
        payment_methods.find(one, settings.method_overrides) for one in circuits or ()
    )
    listed = [one.code for one in known if one is not None]
    wanted = listed if terminal.methods is None else list(terminal.methods)
    offered = [] if terminal.has_own_card_page else [payment_methods.CARDS]
    offered += [code for code in wanted if code in listed]
    section = f"hosted page {opener.name}"
    yield Finding(
        section,
        f"terminal {terminal.name} offers: {', '.join(offered) or 'nothing'}",
        OK if offered or circuits is None or not _wants_any(terminal) else WARNING,
        {"terminal": terminal.name, "offered": offered},
    )
    missing = [code for code in wanted if code not in listed]
    if missing and circuits is not None:
        yield Finding(
            section,
            f"METHODS of {terminal.name} names {', '.join(missing)}, which Nexi does"
            " not list: not offered",
            WARNING,
            {"terminal": terminal.name, "missing": missing},
        )


def _wants_any(terminal: conf.Terminal) -> bool:
    """Whether shoppers are to choose a method: not where only links are sent."""
    return terminal.methods != () or not terminal.has_own_card_page
