"""Diagnosis of an installation: settings, gateways, receivers, rows.

``diagnose`` yields findings, the command ``nexi_doctor`` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from nexi_payments import conf
from nexi_payments.doctor import (
    audit_trail,
    backlog,
    configuration,
    hosted_page,
    pan_scan,
    terminals,
)
from nexi_payments.doctor.findings import EXIT_CODES, OK, UNKNOWN, WARNING, Finding

__all__ = ["EXIT_CODES", "OK", "UNKNOWN", "WARNING", "Finding", "diagnose", "exit_code"]


def diagnose(
    *,
    contact_gateways: bool = True,
    scan_apps: Sequence[str] | None = None,
    audit_anchors: Mapping[int, str] | None = None,
) -> Iterator[Finding]:
    """Yield all findings. Sends no request that moves money.

    ``contact_gateways`` sends a request to each terminal's gateway, and stores the
    methods of the hosted page: nothing else is written. ``scan_apps``
    are further apps whose texts are scanned for card numbers; with an empty sequence
    only ours are scanned, with ``None`` nothing is. With ``audit_anchors`` (hashes by
    number, or an empty mapping) the audit trail is verified. Raises ``LookupError`` for
    an unknown app.
    """
    try:
        settings = conf.current()
    except ImproperlyConfigured as error:
        yield Finding("settings", f"settings: {error}", UNKNOWN, indent=0)
        return
    try:
        yield from configuration.system_checks()
        for terminal in settings.terminals.values():
            yield from terminals.diagnose_terminal(
                terminal, contact_gateway=contact_gateways
            )
        yield from hosted_page.methods(settings, contact_gateways=contact_gateways)
        yield from terminals.simulator(settings)
        yield from terminals.missing_terminals()
        yield from configuration.absolute_urls()
        yield from configuration.receivers()
        yield from configuration.sealed_card_keys(settings)
        yield from backlog.reconciler()
        yield from backlog.waiting_charges()
        yield from backlog.database_clock()
        yield from backlog.row_counts()
        yield from backlog.failing_signals()
        yield from backlog.failing_contracts()
        yield from backlog.discrepancies()
        yield from audit_trail.state()
        if audit_anchors is not None:
            yield from audit_trail.verification(audit_anchors)
        if scan_apps is not None:
            yield from pan_scan.scan_texts(scan_apps)
    except Error as error:
        message = f"the database does not answer: {type(error).__name__}"
        yield Finding("database", message, UNKNOWN, indent=0)


def exit_code(findings: Sequence[Finding]) -> int:
    """The code of the worst finding: 0, 1 or 2."""
    return max((EXIT_CODES[finding.level] for finding in findings), default=0)
