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
#: path → a line of the module, and the decorators of its tests
Modules = dict[str, tuple[str, list[str]]]


def marked(pytester: pytest.Pytester, modules: Modules) -> dict[str, list[set[str]]]:
    """What each test is marked with, by the path of its module. ``modules`` have, by
    path, a line of their own and a test for each decorator. All are collected at once:
    each session of pytester imports its plugins anew."""
    for path, (line, decorators) in modules.items():
        tests = [f"{one}\ndef test_{n}(): ..." for n, one in enumerate(decorators)]
        file = pytester.path / "tests" / f"{path}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(["import pytest", line, *tests]))
    items = pytester.genitems([pytester.getpathnode(pytester.path / "tests")])
    databases.mark(items)
    found: dict[str, list[set[str]]] = {path: [] for path in modules}
    for item in items:
        names = {"database", "mariadb"} & {mark.name for mark in item.iter_markers()}
        path = item.path.relative_to(pytester.path / "tests").with_suffix("")
        found[path.as_posix()].append(names)
    return found


def test_a_module_is_marked_by_what_it_does_and_says(pytester: pytest.Pytester) -> None:
    seen_on = "pytestmark = pytest.mark.seen_on({})".format
    of_mariadb = "pytestmark = pytest.mark.mariadb"
    everywhere = {"database", "mariadb"}
    assert marked(
        pytester,
        {
            "test_new": ("", [""]),
            "test_reads": ("", [READS]),
            # a module that commits runs on MariaDB as a whole
            "test_commits": ("", [COMMITS, READS, ""]),
            "test_sqlite": (seen_on('"sqlite"'), [COMMITS]),
            "test_two": (seen_on('"sqlite", "postgresql"'), [COMMITS]),
            "test_three": (seen_on('"sqlite", "postgresql", "mariadb"'), [COMMITS]),
            # the marker adds a module that commits in another process
            "test_elsewhere": (of_mariadb, [""]),
        },
    ) == {
        "test_new": [{"database"}],
        "test_reads": [{"database"}],
        "test_commits": [everywhere, everywhere, everywhere],
        "test_sqlite": [set()],
        "test_two": [{"database"}],
        "test_three": [everywhere],
        "test_elsewhere": [everywhere],
    }


def test_folders_without_a_database(pytester: pytest.Pytester) -> None:
    # a module of the same name in two folders would be one module
    modules: Modules = {
        f"{folder}/test_{folder}": ("", [COMMITS]) for folder in databases.ANYWHERE
    }
    assert marked(pytester, modules) == {path: [set()] for path in modules}
    for folder in databases.ANYWHERE:
        assert (databases.ROOT / folder).is_dir(), folder


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
