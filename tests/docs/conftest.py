from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexi_payments import signals

# what makes the tables and the drawings of the site
sys.path.append(str(Path(__file__).resolve().parents[2] / "docs" / "_ext"))


@pytest.fixture
def nobody_else_listens() -> Iterator[None]:
    """The receivers of a page are gone after it."""
    every = [value for value in vars(signals).values() if hasattr(value, "receivers")]
    before = [list(signal.receivers) for signal in every]
    yield
    for signal, receivers in zip(every, before, strict=True):
        signal.receivers[:] = receivers
        signal.sender_receivers_cache.clear()
