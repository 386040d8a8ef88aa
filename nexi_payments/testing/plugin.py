"""For pytest: ``pytest_plugins = ["nexi_payments.testing.plugin"]`` in a conftest.

Imports of ours wait for a test: the plugin may be loaded before Django is set up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nexi_payments.testing.nexi import NexiSimulator


@pytest.fixture
def nexi_simulator() -> Iterator[NexiSimulator]:
    """Nexi, the bank and a shopper. The test asks for the database itself (``db`` or
    ``transactional_db``, or pytest-django's mark)."""
    from nexi_payments.testing.nexi import NexiSimulator

    with NexiSimulator() as nexi:
        yield nexi


@pytest.fixture(autouse=True)
def _nexi_out_of_reach() -> Iterator[None]:
    """Tests that forgot the simulator fail, instead of calling Nexi."""
    from nexi_payments.testing.isolation import nexi_out_of_reach

    with nexi_out_of_reach():
        yield


@pytest.fixture
def assert_no_card_data(transactional_db: None) -> Iterator[Callable[[], None]]:
    """Call it at any moment; at the end of the test it calls itself."""
    from nexi_payments.testing.leaks import Leaks

    with Leaks() as leaks:

        def judge() -> None:
            assert leaks.found() == []  # noqa: S101  this is what tests are for

        yield judge
        judge()
