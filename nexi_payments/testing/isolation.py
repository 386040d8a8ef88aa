"""Keeps a test away from Nexi, whatever its project's NEXI_PAYMENTS says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from unittest import mock
from urllib.parse import urlsplit

from django.conf import settings as django_settings

from nexi_payments import conf
from nexi_payments.conf import links, terminals
from nexi_payments.conf import settings as reader
from nexi_payments.flows import inquiry
from nexi_payments.gateway import transport, wire
from nexi_payments.simulator import Simulator, SimulatorAdapter

#: What makes a terminal a real one. The rest of it, flow and limits, stays as it is.
_REAL: Final = ("API_KEY", "BASE_URL")
_NEXI: Final = frozenset(urlsplit(url).hostname for url in terminals.BASE_URLS.values())


@contextmanager
def simulated(simulator: Simulator) -> Iterator[None]:
    """``simulator`` answers for every terminal, also after NEXI_PAYMENTS has changed.

    A client that was built in some other way gets it, too. The looks that follow a
    doubtful answer come at once.
    """
    adapter = SimulatorAdapter(simulator)
    with (
        mock.patch.object(reader, "load", _reading_as_simulated(reader.load)),
        mock.patch.object(links, "simulator", return_value=simulator),
        mock.patch.object(conf, "simulator", return_value=simulator),
        mock.patch.object(transport, "shared_adapter", return_value=adapter),
        mock.patch.object(inquiry, "LOOK_AT", (0.0, 0.0)),
    ):
        _forget_settings()
        try:
            yield
        finally:
            _forget_settings()


def _forget_settings() -> None:
    reader._forget(setting="NEXI_PAYMENTS")


def _reading_as_simulated(load: Any) -> Any:
    def reading(raw: Any = None) -> conf.Settings:
        raw = raw or getattr(django_settings, "NEXI_PAYMENTS", None)
        settings: conf.Settings = load(_as_simulated(raw))
        return settings

    return reading


def _as_simulated(raw: Any) -> Any:
    """The dict with every terminal on the simulator; what is no dict stays an error."""
    terminals = raw.get("TERMINALS") if isinstance(raw, Mapping) else None
    if not isinstance(terminals, Mapping):
        return raw
    return {
        **raw,
        "TERMINALS": {name: _terminal(one) for name, one in terminals.items()},
        "PUBLIC_URL": _public(raw.get("PUBLIC_URL")),
    }


def _terminal(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    kept = {name: value for name, value in raw.items() if name not in _REAL}
    return {**kept, "ENVIRONMENT": conf.SIMULATOR}


def _public(url: Any) -> Any:
    """The simulator's bank is mounted in the shop, and a bank must be on https."""
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme == "http" and parts.hostname not in conf.LOOPBACK:
        return parts._replace(scheme="https").geturl()
    return url


class NexiWasCalled(BaseException):
    """A test without the simulator was about to call Nexi. No ``Exception``: that would
    pass for a gateway that cannot be reached, and the test might even succeed."""


@contextmanager
def nexi_out_of_reach() -> Iterator[None]:
    """Raises ``NexiWasCalled`` where a connection to Nexi's own hosts would be opened.
    Whatever answers before that, as ``responses`` does, is left alone."""
    connect = wire._Noting.connect

    def guarded(connection: Any) -> None:
        if connection.host in _NEXI:
            raise NexiWasCalled(
                "a test was about to call Nexi: use the fixture nexi_simulator, or"
                " NexiTestMixin, from nexi_payments.testing"
            )
        connect(connection)

    with mock.patch.object(wire._Noting, "connect", guarded):
        yield
