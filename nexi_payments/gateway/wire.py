"""The ``requests`` adapter money travels through: fresh sockets, one TLS context, no
debug print, no redirects, no cookies, no environment.

A connection is reused only while it has been idle for less than the call's
``keep_alive``; one that the peer closed meanwhile would swallow a request whose fate
nobody could tell.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from typing import Any, Final

import certifi
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.url import parse_url

from nexi_payments.gateway.deadline import Call

_now = threading.local()


def current() -> Call | None:
    """The call this thread is in."""
    return getattr(_now, "call", None)


def enter(call: Call | None) -> None:
    _now.call = call


class _Noting:
    """Tells the call which socket it is on and when its first byte may have left."""

    #: ``http.client.HTTPConnection.debuglevel = 1`` prints bodies; not ours
    debuglevel = 0
    idle_since = 0.0

    def set_debuglevel(self, level: int) -> None:
        return None

    def connect(self) -> None:
        call = current()
        if call is not None:
            call.uses(self)  # type: ignore[arg-type]
        super().connect()  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()
        call = current()
        if call is not None:
            call.sends(self)  # type: ignore[arg-type]
        super().send(data)  # type: ignore[misc]


class _Connection(_Noting, HTTPConnection):
    pass


class _TlsConnection(_Noting, HTTPSConnection):
    pass


class _Fresh:
    """Hands out pooled connections only while they are fresh."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        call = current()
        keep_alive = call.keep_alive if call is not None else 0.0
        if time.monotonic() - connection.idle_since >= keep_alive:
            connection.close()  # urllib3 opens it again when it is used
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.idle_since = time.monotonic()
        call = current()
        if call is not None:
            call.uses(None)  # it is another call's from here on
        super()._put_conn(connection)  # type: ignore[misc]


class _Pool(_Fresh, HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(_Fresh, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class GatewayAdapter(HTTPAdapter):
    """One a process, shared by all threads and terminals.

    ``ca_bundle`` is a PEM file; ``None`` means certifi's. The TLS context is made once,
    because reading the bundle costs thirty milliseconds a connection.
    """

    def __init__(self, *, ca_bundle: str | None = None, pool_size: int = 128) -> None:
        # not create_default_context: it writes session keys where SSLKEYLOGFILE says
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.load_verify_locations(cafile=ca_bundle or certifi.where())
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        super().__init__(pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kwargs: Any
    ) -> None:
        super().init_poolmanager(
            connections, maxsize, block, ssl_context=self._context, **kwargs
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        url = parse_url(request.url or "")
        return {"scheme": url.scheme, "host": url.host, "port": url.port}, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        # the shared context verifies; the stock method would load the bundle again
        return None


_adapters: Final[dict[int, GatewayAdapter]] = {}
_making = threading.Lock()


def shared_adapter() -> GatewayAdapter:
    """This process's adapter: sockets must not be shared over a fork."""
    adapter = _adapters.get(os.getpid())
    if adapter is None:
        with _making:
            adapter = _adapters.setdefault(os.getpid(), GatewayAdapter())
    return adapter
