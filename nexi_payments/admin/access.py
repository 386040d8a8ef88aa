"""Who may do what. Seeing, charging by phone, capturing, voiding, refunding, asking and
resolving are permissions of their own; being staff gives none of them."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from nexi_payments import flows
from nexi_payments.pages import address_of

VIEW: Final = "view_paymentorder"
MOTO: Final = "take_moto"
CAPTURE: Final = "capture_payment"
VOID: Final = "void_payment"
REFUND: Final = "refund_payment"
ASK: Final = "reconcile_payment"
RESOLVE: Final = "resolve_review"

#: Who works on payments may see them, as Django's "change" lets see.
READERS: Final = (VIEW, CAPTURE, VOID, REFUND, ASK, RESOLVE)


def may(request: HttpRequest, *names: str) -> bool:
    """Whether this user has one of these permissions."""
    user: Any = request.user
    return any(user.has_perm(f"nexi_payments.{name}") for name in names)


def require(request: HttpRequest, *names: str) -> None:
    """Raises ``PermissionDenied`` (403) unless the user has one of these."""
    if not may(request, *names):
        raise PermissionDenied


def actor(request: HttpRequest) -> flows.Actor:
    return flows.Actor(user=request.user, address=address_of(request))


class ReadOnly:
    """No adding, changing or deleting: rows are written by the flows alone."""

    def has_view_permission(self, request: HttpRequest, *args: Any) -> bool:
        return may(request, *READERS)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False
