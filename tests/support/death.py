"""A process that dies before a given step: kill -9, without a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection

from nexi_payments.simulator import Reply, Simulator


class Killed(BaseException):
    pass


class Death:
    """Counts statements and requests. Before the one with this number the process
    dies: nothing is done after it.
    """

    def __init__(self, gateway: Simulator, step: int) -> None:
        self.left = step
        self.is_dead = False
        self.handle = gateway.handle
        self.gateway = gateway

    def count(self) -> None:
        self.left -= 1
        self.is_dead = self.is_dead or self.left < 0
        if self.is_dead:
            raise Killed

    def execute(self, run: Any, *arguments: Any) -> Any:
        self.count()
        return run(*arguments)

    def request(self, *arguments: Any) -> Reply:
        self.count()
        return self.handle(*arguments)

    def run(self, action: Callable[[], object]) -> bool:
        """Whether it died."""
        self.gateway.handle = self.request  # type: ignore[method-assign]
        try:
            with connection.execute_wrapper(self.execute):
                action()
        except (Killed, Exception):
            assert self.is_dead
        finally:
            self.gateway.handle = self.handle  # type: ignore[method-assign]
        connection.close()
        return self.is_dead
