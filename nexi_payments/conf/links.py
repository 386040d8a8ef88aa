"""Gateway clients and absolute addresses, built from the settings."""

from __future__ import annotations

import functools
import re
import uuid
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from nexi_payments.conf import pooling
from nexi_payments.conf.reading import LOOPBACK
from nexi_payments.conf.settings import Settings, current
from nexi_payments.conf.terminals import PRODUCTION, Terminal
from nexi_payments.gateway.client import Client, Trace
from nexi_payments.gateway.deadline import Deadline

if TYPE_CHECKING:
    from nexi_payments.simulator import Simulator

#: Where the simulator's API lives below the address it is mounted at.
SIMULATOR_API: Final = "api/phoenix-0.0/psp/api/v1"

#: What a browser and we read alike: no userinfo, backslash, escape or odd character.
_PLAIN: Final = re.compile(
    r"(https?)://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/\-]*)?"
    r"(\?[A-Za-z0-9._~/=&\-]*)?",
    re.ASCII,
)


@functools.cache
def simulator() -> Simulator:
    """The one in this process; its orders outlive a restart in ``SIMULATOR_STATE``."""
    from nexi_payments.simulator import Simulator  # no shop with a key needs it

    return Simulator(current().simulator_state or None)


def client(terminal: Terminal, site: str = "") -> Client:
    """The gateway behind a terminal. ``site`` is our own address (``site_address``),
    which only the built-in simulator needs: it sends the browser to its issuer page."""
    settings = current()
    if not terminal.simulated:
        return Client(
            base_url=terminal.base_url,
            api_key=terminal.api_key,
            adapter=pooling.GivesBack() if pooling.in_use() else None,
            connect_timeout=settings.connect_timeout,
            keep_alive=settings.keep_alive,
        )
    from nexi_payments.simulator import SimulatorAdapter

    return Client(
        base_url=_simulator_address(site) + SIMULATOR_API,
        api_key=terminal.api_key,
        adapter=SimulatorAdapter(simulator()),
    )


def trace(deadline: Deadline | None = None, correlation_id: str = "") -> Trace:
    """What a gateway call carries; a fresh correlation id unless one was stored."""
    return Trace(
        correlation_id or str(uuid.uuid4()),
        deadline or Deadline(current().total_timeout),
    )


def _simulator_address(site: str) -> str:
    """The issuer's page on the other name of this machine: a site of its own, so that
    cookies behave on the way back as they will with a real bank."""
    parts = urlsplit(site or "http://127.0.0.1:8000")
    other = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
    host = other.get(parts.hostname or "", "")
    port = f":{parts.port}" if parts.port else ""
    origin = f"{parts.scheme}://{host}{port}" if host else site
    return origin + reverse("nexi_payments:simulator", args=["-"]).removesuffix("-")


def site_address(host_header: str = "", *, secure: bool = False) -> str:
    """Our own origin for absolute URLs, from ``PUBLIC_URL`` and never from a visitor.

    With DEBUG and no ``PUBLIC_URL`` the Host header is taken when it names this very
    machine, so that a first try needs no setting (docs/decisions/0006).
    """
    settings = current()
    if settings.public_url:
        return settings.public_url
    if django_settings.DEBUG or _only_simulated(settings):
        parts = urlsplit(f"//{host_header}")
        if parts.hostname in LOOPBACK | {"testserver"}:
            return f"{'https' if secure else 'http'}://{host_header}"
        return "http://127.0.0.1:8000"
    raise ImproperlyConfigured(
        "NEXI_PAYMENTS['PUBLIC_URL'] is needed: the bank sends the shopper back to it"
    )


def _only_simulated(settings: Settings) -> bool:
    return all(terminal.simulated for terminal in settings.terminals.values())


def three_ds_address_is_safe(url: str, terminal: Terminal, site: str = "") -> bool:
    """Whether a browser may be sent to ``threeDSAuthUrl``.

    https, a host exactly as in ``THREE_DS_HOSTS`` (by default the gateway's), and only
    characters that every parser reads alike. http, and any port, only on loopback
    hosts outside production.
    """
    match = _PLAIN.fullmatch(url)
    if match is None:
        return False
    scheme, host, port = match[1], match[2], (match[3] or "")
    bare = host.strip("[]")
    allowed = set(terminal.three_ds_hosts)
    if terminal.simulated:
        allowed.add(urlsplit(_simulator_address(site)).netloc)
    local = bare in LOOPBACK and terminal.environment != PRODUCTION
    if local:
        return any(urlsplit(f"//{entry}").hostname == bare for entry in allowed)
    if scheme != "https":
        return False
    return host + port in allowed or (port == ":443" and host in allowed)
