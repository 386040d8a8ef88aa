"""The shop's captcha (``CAPTCHA``): asked when the velocity limit over all shoppers has
stopped a guest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.utils.module_loading import import_string

from nexi_payments import conf
from nexi_payments.exceptions import TooManyAttempts
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.hooks")
Step = TypeVar("Step")

#: The one limit that a captcha lifts.
_LIMIT: Final = "everyone"


class CaptchaRequired(Exception):
    """The visitor has to show to be human at ``url``. Nothing was sent."""

    def __init__(self, order: PaymentOrder, url: str) -> None:
        self.order = order
        self.url = url
        super().__init__(f"order {order.order_id} needs a captcha")


def start(request: Any, order: PaymentOrder, send: Callable[[bool], Step]) -> Step:
    """``send(False)``; ``send(True)`` if the limit over all shoppers has stopped it,
    and the shop's captcha lets this visitor pass.

    ``request`` is Django's, or that of Django REST framework. Raises
    ``CaptchaRequired``, and ``TooManyAttempts`` for any other limit, without the
    setting, or if its function fails.
    """
    try:
        return send(False)
    except TooManyAttempts as error:
        if error.limit != _LIMIT or not conf.current().captcha:
            raise
        url = _ask(request, order)
        if url is None:
            raise
        if url:
            raise CaptchaRequired(order, url) from None
    return send(True)


def _ask(request: Any, order: PaymentOrder) -> str | None:
    """Where to show to be human; "" if the visitor has; ``None`` if nobody can say."""
    path = conf.current().captcha
    try:
        url = import_string(path)(request, order)
    except Exception as error:
        # no traceback: frames of this request may hold a card
        log.critical("CAPTCHA %s failed: %s", path, type(error).__name__)
        return None
    if url is None or url == "":
        return ""
    if isinstance(url, str):
        return url
    log.critical("CAPTCHA %s returned %s, not a URL", path, type(url).__name__)
    return None
