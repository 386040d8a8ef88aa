"""URLs and authentication of the project of JSON only."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.urls import include, path
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed


class ByToken(BaseAuthentication):
    """``Authorization: Bearer <name of the user>``, of tests."""

    def authenticate(self, request: Any) -> Any:
        kind, _, name = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer":
            return None
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            raise AuthenticationFailed
        return user, name

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"


urlpatterns = [
    path("payments/", include("nexi_payments.urls")),
    path("api/payments/", include("nexi_payments.api.urls")),
]
