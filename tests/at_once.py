"""Several threads that begin at the same moment, each with its own connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection


def together(
    count: int,
    deed: Callable[[int], Any],
    refused: tuple[type[Exception], ...] = (),
) -> list[Any]:
    """What ``count`` threads got from ``deed(place)``: a value, or the class of an
    error that is among ``refused``. Any other error fails the test (pytest reports it
    as a thread's)."""
    gate = threading.Barrier(count)
    results: list[Any] = []

    def run(place: int) -> None:
        gate.wait()
        try:
            results.append(deed(place))
        except refused as error:
            results.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
