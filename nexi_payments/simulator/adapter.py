"""``requests`` adapter that calls the simulator without sockets."""

from __future__ import annotations

import io
from http.client import RemoteDisconnected, responses
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from nexi_payments.simulator.simulator import Simulator


class SimulatorAdapter(BaseAdapter):
    """Adapter that raises what ``requests`` raises for a refused or cut connection."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self.simulator = simulator

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        body = request.body or b""
        reply = self.simulator.handle(
            request.method or "GET",
            request.url or "",
            {name: str(value) for name, value in request.headers.items()},
            body if isinstance(body, bytes) else str(body).encode(),
        )
        if reply.fault == "refused":
            connection = HTTPConnection("simulator")
            reason = NewConnectionError(connection, "Connection refused")
            raise requests.ConnectionError(
                MaxRetryError(None, request.url, reason),  # type: ignore[arg-type]
                request=request,
            )
        if reply.fault == "cut":
            gone = RemoteDisconnected("Remote end closed connection without response")
            raise requests.ConnectionError(
                ProtocolError("Connection aborted.", gone), request=request
            )
        response = requests.Response()
        response.status_code = reply.status
        response.reason = responses.get(reply.status, "")
        response.request = request
        response.headers = CaseInsensitiveDict(reply.headers)
        response.url = request.url or ""
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.raw = HTTPResponse(
            body=io.BytesIO(reply.body),
            status=reply.status,
            headers=dict(reply.headers),
            preload_content=False,
            decode_content=False,
        )
        return response

    def close(self) -> None:
        """Nothing to close."""
