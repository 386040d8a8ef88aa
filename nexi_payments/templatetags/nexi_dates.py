"""Template filters for dates: ``{{ order.created_at|moment }}``. Empty for no date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import template

from nexi_payments import date_texts

register = template.Library()


def _filter(text_of: Callable[[Any], str]) -> None:
    def filtered(value: Any) -> str:
        return text_of(value) if value else ""

    register.filter(text_of.__name__, filtered)


_filter(date_texts.age)
_filter(date_texts.clock)
_filter(date_texts.day)
_filter(date_texts.exact_moment)
_filter(date_texts.moment)
