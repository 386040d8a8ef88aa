"""Who may do what: a permission for each deed, as in the admin; the client secret for
the browser that pays. And how often."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from nexi_payments import conf, flows, pages
from nexi_payments.api.possession import is_public_id, is_secret_of
from nexi_payments.models import PaymentOrder

HEADER: Final = "X-Client-Secret"

CREATE: Final = "add_paymentorder"
MOTO: Final = "take_moto"
CAPTURE: Final = "capture_payment"
VOID: Final = "void_payment"
REFUND: Final = "refund_payment"
ASK: Final = "reconcile_payment"
CANCEL: Final = "cancel_capture"
CHARGE_CONTRACT: Final = "charge_contract"
END_CONTRACT: Final = "end_contract"
CONTRACT_READERS: Final = ("view_contract", CHARGE_CONTRACT, END_CONTRACT)
VERIFY: Final = "verify_card"
CHECK_READERS: Final = ("view_cardcheck", VERIFY)
#: Who works on payments may see them.
READERS: Final = (
    *("view_paymentorder", CAPTURE, VOID, REFUND, ASK, CANCEL),
    "resolve_review",
)


def may(*names: str) -> type[BasePermission]:
    """A permission class: one of these, whether staff or not (a server's own user)."""

    class Allowed(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:
            user: Any = request.user or AnonymousUser()  # the host may want None
            return any(user.has_perm(f"nexi_payments.{name}") for name in names)

    return Allowed


class ClientSecret(BaseAuthentication):
    """``request.auth`` is the order. An unknown order and a wrong secret look alike."""

    def authenticate(self, request: Request) -> tuple[Any, PaymentOrder]:
        secret = request.headers.get(HEADER, "")
        public_id: str = request.parser_context["kwargs"]["id"]
        if not secret:
            raise exceptions.NotAuthenticated
        order = None
        if is_public_id(public_id) and is_secret_of(public_id, secret):
            order = PaymentOrder.objects.filter(public_id=public_id).first()
        if order is None:
            raise exceptions.AuthenticationFailed
        return AnonymousUser(), order

    def authenticate_header(self, request: Request) -> str:
        return HEADER


class Holder(BasePermission):
    """Whoever came with the client secret; set, so that a host's default is not."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, PaymentOrder)


def actor(request: Request) -> flows.Actor:
    """The user behind server credentials, or nobody by name, and from where."""
    inner: HttpRequest = request._request
    # whoever pays is nobody by name: the client secret says nothing about it
    user = None if isinstance(request.auth, PaymentOrder) else request.user
    return flows.Actor(
        user, pages.address_of(inner), request_id=pages.request_id_of(inner)
    )


class _Throttle(SimpleRateThrottle):
    """The host's rate for ``scope`` if it names one, else ours; none while
    ``RATE_LIMITS`` is "off"."""

    usual: str

    def get_rate(self) -> str | None:
        rates: Any = api_settings.DEFAULT_THROTTLE_RATES
        rate: str | None = rates.get(str(self.scope), self.usual)
        return rate

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not conf.current().rate_limits:
            return None
        return self.cache_format % {"scope": self.scope, "ident": self.ident(request)}

    def ident(self, request: Request) -> str:
        """The user; for the browser that pays, the purchase with all its attempts. Not
        the address: a whole shop has one behind a proxy that nobody told us of."""
        who: Any = request.user.pk
        if isinstance(request.auth, PaymentOrder):
            who = request.auth.live_key
        return hashlib.sha256(f"{type(who)} {who}".encode()).hexdigest()


class CardThrottle(_Throttle):
    """Cards of shoppers."""

    scope = "nexi_card"
    usual = "20/min"


class MotoThrottle(_Throttle):
    """Phone orders: a whole call centre may come as one user."""

    scope = "nexi_moto"
    usual = "120/min"


class VerifyThrottle(_Throttle):
    """Cards that are only verified: who tries out stolen ones needs many of these."""

    scope = "nexi_verify"
    usual = "30/min"


class CheckoutThrottle(_Throttle):
    """What a browser asks while it pays: mostly how the payment stands."""

    scope = "nexi_checkout"
    usual = "120/min"


class ServerThrottle(_Throttle):
    """Server credentials."""

    scope = "nexi_server"
    usual = "1200/min"
