"""W013: who moves money, or enters cards, by a password alone. Id: docs/checks.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_backends
from django.core.checks import (
    CheckMessage,
    Warning,  # noqa: A004  Django's own name
)
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver

from nexi_payments import conf
from nexi_payments.models import PhoneOrder

#: Packages whose admin site, or whose log-in in its place, asks for a second factor.
_MFA_PACKAGES: Final = ("django_otp", "two_factor", "allauth", "allauth_2fa")


def check_second_factor(**kwargs: Any) -> list[CheckMessage]:
    """W013, for each admin site with the phone order desk and for the API.

    It looks at what is used, not at what is installed. With ``IS_VERIFIED`` the shop
    decides.
    """
    try:
        settings = conf.load()
    except ImproperlyConfigured:
        return []  # E001 reports it
    if settings.is_verified:
        return []
    found: list[CheckMessage] = []
    moto = [one.name for one in settings.moto_terminals if one.has_own_card_page]
    if moto and _takes_passwords():
        found += [
            Warning(
                f"Staff enter cards for {', '.join(moto)} with a password alone, in the"
                f" admin site {site.name!r} ({type(site).__name__}).",
                hint="PCI DSS 8.4.2 requires a second factor for access to card data: "
                "the admin site of django-otp, django-allauth's secure_admin_login, or "
                "your single sign-on. Or tell us in IS_VERIFIED. Silence this check if "
                "you have one.",
                id="nexi_payments.W013",
            )
            for site in _admin_sites()
            if not _asks_second_factor(site)
        ]
    if conf.has_api() and (names := _password_classes(settings)):
        found.append(
            Warning(
                f"The API moves money by a password alone: {', '.join(names)}.",
                hint="Take them out of API_PASSWORD_AUTHENTICATION, and let your server"
                " use tokens. Or tell us in IS_VERIFIED who has a second factor.",
                id="nexi_payments.W013",
            )
        )
    return found


def _admin_sites() -> list[Any]:
    """The admin sites in the URLconf that have our desk."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    sites: dict[int, Any] = {}
    for pattern in _patterns(get_resolver().url_patterns):
        site = getattr(pattern.callback, "admin_site", None)
        if site is not None and site.is_registered(PhoneOrder):
            sites[id(site)] = site
    return list(sites.values())


def _patterns(patterns: list[Any]) -> Iterator[URLPattern]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from _patterns(one.url_patterns)
        else:
            yield one


def _asks_second_factor(site: Any) -> bool:
    """Whether the site, or what stands for its log-in, is of a package for that."""
    login = inspect.unwrap(site.login)
    modules = [kind.__module__ for kind in type(site).__mro__]
    modules += [getattr(one, "__module__", "") for one in (site.login, login)]
    return any(module.partition(".")[0] in _MFA_PACKAGES for module in modules)


def _takes_passwords() -> bool:
    """Whether one of ``AUTHENTICATION_BACKENDS`` does; single sign-on does not."""
    return any(_takes_password(backend) for backend in get_backends())


def _takes_password(backend: Any) -> bool:
    with suppress(TypeError, ValueError):
        parameters = inspect.signature(backend.authenticate).parameters
        if "password" in parameters:
            return True
    return type(backend).__module__.startswith("allauth.")


def _password_classes(settings: conf.Settings) -> list[str]:
    """Those of ``API_PASSWORD_AUTHENTICATION`` that the API uses."""
    from rest_framework.settings import api_settings  # the API is optional

    used: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in used]
    return [name for name in names if name in settings.api_password_authentication]
