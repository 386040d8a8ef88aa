"""Django's test client, as a browser at the shop's own address.

Middleware of the project may redirect the test client's usual host (``PREPEND_WWW``) or
choose another URLconf for it, and paths may have a prefix (``FORCE_SCRIPT_NAME``)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.test import Client

from nexi_payments import conf


class HostClient(Client):
    """A client on the host of ``PUBLIC_URL``, if ``ALLOWED_HOSTS`` has it."""

    def __init__(self, **defaults: Any) -> None:
        if host := _public_host():
            defaults.setdefault("HTTP_HOST", host)
        super().__init__(**defaults)

    def generic(  # type: ignore[override]
        self, method: str, path: str, *args: Any, **extra: Any
    ) -> Any:
        """As a server does, which strips its prefix from the path."""
        prefix = (settings.FORCE_SCRIPT_NAME or "").rstrip("/")
        if prefix and path.startswith(prefix + "/"):
            extra["SCRIPT_NAME"] = prefix
            path = path.removeprefix(prefix)
        return super().generic(method, path, *args, **extra)


def _public_host() -> str:
    host = urlsplit(conf.current().public_url).netloc
    domain, _port = split_domain_port(host)
    return host if domain and validate_host(domain, settings.ALLOWED_HOSTS) else ""
