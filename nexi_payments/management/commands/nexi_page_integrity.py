"""``manage.py nexi_page_integrity``: is the delivered payment page the release?"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.core.mail import mail_admins
from django.core.management.base import BaseCommand, CommandParser

from nexi_payments import doctor
from nexi_payments.doctor import page_integrity

log = logging.getLogger("nexi_payments.page_integrity")

_SUBJECTS: Final = {
    1: "The payment page differs from the release",
    2: "The payment page could not be compared with the release",
}


class Command(BaseCommand):
    help = (
        "Fetch the payment page and compare its headers, scripts and stylesheets with"
        " the installed release (PCI DSS 11.6.1). Differences are logged at CRITICAL"
        " and mailed to ADMINS. Exit code 0: equal; 1: it differs; 2: it could not be"
        " compared. Run it once a day, on another machine than the one that serves the"
        " page."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "url",
            nargs="?",
            default="",
            help="the address of an open payment's card page; without it, that of the"
            " newest one at PUBLIC_URL",
        )
        parser.add_argument(
            "--allow",
            nargs="+",
            default=[],
            metavar="URL[=sha384-…]",
            help="further scripts and stylesheets that you have authorised",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings: list[doctor.Finding] = []
        try:
            url = options["url"] or page_integrity.newest_page()
            findings += page_integrity.compare(url, options["allow"])
        except page_integrity.PageUnavailable as error:
            findings.append(page_integrity.unavailable(error))
        for finding in findings:
            self.stdout.write("  " * finding.indent + finding.message)
        code = doctor.exit_code(findings)
        if code:
            _alert(_SUBJECTS[code], [finding.message for finding in findings])
            raise SystemExit(code)


def _alert(subject: str, messages: list[str]) -> None:
    for message in messages:
        log.critical("%s", message)
    try:
        mail_admins(subject, "\n".join(messages))
    except Exception as error:  # each mail backend has errors of its own
        log.error("no email to ADMINS: %s", type(error).__name__)
