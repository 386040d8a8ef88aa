"""System checks of the functions that settings name. Ids: docs/checks.md."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from nexi_payments import conf


def check_hooks(**kwargs: Any) -> list[CheckMessage]:
    """E024, E025. With settings that cannot be read, E001 is enough.

    Without a function that works, nothing is charged (``BEFORE_CHARGE``), no guest
    passes the limit over all shoppers (``CAPTCHA``), nobody moves money
    (``IS_VERIFIED``), no phone order is confirmed (``REFERENCE_LOOKUP``), or no card is
    sealed (``SEALED_CARD_KEYS``).
    """
    try:
        settings = conf.load()
    except ImproperlyConfigured:
        return []
    found: list[CheckMessage] = [
        Error(
            f"{name}: {problem}.",
            hint="Name a function of your project by its dotted path; docs/hooks.md has"
            " one for each setting.",
            id="nexi_payments.E024",
        )
        for name, problem in (
            ("BEFORE_CHARGE", _problem(settings.before_charge, _call_before_charge)),
            ("CAPTCHA", _problem(settings.captcha, _call_captcha)),
            ("IS_VERIFIED", _problem(settings.is_verified, _call_is_verified)),
            (
                "REFERENCE_LOOKUP",
                _problem(settings.reference_lookup, _call_reference_lookup),
            ),
            (
                "SEALED_CARD_KEYS",
                _problem(settings.sealed_card_keys_hook, _call_without_arguments),
            ),
        )
        if problem
    ]
    if settings.reference_lookup_strict and not settings.reference_lookup:
        found.append(
            Error(
                "REFERENCE_LOOKUP_STRICT is on, and there is no REFERENCE_LOOKUP.",
                hint="Phone orders are compared with nothing: set REFERENCE_LOOKUP,"
                " too.",
                id="nexi_payments.E025",
            )
        )
    return found


def _call_before_charge(signature: inspect.Signature) -> None:
    signature.bind(None)


def _call_captcha(signature: inspect.Signature) -> None:
    signature.bind(None, None)


def _call_is_verified(signature: inspect.Signature) -> None:
    signature.bind(None)


def _call_reference_lookup(signature: inspect.Signature) -> None:
    signature.bind("", terminal="", user=None)


def _call_without_arguments(signature: inspect.Signature) -> None:
    signature.bind()


def _problem(path: str, call: Callable[[inspect.Signature], None]) -> str:
    """What is wrong with the function at ``path``; "" if nothing is."""
    if not path:
        return ""
    try:
        call(inspect.signature(import_string(path)))
    except ImportError:
        return f"{path!r} cannot be imported"
    except (TypeError, ValueError) as error:
        return f"{path!r} cannot be called as we do: {error}"
    return ""
