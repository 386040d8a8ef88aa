"""DRF permission classes on the app's permissions, which the admin uses, too."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from nexi_payments import terminal_rights
from nexi_payments.api import authentication
from nexi_payments.api.problem_details import Problem
from nexi_payments.models import PaymentOrder
from nexi_payments.permissions import MONEY, user_has_any


def requires(*names: str) -> type[BasePermission]:
    """A permission class that needs one of ``names``.

    The user need not be staff: a server has its own user. If all of ``names`` move
    money, a password alone is refused: 403 ``second_factor_required``.
    """

    class Allowed(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:
            # the project may have set UNAUTHENTICATED_USER to None
            if not user_has_any(request.user, *names):
                return False
            moves_money = MONEY.issuperset(names)
            if moves_money and not authentication.may_move_money(request):
                raise Problem(
                    403,
                    "second_factor_required",
                    "A password alone does not allow this. Nothing was sent. Use"
                    " another kind of authentication.",
                )
            return True

    return Allowed


def require_right(request: Request, terminal: str, permission: str) -> None:
    """Raises ``Http404`` if the user may not see ``terminal``, and ``PermissionDenied``
    without the right there that ``permission`` needs."""
    right = terminal_rights.right_of(permission)
    terminal_rights.require(request.user, right, terminal)


def require_right_to_take(request: Request, terminal: str, permission: str) -> None:
    """Raises ``PermissionDenied`` if the user may not begin anything on ``terminal``:
    the request names it, so a 404 would hide nothing."""
    right = terminal_rights.right_of(permission)
    if not terminal_rights.may(request.user, right, terminal):
        raise PermissionDenied


class HasClientSecret(BasePermission):
    """Needs a client secret. Set on each view, to override the project's default."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, PaymentOrder)
