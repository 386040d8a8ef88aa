"""The pytest plugin.

In a conftest: ``pytest_plugins = ["nexi_payments.testing.pytest_plugin"]``.

Fixtures import this app late: pytest may load the plugin before Django is set up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nexi_payments.testing.simulator import NexiSimulator


@pytest.fixture
def nexi_simulator() -> Iterator[NexiSimulator]:
    """Simulator of Nexi, the issuer and a shopper.

    The test requests the database itself: ``db``, ``transactional_db`` or the mark."""
    from nexi_payments.testing.simulator import NexiSimulator

    with NexiSimulator() as nexi:
        yield nexi


@pytest.fixture(autouse=True)
def _block_nexi() -> Iterator[None]:
    """Fail a test that calls Nexi without the simulator."""
    from nexi_payments.testing.isolation import block_nexi

    with block_nexi():
        yield


@pytest.fixture
def assert_no_card_data(transactional_db: None) -> Iterator[Callable[[], None]]:
    """Assert that no card data was stored or logged. Also runs when the test ends."""
    from nexi_payments.testing.card_data_scan import CardDataScan

    with CardDataScan() as scan:

        def check() -> None:
            assert scan.findings() == []  # noqa: S101  a test helper

        yield check
        check()
