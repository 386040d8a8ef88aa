"""Middleware that changes what is delivered, as an attacker on the way would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

#: What the running test does to each response to a page of ours.
change: list[Callable[[Any], Any]] = []


def middleware(get_response: Callable[[HttpRequest], Any]) -> Any:
    def tampering(request: HttpRequest) -> Any:
        response = get_response(request)
        for one in change:
            one(response)
        return response

    return tampering
