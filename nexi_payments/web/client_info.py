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


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Bits of an IPv6 address that name a network: one customer has all that follow.
_NETWORK_BITS: Final = 64
#: An address with a port, as proxies write it; IPv6 in brackets.
_WITH_PORT: Final = re.compile(
    r"(?:\[([^\[\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?", re.ASCII
)


def get_client_ip(request: HttpRequest) -> str | None:
    """The client's IP address, or ``None`` if it cannot be read.

    That is the peer address; behind ``TRUSTED_PROXIES``, the peer of the outermost
    trusted proxy. Earlier entries of ``X-Forwarded-For`` are not trusted: clients can
    write them. Nor is anything before an entry that cannot be read: then it is the
    address of the proxy that wrote it. IPv4 in IPv6 (``::ffff:``) is IPv4.
    """
    settings = conf.current()
    address = _parse_ip(request.META.get("REMOTE_ADDR", ""))
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if address is None and not settings.trusts_unix_socket:
        _warn_without_address()
    elif forwarded and not settings.has_trusted_proxies:
        _warn_once()
    for hop in reversed(forwarded.split(",")):
        if not settings.is_trusted_proxy(address):
            break
        named = _parse_ip(hop.strip())
        if named is None:
            break
        address = named
    return None if address is None else str(address)


def network(address: str | None) -> str:
    """The network that one visitor may have whole: an IPv4 address, or the /64 of an
    IPv6 address, ``2001:db8::/64``. "" without an address."""
    parsed = _parse_ip(address or "")
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _NETWORK_BITS), strict=False))
    return "" if parsed is None else str(parsed)


def _parse_ip(text: str) -> _Address | None:
    """An address, with or without a port, brackets or a zone."""
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2] or ""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return parsed if mapped is None else mapped


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


@cache
def _warn_without_address() -> None:
    log.warning(
        "requests have no address: behind a proxy on a unix socket, add 'unix' to"
        " TRUSTED_PROXIES. Until then rate limits count all visitors together"
    )
