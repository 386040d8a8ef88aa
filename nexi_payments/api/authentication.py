"""Authentication by client secret, by a password alone, and the actor of a request."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework import exceptions
from rest_framework.authentication import (
    BaseAuthentication,
    BasicAuthentication,
    SessionAuthentication,
)
from rest_framework.request import Request

from nexi_payments import conf, flows, permissions
from nexi_payments.api.client_secrets import order_for_secret
from nexi_payments.models import PaymentOrder
from nexi_payments.web import client_info

CLIENT_SECRET_HEADER: Final = "X-Client-Secret"  # noqa: S105  a header's name


class ClientSecretAuthentication(BaseAuthentication):
    """Sets ``request.auth`` to the order.

    An unknown order and a wrong secret get the same response.
    """

    def authenticate(self, request: Request) -> tuple[Any, PaymentOrder]:
        secret = request.headers.get(CLIENT_SECRET_HEADER, "")
        if not secret:
            raise exceptions.NotAuthenticated
        order = order_for_secret(request.parser_context["kwargs"]["id"], secret)
        if order is None:
            raise exceptions.AuthenticationFailed
        return AnonymousUser(), order

    def authenticate_header(self, request: Request) -> str:
        return CLIENT_SECRET_HEADER


def proves_password_alone(kind: type[Any]) -> bool:
    """Whether an authentication class shows no more than that somebody knew a password:
    HTTP Basic, and the session of a log-in, with their subclasses.
    """
    return issubclass(kind, BasicAuthentication | SessionAuthentication)


def may_move_money(request: Request) -> bool:
    """Whether the credentials of ``request`` are good enough for what moves money.

    A password alone is not, unless ``API_PASSWORD_AUTHENTICATION`` names its class, or
    the user of a session is verified (``IS_VERIFIED``). That function has a veto on
    every request.
    """
    if not permissions.is_verified(request):
        return False
    kind = type(request.successful_authenticator)
    if not proves_password_alone(kind):
        return True
    if f"{kind.__module__}.{kind.__qualname__}" in (
        conf.current().api_password_authentication
    ):
        return True
    is_session = issubclass(kind, SessionAuthentication)
    return is_session and bool(conf.current().is_verified)


def actor(request: Request, *, captcha_passed: bool = False) -> flows.Actor:
    """The user of server credentials (``None`` for a shopper), and the IP address."""
    inner: HttpRequest = request._request
    # the payer is anonymous: a client secret identifies an order, not a person
    user = None if isinstance(request.auth, PaymentOrder) else request.user
    return flows.Actor(
        user,
        client_info.get_client_ip(inner),
        request_id=client_info.get_request_id(inner),
        captcha_passed=captcha_passed,
        name="" if user is None else str(user.get_username()),
    )
