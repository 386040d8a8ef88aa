"""Who may do what. Seeing, charging by phone, verifying a card, capturing, voiding,
refunding, asking and resolving are permissions of their own; being staff gives none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, URLPattern, path, reverse

from nexi_payments import flows
from nexi_payments.pages import address_of, request_id_of

View = Callable[..., HttpResponseBase]

VIEW: Final = "view_paymentorder"
MOTO: Final = "take_moto"
CAPTURE: Final = "capture_payment"
VOID: Final = "void_payment"
REFUND: Final = "refund_payment"
ASK: Final = "reconcile_payment"
RESOLVE: Final = "resolve_review"
CANCEL: Final = "cancel_capture"
SEE_CONTRACTS: Final = "view_contract"
CHARGE_CONTRACT: Final = "charge_contract"
END_CONTRACT: Final = "end_contract"
SEE_CHECKS: Final = "view_cardcheck"
VERIFY: Final = "verify_card"

#: Who works on payments may see them, as Django's "change" lets see.
READERS: Final = (VIEW, CAPTURE, VOID, REFUND, ASK, RESOLVE, CANCEL)
#: The same for cards on file.
CONTRACT_READERS: Final = (SEE_CONTRACTS, CHARGE_CONTRACT, END_CONTRACT)
#: And for cards that were verified.
CHECK_READERS: Final = (SEE_CHECKS, VERIFY)


def may(request: HttpRequest, *names: str) -> bool:
    """Whether this user has one of these permissions."""
    user: Any = request.user
    return any(user.has_perm(f"nexi_payments.{name}") for name in names)


def require(request: HttpRequest, *names: str) -> None:
    """Raises ``PermissionDenied`` (403) unless the user has one of these."""
    if not may(request, *names):
        raise PermissionDenied


def way_to_verify(request: HttpRequest, site: str) -> str:
    """Where a card is verified; "" for who may not, and on a site without the page."""
    if not may(request, VERIFY):
        return ""
    try:
        return reverse("admin:nexi_payments_cardcheck_verify", current_app=site)
    except NoReverseMatch:
        return ""


def actor(request: HttpRequest) -> flows.Actor:
    return flows.Actor(
        user=request.user,
        address=address_of(request),
        request_id=request_id_of(request),
    )


class ReadOnly:
    """No adding, changing or deleting: rows are written by the flows alone."""

    if TYPE_CHECKING:
        admin_site: Any
        opts: Any

    def at(self, route: str, view: View, name: str) -> URLPattern:
        """A page beside the list, for staff who are logged in; its address is called
        "admin:nexi_payments_<model>_<name>"."""

        @functools.wraps(view)
        def here(request: HttpRequest, *args: Any, **kw: Any) -> HttpResponseBase:
            request.current_app = self.admin_site.name  # for {% url %}
            return view(request, *args, **kw)

        known_as = f"nexi_payments_{self.opts.model_name}_{name}"
        page: URLPattern = path(route, self.admin_site.admin_view(here), name=known_as)
        return page

    def address(self, name: str, *args: Any) -> str:
        """Of a page of this model, the list ("changelist") among them."""
        known_as = f"admin:nexi_payments_{self.opts.model_name}_{name}"
        return reverse(known_as, args=args, current_app=self.admin_site.name)

    def has_view_permission(self, request: HttpRequest, *args: Any) -> bool:
        return may(request, *READERS)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False
