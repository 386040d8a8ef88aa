"""The language of an email, of its link and of the pages behind it: one and the same.

A secure link names the language of its email. Following it stores the language as
Django's own language form does, so it holds for the pages that follow; they honour that
cookie in a project without ``LocaleMiddleware``, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse
from django.utils import translation

View = TypeVar("View", bound=Callable[..., Any])

#: The parameter of a secure link.
PARAMETER: Final = "language"
_SOURCE_LANGUAGE: Final = "en"
_OWN_CATALOGS: Final = Path(__file__).parent.parent / "locale"


def supported(code: str | None) -> str:
    """The entry of ``LANGUAGES`` for a code ("de-at" → "de"), or ""."""
    try:
        return translation.get_supported_language_variant(code or "")
    except LookupError:
        return ""


@cache
def offered() -> tuple[tuple[str, str], ...]:
    """``LANGUAGES`` in which our texts exist: here, or in ``LOCALE_PATHS``.

    Of Django's default ``LANGUAGES``, a hundred, those are six. If none of them is
    ours, all of them: emails are in English then, or of the project's own templates.
    """
    known = [(code, name) for code, name in settings.LANGUAGES if _has_texts(code)]
    return tuple(known or settings.LANGUAGES)


def _has_texts(code: str) -> bool:
    base = code.partition("-")[0]
    if base == _SOURCE_LANGUAGE:
        return True
    folders = [_OWN_CATALOGS, *map(Path, settings.LOCALE_PATHS)]
    return any(
        (folder / translation.to_locale(name) / "LC_MESSAGES" / "django.mo").is_file()
        for folder in folders
        for name in (code, base)
    )


def default() -> str:
    """What to offer first: the active language, ``LANGUAGE_CODE``, or the first of
    ``offered``; "en-us", which ``startproject`` sets, is "en"."""
    codes = [code for code, _name in offered()]
    for wished in (translation.get_language(), settings.LANGUAGE_CODE, "en"):
        code = supported(wished)
        for found in (code, code.partition("-")[0]):
            if found in codes:
                return found
    return codes[0]


def remember(response: HttpResponse, code: str) -> HttpResponse:
    """Sets Django's language cookie, with its settings."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        code,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite=settings.LANGUAGE_COOKIE_SAMESITE,
    )
    return response


def in_chosen_language(view: View) -> View:
    """Runs a view in the language of the cookie, unless ``LocaleMiddleware`` has chosen
    one (it honours the cookie, and the URL before it)."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        code = supported(request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME))
        if not code or hasattr(request, "LANGUAGE_CODE"):
            return view(request, *args, **kwargs)
        with translation.override(code):
            return view(request, *args, **kwargs)

    return cast("View", wrapper)


def _clear_cache(*, setting: str, **kwargs: object) -> None:
    if setting in {"LANGUAGES", "LANGUAGE_CODE", "LOCALE_PATHS"}:
        offered.cache_clear()


setting_changed.connect(_clear_cache, dispatch_uid="nexi_payments.web.languages")
