"""The functions of ``BEFORE_CHARGE`` and ``REFERENCE_LOOKUP`` can be called."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

pytestmark = pytest.mark.seen_on("sqlite")

HERE = __name__


def takes_an_order(order: Any) -> None: ...


def takes_anything(*args: Any, **kwargs: Any) -> None: ...


def takes_a_request_and_an_order(request: Any, order: Any) -> None: ...


def takes_nothing() -> None: ...


def finds(reference: str, *, terminal: str, user: Any) -> None: ...


NO_FUNCTION = "a text"


def told() -> list[tuple[str | None, str]]:
    return [
        (one.id, one.msg)
        for one in run_checks(tags=["security"])
        if one.id in ("nexi_payments.E024", "nexi_payments.E025")
    ]


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("BEFORE_CHARGE", ["takes_an_order", "takes_anything"]),
        ("CAPTCHA", ["takes_a_request_and_an_order", "takes_anything"]),
        ("IS_VERIFIED", ["takes_an_order", "takes_anything"]),
        ("REFERENCE_LOOKUP", ["finds", "takes_anything"]),
    ],
)
def test_functions_that_can_be_called(
    change_settings: Any, setting: str, names: list[str]
) -> None:
    for name in names:
        change_settings(**{setting: f"{HERE}.{name}"})
        assert told() == []


@pytest.mark.parametrize(
    ("setting", "name", "problem"),
    [
        ("BEFORE_CHARGE", "nowhere", "cannot be imported"),
        ("BEFORE_CHARGE", "takes_nothing", "too many positional arguments"),
        ("BEFORE_CHARGE", "finds", "missing a required"),
        ("BEFORE_CHARGE", "NO_FUNCTION", "is not a callable object"),
        ("CAPTCHA", "nowhere", "cannot be imported"),
        ("CAPTCHA", "takes_an_order", "too many positional arguments"),
        ("IS_VERIFIED", "takes_nothing", "too many positional arguments"),
        ("IS_VERIFIED", "nowhere", "cannot be imported"),
        ("REFERENCE_LOOKUP", "nowhere", "cannot be imported"),
        ("REFERENCE_LOOKUP", "takes_an_order", "unexpected keyword argument"),
    ],
)
def test_e024_functions_that_cannot(
    change_settings: Any, setting: str, name: str, problem: str
) -> None:
    change_settings(**{setting: f"{HERE}.{name}"})
    [(number, text)] = told()
    assert number == "nexi_payments.E024"
    assert text.startswith(f"{setting}: '{HERE}.{name}' cannot be ")
    assert problem in text


def test_e025_strict_with_nothing_to_compare(change_settings: Any) -> None:
    change_settings(REFERENCE_LOOKUP_STRICT=True)
    assert told() == [
        (
            "nexi_payments.E025",
            "REFERENCE_LOOKUP_STRICT is on, and there is no REFERENCE_LOOKUP.",
        )
    ]
    change_settings(REFERENCE_LOOKUP=f"{HERE}.finds")
    assert told() == []
