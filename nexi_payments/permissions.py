"""The permissions of this app. Pages of the admin and the REST API use the same.

Being staff gives none of them; a superuser has all. For those that move money, the shop
may ask for more than a log-in (``IS_VERIFIED``).
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.module_loading import import_string

from nexi_payments import conf

log = logging.getLogger("nexi_payments.hooks")

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
#: the communication log, on the page of a payment that the user may see
VIEW_COMMUNICATION: Final = "view_communication_log"
VIEW_CONTRACTS: Final = "view_contract"
CHARGE_CONTRACT: Final = "charge_contract"
END_CONTRACT: Final = "end_contract"
VIEW_VERIFICATIONS: Final = "view_cardverification"
VERIFY_CARD: Final = "verify_card"
APPROVE: Final = "approve_payment"
VIEW_CLOSINGS: Final = "view_dayclosing"
CLOSE_DAY: Final = "close_day"

#: They move money, decide about it, or take cards: a password alone is not enough.
MONEY: Final = frozenset(
    {
        TAKE_MOTO,
        CAPTURE,
        VOID,
        REFUND,
        CANCEL_CAPTURE,
        RESOLVE,
        CHARGE_CONTRACT,
        END_CONTRACT,
        VERIFY_CARD,
    }
)

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
    APPROVE,
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
CAN_VIEW_CLOSINGS: Final = (VIEW_CLOSINGS, CLOSE_DAY)
CAN_VIEW_VERIFICATIONS: Final = (VIEW_VERIFICATIONS, VERIFY_CARD)


def user_has_any(user: Any, *names: str) -> bool:
    """Whether ``user`` has one of these permissions; ``None`` is an anonymous user."""
    checked = user or AnonymousUser()
    return any(checked.has_perm(f"nexi_payments.{name}") for name in names)


def group_names(user: Any) -> frozenset[str]:
    """The names of the user's groups, read once for each instance of a user, as Django
    reads permissions.

    None for an anonymous user, and for a user model without groups.
    """
    found: frozenset[str] | None = getattr(user, "_nexi_group_names", None)
    if found is None:
        groups = getattr(user, "groups", None) if getattr(user, "pk", None) else None
        rows = () if groups is None else groups.values_list("name", flat=True)
        found = frozenset(rows)
        if user is not None:
            user._nexi_group_names = found
    return found


def has_any(request: HttpRequest, *names: str) -> bool:
    """Whether the user of ``request`` has one of these permissions, and is verified if
    all of them move money."""
    if not user_has_any(request.user, *names):
        return False
    return not MONEY.issuperset(names) or is_verified(request)


def is_verified(request: Any) -> bool:
    """What the shop says of this request (``IS_VERIFIED``): whether its user has proved
    more than a password. Without the setting: True.

    ``request`` is Django's, or that of Django REST framework. The shop is asked once a
    request. An error is logged, and means no.
    """
    path = conf.current().is_verified
    if not path:
        return True
    answer: bool | None = getattr(request, "_nexi_payments_is_verified", None)
    if answer is None:
        try:
            answer = bool(import_string(path)(request))
        except Exception:
            log.exception("IS_VERIFIED failed: nothing is allowed")
            answer = False
        request._nexi_payments_is_verified = answer
    return answer


def require_any(request: HttpRequest, *names: str) -> None:
    """Raise ``PermissionDenied`` (403) unless the user has one of these."""
    if not has_any(request, *names):
        raise PermissionDenied
