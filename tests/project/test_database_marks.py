"""Which tests CI runs on which database (tests/databases.py)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import databases

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.seen_on("sqlite")

COMMITS = "@pytest.mark.django_db(transaction=True)"
READS = "@pytest.mark.django_db"


def marked(
    pytester: pytest.Pytester, *decorators: str, module: str = "", path: str = "test_x"
) -> list[set[str]]:
    """A module with a test for each decorator; what each test is marked with."""
    tests = [f"{one}\ndef test_{n}(): ..." for n, one in enumerate(decorators)]
    source = "\n".join(["import pytest", module, *tests])
    file = pytester.path / "tests" / f"{path}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    items = pytester.genitems([pytester.getpathnode(file)])
    databases.mark(items)
    names = {"database", "mariadb"}
    return [names & {mark.name for mark in item.iter_markers()} for item in items]


def test_a_new_test_runs_on_postgresql(pytester: pytest.Pytester) -> None:
    assert marked(pytester, "") == [{"database"}]
    assert marked(pytester, READS, path="test_y") == [{"database"}]


def test_a_module_that_commits_runs_on_mariadb_as_a_whole(
    pytester: pytest.Pytester,
) -> None:
    assert marked(pytester, COMMITS, READS, "") == [{"database", "mariadb"}] * 3


@pytest.mark.parametrize(
    ("vendors", "marks"),
    [
        ('"sqlite"', set()),
        ('"sqlite", "postgresql"', {"database"}),
        ('"sqlite", "postgresql", "mariadb"', {"database", "mariadb"}),
    ],
)
def test_a_module_says_where_it_is_seen(
    pytester: pytest.Pytester, vendors: str, marks: set[str]
) -> None:
    module = f"pytestmark = pytest.mark.seen_on({vendors})"
    assert marked(pytester, COMMITS, module=module) == [marks]


def test_the_marker_adds_a_module_that_commits_elsewhere(
    pytester: pytest.Pytester,
) -> None:
    module = "pytestmark = pytest.mark.mariadb"
    assert marked(pytester, "", module=module) == [{"database", "mariadb"}]


@pytest.mark.parametrize("folder", sorted(databases.ANYWHERE))
def test_folders_without_a_database(pytester: pytest.Pytester, folder: str) -> None:
    assert marked(pytester, COMMITS, path=f"{folder}/test_x") == [set()]
    assert (databases.ROOT / folder).is_dir()


@pytest.mark.parametrize(
    ("marker", "files"),
    [
        (
            "database",
            {
                "tests/admin/test_phone_orders.py",
                "tests/flows/ledger/test_operations.py",
            },
        ),
        ("mariadb", {"tests/flows/ledger/test_operations.py"}),
    ],
)
def test_the_marks_are_there_when_they_are_selected(
    marker: str, files: set[str]
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0"),
            *("-p", "no:cacheprovider", "-m", marker),
            *(
                "tests/admin/test_phone_orders.py",
                "tests/flows/ledger/test_operations.py",
                "tests/test_money.py",
            ),
        ],
        cwd=databases.ROOT.parent,
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if "::" in line]
    assert {line.partition("::")[0] for line in lines} == files
