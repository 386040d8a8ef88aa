"""Validators of the rules for staff: rights per terminal, and approval ceilings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from nexi_payments.conf import validators

#: What a group may do on a terminal; each includes ``SEE``.
SEE: Final = "see"
TAKE: Final = "take"
REFUND: Final = "refund"
RIGHTS: Final = (SEE, TAKE, REFUND)

#: All terminals, or all users that are in no group of the table.
EVERY: Final = "*"

#: The permissions whose use may need an approval.
CEILING_PERMISSIONS: Final = ("refund_payment", "take_moto")

#: group → terminal → rights
TerminalRights = Mapping[str, Mapping[str, frozenset[str]]]
#: permission → group → currency → minor units; ``None`` = no ceiling
Ceilings = Mapping[str, Mapping[str, Mapping[str, int | None]]]


def terminal_rights(value: Any, setting: str) -> TerminalRights:
    """``{"Milan": {"milan": ["take", "refund"], "web": ["see"]}}``"""
    return {
        group: {
            terminal: _rights(rights, f"{setting}[{group!r}][{terminal!r}]")
            for terminal, rights in _dict(terminals, f"{setting}[{group!r}]").items()
        }
        for group, terminals in _dict(value or {}, setting).items()
    }


def _rights(value: Any, setting: str) -> frozenset[str]:
    words = validators.string_list(value, setting)
    if not words:
        raise ImproperlyConfigured(f"{setting} must name one of {', '.join(RIGHTS)}")
    return frozenset(validators.one_of(one, RIGHTS, setting) for one in words)


def approval_ceilings(value: Any, setting: str) -> Ceilings:
    """``{"refund_payment": {"*": {"EUR": 10000}, "Managers": {"EUR": None}}}``"""
    table = _dict(value or {}, setting)
    validators.reject_unknown_keys(table, CEILING_PERMISSIONS, setting)
    return {
        permission: {
            group: _amounts(amounts, f"{setting}[{permission!r}][{group!r}]")
            for group, amounts in _dict(groups, f"{setting}[{permission!r}]").items()
        }
        for permission, groups in table.items()
    }


def _amounts(value: Any, setting: str) -> Mapping[str, int | None]:
    amounts = _dict(value, setting)
    validators.reject_unknown_currencies(amounts, setting)
    for currency, minor in amounts.items():
        is_amount = isinstance(minor, int) and not isinstance(minor, bool)
        if minor is not None and not (is_amount and minor >= 0):
            raise ImproperlyConfigured(
                f"{setting}[{currency!r}] must be a whole number of minor units (10000"
                " for 100.00), or None for no ceiling"
            )
    return amounts


def _dict(value: Any, setting: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured(f"{setting} must be a dict")
    for name in value:
        if not isinstance(name, str):
            raise ImproperlyConfigured(f"{setting}: {name!r} is not a name")
    return value
