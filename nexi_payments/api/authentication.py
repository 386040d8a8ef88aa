"""Authentication by client secret, and the actor of a request."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from nexi_payments import flows
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


def actor(request: Request) -> flows.Actor:
    """The user of server credentials (``None`` for a shopper), and the IP address."""
    inner: HttpRequest = request._request
    # the payer is anonymous: a client secret identifies an order, not a person
    user = None if isinstance(request.auth, PaymentOrder) else request.user
    return flows.Actor(
        user,
        client_info.get_client_ip(inner),
        request_id=client_info.get_request_id(inner),
        name="" if user is None else str(user.get_username()),
    )
