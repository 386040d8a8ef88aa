"""Which tests CI runs on which database, as the markers ``database`` and ``mariadb``.

SQLite runs every test. A test is ``database`` and runs on PostgreSQL, too, unless it
stands in a folder of ``ANYWHERE`` or is marked ``seen_on("sqlite")``. MariaDB runs, of
those, the modules in which a test commits (``transaction=True``): its locks, isolation
and SQL differ there. ``seen_on("sqlite", "postgresql")`` keeps a module away from it;
the marker ``mariadb`` adds a module that commits in another process.

    pytest -m database      what CI runs on PostgreSQL
    pytest -m mariadb       what CI runs on MariaDB

Without ``-m`` every database runs every test.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent
#: Folders of tests that use no database, or bring a project and database of their own.
ANYWHERE: Final = frozenset({"browser", "docs", "gateway", "simulator", "wheel"})


def mark(items: list[pytest.Item]) -> None:
    """Adds ``database`` and ``mariadb``; looks at whole modules, so ``-k`` does not
    change what a test is."""
    modules: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        modules[str(item.path)].append(item)
    for tests in modules.values():
        elsewhere = any(_commits(test) for test in tests)
        for test in tests:
            vendors = _vendors(test)
            if "postgresql" in vendors:
                test.add_marker(pytest.mark.database)
            if "mariadb" in vendors and elsewhere:
                test.add_marker(pytest.mark.mariadb)


def omitted(items: list[pytest.Item], vendor: str) -> list[pytest.Item]:
    """Tests of what this database does not have (``only_on("postgresql")``)."""
    marks = ((item, item.get_closest_marker("only_on")) for item in items)
    return [item for item, only in marks if only and vendor not in only.args]


def _vendors(test: pytest.Item) -> tuple[str, ...]:
    if ANYWHERE & set(test.nodeid.split("/")[1:-1]):
        return ("sqlite",)
    seen_on = test.get_closest_marker("seen_on")
    return seen_on.args if seen_on else ("sqlite", "postgresql", "mariadb")


def _commits(test: pytest.Item) -> bool:
    marks = test.iter_markers("django_db")
    return any(one.kwargs.get("transaction") for one in marks)
