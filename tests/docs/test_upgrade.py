"""What docs/upgrade.md promises: the version before works on the new tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

ROOT: Final = Path(__file__).resolve().parents[2]
#: The migration of the first release. Until then the schema changes in this one.
FIRST = "0001_initial"
ADDITIONS = (migrations.CreateModel, migrations.AddField, migrations.AddIndex)
#: The version before sees nothing of these: permissions and labels of choices.
UNSEEN = (migrations.AlterModelOptions,)
#: Columns whose list of choices has grown: ``(model, column)``.
MORE_CHOICES: set[tuple[str, str]] = set()
#: Columns that hold more than before.
LONGER: set[tuple[str, str]] = set()
#: Constraints that let more through than before.
WIDER: set[str] = set()
#: Models that the version before does not have: they may bring constraints.
NEW: set[str] = set()


def is_harmless(operation: Any) -> bool:
    if isinstance(operation, migrations.AddField):
        field: Any = operation.field
        return bool(field.null or field.db_default is not NOT_PROVIDED)
    if isinstance(operation, migrations.AlterField):
        column = (operation.model_name, operation.name)
        return column in MORE_CHOICES | LONGER
    if isinstance(operation, migrations.RemoveConstraint):
        return operation.name in WIDER
    if isinstance(operation, migrations.AddConstraint):
        return operation.model_name in NEW or operation.constraint.name in WIDER
    return isinstance(operation, ADDITIONS + UNSEEN)


def all_migrations() -> dict[str, Any]:
    graph = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return {
        name: migration
        for (app, name), migration in sorted(graph.items())
        if app == "nexi_payments"
    }


def is_released() -> bool:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    return bool(re.search(r"^## \[?\d", changelog, re.M))


def test_the_first_release_has_one_migration() -> None:
    """Nothing is installed anywhere before it: the schema changes in its file."""
    names = list(all_migrations())
    assert names[0] == FIRST
    assert is_released() or names == [FIRST]


def test_the_first_migration_creates_whole_tables() -> None:
    """SQLite copies a table for each constraint that is added to it, and each process
    of the tests that migrates would wait for that."""
    kinds = {type(one) for one in all_migrations()[FIRST].operations}
    assert kinds == {migrations.CreateModel}, "run: python .ci/initial_migration.py"


def test_tables_only_grow_and_old_inserts_still_fit() -> None:
    for name, migration in all_migrations().items():
        for operation in migration.operations:
            assert name == FIRST or is_harmless(operation), (name, operation.describe())


@pytest.mark.parametrize(
    ("operation", "harmless"),
    [
        (migrations.AddField("event", "x", models.TextField(null=True)), True),
        (migrations.AddField("event", "x", models.TextField(db_default="")), True),
        # Django's default is no default of the column: an old INSERT lacks it
        (migrations.AddField("event", "x", models.TextField(default="")), False),
        (migrations.RemoveField("event", "note"), False),
        (migrations.RenameField("event", "note", "text"), False),
        (migrations.RenameModel("event", "entry"), False),
        (migrations.DeleteModel("event"), False),
        (migrations.AlterField("event", "note", models.CharField()), False),
        (migrations.RemoveConstraint("operation", "nexi_known_operation"), False),
        (migrations.RunSQL("DELETE FROM nexi_payments_event"), False),
        (migrations.CreateModel("Entry", []), True),
        (migrations.AlterModelOptions("event", {}), True),
    ],
    ids=lambda value: value.describe() if hasattr(value, "describe") else str(value),
)
def test_what_the_version_before_can_work_with(operation: Any, harmless: bool) -> None:
    assert is_harmless(operation) is harmless
