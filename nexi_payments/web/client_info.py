"""Who sent a request: client IP address and request id."""

from __future__ import annotations

import ipaddress
import logging
import re
from functools import cache
from typing import Final

from django.http import HttpRequest

from nexi_payments import conf
from nexi_payments.pan_scanner import contains_card_number

log = logging.getLogger("nexi_payments.web.client_info")


def get_client_ip(request: HttpRequest) -> str | None:
    """The client's IP address, or ``None`` if it cannot be read.

    That is the peer address; behind ``TRUSTED_PROXIES``, the peer of the outermost
    trusted proxy. Earlier entries of ``X-Forwarded-For`` are not trusted: clients can
    write them.
    """
    address = _parse_ip(request.META.get("REMOTE_ADDR", ""))
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    trusted = conf.current().trusted_proxies
    if forwarded and not trusted:
        _warn_once()
    for hop in reversed(forwarded.split(",")):
        is_proxy = address is not None and any(address in proxy for proxy in trusted)
        if not is_proxy:
            break
        address = _parse_ip(hop.strip()) or address
    return None if address is None else str(address)


def _parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


#: Attributes set by django-guid, django-structlog and django-log-request-id.
_REQUEST_ID_ATTRIBUTES: Final = ("request_id", "correlation_id", "id")


_VALID_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}", re.ASCII)


def get_request_id(request: HttpRequest) -> str:
    """The request id of the host, to correlate logs; "" if there is none.

    From an attribute set by middleware, or else from the header ``X-Request-ID``.
    """
    header = request.headers.get("X-Request-ID", "")
    named = (str(getattr(request, name, None) or "") for name in _REQUEST_ID_ATTRIBUTES)
    for found in (*named, header):
        if _VALID_REQUEST_ID.fullmatch(found) and not contains_card_number(found):
            return found
    return ""


@cache
def _warn_once() -> None:
    log.warning(
        "X-Forwarded-For is set but TRUSTED_PROXIES is empty: rate limits and the audit"
        " trail see the address of your proxy for every visitor"
    )
