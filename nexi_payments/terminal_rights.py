"""On which terminals a user may see, take and refund: ``TERMINAL_RIGHTS``.

The only such rule: admin, API and flows ask ``terminals_of``. It narrows the
permissions, and gives none: a refund needs ``refund_payment`` and the right to refund
on the payment's terminal. A payment, contract or card verification belongs to the
terminal in its column ``terminal``.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from nexi_payments import conf, permissions
from nexi_payments.conf.staff_rules import EVERY, REFUND, SEE, TAKE

__all__ = [
    "REFUND",
    "SEE",
    "TAKE",
    "limit",
    "may",
    "may_use",
    "require",
    "right_of",
    "terminals_of",
]

Rows = TypeVar("Rows", bound=QuerySet[Any])

#: Permission → the right that its use needs; ``SEE`` for the others.
_RIGHTS: Final = {
    permissions.CREATE_PAYMENTS: TAKE,
    permissions.TAKE_MOTO: TAKE,
    permissions.CAPTURE: TAKE,
    permissions.CHARGE_CONTRACT: TAKE,
    permissions.VERIFY_CARD: TAKE,
    permissions.VOID: REFUND,
    permissions.REFUND: REFUND,
    permissions.CANCEL_CAPTURE: REFUND,
}


def terminals_of(user: Any, right: str = SEE) -> frozenset[str] | None:
    """The names of the terminals on which ``user`` has ``right``; ``None`` for all.

    All without ``TERMINAL_RIGHTS``, and for a superuser. With it, a user has what the
    groups of the setting give together: none for a user in none of them. ``TAKE`` and
    ``REFUND`` include ``SEE``.
    """
    rules = conf.current().terminal_rights
    if not rules or _is_superuser(user):
        return None
    found: set[str] = set()
    for group in permissions.group_names(user) & rules.keys():
        for terminal, rights in rules[group].items():
            if right in rights or right == SEE:
                found.add(terminal)
    return None if EVERY in found else frozenset(found)


def _is_superuser(user: Any) -> bool:
    active = getattr(user, "is_active", False)
    return bool(active and getattr(user, "is_superuser", False))


def may(user: Any, right: str, terminal: str) -> bool:
    """Whether ``user`` has ``right`` on ``terminal``."""
    names = terminals_of(user, right)
    return names is None or terminal in names


def right_of(permission: str) -> str:
    """The right on the terminal that the use of a permission needs."""
    return _RIGHTS.get(permission, SEE)


def may_use(request: Any, permission: str, terminal: str) -> bool:
    """Whether the user of ``request`` may use the permission now, and has the right
    that it needs there."""
    allowed = permissions.has_any(request, permission)
    return allowed and may(request.user, right_of(permission), terminal)


def require(user: Any, right: str, terminal: str) -> None:
    """Raises ``Http404`` if the user may not see the terminal, and ``PermissionDenied``
    (403) if the user sees it, and lacks ``right`` there.
    """
    if not may(user, SEE, terminal):
        raise Http404
    if not may(user, right, terminal):
        raise PermissionDenied


def limit(rows: Rows, user: Any, right: str = SEE, *, column: str = "terminal") -> Rows:
    """``rows`` of the terminals on which ``user`` has ``right``. ``column`` leads to
    the terminal's name.
    """
    names = terminals_of(user, right)
    return rows if names is None else rows.filter(**{f"{column}__in": sorted(names)})
