"""Gateway clients, built from the settings."""

from __future__ import annotations

import functools
import uuid
from typing import TYPE_CHECKING, Final

from nexi_payments.conf import db_connections
from nexi_payments.conf.settings import current
from nexi_payments.conf.simulator_file import simulator_state
from nexi_payments.conf.site import simulator_address
from nexi_payments.conf.terminals import Terminal
from nexi_payments.gateway.client import CallContext, Client
from nexi_payments.gateway.deadline import Deadline

if TYPE_CHECKING:
    from nexi_payments.simulator import Simulator

#: The path of the simulator's API below its own URL.
SIMULATOR_API: Final = "api/phoenix-0.0/psp/api/v1"


@functools.cache
def simulator() -> Simulator:
    """The simulator of this process. Its orders are those of all processes of the
    project, after a restart, too (``simulator_state``)."""
    from nexi_payments.simulator import Simulator  # not needed with a real gateway

    return Simulator(simulator_state())


def client(terminal: Terminal, site: str = "") -> Client:
    """The gateway client of a terminal.

    ``site`` is our own origin (``site_address``). Only the built-in simulator needs it,
    to send the browser to its issuer page.
    """
    settings = current()
    if not terminal.simulated:
        return Client(
            base_url=terminal.base_url,
            api_key=terminal.api_key,
            adapter=db_connections.ConnectionReleasingAdapter()
            if db_connections.pooling_enabled()
            else None,
            connect_timeout=settings.connect_timeout,
            keep_alive=settings.keep_alive,
        )
    from nexi_payments.simulator import SimulatorAdapter

    return Client(
        base_url=simulator_address(site) + SIMULATOR_API,
        api_key=terminal.api_key,
        adapter=SimulatorAdapter(simulator()),
    )


def call_context(
    deadline: Deadline | None = None, correlation_id: str = ""
) -> CallContext:
    """The context of a gateway call, with a new correlation id unless one is given."""
    return CallContext(
        correlation_id or str(uuid.uuid4()),
        deadline or Deadline(current().total_timeout),
    )
