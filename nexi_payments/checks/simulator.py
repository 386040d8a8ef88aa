"""System checks of the built-in simulator. Ids: docs/checks.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004  Django's own name
)
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from nexi_payments import conf
from nexi_payments.conf import simulator_file, site


def check_simulator(**kwargs: Any) -> list[CheckMessage]:
    """E009, W030 and W031, if a terminal is the simulator."""
    try:
        settings = conf.current()
    except ImproperlyConfigured:
        return []
    kinds = {terminal.simulated for terminal in settings.terminals.values()}
    if True not in kinds:
        return []
    found: list[CheckMessage] = []
    if False in kinds and not django_settings.DEBUG:
        found.append(
            Error(
                "One terminal is the built-in simulator, another is not.",
                hint="A shopper who reaches the simulated one pays nothing. Remove it.",
                id="nexi_payments.E009",
            )
        )
    return [*found, *_check_host(settings), *_check_state()]


def _check_host(settings: conf.Settings) -> Iterator[CheckMessage]:
    """A shop on this machine has the issuer page on the machine's other name."""
    shop = settings.public_url or site.LOCAL_SITE
    issuer = site.simulator_origin(shop)
    if issuer == shop:
        return
    allowed = django_settings.ALLOWED_HOSTS
    if not allowed and django_settings.DEBUG:
        allowed = [".localhost", "127.0.0.1", "[::1]"]  # as Django has it
    hosts = [str(urlsplit(one).hostname) for one in (shop, issuer)]
    missing = [one for one in hosts if not validate_host(one, allowed)]
    if missing:
        yield Warning(
            f"ALLOWED_HOSTS lacks {' and '.join(missing)}: the shop and the simulator's"
            f" issuer page are on {' and '.join(hosts)}, and one of them is a 400.",
            hint=f"Add {', '.join(map(repr, missing))} to ALLOWED_HOSTS. The issuer is"
            " on another site than the shop, as a real issuer is.",
            id="nexi_payments.W030",
        )


def _check_state() -> Iterator[CheckMessage]:
    state = simulator_file.simulator_state()
    if simulator_file.lacks_shared_file():
        yield Warning(
            "The simulator keeps its orders in the memory of each process:"
            " nexi_reconcile does not find the payments of the server.",
            hint="Set NEXI_PAYMENTS['SIMULATOR_STATE'] to a file that all processes of"
            " the project can write.",
            id="nexi_payments.W031",
        )
    elif state != simulator_file.MEMORY and not simulator_file.is_writable(state):
        yield Warning(
            f"The simulator cannot write {state}.",
            hint="Set NEXI_PAYMENTS['SIMULATOR_STATE'] to a file that all processes of"
            " the project can write.",
            id="nexi_payments.W031",
        )
