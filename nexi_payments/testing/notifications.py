"""Notifications of the simulated gateway, posted to the shop in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from nexi_payments.testing.host_client import HostClient

#: The host of Django's test client; allowed in tests only.
_TEST_HOST: Final = "testserver"


def deliver(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Post a notification as Nexi does: another client, without cookies or a CSRF
    token. Return the status; an exception in the shop is a 500, as on a server.

    For ``Simulator.deliver``, in tests and in a demo. In tests the host is that of the
    test client, as for the shopper: ``PUBLIC_URL`` need not be in ``ALLOWED_HOSTS``."""
    parts = urlsplit(url)
    client = HostClient(enforce_csrf_checks=True, raise_request_exception=False)
    in_tests = _TEST_HOST in settings.ALLOWED_HOSTS
    host = client.defaults.get("HTTP_HOST", _TEST_HOST) if in_tests else parts.netloc
    response = client.post(
        f"{parts.path}?{parts.query}" if parts.query else parts.path,
        body,
        content_type=headers["Content-Type"],
        secure=parts.scheme == "https",
        headers={"User-Agent": headers["User-Agent"], "Host": host},
    )
    return int(response.status_code)
