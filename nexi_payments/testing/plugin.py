"""For pytest: ``pytest_plugins = ["nexi_payments.testing.plugin"]`` in a conftest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from nexi_payments.testing.leaks import Leaks


@pytest.fixture
def assert_no_card_data(transactional_db: None) -> Iterator[Callable[[], None]]:
    """Call it at any moment; at the end of the test it calls itself."""
    with Leaks() as leaks:

        def judge() -> None:
            assert leaks.found() == []  # noqa: S101  this is what tests are for

        yield judge
        judge()
