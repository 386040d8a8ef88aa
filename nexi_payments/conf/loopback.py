"""Names and addresses of this machine."""

from __future__ import annotations

import ipaddress


def is_loopback(hostname: str | None) -> bool:
    """Whether it is this machine: also "shop.localhost" (RFC 6761), and 127.0.0.2."""
    name = (hostname or "").lower()
    if f".{name}".endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
