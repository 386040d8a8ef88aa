"""The port that the demo serves on."""

from __future__ import annotations

import socket
from typing import Final

from django.core.management import CommandError

FIRST: Final = 8000
#: Ports that are tried, from the first one on, if none was asked for.
_TRIED: Final = 20


def choose(asked: int | None) -> int:
    """The port to serve on. Raises ``CommandError`` if it is in use; without ``asked``,
    if the first twenty are."""
    ports = [asked] if asked else range(FIRST, FIRST + _TRIED)
    for port in ports:
        if is_free(port):
            return port
    used = f"Port {asked} is" if asked else f"Ports {ports[0]} to {ports[-1]} are"
    raise CommandError(
        f"{used} in use. Choose another one: make demo PORT={ports[-1] + 1}, or"
        f" manage.py demo --port {ports[-1] + 1}"
    )


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # as runserver binds it: a port whose connections are closing is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
