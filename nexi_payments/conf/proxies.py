"""``TRUSTED_PROXIES``: which peers are proxies of the shop."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from nexi_payments.conf import validators

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: The peer on a unix socket, which has no address.
UNIX_SOCKET: Final = "unix"
#: Bits before an IPv4 address that is written as IPv6.
_MAPPED_BITS: Final = 96


def trusted_proxies(value: Any, setting: str) -> dict[str, Any]:
    """IP addresses, networks and "unix": ``["10.0.0.0/8", "::1", "unix"]`` →
    ``trusted_proxies`` and ``trusts_unix_socket``. Raises ``ImproperlyConfigured``."""
    texts = validators.string_list(value, setting)
    return {
        "trusted_proxies": tuple(
            _network(text, setting) for text in texts if text != UNIX_SOCKET
        ),
        "trusts_unix_socket": UNIX_SOCKET in texts,
    }


def _network(text: str, setting: str) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ImproperlyConfigured(
            f"{setting}: {text!r} is neither a network nor {UNIX_SOCKET!r}"
        ) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    # ::ffff:10.0.0.0/104: addresses are compared as IPv4
    return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS))
