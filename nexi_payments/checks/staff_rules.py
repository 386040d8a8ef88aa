"""System checks of ``TERMINAL_RIGHTS`` and ``APPROVAL_CEILINGS``.

Ids: docs/checks.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.auth.models import Group
from django.core.checks import (
    CheckMessage,
    Warning,  # noqa: A004  Django's own name
)
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction

from nexi_payments import conf
from nexi_payments.conf.staff_rules import EVERY
from nexi_payments.models import db_transactions


def check_staff_rules(**kwargs: Any) -> list[CheckMessage]:
    """W040, W041. With settings that cannot be read, E001 is enough."""
    try:
        settings = conf.load()
    except ImproperlyConfigured:
        return []
    return [*_check_terminals(settings), *_check_currencies(settings)]


def _check_terminals(settings: conf.Settings) -> Iterator[CheckMessage]:
    named = {name for one in settings.terminal_rights.values() for name in one}
    for name in sorted(named - settings.terminals.keys() - {EVERY}):
        yield Warning(
            f"TERMINAL_RIGHTS names the terminal {name!r}, which TERMINALS lacks.",
            hint="Use one of the names in TERMINALS, or '*' for all. Keep it only for"
            " the payments of a terminal that was removed.",
            id="nexi_payments.W040",
        )


def _check_currencies(settings: conf.Settings) -> Iterator[CheckMessage]:
    taken = {code for one in settings.terminals.values() for code in one.currencies}
    for permission, groups in settings.approval_ceilings.items():
        for group, amounts in groups.items():
            if missing := sorted(taken - amounts.keys()):
                yield Warning(
                    f"APPROVAL_CEILINGS of {permission} for {group!r} has no ceiling in"
                    f" {', '.join(missing)}.",
                    hint="Every amount in that currency needs an approval. Add a"
                    " ceiling, or None for no ceiling.",
                    id="nexi_payments.W041",
                )


def check_groups(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W042: runs with ``check --database default`` and with ``migrate``."""
    alias = db_transactions.alias()
    if alias not in (databases or ()):
        return []
    try:
        settings = conf.current()
        named = set(settings.terminal_rights)
        for groups in settings.approval_ceilings.values():
            named |= groups.keys()
        with transaction.atomic(using=alias):
            known = set(Group.objects.filter(name__in=named).values_list("name"))
    except (ImproperlyConfigured, DatabaseError):
        return []  # E001, or before a migration
    missing = sorted(named - {name for (name,) in known} - {EVERY})
    return [
        Warning(
            f"TERMINAL_RIGHTS or APPROVAL_CEILINGS names the group {name!r}, which does"
            " not exist.",
            hint="Add the group in the admin, or use the name of another one: until"
            " then nobody has its rights or its ceiling.",
            id="nexi_payments.W042",
        )
        for name in missing
    ]
