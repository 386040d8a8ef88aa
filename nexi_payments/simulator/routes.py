"""The route table: method and path template → the handler of an endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, Final
from urllib.parse import parse_qsl, unquote

from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.schema_validator import RequestRejected
from nexi_payments.simulator.state import SimulatorState

#: Names in a template → what they match. A slash after the last id is ignored.
_PARAMETERS: Final = {"{flow}": "([23]steps)", "{id}": "([^/]+)"}


@dataclass(frozen=True)
class Request:
    """API request. ``path`` follows the base URL, ``site`` precedes it.

    Header names are in lower case."""

    method: str
    path: str
    query: str
    site: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def idempotency_key(self) -> str:
        return self.headers.get("idempotency-key", "")

    def query_parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.query))

    def json(self) -> Any:
        """Return the parsed body; a cancel may have none. Raises ``RequestRejected``.

        It raises outside the ``except``: the context would quote the body."""
        try:
            return json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            pass
        raise RequestRejected("PS0035", "the body is not JSON")


#: Takes the state, the request and the parameters of the path, decoded.
Handler = Callable[Concatenate[SimulatorState, Request, ...], Reply]


class RouteTable:
    """``handlers`` are named as in the API page: ``"GET /orders/{id}"``."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._routes = [
            (re.compile(_pattern(name)), handler) for name, handler in handlers.items()
        ]

    def find(self, method: str, path: str) -> tuple[Handler, list[str]] | None:
        """Return the handler and the parameters of the path, if there is one."""
        for pattern, handler in self._routes:
            if match := pattern.fullmatch(f"{method} {path}"):
                return handler, [unquote(value) for value in match.groups()]
        return None


def _pattern(name: str) -> str:
    end = "/?" if name.endswith("{id}") else ""
    for parameter, pattern in _PARAMETERS.items():
        name = name.replace(parameter, pattern)
    return name + end
