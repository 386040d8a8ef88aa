"""Throttles of the API."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from nexi_payments import conf
from nexi_payments.models import PaymentOrder
from nexi_payments.web import client_info

log = logging.getLogger("nexi_payments.api")


@contextmanager
def _logged_without_cache() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each cache backend has errors of its own
        log.error("requests are not counted: %s", type(error).__name__)


def _log_uncounted(error: Exception) -> None:
    log.error("requests are not counted: %s", type(error).__name__)


class _Throttle(SimpleRateThrottle):
    """The project's rate for ``scope`` (``DEFAULT_THROTTLE_RATES``), or the default.

    No limit while ``RATE_LIMITS`` is "off".
    """

    default_rate: str

    def get_rate(self) -> str | None:
        rates: Any = api_settings.DEFAULT_THROTTLE_RATES
        rate: str | None = rates.get(str(self.scope), self.default_rate)
        return rate

    def allow_request(self, request: Request, view: Any) -> bool:
        """True without the cache: the velocity limits count in the database."""
        with _logged_without_cache():
            return super().allow_request(request, view)
        return True

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not conf.current().rate_limits:
            return None
        caller = self.caller_digest(request)
        return self.cache_format % {"scope": self.scope, "ident": caller}

    def caller_digest(self, request: Request) -> str:
        """A digest of the user; of the purchase, with all its attempts, for a shopper.

        Not of the IP address: behind a proxy that is missing in ``TRUSTED_PROXIES``,
        all visitors share one.
        """
        caller: Any = request.user.pk
        if isinstance(request.auth, PaymentOrder):
            caller = request.auth.live_key
        return hashlib.sha256(f"{type(caller)} {caller}".encode()).hexdigest()


class CardThrottle(_Throttle):
    """Card submissions by shoppers."""

    scope = "nexi_card"
    default_rate = "20/min"


class MotoThrottle(_Throttle):
    """Phone orders. A whole call centre may use one user."""

    scope = "nexi_moto"
    default_rate = "120/min"


class CardVerificationThrottle(_Throttle):
    """Card verifications. Card testing needs many of them."""

    scope = "nexi_verify"
    default_rate = "30/min"


class CheckoutThrottle(_Throttle):
    """Requests of a shopper's browser during the payment, mostly polls of its state."""

    scope = "nexi_checkout"
    default_rate = "120/min"


class ServerThrottle(_Throttle):
    """Requests with server credentials."""

    scope = "nexi_server"
    default_rate = "1200/min"


class FailedAuthenticationThrottle(_Throttle):
    """Wrong credentials, from one network: beyond the limit no more are looked at.

    Counted apart from the requests: they fail before their throttles are asked. The
    time begins with the first one.
    """

    scope = "nexi_auth"
    default_rate = "20/min"
    # of the rate, set by the base class
    num_requests: int
    duration: int

    def caller_digest(self, request: Request) -> str:
        address = client_info.get_client_ip(request._request)
        network = client_info.network(address)
        return hashlib.sha256(f"network {network}".encode()).hexdigest()

    def require_below(self, request: Request) -> None:
        """Raises ``Throttled``."""
        key, failures = self._key(request), 0
        if key is not None:
            with _logged_without_cache():
                failures = self.cache.get(key, 0)
        if failures >= self.num_requests:
            raise exceptions.Throttled(wait=self.duration)

    def count(self, request: Request) -> None:
        key = self._key(request)
        if key is not None:
            with _logged_without_cache(), suppress(ValueError):  # it has just expired
                self.cache.add(key, 0, self.duration)
                self.cache.incr(key)

    def _key(self, request: Request) -> str | None:
        if self.rate is None:
            return None
        return self.get_cache_key(request, None)
