"""The permissions of this app. Pages of the admin and the REST API use the same.

Being staff gives none of them; a superuser has all.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

VIEW_PAYMENTS: Final = "view_paymentorder"
#: create a payment through the REST API
CREATE_PAYMENTS: Final = "add_paymentorder"
TAKE_MOTO: Final = "take_moto"
CAPTURE: Final = "capture_payment"
VOID: Final = "void_payment"
REFUND: Final = "refund_payment"
CANCEL_CAPTURE: Final = "cancel_capture"
RECONCILE: Final = "reconcile_payment"
RESOLVE: Final = "resolve_review"
VIEW_CONTRACTS: Final = "view_contract"
CHARGE_CONTRACT: Final = "charge_contract"
END_CONTRACT: Final = "end_contract"
VIEW_VERIFICATIONS: Final = "view_cardverification"
VERIFY_CARD: Final = "verify_card"

#: Each permission to act on payments includes viewing them, as Django's "change"
#: includes "view".
CAN_VIEW_PAYMENTS: Final = (
    VIEW_PAYMENTS,
    CAPTURE,
    VOID,
    REFUND,
    CANCEL_CAPTURE,
    RECONCILE,
    RESOLVE,
)
#: Who acts on payments may write notes on them.
CAN_WRITE_NOTES: Final = (
    TAKE_MOTO,
    CAPTURE,
    VOID,
    REFUND,
    CANCEL_CAPTURE,
    RECONCILE,
    RESOLVE,
)
CAN_VIEW_CONTRACTS: Final = (VIEW_CONTRACTS, CHARGE_CONTRACT, END_CONTRACT)
CAN_VIEW_VERIFICATIONS: Final = (VIEW_VERIFICATIONS, VERIFY_CARD)


def user_has_any(user: Any, *names: str) -> bool:
    """Whether ``user`` has one of these permissions; ``None`` is an anonymous user."""
    checked = user or AnonymousUser()
    return any(checked.has_perm(f"nexi_payments.{name}") for name in names)


def has_any(request: HttpRequest, *names: str) -> bool:
    """Whether the user of ``request`` has one of these permissions."""
    return user_has_any(request.user, *names)


def require_any(request: HttpRequest, *names: str) -> None:
    """Raise ``PermissionDenied`` (403) unless the user has one of these."""
    if not has_any(request, *names):
        raise PermissionDenied
