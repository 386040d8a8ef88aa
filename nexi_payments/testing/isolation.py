"""Keeps a test away from Nexi, whatever the project's NEXI_PAYMENTS says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from unittest import mock
from urllib.parse import urlsplit

from django.conf import settings as django_settings

from nexi_payments import conf
from nexi_payments.conf import gateway_factory, loopback, terminals
from nexi_payments.conf import settings as reader
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.gateway import connections, transport
from nexi_payments.simulator import Simulator, SimulatorAdapter

#: Keys of a real terminal. The others, such as flow and limits, are kept.
_REAL_TERMINAL_KEYS: Final = ("API_KEY", "BASE_URL")


@contextmanager
def use_simulator(simulator: Simulator) -> Iterator[None]:
    """Use ``simulator`` for every terminal, also after a change of NEXI_PAYMENTS.

    A client that was built in another way uses it, too. Status inquiries that follow an
    unknown outcome are made at once.
    """
    adapter = SimulatorAdapter(simulator)
    with (
        mock.patch.object(reader, "load", _load_as_simulated(reader.load)),
        mock.patch.object(gateway_factory, "simulator", return_value=simulator),
        mock.patch.object(conf, "simulator", return_value=simulator),
        mock.patch.object(transport, "shared_adapter", return_value=adapter),
        mock.patch.object(query, "INQUIRE_AFTER", (0.0, 0.0)),
        mock.patch.dict(terminal_outages.accepted_probes, clear=True),
    ):
        _clear_settings_cache()
        try:
            yield
        finally:
            _clear_settings_cache()


def _clear_settings_cache() -> None:
    reader._clear_cache(setting="NEXI_PAYMENTS")


def _load_as_simulated(load: Any) -> Any:
    def reading(raw: Any = None) -> conf.Settings:
        raw = raw or getattr(django_settings, "NEXI_PAYMENTS", None)
        settings: conf.Settings = load(_as_simulated(raw))
        return settings

    return reading


def _as_simulated(raw: Any) -> Any:
    """Return the setting with every terminal simulated; an invalid value is kept."""
    terminals = raw.get("TERMINALS") if isinstance(raw, Mapping) else None
    if not isinstance(terminals, Mapping):
        return raw
    return {
        **raw,
        "TERMINALS": {
            name: _simulated_terminal(one) for name, one in terminals.items()
        },
        "PUBLIC_URL": _https_public_url(raw.get("PUBLIC_URL")),
    }


def _simulated_terminal(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    kept = {
        name: value for name, value in raw.items() if name not in _REAL_TERMINAL_KEYS
    }
    return {**kept, "ENVIRONMENT": conf.SIMULATOR}


def _https_public_url(url: Any) -> Any:
    """Return an https URL: the shop serves the simulated issuer, which needs https."""
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme == "http" and not loopback.is_loopback(parts.hostname):
        return parts._replace(scheme="https").geturl()
    return url


class NexiWasCalled(BaseException):
    """A test without the simulator tried to call Nexi.

    It is no ``Exception``: one would count as an unreachable gateway, and the test
    could pass."""


@contextmanager
def block_nexi() -> Iterator[None]:
    """Raise ``NexiWasCalled`` instead of opening a connection to Nexi's hosts.

    Mocks that reply before that, such as ``responses``, still work."""
    connect = connections._CallTrackingMixin.connect

    def guarded(connection: Any) -> None:
        if connection.host in terminals.NEXI_HOSTS:
            raise NexiWasCalled(
                "this test tried to call Nexi: use the fixture nexi_simulator, or"
                " NexiTestMixin, from nexi_payments.testing"
            )
        connect(connection)

    with mock.patch.object(connections._CallTrackingMixin, "connect", guarded):
        yield
