"""The ``requests`` adapter of all gateway calls.

It uses fresh sockets and one TLS context. It prints no debug output, follows no
redirects, keeps no cookies and reads no environment variables.

A connection is reused only if it was idle for less than the call's ``keep_alive``
(seconds). On a connection that the peer has closed meanwhile, the outcome of a request
would be unknown.
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

_thread_state = threading.local()


def current_call() -> Call | None:
    """Return the gateway call of this thread, if there is one."""
    return getattr(_thread_state, "call", None)


def set_current_call(call: Call | None) -> None:
    _thread_state.call = call


class _CallTrackingMixin:
    """Tell the current call its socket, and when its first byte may have left."""

    #: fixed: ``http.client.HTTPConnection.debuglevel = 1`` would print bodies
    debuglevel = 0
    idle_since = 0.0

    def set_debuglevel(self, level: int) -> None:
        return None

    def connect(self) -> None:
        call = current_call()
        if call is not None:
            call.use_connection(self)  # type: ignore[arg-type]
        super().connect()  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()
        call = current_call()
        if call is not None:
            call.mark_sent(self)  # type: ignore[arg-type]
        super().send(data)  # type: ignore[misc]


class _Connection(_CallTrackingMixin, HTTPConnection):
    pass


class _TlsConnection(_CallTrackingMixin, HTTPSConnection):
    pass


class _IdleLimitMixin:
    """Reuse pooled connections only within the call's ``keep_alive``."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        call = current_call()
        keep_alive = call.keep_alive if call is not None else 0.0
        if time.monotonic() - connection.idle_since >= keep_alive:
            connection.close()  # urllib3 opens it again when it is used
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.idle_since = time.monotonic()
        call = current_call()
        if call is not None:
            call.use_connection(None)  # from here on another call may use it
        super()._put_conn(connection)  # type: ignore[misc]


class _Pool(_IdleLimitMixin, HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(_IdleLimitMixin, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class GatewayAdapter(HTTPAdapter):
    """Adapter of one process, shared by all threads and terminals.

    ``ca_bundle`` is a PEM file; ``None`` means certifi's. The TLS context is made once:
    reading the bundle costs 30 ms.
    """

    def __init__(self, *, ca_bundle: str | None = None, pool_size: int = 128) -> None:
        # not create_default_context: that writes session keys to SSLKEYLOGFILE
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
_adapters_lock = threading.Lock()


def shared_adapter() -> GatewayAdapter:
    """Return this process's adapter. Sockets must not be shared over a fork."""
    adapter = _adapters.get(os.getpid())
    if adapter is None:
        with _adapters_lock:
            adapter = _adapters.setdefault(os.getpid(), GatewayAdapter())
    return adapter
