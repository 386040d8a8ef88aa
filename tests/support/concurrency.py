"""Threads that start at the same moment, each with a database connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection


def run_concurrently(
    count: int,
    action: Callable[[int], Any],
    expected_errors: tuple[type[Exception], ...] = (),
) -> list[Any]:
    """Run ``action(0)`` to ``action(count - 1)`` at once. Return a result for each: its
    value, or the class of an expected error. Any other error fails the test (pytest
    reports it as a thread's)."""
    gate = threading.Barrier(count)
    results: list[Any] = []

    def run(place: int) -> None:
        gate.wait()
        try:
            results.append(action(place))
        except expected_errors as error:
            results.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
