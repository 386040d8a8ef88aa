"""W013: who enters cards, or moves money, needs more than a password. It looks at what
is used, not at what is installed."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth.backends import ModelBackend, RemoteUserBackend
from django.core.checks import run_checks

from tests.conf.test_settings import KEY, use

BASIC = "rest_framework.authentication.BasicAuthentication"
TOKEN = f"{__name__}.TokenAuthentication"


class TokenAuthentication:
    pass


class OIDCAuthenticationBackend(ModelBackend):
    """As that of mozilla-django-oidc."""

    def authenticate(self, request: Any, **kwargs: Any) -> None:  # type: ignore[override]
        return None


class EmailBackend(ModelBackend):
    def authenticate(  # type: ignore[override]
        self, request: Any, email: str = "", password: str = "", **kwargs: Any
    ) -> None:
        return None


def told() -> list[str]:
    found = run_checks(include_deployment_checks=True)
    return [one.msg for one in found if one.id == "nexi_payments.W013"]


@pytest.fixture(autouse=True)
def desk(settings: Any) -> Any:
    """``desk(IS_VERIFIED=…)``: a desk that charges cards, with these settings."""

    def change(**more: Any) -> None:
        use(
            settings,
            {"API_KEY": "k", "MOTO": True},
            PUBLIC_URL="https://shop.example",
            SEALED_CARD_KEYS=[KEY],
            **more,
        )

    change()
    return change


def test_staff_who_key_cards_by_a_password() -> None:
    [text] = told()
    assert text == (
        "Staff enter cards for default with a password alone, in the admin site 'admin'"
        " (AdminSite)."
    )


@pytest.mark.parametrize("package", ["django_otp", "allauth.mfa", "two_factor"])
def test_a_package_that_is_merely_installed_says_nothing(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    known = apps.is_installed

    def is_installed(name: str) -> bool:
        return name == package or known(name)

    monkeypatch.setattr(apps, "is_installed", is_installed)
    assert len(told()) == 1


@pytest.mark.parametrize("module", ["django_otp.admin", "two_factor.admin"])
def test_the_admin_site_of_such_a_package(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    kind = type("OTPAdminSite", (AdminSite,), {"__module__": module})
    real = admin.site._wrapped  # type: ignore[attr-defined]
    monkeypatch.setattr(real, "__class__", kind)
    assert told() == []
    own = type("OwnSite", (kind,), {"__module__": "shop.admin"})
    monkeypatch.setattr(real, "__class__", own)
    assert told() == []


def test_its_log_in_in_the_place_of_djangos(monkeypatch: pytest.MonkeyPatch) -> None:
    def login(request: Any) -> None: ...

    monkeypatch.setattr(admin.site._wrapped, "login", login)  # type: ignore[attr-defined]
    assert len(told()) == 1
    login.__module__ = "allauth.account.decorators"
    assert told() == []


@pytest.mark.urls("tests.support.urls_without_admin")
def test_an_admin_that_is_not_in_the_urls() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("backends", "count"),
    [
        ([ModelBackend], 1),
        ([EmailBackend], 1),
        ([OIDCAuthenticationBackend, EmailBackend], 1),
        ([OIDCAuthenticationBackend], 0),
        ([RemoteUserBackend], 0),
    ],
)
def test_single_sign_on_alone(settings: Any, backends: list[Any], count: int) -> None:
    settings.AUTHENTICATION_BACKENDS = [
        f"{one.__module__}.{one.__qualname__}" for one in backends
    ]
    assert len(told()) == count


def test_the_shop_that_asks_by_itself(desk: Any) -> None:
    desk(IS_VERIFIED="shop.staff.is_verified", API_PASSWORD_AUTHENTICATION=[BASIC])
    assert told() == []


def test_a_password_that_moves_money_by_the_api(desk: Any, settings: Any) -> None:
    desk(API_PASSWORD_AUTHENTICATION=[BASIC, TOKEN])
    assert told()[1:] == [f"The API moves money by a password alone: {BASIC}."]
    # what is named and not used opens nothing
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": []}
    assert told()[1:] == []
