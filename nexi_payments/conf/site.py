"""Our own origin and URLs, and the 3-D Secure URLs a browser may be sent to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from nexi_payments import page_paths
from nexi_payments.conf.loopback import is_loopback
from nexi_payments.conf.settings import Settings, current
from nexi_payments.conf.terminals import Terminal

#: URLs that every parser reads alike: no userinfo, backslash, escape or unusual
#: character.
_UNAMBIGUOUS_URL: Final = re.compile(
    r"(https?)://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/\-]*)?"
    r"(\?[A-Za-z0-9._~/=&\-]*)?",
    re.ASCII,
)


#: The origin of the shop where neither PUBLIC_URL nor the Host header says one.
LOCAL_SITE: Final = "http://127.0.0.1:8000"


def simulator_address(site: str) -> str:
    """The URL of the simulator and its issuer page."""
    path = page_paths.public_path("simulator", "-").removesuffix("-")
    return simulator_origin(site) + path


def simulator_origin(site: str) -> str:
    """The origin of the issuer page: a shop on this machine has it on another name.

    That is another site for the browser, so cookies behave on the way back as with a
    real issuer.
    """
    parts = urlsplit(site or LOCAL_SITE)
    if not is_loopback(parts.hostname):
        return site
    is_name = str(parts.hostname).endswith("localhost")
    host = "127.0.0.1" if is_name else "localhost"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}"


def site_address(host_header: str = "", *, secure: bool = False) -> str:
    """Our own origin for absolute URLs: ``PUBLIC_URL``, not a request header.

    Without ``PUBLIC_URL``, in DEBUG or if all terminals are simulated, the Host header
    is used if it names this machine. So a first try needs no setting
    (docs/decisions/0006). Raises ``ImproperlyConfigured`` otherwise.
    """
    settings = current()
    if settings.public_url:
        return settings.public_url
    if django_settings.DEBUG or _all_simulated(settings):
        parts = urlsplit(f"//{host_header}")
        if is_loopback(parts.hostname) or parts.hostname == "testserver":
            return f"{'https' if secure else 'http'}://{host_header}"
        return LOCAL_SITE
    raise ImproperlyConfigured(
        "NEXI_PAYMENTS['PUBLIC_URL'] is required: the issuer sends the shopper back to"
        " it"
    )


def _all_simulated(settings: Settings) -> bool:
    return all(terminal.simulated for terminal in settings.terminals.values())


def is_safe_three_ds_url(url: str, terminal: Terminal, site: str = "") -> bool:
    """Whether a browser may be sent to ``threeDSAuthUrl``: ``THREE_DS_HOSTS``."""
    return _is_safe_url(url, terminal.three_ds_hosts, terminal, site)


def is_safe_hosted_page_url(url: str, terminal: Terminal, site: str = "") -> bool:
    """Whether a browser may be sent to ``hostedPage``: ``HOSTED_PAGE_HOSTS``."""
    return _is_safe_url(url, terminal.hosted_page_hosts, terminal, site)


def hosted_page_origins(name: str, site: str = "") -> list[str]:
    """The origins that a browser may be sent to by the terminal ``name``, for a
    Content-Security-Policy.
    """
    settings = current()
    opener = settings.hosted_terminal(settings.terminal(name))
    origins = [f"https://{host}" for host in opener.hosted_page_hosts]
    if opener.simulated:
        parts = urlsplit(simulator_address(site))
        origins.append(f"{parts.scheme}://{parts.netloc}")
    elif not opener.is_live:
        # a gateway on this machine, for tests
        origins += [
            f"http://{host}"
            for host in opener.hosted_page_hosts
            if is_loopback(urlsplit(f"//{host}").hostname)
        ]
    return origins


def _is_safe_url(url: str, hosts: Iterable[str], terminal: Terminal, site: str) -> bool:
    """Requires https, a host that is exactly in ``hosts`` (by default the gateway's),
    and only characters that every parser reads alike. http and any port are allowed for
    loopback hosts outside production.
    """
    match = _UNAMBIGUOUS_URL.fullmatch(url)
    if match is None:
        return False
    scheme, host, port = match[1], match[2], (match[3] or "")
    hostname = host.strip("[]")
    allowed = set(hosts)
    if terminal.simulated:
        allowed.add(urlsplit(simulator_address(site)).netloc)
    if is_loopback(hostname) and not terminal.is_live:
        return any(urlsplit(f"//{entry}").hostname == hostname for entry in allowed)
    if scheme != "https":
        return False
    return host + port in allowed or (port == ":443" and host in allowed)
