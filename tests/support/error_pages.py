"""Django's own pages for errors, of which the searches for card data make thousands."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from django.views import debug


@pytest.fixture(scope="session", autouse=True)
def error_pages_are_compiled_once() -> Iterator[None]:
    """Django reads and compiles their two templates anew for each error."""
    engine = debug.DEBUG_ENGINE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "from_string", functools.cache(engine.from_string))
        yield
